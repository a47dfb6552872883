"""Stages orders of Commerce7 and Vinoshipper: those that say something else than when they were looked at last.

Data flow: `Looked` -> staged.shop_sightings, staged.shop_seen -> `staging`, in one transaction for some hundreds.

All statuses of such an order are of one unit, the order (3.6). One that is in both systems is Commerce7's: events of
both join it, and until its side there is known it is no unit (R37).
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final

from vs_st_pipeline.platform.kept_records import as_json
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.platform.warehouse.state import get_state, set_state
from vs_st_pipeline.routes.notices import phones, status_map, zones
from vs_st_pipeline.routes.notices.journey import Event, Fact, events_of
from vs_st_pipeline.routes.notices.settings import NoticesSettings
from vs_st_pipeline.routes.notices.shop_said import ShopSaid
from vs_st_pipeline.routes.notices.staging import OrderStaged, write
from vs_st_pipeline.routes.notices.status_map import StatusMap, squeezed
from vs_st_pipeline.routes.notices.systems import COMMERCE7, VINOSHIPPER
from vs_st_pipeline.routes.notices.units import Units

_AT_ONCE: Final = 500
SEEN: Final = "staged.shop_seen"
SIGHTINGS: Final = "staged.shop_sightings"


@dataclass(frozen=True, slots=True)
class Looked:
    """An order as its reader's rows show it.

    Attributes:
        own: its id or number there. hash: of what it was made from. seen_at: when it was read (UTC without zone).
    """

    source: str
    own: str
    hash: str
    seen_at: datetime
    said: ShopSaid


def hashes(db: Db, source: str) -> dict[str, str]:
    """Return what each order was made from when it was looked at last."""
    return dict(db.rows(f"select own, hash from {SEEN} where source = ?", [source]))


def stage(run: Run, settings: NoticesSettings, looked: Sequence[Looked], read_at: Mapping[str, datetime]) -> int:
    """Stage these orders; returns how many were.

    Args:
        looked: those that say something else. read_at: by merchant_order, when orders were read last, all that are.
    """
    statuses, count = status_map.read(settings.statuses), 0
    with run.open() as db:
        for first in range(0, len(looked), _AT_ONCE):
            with db.transaction():
                count += _stage(run, db, settings, statuses, looked[first : first + _AT_ONCE])
        _again_by_other_words(run, db, settings, statuses)
        _note_reads(db, read_at)
    return count


def _stage(run: Run, db: Db, settings: NoticesSettings, statuses: StatusMap, looked: Sequence[Looked]) -> int:
    known_orders = _commerce7_orders(db, looked)
    rows: list[tuple[Looked, str]] = []
    for one in looked:
        unit = _unit_of(one, known_orders)
        if unit is not None:
            rows.append((one, unit))
    before = _before(db, [one for one, _ in rows])
    seq = int(db.value(f"select coalesce(max(seq), 0) + 1 from {SIGHTINGS}"))
    new: list[dict[str, Any]] = []
    for one, unit in rows:
        seen_at, known = before.get((one.source, one.own), (None, set()))
        for word in one.said.words:
            own_at = word.own_at
            if (word.name, own_at) in known or (own_at is None and any(name == word.name for name, _ in known)):
                continue
            # It was not so yet at any of these moments.
            bound = max((at for at in (word.bound, seen_at or one.said.placed_at) if at is not None), default=None)
            new.append(
                {
                    "source": one.source,
                    "own": one.own,
                    "unit_key": unit,
                    "seq": seq,
                    "name": word.name,
                    "own_at": None if own_at is None else own_at.isoformat(),
                    "bound": bound.isoformat() if bound is not None and own_at is None else None,
                    "seen_at": one.seen_at.isoformat(),
                }
            )
            seq += 1
    if new:
        with db.batch({name: [row[name] for row in new] for name in new[0]}, {"seq": "int"}) as batch:
            db.execute(
                f"""insert into {SIGHTINGS} by name select * replace (own_at::timestamp as own_at,
                        bound::timestamp as bound, seen_at::timestamp as seen_at) from {batch}"""
            )
    _note_seen(db, rows)
    _make(run, db, settings, statuses, {unit for _, unit in rows})
    return len(rows)


def _unit_of(one: Looked, known: Mapping[str, str]) -> str | None:
    if one.source == COMMERCE7:
        return f"order:{COMMERCE7}:{one.own}"
    if one.said.other is None:
        return f"order:{VINOSHIPPER}:{one.own}"
    own = known.get(one.said.other)
    return None if own is None else f"order:{COMMERCE7}:{own}"


def _commerce7_orders(db: Db, looked: Iterable[Looked]) -> dict[str, str]:
    """Return the ids of Commerce7's orders by id and by number, as far as orders of Vinoshipper name them."""
    named = sorted({one.said.other for one in looked if one.said.other is not None})
    if not named:
        return {}
    with db.batch({"name": named}) as batch:
        rows = db.rows(
            f"""select b.name, s.own from {batch} as b join {SEEN} as s on s.source = '{COMMERCE7}'
                and (s.own = b.name or json_extract_string(s.said, '$.number') = b.name) order by s.own = b.name"""
        )
    return dict(rows)


def _before(
    db: Db, looked: Sequence[Looked]
) -> dict[tuple[str, str], tuple[datetime | None, set[tuple[str, datetime | None]]]]:
    with db.batch({"source": [one.source for one in looked], "own": [one.own for one in looked]}) as batch:
        seen = db.rows(f"select source, own, seen_at from {SEEN} semi join {batch} using (source, own)")
        sightings = db.rows(f"select source, own, name, own_at from {SIGHTINGS} semi join {batch} using (source, own)")
    found: dict[tuple[str, str], tuple[datetime | None, set[tuple[str, datetime | None]]]] = {
        (source, own): (seen_at, set()) for source, own, seen_at in seen
    }
    for source, own, name, own_at in sightings:
        found.setdefault((source, own), (None, set()))[1].add((name, own_at))
    return found


def _note_seen(db: Db, rows: Sequence[tuple[Looked, str]]) -> None:
    columns: dict[str, list[Any]] = {
        "source": [one.source for one, _ in rows],
        "own": [one.own for one, _ in rows],
        "hash": [one.hash for one, _ in rows],
        "unit_key": [unit for _, unit in rows],
        "merchant_order": [unit.removeprefix("order:") for _, unit in rows],
        "placed_at": [one.said.placed_at.isoformat() if one.said.placed_at else None for one, _ in rows],
        "seen_at": [one.seen_at.isoformat() for one, _ in rows],
        "said": [as_json({**asdict(one.said), "words": None, "placed_at": None}) for one, _ in rows],
    }
    if rows:
        with db.batch(columns) as batch:
            db.execute(
                f"""insert or replace into {SEEN} by name select * replace (placed_at::timestamp as placed_at,
                        seen_at::timestamp as seen_at) from {batch}"""
            )


def _make(run: Run, db: Db, settings: NoticesSettings, statuses: StatusMap, units: Collection[str]) -> None:
    """Work these units out anew, from all that was seen of them in either system."""
    with db.batch({"unit_key": sorted(units)}) as batch:
        among = f"unit_key in (select unit_key from {batch})"
        sightings = db.rows(f"select unit_key, seq, name, seen_at, own_at, bound from {SIGHTINGS} where {among}")
        seen = db.rows(f"select unit_key, source, own, placed_at, seen_at, said from {SEEN} where {among}")
    facts: defaultdict[str, list[Fact]] = defaultdict(list)
    for unit, seq, name, seen_at, own_at, bound in sightings:
        joined = unit.startswith(f"order:{COMMERCE7}:") and name.startswith(f"{VINOSHIPPER}.")
        if joined and squeezed(name.rpartition(".")[2]) == "open":
            continue  # that it was ordered is Commerce7's to tell
        facts[unit].append(Fact(seq, unit, name, seen_at, own_at, bound))
    told: defaultdict[str, list[Any]] = defaultdict(list)
    for unit, *row in seen:
        told[unit].append(row)
    made = [_order(settings, statuses, unit, events_of(facts[unit], statuses), told[unit]) for unit in sorted(told)]
    write(db, [one for one in made if one is not None], run.now())


def _order(
    settings: NoticesSettings, statuses: StatusMap, unit: str, events: Sequence[Event], seen: Sequence[Any]
) -> OrderStaged | None:
    source = unit.split(":")[1]
    own = next((row for row in seen if row[0] == source), None)
    if own is None:
        return None
    said = json.loads(own[4])
    order, recipient = said["order"], said["recipient"]
    for row in seen:  # the parcels of a shop's order are the shipper's
        other = json.loads(row[4])["order"]
        for key in ("tracking_id", "courier"):
            order[key] = order.get(key) or other.get(key)
    merchant_order = unit.removeprefix("order:")
    items = [{"unit_key": unit, "gtin": None, "ean": None, "upc": None, "brand": None, **one} for one in order["items"]]
    phone = phones.read(recipient["phone_raw"], order["country"], settings)
    units = Units({})
    units.of(unit, (unit,))
    of_unit = {key: order[key] for key in ("tracking_id", "courier") if order.get(key)}
    return OrderStaged(
        merchant_order,
        source,
        events,
        units,
        {
            "merchant_order": merchant_order,
            "source": source,
            "order_number": said["number"],
            "placed_at": own[2],
            **{key: order.get(key) for key in ("country", "state", "postal", "payment", "tracking_id", "courier")},
            "items": as_json(items),
            "more": as_json({**order["more"], "units": {unit: of_unit}}),
            "read_at": own[3],
        },
        {
            "merchant_order": merchant_order,
            "phone_raw": recipient["phone_raw"],
            "phone": phone.number,
            "phone_fault": None if phone.fault is None else str(phone.fault),
            "name": recipient["name"],
            "country": order["country"],
            "zones": zones.of(order["country"], order["state"]),
            "under_age": recipient["under_age"],
        },
    )


_BY: Final = "shops_staged_by"


def _again_by_other_words(run: Run, db: Db, settings: NoticesSettings, statuses: StatusMap) -> None:
    """Work all units out anew where the map of statuses has changed."""
    if get_state(db, _BY) == statuses.fingerprint:
        return
    units = [row[0] for row in db.rows(f"select distinct unit_key from {SEEN} order by 1")]
    with db.transaction():
        for first in range(0, len(units), _AT_ONCE):
            _make(run, db, settings, statuses, units[first : first + _AT_ONCE])
        set_state(db, _BY, statuses.fingerprint, run.now())


def _note_reads(db: Db, read_at: Mapping[str, datetime]) -> None:
    if not read_at:
        return
    columns = {"merchant_order": list(read_at), "read_at": [at.isoformat() for at in read_at.values()]}
    with db.batch(columns) as batch:
        newer = f"""from {batch} as b where o.merchant_order = b.merchant_order
            and o.read_at < b.read_at::timestamp"""
        if db.value(f"select 1 from staged.notice_orders as o, {newer[5:]} limit 1"):
            with db.transaction():
                db.execute(f"update staged.notice_orders as o set read_at = b.read_at::timestamp {newer}")
