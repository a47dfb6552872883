"""Decides what an answer that leaves something unsaid takes over from the one before it (routes.md R23).

Data flow: a new body, the stored body and what was carried so far -> `list_kept`, `detail_kept`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import md5
from typing import Any

import msgspec

from vs_st_pipeline.connectors.vinoshipper.kinds import CUSTOMER, ORDER
from vs_st_pipeline.domain.codec import try_json, try_object
from vs_st_pipeline.domain.formats import as_mapping
from vs_st_pipeline.domain.records import (
    NAMED,
    Kept,
    RecordKind,
    believed,
    carry,
    id_text,
    may_lack,
    wants_another_read,
)
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse.connection import Db


@dataclass(frozen=True, slots=True)
class Detail:
    """One record read alone: its exact JSON text, None where it answered 404."""

    id: str
    text: str | None

    @property
    def status(self) -> int:
        """Return the HTTP status of the answer, 200 or 404."""
        return 404 if self.text is None else 200


def carry_over(kind: RecordKind, new: object, stored: str | None, stored_kept: str | None, run: Run) -> Kept:
    kept: Kept = try_json(stored_kept) or {} if stored_kept else {}
    return carry(kind, new, believed(kind, try_object(stored), kept), kept, run.now())


_KEPT = msgspec.json.Encoder(decimal_format="number")


def kept_as_json(kept: Kept) -> str:
    try:
        return _KEPT.encode(kept).decode()
    except TypeError:  # a number beyond the limits: there is nothing to carry over
        return "{}"


OWNER = f"{NAMED}customer"


Owners = dict[str, tuple[int | None, int | None]]


def carried_in_details(
    run: Run, db: Db, kind: RecordKind, details: Sequence[Detail], owners: Owners | None = None
) -> list[object]:
    """Return what is carried over for each detail, as JSON; an old body is read only if its detail omits something.

    Args:
        owners: for orders, their known owners.
    """
    table, key = _TABLES[kind.name]
    today = run.now().date()
    bodies = {row.id: try_object(row.text) for row in details if row.text is not None}
    with db.batch({"id": list(bodies)}) as batch:
        stored = {
            row[0]
            for row in db.rows(
                f"""select cast({key} as varchar) from {table}
                    where detail_kept is not null and cast({key} as varchar) in (select id from {batch})"""
            )
        }
    others = {own for own, body in bodies.items() if _is_anothers(body, (owners or {}).get(own, ()))}
    doubtful = [own for own, body in bodies.items() if own in stored or own in others or may_lack(kind, body, today)]
    if not doubtful:
        return [None] * len(details)
    with db.batch({"id": doubtful}) as batch:
        known = {
            row[0]: row[1:]
            for row in db.rows(
                f"""select cast({key} as varchar), detail_body, detail_kept from {table}
                    where detail_body is not null and cast({key} as varchar) in (select id from {batch})"""
            )
        }
    kept = {own: carry_over(kind, bodies[own], known[own][0], known[own][1], run) for own in doubtful if own in known}
    for own in others - set(known):  # a first detail and its search row contradict each other: neither is believed
        row = {"customer": {"id": (owners or {})[own][0]}}
        if (entry := carry(kind, bodies[own], row, {}, run.now()).get(OWNER)) is not None:
            kept[own] = {OWNER: {**entry, "value": {}}}
    return [kept_as_json(kept[row.id]) if kept.get(row.id) else None for row in details]


def _is_anothers(body: Mapping[str, Any] | None, known: Sequence[int | None]) -> bool:
    """Return whether an order's detail names another owner than is known."""
    told = id_text(as_mapping((body or {}).get("customer")).get("id"))
    return told is not None and any(owner is not None and told != str(owner) for owner in known)


_TABLES = {
    CUSTOMER.name: ("raw.vinoshipper_customers", "customer_id"),
    ORDER.name: ("raw.vinoshipper_orders", "order_number"),
}


def wants_reading_again(kind: RecordKind, kept: Sequence[object]) -> list[object]:
    """Return which details to read once more: a second absence clears what the first one kept (routes.md R23)."""
    return [text is not None and wants_another_read(kind, try_json(str(text))) for text in kept]


def body_hash(text: str | None) -> str | None:
    return None if text is None else md5(text.encode(), usedforsecurity=False).hexdigest()
