"""Stages orders of Commerce7 and Vinoshipper, whoever read them (notices.md 3.5-3.7, 4; routes.md R34, R37).

Data flow: `OtherOrder` -> staged.source_orders, source_words -> (`journey`) -> staged.journey_events, notice_orders,
recipients, in the caller's transaction.

An order of Vinoshipper that is one of Commerce7's has no journey of its own: its words join the other's, whose unit and
phone count. Until that other one is known it is no unit. Where it had a journey of its own before it said so, nothing
that occurred until then is told on the other's: somebody may have been told already.

It is long because what an order is, whose journey it is, and what is told of it are one decision.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.platform.warehouse.suppression import PHONE, phone_name, read_suppressed
from vs_st_pipeline.routes.notices import ledger, other_tables, phones, zones
from vs_st_pipeline.routes.notices.forgetting import ORDER as FORGOTTEN
from vs_st_pipeline.routes.notices.journey import events_of
from vs_st_pipeline.routes.notices.other_orders import OtherOrder, Person
from vs_st_pipeline.routes.notices.other_tables import Stored
from vs_st_pipeline.routes.notices.other_words import Kept, keep
from vs_st_pipeline.routes.notices.settings import NoticesSettings
from vs_st_pipeline.routes.notices.staging import OrderStaged, announced, write
from vs_st_pipeline.routes.notices.status_map import StatusMap
from vs_st_pipeline.routes.notices.systems import COMMERCE7, VINOSHIPPER
from vs_st_pipeline.routes.notices.units import Units
from vs_st_pipeline.routes.notices.words import Drop

_COLUMNS: Final = (
    *("merchant_order", "source", "order_number", "vendor_order_number", "placed_at", "country", "state", "postal"),
    *("items", "payment", "invoice", "tracking_id", "courier", "ndr", "refund_amount", "more", "contact_phone"),
    *("whatsapp_flag", "read_at", "read_real"),
)


@dataclass(frozen=True, slots=True)
class Read:
    """An order as it was read.

    Attributes:
        version: of the reader's row; None: look at it again in the next sync.
        read_at: of the last good read (UTC without zone, by VS_ST_NOW).
    """

    order: OtherOrder
    version: str | None
    read_at: datetime


@dataclass(frozen=True, slots=True)
class _Whose:
    """Whose journey an order belongs to.

    Attributes:
        merchant_order: None: nobody's, or nobody's yet.
        was_own: it had a journey of its own. is_late: and joins another one's only now.
        left: the journey that it belonged to before, if that is a third one.
    """

    merchant_order: str | None
    linked_id: str | None = None
    linked_number: str | None = None
    was_own: bool = False
    is_late: bool = False
    left: str | None = None


@dataclass(slots=True)
class Staging:
    """Stages what one source has brought, for one run."""

    run: Run
    db: Db
    source: str
    settings: NoticesSettings
    statuses: StatusMap

    def take(self, reads: Sequence[Read], *, less_at: datetime | None = None) -> None:
        """Take these orders over, inside the caller's transaction, and stage whose journey they belong to.

        Args:
            less_at: an earlier moment at which every stored order was read as it is stored; None: its own read.
        """
        if not reads:
            return
        db = self.db
        own = [one.order.own for one in reads]
        known, words = other_tables.stored(db, self.source, own), other_tables.words(db, self.source, own)
        seq = other_tables.next_seq(db)
        rows: list[dict[str, Any]] = []
        kept: list[tuple[str, Kept]] = []
        affected, late = set[str](), set[str]()
        bodies: dict[str, Read] = {}
        for read in reads:
            one, before = read.order, known.get(read.order.own)
            read_before = _read_before(before, less_at)
            found = keep(
                words.get(one.own, []),
                one.words,
                one.denied,
                seen_at=read.read_at,
                less_at=None if read_before is None or read_before > read.read_at else read_before,
                placed_at=one.placed_at,
                seq=seq,
            )
            seq = max([seq, *(word.seq + 1 for word in found)])
            kept += [(one.own, word) for word in found]
            whose = self._whose(one, before)
            if whose.merchant_order is not None:
                affected.add(whose.merchant_order)
            if whose.merchant_order == f"{self.source}:{one.own}":
                bodies[whose.merchant_order] = read
            if whose.is_late and whose.merchant_order is not None:
                late.add(whose.merchant_order)
            if whose.left is not None:
                affected.add(whose.left)
            rows.append(_source_row(self.source, read, whose, read_before))
        other_tables.store(db, self.source, rows, kept)
        self.settle(affected, bodies, late)

    def _whose(self, one: OtherOrder, before: Stored | None) -> _Whose:
        """Say whose journey an order belongs to; its own one ends where it turns out to be another's (R37)."""
        own_key = f"{self.source}:{one.own}"
        linked_id, linked_number = one.linked_id, one.linked_number
        had_own, was_own, former = False, False, None
        if before is not None:  # a link that was once said stays
            linked_id, linked_number = linked_id or before.linked_id, linked_number or before.linked_number
            had_own, former = before.merchant_order == own_key, before.merchant_order
            was_own = before.was_own or had_own
        if self.source != VINOSHIPPER or not (linked_id or linked_number):
            now = own_key if one.is_unit or had_own else None
            return _Whose(now, linked_id, linked_number, was_own)
        now = self._linked(linked_id, linked_number) if one.is_unit or before is not None else None
        if had_own:
            self._end(own_key)
        left = former if former not in (None, own_key, now) else None
        return _Whose(now, linked_id, linked_number, was_own, was_own and former != now, left)

    def resolve(self, linked: Mapping[str, str] | None = None) -> None:
        """Give orders that wait for their Commerce7 side to it where it is known now (R37), inside a transaction.

        Args:
            linked: Vinoshipper number -> id at Commerce7, as route `orders` has it; None: nothing is known of that.
        """
        db = self.db
        for number, order_id in (linked or {}).items():
            db.execute(
                """update staged.source_orders set linked_id = ?
                   where source = ? and own = ? and linked_id is null""",
                [order_id, self.source, number],
            )
        rows = db.rows(
            f"""select * from (
                    select v.own, v.merchant_order as before, v.was_own,
                           if(a.own is null, b.merchant_order, a.merchant_order) as now
                    from staged.source_orders as v
                    left join staged.source_orders as a on a.source = '{COMMERCE7}' and a.own = v.linked_id
                    left join (select order_number, min(merchant_order) as merchant_order from staged.source_orders
                               where source = '{COMMERCE7}' group by 1) as b on b.order_number = v.linked_number
                    where v.source = ? and (v.linked_id is not null or v.linked_number is not null)
                      and (v.merchant_order is null or v.merchant_order = v.source || ':' || v.own))
                where before is distinct from now""",
            [self.source],
        )
        affected, late = set[str](), set[str]()
        for own, before, was_own, now in rows:
            if before is not None:
                self._end(before)
            if now is not None:
                affected.add(now)
                if was_own or before is not None:
                    late.add(now)
            db.execute(
                "update staged.source_orders set merchant_order = ?, was_own = ? where source = ? and own = ?",
                [now, bool(was_own or before is not None), self.source, own],
            )
        if affected:
            self.settle(affected, {}, late)

    def again(self) -> None:
        """Work all journeys out anew: the map of words is another one; inside the caller's transaction."""
        rows = self.db.rows(
            "select distinct merchant_order from staged.source_orders where merchant_order is not null and source = ?",
            [self.source],
        )
        orders = sorted(row[0] for row in rows)
        for first in range(0, len(orders), 2000):
            part = orders[first : first + 2000]
            self.settle(part, {}, ())

    def settle(self, affected: Collection[str], bodies: Mapping[str, Read], late: Collection[str]) -> None:
        """Stage these journeys, by all that is known of their orders at either system, inside a transaction.

        Args:
            bodies: what was read now, by merchant_order; of others what is staged stands.
            late: those that another order joins late: nothing that is known of them is news.
        """
        if not affected:
            return
        db, forgotten = self.db, read_suppressed(self.db)
        facts, told = other_tables.facts(db, affected), announced(db, sorted(affected))
        staged: list[OrderStaged] = []
        for merchant_order in sorted(affected):
            source, _, own = merchant_order.partition(":")
            unit_key = f"order:{source}:{own}"
            units = Units({})
            units.of(unit_key, (unit_key,))
            is_forgotten = forgotten.knows(FORGOTTEN, merchant_order)
            read = bodies.get(merchant_order)
            if read is not None and (name := phone_name(read.order.person.phone or "")) is not None:
                is_forgotten = is_forgotten or forgotten.knows(PHONE, name)
            if is_forgotten:  # what became of the order names nobody
                read = None
            staged.append(
                OrderStaged(
                    merchant_order,
                    source,
                    events_of(facts.get(merchant_order, []), self.statuses, announced=told),
                    units,
                    None if read is None else _row(merchant_order, source, read),
                    None if read is None else self._recipient(merchant_order, read.order.person),
                )
            )
        write(db, staged, self.run.now())
        self._join_parcels(affected)
        self._join_ages(affected)
        other_tables.note_journeys(db, affected)
        if late:
            with db.batch({"merchant_order": sorted(late)}) as batch:
                db.execute(
                    f"""update staged.journey_events set in_baseline = true
                        where merchant_order in (select merchant_order from {batch})"""
                )
        self._drop_what_is_no_more(affected)

    # --- parts ------------------------------------------------------------------------------------------------------

    def _linked(self, linked_id: str | None, linked_number: str | None) -> str | None:
        """Return the journey of the Commerce7 order that is meant; None: it is not known, or has none."""
        for column, value in (("own", linked_id), ("order_number", linked_number)):
            if value is not None:
                row = self.db.row(
                    f"select merchant_order from staged.source_orders where source = ? and {column} = ? order by own",
                    [COMMERCE7, value],
                )
                if row is not None:
                    return None if row[0] is None else str(row[0])
        return None

    def _recipient(self, merchant_order: str, person: Person) -> dict[str, Any]:
        phone = phones.read(person.phone, person.country, self.settings)
        places = {zone: None for country, state in person.places for zone in zones.of(country, state)}
        return {
            "merchant_order": merchant_order,
            "phone_raw": person.phone,
            "phone": phone.number,
            "phone_fault": None if phone.fault is None else str(phone.fault),
            "name": person.name,
            "country": person.country,
            "zones": tuple(places),
            "under_age": person.under_age,
        }

    def _join_parcels(self, affected: Collection[str]) -> None:
        """Say in Commerce7's orders which parcel it is, where only Vinoshipper tells."""
        db = self.db
        with db.batch({"merchant_order": sorted(affected)}) as batch:
            rows = db.rows(
                f"""select o.merchant_order, max(o.parcel), any_value(n.more)
                    from staged.source_orders as o join staged.notice_orders as n using (merchant_order)
                    where o.source = '{VINOSHIPPER}' and n.source = '{COMMERCE7}' and n.tracking_id is null
                      and o.parcel is not null
                      and o.merchant_order in (select merchant_order from {batch}) group by 1"""
            )
        for merchant_order, parcel, more in rows:
            told = json.loads(parcel)
            whole = json.loads(more) if more else {}
            whole["units"] = {f"order:{merchant_order}": told}
            db.execute(
                "update staged.notice_orders set tracking_id = ?, courier = ?, more = ? where merchant_order = ?",
                [told.get("tracking_id"), told.get("courier"), json.dumps(whole, ensure_ascii=False), merchant_order],
            )

    def _join_ages(self, affected: Collection[str]) -> None:
        """Say of Commerce7's customers who is under age by what Vinoshipper knows of them (5.8)."""
        with self.db.batch({"merchant_order": sorted(affected)}) as batch:
            self.db.execute(
                f"""update staged.recipients as r set under_age = o.under_age
                    from (select merchant_order, bool_or(under_age) as under_age from staged.source_orders
                          where source = '{VINOSHIPPER}' and starts_with(merchant_order, '{COMMERCE7}:')
                            and merchant_order in (select merchant_order from {batch}) group by 1) as o
                    where o.merchant_order = r.merchant_order and o.under_age <> r.under_age"""
            )

    def _end(self, merchant_order: str) -> None:
        """Take away a journey that is another order's."""
        for table in ("journey_events", "notice_orders", "recipients", "units"):
            self.db.execute(f"delete from staged.{table} where merchant_order = ?", [merchant_order])
        self._drop_what_is_no_more([merchant_order])

    def _drop_what_is_no_more(self, affected: Collection[str]) -> None:
        """Drop for good the notices of statuses that a later read has taken back (5.4)."""
        with self.db.batch({"merchant_order": sorted(affected)}) as batch:
            rows = self.db.rows(
                f"""select n.notice_id from synced.notices as n
                    left join staged.journey_events as e on e.unit_key = n.unit_key and e.status = n.status
                        and e.occurrence = n.occurrence
                    where n.kind = 'notice' and n.state = 'waiting' and e.unit_key is null
                      and n.merchant_order in (select merchant_order from {batch})"""
            )
        for (notice_id,) in rows:
            ledger.held(self.db, self.run, notice_id, Drop.SUPERSEDED, rule=4, drops=True)


def _row(merchant_order: str, source: str, read: Read) -> dict[str, Any]:
    columns = dict(read.order.columns)
    columns["more"] = json.dumps(columns["more"], default=str, ensure_ascii=False)
    return {
        **dict.fromkeys(_COLUMNS),
        **columns,
        "merchant_order": merchant_order,
        "source": source,
        "read_at": read.read_at,
    }


def _read_before(before: Stored | None, less_at: datetime | None) -> datetime | None:
    if before is None:
        return None
    return before.read_at if less_at is None else max(before.read_at, less_at)


def _source_row(source: str, read: Read, whose: _Whose, read_before: datetime | None) -> dict[str, Any]:
    one = read.order
    return {
        "source": source,
        "own": one.own,
        "order_number": one.number,
        "version": None if one.lacks or one.person.under_age else read.version,  # a birthday is no news of the reader's
        "read_at": max(read.read_at, read_before) if read_before is not None else read.read_at,
        "merchant_order": whose.merchant_order,
        "linked_id": whose.linked_id,
        "linked_number": whose.linked_number,
        "was_own": whose.was_own,
        "buyer": one.buyer,
        "under_age": one.person.under_age,
        "parcel": json.dumps(dict(one.parcel)) if one.parcel else None,
    }
