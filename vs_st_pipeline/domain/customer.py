"""Builds a customer of a winery in our words, from what Vinoshipper's list and detail say of the customer.

Data flow: list item + detail -> Customer.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal

from vs_st_pipeline.domain.birth import Birth, birth_in, read_birth
from vs_st_pipeline.domain.formats import (
    Moment,
    as_flag,
    as_id,
    as_mapping,
    as_text,
    calendar_date,
    dated,
    instant,
    parse_moment,
)
from vs_st_pipeline.domain.phone import parse_nanp
from vs_st_pipeline.domain.records import Reading, is_given

_MIDNIGHT = re.compile(r"[T ]00:00(?::00(?:[.,]0+)?)?(?![0-9:.,])", re.IGNORECASE)
_LAST = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Membership:
    """One membership of a wine club, on hold or not; a cancelled one is no longer in the list (inferred).

    Attributes:
        id: Vinoshipper's id of the membership.
        club_name: name of the club as it comes, None where blank.
        joined: `dateJoined`, a date or a date-time (its form is not documented).
        on_hold: whether `hold` is true.
    """

    id: int | None = None
    club_name: str | None = None
    joined: Moment | None = None
    on_hold: bool = False


@dataclass(frozen=True, slots=True)
class Customer:
    """What the pipeline knows of one customer.

    Attributes:
        customer_id: Vinoshipper's id.
        first_name, last_name: as they come; None where blank everywhere.
        email: without outer blanks.
        phone: ten NANP digits of `primaryPhone`, the only phone that counts, or None.
        birth_date: None where not given or not understood, or where only the year is known.
        has_detail: whether a detail was ever read. Without one `birth_date`, `city` and `state` are unknown, not empty.
        city, state: of the shipping address, as they come.
        memberships: as listed.
        birth_year: the year of birth where only the year was given.
        unread: names of the attributes above that are given and cannot be understood; also `club_name`, `joined` and
            `hold` of any membership. Each of them is unknown, whatever value the attribute has.
    """

    customer_id: int
    first_name: str | None = None
    last_name: str | None = None
    email: str | None = None
    phone: str | None = None
    birth_date: date | None = None
    has_detail: bool = False
    city: str | None = None
    state: str | None = None
    memberships: tuple[Membership, ...] = ()
    birth_year: int | None = None
    unread: frozenset[str] = frozenset()

    @property
    def birth(self) -> Birth:
        """Return all that is known of the birth date, for the age gate to judge."""
        return Birth(self.birth_date, self.birth_year, "birth_date" in self.unread)


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


def club_names(memberships: Iterable[Membership]) -> list[str]:
    """Return the names of the clubs, on hold or not, by date joined (missing last), then id; once each, no blanks."""
    ordered = sorted(memberships, key=_by_joining)
    return list(dict.fromkeys(name for row in ordered if row.club_name and (name := row.club_name.strip())))


def club_status(memberships: Iterable[Membership]) -> str:
    """Return `Active` where any membership is not on hold, `On Hold` where all are, empty where there is none."""
    holds = [row.on_hold for row in memberships]
    if not holds:
        return ""
    return "On Hold" if all(holds) else "Active"


def earliest_membership(memberships: Iterable[Membership]) -> Moment | None:
    """Return when the customer first joined a club they are still in, as an instant or a plain date."""
    return min((row.joined for row in memberships if row.joined is not None), key=instant, default=None)


def _by_joining(row: Membership) -> tuple[datetime, bool, int]:
    return (_LAST if row.joined is None else instant(row.joined), row.id is None, row.id or 0)


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
    moment = dated(parse_moment(value))
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
