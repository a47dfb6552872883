"""Keeps what reads of a system without a history have shown of an order: which words, since when, what was taken back.

Data flow: the words that a read shows now, those that are stored -> the words that are stored then. Pure.

Commerce7 and Vinoshipper show how an order stands, and no timeline. So what was seen is kept; what a read contradicts
(a label that was cancelled) stands no longer, and comes back with its first time, never with a new one: no old order
becomes news by a replica that lags behind.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

from vs_st_pipeline.routes.notices.journey import Fact
from vs_st_pipeline.routes.notices.status_map import squeezed


@dataclass(frozen=True, slots=True)
class Word:
    """A word that a read shows now.

    Attributes:
        at: the source's own time of it (UTC without zone); None: it tells none.
        not_before: without one: it cannot have been so earlier, such as the begin of a day that the source tells.
    """

    text: str
    at: datetime | None = None
    not_before: datetime | None = None


@dataclass(frozen=True, slots=True)
class Kept:
    """A word as it is stored (staged.source_words). Times are UTC without zone."""

    seq: int
    text: str
    own_at: datetime | None
    bound: datetime | None
    seen_at: datetime
    stands: bool = True

    def fact(self, source: str, unit_key: str) -> Fact:
        """Return it as the journey reads it."""
        name = f"{source}.{self.text.replace('.', ' ')}"
        return Fact(self.seq, unit_key, name, self.seen_at, self.own_at, None if self.own_at else self.bound)


def keep(
    known: Sequence[Kept],
    shown: Iterable[Word],
    denied: Collection[str] | None,
    *,
    seen_at: datetime,
    less_at: datetime | None,
    placed_at: datetime | None,
    seq: int,
) -> list[Kept]:
    """Return what is stored after a read.

    Args:
        denied: words, squeezed, that the read says are not so; None: all that it does not show, for it is no unit.
        seen_at: of this read. less_at: of the one before it; None: there was none.
        placed_at: nothing of the order was so earlier; None: not known.
        seq: the first number that is free.
    """
    found = list(known)
    current = set[str]()
    for word in shown:
        key = squeezed(word.text)
        current.add(key)
        own = [one for one in found if squeezed(one.text) == key]
        back = [one for one in own if not one.stands]
        if back:
            found = [replace(one, stands=True) if one in back else one for one in found]
        if any(one.own_at == word.at for one in own) or (word.at is None and own):
            continue
        bound = max((at for at in (less_at, placed_at, word.not_before) if at is not None), default=None)
        found.append(Kept(seq, word.text, word.at, None if word.at is not None else bound, seen_at))
        seq += 1
    return [
        replace(one, stands=False)
        if squeezed(one.text) not in current and (denied is None or squeezed(one.text) in denied)
        else one
        for one in found
    ]


def at_of(moment: datetime | date | None, zone: ZoneInfo) -> tuple[datetime | None, datetime | None]:
    """Return a source's own time as UTC without zone, and before which it cannot have been where it tells but a day."""
    if isinstance(moment, datetime):
        return (moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment), None
    if isinstance(moment, date):
        return None, datetime.combine(moment, time(), zone).astimezone(UTC).replace(tzinfo=None)
    return None, None
