"""Works hints off: `work_once` for what is due now, and `Worker.run` for as long as nobody stops it.

Data flow: inbox -> turns -> a targeted sync each, several merchants at once -> reports.

Several workers share the hints by claims, and a merchant's lock keeps its syncs apart. What is scheduled, and when, is
decided in `turns`; here are the threads and the waiting.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event, Thread
from typing import Final

from vs_st_pipeline.domain.errors import LockHeld
from vs_st_pipeline.domain.hints import is_account
from vs_st_pipeline.domain.report import OK, Report
from vs_st_pipeline.operations.fleet.schedule import due_merchants
from vs_st_pipeline.operations.worker.looks import Looks
from vs_st_pipeline.operations.worker.roster import Pairs
from vs_st_pipeline.operations.worker.targeted import LOCK_SECONDS, Taken, new_owner, take
from vs_st_pipeline.operations.worker.turns import Pair, Standing, Turn, key_of, next_at, ready_at, turns
from vs_st_pipeline.operations.worker.upkeep import Upkeep
from vs_st_pipeline.pipeline.route import Route
from vs_st_pipeline.pipeline.status_file import read_status
from vs_st_pipeline.platform.cpu_slots import CpuSlots
from vs_st_pipeline.platform.inbox.store import UNUSABLE, Inbox, Record
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.settings.merchants import Merchant

JOBS: Final = 32
LOOK_SECONDS: Final = 0.5
WITHIN_SECONDS: Final = 3.0  # what `once` still waits for
PATIENCE_SECONDS: Final = 300.0  # how long `once` waits for a lock that another sync holds
BEAT_SECONDS: Final = 10.0
DUE_SECONDS: Final = 5.0  # between two looks at what is due by time
FAILED_SECONDS: Final = 60.0  # at least, until a whole sync that failed is begun again
END_SECONDS: Final = 30.0  # after a signal, for requests under way

_NO_BOUNDS = timedelta(0), timedelta.max  # a route that says itself when it is due has none

MakeRun = Callable[[Merchant, Route], Run]


@dataclass(slots=True)
class Worker:
    """One worker.

    Attributes:
        inbox, data_dir: of one data folder.
        pairs: whose hints are worked on now.
        make_run: makes the run of a targeted sync: with the inbox, and a lock that is tried and not waited for.
        jobs: merchants at once.
        looks: opt-in looks; None: none are made.
        timed: whose whole syncs `run` starts when they are due (R13): of routes that say themselves when that is.
        now: by `VS_ST_NOW` where that is set.
        told: called with each report, in the thread that called `run` or `once`.
        stop: set from outside, such as by a signal.
        upkeep: what is done beside the hints; None: nothing is.
        woken: called when a merchant's rest has ended.
    """

    inbox: Inbox
    data_dir: Path
    pairs: Callable[[], Pairs]
    make_run: MakeRun
    jobs: int = JOBS
    looks: Looks | None = None
    told: Callable[[Report], None] = lambda _: None
    stop: Event = field(default_factory=Event)
    upkeep: Upkeep | None = None
    woken: Callable[[], None] = lambda: None
    timed: Callable[[], Pairs] = lambda: {}
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    every: float = LOOK_SECONDS
    _standing: Standing = field(default_factory=Standing)
    _slots: CpuSlots = field(default_factory=CpuSlots)
    _owners: dict[Future[Taken], tuple[Turn, str]] = field(default_factory=dict)
    _synced: set[Pair] = field(default_factory=set)
    _resting: Mapping[Pair, str] = field(default_factory=dict)

    # --- once ---------------------------------------------------------------------------------------------------------

    def once(self, *, within: float = WITHIN_SECONDS, patience: float = PATIENCE_SECONDS) -> list[Report]:
        """Make the opt-in looks and work the hints that are due now or soon, each once; return the reports.

        Args:
            within: seconds: what is due by then is waited for.
            patience: how long a lock is waited for that another sync holds; then its hints go on waiting.
        """
        if self.upkeep is not None:
            self.upkeep.expire()
        if self.looks is not None:
            self.looks.once(self.pairs(), within=within, stop=self.stop)
        reports: list[Report] = []
        self.inbox.take_back_dead()
        until, give_up_at = self.inbox.clock() + within, time.monotonic() + within + patience
        closed = self._closed(waiting := self._waiting())
        left = {
            key_of(one) for one in waiting if (one.merchant, one.route) not in closed and ready_at(one, until) <= until
        }
        pool = ThreadPoolExecutor(self.jobs, thread_name_prefix="vs-st work")
        try:
            while (left or self._owners) and not self.stop.is_set() and time.monotonic() < give_up_at:
                waiting = [one for one in self._waiting() if key_of(one) in left]
                closed = self._closed(waiting)
                left = {key_of(one) for one in waiting if (one.merchant, one.route) not in closed}
                for turn in self._start(pool, waiting, closed):
                    left -= turn.keys
                for turn, taken in self._ended(self._pause(waiting)):
                    if taken.held:
                        left |= {key_of(one) for one in turn.records}
                    left |= {key_of(one) for one in taken.left}
                    if taken.report is not None:
                        reports.append(taken.report)
                        self.told(taken.report)
        finally:
            reports += self._end()
            pool.shutdown(wait=False, cancel_futures=True)
        return reports

    @property
    def has_unfinished(self) -> bool:
        """Say whether something was still under way when the worker stopped waiting for it."""
        return bool(self._owners)

    def _pause(self, waiting: list[Record]) -> float:
        """Return how long nothing can be begun."""
        now = self.inbox.clock()
        at = next_at(waiting, self._standing, now)
        return self.every if at is None else min(self.every, max(0.005, at - now))

    # --- for ever -----------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Work until `stop` is set; then requests under way end, half a minute at most, and claims are given back."""
        beats_at = due_at = 0.0
        pool = ThreadPoolExecutor(self.jobs, thread_name_prefix="vs-st work")
        if self.looks is not None:
            self.looks.start(self.pairs, self.stop)
        if self.upkeep is not None:
            Thread(target=self.upkeep.run, args=(self.stop,), name="vs-st upkeep", daemon=True).start()
        try:
            while not self.stop.is_set():
                now = time.monotonic()
                with suppress(*UNUSABLE):  # busy, or a full disk: looked at again
                    if now >= beats_at:
                        self.inbox.beat("worker")
                        self.inbox.take_back_dead()
                        beats_at = now + BEAT_SECONDS
                    waiting = self._waiting()
                    self._start(pool, waiting, self._closed(waiting))
                    if now >= due_at:
                        self._start_due(pool)
                        due_at = now + DUE_SECONDS
                for _, taken in self._ended(self.every):
                    if taken.report is not None:
                        self.told(taken.report)
        finally:
            self._end()
            pool.shutdown(wait=False, cancel_futures=True)

    def _end(self) -> list[Report]:
        """Wait for what is under way, and give back what others shall go on with; return what has ended so."""
        ends_at, reports = time.monotonic() + END_SECONDS, list[Report]()
        while self._owners and time.monotonic() < ends_at:
            for _, taken in self._ended(min(self.every, max(0.0, ends_at - time.monotonic()))):
                if taken.report is not None:
                    reports.append(taken.report)
                    self.told(taken.report)
        for _, owner in self._owners.values():
            with suppress(*UNUSABLE):
                self.inbox.release(owner)
        return reports

    # --- both ---------------------------------------------------------------------------------------------------------

    def _waiting(self) -> list[Record]:
        pairs = self.pairs()
        waiting = self.inbox.waiting()
        waiting += self.inbox.to_ask_again(waiting)
        return [one for one in waiting if (one.merchant, one.route) in pairs]

    def _closed(self, waiting: Collection[Record]) -> set[Pair]:
        """Return the pairs whose hints wait: at rest, or without a good whole sync so far (H21)."""
        resting = self.inbox.resting()
        if any(pair not in resting for pair in self._resting):
            self.woken()  # a person may have put a key right, which this process has read long ago
        self._resting = resting
        for pair in {(one.merchant, one.route) for one in waiting} - self._synced:
            if read_status(self.data_dir, *pair).last_good_sync_at is not None:
                self._synced.add(pair)
        return {
            pair
            for pair in {(one.merchant, one.route) for one in waiting}
            if pair in resting or (pair not in self._synced and not is_account(pair[0]))
        }

    def _start(self, pool: ThreadPoolExecutor, waiting: Collection[Record], closed: Collection[Pair]) -> list[Turn]:
        """Begin as many turns as there is room for; return them."""
        pairs, now = self.pairs(), self.inbox.clock()
        room = self.jobs - len(self._owners)
        # The merchants file may have been read again since these were found waiting, and some be gone from it.
        begun = [one for one in turns(waiting, self._standing, now, closed=closed) if one.pair in pairs][: max(0, room)]
        for turn in begun:
            owner = new_owner()
            self._standing.busy.add(turn.pair)
            self._standing.served[turn.pair] = now
            self._owners[pool.submit(self._take, turn, *pairs[turn.pair], owner)] = turn, owner
        return begun

    def _start_due(self, pool: ThreadPoolExecutor) -> None:
        """Begin the whole syncs that are due by time, or wanted by a hint."""
        timed, now = self.timed(), self.inbox.clock()
        for route in {name: route for (_, name), (_, route) in timed.items()}.values():
            ids = [merchant for merchant, name in timed if name == route.name]
            for merchant_id in due_merchants(route, self.data_dir, ids, self.now(), bounds=_NO_BOUNDS):
                pair = merchant_id, route.name
                may = pair not in self._standing.busy and now >= self._standing.again.get(pair, 0.0)
                if may and len(self._owners) < self.jobs:
                    turn = Turn(pair, now)
                    self._standing.busy.add(pair)
                    self._owners[pool.submit(self._sync, *timed[pair])] = turn, new_owner()

    def _sync(self, merchant: Merchant, route: Route) -> Taken:
        with self._slots.taken():
            report = route.sync(replace(self.make_run(merchant, route), trigger="schedule"))
        if isinstance(report.error, LockHeld):
            return Taken(None, LOCK_SECONDS, held=True)
        # One that failed before it could say when it is due next would be so at once.
        return Taken(report, FAILED_SECONDS if report.error is not None else 0.0)

    def _take(self, turn: Turn, merchant: Merchant, route: Route, owner: str) -> Taken:
        with self._slots.taken():
            return take(
                turn,
                route,
                self.inbox,
                lambda: self.make_run(merchant, route),
                owner=owner,
                stopping=self.stop.is_set,
            )

    def _ended(self, seconds: float) -> list[tuple[Turn, Taken]]:
        """Wait so long for a turn to end; return those that have."""
        if not self._owners:
            self.stop.wait(seconds)
            return []
        ended = []
        for future in wait(self._owners, timeout=seconds, return_when=FIRST_COMPLETED).done:
            turn, owner = self._owners.pop(future)
            self._standing.busy.discard(turn.pair)
            try:
                taken = future.result()
            except UNUSABLE:  # its claims end with their lease, or here
                with suppress(*UNUSABLE):
                    self.inbox.release(owner)
                taken = Taken(None, self.every, held=True)
            if taken.again_in:
                self._standing.again[turn.pair] = self.inbox.clock() + taken.again_in
            ended.append((turn, taken))
        return ended


def work_once(
    inbox: Inbox,
    data_dir: Path,
    pairs: Pairs,
    make_run: MakeRun,
    *,
    jobs: int = JOBS,
    looks: Looks | None = None,
    told: Callable[[Report], None] = lambda _: None,
    stop: Event | None = None,
) -> list[Report]:
    """Work all hints and make all opt-in looks that are due now or within three seconds, each once.

    Args:
        pairs: whose hints are worked on (`roster.pairs_of`).
        make_run: makes the run of a targeted sync (`run_for_hints`).
        told: called with each report as it comes.
    """
    return Worker(inbox, data_dir, lambda: pairs, make_run, jobs, looks, told, stop or Event()).once()


def all_well(reports: Collection[Report]) -> bool:
    """Say whether every targeted sync ended `ok`."""
    return all(report.status == OK for report in reports)
