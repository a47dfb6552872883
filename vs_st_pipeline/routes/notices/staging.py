"""Writes orders as they are staged, whatever system told of them (notices.md 4).

Data flow: `OrderStaged` -> staged.journey_events, units, unit_aliases, notice_orders, recipients, in the caller's
transaction.

What was decided of an event when it was first seen stays with it: since when it is known, and whether it was there at
the start.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from vs_st_pipeline.platform.kept_records import as_json
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.routes.notices.journey import AnnouncedOf, Event
from vs_st_pipeline.routes.notices.occurrences import Announced
from vs_st_pipeline.routes.notices.units import Units, kind_of
from vs_st_pipeline.routes.notices.words import MessageKind

OTHERS_UNIT: Final = "unit_of_another_order"


@dataclass(slots=True)
class OrderStaged:
    """An order with all that was worked out of it.

    Attributes:
        order, recipient: columns by name; None: what is staged stands. `zones` of a recipient: a sequence of names.
        faults: reasons why parts of it cannot be used; added to where a unit is another order's.
    """

    merchant_order: str
    source: str
    events: Sequence[Event]
    units: Units
    order: Mapping[str, Any] | None
    recipient: Mapping[str, Any] | None
    faults: list[str] = field(default_factory=list)


_ORDER_TYPES: Final = {
    "placed_at": "timestamp",
    "read_at": "timestamp",
    "read_real": "double",
    "refund_amount": "decimal(18, 2)",
    "whatsapp_flag": "boolean",
}
_TIMES: Final = ("occurred_at", "last_at", "first_seen_at", "hook_at", "attempt_at", "answered_at")
_EVENT_TYPES: Final = {
    **dict.fromkeys(_TIMES, "timestamp"),
    **dict.fromkeys(("occurrence", "rank"), "integer"),
    **dict.fromkeys(("ends", "confirmed", "in_baseline"), "boolean"),
}


def announced(db: Db, merchant_orders: Sequence[str]) -> AnnouncedOf:
    """Return what messages have told of these orders, so that an occurrence keeps its number (3.8; rulings 6)."""
    found: dict[tuple[str, str], list[Announced]] = {}
    with db.batch({"merchant_order": merchant_orders}) as batch:
        rows = db.rows(
            f"""select unit_key, status, occurrence, occurred_at, occurred_to from synced.notices
                where kind = '{MessageKind.NOTICE}' and claimed_at is not null and occurred_at is not null
                  and occurred_to is not null and merchant_order in (select merchant_order from {batch})"""
        )
    for unit_key, status, *rest in rows:
        found.setdefault((unit_key, status), []).append(Announced(*rest))
    return found


def write(db: Db, orders: Sequence[OrderStaged], now: datetime) -> int:
    """Replace what is staged of these orders; returns how many hooks are given up because no read confirmed them.

    Args:
        now: since when new events are known (UTC without zone).
    """
    if not orders:
        return 0
    _take_out_others(db, orders)
    with db.batch({"merchant_order": [one.merchant_order for one in orders]}) as batch:
        theirs = f"merchant_order in (select merchant_order from {batch})"
        known: dict[tuple[str, str, int], tuple[datetime, bool, bool]] = {
            row[:3]: row[3:]
            for row in db.rows(
                f"""select unit_key, status, occurrence, first_seen_at, in_baseline, confirmed
                    from staged.journey_events where {theirs}"""
            )
        }
        db.execute(f"delete from staged.journey_events where {theirs}")
        _replace(db, "notice_orders", [one.order for one in orders if one.order], _ORDER_TYPES)
        _replace(db, "recipients", [_with_zones(one.recipient) for one in orders if one.recipient], {})
    rows = [_event(order, event, known, now) for order in orders for event in order.events]
    _insert(db, "journey_events", rows, _EVENT_TYPES)
    _insert(
        db,
        "units",
        [
            {"unit_key": key, "merchant_order": order.merchant_order, "kind": kind_of(key)}
            for order in orders
            for key in sorted(order.units.keys)
        ],
        {},
        "on conflict do nothing",
    )
    aliases = {alias: key for order in orders for alias, key in order.units.new.items()}
    _insert(
        db,
        "unit_aliases",
        [{"alias": alias, "unit_key": key} for alias, key in aliases.items()],
        {},
        "on conflict do nothing",
    )
    there = {(row["unit_key"], row["status"], row["occurrence"]) for row in rows}
    return sum(not confirmed and key not in there for key, (_, _, confirmed) in known.items())


def _event(
    order: OrderStaged, event: Event, known: Mapping[tuple[str, str, int], tuple[datetime, bool, bool]], now: datetime
) -> dict[str, Any]:
    first_seen_at, in_baseline, _ = known.get((event.unit_key, event.status, event.occurrence), (now, False, False))
    return {
        "unit_key": event.unit_key,
        "status": event.status,
        "occurrence": event.occurrence,
        "merchant_order": order.merchant_order,
        "source": order.source,
        "source_status": event.word,
        "rank": event.rank,
        "ends": event.ends,
        "occurred_at": event.occurred_at,
        "last_at": event.last_at,
        "basis": None if event.basis is None else str(event.basis),
        "first_seen_at": first_seen_at,
        "confirmed": event.confirmed,
        "hook_at": event.hook_at,
        "attempt_at": event.attempt_at,
        "answered_at": event.answered_at,
        "in_baseline": in_baseline,
        "noted": None if event.noted is None else str(event.noted),
        "evidence": as_json(event.evidence),
    }


def _take_out_others(db: Db, orders: Sequence[OrderStaged]) -> None:
    """Take away the events of a unit that another order has already: nobody knows whose it is."""
    owner: dict[str, str] = {}
    with db.batch({"unit_key": sorted({key for one in orders for key in one.units.keys})}) as batch:
        owner.update(
            db.rows(
                f"select unit_key, merchant_order from staged.units where unit_key in (select unit_key from {batch})"
            )
        )
    for order in orders:
        others = {
            key for key in order.units.keys if owner.setdefault(key, order.merchant_order) != order.merchant_order
        }
        if others:
            order.events = [one for one in order.events if one.unit_key not in others]
            order.faults = [*order.faults, OTHERS_UNIT]
            order.units.keys -= others


def _with_zones(recipient: Mapping[str, Any]) -> dict[str, Any]:
    return {**recipient, "zones": ",".join(recipient["zones"])}


def _replace(db: Db, table: str, rows: Sequence[Mapping[str, Any]], types: Mapping[str, str]) -> None:
    if rows:
        with db.batch({"merchant_order": [row["merchant_order"] for row in rows]}) as batch:
            db.execute(f"delete from staged.{table} where merchant_order in (select merchant_order from {batch})")
        _insert(db, table, rows, types)


def _insert(
    db: Db, table: str, rows: Sequence[Mapping[str, Any]], types: Mapping[str, str], conflict: str = ""
) -> None:
    if not rows:
        return
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    kinds = {name: kind for name, values in columns.items() if (kind := _kind(values)) is not None}
    casts = ", ".join(
        "case when zones = '' then [] else string_split(zones, ',') end as zones"
        if name == "zones"
        else f"{name}::{types[name]} as {name}"
        if name in types
        else name
        for name in columns
    )
    with db.batch(columns, kinds) as batch:
        db.execute(f"insert into staged.{table} by name select {casts} from {batch} {conflict}")


def _kind(values: list[Any]) -> str | None:
    """Return how a column is handed over, by its first value; texts, which SQL reads, and columns of nulls: None.

    Other numbers are turned into texts in place.
    """
    first = next((value for value in values if value is not None), None)
    if first is None or isinstance(first, str):
        return None
    for kind, of in (("bool", bool), ("int", int), ("time", datetime)):
        if isinstance(first, of):
            return kind
    values[:] = [None if value is None else str(value) for value in values]
    return None
