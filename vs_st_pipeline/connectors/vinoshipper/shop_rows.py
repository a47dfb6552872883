"""Says what of a winery's records is staged as a shop's, in the words of audience.md 4.1 (4.2; rulings, audience 7).

| staged | from |
| --- | --- |
| customer | id, firstName, lastName, email, dateOfBirth of the detail; nobody is staged whose detail was never read |
| phone | primaryPhone: `+1` and the ten digits where its country is 1, else as it comes |
| opted_in | optedIntoMarketingEmails; no club membership is a consent |
| address | shippingAddress: country, city, street1, street2, postalCode; company; `state`: stateCode |
| order | orderNumber, customer.id, total, purchasedAt; none where PENDING, DELETED or below 0 |
| status, paid | orderStatus; whether status is SUCCESS |
| shipping, payment | shipping.rateDescription; paymentMethodDisplayName, else paymentMethod |
| order's person | customer: email, firstName, lastName, dateOfBirth, company; phone of the ship-to |
| order's address | shipToAddress; `state`: stateCode |
| lines | products: productId, quantity; a pack in place of what is in it |
| product | id, sku, urlSlug, name, desc, img, inventory, price, productCategory; none with memberOnly |

Values are texts, numbers as digits, so that SQL makes columns of them without a float.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final
from zoneinfo import ZoneInfo

from vs_st_pipeline.connectors.vinoshipper.names import VINOSHIPPER
from vs_st_pipeline.connectors.vinoshipper.parse import birth_in, order_from
from vs_st_pipeline.domain.birth import Birth, is_doubtful, is_under, read_birth
from vs_st_pipeline.domain.codec import encode
from vs_st_pipeline.domain.customer import Customer
from vs_st_pipeline.domain.formats import as_decimal, as_flag, as_mapping, as_rows, as_text
from vs_st_pipeline.domain.order import COUNTED_STATUS, NEVER_NEWEST_STATUSES
from vs_st_pipeline.domain.phone import parse_nanp
from vs_st_pipeline.domain.records import RecordKind, id_text, is_given

Body = Mapping[str, Any]
Row = dict[str, Any]

BAD: Final = "bad"
"""Under this key: names of columns whose value is given and cannot be read (audience.md 10)."""

OPT_IN: Final = "optedIntoMarketingEmails"

PRODUCT: Final = RecordKind(
    system=VINOSHIPPER,
    name="product",
    id_keys=("id",),
    documented=("sku", "urlSlug", "name", "desc", "img", "inventory", "price", "productCategory", "memberOnly"),
)
PRODUCT_KEYS: Final = ("id", *PRODUCT.documented)


def customer(told: Customer, detail: Body, read_at: datetime, today: date) -> Row:
    """Return a customer with the address.

    Args:
        told: as list and detail say together. detail: as it is believed.
    """
    bad = sorted(told.unread & {"first_name", "last_name", "email", "birth_date", "phone"})
    home = as_mapping(detail.get("shippingAddress"))
    return {
        "first_name": _text(told.first_name),
        "last_name": _text(told.last_name),
        "birth_date": _day(told.birth, today),
        "email": told.email,
        "phone": _phone(detail.get("primaryPhone")),
        **_consent(detail, read_at, bad),
        "addresses": [_address(home, detail.get("company"))] if any(map(is_given, home.values())) else [],
        BAD: bad,
    }


def _consent(detail: Body, read_at: datetime, bad: list[str]) -> Row:
    said = detail.get(OPT_IN)
    if not is_given(said):
        return {"opted_in": None, "evidence": None}
    flag = as_flag(said)
    if flag is None:
        bad.append("opted_in")
    evidence = {"system": VINOSHIPPER, "field": OPT_IN, "value": flag, "read_at": read_at.isoformat()}
    return {"opted_in": flag is True, "evidence": _json(evidence)}


def _address(home: Body, company: object) -> Row:
    return {
        "country": _text(home.get("country")),
        "city": _text(home.get("city")),
        "address1": _text(home.get("street1")),
        "address2": _text(home.get("street2")),
        "postcode": _text(home.get("postalCode")),
        "company": _text(company) or _text(home.get("businessName")),
        "extra": _extra(home),
    }


def order(detail: Body, today: date, zone: ZoneInfo, before: Body | None) -> Row | None:
    """Return an order with its lines; None where it is none: not placed, deleted, or a correction (routes.md R37).

    Args:
        detail: as it is believed. zone: the merchant's, for a date without a time.
        before: what was made of it last: what an answer does not hold at all stays (R23), such as the lines of an
            order whose body was reduced.
    """
    told = order_from(detail, today=today)
    if told is None or told.status in NEVER_NEWEST_STATUSES or (told.total is not None and told.total < 0):
        return None
    bad = sorted(
        {"total", "order_status", "purchased_at", "birth_date"} & told.unread
        | ({"paid"} if "status" in told.unread else set())
    )
    who, to, held = as_mapping(detail.get("customer")), as_mapping(detail.get("shipToAddress")), before or {}
    born = read_birth(birth_in(who), today)
    created, own_at = _moments(told.purchased_at, zone)
    row: Row = {
        "customer_id": None if told.customer_id is None else str(told.customer_id),
        "status": told.order_status,
        "paid": None if told.status is None else told.status == COUNTED_STATUS,
        "shipping_method": _text(told.rate_description),
        "payment_method": _text(detail.get("paymentMethodDisplayName")) or _text(detail.get("paymentMethod")),
        "total": _digits(told.total),
        "created_at": created,
        "own_at": own_at,
        "email": _text(who.get("email")),
        "first_name": _text(who.get("firstName")),
        "last_name": _text(who.get("lastName")),
        "birth_date": _day(told.birth if told.birth.known else born, today),
        "company": _text(who.get("company")) or _text(to.get("businessName")),
        "address1": _text(to.get("street1")),
        "address2": _text(to.get("street2")),
        "postcode": _text(to.get("postalCode")),
        "phone": _phone(to.get("phone")) or _text(to.get("phoneNumber")),
        "city": _text(to.get("city")),
        "country": _text(to.get("country")),
        "extra": _extra(to),
        "lines": _lines(detail),
        BAD: bad,
    }
    for key, names in _OF_PART.items():
        if key not in detail:
            row |= {name: held[name] for name in names if name in held}
    for name in ("email", "first_name", "last_name", "company"):  # a reduced order keeps of its buyer only who it is
        if row[name] is None and not {"email", "firstName", "lastName"} & who.keys():
            row[name] = held.get(name)
    return row


_OF_PART: Final = {
    "shipToAddress": ("address1", "address2", "postcode", "phone", "city", "country", "extra"),
    "products": ("lines",),
    "paymentMethod": ("payment_method",),
}


def _lines(detail: Body) -> list[Row]:
    packs = as_rows(detail.get("packs"))
    packed = {id_text(one.get("productId")) for one in packs} - {None}
    rows = [
        *(one for one in as_rows(detail.get("products")) if id_text(one.get("packProductId")) not in packed),
        *packs,
    ]
    return [
        {
            "position": str(place),
            "product_id": id_text(one.get("productId")),
            "option_id": None,
            "quantity": _digits(as_decimal(one.get("quantity"))),
        }
        for place, one in enumerate(rows)
        if id_text(one.get("productId")) is not None
    ]


def _moments(at: object, zone: ZoneInfo) -> tuple[str | None, str | None]:
    """Return when something was, and by when it is old (6.4): of a plain date its end in the merchant's zone."""
    if isinstance(at, datetime):
        told = at.astimezone(UTC).replace(tzinfo=None).isoformat()
        return told, told
    if isinstance(at, date):
        begin = datetime.combine(at, time(), zone)
        end = datetime.combine(at + timedelta(days=1), time(), zone)
        return tuple(one.astimezone(UTC).replace(tzinfo=None).isoformat() for one in (begin, end))  # type: ignore[return-value]
    return None, None


def product(body: Body) -> Row | None:
    """Return a product of the feed; None where it is for members alone."""
    if as_flag(body.get("memberOnly")) is True:
        return None
    bad: list[str] = []
    stock = as_decimal(body.get("inventory"))
    if stock is None and is_given(body.get("inventory")):
        bad.append("stock")
    price = as_decimal(body.get("price"))
    if price is None and is_given(body.get("price")):
        bad.append("price")
    category = body.get("productCategory")
    name = _text(as_mapping(category).get("name")) if isinstance(category, Mapping) else _text(category)
    return {
        "sku": _text(body.get("sku")),
        "slug": _text(body.get("urlSlug")),
        "name": _text(body.get("name")),
        "description": as_text(body.get("desc")),
        "short_description": None,
        "categories": [name] if name else [],
        "stock": _digits(stock),
        "in_stock": None if stock is None else stock > 0,
        "price": _digits(price),
        "discount_price": None,
        "image_link": _text(body.get("img")),
        BAD: bad,
    }


def _phone(raw: object) -> str | None:
    phone = as_mapping(raw)
    number, country = phone.get("number"), id_text(phone.get("country"))
    if not is_given(number) or isinstance(number, bool) or not isinstance(number, str | int):
        return None
    text = str(number).strip()
    if country is None or country.lstrip("+") != "1":
        return text
    digits = parse_nanp(text, 1)
    return f"+1{digits}" if digits is not None else f"+1{text}"


def _day(birth: Birth, today: date) -> str | None:
    """Return a birth date; of a year alone that does not prove full age, its last day: nobody is told too early."""
    if birth.day is not None:
        return birth.day.isoformat()
    if birth.year is not None and (is_under(birth, today) or is_doubtful(birth, today)):
        return date(birth.year, 12, 31).isoformat()
    return None


def _extra(part: Body) -> str | None:
    state = _text(part.get("stateCode"))
    return _json({"state": state}) if state else None


def _json(value: Body) -> str:
    return (encode(value) or b"{}").decode()


def _digits(value: Decimal | None) -> str | None:
    return None if value is None else f"{value:f}"


def _text(value: object) -> str | None:
    return (value.strip() or None) if isinstance(value, str) else id_text(value)
