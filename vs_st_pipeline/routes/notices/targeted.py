"""Syncs what a few hints name: a whole sync's own steps, for these orders and answers alone (routes.md R13, R46, R49).

    raw      callbacks of the merchant's accounts; the hinted orders, read singly    hinting, sources_table
             the account's templates, where they are due                             listing
    staged   these orders, and those whose messages were answered                    stages.stage, `session.only`
    planned  their notices, the answers                                              stages.plan
    synced   actions, answers, messages                                              stages.push

It walks no list, and is bound by what the brake says of its plan. Before the merchant's first good whole sync nothing
is claimed: that sync takes hints and callbacks alike.

Callbacks of an account that several merchants share are taken with the run of any of them (`run_shared`), under the
account's lock and no merchant's; whoever is answered gets a hint of its own, and its own targeted sync.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from vs_st_pipeline.connectors.gupshup.settings import HOUSE, GupshupAccount, GupshupSettings
from vs_st_pipeline.domain.errors import Internal, PipelineError, TryLater
from vs_st_pipeline.domain.hints import ANSWERED, ORDER, Hint, Outcome
from vs_st_pipeline.domain.report import FAILED, OK, Report
from vs_st_pipeline.domain.single_reads import SingleReads
from vs_st_pipeline.pipeline.hinted import MOST_RECORDS, HintDesk, Hinted, SharedHints
from vs_st_pipeline.pipeline.staged_run import in_spite_of_trouble
from vs_st_pipeline.platform.crash_reports import describe
from vs_st_pipeline.platform.failpoints import failpoint
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.settings.merchants import Merchant
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.routes.notices import hinting, listing, other_readers, sources_table, stages, sync
from vs_st_pipeline.routes.notices.account import taking
from vs_st_pipeline.routes.notices.account.store import AccountStore
from vs_st_pipeline.routes.notices.report import new_report
from vs_st_pipeline.routes.notices.session import NoticesSession
from vs_st_pipeline.routes.notices.stage_names import PLAN, PUSH, READ, STAGED
from vs_st_pipeline.routes.notices.systems import ESHOPBOX, GUPSHUP, SOURCES
from vs_st_pipeline.routes.notices.words import OUT

READER_SECONDS: Final = 5.0  # until a hint is looked at again whose order another route has yet to read
PATIENCE_SECONDS: Final = 120.0  # then a whole sync takes what is staged by then


def run_hinted(run: Run, desk: HintDesk) -> Report:
    """Sync what is hinted at; never raises, what went wrong is in the report."""

    def work(session: NoticesSession, _: None) -> None:
        _Targeted(session, desk).sync(desk.claim(session.run))

    return sync.RUN.run_hinted(run, desk, stages.begin, work, stages.end)


@dataclass(slots=True)
class _Order:
    """An order that is hinted at.

    Attributes:
        record: as hints name it. name: as our tables do (SOURCE:ID); None: it was never read well.
        gone, failed: what came of its read.
    """

    system: str
    record: str
    hints: list[Hint] = field(default_factory=list)
    name: str | None = None
    gone: bool = False
    failed: PipelineError | None = None


class _Targeted:
    """One targeted sync under way."""

    def __init__(self, session: NoticesSession, desk: HintDesk) -> None:
        self._session, self._desk, self._run = session, desk, session.run

    def sync(self, claimed: Sequence[Hint]) -> None:
        """Take, read, plan, send, and say of each hint what became of it."""
        session, desk = self._session, self._desk
        callbacks = [one for one in claimed if hinting.is_callback(one)]
        answers = [one for one in claimed if one.system == GUPSHUP and one.kind == ANSWERED]
        orders = self._orders([one for one in claimed if one.system != GUPSHUP])
        if not (callbacks or answers or orders):
            return
        session.told.seen["hooks"] += sum(len(one.hints) for one in orders if one.system == ESHOPBOX)
        try:
            hinting.keep_callbacks(self._run, callbacks)
            session.do(READ, stages.take)
            session.do(READ, self._read, orders)
            in_spite_of_trouble(session, lambda: session.do(READ, listing.read))
            good = {one.name for one in orders if one.name and one.failed is None and not one.gone}
            session.only = frozenset(good | self._answered([one.id or "" for one in answers]))
            session.do(STAGED, stages.stage)
            session.do(PLAN, stages.plan)
            session.do(PUSH, stages.push)
            if session.trouble is not None:
                raise session.trouble
        except PipelineError as error:
            self._say(orders, error)
            desk.fail([*callbacks, *answers], error.kind)  # taken once more they say nothing new
            raise
        desk.settle(callbacks, Outcome.UNCHANGED)
        self._say_answers(answers)
        self._say(orders, None)

    def _orders(self, hints: Sequence[Hint]) -> list[_Order]:
        """Return the orders to read now; all other hints are settled, left or handed over."""
        desk, found = self._desk, dict[tuple[str, str, str], _Order]()
        for hint in hints:
            if hint.system in SOURCES and hint.kind == ORDER and hint.id:
                found.setdefault(hint.record, _Order(hint.system, hint.id)).hints.append(hint)
            else:  # a whole sync's lists show it
                desk.settle([hint], Outcome.HANDED_OVER)
        if found:
            hinting.hand_over(self._run, [hint for one in found.values() for hint in one.hints])
        kept = list(found.values())
        if desk.is_flooded():
            for one in [one for one in kept if self._name_of(one) is None]:
                desk.settle(one.hints, Outcome.OVER_LIMIT)
                kept.remove(one)
        for one in kept[MOST_RECORDS:]:
            desk.leave(one.hints)
        kept = kept[:MOST_RECORDS]
        for one in [one for one in kept if self._reads(one.system) and not desk.may_ask(one.system)]:
            desk.settle(one.hints, Outcome.HANDED_OVER)
            kept.remove(one)
        return kept

    def _reads(self, system: str) -> bool:
        return system == ESHOPBOX or other_readers.reads_itself(self._run.merchant, system)

    def _name_of(self, one: _Order) -> str | None:
        try:
            return sources_table.merchant_order_of(self._session, one.record, one.system)
        except KeyError:
            return None

    def _read(self, session: NoticesSession, orders: list[_Order]) -> None:
        reads = SingleReads(len(orders))
        for one in list(orders):
            try:
                news = sources_table.read_hinted(session, one.record, one.system)
            except KeyError:  # another route reads the system for all, and settles its own hint first (R34)
                if self._is_left_to_its_reader(one):
                    orders.remove(one)
                continue
            except PipelineError as error:
                one.failed = error
                reads.went_wrong(one.record, error)
                continue
            reads.went_well()
            session.told.seen["orders"] += 1
            one.gone = news is None
            one.name = self._name_of(one)
            self._desk.note_read(one.hints[0], news=bool(news), gone=one.gone and one.name is None)

    def _is_left_to_its_reader(self, one: _Order) -> bool:
        """Leave hints until the route that reads the system has read their order; then what it has staged is taken."""
        waited = self._desk.inbox.clock() - one.hints[0].stored_at
        if waited < PATIENCE_SECONDS and self._desk.inbox.is_open_elsewhere(one.hints[0]):
            self._desk.leave(one.hints, READER_SECONDS)
            return True
        one.name = self._name_of(one) if waited < PATIENCE_SECONDS else None
        if one.name is None:  # it is not staged yet
            self._desk.settle(one.hints, Outcome.HANDED_OVER)
        return one.name is None

    def _answered(self, message_ids: Collection[str]) -> set[str]:
        """Return the orders whose messages these replies answer, and all that nobody has judged yet."""
        with self._run.open() as db:
            rows = db.rows(
                """select distinct n.merchant_order from staged.replies as r join synced.notices as n using (notice_id)
                   where (r.message_id = any(?) or r.outcome is null) and n.merchant_order is not null""",
                [list(message_ids)],
            )
        return {row[0] for row in rows}

    def _say_answers(self, hints: Sequence[Hint]) -> None:
        with self._run.open() as db:
            for one in hints:
                did = """select 1 from synced.actions where run_id = ? and reply_id = ? union all
                         select 1 from synced.notices where run_id = ? and reply_id = ? limit 1"""
                acted = db.value(did, [self._run.run_id, one.id, self._run.run_id, one.id])
                self._desk.settle([one], Outcome.WRITTEN if acted else Outcome.UNCHANGED)

    def _say(self, orders: Sequence[_Order], error: PipelineError | None) -> None:
        with self._run.open() as db:
            for one in orders:
                if error is not None or one.failed is not None:
                    self._desk.fail(one.hints, (error or one.failed or PipelineError("")).kind)
                else:
                    self._desk.settle(one.hints, Outcome.GONE if one.gone else self._outcome(db, one.name))

    def _outcome(self, db: Db, order: str | None) -> Outcome:
        sent = f"""select 1 from synced.notices where run_id = ? and merchant_order = ? and tries > 0
                   and state in ({", ".join(f"'{state}'" for state in sorted(OUT))}) limit 1"""
        if db.value(sent, [self._run.run_id, order]):
            return Outcome.WRITTEN
        waits = "select 1 from synced.notices where merchant_order = ? and state = 'waiting' limit 1"
        return Outcome.HELD if db.value(waits, [order]) else Outcome.UNCHANGED


# --- accounts that several merchants share ---


def shared_accounts(merchant: Merchant) -> list[str]:
    """Return the ids of the accounts that a merchant shares with others."""
    if not merchant.has(GupshupSettings):
        return []
    return [one.id for one in merchant.section(GupshupSettings).accounts if one.kind == HOUSE]


def run_shared(run: Run, desk: HintDesk) -> Report:
    """Take the callbacks of an account that several merchants share, and hint at those who were answered; never raises.

    The account's file has them before the inbox is told; what is taken twice says nothing.
    """
    run = replace(run, trigger="hint", inbox=run.inbox or desk.inbox)
    report = new_report(desk.merchant, run.run_id)
    report.status = OK
    try:
        if (account := _account(run, desk.merchant)) is not None:
            store = AccountStore.of(run, account)
            with store.lock():
                claimed = desk.claim(run)
                taken = taking.keep(store, claimed, run=run)
                report.noted.update(taken.noted)
                answered = taken.answered
                failpoint("callbacks kept")
                hinting.tell(desk.inbox, answered)
                desk.settle(claimed, Outcome.WRITTEN if answered else Outcome.UNCHANGED)
                desk.finish(report)
    except PipelineError as error:
        report.status, report.error = FAILED, error
    except sqlite3.OperationalError:  # busy for a minute, or its disk is full: they wait for the next try
        report.status = FAILED
        report.error = TryLater("the account's file, or the inbox, could not be read or written just now")
    except Exception as error:
        report.status, report.error = FAILED, Internal(describe(error))
    return report


def _account(run: Run, name: str) -> GupshupAccount | None:
    return next((one for one in run.merchant.section(GupshupSettings).accounts if one.inbox_name == name), None)


HINTED: Final[Hinted] = Hinted(hinting.WANTS, run_hinted, hinting.hand_over, SharedHints(shared_accounts, run_shared))
"""How the route takes hints."""
