"""Decides what an answer that leaves something unsaid takes over from the one before it (routes.md R23).

Data flow: a new body, the stored body and what was carried so far -> `list_kept`, `detail_kept`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
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


@dataclass(frozen=True, slots=True)
class StoredDetail:
    """What is stored of a record's detail, its body aside.

    Attributes:
        place: its row id, in whose order rows are updated: in any other order DuckDB takes 0.2 ms for each.
        owners: of an order: whose it is by the last search row or detail, and as it was staged.
        asked_before: whether its detail was ever asked for.
    """

    place: int
    hash: str | None
    has_kept: bool
    has_body: bool
    asked_before: bool
    owners: tuple[int | None, ...] = ()


def stored_details(db: Db, kind: RecordKind, ids: Sequence[str]) -> dict[str, StoredDetail]:
    """Return what is stored of these records, by id."""
    table, key = _TABLES[kind.name]
    owners, join = "", ""
    if kind is ORDER:
        owners, join = ", r.customer_id, s.customer_id", "left join staged.orders as s using (order_number)"
    key_type = {"id": "int"} if kind is CUSTOMER else {}
    with db.batch({"id": [int(own) for own in ids] if kind is CUSTOMER else ids}, key_type) as batch:
        rows = db.rows(
            f"""select r.{key}, r.rowid, r.detail_hash, r.detail_kept is not null, r.detail_body is not null,
                       r.detail_at is not null{owners}
                from {batch} as b join {table} as r on r.{key} = b.id {join}"""
        )
    return {
        str(key): StoredDetail(place, hashed, has_kept, has_body, asked_before, tuple(known_owners))
        for key, place, hashed, has_kept, has_body, asked_before, *known_owners in rows
    }


def carried_in_details(
    run: Run,
    db: Db,
    kind: RecordKind,
    details: Sequence[Detail],
    stored: Mapping[str, StoredDetail],
    persons: Mapping[str, int | None] | None = None,
    whole: Collection[str] = (),
) -> list[str | None]:
    """Return what is carried over for each detail, as JSON; an old body is read only if its detail omits something.

    Args:
        stored: what is stored of them (`stored_details`).
        persons: whom orders name, where that is known without decoding the whole body.
        whole: ids of details that certainly omit nothing.
    """
    told = {row.id: row.text for row in details if row.text is not None}
    today, persons = run.now().date(), persons or {}
    bodies: dict[str, dict[str, Any] | None] = {}

    def body(own: str) -> dict[str, Any] | None:
        if own not in bodies:
            bodies[own] = try_object(told[own])
        return bodies[own]

    def names_another(own: str) -> bool:
        known = [str(owner) for owner in stored[own].owners if owner is not None]
        person = id_text(persons[own] if own in persons else _person(body(own))) if known else None
        return person is not None and any(owner != person for owner in known)

    others = {own for own in told if own in stored and names_another(own)}
    doubtful = [
        own
        for own in told
        if own in stored
        and stored[own].has_body
        and (stored[own].has_kept or own in others or (own not in whole and may_lack(kind, body(own), today)))
    ]
    kept: dict[str, Kept] = {}
    if doubtful:
        table, key = _TABLES[kind.name]
        with db.batch({"id": doubtful}) as batch:
            for own, former, former_kept in db.rows(
                f"""select cast({key} as varchar), detail_body, detail_kept from {table}
                    where cast({key} as varchar) in (select id from {batch})"""
            ):
                kept[own] = carry_over(kind, body(own), former, former_kept, run)
    for own in others - set(kept):  # a first detail and its search row contradict each other: neither is believed
        row = {"customer": {"id": stored[own].owners[0]}}
        if (entry := carry(kind, body(own), row, {}, run.now()).get(OWNER)) is not None:
            kept[own] = {OWNER: {**entry, "value": {}}}
    return [kept_as_json(kept[row.id]) if kept.get(row.id) else None for row in details]


def _person(body: Mapping[str, Any] | None) -> object:
    """Return the id of the person that an order names."""
    return as_mapping((body or {}).get("customer")).get("id")


_TABLES = {
    CUSTOMER.name: ("raw.vinoshipper_customers", "customer_id"),
    ORDER.name: ("raw.vinoshipper_orders", "order_number"),
}


def wants_reading_again(kind: RecordKind, kept: str | None) -> bool:
    """Say whether to read a detail once more: a second absence clears what the first one kept (routes.md R23)."""
    return kept is not None and wants_another_read(kind, try_json(kept))


def body_hash(text: str | None) -> str | None:
    """Return what stands for a body wherever two are compared."""
    return None if text is None else md5(text.encode(), usedforsecurity=False).hexdigest()
