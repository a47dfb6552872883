"""A customer of a winery in our words, made from what Vinoshipper's list and detail say of him."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime

from vs_st_pipeline.phone import nanp
from vs_st_pipeline.text_forms import (
    PACIFIC,
    Moment,
    as_id,
    as_mapping,
    as_rows,
    as_text,
    instant,
    local_date,
    parse_moment,
)

LEGAL_AGE = 21
"""Years; the age from which wine may be advertised to a person in the United States."""

_EARLIEST_BIRTH_YEAR = 1900  # before it stand placeholders, not people
_LAST = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Membership:
    """One membership of a wine club, on hold or not; a cancelled one is not in the list any more (inferred).

    Attributes:
        id: Vinoshipper's id of the membership.
        club_name: name of the club as it comes, None where blank.
        joined: `dateJoined`, a date or a date-time (its form is not documented).
        on_hold: `hold`.
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
        birth_date: None where not given, impossible or not read.
        has_detail: whether a detail was ever read. Without one `birth_date`, `city` and `state` are unknown, not empty.
        city, state: of the shipping address, as they come.
        memberships: as listed.
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


def customer_from(
    list_item: Mapping[str, object] | None, detail: Mapping[str, object] | None, today: date
) -> Customer | None:
    """A customer from Vinoshipper's raw answers, or None where neither says an id.

    Args:
        list_item: an item of `POST /customers/list`; leads for phone and memberships, being read far more often.
        detail: the answer of `GET /customers/{id}`; leads for names and e-mail, alone has birth date and address.
        today: the merchant's local date; birth dates after it are dropped.

    Wrong types never raise, they count as missing.
    """
    listed, detailed = as_mapping(list_item), as_mapping(detail)
    customer_id = as_id(listed.get("id")) or as_id(detailed.get("id"))
    if customer_id is None:
        return None
    in_list = isinstance(list_item, Mapping)
    memberships = listed.get("memberships")
    address = as_mapping(detailed.get("shippingAddress"))
    born = _born(detailed.get("dateOfBirth"))
    email = _either("email", detailed, listed)
    return Customer(
        customer_id=customer_id,
        first_name=_either("firstName", detailed, listed),
        last_name=_either("lastName", detailed, listed),
        email=email.strip() if email else None,
        phone=_phone((listed if in_list else detailed).get("primaryPhone")),
        birth_date=birth_date(*born, today),
        has_detail=isinstance(detail, Mapping),
        city=as_text(address.get("city")),
        state=as_text(address.get("stateCode")),
        memberships=_memberships(memberships if isinstance(memberships, list) else detailed.get("memberships")),
    )


def listed_phone(list_item: Mapping[str, object]) -> str | None:
    """The phone that `customer_from` finds in this list item alone, for who needs nothing else of it."""
    return _phone(list_item.get("primaryPhone")) if as_id(list_item.get("id")) is not None else None


def birth_date(day: object, month: object, year: object, today: date | None = None) -> date | None:
    """The date that the three whole numbers name, or None where impossible, before 1900 or after `today`."""
    if type(day) is not int or type(month) is not int or type(year) is not int or year < _EARLIEST_BIRTH_YEAR:
        return None
    try:
        born = date(year, month, day)
    except (ValueError, OverflowError):
        return None
    return None if today is not None and born > today else born


def _born(value: object) -> tuple[object, object, object]:
    """Day, month and year. It is a gate, so every form that names a date counts: numbers, their digits, an ISO date."""
    if isinstance(value, str):
        moment = parse_moment(value)
        day = local_date(moment, PACIFIC) if moment else None
        return (day.day, day.month, day.year) if day else (None, None, None)
    parts = as_mapping(value)
    return _number(parts.get("day")), _number(parts.get("month")), _number(parts.get("year"))


def _number(value: object) -> object:
    digits = value.strip() if isinstance(value, str) else ""
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) <= 4 else value


def age_on(birth_date: date, today: date) -> int:
    """Full years; who was born on 29 February comes of age on 1 March of a common year."""
    return today.year - birth_date.year - ((today.month, today.day) < (birth_date.month, birth_date.day))


def is_under(birth_date: date, today: date, years: int = LEGAL_AGE) -> bool:
    """Whether the person is younger than `years` today."""
    return age_on(birth_date, today) < years


def last_birth_date(today: date, years: int = LEGAL_AGE) -> date:
    """The latest birth date of one who is not younger than `years` today: whoever was born after it `is_under`."""
    try:
        return today.replace(year=today.year - years)
    except ValueError:  # 29 February, and that was a common year
        return date(today.year - years, 2, 28)


def club_names(memberships: Iterable[Membership]) -> list[str]:
    """Names of the clubs, on hold or not, by joining (missing last), then id; once each, blanks skipped."""
    ordered = sorted(memberships, key=_by_joining)
    return list(dict.fromkeys(name for row in ordered if row.club_name and (name := row.club_name.strip())))


def club_status(memberships: Iterable[Membership]) -> str:
    """`Active` where any membership is not on hold, `On Hold` where all are, empty where there is none."""
    holds = [row.on_hold for row in memberships]
    if not holds:
        return ""
    return "On Hold" if all(holds) else "Active"


def earliest_membership(memberships: Iterable[Membership]) -> Moment | None:
    """When the customer first joined a club that he is still in, as an instant or a plain date."""
    return min((row.joined for row in memberships if row.joined is not None), key=instant, default=None)


def _by_joining(row: Membership) -> tuple[datetime, bool, int]:
    return (_LAST if row.joined is None else instant(row.joined), row.id is None, row.id or 0)


def _memberships(rows: object) -> tuple[Membership, ...]:
    found = []
    for row in as_rows(rows):
        club = as_mapping(row.get("club"))  # the detail names the club in an object, the list in `clubName`
        name = as_text(row.get("clubName")) or as_text(club.get("name"))
        membership_id = as_id(row.get("id"))
        if name or membership_id:  # an empty object is no membership
            found.append(Membership(membership_id, name, parse_moment(row.get("dateJoined")), row.get("hold") is True))
    return tuple(found)


def _phone(raw: object) -> str | None:
    phone = as_mapping(raw)
    number, country = phone.get("number"), phone.get("country")
    # A country of another type says nothing, and the number stands for itself.
    return nanp(
        number if isinstance(number, str) else None,
        country if isinstance(country, str | int) and not isinstance(country, bool) else None,
    )


def _either(name: str, first: Mapping[str, object], second: Mapping[str, object]) -> str | None:
    return as_text(first.get(name)) or as_text(second.get(name))
