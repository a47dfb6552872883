"""Tells one failed delivery from the next (notices.md 3.8; rulings, notices 6). Pure.

Data flow: entries of one status of one unit, in order of arrival -> those of each occurrence.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from vs_st_pipeline.routes.notices.journey import Fact

APART: Final = timedelta(hours=4)  # entries less than this after the newest of an occurrence belong to it


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


def _time(entry: Fact) -> datetime:
    return entry.own_at if entry.own_at is not None and not entry.is_ahead else entry.seen_at


def _is_between(others: Sequence[int], first: int, last: int) -> bool:
    return any(first < place < last for place in others)
