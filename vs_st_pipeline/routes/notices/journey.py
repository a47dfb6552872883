"""Works out what became of a shipment, a return or an order from what reads and hooks have said (notices.md 3.5-3.8).

Data flow: facts in order of arrival -> one `Event` per status and occurrence; `newest` says which one stands (5.4).

Pure: no clock, no file, no network. The facts are only ever added to, so the same work gives the same numbers again:
an occurrence that was given stays, whatever comes later; one that a message has told of stays in every database.

It is long because what an event is, when it was, and which one stands are worked out from the same facts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Final

import msgspec

from vs_st_pipeline.routes.notices import occurrences
from vs_st_pipeline.routes.notices.occurrences import Announced
from vs_st_pipeline.routes.notices.status_map import Meaning, StatusMap, squeezed
from vs_st_pipeline.routes.notices.words import Basis, Noted

AHEAD: Final = timedelta(minutes=5)  # an own time further ahead of its read is none
ONE_TIME: Final = timedelta(minutes=30)  # own times less far apart say nothing about which status is newer
ATTEMPT: Final = "outfordelivery"  # the one word that makes a lower status newer than a failed delivery
ANSWER: Final = "ndrresolutionsubmitted"  # the customer's answer to a failed delivery has been handed in
_BY_SEQ: Final = attrgetter("seq")


class Fact(msgspec.Struct, frozen=True, gc=False):
    """One thing that a read or a hook said of a unit.

    Attributes:
        seq: order of arrival; of one read, the order of its timeline.
        unit_key: whose it is. name: `eshopbox.shipment.packed`, as the map writes it.
        seen_at: when it was read, or the hook came (UTC without zone).
        own_at: the source's own time of it; None: it told none.
        bound: without one: an earlier moment at which it was not so yet; None: none is known.
        by_hook: a hook said so, and no read.
        in_timeline: an entry of a history, which shows earlier ones too.
    """

    seq: int
    unit_key: str
    name: str
    seen_at: datetime
    own_at: datetime | None = None
    bound: datetime | None = None
    by_hook: bool = False
    in_timeline: bool = False

    @property
    def word(self) -> str:
        """Return the source's own word."""
        return self.name.rpartition(".")[2]

    @property
    def is_ahead(self) -> bool:
        """Say whether its own time lies in a future that cannot be."""
        return self.own_at is not None and self.own_at - self.seen_at > AHEAD

    @property
    def time(self) -> tuple[datetime | None, Basis | None]:
        """Return when it came to be so, as far as a read can say, and what that rests on."""
        if self.is_ahead:
            return None, None
        if self.own_at is not None:
            return self.own_at, Basis.READ
        return (self.bound, Basis.BETWEEN) if self.bound is not None else (None, None)


class Event(msgspec.Struct, frozen=True, gc=False):
    """A unit reached a status. Times are UTC without zone.

    Attributes:
        word: the newest of the source's words for it.
        occurred_at: first of the names of this status; None: not known. last_at: newest of them.
        basis: None exactly if occurred_at is.
        confirmed: a read shows it, or it needs none. hook_at: when a hook told it first.
        attempt_at: newest own time at which a courier was out to deliver.
        answered_at: when the customer's answer to it was handed in; None: it was not.
    """

    unit_key: str
    status: str
    occurrence: int
    rank: int
    ends: bool
    repeats: bool
    word: str
    occurred_at: datetime | None
    last_at: datetime | None
    basis: Basis | None
    confirmed: bool
    hook_at: datetime | None = None
    attempt_at: datetime | None = None
    answered_at: datetime | None = None
    noted: str | None = None
    evidence: Mapping[str, str | None] = msgspec.field(default_factory=dict)


def newest(events: Iterable[Event], *, unconfirmed: bool = False) -> Event | None:
    """Return the status that a unit is in (5.4; rulings, notices 13 and 14); None: no event.

    Args:
        events: of one unit, in any order. unconfirmed: count what only hooks say, too.
    """
    among = [one for one in events if one.confirmed or unconfirmed]
    if not among:
        return None
    among = [one for one in among if one.ends] or among
    among.sort(key=_from_the_top)
    found = among[0]
    for one in among[1:]:
        if _is_newer(one, found):
            found = one
    return found


def _from_the_top(one: Event) -> tuple[int, str, int]:
    return -one.rank, one.status, -one.occurrence


def _is_newer(lower: Event, than: Event) -> bool:
    """Say whether an event of no greater rank is newer: by times of the source's own alone, and clearly so."""
    if lower.status == than.status or lower.basis != Basis.READ or than.basis != Basis.READ:
        return False
    at = lower.attempt_at if than.repeats else lower.last_at
    return at is not None and than.last_at is not None and at - than.last_at >= ONE_TIME


AnnouncedOf = Mapping[tuple[str, str], Sequence[Announced]]
"""By unit and status: the occurrences that messages have told of."""


def events_of(
    facts: Iterable[Fact],
    statuses: StatusMap,
    *,
    hooks_count: frozenset[str] = frozenset(),
    announced: AnnouncedOf | None = None,
) -> list[Event]:
    """Return what happened to each unit, as reads show it, and hooks where they count.

    What only a hook says is there as not confirmed, unless a read shows that status, or a newer one, of its unit.

    Args:
        facts: of whole units, in order of arrival.
        hooks_count: resources (`shipment`, `return`) of which no read ever showed a status: a hook's word counts (3.7).
        announced: what messages have told of; None: nothing.
    """
    by_unit: dict[str, list[Fact]] = {}
    for fact in sorted(facts, key=_BY_SEQ):
        by_unit.setdefault(fact.unit_key, []).append(fact)
    found: list[Event] = []
    for unit_key, own in by_unit.items():
        shown = [fact for fact in own if not fact.by_hook]
        hooks = [fact for fact in own if fact.by_hook]
        counting = [fact for fact in hooks if _resource(fact) in hooks_count]
        events = _events(unit_key, sorted([*shown, *counting], key=_BY_SEQ), statuses, announced or {})
        found += events
        found += _unconfirmed(unit_key, [fact for fact in hooks if fact not in counting], events, statuses)
    return found


def _resource(fact: Fact) -> str:
    return fact.name.split(".")[1] if fact.name.count(".") > 1 else ""


def _events(unit_key: str, facts: Sequence[Fact], statuses: StatusMap, announced: AnnouncedOf) -> list[Event]:
    by_status: dict[str, list[Fact]] = {}
    for fact in facts:
        if (meaning := statuses.of(fact.name)) is not None:
            by_status.setdefault(meaning.key, []).append(fact)
    found: list[Event] = []
    for key, own in by_status.items():
        meaning = statuses.of_key[key]
        if not meaning.repeats:
            found.append(_event(unit_key, meaning, 1, own))
            continue
        others = [fact.seq for other, rest in by_status.items() if other != key for fact in rest]
        parts = occurrences.numbered(occurrences.parts(own, others), announced.get((unit_key, key), ()))
        answers = [fact for fact in facts if squeezed(fact.word) == ANSWER]
        for place, (number, part) in enumerate(parts, 1):
            following = parts[place][1] if place < len(parts) else None
            found.append(_event(unit_key, meaning, number, part, answered_at=_answered(answers, part, following)))
    return found


def _event(
    unit_key: str, meaning: Meaning, number: int, facts: Sequence[Fact], *, answered_at: datetime | None = None
) -> Event:
    by_name: dict[str, list[Fact]] = {}
    own: list[datetime] = []
    attempts: list[datetime] = []
    is_ahead = False
    for fact in facts:
        by_name.setdefault(fact.name, []).append(fact)
        if fact.own_at is None:
            continue
        if fact.is_ahead:
            is_ahead = True
            continue
        own.append(fact.own_at)
        if squeezed(fact.word) == ATTEMPT:
            attempts.append(fact.own_at)
    best = [_best(same) for same in by_name.values()]
    times = [(at, basis) for at, basis in best if at is not None]
    known = len(times) == len(best)  # one name of unknown time may be older than all the others
    occurred_at, basis = min(times, default=(None, None), key=_first)
    return Event(
        unit_key,
        meaning.key,
        number,
        meaning.rank,
        meaning.ends,
        meaning.repeats,
        max(facts, key=lambda one: (one.own_at or one.seen_at, one.seq)).word,
        occurred_at if known else None,
        max(own or [at for at, _ in times], default=None),
        basis if known else None,
        confirmed=True,
        hook_at=min((fact.seen_at for fact in facts if fact.by_hook), default=None),
        attempt_at=max(attempts, default=None),
        answered_at=answered_at,
        noted=Noted.CLOCK_AHEAD if is_ahead else None,
        evidence=_evidence(facts),
    )


def _first(time: tuple[datetime, Basis | None]) -> datetime:
    return time[0]


def _best(facts: Sequence[Fact]) -> tuple[datetime | None, Basis | None]:
    """Return the time of one name: the source's own, else between two reads, else a hook's receipt; of each the first.

    A name with a time that cannot be has none at all: what else is known of it may be as wrong.
    """
    if any(fact.is_ahead for fact in facts):
        return None, None
    read = [fact for fact in facts if not fact.by_hook]
    for basis in (Basis.READ, Basis.BETWEEN):
        if times := [at for at, by in (fact.time for fact in read) if by == basis and at is not None]:
            return min(times), basis
    if read:
        return None, None
    return min(fact.seen_at for fact in facts), Basis.HOOK


def _answered(answers: Sequence[Fact], part: Sequence[Fact], following: Sequence[Fact] | None) -> datetime | None:
    """Return when an occurrence was answered: after its first entry, and before the next occurrence."""
    for one in answers:
        if not _is_before(one, part) and (following is None or _is_before(one, following)):
            return one.own_at if one.own_at is not None and not one.is_ahead else one.seen_at
    return None


def _is_before(one: Fact, part: Sequence[Fact]) -> bool:
    times = [fact.own_at for fact in part]
    if one.own_at is not None and times[0] is not None:
        return one.own_at < min(at for at in times if at is not None)
    return one.seq < part[0].seq


def _unconfirmed(unit_key: str, hooks: Sequence[Fact], shown: Sequence[Event], statuses: StatusMap) -> list[Event]:
    """Return what only hooks say: no read shows that status, or a newer one, of the unit (3.8)."""
    now = newest(shown)
    found: dict[str, Event] = {}
    for fact in hooks:
        meaning = statuses.of(fact.name)
        if meaning is None or meaning.key in found or _is_shown(meaning, now, shown):
            continue
        number = 1 + max((one.occurrence for one in shown if one.status == meaning.key), default=0)
        found[meaning.key] = Event(
            unit_key,
            meaning.key,
            number,
            meaning.rank,
            meaning.ends,
            meaning.repeats,
            fact.word,
            None,
            None,
            None,
            confirmed=False,
            hook_at=fact.seen_at,
            evidence=_evidence([fact]),
        )
    return list(found.values())


def _is_shown(meaning: Meaning, now: Event | None, shown: Sequence[Event]) -> bool:
    if now is None:
        return False
    if now.status == meaning.key or (now.ends and not meaning.ends):
        return True
    if not meaning.repeats and any(one.status == meaning.key for one in shown):
        return True
    return now.rank > meaning.rank and now.ends >= meaning.ends


def _evidence(facts: Sequence[Fact]) -> dict[str, str | None]:
    """Return what the event rests on: each of the source's words, with the first of its own times, else the look."""
    found: dict[str, str | None] = {}
    for fact in facts:
        told = "hook" if fact.by_hook else "read"
        at = fact.own_at if fact.own_at is not None else fact.seen_at
        found.setdefault(f"{told} {fact.word}", at.isoformat())
    return found
