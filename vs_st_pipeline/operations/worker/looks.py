"""Makes opt-in looks: what a system tells by no webhook is asked for now and then, by one request per merchant.

Data flow: looks that are due -> one page of a list -> rows that were not seen before -> entries and hints.

Looks are spread evenly over the period, and take half of a system's fleet rate at most: they come less often then.
What was seen is kept in the inbox, by looks and by whole syncs, so that a row is a hint once.
"""

from __future__ import annotations

import threading
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
from vs_st_pipeline.domain.report import FAILED
from vs_st_pipeline.operations.worker.roster import Pairs
from vs_st_pipeline.pipeline.route import Route
from vs_st_pipeline.pipeline.session import Session, opened
from vs_st_pipeline.pipeline.status_file import read_status
from vs_st_pipeline.platform.connector import Connector
from vs_st_pipeline.platform.cpu_slots import CpuSlots
from vs_st_pipeline.platform.inbox.store import UNUSABLE, Arrival, Inbox
from vs_st_pipeline.platform.looking import OVERLAP, Looking, Page, Row, note_rows, text_of
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.settings.merchants import Merchant

SHARE_OF_FLEET: Final = 0.5
JOBS: Final = 8
LOOK_SECONDS: Final = 0.5


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
    _synced: set[str] = field(default_factory=set)
    _seers: tuple[Pairs | None, dict[str, Seer]] = field(default=(None, {}))

    def once(self, pairs: Pairs, *, within: float, stop: Event) -> int:
        """Make the looks that are due by then, each once; return how many were made."""
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
        resting = self.inbox.resting()
        if self._seers[0] is not pairs:
            self._seers = pairs, seers_of(pairs)
        seers = {
            merchant: seer
            for merchant, seer in self._seers[1].items()
            if not any((merchant, route.name) in resting for route in seer.routes)
            and any(self._is_synced(merchant, route) for route in seer.routes)
        }
        every: dict[str, float] = {}
        for connector in connectors.CONNECTORS:
            wanted = {
                merchant: seer.merchant.webhooks.opt_in_look.total_seconds()
                for merchant, seer in seers.items()
                if seer.connector is connector and seer.merchant.webhooks.opt_in_look is not None
            }
            every |= periods(wanted, self.rates.get(connector.name))
        now, at = self.inbox.clock(), self.inbox.looks()
        self.inbox.place_looks({one: first_at(one, every[one], now) for one in seers if one not in at})
        due = [(at[one], seer, every[one]) for one, seer in seers.items() if one in at and at[one] <= until]
        return sorted(due, key=lambda one: (one[0], one[1].merchant.id))

    def _is_synced(self, merchant: str, route: Route) -> bool:
        """Say whether hints of it would be worked on: before a first good whole sync none are (H21)."""
        key = f"{merchant} {route.name}"
        if key not in self._synced and read_status(self.data_dir, merchant, route.name).last_good_sync_at is not None:
            self._synced.add(key)
        return key in self._synced

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
        session = Session(run, seer.routes[0].report(merchant.id, run.run_id))
        found: Page | None = None
        with opened(session):
            found = looking.page(session.client(seer.connector), since)
        if session.report.status == FAILED or found is None:
            error = session.report.error
            if error is not None and error.kind == "auth":  # as where a targeted sync hears it (H30)
                for route in seer.routes:
                    inbox.rest(merchant.id, route.name, error.kind)
                    inbox.want_whole(merchant.id, route.name)
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
        note_rows(inbox, merchant.id, found.rows, found.latest)
        if found.full:
            for route in seer.routes:
                inbox.want_whole(merchant.id, route.name)
        return len(news)

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
