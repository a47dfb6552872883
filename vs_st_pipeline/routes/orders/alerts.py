"""Says what people are told of besides how runs end: orders that failed, and notes that want somebody (orders.md 8).

Data flow: the ledger, notes -> what is new -> one message in 15 minutes -> `Report.troubles` -> status file -> alerts.

Each order and code is told once until it is mended. A message is in the status for a day, so that runs that follow each
other closely lose none. It says numbers of Commerce7, codes and what to do, and nobody's data.
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
    session.report.troubles = [Trouble(KEY, one["says"], one["at"]) for one in found["messages"]]


def _next(known: dict[str, Any], standing: dict[str, tuple[str, str]], now: datetime) -> dict[str, Any]:
    """Return what was told, once what is new is told as well, if its time has come."""
    told = [key for key in known["told"] if key in standing]
    kept = [one for one in known["messages"] if abs(now - datetime.fromisoformat(one["at"])) < TOLD_FOR]
    new = {key: pair for key, pair in standing.items() if key not in set(told)}
    waits = any(abs(now - datetime.fromisoformat(one["at"])) < APART for one in kept)
    if not new or (waits and not any(code in AT_ONCE for _, code in new.values())):
        return {"told": told, "messages": kept}
    at = now
    while any(one["at"] == at.isoformat() for one in kept):  # each is told by itself
        at += timedelta(microseconds=1)
    return {"told": [*told, *new], "messages": [*kept, {"at": at.isoformat(), "says": "\n".join(_says(new))}]}


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
