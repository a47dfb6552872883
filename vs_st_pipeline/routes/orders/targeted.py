"""Syncs what a few hints name: a whole sync's own steps, for these orders alone (orders.md 3; rulings, orders 6).

    raw      the hinted orders, read singly       reads.read_order, watching.watch
    staged   as in a whole sync                   staging.stage
    planned  judged, for these alone              judging.judge, brake.ask
    synced   sent, fulfilled and told             stages.write

It walks no pass, moves no watermark, and is bound by what the brake said of the last whole sync. What may be history
waits for a whole sync, which sees all of it. A hint on an order that this route wrote in the last ten minutes is our
own echo, and waits (routes.md R49). A number at the shipper that is none of ours: nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from vs_st_pipeline.domain.errors import PipelineError
from vs_st_pipeline.domain.hints import ORDER, WHOLE, Hint, Outcome
from vs_st_pipeline.domain.report import Report
from vs_st_pipeline.domain.single_reads import SingleReads
from vs_st_pipeline.pipeline.hinted import MOST_RECORDS, HintDesk, Hinted
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.routes.orders import hinting, ledger, reads, stages, staging, sync
from vs_st_pipeline.routes.orders.session import OrdersSession
from vs_st_pipeline.routes.orders.stage_names import PUSH, SENT_ORDERS, SHOP_ORDERS, STAGED
from vs_st_pipeline.routes.orders.states import State
from vs_st_pipeline.routes.orders.systems import SHIPPER, SHOP

WANTS: Final = {
    SHOP: frozenset({ORDER, hinting.PRODUCT, WHOLE}),
    SHIPPER: frozenset({ORDER}),
}


def run_hinted(run: Run, desk: HintDesk) -> Report:
    """Sync what is hinted at; never raises, what went wrong is in the report."""

    def work(session: OrdersSession, _: None) -> None:
        _Targeted(session, desk).sync(desk.claim(session.run))

    return sync.RUN.run_hinted(run, desk, stages.begin, work, stages.end)


@dataclass(slots=True)
class _Record:
    """An order that is hinted at.

    Attributes:
        name: id at the shop, or number at the shipper. order_id: at the shop; None: none of ours.
        before: number of its last change here before it was read. gone, failed: what came of the read.
    """

    system: str
    name: str
    hints: list[Hint] = field(default_factory=list)
    order_id: str | None = None
    before: int = 0
    gone: bool = False
    failed: PipelineError | None = None

    @property
    def event(self) -> str | None:
        """Return the word that matters most."""
        words = [hint.event for hint in self.hints if hint.event]
        return next((word for word in words if word in hinting.AT_ONCE), words[-1] if words else None)


class _Targeted:
    """One targeted sync under way."""

    def __init__(self, session: OrdersSession, desk: HintDesk) -> None:
        self._session, self._desk, self._run = session, desk, session.run

    def sync(self, claimed: Sequence[Hint]) -> None:
        """Read, judge, write, and say of each hint what became of it."""
        records = self._records(claimed)
        if not records:
            return
        session = self._session
        try:
            session.do(SHOP_ORDERS, self._read_shop, [one for one in records if one.system == SHOP])
            session.only = frozenset(one.order_id for one in records if one.order_id is not None)
            session.do(STAGED, self._stage)
            session.do(SENT_ORDERS, self._read_there, [one for one in records if one.system == SHIPPER])
            if session.only:
                sync.judge(session)
                session.do(PUSH, stages.write)
            if trouble := session.there or session.trouble:
                raise trouble
        except PipelineError as error:
            self._say(records, error)
            raise
        self._say(records, None)

    # --- which ------------------------------------------------------------------------------------------------------

    def _records(self, claimed: Sequence[Hint]) -> list[_Record]:
        """Return the orders to read now; all other hints are settled, left or handed over."""
        desk, found = self._desk, dict[tuple[str, str], _Record]()
        for hint in claimed:
            if hint.kind != ORDER or not hint.id:
                desk.settle([hint], Outcome.HANDED_OVER)  # the catalogue, or all that changed: a whole sync reads it
                continue
            found.setdefault((hint.system, hint.id), _Record(hint.system, hint.id)).hints.append(hint)
        kept: list[_Record] = []
        with self._run.open() as db:
            for one in found.values():
                if self._is_to_read(db, one):
                    kept.append(one)
        for one in kept[MOST_RECORDS:]:
            desk.leave(one.hints)
        kept = kept[:MOST_RECORDS]
        for one in [one for one in kept if not desk.may_ask(one.system)]:
            desk.settle(one.hints, Outcome.HANDED_OVER)
            kept.remove(one)
        return kept

    def _is_to_read(self, db: Db, one: _Record) -> bool:
        desk = self._desk
        if one.system == SHIPPER:
            one.order_id = db.value("select order_id from synced.orders where vs_number = ?", [one.name])
            if one.order_id is None:
                desk.settle(one.hints, Outcome.NOT_LINKED)
                return False
        else:
            row = db.row("select id, changed from raw.commerce7_orders where id = ?", [one.name])
            if row is None and desk.is_flooded():
                desk.settle(one.hints, Outcome.OVER_LIMIT)
                return False
            one.before = row[1] if row is not None else 0
        if one.event not in hinting.AT_ONCE and (left := hinting.rests(self._run, db, one.system, one.name)):
            desk.leave(one.hints, left)
            return False
        return True

    # --- reads ------------------------------------------------------------------------------------------------------

    def _read_shop(self, session: OrdersSession, records: Sequence[_Record]) -> None:
        asked = SingleReads(len(records))
        for one in records:
            session.hinted.add(one.name)
            found = reads.read_order(session, asked, one.name, reads.HINT)
            one.failed = asked.failed.get(one.name)
            if one.failed is None:
                one.gone = found is None
                one.order_id = one.name
                session.told.seen["orders"] += 1
        self._note_read(records)

    def _note_read(self, records: Sequence[_Record]) -> None:
        """Keep how often each was read in vain, and take hints away that an earlier sync has kept of them."""
        with self._run.open() as db, db.transaction():
            hinting.done_here(db, [one.name for one in records if one.failed is None])
            for one in records:
                changed = db.value("select changed from raw.commerce7_orders where id = ?", [one.name]) or 0
                self._desk.note_read(one.hints[0], news=changed != one.before, gone=one.gone)

    def _stage(self, session: OrdersSession) -> None:
        """Stage what was read, and find whom it says something of besides: a refund names its order."""
        staging.stage(session)
        assert session.only is not None
        with self._run.open() as db:
            others = db.rows(
                """select o.order_id from synced.orders as o where o.state = 'sent' and o.order_id in (
                       select previous_id from raw.commerce7_orders where list_contains($ids::varchar[], id))""",
                {"ids": sorted(session.only)},
            )
        session.linked = frozenset(row[0] for row in others)

    def _read_there(self, session: OrdersSession, records: Sequence[_Record]) -> None:
        stages.settle(session)
        if session.there is not None or not records:
            return
        with session.asking_there():
            failed = stages.read_hinted_there(session, [hinting.Hinted(one.name, one.event) for one in records])
            for one in records:
                one.failed = session.trouble if one.name in failed else None
                self._desk.note_read(one.hints[0], news=True)

    # --- what became of them ----------------------------------------------------------------------------------------

    def _say(self, records: Sequence[_Record], error: PipelineError | None) -> None:
        with self._run.open() as db:
            for one in records:
                if error is not None or one.failed is not None:
                    self._desk.fail(one.hints, (error or one.failed or PipelineError("")).kind)
                elif one.gone:
                    self._desk.settle(one.hints, Outcome.GONE)
                else:
                    self._desk.settle(one.hints, self._outcome(db, one.order_id or ""))

    def _outcome(self, db: Db, order_id: str) -> Outcome:
        written = "select 1 from synced.order_writes where run_id = ? and order_id = ? and outcome is not null limit 1"
        if db.value(written, [self._run.run_id, order_id]):
            return Outcome.WRITTEN
        row = ledger.find(db, [order_id]).get(order_id)
        if row is not None and row.state in (State.WAITING, State.FAILED, State.SENDING):
            return Outcome.HELD
        return Outcome.UNCHANGED


HINTED: Final = Hinted(WANTS, run_hinted, hinting.hand_over)
"""How the route takes hints."""
