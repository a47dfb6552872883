"""Turns Vinoshipper's answers into our words: a customer from list and detail, an order from its detail.

Data flow: list item + detail -> Customer; order detail (+ receipt URL) -> Order.

It is long because a value that is given and one that is understood are told apart field by field.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from vs_st_pipeline.connectors.vinoshipper.names import VINOSHIPPER
from vs_st_pipeline.domain.birth import read_birth
from vs_st_pipeline.domain.customer import Customer, Membership
from vs_st_pipeline.domain.errors import BadRecord
from vs_st_pipeline.domain.formats import (
    Moment,
    as_code,
    as_decimal,
    as_flag,
    as_id,
    as_mapping,
    as_text,
    calendar_date,
    dated,
    parse_moment,
)
from vs_st_pipeline.domain.order import (
    AGE_FAILED_STATUSES,
    COUNTED_STATUS,
    NEVER_NEWEST_STATUSES,
    UNCOUNTED_ORDER_STATUSES,
    Order,
    Package,
)
from vs_st_pipeline.domain.phone import parse_nanp
from vs_st_pipeline.domain.records import Reading, id_text, is_given, is_hollow

ZONE: Final = ZoneInfo("America/Los_Angeles")
"""Vinoshipper's own zone. Inferred: its date-times were only ever seen with the Pacific offset of their season."""

_USUAL = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}[+-][0-9]{2}:[0-9]{2}", re.ASCII).fullmatch
_USUAL_LENGTH = len("2025-02-11T09:30:00-08:00")
_MIDNIGHT = re.compile(r"[T ]00:00(?::00(?:[.,]0+)?)?(?![0-9:.,])", re.IGNORECASE)

_OUR_WORDS = (
    UNCOUNTED_ORDER_STATUSES | NEVER_NEWEST_STATUSES | AGE_FAILED_STATUSES | {COUNTED_STATUS, "DELIVERED", "PICKED_UP"}
)
_SPELLINGS = {"CANCELED": "CANCELLED"}  # Vinoshipper itself writes `canceledAt`

ORDER_FIELDS = (
    "orderNumber", "customer", "shipping", "status", "orderStatus", "purchasedAt", "shippedAt", "deliveredAt",
    "cartType", "total",
)  # fmt: skip
"""The fields of an order detail that `order_from` reads."""

ORDER_PARTS = {
    "customer": ("id", "customerSince", "dateOfBirth"),
    "shipping": ("rateCode", "rateDescription", "carrier", "packages"),
}
"""The fields that it reads inside those of them that are objects."""

DEPENDS_INSIDE = {
    "shipping": {
        "rateCode": "rate_code",
        "rateDescription": "rate_description",
        "carrier": "carrier",
        "packages": "packages",
    },
    "customer": {"customerSince": "customer_since"},
}
"""By key inside a part of an answer, the name of an `Order` that depends on it. An answer without one may be whole,
where an account says null by leaving out."""

DEPENDS_ON = {
    "purchasedAt": ("purchased_at",),
    "cartType": ("cart_type",),
    **{part: tuple(names.values()) for part, names in DEPENDS_INSIDE.items()},
}
"""By key of an answer, the names of an `Order` that depend on it. A first answer that lacks one is read once more."""


def lacks_part(body: Mapping[str, object], key: str) -> bool:
    """Say whether an order detail lacks a key of `DEPENDS_ON`; a part that is null or empty is lacking too.

    Vinoshipper gives each order its customer and its shipping; a time or a cart type may well be null.
    """
    return key not in body or (key in ORDER_PARTS and not body[key])


def names_lacking(body: Mapping[str, object]) -> list[str]:
    """Return the names of an `Order` that depend on a key which this order detail lacks."""
    found = [name for key, names in DEPENDS_ON.items() if lacks_part(body, key) for name in names]
    for part, names in DEPENDS_INSIDE.items():
        inside = body.get(part)
        if isinstance(inside, Mapping) and inside:
            found += [name for key, name in names.items() if key not in inside]
    return found


def shop_moment(text: object) -> Moment | None:
    """Return the date or the instant that a text gives; one that names no zone is in the shop's own."""
    if isinstance(text, str) and len(text) == _USUAL_LENGTH:
        try:
            return usual_moment(text)
        except ValueError:
            pass
    return parse_moment(text, ZONE)


def usual_moment(text: str) -> datetime:
    """Return the instant that a text in the shop's usual form gives (`2025-02-11T09:30:00-08:00`), as any reader would.

    Raises:
        ValueError: it has another form, or a year that only placeholders have; `shop_moment` may still understand it.
    """
    if not _USUAL(text) or not "1972" <= text < "2999":
        raise ValueError("not in the usual form")
    return datetime.fromisoformat(text).astimezone(UTC)


# --- customers ---------------------------------------------------------------------------------------------------


def customer_from(
    list_item: Mapping[str, object] | None,
    detail: Mapping[str, object] | None,
    today: date,
    known_birth: object = None,
) -> Customer | None:
    """Build a customer from Vinoshipper's raw answers; None where neither gives an id.

    Args:
        list_item: an item of `POST /customers/list`; it leads for phone and memberships, because it is read far more
            often.
        detail: the answer of `GET /customers/{id}`; it leads for names and e-mail; only it has birth date and address.
        today: the merchant's local date, for recognizing placeholders.
        known_birth: a birth date that an earlier detail gave, and that this one must not take away (routes.md R23).

    Wrong types never raise: they count as not understood, which is never the same as not given.
    """
    listed, detailed = as_mapping(list_item), as_mapping(detail)
    customer_id = as_id(listed.get("id")) or as_id(detailed.get("id"))
    if customer_id is None:
        return None
    reading, in_list = Reading(), isinstance(list_item, Mapping)
    address = reading.part(detailed.get("shippingAddress"), "city", "state")
    birth = read_birth(birth_in(detailed), today)
    if birth.unread:
        reading.unread.add("birth_date")
    if not birth.known and known_birth is not None:
        birth = read_birth(known_birth, today)
        if birth.unread:
            reading.unread.add("birth_date")
    email = _either("email", "email", detailed, listed, reading)
    return Customer(
        customer_id=customer_id,
        first_name=_either("firstName", "first_name", detailed, listed, reading),
        last_name=_either("lastName", "last_name", detailed, listed, reading),
        email=email.strip() if email else None,
        phone=_phone((listed if in_list else detailed).get("primaryPhone"), reading),
        birth_date=birth.day,
        has_detail=isinstance(detail, Mapping),
        city=reading.take("city", address.get("city"), as_text),
        state=reading.take("state", address.get("stateCode"), as_text),
        memberships=_memberships(listed.get("memberships"), detailed.get("memberships"), reading),
        birth_year=birth.year,
        unread=frozenset(reading.unread),
    )


def listed_phone(list_item: Mapping[str, object]) -> str | None:
    """Return the phone that `customer_from` finds in this list item alone, for callers that need nothing else of it."""
    return _phone(list_item.get("primaryPhone"), Reading()) if as_id(list_item.get("id")) is not None else None


def memberships_of(body: Mapping[str, object] | None) -> tuple[Membership, ...] | None:
    """Return the memberships that `customer_from` finds in a list item or a detail alone; None where it has no id."""
    told = as_mapping(body)
    return _memberships(told.get("memberships"), None, Reading()) if as_id(told.get("id")) is not None else None


def _memberships(listed: object, detailed: object, reading: Reading) -> tuple[Membership, ...]:
    rows = listed if isinstance(listed, list) else detailed
    if not isinstance(rows, list):
        if listed is not None or detailed is not None:  # a blank text in place of a list is not an empty list
            reading.unread.add("memberships")
        return ()
    found = []
    for row in rows:
        if not isinstance(row, Mapping):
            reading.unread.add("memberships")
            continue
        # The detail names the club in an object, the list in clubName.
        club = reading.part(row.get("club") or None, "club_name")
        name = reading.take("club_name", row.get("clubName"), as_text)
        name = name or reading.take("club_name", club.get("name"), as_text)
        membership_id = as_id(row.get("id"))
        if name or membership_id:
            if name is None:  # the vendor documents that a club always has one
                reading.unread.add("club_name")
            joined = reading.take("joined", row.get("dateJoined"), _joined)
            hold = reading.take("hold", row.get("hold"), as_flag)
            found.append(Membership(membership_id, name, joined, hold is True))
        else:  # an element that names nothing is not a membership, and does not prove that there is none
            reading.unread.add("memberships")
    return tuple(found)


def _joined(value: object) -> Moment | None:
    """Return the day literally where it comes with an empty time, as Java writes a day; else the moment."""
    moment = dated(shop_moment(value))
    return calendar_date(value) if moment is not None and _MIDNIGHT.search(str(value)) else moment


def _phone(raw: object, reading: Reading) -> str | None:
    phone = reading.part(raw, "phone")
    number, country = phone.get("number"), phone.get("country")
    if is_given(number) and (isinstance(number, bool) or not isinstance(number, str | int)):
        reading.unread.add("phone")
    if isinstance(country, Decimal) and country == country.to_integral_value():
        country = int(country)
    if is_given(country) and (isinstance(country, bool) or not isinstance(country, str | int)):
        reading.unread.add("phone")  # another country's number would be taken for one of ours, and for its owner's
        return None
    return parse_nanp(
        str(number) if isinstance(number, str | int) and not isinstance(number, bool) else None,
        country if isinstance(country, str | int) else None,
    )


def _either(
    key: str, name: str, first: Mapping[str, object], second: Mapping[str, object], reading: Reading
) -> str | None:
    values = (first.get(key), second.get(key))
    found = next((text for value in values if (text := as_text(value)) is not None), None)
    if found is None and any(is_given(value) for value in values):
        reading.unread.add(name)
    return found


def birth_in(record: Mapping[str, object]) -> object:
    """Return the birth date that a record gives, under the documented key or another key that can mean nothing else.

    A key that was renamed, or is spelled in other letters, must not open the gate as an absence would.
    """
    told = record.get("dateOfBirth")
    if not is_hollow(told):
        return told
    named = (value for key, value in record.items() if _plain(key) in _OTHER_NAMES and not is_hollow(value))
    return next(named, told)


@lru_cache(maxsize=256)  # records of one kind have the same keys
def names_birth(key: str) -> bool:
    """Say whether a key that is not the documented one may hold a birth date all the same."""
    return key != "dateOfBirth" and _plain(key) in _OTHER_NAMES


_OTHER_NAMES: Final = frozenset({"dateofbirth", "birthdate", "birthday", "dob"})


def _plain(key: object) -> str:
    return re.sub("[^a-z]", "", str(key).lower())


# --- orders ------------------------------------------------------------------------------------------------------


def order_from(
    detail: Mapping[str, object],
    *,
    today: date,
    receipt_url: str | None = None,
    receipt_known: bool = False,
    known_birth: object = None,
) -> Order | None:
    """Build an order from the answer of `GET /orders/{orderNumber}`; None where it has no number.

    Args:
        detail: decoded with money as Decimal.
        today: the merchant's local date, for recognizing placeholder birth dates.
        known_birth: a birth date that an earlier answer gave, and that this one must not take away (routes.md R23).

    Wrong types never raise: they count as not understood, which is never the same as not given.
    """
    raw = as_mapping(detail)
    number = as_code(raw.get("orderNumber")) or id_text(raw.get("orderNumber"))
    if number is None:
        return None
    reading = Reading()
    customer = reading.part(raw.get("customer"), "customer_id", "customer_since", "birth_date")
    shipping = reading.part(raw.get("shipping"), "rate_code", "rate_description", "carrier", "packages")
    birth = read_birth(birth_in(customer), today)
    unread = birth.unread
    if not birth.known and known_birth is not None:
        birth = read_birth(known_birth, today)
    if unread or birth.unread:
        reading.unread.add("birth_date")
    # The vendor documents that these are never null, so a null is no statement either.
    reading.unread.update(
        name
        for name, key in (("status", "status"), ("order_status", "orderStatus"), ("total", "total"))
        if key in raw and not is_given(raw[key])
    )
    return Order(
        number=number,
        customer_id=reading.take("customer_id", customer.get("id"), as_id),
        status=reading.take("status", raw.get("status"), status_word),
        order_status=reading.take("order_status", raw.get("orderStatus"), status_word),
        purchased_at=reading.take("purchased_at", raw.get("purchasedAt"), _moment),
        shipped_at=reading.take("shipped_at", raw.get("shippedAt"), _moment),
        delivered_at=reading.take("delivered_at", raw.get("deliveredAt"), _moment),
        customer_since=reading.take("customer_since", customer.get("customerSince"), _day),
        cart_type=reading.take("cart_type", raw.get("cartType"), as_text),
        rate_code=reading.take("rate_code", shipping.get("rateCode"), as_text),
        rate_description=reading.take("rate_description", shipping.get("rateDescription"), as_text),
        carrier=reading.take("carrier", shipping.get("carrier"), as_text),
        packages=_packages(shipping.get("packages"), reading),
        total=reading.take("total", raw.get("total"), as_decimal),
        receipt_url=receipt_url,
        receipt_known=receipt_known,
        birth_date=birth.day,
        birth_year=birth.year,
        unread=frozenset(reading.unread),
    )


def status_word(value: object) -> str | None:
    """Return a status in our spelling where it has a meaning here, whatever its letter case; any other as it comes."""
    text = as_text(value)
    plain = "_".join(text.upper().replace("-", " ").replace("_", " ").split()) if text else ""
    plain = _SPELLINGS.get(plain, plain)
    return plain if plain in _OUR_WORDS else text


def _moment(value: object) -> Moment | None:
    return dated(shop_moment(value))


def _day(value: object) -> Moment | None:
    return dated(calendar_date(value))


def _packages(rows: object, reading: Reading) -> tuple[Package, ...]:
    if not isinstance(rows, list):
        if rows is not None:
            reading.unread.add("packages")
        return ()
    found = []
    for row in rows:
        if row is None:  # a box is an object, so this says nothing of it
            reading.unread.add("packages")
            continue
        package = reading.part(row, "packages")
        found.append(
            Package(
                reading.take("packages", package.get("carrier"), as_text),
                reading.take("packages", package.get("trackingNumber"), _tracking_number),
            )
        )
    return tuple(found)


def _tracking_number(value: object) -> str | None:
    """Return a tracking number, which may come as a number if it has as many digits as those of carriers."""
    return as_code(value) if not isinstance(value, int) or value >= _SHORTEST_TRACKING else None


_SHORTEST_TRACKING = 10**7


def receipt_url_from(receipt: object) -> str | None:
    """Return the web address in a receipt's answer (shape not documented): `receiptUrl`, `url` or `receipt.url`.

    Returns:
        The first that is a web address; None where the receipt names none.

    Raises:
        BadRecord: what stands for the address is no web address, so that nobody can say that there is none.
    """
    raw = as_mapping(receipt)
    given = [raw.get("receiptUrl"), raw.get("url"), as_mapping(raw.get("receipt")).get("url")]
    for value in given:
        if isinstance(value, str) and value.strip().lower().startswith(("https://", "http://")):
            return value.strip()
    if any(not isinstance(value, str) or value.strip() for value in given if value is not None):
        raise BadRecord("a receipt's address came in another form", system=VINOSHIPPER, call="receipt")
    return None
