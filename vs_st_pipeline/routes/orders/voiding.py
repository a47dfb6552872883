"""Voids an order that was sent: asks the shipper to cancel it, and believes only what is read back (orders.md 8).

Data flow: order id -> read there -> outbox, evidence -> cancel -> read back -> ledger.

Until the shipper shows it as cancelled it is sent, noted `void_unknown`, and not cancelled a second time: another
cancellation might take the money back twice.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from vs_st_pipeline.domain.errors import BadKey, KeptBack, PipelineError
from vs_st_pipeline.domain.order_desk import Conflict, Done, HeldOrder, NotReached, RefusedWrite, WriteAnswer
from vs_st_pipeline.platform.failpoints import failpoint
from vs_st_pipeline.platform.http.rate_limit import Urgency
from vs_st_pipeline.routes.orders import leaving, ledger, outbox, standing
from vs_st_pipeline.routes.orders.ended import UNSETTLED, Ended
from vs_st_pipeline.routes.orders.knowing import dropped_keys
from vs_st_pipeline.routes.orders.ledger import OrderRow
from vs_st_pipeline.routes.orders.outbox import Outcome, Write
from vs_st_pipeline.routes.orders.states import STAGE_OF, Stage, State, Waits

if TYPE_CHECKING:
    from vs_st_pipeline.routes.orders.session import OrdersSession

RESTORE: Final = "restoreInventory"
SHIPPED, REFUSED, NOT_THERE, NOT_SENT = "shipped", "refused", "missing_there", "not_sent"
LONGEST_WAIT: Final = 20.0
_sleep: Callable[[float], None] = time.sleep


def void(session: OrdersSession, order_id: str, reason: str, *, who: str | None = None) -> Ended:
    """Cancel an order at the shipper; voided only when the shipper shows it. Under the sync lock.

    Args:
        reason: what the shipper is told. who: the person who wants it; None: the sync (`on_refund: void`).

    Returns:
        Done: it is voided. Else the code says why not: `shipped`, `refused`, `unsettled`, `missing_there`, `not_sent`
        (use dont-send), `void_unknown`.

    Raises:
        PipelineError: the shipper is down, or does not accept the key, or said nothing of this order.
    """
    with session.urgent(Urgency.WRITE):
        return _Voiding(session, order_id, reason, who).void()


class _Voiding:
    """One order that is to be cancelled."""

    def __init__(self, session: OrdersSession, order_id: str, reason: str, who: str | None) -> None:
        self.session, self.run, self.order_id = session, session.run, order_id
        self.reason, self.who = reason, who
        self.deadline = time.monotonic() + self.run.merchant.give_up_after.total_seconds()
        self.tries = 0

    def void(self) -> Ended:
        with self.run.open() as db:
            row = ledger.find(db, [self.order_id]).get(self.order_id)
        if row is None or row.state is State.VOIDED:
            return Ended(self.order_id, row, done=row is not None)
        if row.state is not State.SENT or row.vs_number is None:
            return Ended(self.order_id, row, code=UNSETTLED if row.state is State.SENDING else NOT_SENT)
        if self.session.settings.mode != "live" or self.run.dry_run:
            return Ended(self.order_id, row, code=str(Waits.SHADOW))
        while True:
            if (ended := self._once(row.vs_number)) is not None:
                return ended

    def _once(self, number: str) -> Ended | None:
        held, row = self._read(number)
        read_at = self.session.desk.looks[number].at
        if row.state is State.VOIDED:
            return Ended(self.order_id, row, True)
        if held is None:
            return Ended(self.order_id, row, code=NOT_THERE)
        if held.shop_order_id not in (None, self.order_id) or row.state is not State.SENT:
            return Ended(self.order_id, row, code=NOT_SENT)
        if STAGE_OF.get(held.order_status or "") in (Stage.SHIPPED, Stage.DELIVERED, Stage.RETURNED):
            return Ended(self.order_id, row, code=SHIPPED)
        with self.run.open() as db:
            if outbox.open_writes(db, (outbox.CANCEL,), self.order_id):
                return Ended(self.order_id, row, code=UNSETTLED, unknown=True)
            restore = self.session.settings.restore_inventory and RESTORE not in dropped_keys(db)
        self.tries += 1
        body = {"reason": self.reason, **({RESTORE: True} if restore else {})}
        row, write = leaving.begin(
            self.session,
            row,
            outbox.CANCEL,
            number,
            body,
            who=self.who,
            notes={"void_unknown": ""},
            reason=self.reason,
        )
        try:
            answer = self._cancel(number, restore, read_at)
        except PipelineError as error:  # nothing was written (order_desk)
            word = "auth" if isinstance(error, BadKey) else error.kind
            self._end(row, write, Outcome.NOT_REACHED, f"not cancelled: {word}", error.http_status, error.trace_id)
            raise
        return self._take(row, write, answer, number)

    def _read(self, number: str) -> tuple[HeldOrder | None, OrderRow]:
        held = self.session.desk.read(number)
        failpoint("read there")
        with self.run.open() as db, db.transaction():
            row = ledger.find(db, [self.order_id])[self.order_id]
            row = standing.apply(self.session, db, row, held, by="void")
        return held, row

    def _cancel(self, number: str, restore: bool, read_at: float) -> WriteAnswer:
        with leaving.kept_young(self.session, read_at):
            return self.session.desk.cancel(number, self.reason, restore_inventory=restore, with_key=restore)

    def _take(self, row: OrderRow, write: Write, answer: WriteAnswer, number: str) -> Ended | None:
        failpoint("heard")
        if isinstance(answer, RefusedWrite):
            if RESTORE in answer.unknown_keys and self._may_drop_key():
                self._end(row, write, Outcome.REFUSED, f"refused: unknown key {RESTORE}", answer.http_status,
                          answer.trace_id)  # fmt: skip
                leaving.drop_keys(self.session, frozenset({RESTORE}))
                return None
            row = self._end(row, write, Outcome.REFUSED, "cancellation refused", answer.http_status, answer.trace_id)
            return Ended(self.order_id, row, code=REFUSED)
        if isinstance(answer, NotReached):
            self._not_reached(row, write, answer.error)
            return None
        kind, why = "unknown", "in conflict"
        if isinstance(answer, Done):
            kind, why, trace_id = "answered", "accepted, to be read back", answer.held.trace_id
        elif isinstance(answer, Conflict):
            trace_id = answer.trace_id
        else:
            why, trace_id = answer.why, answer.trace_id
        leaving.told(self.session, row, write, why, answer.http_status, trace_id, kind=kind, who=self.who)
        try:
            _, row = self._read(number)
        except PipelineError as error:
            return Ended(self.order_id, row, code="void_unknown", unknown=True, error=error)
        done = row.state is State.VOIDED
        return Ended(self.order_id, row, done, code=None if done else "void_unknown", unknown=not done)

    def _may_drop_key(self) -> bool:
        with self.run.open() as db:
            return RESTORE not in dropped_keys(db)

    def _not_reached(self, row: OrderRow, write: Write, error: PipelineError) -> None:
        self._end(row, write, Outcome.NOT_REACHED, f"not reached: {error.kind}", error.http_status, error.trace_id)
        if isinstance(error, KeptBack):
            return
        wait = min(LONGEST_WAIT, 0.5 * 2 ** min(self.tries, 10))
        if time.monotonic() + wait >= self.deadline or self.run.stop():
            raise error
        _sleep(wait)

    def _end(
        self, row: OrderRow, write: Write, outcome: Outcome, text: str, http_status: int | None, trace_id: str | None
    ) -> OrderRow:
        return leaving.end(
            self.session, row, write, outcome, text, http_status=http_status, trace_id=trace_id, who=self.who,
            unnote=("void_unknown",),
        )  # fmt: skip
