"""Syncs what a few hints name, and posts: a whole sync's own steps, for these records alone (routes.md R13, R49; 4.4).

    raw      the hinted records, read singly; posts stored   Source.read_one, from_shop.take
    staged   these records                                   Source.stage with `session.only`
    planned  as in a whole sync, which costs what changed     stages.plan
    synced   unsubscribes and events                          taking, delivery

It walks no list, sends no part of the history, and is bound by what the brake says of its plan. Before the merchant's
first good whole sync nothing is claimed: that sync takes posts and hints alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from vs_st_pipeline.domain.errors import PipelineError, TryLater
from vs_st_pipeline.domain.hints import CUSTOMER, ORDER, WHOLE, Hint, Outcome
from vs_st_pipeline.domain.report import Report
from vs_st_pipeline.domain.single_reads import SingleReads
from vs_st_pipeline.pipeline.hinted import MOST_RECORDS, HintDesk, Hinted
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.routes.audience import delivery, from_shop, hinting, history, sources_table, stages, sync, taking
from vs_st_pipeline.routes.audience.session import AudienceSession
from vs_st_pipeline.routes.audience.stage_names import PLAN, PUSH, READ, STAGED
from vs_st_pipeline.routes.audience.systems import SHOP


def run_hinted(run: Run, desk: HintDesk) -> Report:
    """Sync what is hinted at; never raises, what went wrong is in the report."""

    def work(session: AudienceSession, goes_on: bool) -> None:
        if goes_on:
            _Targeted(session, desk).sync(desk.claim(session.run))

    return sync.RUN.run_hinted(run, desk, stages.begin, work, stages.end)


@dataclass(slots=True)
class _Record:
    """A record that is hinted at. gone, failed: what came of its read."""

    system: str
    kind: str
    id: str
    hints: list[Hint] = field(default_factory=list)
    gone: bool = False
    failed: PipelineError | None = None


class _Targeted:
    """One targeted sync under way."""

    def __init__(self, session: AudienceSession, desk: HintDesk) -> None:
        self._session, self._desk, self._run = session, desk, session.run
        self._owners: set[str] = set()
        self._source = sources_table.source_of(session.run.merchant)

    def sync(self, claimed: Sequence[Hint]) -> None:
        """Read, plan, tell, and say of each hint what became of it."""
        posts = [hint for hint in claimed if hint.system == SHOP and hint.kind == from_shop.KIND]
        if posts:
            from_shop.take(self._run, posts)
        records = self._records([hint for hint in claimed if hint not in posts])
        if not records and not posts:
            return
        session = self._session
        try:
            session.do(PUSH, stages.unsubscribe_first)
            session.do(READ, self._read, records)
            good = [one for one in records if one.failed is None and not one.gone]
            session.only = frozenset((one.kind, one.id) for one in good) | {(CUSTOMER, one) for one in self._owners}
            session.do(READ, stages.read)
            session.do(STAGED, stages.stage)
            session.do(PLAN, stages.plan)
            session.do(PUSH, _push)
            if session.trouble is not None:
                raise session.trouble
        except PipelineError as error:
            self._desk.settle(posts, Outcome.HANDED_OVER)  # stored: a whole sync goes on with them
            self._say(records, error)
            raise
        self._desk.settle(posts, Outcome.WRITTEN if session.told.accepted else Outcome.UNCHANGED)
        self._say(records, None)

    def _records(self, hints: Sequence[Hint]) -> list[_Record]:
        """Return the records to read now; all other hints are settled, left or handed over."""
        desk, found = self._desk, dict[tuple[str, str, str], _Record]()
        for hint in hints:
            if hint.system != self._source.system:
                desk.settle([hint], Outcome.NO_HINT)
            elif hint.kind == WHOLE or not hint.id:
                desk.settle([hint], Outcome.HANDED_OVER)
            else:
                found.setdefault(hint.record, _Record(hint.system, hint.kind, hint.id)).hints.append(hint)
        kept: list[_Record] = []
        with self._run.open() as db:
            for one in found.values():
                if not self._source.is_known(db, one.kind, one.id) and desk.is_flooded():
                    desk.settle(one.hints, Outcome.OVER_LIMIT)
                else:
                    kept.append(one)
        for one in kept[MOST_RECORDS:]:
            desk.leave(one.hints)
        kept = kept[:MOST_RECORDS]
        for one in [one for one in kept if not desk.may_ask(one.system)]:
            desk.settle(one.hints, Outcome.HANDED_OVER)
            kept.remove(one)
        return kept

    def _read(self, session: AudienceSession, records: list[_Record]) -> None:
        reads = SingleReads(len(records))
        for one in list(records):
            try:
                news = self._source.read_one(session, one.kind, one.id)
                if news and one.kind == ORDER:
                    self._read_owner(session, one.id)
            except KeyError:  # it cannot be read by itself
                self._desk.settle(one.hints, Outcome.HANDED_OVER)
                records.remove(one)
                continue
            except PipelineError as error:
                one.failed = error
                reads.went_wrong(one.id, error)
                continue
            reads.went_well()
            session.told.seen[f"{one.kind}s"] += 1
            one.gone = news is None
            self._desk.note_read(one.hints[0], news=bool(news), gone=one.gone)

    def _read_owner(self, session: AudienceSession, order_id: str) -> None:
        """Read the customer of an order, where nothing is known of them: age and consent are looked at before it goes.

        Where that cannot be, the order waits for a whole sync.
        """
        with self._run.open() as db:
            owner = self._source.owner_to_read(db, order_id)
        if owner is None:
            return
        if not self._desk.may_ask(self._source.system):
            raise TryLater("the order's customer may not be asked for now; a whole sync reads both")
        if self._source.read_one(session, CUSTOMER, owner) is not None:
            self._owners.add(owner)

    def _say(self, records: Sequence[_Record], error: PipelineError | None) -> None:
        with self._run.open() as db:
            for one in records:
                if error is not None or one.failed is not None:
                    self._desk.fail(one.hints, (error or one.failed or PipelineError("")).kind)
                elif one.gone:
                    self._desk.settle(one.hints, Outcome.GONE)
                else:
                    self._desk.settle(one.hints, self._outcome(db, one))

    def _outcome(self, db: Db, one: _Record) -> Outcome:
        told = """select 1 from synced.audience_told where run_id = ? and kind = ? and id = ? and state = 'accepted'
                  limit 1"""
        if db.value(told, [self._run.run_id, one.kind, one.id]):
            return Outcome.WRITTEN
        if db.value("select 1 from planned.audience_held where kind = ? and id = ? limit 1", [one.kind, one.id]):
            return Outcome.HELD
        waits = "select 1 from synced.audience_outbox where kind = ? and id = ? limit 1"
        return Outcome.HANDED_OVER if db.value(waits, [one.kind, one.id]) else Outcome.UNCHANGED


def _push(session: AudienceSession) -> None:
    """Take the plan into the outbox, and send what is due of it; the history goes on in whole syncs."""
    if not session.registered:
        return
    if session.refused is None and session.trouble is None:
        taking.take(session)
    delivery.unsubscribe(session)
    if history.is_done(session):
        delivery.send(session)


HINTED: Final = Hinted(hinting.WANTS, run_hinted, hinting.hand_over)
"""How the route takes hints."""
