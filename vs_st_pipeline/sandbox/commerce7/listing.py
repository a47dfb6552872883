"""Lists Commerce7's records: filters by date and value, pages by number or by cursor, as far as the switches let it."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any

from vs_st_pipeline.sandbox.core.accounts import Refused, iso
from vs_st_pipeline.sandbox.core.asgi import Record, Request, json_answer

LARGEST_PAGE = 50
DATES = ("updatedAt", "orderPaidDate", "orderFulfilledDate", "orderSubmittedDate")
VALUES = ("id", "customerId", "fulfillmentStatus", "complianceStatus", "channel", "orderDeliveryMethod")
OPERATORS = ("gte", "gt", "lte", "lt", "btw")
DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
START, EVERLASTING = "start", "b25lIGFuZCB0aGUgc2FtZQ"


def invalid(*errors: tuple[str, str], text: str = "There was a validation error") -> Refused:
    """Return a refusal that names fields."""
    listed = [{"field": field, "message": message} for field, message in errors]
    return Refused(json_answer({"statusCode": 422, "type": "validationError", "message": text, "errors": listed}, 422))


def filtered(rows: Iterable[Record], query: dict[str, str], switches: Record) -> list[Record]:
    """Return the orders that a list is asked for; parameters that nobody knows have no effect."""
    found = list(rows)
    for name in VALUES:
        if name in query:
            found = [row for row in found if str(row.get(name)) == query[name]]
    wanted = query.get("q", "").strip().lower()
    if wanted:
        found = [row for row in found if wanted in _searchable(row)]
    for name in DATES:
        if name in query:
            fits = _by_date(name, query[name], switches)
            if switches["date_filter"] == "works":
                found = [row for row in found if fits(row.get(name))]
    return found


def _searchable(row: Record) -> tuple[str, ...]:
    who = row.get("customer") or {}
    words = [row.get("orderNumber"), who.get("firstName"), who.get("lastName")]
    words += [email.get("email") for email in who.get("emails") or ()]
    return tuple(str(word).lower() for word in words if word is not None)


def _by_date(name: str, text: str, switches: Record) -> Callable[[Any], bool]:
    """Return what says whether a time is the one that a filter wants; ISO texts of UTC compare as texts."""
    operator, _, value = text.partition(":") if text.partition(":")[0] in OPERATORS else ("eq", "", text)
    values = value.split("|") if operator == "btw" else [value]
    if (operator == "btw") != (len(values) == 2) or (operator == "btw" and name == "updatedAt"):
        raise invalid((name, f'"{name}" has an operator that is not allowed'))
    bounds = [_bounds(name, one, switches) for one in values]
    if any(bound is None for bound in bounds):
        return lambda at: False
    (low, high), (_, last) = (bounds[0] or ("", "")), (bounds[-1] or ("", ""))
    tests: dict[str, Callable[[str], bool]] = {
        "eq": lambda at: low <= at < high,
        "gte": lambda at: at >= low,
        "gt": lambda at: at >= high,
        "lt": lambda at: at < low,
        "lte": lambda at: at < high,
        "btw": lambda at: low <= at < last,
    }
    return lambda at: isinstance(at, str) and tests[operator](at)


def _bounds(name: str, text: str, switches: Record) -> tuple[str, str] | None:
    """Return the first moment that a text means and the first one after it; None: nothing is found by it."""
    how = switches["date_form"]
    try:
        at = datetime.fromisoformat(text.replace(" ", "+"))
    except ValueError:
        raise invalid((name, f'"{name}" must be a valid date')) from None
    whole_day = DAY.fullmatch(text) is not None
    if not whole_day:
        if how == "day_only":
            raise invalid((name, f'"{name}" must be in YYYY-MM-DD format'))
        if how == "iso_finds_nothing":
            return None
    at = datetime.fromisoformat(f"{at.isoformat()}Z") if at.tzinfo is None else at
    if how == "iso_cut_to_day":
        whole_day, at = True, datetime.fromisoformat(f"{iso(at)[:10]}T00:00:00Z")
    return iso(at), iso(at + (timedelta(days=1) if whole_day else timedelta(milliseconds=1)))


def page_of(name: str, rows: list[Record], request: Request, switches: Record) -> tuple[list[Record], Record]:
    """Return the rows of a page, and what stands beside them: a total or a cursor."""
    if switches["short_list"]:
        rows = rows[: len(rows) - max(1, len(rows) * 3 // 10)]
    size = min(_number(request, "limit", LARGEST_PAGE, LARGEST_PAGE), int(switches["page_cap"]))
    cursor = request.query.get("cursor")
    if cursor is None or switches["cursor"] == "ignored":
        first = (_number(request, "page", 1, None) - 1) * size
        return rows[first : first + size], {"total": len(rows)}
    if switches["cursor"] == "repeats":
        return rows[:size], {"cursor": EVERLASTING}
    first = start_of(cursor)
    page, rest = rows[first : first + size] if first >= 0 else [], len(rows) - first - size
    end = switches["cursor_end"]
    if first >= 0 and (rest > 0 or end == "empty_page"):
        return page, {"cursor": _written(first + size if page else -1)}
    ends: dict[str, Record] = {"null": {"cursor": None}, "blank": {"cursor": ""}}
    return page, ends.get(str(end), {})


def start_of(cursor: str | None) -> int:
    """Return the place of a cursor's first row; -1: after the end."""
    if cursor in (None, START):
        return 0
    try:
        return int(base64.urlsafe_b64decode(str(cursor))) if cursor != EVERLASTING else 0
    except (ValueError, binascii.Error):
        raise invalid(("cursor", '"cursor" is not valid')) from None


def _written(first: int) -> str:
    return base64.urlsafe_b64encode(f"{first:+012d}".encode()).decode()


def _number(request: Request, name: str, usual: int, most: int | None) -> int:
    text = request.query.get(name, str(usual))
    if not text.isdigit() or int(text) < 1 or (most is not None and int(text) > most):
        raise invalid((name, f'"{name}" must be a number between 1 and {most or "any"}'))
    return int(text)
