"""Makes opt-in looks: what a system tells by no webhook is asked for now and then, by one request per merchant.

Data flow: looks that are due -> one page of a list -> rows that were not seen before -> entries and hints.

Looks are spread evenly over the period, and take half of a system's fleet rate at most: they come less often then.
What was seen is kept in the inbox, by looks and by whole syncs, so that a row is a hint once.

Thousands of merchants are looked at every two minutes, and nearly all of these looks find nothing. So one that does is
a request and a question to the inbox: it opens no DuckDB file and writes nothing but when the next one is due. Who is
looked at, and how often, is worked out where something has changed, and not at each turn.
"""

from __future__ import annotations

import math
import threading
import time
import zlib
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any, Final

from vs_st_pipeline import connectors
from vs_st_pipeline.domain.errors import PipelineError, TryLater
from vs_st_pipeline.domain.hints import Call
from vs_st_pipeline.operations.worker.roster import Pairs
from vs_st_pipeline.operations.worker.turns import Pair
from vs_st_pipeline.pipeline.route import Route
from vs_st_pipeline.pipeline.session import Session
from vs_st_pipeline.pipeline.status_file import read_status
from vs_st_pipeline.platform.connector import Connector
from vs_st_pipeline.platform.cpu_slots import CpuSlots
from vs_st_pipeline.platform.garbage import collect_less
from vs_st_pipeline.platform.inbox.store import UNUSABLE, Arrival, Inbox
from vs_st_pipeline.platform.looking import OVERLAP, Looking, Page, Row, note_rows, text_of
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.settings.merchants import Merchant

SHARE_OF_FLEET: Final = 0.5
JOBS: Final = 8
LOOK_SECONDS: Final = 0.5
SYNCED_SECONDS: Final = 5.0  # until a merchant that had no good sync is asked about again: one small file each
PLACE_SECONDS: Final = 30.0  # until it is asked again whether each merchant has its next look in the inbox


@dataclass(frozen=True, slots=True)
class Seer:
    """Who is looked at: a merchant, by which system, and the routes that want what is seen; the first one's file is
    looked into for what is stored."""

    merchant: Merchant
    connector: Connector[Any]
    looking: Looking
    routes: tuple[Route, ...]


def seers_of(pairs: Pairs) -> dict[str, Seer]:
    """Return who is looked at, by merchant: whose webhooks are on, and whose routes want what a list shows."""
    found: dict[str, Seer] = {}
    for connector in connectors.CONNECTORS:
        looking = connector.looking
        if looking is None:
            continue
        for merchant, route in pairs.values():
            wants = route.hinted.wants.get(connector.name, ()) if route.hinted else ()
            if looking.kind not in wants or not merchant.webhooks.enabled or merchant.webhooks.opt_in_look is None:
                continue
            before = found.get(merchant.id)
            routes = (*before.routes, route) if before and before.connector is connector else (route,)
            found[merchant.id] = Seer(merchant, connector, looking, routes)
    return found


# --- when: pure ---


def periods(wanted: Mapping[str, float], rate: float | None) -> dict[str, float]:
    """Return the seconds between two looks of each merchant.

    Args:
        wanted: as the settings say. rate: requests a second of the whole fleet at the system; None: no limit.
    """
    load = sum(1 / seconds for seconds in wanted.values())
    slower = max(1.0, load / (rate * SHARE_OF_FLEET)) if rate else 1.0
    return {merchant: seconds * slower for merchant, seconds in wanted.items()}


def first_at(merchant: str, period: float, now: float) -> float:
    """Return when a merchant is looked at first: somewhere in the period, by its id."""
    return now + period * (zlib.crc32(merchant.encode()) / 2**32)


def next_after(due: float, period: float, now: float) -> float:
    """Return when the look after one that was due is due: in step, and not before now."""
    missed = max(0, int((now - due) // period))
    return due + (missed + 1) * period


def news_of(
    page: Page, since: datetime | None, seen: Mapping[str, str], stored: Callable[[Collection[str]], Collection[str]]
) -> list[Row]:
    """Return the rows of a page that are hints: not seen before, and not what we wrote ourselves to a stored record.

    Args:
        since: what was asked for; older rows show that this had no effect, and say nothing new.
    """
    rows = [
        row
        for row in page.rows
        if row.updated is None or ((since is None or row.updated >= since) and seen.get(row.id) != text_of(row.updated))
    ]
    doubtful = [row.id for row in rows if row.ours or row.updated is None]
    known = set(stored(doubtful)) if doubtful else set()
    return [row for row in rows if row.id not in known]


# --- looking ---


@dataclass(slots=True)
class Looks:
    """The opt-in looks of one worker.

    Attributes:
        rates: requests a second of the whole fleet, by system.
        now: by `VS_ST_NOW` where that is set.
    """

    inbox: Inbox
    data_dir: Path
    make_run: Callable[[Merchant, Route], Run]
    rates: Mapping[str, float] = field(default_factory=dict)
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    jobs: int = JOBS
    _slots: CpuSlots = field(default_factory=lambda: CpuSlots(2))
    _pairs: Pairs | None = None
    _seers: dict[str, Seer] = field(default_factory=dict)
    _resting: Mapping[Pair, str] = field(default_factory=dict)
    _synced: set[Pair] = field(default_factory=set)
    _unsynced: set[Pair] = field(default_factory=set)
    _every: dict[str, float] = field(default_factory=dict)
    _asked_at: float = -math.inf
    _placed_at: float = -math.inf

    def once(self, pairs: Pairs, *, within: float, stop: Event) -> int:
        """Make the looks that are due by then, each once; return how many were made."""
        collect_less()
        until, done = self.inbox.clock() + within, 0
        with ThreadPoolExecutor(self.jobs, thread_name_prefix="vs-st look") as pool:
            for due, seer, period in self._due(pairs, until):
                if stop.wait(max(0.0, due - self.inbox.clock())):
                    break
                done += 1
                pool.submit(self._look_quietly, due, seer, period)
        return done

    def start(self, pairs: Callable[[], Pairs], stop: Event) -> threading.Thread:
        """Make looks in a thread of their own until `stop` is set."""
        thread = threading.Thread(target=self._run, args=(pairs, stop), name="vs-st looks", daemon=True)
        thread.start()
        return thread

    def _run(self, pairs: Callable[[], Pairs], stop: Event) -> None:
        pool = ThreadPoolExecutor(self.jobs, thread_name_prefix="vs-st look")
        under_way: set[str] = set()
        collect_less()
        try:
            while not stop.wait(LOOK_SECONDS):
                with suppress(PipelineError, *UNUSABLE):
                    for due, seer, period in self._due(pairs(), self.inbox.clock()):
                        if seer.merchant.id not in under_way and len(under_way) < 4 * self.jobs:
                            under_way.add(seer.merchant.id)
                            future = pool.submit(self._look_quietly, due, seer, period)
                            future.add_done_callback(partial(_discard, under_way, seer.merchant.id))
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def _due(self, pairs: Pairs, until: float) -> list[tuple[float, Seer, float]]:
        """Return the looks that are due by then, the longest due first, with their periods; new ones are placed."""
        self._find(pairs)
        if time.monotonic() >= self._placed_at + PLACE_SECONDS:
            now = self.inbox.clock()
            self.inbox.place_looks(
                {one: first_at(one, period, now) for one, period in self._every.items()},
                {one: now + period + 1.0 for one, period in self._every.items()},
            )
            self._placed_at = time.monotonic()
        at = self.inbox.looks(until)
        due = [(moment, self._seers[one], self._every[one]) for one, moment in at.items() if one in self._every]
        return sorted(due, key=lambda one: (one[0], one[1].merchant.id))

    def _find(self, pairs: Pairs) -> None:
        """Find out anew who is looked at, and how often, where that may have changed: it costs much for thousands."""
        resting = self.inbox.resting()
        is_known = pairs is self._pairs and resting == self._resting
        if is_known and not (self._unsynced and time.monotonic() >= self._asked_at + SYNCED_SECONDS):
            return
        if pairs is not self._pairs:
            self._seers = seers_of(pairs)
        of = {(merchant, route.name) for merchant, seer in self._seers.items() for route in seer.routes}
        self._asked_at = time.monotonic()
        self._synced |= {pair for pair in of - self._synced if self._is_synced(pair)}
        self._unsynced = of - self._synced
        seers = {
            merchant: seer
            for merchant, seer in self._seers.items()
            if not any((merchant, route.name) in resting for route in seer.routes)
            and any((merchant, route.name) in self._synced for route in seer.routes)
        }
        every: dict[str, float] = {}
        for connector in connectors.CONNECTORS:
            wanted = {
                merchant: seer.merchant.webhooks.opt_in_look.total_seconds()
                for merchant, seer in seers.items()
                if seer.connector is connector and seer.merchant.webhooks.opt_in_look is not None
            }
            every |= periods(wanted, self.rates.get(connector.name))
        if every.keys() != self._every.keys():
            self._placed_at = -math.inf
        self._pairs, self._resting, self._every = pairs, resting, every

    def _is_synced(self, pair: Pair) -> bool:
        """Say whether hints of it would be worked on: before a first good whole sync none are (H21)."""
        return read_status(self.data_dir, *pair).last_good_sync_at is not None

    def _look_quietly(self, due: float, seer: Seer, period: float) -> None:
        with suppress(*UNUSABLE), self._slots.taken():  # busy, or a full disk: the next look sees it
            if self.inbox.claim_look(seer.merchant.id, next_after(due, period, self.inbox.clock())):
                self.look(seer)

    def look(self, seer: Seer) -> int:
        """Look at one merchant's list; return how many hints came of it. Trouble of a system is that look's alone."""
        merchant, looking, inbox = seer.merchant, seer.looking, self.inbox
        run = self.make_run(merchant, seer.routes[0])
        newest, seen = inbox.seen(merchant.id)
        if newest is None:  # no look so far, and no whole sync since there has been an inbox
            note_rows(inbox, merchant.id, self._peek(seer, run, looking.known, ()))
            newest, seen = inbox.seen(merchant.id)
        since = datetime.fromisoformat(newest) - OVERLAP if newest else None
        found = self._page(seer, run, since)
        if found is None:
            return 0

        def stored(ids: Collection[str]) -> set[str]:
            known: set[str] = self._peek(seer, run, lambda db: looking.stored(db, ids), set[str]())
            return known

        news = news_of(found, since, seen, stored)
        routes = tuple(route.name for route in seer.routes)
        at = self.now().isoformat()
        if news:
            inbox.put(
                [
                    Arrival(
                        merchant.id, seer.connector.name, Call(looking.kind, row.id, event=looking.event), routes, at
                    )
                    for row in news
                ]
            )
        note_rows(inbox, merchant.id, found.rows, found.latest, before=(newest, seen))
        if found.full:
            for route in seer.routes:
                inbox.want_whole(merchant.id, route.name)
        return len(news)

    def _page(self, seer: Seer, run: Run, since: datetime | None) -> Page | None:
        """Ask for the page; None where the system has trouble. What refuses the key lets the merchant rest (H30)."""
        session = Session(run, seer.routes[0].report(seer.merchant.id, run.run_id))
        try:
            return seer.looking.page(session.client(seer.connector), since)
        except PipelineError as error:
            if error.kind == "auth":  # as where a targeted sync hears it
                for route in seer.routes:
                    self.inbox.rest(seer.merchant.id, route.name, error.kind)
                    self.inbox.want_whole(seer.merchant.id, route.name)
            return None
        finally:
            session.close()

    def _peek(self, seer: Seer, run: Run, read: Callable[..., Any], otherwise: Any) -> Any:
        """Return what the route's file says; without news where it cannot be had: then a row is a hint too many."""
        if not run.file().exists():
            return otherwise
        try:
            return run.peek(seer.routes[0].name, read)
        except TryLater:
            return otherwise


def _discard(under_way: set[str], merchant_id: str, _done: object) -> None:
    under_way.discard(merchant_id)
