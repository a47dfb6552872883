"""Says what of a shop's records is staged, in the words of audience.md 4.1 (4.2, column `commerce7`).

| staged | from |
| --- | --- |
| customer | id, firstName, lastName, birthDate, first of emails, first of phones, createdAt, updatedAt |
| opted_in | emailMarketingStatus: `Subscribed` yes, null unknown, anything else no |
| address | countryCode, city, address, address2, zipCode, company; `state`: stateCode; isDefault first, createdAt, id |
| product | id, slug, title, content, teaser, image; categories: titles of collections, else type |
| | only webStatus and adminStatus `Available`, availableTo `Public` |
| one variant | sku, price, stock are the product's; two or more: options, size = the variant's title |
| price | cents / 100; comparePrice above it is the price, and price the discount price |
| stock | sum of availableForSaleCount; unknown where hasInventory is false, and then in stock |
| cart | id, customerId, items of productId, productVariantId, quantity, updatedAt |
| order | id; created: paid, else submitted, else created; status, paid: see `order` |
| order's person | the customer's first e-mail, name, birth date, phone; what it lacks: billTo's, else shipTo's |
| order's address | shipTo, else billTo; `state`: stateCode |
| shipping, payment | title of the first shipping, else carrier and code; type of the first tender |

It is long because each record's keys stand beside what they become.

Values are texts, numbers as digits, so that SQL makes columns of them without a float.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final

from vs_st_pipeline.connectors.commerce7.names import COMMERCE7
from vs_st_pipeline.connectors.commerce7.order_record import as_text, moment, paid_date
from vs_st_pipeline.domain.birth import read_birth
from vs_st_pipeline.domain.records import id_text, is_given

Body = Mapping[str, Any]
Row = dict[str, Any]

BAD: Final = "bad"
"""Under this key: names of columns whose value is given and cannot be read (audience.md 10)."""

_CENTS: Final = Decimal(100)
_REFUNDS: Final = ("refund", "exchange")
_MOST: Final = Decimal(10) ** 14


def customer(body: Body, read_at: datetime, today: date) -> Row:
    """Return a customer."""
    bad: list[str] = []
    return {
        "first_name": _text(body.get("firstName")),
        "last_name": _text(body.get("lastName")),
        "birth_date": _birth(body.get("birthDate"), today, bad),
        "email": _first(body.get("emails"), "email"),
        "phone": _first(body.get("phones"), "phone"),
        **_consent(body, read_at, bad),
        "created_at": _moment(body, "createdAt", "created_at", bad),
        "updated_at": _moment(body, "updatedAt", "updated_at", bad),
        BAD: bad,
    }


def _consent(body: Body, read_at: datetime, bad: list[str]) -> Row:
    said = body.get("emailMarketingStatus")
    if not is_given(said):
        return {"opted_in": None, "evidence": None}
    word = said.strip().lower() if isinstance(said, str) else ""
    if word not in ("subscribed", "unsubscribed"):
        bad.append("opted_in")
    shown = said if isinstance(said, str) else "(not a text)"
    evidence = {"system": COMMERCE7, "field": "emailMarketingStatus", "value": shown, "read_at": read_at.isoformat()}
    return {"opted_in": word == "subscribed", "evidence": as_text(evidence)}


def address(body: Body, read_at: datetime, today: date) -> Row:
    """Return an address of a customer; `first` and `since` say where it stands among that customer's."""
    since = moment(body.get("createdAt"))
    return {
        "country": _text(body.get("countryCode")),
        "city": _text(body.get("city")),
        "address1": _text(body.get("address")),
        "address2": _text(body.get("address2")),
        "postcode": _text(body.get("zipCode")),
        "company": _text(body.get("company")),
        "extra": _extra(body),
        "first": body.get("isDefault") is True,
        "since": since.isoformat() if since else None,
        BAD: [],
    }


def product(body: Body, read_at: datetime, today: date) -> Row | None:
    """Return a product with its options; None where nobody can buy it, so that it is no product of the shop."""
    to = body.get("availableTo") or _part(body, "security").get("availableTo")  # each form was seen
    if (body.get("webStatus"), body.get("adminStatus"), to) != ("Available", "Available", "Public"):
        return None
    bad: list[str] = []
    variants = [one for one in _rows(body.get("variants")) if id_text(one.get("id")) is not None]
    options = [_option(one, place, bad) for place, one in enumerate(variants)] if len(variants) > 1 else []
    if options:
        stocks = [one["stock"] for one in options]
        own: Row = {
            "sku": None,
            "stock": str(sum(map(Decimal, stocks))) if None not in stocks else None,
            "in_stock": any(one["in_stock"] for one in options),
            "price": None,
            "discount_price": None,
        }
    elif variants:
        own = {"sku": _text(variants[0].get("sku")), **_goods(variants[0], bad)}
    else:
        own = dict.fromkeys(("sku", "stock", "in_stock", "price", "discount_price"))
    titles = [_text(one.get("title")) for one in _rows(body.get("collections"))]
    return {
        **own,
        "slug": _text(body.get("slug")),
        "name": _text(body.get("title")),
        "description": _whole(body.get("content")),
        "short_description": _whole(body.get("teaser")),
        "categories": [one for one in titles if one] or [one for one in (_text(body.get("type")),) if one],
        "image_link": _text(body.get("image")),
        "updated_at": _moment(body, "updatedAt", "updated_at", bad),
        "options": options,
        BAD: sorted(set(bad)),
    }


def _option(variant: Body, place: int, bad: list[str]) -> Row:
    size = _text(variant.get("title"))
    return {
        "option_id": id_text(variant.get("id")),
        "position": str(place),
        **_goods(variant, bad),
        "attributes": as_text({"size": size} if size else {}),
    }


def _goods(variant: Body, bad: list[str]) -> Row:
    """Return price and stock of a variant."""
    price, before = _money(variant.get("price"), "price", bad), _money(variant.get("comparePrice"), "price", bad)
    is_cheaper = price is not None and before is not None and before > price
    stock = _stock(variant, bad)
    return {
        "stock": None if stock is None else str(stock),
        "in_stock": stock is None or stock > 0,
        "price": _digits(before if is_cheaper else price),
        "discount_price": _digits(price) if is_cheaper else None,
    }


def _stock(variant: Body, bad: list[str]) -> Decimal | None:
    if variant.get("hasInventory") is False:
        return None
    rows = _rows(variant.get("inventory")) or ([variant] if "availableForSaleCount" in variant else [])
    counts = [_number(one.get("availableForSaleCount")) for one in rows]
    if any(one is None for one in counts):
        bad.append("stock")
        return None
    return sum((one for one in counts if one is not None), Decimal(0)) if counts else None


def cart(body: Body, read_at: datetime, today: date) -> Row:
    """Return a cart with its lines; lines of one product and variant are added up."""
    bad: list[str] = []
    lines: dict[tuple[str, str | None], Decimal] = {}
    for one in _rows(body.get("items")):
        product_id, quantity = id_text(one.get("productId")), _number(one.get("quantity"))
        if product_id is None or quantity is None:
            bad.append("quantity")
            continue
        name = product_id, id_text(one.get("productVariantId"))
        lines[name] = lines.get(name, Decimal(0)) + quantity
    return {
        "customer_id": id_text(body.get("customerId")),
        "updated_at": _moment(body, "updatedAt", "updated_at", bad),
        "lines": [
            {"product_id": product_id, "option_id": option_id, "quantity": str(quantity)}
            for (product_id, option_id), quantity in lines.items()
        ],
        BAD: sorted(set(bad)),
    }


def order(body: Body, today: date, *, refunded: bool) -> Row | None:
    """Return an order with its lines; None where it is a refund, an exchange or a correction.

    Status: `Cancelled` where paymentStatus is, else `Refunded` where an order of purchaseType Refund or Exchange goes
    back to it, else fulfillmentStatus. Paid: paymentStatus `Paid`.

    Args:
        refunded: whether such an order is known.
    """
    bad: list[str] = []
    if is_taken_back(body.get("purchaseType")):
        return None
    total = _money(body.get("total"), "total", bad)
    if total is not None and total < 0:
        return None
    refunded = refunded or any(is_taken_back(one.get("purchaseType")) for one in _rows(body.get("linkedOrders")))
    payment, created, updated = _text(body.get("paymentStatus")), paid_date(body), moment(body.get("updatedAt"))
    cancelled = payment is not None and payment.lower() in ("cancelled", "canceled")
    who, bill, ship = _part(body, "customer"), _part(body, "billTo"), _part(body, "shipTo")
    where = next((part for part in (ship, bill) if any(is_given(value) for value in part.values())), ship)
    return {
        "customer_id": id_text(body.get("customerId")) or id_text(who.get("id")),
        "status": "Cancelled" if cancelled else "Refunded" if refunded else _text(body.get("fulfillmentStatus")),
        "paid": None if payment is None else payment.lower() == "paid",
        "shipping_method": _shipping(body),
        "payment_method": next(
            (found for one in _rows(body.get("tenders")) if (found := _text(one.get("tenderType") or one.get("type")))),
            None,
        ),
        "total": _digits(total),
        "created_at": created.isoformat() if created else None,
        "updated_at": updated.isoformat() if updated else None,
        "email": _first(who.get("emails"), "email"),
        "first_name": _of("firstName", who, bill, ship),
        "last_name": _of("lastName", who, bill, ship),
        "birth_date": next(
            (born for part in (who, bill, ship) if (born := _birth(part.get("birthDate"), today, bad))), None
        ),
        "company": _of("company", where),
        "address1": _of("address", where),
        "address2": _of("address2", where),
        "postcode": _of("zipCode", where),
        "phone": _first(who.get("phones"), "phone") or _of("phone", bill, ship),
        "city": _of("city", where),
        "country": _of("countryCode", where),
        "extra": _extra(where),
        "lines": [
            {
                "position": str(place),
                "product_id": id_text(one.get("productId")),
                "option_id": id_text(one.get("productVariantId")),
                "quantity": _digits(_number(one.get("quantity"))),
            }
            for place, one in enumerate(_rows(body.get("items")))
            if id_text(one.get("productId")) is not None
        ],
        BAD: sorted(set(bad)),
    }


def is_taken_back(purchase_type: object) -> bool:
    """Say whether an order of this type takes another one back, so that it is none itself."""
    return isinstance(purchase_type, str) and purchase_type.strip().lower() in _REFUNDS


def _shipping(body: Body) -> str | None:
    for one in _rows(body.get("shipping")):
        found = _text(one.get("title")) or " ".join(
            part for part in (_text(one.get("carrier")), _text(one.get("code"))) if part
        )
        if found:
            return found
    return _text(body.get("orderDeliveryMethod"))


def _birth(value: Any, today: date, bad: list[str]) -> str | None:
    born = read_birth(value, today)
    if born.unread:
        bad.append("birth_date")
    return born.day.isoformat() if born.day else None


def _moment(body: Body, key: str, name: str, bad: list[str]) -> str | None:
    found = moment(body.get(key))
    if found is None and is_given(body.get(key)):
        bad.append(name)
    return found.isoformat() if found else None


def _money(value: Any, name: str, bad: list[str]) -> Decimal | None:
    found = _number(value)
    if found is None and is_given(value):
        bad.append(name)
    return None if found is None else found / _CENTS


def _number(value: Any) -> Decimal | None:
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, str):
        text = value.strip()
        value = int(text) if text.lstrip("-").isdigit() and text.isascii() and len(text) < 15 else None
    if isinstance(value, int | Decimal):
        found = Decimal(value)
        return found if found.is_finite() and abs(found) < _MOST else None
    return None


def _digits(value: Decimal | None) -> str | None:
    return None if value is None else f"{value:f}"


def _extra(body: Body) -> str | None:
    state = _text(body.get("stateCode"))
    return as_text({"state": state}) if state else None


def _of(key: str, *parts: Body) -> str | None:
    return next((found for part in parts if (found := _text(part.get(key)))), None)


def _first(value: Any, key: str) -> str | None:
    rows: Iterable[Any] = value if isinstance(value, list) else ()
    told = (_text(one.get(key) if isinstance(one, Mapping) else one) for one in rows)
    return next((one for one in told if one), None)


def _part(body: Body, key: str) -> Body:
    found = body.get(key)
    return found if isinstance(found, Mapping) else {}


def _rows(value: Any) -> list[Body]:
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, list) else []


def _text(value: Any) -> str | None:
    return (value.strip() or None) if isinstance(value, str) else id_text(value)


def _whole(value: Any) -> str | None:
    """Return a long text as it stands; None where it is blank."""
    return value if isinstance(value, str) and value.strip() else None
