"""Says what an answer to a read of one order tells: its parcels and returns, and how far each has come (W1-W3, W5).

Data flow: an order's JSON -> `OrderSaid`. Keys are read by any of the names that the fact sheet gives. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec

from vs_st_pipeline.connectors.eshopbox.names import ESHOPBOX
from vs_st_pipeline.connectors.eshopbox.times import UnreadableTime, read_time
from vs_st_pipeline.domain.records import RecordKind, id_text, is_given

ORDER: Final = RecordKind(
    system=ESHOPBOX,
    name="order",
    id_keys=("customerOrderNumber",),
    always=("items",),
    documented=(
        *("vendorOrderNumber", "orderDate", "paymentType", "isCOD", "brand", "invoiceNumber", "returns"),
        *("shippingAddress", "billingAddress"),
        *(
            f"shippingAddress.{part}"
            for part in (
                *("customerName", "addressLine1", "addressLine2", "city", "state", "postalCode", "countryCode"),
                *("contactPhone", "email"),
            )
        ),
    ),
)
"""The opt-in flag is not among what an absence leaves: who is not said to have opted in, has not."""

SHIPMENT: Final = "shipment"
RETURN: Final = "return"
CREATED: Final = "created"
ANSWERED: Final = "ndr_resolution_submitted"
ALL_RESTOCKED: Final = "complete_restocked"  # our word for `complete` of a return whose items all are restocked
TRACKING_KEYS: Final = ("trackingID", "trackingId", "awbNumber", "trackingNumber", "tracking_id")
SHIPMENT_KEYS: Final = ("externalShipmentID", "externalShipmentId")
TIME_KEYS: Final = ("time", "at", "timestamp", "updatedAt", "date")


class Said(msgspec.Struct, frozen=True, gc=False):
    """A word of the source's about a unit.

    Attributes:
        own_at: its own time (UTC without zone). is_unreadable: it gives a time that cannot be read.
        in_timeline: it stands in a history.
    """

    word: str
    own_at: datetime | None = None
    in_timeline: bool = False
    is_unreadable: bool = False


@dataclass(slots=True)
class UnitSaid:
    """A parcel or a return, as one answer shows it.

    Attributes:
        key: what these names alone would call it. names: all that mean it, the best first.
        lines: `lineItemSequenceNumber` of its items, as text.
        tracking_id: where it can be asked after. shows_status: a word says where it is.
        is_restocked: of a return: it has items, and every one is back in stock. asked_at: when a return was asked for.
        answers: a customer's answers to its failed delivery, as `ndrDetails` shows them.
    """

    resource: str
    key: str
    names: tuple[str, ...]
    lines: list[str] = field(default_factory=list)
    said: list[Said] = field(default_factory=list)
    tracking_id: str | None = None
    shows_status: bool = False
    is_restocked: bool = False
    asked_at: Said | None = None
    answers: list[Said] = field(default_factory=list)

    def take(self, said: Sequence[Said]) -> None:
        """Take what a detail, or tracking, says of where it is; the items of one parcel say the same.

        That a parcel was created is the order's to tell (3.5); a return was when it was asked for.
        """
        self.shows_status = self.shows_status or bool(said)
        words = {one.word.casefold() for one in said}
        if self.resource == RETURN and said and CREATED not in words and self.asked_at is not None:
            said = [self.asked_at, *said]
        for one in said:
            word = one.word.casefold()
            if self.resource == SHIPMENT and word == CREATED:
                continue
            if self.is_restocked and word == "complete":
                one = Said(ALL_RESTOCKED, one.own_at, one.in_timeline, one.is_unreadable)
            if one not in self.said:
                self.said.append(one)


@dataclass(slots=True)
class OrderSaid:
    """An order, as one answer shows it.

    Attributes:
        key: what names it in unit keys: its `id`, else its number. own_id: its `id`; None: it has none.
        placed_at: orderDate. faults: reasons why parts of it cannot be used.
    """

    number: str
    key: str
    own_id: str | None
    placed_at: datetime | None
    units: list[UnitSaid] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


BAD_DATE, BAD_TIME, NO_RETURN_ID = "unreadable_order_date", "unreadable_time", "return_without_id"


def first(row: Mapping[str, Any], keys: Sequence[str]) -> Any:
    """Return the value of the first of these keys that is given; None: none is."""
    for key in keys:
        value = row.get(key)
        if value is not None and (value.__class__ is not str or value.strip()):
            return value
    return None


def tracking_of(row: Mapping[str, Any]) -> str | None:
    """Return a tracking id, by whatever name; None where there is none."""
    return id_text(first(row, TRACKING_KEYS))


def rows_in(value: Any) -> list[Mapping[str, Any]]:
    """Return the objects of a list; anything else holds none."""
    return [row for row in value if isinstance(row, Mapping)] if isinstance(value, list) else []


def line_of(item: Mapping[str, Any], place: int) -> str:
    """Return what tells an order's item from the others."""
    return id_text(first(item, ("lineItemSequenceNumber", "orderItemID"))) or f"#{place}"


def shipment_key(shipment_id: str | None, tracking_id: str | None, order_key: str) -> str:
    """Return a parcel's key: its shipment id, else its tracking id, else the order's (3.6)."""
    return f"{SHIPMENT}:{ESHOPBOX}:{shipment_id or tracking_id or order_key}"


def shipment_names(
    shipment_id: str | None, tracking_id: str | None, order_key: str, lines: Sequence[str]
) -> tuple[str, ...]:
    """Return all that means a parcel, the best first; only the first kind names it for certain."""
    return (
        *([f"{SHIPMENT}:{ESHOPBOX}:{shipment_id}"] if shipment_id else []),
        *([f"tracking:{ESHOPBOX}:{tracking_id}"] if tracking_id else []),
        *(f"line:{ESHOPBOX}:{order_key}:{line}" for line in lines),
    )


def return_names(shipment_id: str | None, number: str | None) -> tuple[str, ...]:
    """Return all that means a return, the best first."""
    return (
        *([f"{RETURN}:{ESHOPBOX}:{shipment_id}"] if shipment_id else []),
        *([f"return_number:{ESHOPBOX}:{number}"] if number else []),
    )


def read_order(body: Mapping[str, Any], number: str, zone: ZoneInfo, key: str | None = None) -> OrderSaid:
    """Return what an order tells.

    Args:
        body: as it came; it is the order that was asked for.
        number: that was asked for. zone: of its times. key: by which it is known already; it stays.
    """
    own_id = id_text(body.get("id"))
    found = OrderSaid(number, key or own_id or number, own_id, None)
    try:
        found.placed_at = read_time(body.get("orderDate"), zone)
    except UnreadableTime:
        found.faults.append(BAD_DATE)
    _read_parcels(found, body, zone)
    for one in rows_in(first(body, ("returns", "returnShipments"))):
        _read_return(found, one, zone)
    return found


def _read_parcels(found: OrderSaid, body: Mapping[str, Any], zone: ZoneInfo) -> None:
    units: dict[str, UnitSaid] = {}
    for place, item in enumerate(rows_in(body.get("items"))):
        shipment_id, tracking_id = id_text(first(item, SHIPMENT_KEYS)), tracking_of(item)
        key = shipment_key(shipment_id, tracking_id, found.key)
        unit = units.setdefault(key, UnitSaid(SHIPMENT, key, ()))
        unit.lines.append(line_of(item, place))
        unit.tracking_id = unit.tracking_id or tracking_id
        unit.names = shipment_names(shipment_id, unit.tracking_id, found.key, unit.lines)
        unit.take(list(_said(item, zone, found.faults)))
        for ndr in (body.get("ndrDetails"), item.get("ndrDetails")):
            answer = _answer(ndr, zone, found.faults)
            unit.answers += [one for one in answer if one not in unit.answers]
    found.units += units.values()


def _read_return(found: OrderSaid, row: Mapping[str, Any], zone: ZoneInfo) -> None:
    shipment_id, number = id_text(first(row, SHIPMENT_KEYS)), id_text(row.get("customerReturnNumber"))
    names = return_names(shipment_id, number)
    if not names:
        found.faults.append(NO_RETURN_ID)
        return
    items = rows_in(row.get("items"))
    unit = UnitSaid(RETURN, f"{RETURN}:{ESHOPBOX}:{shipment_id or number}", names, tracking_id=tracking_of(row))
    unit.lines = [line_of(item, place) for place, item in enumerate(items)]
    unit.is_restocked = bool(items) and all(
        str(item.get("returnStatus")).strip().casefold() == "restocked" for item in items
    )
    asked = first(row, ("return_request_date", "returnRequestDate"))
    unit.asked_at = _dated(CREATED, asked, zone, found.faults) if is_given(asked) else None
    unit.take(list(_said(row, zone, found.faults)))
    found.units.append(unit)


def read_tracking(row: Mapping[str, Any], zone: ZoneInfo, faults: list[str]) -> list[Said]:
    """Return what a parcel's tracking tells (W5); reasons of what cannot be used are added to `faults`."""
    return list(_said(row, zone, faults))


def _said(row: Mapping[str, Any], zone: ZoneInfo, faults: list[str]) -> Iterator[Said]:
    """Yield the words of a timeline, oldest first, then the present one where the timeline lacks it."""
    entries: list[Said] = []
    for entry in rows_in(row.get("timeline")):
        word = id_text(first(entry, ("status", "eventSubType")))
        if word is not None:
            one = _dated(word, first(entry, TIME_KEYS), zone, faults, in_timeline=True)
            entries.append(one)
    entries.sort(key=lambda one: one.own_at or datetime.max)
    word = id_text(row.get("status"))
    same = [place for place, one in enumerate(entries) if word is not None and one.word.casefold() == word.casefold()]
    told = first(row, ("statusUpdatedAt", "status_updated_at"))
    if word is not None and same and told is not None:
        newest = entries[same[-1]]
        if newest.own_at is None and not newest.is_unreadable:  # a history without times: the present word has one
            entries[same[-1]] = _dated(newest.word, told, zone, faults, in_timeline=True)
    yield from entries
    if word is not None and not same:
        yield _dated(word, told, zone, faults)


def _answer(ndr: Any, zone: ZoneInfo, faults: list[str]) -> list[Said]:
    submitted = ndr.get("submittedResolution") if isinstance(ndr, Mapping) else None
    if not isinstance(submitted, Mapping) or not is_given(submitted.get("resolutionCode")):
        return []
    return [_dated(ANSWERED, first(submitted, TIME_KEYS), zone, faults)]


def _dated(word: str, time: Any, zone: ZoneInfo, faults: list[str], *, in_timeline: bool = False) -> Said:
    try:
        return Said(word, read_time(time, zone), in_timeline)
    except UnreadableTime:
        if BAD_TIME not in faults:
            faults.append(BAD_TIME)
        return Said(word, None, in_timeline, is_unreadable=True)
