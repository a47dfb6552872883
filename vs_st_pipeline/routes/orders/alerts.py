"""Says what people are told of besides how runs end: orders that failed, and notes that want somebody (orders.md 8).

Data flow: the ledger, notes -> what is new -> one message in 15 minutes -> `Report.troubles` -> status file -> alerts.

Each order and code is told once until it is mended. A message is in the status for a day, so that runs that follow each
other closely lose none; what was mended since goes from it, so that who hears late hears what is so. It says numbers of
Commerce7, codes and what to do, and nobody's data.

What can still be put right before the parcel leaves is said of the merchant too (`held_up`): a message comes once, and
its merchant would be `fine` otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from vs_st_pipeline.domain.report import Trouble
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.routes.orders import ledger, messages, sentences
from vs_st_pipeline.routes.orders.after_sent import CHANGED, REFUNDED, SHIPPED_OR_LATER
from vs_st_pipeline.routes.orders.states import ALERTED_NOTES, Stage

if TYPE_CHECKING:
    from vs_st_pipeline.routes.orders.session import OrdersSession

KEY: Final = "orders"
RETURNED: Final = "returned"
ALERTS: Final = {
    KEY: (
        "Orders failed, or have a note that wants somebody. The message names numbers and codes; do what it says of "
        "each, `vs-st orders show ORDER` has the whole of it. Each order and code is told once until it is mended."
    ),
}
"""What people are told of besides how runs end, by the word that a message begins with."""

APART: Final = timedelta(minutes=15)
TOLD_FOR: Final = timedelta(days=1)
HELD_ADVICE: Final = (
    "`vs-st orders list --noted NOTE` names them (`--code shadow`: what would go); "
    "`vs-st orders show ORDER` says what to do."
)
AT_ONCE: Final = frozenset({REFUNDED})
RETURNED_FOR: Final = timedelta(days=60)
MOST_NAMED: Final = 20
_FACT: Final = "alerted"
_RETURNED_SAYS: Final = "The parcel came back; ask the customer, then refund the order or place a new one."


def look(session: OrdersSession) -> None:
    """Fill in what the report has to tell people besides; a dry run tells nobody."""
    run = session.run
    if run.dry_run:
        return
    messages.note_run(session)
    with run.open() as db:
        known: dict[str, Any] = ledger.fact(db, _FACT) or {"told": [], "messages": []}
        standing = _standing(db, run.now())
        found = _next(known, standing, run.now())
        if found != known:
            with db.transaction():
                ledger.keep_fact(db, run, _FACT, found)
        session.told.held_up = _held_up(session, db)
    session.report.troubles = [Trouble(KEY, one["says"], one["at"]) for one in found["messages"] if one["says"]]


def _next(known: dict[str, Any], standing: dict[str, tuple[str, str]], now: datetime) -> dict[str, Any]:
    """Return what was told, once what is new is told as well, if its time has come; what is mended goes from it."""
    told = [key for key in known["told"] if key in standing]
    kept = [
        _without_mended(one, standing)
        for one in known["messages"]
        if abs(now - datetime.fromisoformat(one["at"])) < TOLD_FOR
    ]
    new = {key: pair for key, pair in standing.items() if key not in set(told)}
    waits = any(abs(now - datetime.fromisoformat(one["at"])) < APART for one in kept)
    if not new or (waits and not any(code in AT_ONCE for _, code in new.values())):
        return {"told": told, "messages": kept}
    at = now
    while any(one["at"] == at.isoformat() for one in kept):  # each is told by itself
        at += timedelta(microseconds=1)
    message = {"at": at.isoformat(), "about": list(new), "says": "\n".join(_says(new))}
    return {"told": [*told, *new], "messages": [*kept, message]}


def _without_mended(message: dict[str, Any], standing: dict[str, tuple[str, str]]) -> dict[str, Any]:
    """Return a message without what is mended; one of which nothing is left says nothing, and keeps the next apart."""
    if "about" not in message:  # of an older version, which did not keep what it is about
        return message
    about = [key for key in message["about"] if key in standing]
    if about == message["about"]:
        return message
    return {**message, "about": about, "says": "\n".join(_says({key: standing[key] for key in about}))}


def _held_up(session: OrdersSession, db: Db) -> str:
    """Say how many orders have a note that somebody can act on, as their parcels have not left; and that none goes."""
    noted = db.rows(
        """select n.note, count(*) from synced.order_notes as n join synced.orders as o using (order_id)
           where list_contains($alerted::varchar[], n.note)
             and not list_contains($left::varchar[], coalesce(o.stage, '')) group by 1 order by 1""",
        {"alerted": list(ALERTED_NOTES), "left": sorted(str(one) for one in SHIPPED_OR_LATER)},
    )
    of_each = ", ".join(f"{note} {count}" for note, count in noted)
    return "; ".join(
        [
            *(["shadow: nothing is written"] if session.told.shadow else []),
            *([f"somebody has to look at orders: {of_each}"] if noted else []),
        ]
    )


def _says(new: dict[str, tuple[str, str]]) -> Iterator[str]:
    by_code: dict[str, list[str]] = {}
    for number, code in new.values():
        by_code.setdefault(code, []).append(number)
    for code, numbers in by_code.items():
        named = [number for number in numbers if number]
        more = f" and {len(named) - MOST_NAMED} more" if len(named) > MOST_NAMED else ""
        which = f" ({', '.join(named[:MOST_NAMED])}{more})" if named else ""
        yield f"{code}{which}: {_what_to_do(code)}"


def _what_to_do(code: str) -> str:
    if code == RETURNED:
        return _RETURNED_SAYS
    return sentences.note_sentence(code) if code in ALERTED_NOTES else sentences.sentence(code)


def _standing(db: Db, now: datetime) -> dict[str, tuple[str, str]]:
    """Return what people have to know of and is not mended: number and code of each, by a key that is theirs alone."""
    failed = db.rows(
        "select order_id, order_number, code from synced.orders where state = 'failed' order by paid_at, order_id"
    )
    noted = db.rows(
        """select n.order_id, coalesce(o.order_number, ''), n.note from synced.order_notes as n
           left join synced.orders as o using (order_id)
           where list_contains($alerted::varchar[], n.note)
             and not (n.note = $changed and list_contains($shipped::varchar[], coalesce(o.stage, '')))
           order by n.note, n.since, n.order_id""",
        {"alerted": list(ALERTED_NOTES), "changed": CHANGED, "shipped": sorted(str(one) for one in SHIPPED_OR_LATER)},
    )
    returned = db.rows(
        f"""select order_id, order_number, '{RETURNED}' from synced.orders
            where state = 'sent' and stage = $stage and stage_at >= $since order by paid_at, order_id""",
        {"stage": str(Stage.RETURNED), "since": now - RETURNED_FOR},
    )
    return {f"{order_id} {code}": (number, code) for order_id, number, code in (*failed, *noted, *returned) if code}
