"""Stores orders as they are believed (orders.md 3, 10; routes.md R22, R23).

Data flow: `Seen` (an answer that is an order) + what is stored of it -> raw.commerce7_orders, in the caller's
transaction.

It is long because what an answer replaces, what it leaves and what it cannot say are one decision about one row.

An older answer never replaces a newer one, and a row of a list that lacks what is read takes nothing away.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, Final

from vs_st_pipeline.connectors.commerce7.order_record import ORDER, as_text, lacks, moment, read_order, stripped
from vs_st_pipeline.connectors.commerce7.stored import TABLE, rows_of
from vs_st_pipeline.connectors.commerce7.streams import STORED
from vs_st_pipeline.domain.codec import try_object
from vs_st_pipeline.domain.records import CLEARS_AFTER, Kept, believed, carry, wants_another_read
from vs_st_pipeline.domain.shop_order import ShopOrder
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.platform.warehouse.streams import REDUCED
from vs_st_pipeline.platform.warehouse.suppression import read_suppressed
from vs_st_pipeline.platform.warehouse.unreadable import forget_unreadable

_CLOCKS_DIFFER: Final = timedelta(minutes=10)  # an `updatedAt` further ahead says nothing about which answer is newer
_READ_AT_KEPT: Final = timedelta(hours=1)  # how exact `read_at` of an unchanged order is


@dataclass(frozen=True, slots=True)
class Seen:
    """An order as an answer shows it.

    Attributes:
        body: the answer, or a row of one. order: what it says.
        by: which read first showed it, as `first_seen_by` names it.
        single: it is the answer to a read of this order alone.
        keep: its body is stored; False: only id and number are (paid before `start`), unless more is known already.
        real: when it was read, aware, by the machine's clock.
    """

    body: Mapping[str, Any]
    order: ShopOrder
    by: str
    single: bool
    keep: bool
    real: datetime


@dataclass(frozen=True, slots=True)
class Stored:
    """What became of one that was seen.

    Attributes:
        order: as it is believed now. whole: it was a read of it: nothing that is read was lacking, and it was not older
            than what is known. new: it was not known before. kept_out: its person was forgotten, so it is not stored.
    """

    order: ShopOrder
    whole: bool
    new: bool = False
    kept_out: bool = False


@dataclass(frozen=True, slots=True)
class _Before:
    sha256: str | None
    kept: str | None
    paid_at: datetime
    updated_at: datetime | None
    first_seen_at: datetime
    first_seen_by: str
    read_at: datetime
    whole: bool
    gone_at: datetime | None
    next_look_at: datetime | None
    changed: int


def store(db: Db, run: Run, seen: Sequence[Seen]) -> dict[str, Stored]:
    """Store orders, inside the caller's transaction; each id once. Returns what became of each, by id.

    Orders of forgotten people are not stored; what their answers say is returned as it came.
    """
    now, forgotten = run.now(), read_suppressed(db)
    before = _before(db, [one.order.id for one in seen])
    found: dict[str, Stored] = {}
    rows: list[dict[str, Any]] = []
    read: set[str] = set()
    bodies = _Bodies(db)
    for one in seen:
        known = before.get(one.order.id)
        if forgotten.knows(STORED, one.order.id):
            found[one.order.id] = Stored(one.order, one.single, kept_out=True)
            continue
        result, row = _settled(bodies, one, known, now)
        found[one.order.id] = result
        if row is not None:
            rows.append(row)
        if result.whole:
            read.add(one.order.id)
    _write(db, rows)
    forget_unreadable(db, STORED, read)
    return found


class _Bodies:
    """Reads stored bodies one by one, since hardly any is needed."""

    def __init__(self, db: Db) -> None:
        self._db = db

    def of(self, order_id: str) -> dict[str, Any] | None:
        return try_object(self._db.value(f"select body from {TABLE} where id = ?", [order_id]))


def _settled(bodies: _Bodies, one: Seen, known: _Before | None, now: datetime) -> tuple[Stored, dict[str, Any] | None]:
    """Return what becomes of one order, and its row where that is another one now."""
    order, body = one.order, stripped(one.body)
    text = as_text(body)
    if known is not None and known.sha256 is not None:
        if known.sha256 == REDUCED:
            if not one.single and order.updated_at is not None and order.updated_at == known.updated_at:
                return Stored(order, False), None
        else:
            if _is_older(order, known, now):
                held = bodies.of(order.id)
                return Stored(order if held is None else read_order(held), False), _shown(one, known, now)
            if known.sha256 == _hash(text) and (known.whole or not one.single) and not known.kept:
                whole = one.single or known.whole or not lacks(body)
                if whole == known.whole:
                    return Stored(order, whole), _shown(one, known, now)
    if not one.keep and (known is None or known.sha256 is None):
        same = known is not None and (known.paid_at, known.updated_at) == (order.paid_at, order.updated_at)
        return Stored(order, True, known is None), None if same else _row(one, known, now, None, None, {}, True)
    held = bodies.of(order.id) if known is not None else None
    lacking = not one.single and bool(lacks(body))
    if lacking and known is not None and known.whole and _is_same_version(order, known) and held is not None:
        return Stored(read_order(held), False), _shown(one, known, now)  # its single read told more
    kept = _carried(one, body, held, known, now)
    if kept.carried:
        body = _completed(body, kept.carried)
        text, order = as_text(body), read_order(body)
    whole = one.single or not lacking
    row = _row(one, known, now, text, order, kept.stored, whole)
    return Stored(order, whole, known is None), row


@dataclass(frozen=True, slots=True)
class _Carried:
    carried: Kept
    stored: Kept


def _carried(
    one: Seen, body: Mapping[str, Any], held: Mapping[str, Any] | None, known: _Before | None, now: datetime
) -> _Carried:
    """Return what is carried over from before; an absence in a list is none, so it clears nothing (R23)."""
    if held is None or known is None:
        return _Carried({}, {})
    former = try_object(known.kept) or {}
    if one.single:
        found = carry(ORDER, body, held, former, now)
        return _Carried(found, found)
    found = carry(ORDER, body, held, {place: e for place, e in former.items() if place in ORDER.sticky}, now)
    stored = {
        place: former.get(place, entry) for place, entry in found.items() if place in ORDER.sticky or place in former
    }
    return _Carried(found, stored)


def _completed(body: Mapping[str, Any], kept: Kept) -> dict[str, Any]:
    """Return an order as it is believed: a birth date that is known outlives the part that it stood in."""
    whole: dict[str, Any] = dict(believed(ORDER, body, kept))
    for path in ORDER.sticky.keys() & kept.keys():
        part, _, key = path.partition(".")
        if whole.get(part) is None:
            whole[part] = {key: kept[path]["value"]}
    return whole


def _is_older(order: ShopOrder, known: _Before, now: datetime) -> bool:
    """Say whether an answer is of an earlier version than what is stored (a replica that lags behind)."""
    if order.updated_at is None or known.updated_at is None or known.updated_at > now + _CLOCKS_DIFFER:
        return False
    return order.updated_at.replace(microsecond=0) < known.updated_at.replace(microsecond=0)


def _is_same_version(order: ShopOrder, known: _Before) -> bool:
    return order.updated_at is not None and order.updated_at == known.updated_at


def _shown(one: Seen, known: _Before, now: datetime) -> dict[str, Any] | None:
    """Return the row of an order that is there, and unchanged; None where nothing is worth writing."""
    if known.gone_at is None and not (one.single and now - known.read_at >= _READ_AT_KEPT):
        return None
    return {"id": one.order.id, "only_shown": "true", "read_at": now.isoformat(), "read_at_real": _real(one)}


def _row(
    one: Seen,
    known: _Before | None,
    now: datetime,
    text: str | None,
    believed_order: ShopOrder | None,
    kept: Kept,
    whole: bool,
) -> dict[str, Any]:
    order = believed_order or one.order
    return {
        "id": order.id,
        "order_number": order.number,
        "body": text,
        "body_sha256": None if text is None else _hash(text),
        "kept": as_text(kept) if kept else None,
        "paid_at": order.paid_at.isoformat(),
        "own_paid_at": _iso(moment(one.body.get("orderPaidDate"))),
        "created_at": _iso(order.created_at),
        "updated_at": _iso(order.updated_at),
        "previous_id": order.previous_id,
        "first_seen_at": (known.first_seen_at if known else now).isoformat(),
        "first_seen_by": known.first_seen_by if known else one.by,
        "read_at": now.isoformat(),
        "read_at_real": _real(one),
        "whole": "true" if whole else "false",
        "gone_at": None,
        "next_look_at": (now + CLEARS_AFTER).isoformat() if wants_another_read(ORDER, kept) else None,
    }


_TYPES: Final = {
    **dict.fromkeys(
        ("paid_at", "own_paid_at", "created_at", "updated_at", "first_seen_at", "read_at", "read_at_real", "gone_at"),
        "timestamp",
    ),
    "next_look_at": "timestamp",
    "whole": "boolean",
}
_COLUMNS: Final = (
    *("id", "order_number", "body", "body_sha256", "kept", "paid_at", "own_paid_at", "created_at", "updated_at"),
    *("previous_id", "first_seen_at", "first_seen_by", "read_at", "read_at_real", "whole", "gone_at", "next_look_at"),
)


def _write(db: Db, rows: Sequence[dict[str, Any]]) -> None:
    if shown := [row for row in rows if "only_shown" in row]:
        with db.batch({name: [row[name] for row in shown] for name in ("id", "read_at", "read_at_real")}) as batch:
            db.execute(
                f"""update {TABLE} as o set read_at = b.read_at::timestamp, read_at_real = b.read_at_real::timestamp,
                        changed = case when o.gone_at is null then o.changed else $number end, gone_at = null
                    from {batch} as b where o.id = b.id""",
                {"number": next_change(db)},
            )
    if whole := [row for row in rows if "only_shown" not in row]:
        columns = ", ".join(f"{name}::{_TYPES[name]} as {name}" if name in _TYPES else name for name in _COLUMNS)
        with db.batch({name: [row[name] for row in whole] for name in _COLUMNS}) as batch:
            db.execute(
                f"insert or replace into {TABLE} by name select {columns}, $number::bigint as changed from {batch}",
                {"number": next_change(db)},
            )


def next_change(db: Db) -> int:
    """Return the number of a change that is about to be stored."""
    return int(db.value(f"select coalesce(max(changed), 0) + 1 from {TABLE}"))


def note_gone(db: Db, order_id: str, now: datetime) -> None:
    """Note that an order answered 404, inside the caller's transaction; what is known of it stands."""
    forget_unreadable(db, STORED, [order_id])
    if db.value(f"select gone_at is null from {TABLE} where id = ?", [order_id]):
        db.execute(f"update {TABLE} set gone_at = ?, changed = ? where id = ?", [now, next_change(db), order_id])


def _before(db: Db, ids: Collection[str]) -> dict[str, _Before]:
    columns = """id, body_sha256, kept, paid_at, updated_at, first_seen_at, first_seen_by, read_at, whole, gone_at,
                 next_look_at, changed"""
    return {row[0]: _Before(*row[1:]) for row in rows_of(db, columns, ids)}


def _hash(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def _iso(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()


def _real(one: Seen) -> str:
    return one.real.replace(tzinfo=None).isoformat()
