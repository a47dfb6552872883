"""Tells one failed delivery from the next (notices.md 3.8; rulings, notices 6). Pure.

Data flow: entries of one status of one unit, in order of arrival -> those of each occurrence.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from vs_st_pipeline.routes.notices.journey import Fact

APART: Final = timedelta(hours=4)  # entries less than this after the newest of an occurrence belong to it
_AT_ALL: Final = timedelta.resolution  # of times that are known as a stretch: those that touch may be one


def parts(entries: Sequence[Fact], others: Sequence[int]) -> list[list[Fact]]:
    """Return the entries by occurrence, the first occurrence first.

    An entry of a history is one of its own from four hours after the newest entry before it; without a history another
    status must have been seen in between as well. One that is older than the newest known makes none: it belongs to the
    last occurrence if it is close to it, and else says nothing.

    Args:
        entries: in order of arrival.
        others: places (`Fact.seq`) at which another status of the unit was seen.
    """
    found: list[list[Fact]] = []
    newest = datetime.min
    for entry in entries:
        at = _time(entry)
        if not found or (
            at - newest >= APART and (entry.in_timeline or _is_between(others, found[-1][-1].seq, entry.seq))
        ):
            found.append([entry])
        elif at >= newest or _time(found[-1][0]) - at < APART:
            found[-1].append(entry)
        newest = max(newest, at)
    return found


@dataclass(frozen=True, slots=True)
class Announced:
    """An occurrence that a message has told of, as its claim knows it: not before `first`, not after `last`."""

    number: int
    first: datetime
    last: datetime


def numbered(found: Sequence[list[Fact]], announced: Sequence[Announced] = ()) -> list[tuple[int, list[Fact]]]:
    """Return occurrences with their numbers, from 1; what was announced keeps the number that it was announced by.

    A database that was lost, or is an older one, may see other entries than the one that announced them, and count
    otherwise. One that may be an announced occurrence is that one. One that comes before an announced one, and has no
    number left, says nothing.

    Args:
        found: as `parts` returns them.
    """
    numbers: list[tuple[int, list[Fact]]] = []
    newest = 0
    for part in found:
        first, last = min(map(_earliest, part)), max(map(_time, part))
        apart = APART if all(map(_is_certain, part)) else _AT_ALL
        same = [one.number for one in announced if one.first - last < apart and first - one.last < apart]
        number = max(same, default=0)
        if not same:
            number = 1 + max([newest, *(one.number for one in announced if first >= one.last)])
            if any(one.number <= number for one in announced if one.first >= last):
                continue
        if number > newest:
            numbers.append((number, list(part)))
            newest = number
        elif numbers:
            numbers[-1][1].extend(part)
    return numbers


def _is_certain(entry: Fact) -> bool:
    """Say whether it is known when an entry was, and not only by when."""
    return entry.by_hook or (entry.own_at is not None and not entry.is_ahead)


def _earliest(entry: Fact) -> datetime:
    """Return the moment before which an entry was not: its own time, else that of the last look without it."""
    if _is_certain(entry):
        return _time(entry)
    return entry.bound if entry.bound is not None and not entry.is_ahead else datetime.min


def _time(entry: Fact) -> datetime:
    return entry.own_at if entry.own_at is not None and not entry.is_ahead else entry.seen_at


def _is_between(others: Sequence[int], first: int, last: int) -> bool:
    return any(first < place < last for place in others)
