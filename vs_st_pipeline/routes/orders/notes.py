"""Says in words what each note of an order means and what to do, counts notes, and finds parcels that are stuck.

Data flow: synced.order_notes -> counts of the report, sentences of messages and alerts (orders.md 7.4, 7.5, 8).

No sentence names a person: numbers, names of fields, states, SKUs.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from vs_st_pipeline.domain.phone import mask_email, mask_phone
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.routes.orders import ledger
from vs_st_pipeline.routes.orders.states import NOTES, Stage, State

if TYPE_CHECKING:
    from vs_st_pipeline.routes.orders.session import OrdersSession

STUCK: Final = "stuck"
STUCK_AFTER: Final = timedelta(days=90)
FAILED_BEFORE: Final = "failed_before"
UNREADABLE: Final = "unreadable"

MEANS: Final = {
    "changed_after_sent": "Changed at Commerce7 after it was sent: {says}. Vinoshipper holds it as it was",
    "refunded_after_sent": "{says} at Commerce7 after it was sent, and Vinoshipper still holds it",
    "differs_there": "Vinoshipper holds it otherwise than it was sent: {says}",
    "problem_there": "Vinoshipper accepted it and has a problem with it now: {says}",
    "unpaid_there": "Vinoshipper accepted it, but not as paid",
    "missing_there": "Vinoshipper does not show it any more; it is not sent again",
    "revived_there": "It was voided, and Vinoshipper does not show it as cancelled any more",
    "accepted_there": "It was not to be sent, and Vinoshipper has accepted it",
    "gone_at_commerce7": "Commerce7 does not show it any more",
    "tracking_changed": "Tracking numbers that Commerce7 cannot be given any more: {says}",
    "key_refused": "Vinoshipper refused a part of the order by name, and it was sent without: {says}",
}
"""What each alerted note means; `says` is what is noted."""

DO: Final = {
    "changed_after_sent": "change it at Vinoshipper by hand, or void it (`vs-st orders void`) and place a new order",
    "refunded_after_sent": "void it (`vs-st orders void`), or let it go and ask for the goods back",
    "differs_there": "compare both orders, and put it right at Vinoshipper",
    "problem_there": "open it at Vinoshipper and see to the problem",
    "unpaid_there": "mark it as paid at Vinoshipper, and see `orders.paid_key` of the merchants file",
    "missing_there": "ask Vinoshipper what became of it; if it is to be shipped, place a new order",
    "revived_there": "cancel it at Vinoshipper, or let it go knowingly",
    "accepted_there": "cancel it at Vinoshipper, or let it go knowingly",
    "gone_at_commerce7": "see whether it is to be shipped; if not, void it (`vs-st orders void`)",
    "tracking_changed": "put the numbers into the fulfillment at Commerce7 by hand, if the customer needs them",
    "key_refused": "nothing, if the order is right at Vinoshipper without it",
}
"""What a person can do about each alerted note."""


def sentence(word: str, says: str) -> str:
    """Return what a note means, with what is noted of it; texts of others are masked."""
    return MEANS.get(word, word).format(says=masked(says) or "see there")


def counts(db: Db, failed_now: Collection[str] = ()) -> Counter[str]:
    """Count the notes that last, by word, and failures that stand from before (8).

    Args:
        failed_now: ids of the orders that became failed in this sync.
    """
    found = Counter(
        {word: count for word, count in db.rows("select note, count(*) from synced.order_notes group by 1")}
    )
    found[FAILED_BEFORE] = (
        db.value(
            "select count(*) from synced.orders where state = ? and not list_contains(?::varchar[], order_id)",
            [State.FAILED, sorted(failed_now)],
        )
        or 0
    )
    return Counter({word: found[word] for word in NOTES if found[word]})


def look(session: OrdersSession) -> None:
    """Note what only time brings: a parcel of which nothing was heard for 90 days (7.5); and take it back."""
    run: Run = session.run
    if run.dry_run:
        return
    now = run.now()
    with run.open() as db, db.transaction():
        stuck = ledger.read(
            db,
            "state = $state and stage = $stage and stage_at <= $since",
            {"state": State.SENT, "stage": Stage.SHIPPED, "since": now - STUCK_AFTER},
        )
        for row in stuck:
            if ledger.note(db, run, row.order_id, STUCK):
                ledger.act(db, run, row.order_id, "stage", "shipped for 90 days, and nothing was heard since")
        known = {row.order_id for row in stuck}
        for (order_id,) in db.rows("select order_id from synced.order_notes where note = ?", [STUCK]):
            if order_id not in known:
                ledger.unnote(db, order_id, [STUCK])


# --- texts of others ----------------------------------------------------------------------------------------------

_EMAIL: Final = re.compile(r"[^\s<>()\[\]\"',;:]+@[^\s<>()\[\]\"',;:]+")
_PHONE: Final = re.compile(r"(?<![\w+])\+?(?:1[\s.\-]*)?(?:\([2-9]\d{2}\)|[2-9]\d{2})[\s.\-]*\d{3}[\s.\-]*\d{4}(?!\w)")
_LONGEST: Final = 500


def masked(text: str | None) -> str:
    """Return a text that another system wrote, in one line, with its e-mails and phones masked (10)."""
    plain = " ".join((text or "").split())[:_LONGEST]
    plain = _EMAIL.sub(lambda found: mask_email(found[0].rstrip(".")), plain)
    return _PHONE.sub(lambda found: mask_phone(found[0]), plain)
