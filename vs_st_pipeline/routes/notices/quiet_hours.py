"""Says whether it is quiet at an instant, in any of several zones, and until when (notices.md 5.15).

Data flow: now, from, to, zones -> the end of the quiet stretch, or None. Pure: no clock, no file, no network.

    a usual night             [from, to) by the clock on the wall
    an hour that comes twice  a stretch that begins in it begins the first time, one that ends in it ends the second
    an hour that is missing   a stretch that would begin or end in it does so when the clock is put forward
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

_MICROSECOND: Final = timedelta(microseconds=1)
_DAY: Final = timedelta(days=1)
_LONGEST: Final = timedelta(days=3)  # of zones whose nights leave no hour free
_STRETCHES_KEPT: Final = 4096


def quiet_until(now: datetime, start: time, end: time, zones: Iterable[str]) -> datetime | None:
    """Return when it is quiet in none of the zones any more; None where it is quiet in none now.

    Args:
        now: UTC without zone, like what is returned.
        start: when quiet begins; that very moment is quiet. end: when it is over; that moment is not. Where both are
            one time, which settings refuse, no moment is free.
        zones: IANA names.
    """
    names, until = tuple(zones), now
    while until - now < _LONGEST:
        later = [stretch for zone in names if (stretch := _end_of(until, start, end, zone)) is not None]
        if not later:
            break
        until = max(later)
    return until if until > now else None


def _end_of(now: datetime, start: time, end: time, zone: str) -> datetime | None:
    """Return the end of the stretch that an instant lies in, None where it lies in none."""
    here = now.replace(tzinfo=UTC).astimezone(_zone(zone)).date()
    found = []
    for day in (here - _DAY, here, here + _DAY):
        begins, ends = _stretch(day, start, end, zone)
        if begins <= now < ends:
            found.append(ends)
    return max(found, default=None)


@lru_cache(maxsize=_STRETCHES_KEPT)
def _stretch(day: date, start: time, end: time, zone: str) -> tuple[datetime, datetime]:
    """Return the quiet stretch that begins on a day: from its first moment to the moment after its last, in UTC."""
    over = day if start < end else day + _DAY
    return _instant(datetime.combine(day, start), _zone(zone), last=False), _instant(
        datetime.combine(over, end), _zone(zone), last=True
    )


def _instant(wall: datetime, zone: ZoneInfo, *, last: bool) -> datetime:
    """Return the instant at which the clock on the wall first shows this or more; `last`: from which on it does."""
    first, second = _at(wall, zone, 0), _at(wall, zone, 1)
    if not _is_shown(wall, first, zone):  # a missing hour: the clock jumps over it
        return _jump(second, first, zone)
    if last and not _comes_twice_from(wall, zone):
        return second
    return first


def _comes_twice_from(wall: datetime, zone: ZoneInfo) -> bool:
    """Say whether the hour that comes twice begins with this moment: nothing before it comes back."""
    before = wall - _MICROSECOND
    return _at(before, zone, 0) == _at(before, zone, 1)


def _is_shown(wall: datetime, at: datetime, zone: ZoneInfo) -> bool:
    """Say whether the clock on the wall shows this at an instant."""
    return at.replace(tzinfo=UTC).astimezone(zone).replace(tzinfo=None) == wall


def _at(wall: datetime, zone: ZoneInfo, fold: int) -> datetime:
    return wall.replace(tzinfo=zone, fold=fold).astimezone(UTC).replace(tzinfo=None)


def _jump(low: datetime, high: datetime, zone: ZoneInfo) -> datetime:
    """Return the instant between two at which the clock is put forward."""
    before = low.replace(tzinfo=UTC).astimezone(zone).utcoffset()
    while high - low > _MICROSECOND:
        middle = low + (high - low) / 2
        if middle.replace(tzinfo=UTC).astimezone(zone).utcoffset() == before:
            low = middle
        else:
            high = middle
    return high


@lru_cache(maxsize=512)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)
