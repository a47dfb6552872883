"""Says of each column of a site's tables what it is, and reads it from a text, in SQL (audience.md 4.1, 5.5, 10)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from vs_st_pipeline.routes.audience.arriving import DAY, FLAG, MONEY, NUMBER, PLACE, TEXT, TIME, WORDS

_OBJECT: Final = "an object, as JSON text"
TYPES: Final[Mapping[str, str]] = {
    **dict.fromkeys(("birth_date", "discount_start", "discount_end"), DAY),
    **dict.fromkeys(("opted_in", "subscribed", "in_stock", "paid"), FLAG),
    **dict.fromkeys(("opted_at", "since", "created_at", "updated_at", "added_at"), TIME),
    **dict.fromkeys(("price", "discount_price", "total"), MONEY),
    **dict.fromkeys(("stock", "discount_quantity", "quantity"), NUMBER),
    "position": PLACE,
    "categories": WORDS,
    "attributes": _OBJECT,
}
GUIDE: Final[Mapping[str, frozenset[str]]] = {  # names that a record of the guide has of its own (5.3, 6.2)
    "customers": frozenset(["id", "lastname", "firstname", "birthday", "email", "phone"]),
    "addresses": frozenset(["country", "city", "address1", "postcode", "company"]),
    "products": frozenset(
        [
            "product_id",
            "name",
            "description",
            "short_description",
            "categories",
            "stock_quantity",
            "price",
            "discount",
            "product_options",
            "image_link",
            "product_link",
        ]  # fmt: skip
    ),
    "orders": frozenset(
        [
            "customer_id",
            "order_id",
            "order_status",
            "shipping_method",
            "payment_method",
            "total_price",
            "order_create_date",
            "lastname",
            "firstname",
            "birthday",
            "email",
            "company",
            "newsletter",
            "website",
            "address1",
            "address2",
            "postcode",
            "phone",
            "phone_mobile",
            "city",
            "country",
        ]  # fmt: skip
    ),
}
_OFFSET: Final = r"([zZ]|[+-]\d{2}(:?\d{2})?)$"
PLAIN_DAY: Final = r"^\d{4}-\d{2}-\d{2}$"


def typed_as(column: str, zone: str) -> str:
    """Return the SQL that reads a text as a column of 4.1; null where it cannot be read."""
    kind, text = TYPES.get(column, TEXT), f"trim({column})"
    if kind == TEXT:
        return column
    if kind == FLAG:
        return f"case when lower({text}) in ('true', '1') then true when lower({text}) in ('false', '0') then false end"
    if kind == TIME:
        return _possible(
            f"""case when regexp_matches({text}, '{_OFFSET}') and not regexp_matches({text}, '{PLAIN_DAY}')
            then try_cast({text} as timestamptz) at time zone 'UTC'
            else try_cast({text} as timestamp) at time zone '{zone}' at time zone 'UTC' end"""
        )
    if kind == DAY:
        return _possible(f"try_cast(left({text}, 10) as date)")
    if kind == _OBJECT:
        return f"case when json_valid({text}) then case when json_type({text}) = 'OBJECT' then {column} end end"
    if kind == WORDS:
        return f"case when json_valid({text}) then try_cast(json_transform({text}, '[\"VARCHAR\"]') as varchar[]) end"
    if kind == NUMBER:
        return f"case when isfinite(try_cast({text} as double)) then try_cast({text} as double) end"
    return f"try_cast({text} as {kind})"


def _possible(value: str) -> str:
    """Return the SQL of a date or a time, null where it is none that a calendar has: `infinity`, the year 10000."""
    return f"case when year({value}) between 1 and 9999 then {value} end"
