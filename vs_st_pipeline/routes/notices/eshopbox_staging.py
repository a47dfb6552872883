"""Stages Eshopbox: each order's parcels and returns, what became of them, and whom to write (notices.md 3.5-3.8, 4).

Data flow: raw.eshopbox_orders, sightings, hooks -> staged.journey_events, units, unit_aliases, notice_orders,
recipients.

Only orders that changed are staged again, and those whose hook has waited long enough for a read that confirms it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from vs_st_pipeline.connectors.eshopbox import landing, stored
from vs_st_pipeline.connectors.eshopbox.order_record import ANSWERED, RETURN, SHIPMENT, read_order
from vs_st_pipeline.connectors.eshopbox.settings import EshopboxSettings
from vs_st_pipeline.connectors.eshopbox.streams import HOOKS, KNOWN, ORDERS, SIGHTINGS, STORED
from vs_st_pipeline.domain.codec import try_object
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.settings.merchants import Merchant
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.platform.warehouse.staged_batches import replace_unusable
from vs_st_pipeline.platform.warehouse.state import get_state, set_state
from vs_st_pipeline.routes.notices import phones, status_map, zones
from vs_st_pipeline.routes.notices.eshopbox_facts import HookRow, Sighting, facts_of
from vs_st_pipeline.routes.notices.eshopbox_rows import Rows, rows_of
from vs_st_pipeline.routes.notices.journey import AnnouncedOf, Event, Fact, events_of
from vs_st_pipeline.routes.notices.settings import NoticesSettings
from vs_st_pipeline.routes.notices.staging import OrderStaged, announced, write
from vs_st_pipeline.routes.notices.status_map import StatusMap, squeezed
from vs_st_pipeline.routes.notices.systems import ESHOPBOX
from vs_st_pipeline.routes.notices.units import Units

PREFIX: Final = f"{ESHOPBOX}:"  # before an order's key, in its merchant_order
VERSION: Final = 1  # raised when the same answers are staged as something else
_STATE: Final = "eshopbox_staged"  # up to which change orders are staged, and by what
_AT_ONCE: Final = 2000


def hooks_count(merchant: Merchant, db: Db) -> frozenset[str]:
    """Return of which resources a hook's word counts: no read ever showed a status of it, and a header proves hooks."""
    if merchant.section(EshopboxSettings).status_basis != "auto" or not is_proven(merchant):
        return frozenset()
    return frozenset(one for one in (SHIPMENT, RETURN) if not landing.shows(db, one))


def is_proven(merchant: Merchant) -> bool:
    """Say whether hooks of Eshopbox come with a header that nobody else knows (routes.md R12)."""
    own = merchant.webhooks.of(ESHOPBOX)
    return own is not None and own.header is not None


@dataclass(slots=True)
class StagedCounts:
    """What staging came to.

    Attributes:
        orders: how many were staged again. given_up: hooks that no read has confirmed in time.
    """

    orders: int = 0
    given_up: int = 0


def stage(run: Run, settings: NoticesSettings, *, only: Collection[str] | None = None) -> StagedCounts:
    """Bring the staged tables in step with raw.

    Args:
        only: orders (merchant_order) that it is about; None: all that changed.
    """
    statuses, now, counts = status_map.read(settings.statuses), run.now(), StagedCounts()
    with run.open() as db:
        counting = hooks_count(run.merchant, db)
        by = f"{VERSION} {statuses.fingerprint} {' '.join(sorted(counting))}"
        state = get_state(db, _STATE) or {}
        through = int(state.get("through", 0)) if state.get("by") == by else 0
        newest = int(db.value(f"select coalesce(max(changed), 0) from {KNOWN}"))
        due = _due(db, through, now - settings.confirm_wait, only)
        work = _Work(run, settings, statuses, counting)
        for first in range(0, len(due), _AT_ONCE):
            numbers = due[first : first + _AT_ONCE]
            rows = list(_rows(db, numbers))
            told = announced(db, [PREFIX + one.key for one in rows])
            orders = [work.stage(one, told) for one in rows]
            with db.transaction():
                counts.given_up += write(db, [one.staged for one in orders], now)
                stored.note_open(db, {one.number: one.is_open for one in orders})
                replace_unusable(
                    db,
                    STORED,
                    [one.number for one in orders],
                    [(one.number, reason) for one in orders for reason in one.staged.faults],
                )
                if only is None and first + _AT_ONCE >= len(due):
                    set_state(db, _STATE, {"through": newest, "by": by}, now)
            counts.orders += len(orders)
        _note_reads(db, only)
    return counts


def _due(db: Db, through: int, waited: datetime, only: Collection[str] | None) -> list[str]:
    with db.batch({"own": sorted(set(only or ()))}) as batch:
        rows = db.rows(
            f"""select parcel_id from {KNOWN} where order_key is not null
                and (changed > $through or $all = false or '{PREFIX}' || order_key in (
                     select merchant_order from staged.journey_events
                     where not confirmed and hook_at < $waited::timestamp))
                and ($all or '{PREFIX}' || order_key in (select own from {batch}))
                order by changed, parcel_id""",
            {"through": through, "waited": waited, "all": only is None},
        )
    return [row[0] for row in rows]


def _note_reads(db: Db, only: Collection[str] | None) -> None:
    """Note when each order was read last: an order that reads the same is as fresh as one with news (5.6)."""
    with db.batch({"own": sorted(set(only or ()))}) as batch:
        changed = f"""from {KNOWN} as k where o.merchant_order = '{PREFIX}' || k.order_key
            and o.read_real is distinct from k.read_real and k.read_at is not null
            and ($all or o.merchant_order in (select own from {batch}))"""
        if db.value(f"select 1 from staged.notice_orders as o, {changed[5:]} limit 1", {"all": only is None}):
            with db.transaction():
                db.execute(
                    f"update staged.notice_orders as o set read_at = k.read_at, read_real = k.read_real {changed}",
                    {"all": only is None},
                )


@dataclass(slots=True)
class _Raw:
    """All that is stored of one order."""

    number: str
    key: str
    body: str | None
    read_at: datetime | None
    read_real: float | None
    sightings: list[Sighting] = field(default_factory=list)
    hooks: list[HookRow] = field(default_factory=list)
    aliases: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Done:
    number: str
    staged: OrderStaged
    is_open: bool


def _rows(db: Db, numbers: Sequence[str]) -> Iterator[_Raw]:
    with db.batch({"id": numbers}) as batch:
        among = f"parcel_id in (select id from {batch})"
        found = {
            row[0]: _Raw(*row)
            for row in db.rows(
                f"""select k.parcel_id, k.order_key, o.body, k.read_at, k.read_real from {KNOWN} as k
                    left join {ORDERS.table} as o on o.id = k.parcel_id where {among}"""
            )
        }
        for number, *rest in db.rows(
            f"""select parcel_id, seq, resource, unit, names, word, own_at, bound, seen_at, in_timeline
                from {SIGHTINGS} where {among} order by seq"""
        ):
            found[number].sightings.append(Sighting(*rest))
        for number, *rest in db.rows(
            f"""select parcel_id, seq, resource, word, shipment_id, tracking_id, return_number, received_at, read_at
                from {HOOKS} where bad is null and {among} order by seq"""
        ):
            found[number].hooks.append(HookRow(*rest))
        for number, alias, unit_key in db.rows(
            f"""select k.parcel_id, a.alias, a.unit_key from {KNOWN} as k
                join staged.units as u on u.merchant_order = '{PREFIX}' || k.order_key
                join staged.unit_aliases as a on a.unit_key = u.unit_key where {among}"""
        ):
            found[number].aliases[alias] = unit_key
    for number in numbers:
        yield found[number]


class _Work:
    """Stages orders, one by one, by what the settings say."""

    def __init__(self, run: Run, settings: NoticesSettings, statuses: StatusMap, counting: frozenset[str]) -> None:
        self._run, self._settings, self._statuses, self._counting = run, settings, statuses, counting
        self._zone = run.merchant.section(EshopboxSettings).time_zone

    def stage(self, raw: _Raw, told: AnnouncedOf) -> _Done:
        units = Units(raw.aliases)
        facts = facts_of(raw.key, raw.sightings, [], units, self._statuses)
        body = try_object(raw.body)
        said = read_order(body, raw.number, self._zone, raw.key) if body is not None else None
        for unit in said.units if said is not None else ():
            units.of(unit.key, unit.names)
        if raw.hooks:  # after all that reads know, so that a hook without ids finds the one parcel there is
            facts = facts_of(raw.key, raw.sightings, raw.hooks, units, self._statuses)
        unread = {hook.seq for hook in raw.hooks if hook.read_at is None}
        events = self._events(facts, unread, told)
        rows: Rows | None = None
        if body is not None and said is not None:
            rows = rows_of(body, said, units, self._zone, _answers(facts))
        staged = OrderStaged(
            PREFIX + raw.key,
            ESHOPBOX,
            events,
            units,
            None if rows is None else {**rows.order, "read_at": raw.read_at, "read_real": raw.read_real},
            None if rows is None else self._recipient(rows),
            [] if rows is None else rows.faults,
        )
        return _Done(raw.number, staged, _is_open(events))

    def _events(self, facts: Sequence[Fact], unread: set[int], told: AnnouncedOf) -> list[Event]:
        """Return the events; a hook whose order was not read since counts for nothing yet but that it may be so."""
        if not unread or not self._counting:
            found = events_of(facts, self._statuses, hooks_count=self._counting, announced=told)
        else:
            read = [one for one in facts if one.seq not in unread]
            found = events_of(read, self._statuses, hooks_count=self._counting, announced=told)
            known = {(one.unit_key, one.status) for one in found}
            waiting = events_of(facts, self._statuses, announced=told)
            found += [one for one in waiting if not one.confirmed and (one.unit_key, one.status) not in known]
        last = self._run.now() - self._settings.confirm_wait
        return [one for one in found if one.confirmed or one.hook_at is None or one.hook_at >= last]

    def _recipient(self, rows: Rows) -> dict[str, Any]:
        told = rows.recipient
        phone = phones.read(told["phone_raw"], told["country"], self._settings)
        return {
            "merchant_order": told["merchant_order"],
            "phone_raw": told["phone_raw"],
            "phone": phone.number,
            "phone_fault": None if phone.fault is None else str(phone.fault),
            "name": told["name"],
            "country": told["country"],
            "zones": zones.of(told["country"], told["state"]),
        }


def _answers(facts: Sequence[Fact]) -> dict[str, datetime]:
    """Return when each unit's newest answer to a failed delivery was handed in, or told."""
    found: defaultdict[str, datetime] = defaultdict(lambda: datetime.min)
    for fact in facts:
        if squeezed(fact.word) == squeezed(ANSWERED):
            at = fact.own_at if fact.own_at is not None and not fact.is_ahead else fact.seen_at
            found[fact.unit_key] = max(found[fact.unit_key], at)
    return dict(found)


def _is_open(events: Sequence[Event]) -> bool:
    """Say whether something may still come: a parcel or a return that has not ended, or none at all yet."""
    ended: dict[str, bool] = {}
    for one in events:
        if not one.unit_key.startswith("order:"):
            ended[one.unit_key] = ended.get(one.unit_key, False) or (one.ends and one.confirmed)
    return not ended or not all(ended.values())


def numbers_of(db: Db, orders: str, params: Sequence[Any] | None = None) -> list[str]:
    """Return the numbers of orders that a select gives as merchant_order."""
    rows = db.rows(
        f"select distinct parcel_id from {KNOWN} where '{PREFIX}' || order_key in ({orders}) order by 1", params
    )
    return [row[0] for row in rows]
