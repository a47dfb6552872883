"""Says what an order of Commerce7 or Vinoshipper tells of its journey, and whose phone it is (notices.md 3.5, 5.7, 6).

Data flow: bodies as their reader believes them -> `ShopSaid`. Pure.

A gift's receiver has consented to nothing, so the phone is the customer's, never that of the address it goes to.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from vs_st_pipeline.connectors.commerce7.order_record import moment, paid_date
from vs_st_pipeline.connectors.commerce7.shop_rows import is_taken_back
from vs_st_pipeline.connectors.vinoshipper.parse import birth_in, order_from
from vs_st_pipeline.domain.birth import is_under, read_birth
from vs_st_pipeline.domain.formats import as_decimal
from vs_st_pipeline.domain.order import COUNTED_STATUS
from vs_st_pipeline.domain.records import id_text, is_given
from vs_st_pipeline.routes.notices.status_map import squeezed
from vs_st_pipeline.routes.notices.systems import COMMERCE7, VINOSHIPPER

Body = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Word:
    """A word of the map. own_at: its own time (UTC without zone). bound: of a day alone, when the day began."""

    name: str
    own_at: datetime | None = None
    bound: datetime | None = None


@dataclass(slots=True)
class ShopSaid:
    """An order.

    Attributes:
        number: as people know it. words: what it shows of its journey.
        order: what messages need, by columns of staged.notice_orders, but for keys and times; recipient: likewise.
        other: the number or id at Commerce7 of an order of Vinoshipper that is one of Commerce7's (R37).
    """

    number: str
    placed_at: datetime | None
    words: list[Word]
    order: dict[str, Any] = field(default_factory=dict)
    recipient: dict[str, Any] = field(default_factory=dict)
    other: str | None = None


def of_vinoshipper(
    body: Body, listed: Body | None, person: Body | None, today: date, zone: ZoneInfo, prefix: str | None
) -> ShopSaid | None:
    """Return what an order of Vinoshipper tells; None: it is none, or a correction (R37).

    Args:
        body: the order's detail. listed, person: its customer, as the list and the detail show them.
        today, zone: the merchant's, in which a day without a time is one.
        prefix: of the numbers of Commerce7's orders there, before a hyphen; None: there are none.
    """
    told = order_from(body, today=today)
    if told is None or (told.total is not None and told.total < 0):
        return None
    words: list[Word] = []
    if told.status == COUNTED_STATUS:
        words.append(_word("OPEN", told.purchased_at, zone))
    if told.order_status is not None and squeezed(told.order_status) != "open":
        at = {"shipped": told.shipped_at, "delivered": told.delivered_at}.get(squeezed(told.order_status))
        words.append(_word(told.order_status, at, zone))
    if told.shipped_at is not None and not any(squeezed(one.name.rpartition(".")[2]) == "shipped" for one in words):
        words.append(_word("SHIPPED", told.shipped_at, zone))
    to, who = _part(body, "shipToAddress"), _part(body, "customer")
    births = [birth_in(one) for one in (person, who) if one is not None]
    packages = [one for one in told.packages if one.tracking_number]
    placed = _time(told.purchased_at, zone)
    return ShopSaid(
        told.number,
        placed[0] or placed[1],
        words,
        {
            "country": _text(to.get("country")) or "US",
            "state": _text(to.get("stateCode")),
            "postal": _text(to.get("postalCode")),
            "items": _lines(body.get("products"), ("sku",), ("name", "description", "productName")),
            "payment": "Paid",
            "tracking_id": packages[0].tracking_number if packages else None,
            "courier": (packages[0].carrier if packages else None) or told.carrier,
            "more": _address(to, "street1", "street2", "stateCode", "postalCode"),
        },
        {
            "phone_raw": next(
                (text for one in (person, listed) if one is not None and (text := _text(one.get("primaryPhone")))), None
            ),
            "name": _name(who) or _name(person or {}),
            "under_age": any(is_under(read_birth(one, today), today) for one in births),
        },
        other=_commerce7_of(body, told.number, prefix),
    )


def _commerce7_of(body: Body, number: str, prefix: str | None) -> str | None:
    meta = body.get("metaFields")
    if isinstance(meta, Mapping) and (own := id_text(meta.get("c7_order_id"))) is not None:
        return own
    if isinstance(meta, list):
        for one in meta:
            if isinstance(one, Mapping) and one.get("key") == "c7_order_id" and (own := id_text(one.get("value"))):
                return own
    if prefix is not None and number.startswith(f"{prefix}-") and number != f"{prefix}-":
        return number.removeprefix(f"{prefix}-")
    return None


def of_commerce7(body: Body, person: Body | None, today: date) -> ShopSaid | None:
    """Return what an order of Commerce7 tells; None: it is none, a refund, an exchange or a correction.

    Args:
        person: its customer's own record, where one is known.
    """
    total = as_decimal(body.get("total"))
    number = id_text(body.get("orderNumber"))
    if number is None or is_taken_back(body.get("purchaseType")) or (total is not None and total < 0):
        return None
    words: list[Word] = []
    paid_at = moment(body.get("orderPaidDate"))
    if paid_at is not None and squeezed(_text(body.get("orderDeliveryMethod")) or "") == "ship":
        words.append(Word(f"{COMMERCE7}.Paid", paid_at))
    if fulfilled := _text(body.get("fulfillmentStatus")):
        times = [at for one in _rows(body.get("fulfillments")) if (at := _fulfilled_at(one)) is not None]
        words.append(Word(f"{COMMERCE7}.{fulfilled}", max(times, default=None)))
    if shipped := _text(body.get("shippingStatus")):
        words.append(Word(f"{COMMERCE7}.{shipped}"))
    if squeezed(_text(body.get("paymentStatus")) or "") in ("cancelled", "canceled"):
        words.append(Word(f"{COMMERCE7}.Cancelled"))
    who = person if person is not None else _part(body, "customer")
    inside = _part(body, "customer")
    to = _part(body, "shipTo") or _part(body, "billTo")
    parcel = next((one for row in _rows(body.get("fulfillments")) if (one := _parcel(row))), (None, None))
    births = [one.get("birthDate") for one in (who, inside) if is_given(one.get("birthDate"))]
    return ShopSaid(
        number,
        paid_date(body),
        words,
        {
            "country": _text(to.get("countryCode")),
            "state": _text(to.get("stateCode")),
            "postal": _text(to.get("zipCode")),
            "items": _lines(body.get("items"), ("sku",), ("productTitle", "title")),
            "payment": "Paid",
            "tracking_id": parcel[0],
            "courier": parcel[1],
            "more": _address(to, "address", "address2", "stateCode", "zipCode"),
        },
        {
            "phone_raw": _first_phone(who) or _first_phone(inside),
            "name": _name(who) or _name(inside),
            "under_age": any(is_under(read_birth(one, today), today) for one in births),
        },
    )


def _fulfilled_at(row: Body) -> datetime | None:
    return next((at for key in ("fulfillmentDate", "createdAt") if (at := moment(row.get(key))) is not None), None)


def _parcel(row: Body) -> tuple[str | None, str | None] | None:
    shipped = _part(row, "shipped")
    numbers = shipped.get("trackingNumbers", row.get("trackingNumbers"))
    first = next((text for one in numbers if (text := _text(one))), None) if isinstance(numbers, list) else None
    return None if first is None else (first, _text(shipped.get("carrier")) or _text(row.get("carrier")))


def _first_phone(who: Body) -> str | None:
    phones = who.get("phones")
    first = phones[0] if isinstance(phones, list) and phones else None
    return _text(first.get("phone") if isinstance(first, Mapping) else first)


def _word(word: str, at: Any, zone: ZoneInfo) -> Word:
    return Word(f"{VINOSHIPPER}.{word}", *_time(at, zone))


def _time(at: Any, zone: ZoneInfo) -> tuple[datetime | None, datetime | None]:
    """Return an instant, or of a day alone when it began, as UTC without zone."""
    if isinstance(at, datetime):
        return (at.astimezone(UTC) if at.tzinfo else at).replace(tzinfo=None), None
    if isinstance(at, date):
        began = datetime(at.year, at.month, at.day, tzinfo=zone)
        return None, began.astimezone(UTC).replace(tzinfo=None)
    return None, None


def _lines(rows: Any, sku: Sequence[str], title: Sequence[str]) -> list[dict[str, Any]]:
    return [
        {
            "line": str(place),
            "sku": next((text for key in sku if (text := _text(one.get(key)))), None),
            "title": next((text for key in title if (text := _text(one.get(key)))), None),
            "quantity": one.get("quantity"),
        }
        for place, one in enumerate(_rows(rows), 1)
    ]


def _address(to: Body, line1: str, line2: str, state: str, postal: str) -> dict[str, Any]:
    lines = [text for key in (line1, line2) if (text := _text(to.get(key)))]
    city = _text(to.get("city"))
    return {"address": lines, "city": city, "state": _text(to.get(state)), "pincode": _text(to.get(postal))}


def _name(who: Body) -> str | None:
    return " ".join(text for key in ("firstName", "lastName") if (text := _text(who.get(key)))) or None


def _part(body: Body, key: str) -> Body:
    found = body.get(key)
    return found if isinstance(found, Mapping) else {}


def _rows(value: Any) -> list[Body]:
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, list) else []


def _text(value: Any) -> str | None:
    return id_text(value)
