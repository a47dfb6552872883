"""Notes what happens to an order at the shop after it was sent, and voids what is to be voided (orders.md 6.5).

Data flow: staged.shop_orders, linked orders, the ledger -> notes, activity; a void through `sending`.

Nothing of an order that was sent is ever sent again: people are told. What was noted goes when it is not so any more.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any, Final

from vs_st_pipeline.connectors.commerce7 import stored
from vs_st_pipeline.domain.shop_order import ShopOrder
from vs_st_pipeline.domain.single_reads import gap_after
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.routes.orders import content, ledger, outbox
from vs_st_pipeline.routes.orders.ledger import OrderRow
from vs_st_pipeline.routes.orders.linked import taken_back
from vs_st_pipeline.routes.orders.states import Stage, State

if TYPE_CHECKING:
    from vs_st_pipeline.routes.orders.session import OrdersSession

CHANGED, REFUNDED, AFTER_SHIPPED, GONE = (
    *("changed_after_sent", "refunded_after_sent", "refunded_after_shipped", "gone_at_commerce7"),
)
SHIPPED_OR_LATER: Final = frozenset({Stage.SHIPPED, Stage.DELIVERED, Stage.RETURNED})
WHOLLY, PARTLY, CANCELLED = "Wholly refunded", "Partly refunded", "Cancelled"
_LOOKED: Final = "after_sent_looked"  # fact: the last change at the shop that was looked at
REASONS: Final = {WHOLLY: "refunded at Commerce7", CANCELLED: "cancelled at Commerce7"}


def look(session: OrdersSession, only: Collection[str] | None = None) -> None:
    """Note what became of sent orders at the shop, and void those that `on_refund: void` names.

    Args:
        only: ids of the orders that this run is about; None: all.
    """
    run = session.run
    with run.open() as db:
        rows, through = _candidates(db, run.run_id)
        if only is not None:
            rows = [row for row in rows if row.order_id in only]
    to_void = []
    for row in rows:
        with run.open() as db, db.transaction():
            refund = _look_at(session, db, row)
        if refund in REASONS and session.settings.on_refund == "void":
            to_void.append((row.order_id, REASONS[refund]))
    if only is None:
        with run.open() as db, db.transaction():
            if ledger.fact(db, _LOOKED) != through:
                ledger.keep_fact(db, run, _LOOKED, through)
    if session.writes and session.there is None:
        for order_id, reason in to_void:
            _void(session, order_id, reason)


def _candidates(db: Db, run_id: str) -> tuple[list[OrderRow], int]:
    """Return the sent orders of which something may be new, and the number of the last change at the shop.

    Those are orders that changed at the shop since the last look, or one that is linked to them did; that were sent
    since; and those of which something is noted, since how they stand at the shipper changes what that means.
    """
    before = ledger.fact(db, _LOOKED)
    before = before if isinstance(before, int) else -1
    through = int(db.value("select coalesce(max(changed), 0) from raw.commerce7_orders"))
    rows = ledger.read(
        db,
        f"""list_contains(['sent', 'voided'], state) and order_id in (
            select id from raw.commerce7_orders where changed > $before
            union select previous_id from raw.commerce7_orders where changed > $before and previous_id is not null
            union select s.order_id from staged.shop_orders as s where s.linked <> '[]' and exists (
                select 1 from raw.commerce7_orders as r
                where r.changed > $before and list_contains(from_json(s.linked, '["varchar"]'), r.id))
            union select order_id from synced.order_activity where run_id = $run
            union select order_id from synced.order_notes
                where list_contains(['{CHANGED}', '{REFUNDED}', '{GONE}'], note))""",
        {"before": before, "run": run_id},
    )
    return rows, through


def _look_at(session: OrdersSession, db: Db, row: OrderRow) -> str | None:
    """Note what holds of one order, inside the caller's transaction; returns why it is to be voided, or None."""
    order_id = row.order_id
    row = ledger.find(db, [order_id])[order_id]
    if row.state is not State.SENT:  # voided since: what it has become at the shop is right then
        ledger.unnote(db, order_id, [CHANGED, REFUNDED, GONE])
        return None
    if stored.gone(db, [order_id]):
        _note(session, db, row, GONE, "", "Commerce7 does not show it any more")
        return None
    ledger.unnote(db, order_id, [GONE])
    order = stored.load(db, [order_id]).get(order_id)
    if order is None:
        return None
    if row.sent_hash is not None and content.sent_hash(order) != row.sent_hash:
        names = ", ".join(content.changed_fields(row.sent_hash, order)) or "content"
        _note(session, db, row, CHANGED, names, f"changed at Commerce7 after it was sent: {names}")
    else:
        ledger.unnote(db, order_id, [CHANGED])
    refund = refund_of(order, stored.linked_to(db, order))
    if refund is None:
        ledger.unnote(db, order_id, [REFUNDED])
    elif row.stage in SHIPPED_OR_LATER:
        ledger.unnote(db, order_id, [REFUNDED])
        _note(session, db, row, AFTER_SHIPPED, refund, f"{refund.lower()} at Commerce7 after it was shipped")
    else:
        _note(session, db, row, REFUNDED, refund, f"{refund.lower()} at Commerce7 after it was sent")
        return refund
    return None


def refund_of(order: ShopOrder, linked: list[ShopOrder]) -> str | None:
    """Return in what way an order was taken back: its payment was cancelled, it was wholly or partly refunded."""
    if (order.payment_status or "").casefold() == "cancelled":
        return CANCELLED
    back = taken_back(order, linked)
    return WHOLLY if back.wholly else PARTLY if back.partly else None


def _note(session: OrdersSession, db: Db, row: OrderRow, word: str, says: str, text: str) -> None:
    if ledger.note(db, session.run, row.order_id, word, says):
        ledger.act(db, session.run, row.order_id, "changed", text, code=row.code)


# --- voiding ------------------------------------------------------------------------------------------------------


def _void(session: OrdersSession, order_id: str, reason: str) -> None:
    """Void an order; one that could not be voided is tried again with growing gaps, one in doubt is only read."""
    from vs_st_pipeline.routes.orders import voiding

    run, name = session.run, f"void_tried:{order_id}"
    with run.open() as db:
        tried: Any = ledger.fact(db, name) or {}
        if outbox.open_writes(db, (outbox.CANCEL,), order_id):
            return
        row = ledger.find(db, [order_id]).get(order_id)
    if row is None or row.state is not State.SENT or str(tried.get("next_at", "")) > run.now().isoformat():
        return
    voiding.void(session, order_id, reason)
    with run.open() as db, db.transaction():
        attempts = int(tried.get("attempts", 0)) + 1
        at = run.now() + max(gap_after(attempts + 1), gap_after(2))
        ledger.keep_fact(db, run, name, {"attempts": attempts, "next_at": at.isoformat()})
