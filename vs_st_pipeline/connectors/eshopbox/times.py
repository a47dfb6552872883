"""Reads Eshopbox's times, which carry no zone: `YYYY-MM-DD hh:mm:ss[.0]` of the workspace's (notices.md 3.2)."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final
from zoneinfo import ZoneInfo

_FORM: Final = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})(?:[T ]([0-9]{2}):([0-9]{2})(?::([0-9]{2}))?(?:[.,][0-9]{1,9})?)?"
    r"\s*(Z|UTC|[+-][0-9]{2}:?[0-9]{2})?",
    re.IGNORECASE,
)
_NULL: Final = re.compile(r"0000-00-00.*", re.DOTALL)


class UnreadableTime(ValueError):
    """A time that is given and cannot be read: never a guess."""


def read_time(value: Any, zone: ZoneInfo) -> datetime | None:
    """Return a time as UTC without zone; None where none is given (null, blank, `0000-00-00 ...`).

    Of an hour that comes twice the first is meant: an older time is told to nobody as news.

    Raises:
        UnreadableTime: something else stands there, or a date alone.
    """
    if value is None:
        return None
    if not isinstance(value, str):
        raise UnreadableTime
    return _read(value.strip(), zone)


@lru_cache(maxsize=4096)  # an order is read again and again, and says the same times
def _read(text: str, zone: ZoneInfo) -> datetime | None:
    if not text or _NULL.fullmatch(text):
        return None
    found = _FORM.fullmatch(text)
    if found is None or found[4] is None:
        raise UnreadableTime
    year, month, day, hour, minute, second = (int(part or 0) for part in found.groups()[:6])
    try:
        at = datetime(year, month, day, hour, minute, second)
        if found[7] is None:
            return at.replace(tzinfo=zone).astimezone(UTC).replace(tzinfo=None)
        return at - _offset(found[7])
    except (ValueError, OverflowError):
        raise UnreadableTime from None


def _offset(text: str) -> timedelta:
    if text[0] not in "+-":
        return timedelta(0)
    size = timedelta(hours=int(text[1:3]), minutes=int(text[-2:]))
    return -size if text[0] == "-" else size
