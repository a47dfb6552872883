"""Counts what is noted of orders, says it in words, and finds parcels that are stuck (orders.md 7.4, 7.5, 8).

Data flow: synced.order_notes -> counts of the report, sentences of messages.

Texts that another system wrote are shown with their e-mails and phones masked (10).
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Collection
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from vs_st_pipeline.domain.phone import mask_email, mask_phone
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.routes.orders import ledger, sentences
from vs_st_pipeline.routes.orders.states import NOTES, Stage, State

if TYPE_CHECKING:
    from vs_st_pipeline.routes.orders.session import OrdersSession

STUCK: Final = "stuck"
STUCK_AFTER: Final = timedelta(days=90)
FAILED_BEFORE: Final = "failed_before"
_FAILED_NOW: Final = "failed_now"
UNREADABLE: Final = "unreadable"


def counts(db: Db, failed_now: Collection[Any] = ()) -> Counter[str]:
    """Count the notes that last, by word, and failures that stand from before (8).

    Args:
        failed_now: ids of the orders that became failed in this sync.
    """
    found: Counter[str] = Counter(dict(db.rows("select note, count(*) from synced.order_notes group by 1")))
    found[FAILED_BEFORE] = int(
        db.value(
            "select count(*) from synced.orders where state = ? and not list_contains(?::varchar[], order_id)",
            [str(State.FAILED), sorted(str(one) for one in failed_now)],
        )
    )
    return Counter({word: found[word] for word in NOTES if found[word]})


def keep_failed_now(db: Db, run: Run, order_ids: Collection[str]) -> None:
    """Remember which orders became failed in this run: all others that stand failed are noted `failed_before`."""
    kept = ledger.fact(db, _FAILED_NOW)
    newer = db.value(
        """select 1 from synced.orders where state = ?
           and updated_at > (select max("at") from synced.order_facts where name = ?)""",
        [str(State.FAILED), _FAILED_NOW],
    )
    if kept != sorted(order_ids) or newer is not None:
        ledger.keep_fact(db, run, _FAILED_NOW, sorted(order_ids))


def failed_before(db: Db) -> tuple[str, dict[str, Any]]:
    """Return the condition that names who failed before the last run and stands, and its values."""
    return (
        """state = $failed and not list_contains($failed_now::varchar[], order_id)
           and updated_at <= (select max("at") from synced.order_facts where name = $fact)""",
        {"failed": str(State.FAILED), "failed_now": ledger.fact(db, _FAILED_NOW) or [], "fact": _FAILED_NOW},
    )


def shown(db: Db, order_ids: Collection[str]) -> dict[str, dict[str, str]]:
    """Return the notes of these orders as they are shown, by order and word: what each says."""
    found = ledger.notes_of(db, order_ids)
    where, given = failed_before(db)
    stand = db.rows(
        f"select order_id from synced.orders where {where} and list_contains($ids::varchar[], order_id)",
        {**given, "ids": sorted(order_ids)},
    )
    for (order_id,) in stand:
        found.setdefault(order_id, {})[FAILED_BEFORE] = ""
    return found


def look(session: OrdersSession) -> None:
    """Note what only time brings: a parcel of which nothing was heard for 90 days (7.5); and take it back."""
    run = session.run
    with run.open() as db, db.transaction():
        stuck = ledger.read(
            db,
            "state = $state and stage = $stage and stage_at <= $since",
            {"state": str(State.SENT), "stage": str(Stage.SHIPPED), "since": run.now() - STUCK_AFTER},
        )
        for row in stuck:
            if ledger.note(db, run, row.order_id, STUCK):
                ledger.act(db, run, row.order_id, "stage", "nothing was heard for 90 days", code=row.code)
        known = {row.order_id for row in stuck}
        for (order_id,) in db.rows("select order_id from synced.order_notes where note = ?", [STUCK]):
            if order_id not in known:
                ledger.unnote(db, order_id, [STUCK])


# --- words --------------------------------------------------------------------------------------------------------


def sentence(word: str, says: str) -> str:
    """Return what a note means, with what is noted of it."""
    told = masked(_plain(says))
    return f"{sentences.note_sentence(word)} ({told})" if told else sentences.note_sentence(word)


def _plain(says: str) -> str:
    """Return what is noted as text for people; it may be JSON."""
    try:
        value = json.loads(says) if says[:1] in ("{", "[") else says
    except ValueError:
        return says
    if isinstance(value, dict):
        parts = ((key.replace("_", " "), _joined(told)) for key, told in value.items() if told not in (None, "", []))
        return ", ".join(f"{key} {told}" for key, told in parts)
    return _joined(value)


def _joined(value: Any) -> str:
    return ", ".join(str(one) for one in value) if isinstance(value, list) else str(value)


_EMAIL: Final = re.compile(r"[^\s<>()\[\]\"',;:]+@[^\s<>()\[\]\"',;:]+")
_PHONE: Final = re.compile(
    r"(?<![\w+.-])\+?(?:1[\s.\-]*)?(?:\([2-9]\d{2}\)|[2-9]\d{2})[\s.\-]*\d{3}[\s.\-]*\d{4}(?!\w)"
)
_LONGEST: Final = 500


def masked(text: str | None) -> str:
    """Return a text that another system wrote, in one line, with its e-mails and phones masked (10)."""
    plain = " ".join((text or "").split())[:_LONGEST]
    plain = _EMAIL.sub(lambda found: mask_email(found[0].rstrip(".")), plain)
    return _PHONE.sub(lambda found: mask_phone(found[0]), plain)
