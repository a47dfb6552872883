"""Searches orders: date ranges, sorting and paging, as far as the switches let it obey."""

from __future__ import annotations

import random
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from vs_st_pipeline.sandbox.core.asgi import Record
from vs_st_pipeline.sandbox.core.lies import HUGE_TOTAL
from vs_st_pipeline.sandbox.vinoshipper.shop import Shop

PAGE_NAMES = {"pageIndex": ("pageIndex", "pageSize"), "page": ("page", "size"), "offset": ("offset", "limit")}
FAMILIES = {"processed": "purchasedAt", "shipped": "shippedAt"}
UI_OPTIONS = {
    "orderStatuses": [
        "OPEN",
        "NEW_MEMBER",
        "UNPAID",
        "LABELS_GENERATED",
        "SHIPPED",
        "DELIVERED",
        "PICKED_UP",
        "RETURNED",
        "CANCELLED",
        "PROBLEM",
    ],
    "sortFields": ["ORDER_DATE", "ORDER_NUMBER", "SHIPPED_DATE"],
}


class BadFilter(Exception):
    """A filter's value that is not a date; args are the field and the value."""


def flat(body: Record, prefix: str = "") -> dict[str, str]:
    """Return a JSON search form as the query string would have it; dotted keys stay as they are."""
    found: dict[str, str] = {}
    for key, value in body.items():
        name = prefix + key
        if isinstance(value, dict):
            found |= flat(value, name + ".")
        elif isinstance(value, list):
            for i, item in enumerate(value):
                found |= flat(item, f"{name}[{i}].") if isinstance(item, dict) else {f"{name}[{i}]": str(item)}
        elif value is not None:
            found[name] = str(value)
    return found


def told_total(how: str, there: int, shown: int) -> Any:
    """Return the total that the switch asks for: of all rows, of this page alone, or a number that cannot be used."""
    told: Record = {"page": shown, "fewer": max(0, there - 3), "zero": 0, "negative": -1, "null": None}
    told |= {"text": f"{shown} or so", "huge": HUGE_TOTAL, "beyond": 2**70, "more": there + 7}
    return told.get(how, there)


def search(shop: Shop, wanted: dict[str, str], switches: Record) -> Any:
    """Return one page of orders in the envelope that the switches ask for; unknown parameters have no effect."""
    numbers = shop.visible(_sorted(shop, _filtered(shop, wanted, switches), wanted, switches))
    start, size = _page(wanted, switches)
    if switches["orders_change_while_paged"] and start > 0 and not shop.orders_moved and numbers:
        shop.orders_moved = True
        _new_arrival(shop, numbers[0])
        numbers = shop.visible(_sorted(shop, _filtered(shop, wanted, switches), wanted, switches))
    if switches["dup_rows"]:
        numbers = [number for number in numbers for _ in shop.merchant.orders[number]["products"]]
    unknown = bool(switches["unknown_status"])
    rows = [shop.row(number, unknown) for number in numbers[start : start + size]]
    if switches["envelope"] == "array":
        return rows
    page: Record = {switches["envelope"]: rows}
    if switches["total_key"] != "none":
        page[switches["total_key"]] = told_total(switches["order_total"], len(numbers), len(rows))
    return page


def number_of(text: Any, default: int) -> int:
    """Return a whole number from 0 up, or the default where the text is not one."""
    return int(text) if isinstance(text, int | str) and str(text).isdigit() else default


def _page(wanted: dict[str, str], switches: Record) -> tuple[int, int]:
    cap = int(switches["page_cap"])
    if switches["paging"] == "none":
        return 0, min(25, cap)
    index_name, size_name = PAGE_NAMES[switches["paging"]]
    size = max(1, min(number_of(wanted.get(size_name), 25), cap))
    index = number_of(wanted.get(index_name), 0)
    return (index if index_name == "offset" else index * size), size


def _filtered(shop: Shop, wanted: dict[str, str], switches: Record) -> list[str]:
    found: list[str] | None = None
    for family, time_field in FAMILIES.items():
        start, end = wanted.get(f"{family}.start"), wanted.get(f"{family}.end")
        if (start is None and end is None) or switches["date_filter"] == "ignored":
            continue
        low = _bound(f"{family}.start", start, switches, 0)
        high = _bound(f"{family}.end", end, switches, 1 if switches["inclusive_end"] else 0)
        numbers = shop.order_numbers(time_field, low, high)
        if found is None:
            found = numbers
        else:
            both = set(found)
            found = [number for number in numbers if number in both]
    if found is not None:
        return found
    timed = shop.order_numbers("purchasedAt", None, None)
    return timed + [n for n, order in shop.merchant.orders.items() if not order["purchasedAt"]]


def _bound(name: str, text: str | None, switches: Record, days: int) -> float | None:
    if not text:
        return None
    zone = ZoneInfo(switches["tz"])
    try:
        if len(text) == 10:
            day = date.fromisoformat(text) + timedelta(days=days)
            return datetime(day.year, day.month, day.day, tzinfo=zone).timestamp()
        at = datetime.fromisoformat(text.replace(" ", "+"))
    except ValueError as error:
        raise BadFilter(name, text) from error
    return (at if at.tzinfo else at.replace(tzinfo=zone)).timestamp()


def _sorted(shop: Shop, numbers: list[str], wanted: dict[str, str], switches: Record) -> list[str]:
    if switches["order_sort"] == "shuffled":
        shop.lists_shown += 1
        return random.Random(shop.lists_shown).sample(numbers, len(numbers))
    if switches["order_sort"] != "works":
        return numbers[::-1] if switches["order_sort"] == "oldest_first" else numbers
    field = wanted.get("sort[0].field", "ORDER_DATE")
    orders = shop.merchant.orders
    if field == "ORDER_NUMBER":
        numbers = sorted(numbers, reverse=True)
    elif field == "SHIPPED_DATE":
        numbers = sorted(numbers, key=lambda number: orders[number]["shippedAt"] or "", reverse=True)
    elif wanted.get("shipped.start") or wanted.get("shipped.end"):
        numbers = sorted(numbers, key=lambda number: orders[number]["purchasedAt"] or "", reverse=True)
    return numbers[::-1] if wanted.get("sort[0].direction") == "ASC" else numbers


def _new_arrival(shop: Shop, like: str) -> None:
    """Add an order between two pages: the rows after it move down by one."""
    number = f"{like}-LATE"
    shop.merchant.orders[number] = {**shop.merchant.orders[like], "orderNumber": number}
    shop.changed()
