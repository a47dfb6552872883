"""Stores orders as they were read, and what their reads showed that was not known before (notices.md 3.7; R22, R23).

Data flow: `Read` + what is stored -> raw.eshopbox_orders, raw.eshopbox_known, raw.eshopbox_sightings, in the caller's
transaction.

A sighting is stored once and never changed: journeys are worked out from all of them, in the order of their arrival.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from vs_st_pipeline.connectors.eshopbox.names import ESHOPBOX
from vs_st_pipeline.connectors.eshopbox.order_record import CREATED, ORDER, OrderSaid, Said, UnitSaid
from vs_st_pipeline.connectors.eshopbox.streams import HOOKS, KNOWN, ORDERS, SIGHTINGS, STORED
from vs_st_pipeline.connectors.eshopbox.traces import names_in
from vs_st_pipeline.domain.codec import try_object
from vs_st_pipeline.domain.records import CLEARS_AFTER, wants_another_read
from vs_st_pipeline.platform import kept_records
from vs_st_pipeline.platform.kept_records import Came, KeptTable
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.platform.warehouse.state import get_state, set_state
from vs_st_pipeline.platform.warehouse.suppression import filter_suppressed
from vs_st_pipeline.platform.warehouse.unreadable import forget_unreadable

BODIES: Final = KeptTable(ORDERS.table, ORDER, (), lambda _body, _run: None)
_SHOWS: Final = "eshopbox_shows_"  # the state: a read of this merchant has shown a status of this resource


@dataclass(frozen=True, slots=True)
class Read:
    """An order that was read well.

    Attributes:
        body: as it came. said: what it tells, with what tracking told.
        at: when the request left (UTC without zone, by VS_ST_NOW). real: the same by the machine's clock; epoch
            seconds.
    """

    body: Mapping[str, Any] = field(repr=False)
    said: OrderSaid
    at: datetime
    real: float

    @property
    def number(self) -> str:
        """Return what names the order."""
        return self.said.number


@dataclass(frozen=True, slots=True)
class _Before:
    order_key: str | None
    read_at: datetime | None
    shown_at: datetime | None
    absent_at: datetime | None


def next_change(db: Db) -> int:
    """Return the number of a change that is about to be stored."""
    return int(db.value(f"select coalesce(max(changed), 0) + 1 from {KNOWN}"))


def next_seq(db: Db) -> int:
    """Return the place of the next sighting or hook."""
    newest = f"greatest((select coalesce(max(seq), 0) from {SIGHTINGS}), (select coalesce(max(seq), 0) from {HOOKS}))"
    return int(db.value(f"select {newest} + 1"))


def shows(db: Db, resource: str) -> bool:
    """Say whether any read of this merchant ever showed a status of a resource (3.7)."""
    return bool(get_state(db, _SHOWS + resource))


def keys_of(db: Db, numbers: Collection[str]) -> dict[str, str]:
    """Return by which key these orders are known, as far as they are."""
    with db.batch({"id": sorted(set(numbers))}) as batch:
        rows = db.rows(
            f"""select parcel_id, order_key from {KNOWN}
                where order_key is not null and parcel_id in (select id from {batch})"""
        )
    return dict(rows)


def land(run: Run, db: Db, reads: Sequence[Read]) -> set[str]:
    """Store reads, inside the caller's transaction, each order once; returns the numbers of those with news.

    Orders of forgotten people are not stored.
    """
    now, came = run.now(), {one.number for one in reads}
    reads = filter_suppressed(db, reads, ORDERS, lambda one: names_in(one.number, one.body), now)
    _forget(db, came - {one.number for one in reads})
    if not reads:
        return set()
    before = _before(db, [one.number for one in reads])
    number = next_change(db)
    kept_records.land(run, db, BODIES, [Came(one.number, kept_records.as_json(one.body)) for one in reads], number)
    news = {row[0] for row in db.rows(f"select id from {ORDERS.table} where changed = ?", [number])}
    seen = list(_sightings(db, reads, before, next_seq(db)))
    news |= {row["parcel_id"] for row in seen}
    news |= {one.number for one in reads if one.number not in before}
    _insert(db, seen)
    _note_read(db, reads, news, number, now)
    for resource in {unit.resource for one in reads for unit in one.said.units if unit.shows_status}:
        if not shows(db, resource):
            set_state(db, _SHOWS + resource, True, now)
    forget_unreadable(db, STORED, [one.number for one in reads])
    return news


def _forget(db: Db, numbers: Collection[str]) -> None:
    """Delete what is known of orders that are kept out: nobody is to ask for them again."""
    if numbers:
        with db.batch({"id": sorted(numbers)}) as batch:
            for table in (KNOWN, SIGHTINGS, HOOKS):
                db.execute(f"delete from {table} where parcel_id in (select id from {batch})")


def note_gone(db: Db, number: str, now: datetime) -> None:
    """Note that an order answered 404, inside the caller's transaction; what is known of it stands."""
    forget_unreadable(db, STORED, [number])
    db.execute(
        f"""update {KNOWN} set gone_at = coalesce(gone_at, ?), wanted_at = null, wanted_by = null
            where parcel_id = ?""",
        [now, number],
    )
    db.execute(f"update {HOOKS} set read_at = ? where parcel_id = ? and read_at is null", [now, number])


# --- sightings ----------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Known:
    """What is stored of one unit's sightings. shown: the word of the last one outside of a history."""

    timed: set[tuple[str, datetime]] = field(default_factory=set)
    untimed: set[str] = field(default_factory=set)
    shown: str | None = None

    def is_new(self, one: Said) -> bool:
        """Say whether a word is to be stored; it is known from then on."""
        word = one.word.casefold()
        if one.own_at is not None:
            new = (word, one.own_at) not in self.timed
            self.timed.add((word, one.own_at))
        elif one.in_timeline:
            new = word not in self.untimed
            self.untimed.add(word)
        else:
            new = word != self.shown
        if not one.in_timeline:
            self.shown = word
        return new


def _sightings(db: Db, reads: Sequence[Read], before: Mapping[str, _Before], seq: int) -> Iterator[dict[str, Any]]:
    known = _known(db, [one.number for one in reads])
    for read in reads:
        said, own = read.said, before.get(read.number)
        bound = _bound(said, own)
        order = UnitSaid("order", f"order:{ESHOPBOX}:{said.key}", (f"order:{ESHOPBOX}:{said.key}",))
        unreadable = said.placed_at is None
        order.said.append(Said(CREATED, said.placed_at, is_unreadable=unreadable))
        for unit in (order, *said.units):
            of_unit = known[read.number, unit.key]
            for one in (*unit.said, *unit.answers):
                if not of_unit.is_new(one):
                    continue
                yield {
                    "parcel_id": read.number,
                    "seq": seq,
                    "resource": unit.resource,
                    "unit": unit.key,
                    "names": json.dumps(unit.names),
                    "word": one.word,
                    "own_at": one.own_at.isoformat() if one.own_at is not None else None,
                    "bound": bound.isoformat()
                    if bound is not None and one.own_at is None and not one.is_unreadable
                    else None,
                    "seen_at": read.at.isoformat(),
                    "in_timeline": one.in_timeline,
                }
                seq += 1


def _bound(said: OrderSaid, before: _Before | None) -> datetime | None:
    """Return a moment at which what a read shows for the first time was not so yet; None: none is known.

    The last read that showed where its parcels were; for an order that was never read so, its date, or a list that was
    read to its end and lacked it (rulings, notices 11). Of an order without a date nobody knows whether a list would
    have shown it.
    """
    if before is not None and before.shown_at is not None:
        return before.shown_at
    if said.placed_at is None:
        return None
    absent_at = before.absent_at if before is not None and before.read_at is None else None
    return said.placed_at if absent_at is None else max(said.placed_at, absent_at)


def _known(db: Db, numbers: Sequence[str]) -> defaultdict[tuple[str, str], _Known]:
    found: defaultdict[tuple[str, str], _Known] = defaultdict(_Known)
    with db.batch({"id": sorted(set(numbers))}) as batch:
        rows = db.rows(
            f"""select parcel_id, unit, word, own_at, in_timeline from {SIGHTINGS}
                where parcel_id in (select id from {batch}) order by seq"""
        )
    for number, unit, word, own_at, in_timeline in rows:
        found[number, unit].is_new(Said(word, own_at, in_timeline))
    return found


_SIGHTING_TYPES: Final = {"seq": "int", "in_timeline": "bool"}


def _insert(db: Db, rows: Sequence[dict[str, Any]]) -> None:
    if rows:
        with db.batch({name: [row[name] for row in rows] for name in rows[0]}, _SIGHTING_TYPES) as batch:
            db.execute(
                f"""insert into {SIGHTINGS} by name select * replace (own_at::timestamp as own_at,
                        bound::timestamp as bound, seen_at::timestamp as seen_at) from {batch}"""
            )


# --- what is known of each order ----------------------------------------------------------------------------------


def _before(db: Db, numbers: Sequence[str]) -> dict[str, _Before]:
    with db.batch({"id": sorted(set(numbers))}) as batch:
        rows = db.rows(
            f"""select parcel_id, order_key, read_at, shown_at, absent_at from {KNOWN}
                where parcel_id in (select id from {batch})"""
        )
    return {row[0]: _Before(*row[1:]) for row in rows}


def _note_read(db: Db, reads: Sequence[Read], news: set[str], number: int, now: datetime) -> None:
    with db.batch({"id": [one.number for one in reads]}) as batch:
        carried = {
            row[0]
            for row in db.rows(
                f"select id, kept from {ORDERS.table} where kept is not null and id in (select id from {batch})"
            )
            if wants_another_read(ORDER, try_object(row[1]) or {})
        }
    columns: dict[str, list[Any]] = {
        "parcel_id": [one.number for one in reads],
        "order_key": [one.said.key for one in reads],
        "placed_at": [one.said.placed_at.isoformat() if one.said.placed_at else None for one in reads],
        "at": [one.at.isoformat() for one in reads],
        "real": [repr(one.real) for one in reads],
        "shown": [_all_shown(one.said) for one in reads],
        "next_look_at": [(now + CLEARS_AFTER).isoformat() if one.number in carried else None for one in reads],
        "is_news": [one.number in news for one in reads],
    }
    with db.batch(columns, {"shown": "bool", "is_news": "bool"}) as batch:
        db.execute(
            f"""insert into {KNOWN} (parcel_id, first_seen_at)
                select parcel_id, "at"::timestamp from {batch} on conflict do nothing"""
        )
        db.execute(
            f"""update {KNOWN} as k set
                    order_key = coalesce(k.order_key, b.order_key),
                    placed_at = coalesce(b.placed_at::timestamp, k.placed_at),
                    read_at = b."at"::timestamp, read_real = b.real::double,
                    shown_at = case when b.shown then b."at"::timestamp else k.shown_at end,
                    wanted_at = case when k.wanted_at > b."at"::timestamp then k.wanted_at end,
                    wanted_by = case when k.wanted_at > b."at"::timestamp then k.wanted_by end,
                    next_look_at = b.next_look_at::timestamp, gone_at = null,
                    changed = case when b.is_news then $number else k.changed end
                from {batch} as b where k.parcel_id = b.parcel_id""",
            {"number": number},
        )


def _all_shown(said: OrderSaid) -> bool:
    return bool(said.units) and all(unit.shows_status for unit in said.units)
