"""Makes answers that say nothing, or what is not so: the true records stay as they are, only what is shown is changed.

A lie by switch is told in every answer of its kind; a lie by fault (`LYING_FAULTS`) in those that the fault meets.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date, datetime
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec

from vs_st_pipeline.sandbox.core.asgi import Answer, Record, dumps, loads
from vs_st_pipeline.sandbox.core.switches import LIES
from vs_st_pipeline.sandbox.scenarios.fixtures import PACIFIC

LYING_FAULTS = ("hollow", "error_body", "two_keys", "other_record")
"""Faults that answer 200: `{}`; an error told in the body; the right record, or each row of a list, cut to its id and
one more key; another record of the same kind (a list shows the second row in the place of the first as well)."""

HUGE_TOTAL = 10**12
EXPONENT = msgspec.Raw(b"1e99999999999999999999")  # no float and no decimal holds it
DIGITS = msgspec.Raw(b"9" * 4400)  # Python reads no whole number of so many digits
DAYS = ("dateOfBirth",)
MOMENTS = ("purchasedAt", "shippedAt", "deliveredAt", "canceledAt", "requestedShipDate")
MONEY = ("total", "saleAmount", "price", "taxesTotal", "tipAmount", "productDiscount", "shippingDiscount")


class Kind(NamedTuple):
    """What an answer is about.

    Attributes:
        name: of the kind, for tests and journals.
        id, second: the key that names a record, and one more key of it.
        rows: key of the list of records; None where the answer is one record.
        spare: keys that a record may lack by `absent_keys`, in turn.
    """

    name: str
    id: str
    second: str
    rows: str | None
    spare: tuple[str, ...] = ()


_CUSTOMER = ("firstName", "lastName", "email", "primaryPhone", "memberships")
_ORDER = ("orderStatus", "cartType", "purchasedAt", "shippedAt", "customer")
_CONTACT = ("subscriptionStatus", "updated", "created")  # the others are absent where they are empty
CUSTOMER = Kind("customer", "id", "email", None, (*_CUSTOMER, "dateOfBirth", "shippingAddress"))
CUSTOMERS = Kind("customers", "id", "email", "items", _CUSTOMER)
MEMBERSHIPS = Kind("memberships", "id", "clubId", "items", ("customerId", "clubName", "status"))
ORDER = Kind("order", "orderNumber", "orderStatus", None, (*_ORDER, "status", "total", "shipping", "deliveredAt"))
ORDERS = Kind("orders", "orderNumber", "orderStatus", "", _ORDER)  # its envelope is a switch of its own
PRODUCTS = Kind("products", "id", "sku", "items", ("name", "inventory", "status"))
RECEIPT = Kind("receipt", "orderNumber", "total", None, ("url",))
CONTACT = Kind("contact", "contactId", "contactPhone", None, _CONTACT)
CONTACTS = Kind("contacts", "contactId", "contactPhone", "content", _CONTACT)
CUSTOM_FIELDS = Kind("custom_fields", "label", "type", "content")


def shop_kind(method: str, parts: list[str]) -> Kind | None:
    """Return what an answer of the shop is about, by its path below `/api/v3/p`; None where no lie applies to it."""
    match method, parts:
        case "POST", ["customers", "list"]:
            return CUSTOMERS
        case "GET", ["customers", _]:
            return CUSTOMER
        case "GET", ["clubs", "memberships"] | ["clubs", _, "memberships"]:
            return MEMBERSHIPS
        case ("GET", ["orders"]) | ("POST", ["orders", "search"]):
            return ORDERS
        case ("GET", ["orders", _]) | ("POST", ["orders"]):
            return ORDER
        case "GET", ["products"]:
            return PRODUCTS
        case "GET", ["orders", _, "receipt"]:
            return RECEIPT
    return None


def texting_kind(method: str, parts: list[str]) -> Kind | None:
    """Return the same for the texting service, by the path below `/v2/api`."""
    match method, parts:
        case "GET", ["contacts"]:
            return CONTACTS
        case "GET", ["contacts", _]:
            return CONTACT
        case "GET", ["custom-fields"]:
            return CUSTOM_FIELDS
    return None


def rows_of(kind: Kind, body: Any) -> list[Record]:
    """Return the records that an answer shows; changing one changes the answer."""
    if kind.rows is None:
        return [body] if isinstance(body, dict) else []
    if isinstance(body, list):
        return body
    lists = [value for value in body.values() if isinstance(value, list)] if isinstance(body, dict) else []
    return lists[0] if lists else []


# --- by fault ---------------------------------------------------------------------------------------------------------


def by_fault(name: str, kind: Kind | None, good: Answer, other: Callable[[], Answer | None]) -> Answer:
    """Return the answer in place of a good one.

    Args:
        name: one of LYING_FAULTS.
        kind: what the answer is about; an answer of no kind is told as `{}`, whatever the lie.
        other: gives the answer about another record, None where there is no other.
    """
    if name == "error_body":
        return Answer(200, dumps({"error": "temporarily unavailable"}))
    if name == "hollow" or kind is None or good.status >= 300:
        return Answer(200, b"{}")
    body = loads(good.body)
    rows = rows_of(kind, body)
    if name == "two_keys":
        for row in rows:
            kept = {key: row[key] for key in (kind.id, kind.second) if key in row}
            row.clear()
            row.update(kept)
    elif kind.rows is None:
        return other() or Answer(200, b"{}")
    elif len(rows) > 1:
        rows[0] = rows[1]
    return Answer(200, dumps(body))


# --- by switch --------------------------------------------------------------------------------------------------------


class Liar:
    """Tells the lies that the switches of one stand-in ask for."""

    def __init__(self, system: str) -> None:
        self._honest = {name: values[0] for name, values in LIES.get(system, {}).items()}
        self._answers: dict[str, int] = {}

    def told(self, kind: Kind | None, answer: Answer, switches: Record, merchant: str) -> Answer:
        """Return the answer as the switches want it."""
        lies = [name for name, honest in self._honest.items() if switches[name] != honest]
        if not lies or kind is None or answer.status != 200:
            return answer
        body = loads(answer.body)
        for name in lies:
            if name == "absent_keys":
                self._leave_out(kind, body, int(switches[name]), merchant)
            elif name in _LIES:
                _LIES[name](kind, body, switches[name])
        return Answer(answer.status, dumps(body), answer.content_type, answer.headers)

    def _leave_out(self, kind: Kind, body: Any, every: int, merchant: str) -> None:
        """Leave a key out of each record in every nth answer, another one each time."""
        turn = self._answers[merchant] = self._answers.get(merchant, 0) + 1
        if turn % every == 0:
            rows = rows_of(kind, body)
            names = [name for name in kind.spare if any(name in row for row in rows)]
            for row in rows if names else ():
                row.pop(names[turn // every % len(names)], None)


def _total(key: str, of: Kind) -> Callable[[Kind, Any, Any], None]:
    def tell(kind: Kind, body: Any, how: Any) -> None:
        if kind is not of or not isinstance(body, dict):
            return
        if how == "absent":
            body.pop(key, None)
            return
        page = 1 if key == "totalPages" else len(rows_of(kind, body))
        told = {"page": page, "zero": 0, "negative": -1, "null": None, "text": f"{page} or so", "huge": HUGE_TOTAL}
        body[key] = told[how]

    return tell


def _fields_total(kind: Kind, body: Any, how: Any) -> None:
    for key in ("totalElements", "totalPages"):
        _total(key, CUSTOM_FIELDS)(kind, body, how)


def _walk(value: Any) -> Iterator[tuple[Record, str]]:
    """Yield every key of every object, at any depth."""
    if isinstance(value, list):
        for item in value:
            yield from _walk(item)
    elif isinstance(value, dict):
        for key in list(value):
            yield value, key
            yield from _walk(value[key])


def _birth_dates(kind: Kind, body: Any, how: Any) -> None:
    for holder, key in list(_walk(body)):
        born = holder[key] if key in DAYS else None
        if isinstance(born, dict) and all(isinstance(born.get(part), int) for part in ("year", "month", "day")):
            holder[key] = _birth_date(born["year"], born["month"], born["day"], how)


def _birth_date(year: int, month: int, day: int, how: Any) -> Any:
    match how:
        case "list":
            return [year, month, day]
        case "float_object":
            return {"day": float(day), "month": float(month), "year": float(year)}
        case "text":
            return f"{date(2000, month, 1):%B} {day}, {year}"
    return f"{year:04d}-{month:02d}-{day:02d}" + ("T00:00:00.000Z" if how == "iso_zone" else "")


def _plain_dates(kind: Kind, body: Any, how: Any) -> None:
    for holder, key in list(_walk(body)):
        if key == "customerSince" and isinstance(holder[key], str) and len(holder[key]) == 10:
            holder[key] += "T00:00:00.000Z"


def _date_times(kind: Kind, body: Any, how: Any) -> None:
    for holder, key in list(_walk(body)):
        if key in MOMENTS and isinstance(holder[key], str):
            holder[key] = _date_time(datetime.fromisoformat(holder[key]).astimezone(PACIFIC), how)


def _date_time(at: datetime, how: Any) -> str:
    text = at.isoformat()
    if how == "zulu":
        return at.astimezone(datetime.fromisoformat("2000-01-01T00:00Z").tzinfo).isoformat()[:-6] + "Z"
    return f"{text}[America/Los_Angeles]" if how == "zone_suffix" else text[:-6]


def _money(kind: Kind, body: Any, how: Any) -> None:
    counts = body.get("total") if kind.rows is not None and isinstance(body, dict) else None
    for holder, key in list(_walk(body)):
        if key in MONEY and isinstance(holder[key], int | Decimal) and not isinstance(holder[key], bool):
            amount = f"{Decimal(holder[key]):,.2f}"
            holder[key] = {"text": amount.replace(",", ""), "comma_text": amount, "dollar_text": f"${amount}"}[how]
    if counts is not None:
        body["total"] = counts  # of rows, and no money


def _custom_fields_list(kind: Kind, body: Any, how: Any) -> None:
    for row in rows_of(kind, body) if kind in (CONTACT, CONTACTS) else ():
        fields = row.get("customFields") or {}
        row["customFields"] = [{"mergeTag": tag, "value": value} for tag, value in fields.items()]


def _numbers(kind: Kind, body: Any, how: Any) -> None:
    """Change numbers in some records, always the same ones: in a key that no source shows, or in one that is read."""
    where, _, what = how.partition("_")
    number = EXPONENT if what == "exponent" else DIGITS
    for row in rows_of(kind, body):
        if not _chosen(row.get(kind.id)):
            continue
        if where == "unread":
            row["loyalty"] = {"points": number}
        elif kind is CUSTOMER:
            row["dateOfBirth"] = {"day": 4, "month": 9, "year": number}
        elif kind is ORDER:
            row["total"] = number
        elif kind is ORDERS:
            row["saleAmount"] = number
        elif kind in (CONTACT, CONTACTS) and isinstance(row.get("customFields"), dict):
            row["customFields"] = {**row["customFields"], "lifetime_value": number}


def _chosen(id: Any) -> bool:
    """Choose some records by their ids, always the same ones."""
    return sum(map(ord, str(id))) % 3 == 0


_LIES: dict[str, Callable[[Kind, Any, Any], None]] = {
    "memberships_total": _total("total", MEMBERSHIPS),
    "contacts_total_elements": _total("totalElements", CONTACTS),
    "contacts_total_pages": _total("totalPages", CONTACTS),
    "custom_fields_total": _fields_total,
    "birth_date_form": _birth_dates,
    "plain_date_form": _plain_dates,
    "date_time_form": _date_times,
    "money_form": _money,
    "custom_fields_form": _custom_fields_list,
    "numbers": _numbers,
}
