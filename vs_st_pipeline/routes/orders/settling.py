"""Settles creates, updates and cancellations whose outcome is not known, by reading (orders.md 6.4).

Data flow: synced.order_writes without outcome -> one read each -> `standing.apply` -> written again, or not.

Each is read once a sync. It is written again only after three reads without it, the third `settle_wait` or more after
the try; an update that reads unaccepted after `settle_wait`; what was not reached after one read.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Final

from vs_st_pipeline.domain.errors import PipelineError
from vs_st_pipeline.domain.single_reads import SingleReads
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.routes.orders import ledger, outbox, standing
from vs_st_pipeline.routes.orders.ledger import OrderRow
from vs_st_pipeline.routes.orders.outbox import Outcome, Write
from vs_st_pipeline.routes.orders.states import State, ThereCode

if TYPE_CHECKING:
    from vs_st_pipeline.routes.orders.session import OrdersSession


def settle(session: OrdersSession, only: Collection[str] | None = None) -> None:
    """Read what is not settled, and record what that tells; `to_send_again` says what is missing.

    Args:
        only: ids of the orders that this is about; None: all.

    Raises:
        PipelineError: the shipper is down, or does not accept the key.
    """
    with session.run.open() as db:
        orders = _unsettled(db, only)
    reads = SingleReads(len(orders))
    for row in orders:
        _read(session, reads, row)


def to_send_again(session: OrdersSession, only: Collection[str] | None = None) -> list[str]:
    """Return the orders whose last write came to nothing, oldest paid first: they are judged and sent again."""
    with session.run.open() as db:
        found = []
        for row in _unsettled(db, only):
            last = outbox.latest(db, row.order_id)
            if stands_open(row) and last is not None and _may_go(session, db, row, last):
                found.append(row.order_id)
    return found


def stands_open(row: OrderRow) -> bool:
    """Say whether a write of an order goes on until it is settled."""
    return row.state is State.SENDING or (row.state is State.FAILED and row.code == ThereCode.NOT_REACHABLE)


def _may_go(session: OrdersSession, db: Db, row: OrderRow, last: Write) -> bool:
    if last.outcome in outbox.LEFT_NOTHING:
        return True
    waited = session.run.now() - last.at >= session.settings.settle_wait
    return last.is_open and last.call == outbox.UPDATE and waited and standing.is_unaccepted(db, row.vs_number)


_ANY: Final = """select order_id from synced.order_writes
                   where outcome is null and call in ('create', 'update', 'cancel')
                 union all
                 select order_id from synced.orders where state = 'sending' or code = 'not_reachable' limit 1"""


def _unsettled(db: Db, only: Collection[str] | None) -> list[OrderRow]:
    """Return the orders with a create, an update or a cancellation that is not settled, oldest paid first."""
    if not db.rows(_ANY):  # most syncs ask thrice, and find none
        return []
    return ledger.read(
        db,
        """($only is null or list_contains($only::varchar[], order_id)) and (
               order_id in (select order_id from synced.order_writes
                            where outcome is null and call in ('create', 'update', 'cancel'))
               or ((state = 'sending' or code = 'not_reachable') and order_id in (
                   select order_id from synced.order_writes where call in ('create', 'update')
                   group by order_id
                   having arg_max(outcome, seq) in ('not_reached', 'missing', 'conflict', 'refused'))))""",
        {"only": None if only is None else sorted(only)},
    )


def _read(session: OrdersSession, reads: SingleReads, row: OrderRow) -> None:
    run = session.run
    with run.open() as db:
        last = outbox.latest(db, row.order_id)
        number = row.vs_number or outbox.number_of(db, row.order_id)
    if number is None:
        return
    try:
        held = session.desk.read(number)
    except PipelineError as error:
        _give_up(session, row)
        reads.went_wrong(row.order_id, error)
        return
    reads.went_well()
    with run.open() as db, db.transaction():
        row = ledger.find(db, [row.order_id])[row.order_id]
        row = standing.apply(session, db, row, held, by="settle")
        if held is None and last is not None and last.outcome == Outcome.CONFLICT and row.state is State.SENDING:
            row = standing.take_number(session, db, row, was_failed=False)
    _give_up(session, row)


def _give_up(session: OrdersSession, row: OrderRow) -> None:
    """Record after 24 hours that an order could not be brought there (4.2); reads and tries go on."""
    run = session.run
    if row.state is not State.SENDING or row.sending_since is None:
        return
    with run.open() as db, db.transaction():
        last = outbox.latest(db, row.order_id)
        tried = last is not None and (last.is_open or last.outcome in outbox.LEFT_NOTHING)
        if tried and run.now() - row.sending_since >= standing.UNREACHED_FOR:
            session.counts.add("failed", row.order_id)
            ledger.move(
                db, run, row, "settled", "failed: not reachable for 24 hours", state=State.FAILED,
                code=str(ThereCode.NOT_REACHABLE), says=None, failed_at=run.now(), next_read_at=None,
            )  # fmt: skip
