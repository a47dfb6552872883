"""Turns what Eshopbox's reads and hooks said of one order into facts of its units (notices.md 3.5-3.8). Pure.

Data flow: rows of raw.eshopbox_sightings and raw.eshopbox_hooks, names that are known -> `journey.Fact`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from operator import attrgetter
from typing import Final

import msgspec

from vs_st_pipeline.connectors.eshopbox.order_record import (
    CREATED,
    RETURN,
    SHIPMENT,
    return_names,
    shipment_key,
    shipment_names,
)
from vs_st_pipeline.routes.notices.journey import Fact
from vs_st_pipeline.routes.notices.status_map import StatusMap
from vs_st_pipeline.routes.notices.systems import ESHOPBOX
from vs_st_pipeline.routes.notices.units import Units

_ORDER: Final = "order"
_NAMES: Final = msgspec.json.Decoder(list[str])
_PREFIXES: Final = {
    _ORDER: f"{ESHOPBOX}.{SHIPMENT}.",
    SHIPMENT: f"{ESHOPBOX}.{SHIPMENT}.",
    RETURN: f"{ESHOPBOX}.{RETURN}.",
}


class Sighting(msgspec.Struct, frozen=True, gc=False):
    """A row of raw.eshopbox_sightings."""

    seq: int
    resource: str
    unit: str
    names: str
    word: str
    own_at: datetime | None
    bound: datetime | None
    seen_at: datetime
    in_timeline: bool


class HookRow(msgspec.Struct, frozen=True, gc=False):
    """A row of raw.eshopbox_hooks whose word may count."""

    seq: int
    resource: str | None
    word: str | None
    shipment_id: str | None
    tracking_id: str | None
    return_number: str | None
    received_at: datetime
    read_at: datetime | None


def facts_of(
    order_key: str, sightings: Iterable[Sighting], hooks: Iterable[HookRow], units: Units, statuses: StatusMap
) -> list[Fact]:
    """Return what was said of an order's units, in order of arrival; new names are added to `units`.

    Both are given in the order of their arrival.

    A word that is a status of the order's is the order's, whichever parcel it was said of. A hook without a resource,
    or that names no parcel where there are several, says nothing but that the order is to be read.
    """
    whole = units.of(f"{_ORDER}:{ESHOPBOX}:{order_key}", (f"{_ORDER}:{ESHOPBOX}:{order_key}",))

    def place_of(unit: str, resource: str, word: str) -> tuple[str, str]:
        """Return whose a word is, and its name in the map."""
        name = f"{_PREFIXES[resource]}{word}"
        meaning = statuses.of(name)
        return (whole if meaning is not None and meaning.unit == _ORDER else unit), name

    found: list[Fact] = []
    same: dict[tuple[str, str], str] = {}  # what names mean stays once they were seen
    for one in sightings:
        if one.resource == _ORDER:
            unit = whole
        elif (known := same.get((one.unit, one.names))) is not None:
            unit = known
        else:
            unit = same[one.unit, one.names] = units.of(one.unit, _NAMES.decode(one.names))
        own, name = place_of(unit, one.resource, one.word)
        found.append(Fact(one.seq, own, name, one.seen_at, one.own_at, one.bound, False, one.in_timeline))
    for hook in hooks:
        if hook.resource is None or hook.word is None:
            continue
        of_order = hook.resource == SHIPMENT and hook.word.casefold() == CREATED
        named = whole if of_order else _unit_of(hook, order_key, units)
        if named is not None:
            own, name = place_of(named, hook.resource, hook.word)
            found.append(Fact(hook.seq, own, name, hook.received_at, by_hook=True))
    found.sort(key=attrgetter("seq"))
    return found


def _unit_of(hook: HookRow, order_key: str, units: Units) -> str | None:
    if hook.resource == RETURN:
        names: Sequence[str] = return_names(hook.shipment_id, hook.return_number)
        return units.of(f"{RETURN}:{ESHOPBOX}:{hook.shipment_id or hook.return_number}", names) if names else (
            units.only(RETURN)
        )  # fmt: skip
    names = shipment_names(hook.shipment_id, hook.tracking_id, order_key, ())
    if names:
        return units.of(shipment_key(hook.shipment_id, hook.tracking_id, order_key), names)
    parcels = [key for key in units.keys if key.startswith(f"{SHIPMENT}:")]
    if len(parcels) > 1:
        return None
    return parcels[0] if parcels else units.of(shipment_key(None, None, order_key), ())
