"""Reads values out of loose JSON and writes them as text: moments, dates, money, words.

The readers (`as_...`) never raise: a value of the wrong type counts as missing. An API that answers a number where it
used to answer an object then costs one value, not the sync.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Context, Decimal
from functools import lru_cache
from typing import Any, Literal, TypeAlias, TypeVar
from zoneinfo import ZoneInfo, available_timezones

Moment: TypeAlias = date | datetime
"""A plain date, or an aware date-time in UTC. The type tells which, because only a date-time has a zone."""

T = TypeVar("T", bound=date)

PACIFIC = ZoneInfo("America/Los_Angeles")
"""The zone in which a day begins, and of a time that names none where its connector knows no other."""

_MOMENT = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})"
    r"(?:[T ]([0-9]{2}:[0-9]{2}(?::[0-9]{2})?)(?:[.,]([0-9]+))? ?(Z|[+-][0-9]{2}(?::?[0-9]{2})?)?"
    r"(?:\[([A-Z][A-Z0-9_+/-]*)\])?)?"
)
_YEARS = range(1900, 3000)  # years outside are placeholders such as 0001-01-01 and 9999-12-31
FIRST_YEAR = 1971  # no shop has dates of its own before it: 1900-01-01 and 1970-01-01 are placeholders
_CENT = Decimal("0.01")
_WIDEST = 20  # digits before the point; no order costs more
_EXACT = Context(prec=_WIDEST + 4, rounding=ROUND_HALF_UP)
_DECIMAL = re.compile(r"[+-]?\$?(?:[0-9]{1,20}|[0-9]{1,3}(?:,[0-9]{3}){1,6})(?:\.[0-9]{1,20})?", re.ASCII)
_THOUSANDS_OR_PARTS = re.compile(r"[+-]?\$?[1-9][0-9]{0,2}\.[0-9]{3}", re.ASCII)  # where the point may be a comma
_ID = re.compile(r"[0-9]{1,18}", re.ASCII)
_EMAIL = re.compile(r"[^@\s,;<>]+@[^@\s,;<>.]+(?:\.[^@\s,;<>.]+)+")
_BREAKS = re.compile(r"[_\s]+")


def humanize(span: timedelta) -> str:
    """Return a span of time in its largest fitting unit: `3 d`, `5 h`, `40 min` or `12 s`; never negative."""
    seconds = max(span.total_seconds(), 0.0)
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def counted(count: int, what: str, width: int = 0) -> str:
    """Return a number with its noun: `1 order of today`, `2 orders of today`.

    Args:
        what: what is counted, its noun first and in the plural. width: of the number, at least.
    """
    noun, blank, rest = what.partition(" ")
    return f"{count:{width}} {_singular(noun) if count == 1 else noun}{blank}{rest}"


def _singular(noun: str) -> str:
    if noun in _OF_ONE:
        return _OF_ONE[noun]
    return noun if noun.endswith("ss") else noun.removesuffix("s")


_OF_ONE = {"people": "person", "entries": "entry", "replies": "reply", "tries": "try"}


def parse_moment(text: object, zone: ZoneInfo = PACIFIC) -> Moment | None:
    """Return the date or the instant that a text gives, or None where it gives none.

    `2025-02-11` stays a date. A date-time becomes UTC: `Z`, `-07:00`, `-0700` or `-07`, any number of fractional digits
    (cut to microseconds), a blank for the `T`, and Java's `[America/Los_Angeles]` behind it, which counts where there
    is no offset. One without both is taken in `zone`; of an hour that occurs twice, the first.
    """
    return _parse_moment(text, zone) if isinstance(text, str) else None


@lru_cache(maxsize=1 << 14)  # many customers have the same days, and a row's moments are asked for more than once
def _parse_moment(text: str, zone: ZoneInfo) -> Moment | None:
    found = _MOMENT.fullmatch(text.strip().upper())
    if found is None:
        return None
    day, time, fraction, offset, zone_name = found.groups()
    try:
        if int(day[:4]) not in _YEARS:
            return None
        if time is None:
            return date.fromisoformat(day)
        if fraction and len(time) == 5:  # a fraction of a minute is not a date-time in any known form
            return None
        moment = datetime.fromisoformat(f"{day}T{time}{f'.{fraction[:6]:0<6}' if fraction else ''}{offset or ''}")
    except ValueError:
        return None
    if offset:
        return moment.astimezone(UTC)
    said = _zone(zone_name) if zone_name else zone
    return moment.replace(tzinfo=said).astimezone(UTC) if said else None


@lru_cache(maxsize=64)
def _zone(name: str) -> ZoneInfo | None:
    known = {one.upper(): one for one in available_timezones()}
    return ZoneInfo(known[name]) if name in known else None


def calendar_date(text: object) -> date | None:
    """Return the date part of a text literally, for a day of the calendar, which has no zone (`customerSince`).

    Java serves such a day as `1985-05-17T00:00:00.000Z`; converted through a zone it would become the day before.
    """
    if parse_moment(text) is None:
        return None
    return date.fromisoformat(str(text).strip()[:10])


def dated(moment: T | None) -> T | None:
    """Return the date or moment, or None where it is too old to be the shop's own and so a placeholder."""
    return moment if moment is not None and moment.year >= FIRST_YEAR else None


def instant(moment: Moment) -> datetime:
    """Return the moment as an aware UTC date-time, for comparing; a plain date is its midnight in Pacific time."""
    if isinstance(moment, datetime):
        return moment
    return _midnight(moment)


@lru_cache(maxsize=1 << 14)  # 45 years of dates; every order of every contact asks for `customerSince`
def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=PACIFIC).astimezone(UTC)


def local_date(moment: Moment, zone: ZoneInfo) -> date:
    """Return the calendar date in the merchant's zone; a plain date has no zone and is returned unchanged."""
    return moment.astimezone(zone).date() if isinstance(moment, datetime) else moment


def us_date(day: date) -> str:
    """Return `MM/DD/YYYY`, as dates are written in the United States."""
    return f"{day.month:02}/{day.day:02}/{day.year:04}"


def iso_date(day: date) -> str:
    """Return `YYYY-MM-DD`, as in ISO 8601."""
    return f"{day.year:04}-{day.month:02}-{day.day:02}"


def money(amount: Decimal | int | None) -> str | None:
    """Return dollars with two places, half up, no thousands separator; None for no amount (None, NaN, infinite).

    Raises:
        TypeError: the amount is a float.
    """
    if amount is None:
        return None
    if isinstance(amount, float):
        raise TypeError("money is Decimal, never float")
    exact = Decimal(amount)
    if not exact.is_finite() or exact.adjusted() >= _WIDEST:
        return None
    rounded = exact.quantize(_CENT, context=_EXACT)
    return f"{rounded:f}" if rounded else "0.00"  # no "-0.00"


def title_case(code: str) -> str:
    """Return `LABELS_GENERATED` as `Labels Generated`; a value never seen before becomes readable the same way."""
    return " ".join(word.capitalize() for word in _BREAKS.split(code) if word)


ValueType: TypeAlias = Literal["text", "number", "date", "list"]
"""What a value is, whatever it is about; decides in which forms it can be written."""


@dataclass(frozen=True, slots=True)
class Format:
    """A way to write a value that is not missing: `types` are the types it fits, `write` takes the merchant's zone."""

    types: tuple[ValueType, ...]
    description: str
    write: Callable[[Any, ZoneInfo], str]


def _text(value: object, zone: ZoneInfo) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, date):
        return iso_date(local_date(value, zone))
    if isinstance(value, Decimal):
        return money(value) or ""  # the only numbers with a fraction are dollars
    return ", ".join(value) if isinstance(value, list) else str(value)


def _integer(value: Decimal | int, zone: ZoneInfo) -> str:
    del zone
    return f"{Decimal(value).to_integral_value(ROUND_HALF_UP) + 0:f}"  # + 0: no "-0"


FORMATS: dict[str, Format] = {
    "text": Format(("text", "number", "date", "list"), "as it comes; several joined by ', '", _text),
    "date": Format(("date",), "MM/DD/YYYY in the merchant's time zone", lambda at, zone: us_date(local_date(at, zone))),
    "iso_date": Format(("date",), "YYYY-MM-DD in the merchant's time zone", _text),
    "money": Format(("number",), "two places, half up: 1234.50", lambda amount, zone: money(amount) or ""),
    "integer": Format(("number",), "whole number, half up: 7", _integer),
    "words": Format(("text",), "LABELS_GENERATED as Labels Generated", lambda code, zone: title_case(code)),
    "list": Format(("list",), "joined by ', '", _text),
}
"""The names that a field map may use in `as`."""


def as_mapping(value: object) -> Mapping[str, object]:
    """Return the object, or an empty one where the value is not an object."""
    if type(value) is dict:  # nearly always, and far faster to test than a Mapping
        return value
    return value if isinstance(value, Mapping) else {}


def as_rows(value: object) -> list[Mapping[str, object]]:
    """Return the objects of a list, in order; everything else in it is left out."""
    return [row for row in value if isinstance(row, Mapping)] if isinstance(value, list | tuple) else []


def as_text(value: object) -> str | None:
    """Return the text as it comes, or None where it is not a text or is blank."""
    return value if isinstance(value, str) and value.strip() else None


def as_flag(value: object) -> bool | None:
    """Return true or false, also from a text in any case; None for anything else."""
    if isinstance(value, str) and value.strip().lower() in ("true", "false"):
        return value.strip().lower() == "true"
    return value if isinstance(value, bool) else None


def as_code(value: object) -> str | None:
    """Return a text that may come as a whole number (order and tracking numbers), or None."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else as_text(value)


def as_email(value: object) -> str | None:
    """Return an e-mail address without outer blanks, or None where it is not one (`n/a`, `none`, two of them)."""
    text = value.strip() if isinstance(value, str) else ""
    return text if _EMAIL.fullmatch(text) else None


def as_id(value: object) -> int | None:
    """Return a positive whole number that fits into eight bytes, or None; digits as text and `700103.0` count too."""
    if isinstance(value, str) and _ID.fullmatch(value.strip()):
        value = int(value)
    if isinstance(value, Decimal) and abs(value.adjusted()) < _WIDEST and value == value.to_integral_value():
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 2**63 else None


def as_decimal(value: object) -> Decimal | None:
    """Return an exact amount from Decimal, int or text (`1200.5`, `1,200.50`, `$1,200.50`), or None.

    The text `1.200` is None as well, because much of the world reads it as twelve hundred.

    A float can only come from a decoder that was set up without Decimal. It is read by its shortest text (128.71, not
    128.7099...), because a total left out would make a wrong sum.
    """
    if isinstance(value, bool) or (isinstance(value, str) and _THOUSANDS_OR_PARTS.fullmatch(value.strip())):
        return None
    if isinstance(value, float):
        value = Decimal(repr(value))
    elif isinstance(value, int) or (isinstance(value, str) and _DECIMAL.fullmatch(value.strip())):
        value = Decimal(value.strip().replace(",", "").replace("$", "") if isinstance(value, str) else value)
    if not isinstance(value, Decimal) or not value.is_finite() or value.adjusted() >= _WIDEST:
        return None
    return value
