"""Finds people's profiles by address, and by the id that is known of them, in as few requests as Klaviyo allows.

Data flow: `Sought` -> filters of up to 100 addresses -> `Found`.

How many values a filter takes, how long a URL may be, whether another case of letters is found, and whether the address
of a profile that was merged away finds the other one, is not known. So a filter that is refused is halved; an address
is asked for as it is written and in lower case; and where an answer shows anybody, those whom it does not show are
asked for again without the others, until an answer shows nobody: an address may have led to the profile of somebody
else, which the answer shows only once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from vs_st_pipeline.connectors.klaviyo.client import PAGE_SIZE, KlaviyoClient
from vs_st_pipeline.connectors.klaviyo.profile import Profile, email_key_of
from vs_st_pipeline.domain.crm import DELETED_THERE, OTHER_PRIMARY_EMAIL, SEVERAL_CONTACTS, Sought
from vs_st_pipeline.domain.errors import BadAnswer, Forbidden, Refused, TryLater

TOO_MUCH = (400, 414, 431)  # statuses of a filter that has too many values, or too long a URL
_BAD_IN_A_ROW = 5  # single reads that fail before it is the system's trouble, not one record's (routes.md R40)

Rows: TypeAlias = Sequence[Profile | None]
Read: TypeAlias = Callable[[Sequence[str]], Rows]
Take: TypeAlias = Callable[[Sequence[str], Rows, float], None]


@dataclass(frozen=True, slots=True)
class Found:
    """What was found of one person.

    Attributes:
        profile: theirs; None where there is none, or where `held`.
        held: one of the words of `domain.crm`.
        at: when the oldest answer's request left, by `time.monotonic()`.
        gone: the profile that was known is not there any more.
        renamed: the very profile that is known, which has another address now: what was done there may be to be undone.
    """

    profile: Profile | None
    at: float
    held: str | None = None
    gone: bool = False
    renamed: Profile | None = None

    @property
    def stands_by(self) -> Profile | None:
        """Return the profile by which the person stands to lists."""
        return self.profile or self.renamed


class Filter:
    """Learns how many values one filter takes; what it learned holds for the rest of the sync.

    Attributes:
        most: values that the next filter has at most.
        is_proven: that many were answered, or it was learned that fewer are.
        fault: of the last answer that said nothing; whoever it was about is passed over.
    """

    def __init__(self) -> None:
        self.most = PAGE_SIZE
        self.is_proven = False
        self.fault: BadAnswer | None = None
        self._refused = 0
        self._answered = False

    def ask(self, read: Read, values: Sequence[str], take: Take) -> None:
        """Ask for these values in as many requests as it takes; a value that is refused alone is passed over.

        Args:
            take: given the values of a request, its rows, and when it left by `time.monotonic()`.

        Raises:
            Refused: the request itself is at fault: some values were refused alone, and none was ever answered.
        """
        if len(values) > self.most:
            for at in range(0, len(values), self.most):
                self.ask(read, values[at : at + self.most], take)
            return
        asked_at = time.monotonic()
        try:
            rows = read(values) if values else ()
        except BadAnswer as error:
            self.fault = error
        except Refused as error:
            if error.http_status not in TOO_MUCH:
                raise
            if len(values) == 1 and self._refused >= _BAD_IN_A_ROW and not self._answered:
                raise
            self._halve(read, values, take)
        else:
            self._answered = True
            self.is_proven = self.is_proven or len(values) > 1
            take(values, rows, asked_at)

    def _halve(self, read: Read, values: Sequence[str], take: Take) -> None:
        refused, half = self._refused, (len(values) + 1) // 2
        if half == len(values):
            self._refused += 1
            return
        self.ask(read, values[:half], take)
        self.ask(read, values[half:], take)
        if self._refused == refused:  # nobody's address was at fault, so it was their number
            self.most, self.is_proven = min(self.most, half), True


@dataclass(slots=True)
class _Search:
    """One search for some people: what the answers have said until now, by address in lower case."""

    rows: dict[str, dict[str, Profile]] = field(default_factory=dict)
    elsewhere: set[str] = field(default_factory=set)
    none: set[str] = field(default_factory=set)
    at: dict[str, float] = field(default_factory=dict)


class Finder:
    """Finds people at one account."""

    def __init__(self, client: KlaviyoClient) -> None:
        self._client = client
        self._bad_reads = 0
        self.filter = Filter()

    def find(self, people: Sequence[Sought]) -> dict[str, Found]:
        """Return what was found, by `Sought.key`; whoever no answer covers is left out.

        Raises:
            BadAnswer: no answer said anything. Others: as the client does.
        """
        search, self.filter.fault = _Search(), None
        spelled = {one.key: list(dict.fromkeys((one.email.strip(), one.email_key))) for one in people}
        self._narrow(search, list(dict.fromkeys(address for some in spelled.values() for address in some)))
        found: dict[str, Found] = {}
        unseen = []
        for one in people:
            at, rows = search.at.get(one.email_key, 0.0), search.rows.get(one.email_key)
            if rows:
                found[one.key] = _chosen(one, rows, at)
            elif one.email_key in search.elsewhere:
                found[one.key] = Found(None, at, OTHER_PRIMARY_EMAIL)
            elif not all(address in search.none for address in spelled[one.key]):
                continue
            elif one.record_id is None:
                found[one.key] = Found(None, at)
            else:
                unseen.append(one)
        if self.filter.fault is not None and not (found or unseen):
            raise self.filter.fault
        return found | self._by_id(unseen, search.at)

    # By address.

    def _narrow(self, search: _Search, addresses: Sequence[str]) -> None:
        def take(values: Sequence[str], rows: Rows, asked_at: float) -> None:
            for value in values:
                search.at.setdefault(email_key_of(value), asked_at)
            self._take(search, values, rows)

        self.filter.ask(self._client.profiles, addresses, take)

    def _take(self, search: _Search, addresses: Sequence[str], rows: Rows) -> None:
        asked = {email_key_of(address) for address in addresses}
        theirs = [row for row in rows if row is not None and row.email_key in asked]
        for row in theirs:
            search.rows.setdefault(row.email_key, {})[row.id] = row
        rest = [address for address in addresses if email_key_of(address) not in search.rows]
        half = (len(rest) + 1) // 2
        if not rows:
            search.none.update(rest)
        elif theirs:
            self._narrow(search, rest)
        elif len(rest) > 1:
            self._narrow(search, rest[:half])
            self._narrow(search, rest[half:])
        elif rest:
            self._elsewhere(search, rest[0], rows)

    def _elsewhere(self, search: _Search, address: str, rows: Rows) -> None:
        """Ask once more for an address that led to somebody else: a merge says so twice, a wrong answer does not."""

        def take(values: Sequence[str], again: Rows, asked_at: float) -> None:
            key = email_key_of(address)
            if theirs := {row.id: row for row in again if row is not None and row.email_key == key}:
                search.rows[key] = theirs
            elif _ids(again) == _ids(rows) and None not in _ids(rows):
                search.elsewhere.add(key)

        self.filter.ask(self._client.profiles, [address], take)

    # By id.

    def _by_id(self, people: Sequence[Sought], at: Mapping[str, float]) -> dict[str, Found]:
        """Read the profiles that are known of people whose address finds none (consumers.md 6.2).

        That one is gone, or another one answers for it, is believed when a second read, after all first ones, says so
        too: what was written a moment ago may not show yet, and an answer may be another's.
        """
        first = [(one, told[0]) for one in people if (told := self._said(one))]
        found: dict[str, Found] = {}
        for one, said in first:
            if said is None or said.id != one.record_id:
                again = self._said(one)
                if not again or _ids(again).isdisjoint({one.record_id, *_ids([said])}):
                    continue
                said = again[0]
            when = at[one.email_key]
            if said is None:
                found[one.key] = Found(None, when, DELETED_THERE, gone=True)
            elif said.email_key == one.email_key:
                found[one.key] = Found(said, when)
            else:
                same = said if said.id == one.record_id else None  # else it was merged into somebody's
                found[one.key] = Found(None, when, OTHER_PRIMARY_EMAIL, renamed=same)
        return found

    def _said(self, person: Sought) -> Rows:
        """Return the known profile, None in its place where it is gone; nothing where no answer can be believed."""
        try:
            said = self._client.profile(str(person.record_id))
        except (Forbidden, Refused, BadAnswer, TryLater) as error:
            self._bad_reads += 1
            if self._bad_reads >= _BAD_IN_A_ROW or error.http_status == 429:
                raise
            return ()
        self._bad_reads = 0
        return (said,)

    # Of a list.

    def members(self, list_id: str, profiles: Sequence[Profile]) -> dict[str, bool]:
        """Say who is on a list, by profile id; whoever no answer covers is left out.

        Raises:
            BadAnswer: no answer said anything. Others: as the client does.
        """
        ids: dict[str, set[str]] = {}
        for one in profiles:
            ids.setdefault(one.email, set()).add(one.id)
        known: dict[str, bool] = {}
        doubted: list[str] = []
        self.filter.fault = None

        def read(values: Sequence[str]) -> Rows:
            try:
                return self._client.members(list_id, values)
            except Refused as error:
                if error.http_status != 404:
                    raise
            return ()  # there is no such list, so nobody is on it

        def take(values: Sequence[str], rows: Rows, asked_at: float) -> None:
            asked = set().union(*(ids[value] for value in values))
            shown = _ids(rows)
            known.update(dict.fromkeys(asked & shown, True))
            if shown <= asked and len(shown) == len(rows):
                known.update(dict.fromkeys(asked - shown, False))
            else:  # an answer that shows somebody else says nothing of those whom it does not show
                doubted.extend(value for value in values if not ids[value] <= shown)

        self.filter.ask(read, list(ids), take)
        again, doubted = doubted, []
        self.filter.ask(read, again, take)
        if self.filter.fault is not None and not known:
            raise self.filter.fault
        return known


def _ids(rows: Rows) -> set[str | None]:
    return {None if row is None else row.id for row in rows}


def _chosen(person: Sought, rows: dict[str, Profile], at: float) -> Found:
    if person.record_id in rows:
        return Found(rows[person.record_id], at)
    if len(rows) > 1:
        return Found(None, at, SEVERAL_CONTACTS)
    return Found(next(iter(rows.values())), at)
