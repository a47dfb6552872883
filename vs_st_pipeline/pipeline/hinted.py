"""Gives a targeted sync its hints, counts what they may cost, and settles them in the inbox when it has ended.

Data flow: Inbox -> HintDesk (claimed hints, limits) -> the route's targeted sync -> outcomes -> Inbox.

A route says what it wants (`Hinted.wants`) and how it syncs only what is hinted at (`Hinted.run`); nothing here knows a
system. The limits are those of webhooks-onboarding.md H25 and H27.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from vs_st_pipeline.domain.hints import Hint, HintState, Outcome, name_of_account
from vs_st_pipeline.domain.report import Report
from vs_st_pipeline.platform.failpoints import failpoint
from vs_st_pipeline.platform.inbox.store import Inbox, Record
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.settings.merchants import Merchant

MOST_RECORDS = 10  # in one targeted sync (H25)
MOST_REQUESTS = 20  # at each source
MOST_GONE = 60  # reads in an hour that answered 404 for ids in no stored list (H27)


@dataclass(slots=True)
class HintDesk:
    """What a targeted sync asks about its hints, and tells of them. Made by who starts it; used by one thread.

    Attributes:
        records: with waiting hints that are due, as `claim` will take them.
        owner: who claims.
        rates: requests a second that hints may use, by system (`share` x `requests_per_second`).
        hints: claimed, by number.
        hand_over: the route's; hints that are settled as handed over go through it, under the same lock.
        settled: what became of each, by number.
        failed: kind of the error that kept a hint from being settled, by number.
        put_off: seconds after which a hint that was not come to is due again, by number.
        written: when the last ledger commit was that a hint led to, by number; epoch seconds.
    """

    inbox: Inbox
    merchant: str
    route: str
    records: Sequence[Record]
    owner: str
    rates: Mapping[str, float] = field(default_factory=dict)
    hand_over: HandOver | None = None
    hints: dict[int, Hint] = field(default_factory=dict)
    settled: dict[int, tuple[Outcome, HintState]] = field(default_factory=dict)
    failed: dict[int, str] = field(default_factory=dict)
    put_off: dict[int, float] = field(default_factory=dict)
    written: dict[int, float] = field(default_factory=dict)
    asked: dict[str, int] = field(default_factory=dict)
    run: Run | None = None
    finished: bool = False
    _noted: set[tuple[str, str, str]] = field(default_factory=set)

    def claim(self, run: Run) -> list[Hint]:
        """Claim the hints, under the route's sync lock, before the first request (H18); oldest first."""
        self.run = run
        claimed = self.inbox.claim(self.records, self.owner, run_id=run.run_id)
        self.hints = {hint.hint: hint for hint in claimed}
        return claimed

    def may_ask(self, system: str, requests: int = 1, *, most: int | None = MOST_REQUESTS) -> bool:
        """Take requests from what hints may use; False where a hint is to be handed over in place of them.

        Args:
            most: of this system in one targeted sync; None: as many as the share allows, as at a destination (H25).
        """
        if most is not None and self.asked.get(system, 0) + requests > most:
            return False
        if system in self.rates and not self.inbox.spend(self.merchant, system, requests, self.rates[system]):
            return False
        self.asked[system] = self.asked.get(system, 0) + requests
        return True

    def is_flooded(self) -> bool:
        """Say whether ids in no stored list are dropped for now: too many of them answered 404."""
        return self.inbox.gone_reads(self.merchant) >= MOST_GONE

    def note_read(self, hint: Hint, *, news: bool, gone: bool = False) -> None:
        """Note that a hint's record was read, once in this sync, however many hints it has; `Inbox.note_read`."""
        if hint.record in self._noted:
            return
        self._noted.add(hint.record)
        system, kind, record = hint.record
        self.inbox.note_read(self.merchant, system, kind, record, news=news, gone=gone, route=self.route)

    def settle(self, hints: Iterable[Hint], outcome: Outcome) -> None:
        """Say what became of hints; what is said first stands, but that something was written."""
        for hint in hints:
            if outcome is Outcome.WRITTEN:
                self.written[hint.hint] = time.time()
            elif hint.hint in self.settled:
                continue
            state = HintState.DROPPED if outcome is Outcome.OVER_LIMIT else HintState.DONE
            self.settled[hint.hint] = outcome, state

    def fail(self, hints: Iterable[Hint], kind: str) -> None:
        """Say that these hints could not be settled, by which kind of error; they wait for their next try (H30)."""
        self.failed.update((hint.hint, kind) for hint in hints)

    def leave(self, hints: Iterable[Hint], seconds: float = 0.0) -> None:
        """Leave hints to a later targeted sync, because this one is full: that is no try, and no failure.

        Args:
            seconds: until they are due again; 0: at once.
        """
        self.put_off.update((hint.hint, seconds) for hint in hints)

    def finish(self, report: Report) -> None:
        """Settle in the inbox what was settled here, and fill in the report; who started the sync has the rest.

        What is handed over is stored in the route's own database first: a crash in between repeats, and never loses.
        """
        handed = [self.hints[number] for number, (what, _) in self.settled.items() if what is Outcome.HANDED_OVER]
        if handed and self.hand_over is not None and self.run is not None:
            self.hand_over(self.run, handed)
            failpoint("handed over")
        groups: dict[tuple[Outcome, HintState, float | None], list[Hint]] = {}
        for number, (outcome, state) in self.settled.items():
            groups.setdefault((outcome, state, self.written.get(number)), []).append(self.hints[number])
        for (outcome, state, at), hints in groups.items():
            self.inbox.settle(hints, outcome, run_id=report.run_id, written_at=at, state=state)
        if handed:
            self.inbox.want_whole(self.merchant, self.route)
        self.finished = True
        self.tell(report)

    def break_off(self, report: Report) -> None:
        """Settle what was settled here of a sync that failed before it could finish; what it handed over waits."""
        if self.finished:
            return
        handed = [number for number, (what, _) in self.settled.items() if what is Outcome.HANDED_OVER]
        for number in handed:
            del self.settled[number]
        self.finish(report)

    def tell(self, report: Report) -> None:
        """Fill in the report."""
        report.trigger = "hint"
        report.hints["taken"] = sum(number > 0 for number in self.hints)  # one that is asked once more has no hint
        report.hints["records"] = len({hint.record for hint in self.hints.values()})
        report.hints["handed_over"] = sum(what is Outcome.HANDED_OVER for what, _ in self.settled.values())
        report.hints["dropped"] = sum(state is HintState.DROPPED for _, state in self.settled.values())
        lags = [at - self.hints[number].stored_at for number, at in self.written.items()]
        report.lag_seconds = max(lags, default=None)

    @property
    def open(self) -> list[Hint]:
        """Return the claimed hints that were not settled: they wait again."""
        return [hint for number, hint in self.hints.items() if number not in self.settled]


class RunHinted(Protocol):
    """Syncs only what is hinted at; never raises, what went wrong is in the report.

    Under the route's sync lock it claims (`desk.claim`), reads, plans and writes by the same way as a whole sync, and
    says of each hint what became of it (`desk.settle`). It finishes the desk itself (`desk.finish`) before it lets the
    lock go.
    """

    def __call__(self, run: Run, desk: HintDesk, /) -> Report: ...


@dataclass(frozen=True, slots=True)
class Hinted:
    """How a route takes hints.

    Attributes:
        wants: kinds of records by system.
        run: the targeted sync.
        hand_over: stores hints in the merchant's own database, at the head of the queue of a whole sync, in one
            transaction; the inbox is told afterwards (H26). Under the route's sync lock. What it was given before does
            no harm.
        shared: how it takes calls about accounts that several merchants share; None: it has none.
    """

    wants: Mapping[str, frozenset[str]]
    run: RunHinted
    hand_over: HandOver
    shared: SharedHints | None = None


@dataclass(frozen=True, slots=True)
class SharedHints:
    """How a route takes calls about accounts that several merchants share (routes.md R46).

    Attributes:
        accounts: ids of the shared accounts that a merchant uses.
        run: takes the calls of the account that the desk is about, with the run of any merchant that uses it, and hints
            at those merchants for whom there is something to do. Never raises. It takes no merchant's sync lock.
    """

    accounts: Callable[[Merchant], Collection[str]]
    run: RunHinted


def takers_of(route: Hinted | None, merchants: Iterable[Merchant]) -> dict[str, Merchant]:
    """Return with whose run the calls of each shared account are taken: the first merchant that uses it.

    Args:
        merchants: those of whom the route is on.

    Returns:
        By what the account's calls stand under in the inbox.
    """
    found: dict[str, Merchant] = {}
    if route is None or route.shared is None:
        return found
    for merchant in merchants:
        for account in route.shared.accounts(merchant):
            found.setdefault(name_of_account(account), merchant)
    return found


class HandOver(Protocol):
    """Puts hinted records at the head of a whole sync's queue."""

    def __call__(self, run: Run, hints: Sequence[Hint], /) -> None: ...


@dataclass(frozen=True, slots=True)
class Queue:
    """Where a route keeps what a whole sync is to read before all else.

    Attributes:
        hand_over: as in `Hinted`.
        unread: numbers of those of these hints whose records a sync that ended well has left for the next one. Without
            it none is left, and nobody asks a hint that was handed over for what it keeps.
        rests: of hints that are left so, seconds for which each is to wait by its number, 0 where a whole sync is to
            read it: who waits is nobody's work, and whoever comes first reads it then (R49).
    """

    hand_over: HandOver
    unread: Callable[[Run, Sequence[Hint]], Collection[int]] | None = None
    rests: Callable[[Run, Sequence[Hint]], Mapping[int, float]] | None = None
