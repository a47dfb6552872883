"""Reads what one post of a site says into columns of 4.1 (audience.md 4.4, 5.3, 6.2): no state, no database.

Keys that are left out of `data` leave the column as it is; a value that cannot be read is unknown, and noted (10).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any, Final

from vs_st_pipeline.domain.codec import without_lone_surrogates
from vs_st_pipeline.routes.audience.drop_columns import GUIDE

_DATES: Final = {"iso": ("%Y-%m-%d",), "dmy": ("%Y-%m-%d", "%d/%m/%Y"), "mdy": ("%Y-%m-%d", "%m/%d/%Y")}
_CUSTOMER: Final = {"lastname": "last_name", "firstname": "first_name", "email": "email", "phone": "phone"}
_ADDRESS: Final = ("country", "city", "address1", "address2", "postcode", "company")
_PRODUCT: Final = ("sku", "slug", "name", "description", "short_description", "image_link", "product_link")
_ORDER: Final = {
    "order_status": "status",
    "shipping_method": "shipping_method",
    "payment_method": "payment_method",
    "lastname": "last_name",
    "firstname": "first_name",
    **{one: one for one in ("email", "company", "website", "address1", "address2", "postcode", "phone",
                            "phone_mobile", "city", "country")},
}  # fmt: skip
_OPTION: Final = frozenset({"option_id", "stock_quantity", "price", "discount"})


def read(text: str) -> Any:
    """Return the JSON of a post, or of its `data`; half an emoji becomes U+FFFD (5.4), for nothing can store it."""
    return json.loads(without_lone_surrogates(text.encode()))


@dataclass(slots=True)
class Reader:
    """Reads values of one post.

    Attributes:
        dates: how dates are written besides ISO. zone: the merchant's. bad: whether a value could not be read.
    """

    dates: str
    zone: tzinfo
    bad: bool = False

    def unknown(self) -> None:
        """Note that a value could not be read."""
        self.bad = True

    def day(self, value: Any) -> date | None:
        """Return a date."""
        if value in (None, "", "0000-00-00"):
            return None
        for form in _DATES[self.dates]:
            try:
                return datetime.strptime(str(value).strip()[:10], form).date()  # which has no zone
            except ValueError:
                continue
        self.unknown()
        return None

    def moment(self, value: Any) -> tuple[datetime | None, datetime | None]:
        """Return a time (UTC without zone), and by when it was at the latest: a plain date's end (6.4)."""
        if value in (None, ""):
            return None, None
        text = str(value).strip()
        try:
            found = datetime.fromisoformat(text)
            plain = len(text) == 10
        except ValueError:
            day = self.day(text)
            if day is None:
                return None, None
            found, plain = datetime.combine(day, time()), True
        try:
            found = found if found.tzinfo else found.replace(tzinfo=self.zone)
            until = found + timedelta(days=1) if plain else found
            return (found.astimezone(UTC).replace(tzinfo=None), until.astimezone(UTC).replace(tzinfo=None))
        except OverflowError:
            self.unknown()
            return None, None

    def money(self, value: Any) -> Decimal | None:
        """Return an amount with two places."""
        if value in (None, ""):
            return None
        try:
            found = Decimal(str(value).strip())
            if abs(found) < 10**15:
                return found.quantize(Decimal("0.01"), ROUND_HALF_UP)
            self.unknown()
            return None
        except InvalidOperation:
            self.unknown()
            return None

    def number(self, value: Any) -> float | None:
        """Return a number."""
        if value in (None, ""):
            return None
        try:
            found = float(str(value).strip())
        except ValueError:
            self.unknown()
            return None
        if math.isfinite(found):
            return found
        self.unknown()
        return None

    def text(self, value: Any) -> str | None:
        """Return a text, or a number's."""
        if value is None or value == "":
            return None
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            self.unknown()
            return None
        return value if isinstance(value, str) else str(value)


def id_of(value: Any) -> str | None:
    """Return an id; None for a guest's: 0, `""`, null (4.4)."""
    if value is None or isinstance(value, bool) or not isinstance(value, str | int):
        return None
    text = str(value).strip()
    return None if text in ("", "0") else text


def extra_of(said: Mapping[str, Any], kind: str, before: str | None) -> str | None:
    """Return the extras of a record (5.5): those that the post names, beside those that stand."""
    found = dict(json.loads(before)) if before else {}
    for name, value in said.items():
        if name.startswith("x_") and len(name) > 2 and name[2:] not in GUIDE[kind]:
            if value is None:
                found.pop(name[2:], None)
            else:
                found[name[2:]] = value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
    return json.dumps(dict(sorted(found.items())), ensure_ascii=False, separators=(",", ":")) if found else None


@dataclass(slots=True)
class Record:
    """One staged record as posts find and leave it: columns, and rows of its parts (None: none were looked at)."""

    row: dict[str, Any] = field(default_factory=dict)
    parts: list[dict[str, Any]] | None = None


def customer(reader: Reader, data: Mapping[str, Any], known: Record) -> None:
    """Apply CustomerAdd or CustomerUpdate."""
    said = _inner(data, "customer")
    for name, column in _CUSTOMER.items():
        if name in said:
            known.row[column] = reader.text(said[name])
    if "birthday" in said:
        known.row["birth_date"] = reader.day(said["birthday"])
    known.row["extra"] = extra_of(said, "customers", known.row.get("extra"))
    listed = data.get("addresses")
    if isinstance(listed, list):
        known.parts = []
        for number, one in enumerate(one for one in listed if isinstance(one, dict)):
            texts = {name: reader.text(one.get(name)) for name in _ADDRESS}
            texts["extra"] = extra_of(one, "addresses", None)
            if any(texts.values()):  # five empty texts: no address is known (C)
                known.parts.append({"position": number, **texts})


def _inner(data: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    inner = data.get(name)
    return inner if isinstance(inner, dict) else data


def product(reader: Reader, data: Mapping[str, Any], known: Record) -> None:
    """Apply ProductAdd or ProductUpdate."""
    for name in _PRODUCT:
        if name in data:
            known.row[name] = reader.text(data[name])
    if isinstance(data.get("categories"), list):
        known.row["categories"] = [str(one) for one in data["categories"] if isinstance(one, str | int | float)]
    known.row["extra"] = extra_of(data, "products", known.row.get("extra"))
    _stock(reader, data, known.row)
    options = data.get("product_options")
    if isinstance(options, list):
        before = {one["option_id"]: one for one in known.parts or ()}
        known.parts = []
        for number, one in enumerate(one for one in options if isinstance(one, dict)):
            own = id_of(one.get("option_id"))
            if own is None:
                continue
            row = {"option_id": own, **before.get(own, {}), "position": number}
            _stock(reader, one, row)
            attributes = {name: str(value) for name, value in one.items()
                          if name not in _OPTION and isinstance(value, str | int | float)}  # fmt: skip
            row["attributes"] = json.dumps(attributes, ensure_ascii=False) if attributes else None
            known.parts.append(row)


def _stock(reader: Reader, said: Mapping[str, Any], row: dict[str, Any]) -> None:
    if "stock_quantity" in said:
        row["stock"] = reader.number(said["stock_quantity"])
    if "price" in said:
        row["price"] = reader.money(said["price"])
    discount = said.get("discount")
    if discount in ([], {}) and discount is not None:
        row |= dict.fromkeys(("discount_price", "discount_start", "discount_end", "discount_quantity"))
    elif isinstance(discount, dict):
        row["discount_price"] = reader.money(discount.get("price"))
        row["discount_start"] = reader.day(discount.get("date_start"))
        row["discount_end"] = reader.day(discount.get("date_end"))
        row["discount_quantity"] = reader.number(discount.get("quantity"))


def order(reader: Reader, data: Mapping[str, Any], known: Record, at: datetime) -> None:
    """Apply OrderAdd."""
    said = _inner(data, "order_details")
    if "customer_id" in data or "customer_id" in said:
        known.row["customer_id"] = id_of(data.get("customer_id", said.get("customer_id")))
    for name, column in _ORDER.items():
        if name in said:
            known.row[column] = reader.text(said[name])
    if "birthday" in said:
        known.row["birth_date"] = reader.day(said["birthday"])
    if "total_price" in said:
        known.row["total"] = reader.money(said["total_price"])
    if "order_create_date" in said:
        made, own = reader.moment(said["order_create_date"])
        if made is not None:
            known.row |= {"created_at": made, "own_at": own}
    if known.row.get("created_at") is None:
        known.row |= {"created_at": at, "own_at": at}
    known.row["extra"] = extra_of(said, "orders", known.row.get("extra"))
    listed = data.get("order_products")
    if isinstance(listed, list):
        known.parts = lines(reader, listed)


def lines(reader: Reader, listed: list[Any]) -> list[dict[str, Any]]:
    """Return the lines of an order or a cart."""
    return [
        {
            "position": number,
            "product_id": id_of(one.get("product_id")),
            "option_id": id_of(one.get("option_id")),
            "quantity": reader.number(one.get("quantity", 1)) or 0.0,
        }
        for number, one in enumerate(one for one in listed if isinstance(one, dict))
        if id_of(one.get("product_id"))
    ]
