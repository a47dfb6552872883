"""Reads how all merchants and routes are, the worst first: which are in trouble, since when, why, and what to do.

Data flow: merchants file + every `standing.json` -> `Fleet`. It is read in every tick, so it opens no database.

A state says what a person has to do about it. A sync that failed in a way that the next one may mend (`try_later`,
`bad_answer`) is no trouble by itself: it becomes `late` if none of the next syncs mends it. What only a person can mend
is `failing` at once.

It is long because each state is told from the others by its neighbors.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any

from vs_st_pipeline import routes
from vs_st_pipeline.domain.errors import BadSettings
from vs_st_pipeline.domain.formats import counted, humanize
from vs_st_pipeline.domain.plan import UNREADABLE
from vs_st_pipeline.domain.report import FAILED, PARTIAL, Trouble
from vs_st_pipeline.operations.fleet.advice import (
    KEYS_PLACE,
    LATE_WITHOUT_ERROR,
    MENDS_ITSELF,
    MISSED,
    WHAT_TO_DO,
    what_to_do,
    what_to_do_refused,
    what_to_do_unread,
)
from vs_st_pipeline.operations.fleet.inbox_troubles import Concern, concerns
from vs_st_pipeline.operations.fleet.schedule import intervals
from vs_st_pipeline.operations.settings import read_merchants, taken
from vs_st_pipeline.pipeline.route import Route
from vs_st_pipeline.pipeline.status_file import (
    HOURS_KEPT,
    Error,
    Hour,
    LastRun,
    MerchantStatus,
    good_sync_age,
    poll_stats_of,
    read_status,
)
from vs_st_pipeline.platform.inbox import statistics
from vs_st_pipeline.platform.inbox.statistics import Waiting
from vs_st_pipeline.platform.inbox.store import UNUSABLE, Inbox
from vs_st_pipeline.platform.settings import environment
from vs_st_pipeline.platform.settings.environment import InvalidSetting
from vs_st_pipeline.platform.settings.merchants import BadMerchant, Merchant, MerchantsFile
from vs_st_pipeline.platform.settings.model import secrets_of
from vs_st_pipeline.platform.warehouse.files import DEFAULT_ROUTE
from vs_st_pipeline.routes import at_rest, faults_of, has_route

BROKEN, FAILING, LATE, RETRYING = "broken settings", "failing", "late", "retrying"
REFUSED, OPEN, NEW, FINE, PAUSED, OFF = "partial", "open", "new", "fine", "paused", "off"
PENDING, ENDED = "pending", "ended"

STATES = {
    BROKEN: "the entry in the merchants file cannot be used, so nothing is called",
    FAILING: "the last sync failed, and only a person can mend it",
    LATE: "there was no good sync for too long",
    RETRYING: "the last sync failed, and the next one may mend it",
    REFUSED: "synced, but contacts were refused, records cannot be read, or what became of a write is not known",
    OPEN: "the last sync was good, but what was refused or has no known outcome from before still stands open",
    NEW: "not synced yet",
    FINE: "the last sync was good; where something is held until a person acts, it says so",
    PAUSED: "paused in the merchants file",
    PENDING: "not served yet, by what the merchants file says",
    ENDED: "not served any more, by what the merchants file says",
    OFF: "disabled in the merchants file",
}
"""Every state and what it means, the worst first."""

TROUBLE = (BROKEN, FAILING, LATE)
AT_REST = (PAUSED, PENDING, ENDED, OFF)
"""States of those that are not synced because a person wants it so."""


@dataclass(frozen=True, slots=True)
class MerchantHealth:
    """The health of one merchant in one route.

    Attributes:
        merchant: id; for a bad entry without an id, its line in brackets.
        name: None where the entry has none.
        state: one of `STATES`.
        kind: of the last run's error, None where it had none.
        since: when the merchant entered this state, None where that is not known.
        says: what is the matter, `""` where nothing is.
        do: what a person should do, `""` where nothing has to be done.
        age: time since the last good sync, None where there was none.
        stale: no good sync for too long, whatever else is the matter.
        status, error, last_run_at: of the last run; None where there was none.
        rejects: number of refused contacts that wait for another try.
        unknown: number of contacts with a write whose outcome is not known.
        open: number of all that stand open, over all runs so far.
        calls: number of requests of the last run.
        changes: number of contacts accepted within the last 24 hours.
        hours: outcomes of its runs by the hour.
        route: name of the route.
        enabled: whether the merchants file says so; None where that cannot be read.
        troubles: what people are told of besides the state.
    """

    merchant: str
    name: str | None
    state: str
    kind: str | None = None
    since: datetime | None = None
    says: str = ""
    do: str = ""
    last_good_sync_at: datetime | None = None
    age: timedelta | None = None
    stale: bool = False
    status: str | None = None
    error: Error | None = None
    last_run_at: datetime | None = None
    rejects: int = 0
    unknown: int = 0
    open: int = 0
    calls: int = 0
    changes: int = 0
    hours: tuple[Hour, ...] = field(default=(), repr=False)
    route: str = DEFAULT_ROUTE
    enabled: bool | None = None
    troubles: tuple[Trouble, ...] = ()

    @property
    def label(self) -> str:
        """Return how the merchant and route are named where both matter."""
        return label(self.merchant, self.route)

    @property
    def in_a_list(self) -> str:
        """Return how it is named among others, where the comma of `label` would make two of it."""
        return in_a_list(self.merchant, self.route)

    @property
    def in_words(self) -> str:
        """Return the state and its kind: `failing (auth)`."""
        return f"{self.state} ({self.kind})" if self.kind and self.state in (FAILING, LATE, RETRYING) else self.state


def label(merchant_id: str, route: str) -> str:
    """Return how a merchant's route is named: by the merchant alone where it is the first route."""
    return merchant_id if route == DEFAULT_ROUTE else f"{merchant_id}, {route}"


def in_a_list(merchant_id: str, route: str) -> str:
    """Return how a merchant's route is named among others: `hillside (orders)`."""
    return merchant_id if route == DEFAULT_ROUTE else f"{merchant_id} ({route})"


@dataclass(frozen=True, slots=True)
class Fleet:
    """All merchants, a row per route, in the file's order, bad entries last.

    Attributes:
        at: now, aware UTC.
        late_after: how long a merchant may be without a good sync.
        unreadable: why the merchants file cannot be used at all; nothing is then known of its merchants.
        misunderstood: settings of the environment that are not understood.
        concerns: how receiver, worker and inbox are; None where that is not known now.
        hints: hints that wait, by merchant and route.
    """

    at: datetime
    late_after: timedelta
    stands: tuple[MerchantHealth, ...] = ()
    unreadable: BadSettings | None = None
    misunderstood: tuple[InvalidSetting, ...] = ()
    concerns: tuple[Concern, ...] | None = ()
    hints: Mapping[tuple[str, str], Waiting] = field(default_factory=dict)

    @property
    def worst_first(self) -> list[MerchantHealth]:
        """Return the merchants by state; within a state those longest in it first, then by id."""
        order = {state: place for place, state in enumerate(STATES)}
        return sorted(self.stands, key=lambda one: (order[one.state], one.since or self.at, one.merchant, one.route))

    @property
    def counts(self) -> dict[str, int]:
        """Return the number of merchants in every state, the worst state first."""
        found = Counter(one.state for one in self.stands)
        return {state: found[state] for state in STATES}

    @property
    def enabled(self) -> int:
        """Return the number of merchants that should be synced, broken entries included."""
        return sum(one.state not in AT_REST for one in self.stands)

    def of(self, *states: str) -> list[MerchantHealth]:
        """Return the merchants in these states, the worst first."""
        return [one for one in self.worst_first if one.state in states]

    @property
    def hours(self) -> list[Hour]:
        """Return the outcomes of all merchants' runs in each of the last 48 hours, the oldest first, none left out."""
        changes: Counter[int] = Counter()
        errors: dict[int, Counter[str]] = {}
        for one in (hour for stand in self.stands for hour in stand.hours):
            changes[one.hour] += one.changes
            if one.errors:
                errors.setdefault(one.hour, Counter()).update(one.errors)
        last = _hour(self.at)
        return [Hour(hour, changes[hour], errors.get(hour, {})) for hour in range(last - HOURS_KEPT + 1, last + 1)]

    def sentence(self, named: int = 3) -> str:
        """Return `47 of 50 fine; 1 failing: hillside-cellars (auth); ...`; of each state at most `named` are named."""
        wrong = [f"not understood: {one.sentence}" for one in self.misunderstood]
        if self.unreadable is not None:
            return "; ".join([f"nobody is synced: {self.unreadable.message}", *wrong])
        told = [f"{self.counts[FINE]} of {self.enabled} fine"]
        for state, count in self.counts.items():
            if count and state in (*TROUBLE, RETRYING, REFUSED, OPEN):
                labels = [f"{one.in_a_list}{f' ({one.kind})' if one.kind else ''}" for one in self.of(state)]
                more = f" and {count - named} more" if count > named else ""
                told.append(f"{count} {state}: {', '.join(labels[:named])}{more}")
            elif count and state != FINE:
                told.append(f"{count} {state}")
        if held := [one.in_a_list for one in self.of(FINE) if one.says]:
            more = f" and {len(held) - named} more" if len(held) > named else ""
            told.append(f"something is held: {', '.join(held[:named])}{more}")
        return "; ".join([*told, *wrong])


def fleet_health(environ: Mapping[str, str], file: MerchantsFile | None = None) -> Fleet:
    """Return how all merchants are now, by the settings of the environment; unusable settings are reported in it.

    Args:
        file: the merchants file, where it has been read already.
    """
    by, inbox = taken(environ), Inbox(environment.data_dir(environ))
    try:
        about: dict[str, Any] = {
            "misunderstood": by.misunderstood,
            "concerns": concerns(inbox, systems_kept(routes.ROUTES)),
            "hints": _hints(inbox),
        }
    finally:
        inbox.close()
    try:
        file = file or read_merchants(environment.settings_path(environ), environ)
    except BadSettings as error:
        return Fleet(by.now, by.late_after, unreadable=error.with_traceback(None), **about)
    found = read_fleet(
        file, environment.data_dir(environ), by.now, late_after=by.late_after, bounds=by.bounds, rates=by.rates
    )
    stands = tuple(
        _with_late(one, environment.data_dir(environ), by.now, about["hints"], by.late_after) for one in found.stands
    )
    return replace(found, stands=stands, **about)


def _with_late(
    one: MerchantHealth,
    data_dir: Path,
    now: datetime,
    hints: Mapping[tuple[str, str], Waiting],
    late_after: timedelta,
) -> MerchantHealth:
    """Add that something waits for too long which nobody can ask the system for again, or that was to be done by then.

    A call waits by the machine's clock, what is due by a time is late by `VS_ST_NOW` (routes.md R47).
    """
    route = next((route for route in routes.ROUTES if route.name == one.route), None)
    if route is None or one.state in (*AT_REST, BROKEN) or not systems_kept([route]):
        return one
    waits = hints.get((one.merchant, one.route))
    age = timedelta(seconds=time.time() - waits.oldest) if waits is not None else timedelta(0)
    due = route.next_due_at(data_dir, one.merchant) if route.next_due_at is not None else None
    age = max(age, now - due) if due is not None else age
    if age <= late_after:
        return one
    says = f"Something of {one.label} waits to be read for {humanize(age)}. What to do: {LATE_WITHOUT_ERROR}"
    return replace(one, troubles=(*one.troubles, Trouble(LATE, says)))


def systems_kept(among: Sequence[Route]) -> list[str]:
    """Return the systems of these routes whose calls never expire, because they cannot be asked for again (R31)."""
    systems = {connector.name: connector for route in among for connector in route.connectors}
    return [name for name, connector in systems.items() if connector.hooks and not connector.hooks.expires]


def _hints(inbox: Inbox) -> dict[tuple[str, str], Waiting]:
    try:
        return statistics.waiting(inbox)
    except (BadSettings, *UNUSABLE):  # it is shown without them; a VS_ST_NOW that is no time is told of by itself
        return {}


def read_fleet(
    file: MerchantsFile,
    data_dir: Path,
    now: datetime,
    *,
    late_after: timedelta,
    bounds: tuple[timedelta, timedelta],
    rates: Mapping[str, float] = MappingProxyType({}),
) -> Fleet:
    """Return how all merchants of the file are.

    Args:
        now: aware UTC.
        late_after: a merchant is late without a good sync for this long, or for three of its own intervals if longer.
        bounds: shortest and longest time between two syncs of a merchant.
        rates: requests a second of the whole fleet, by system; a system that is not in it has no limit.
    """
    shown = [(merchant, route) for merchant in file.merchants for route in routes.ROUTES if _has_row(merchant, route)]
    statuses = {(one.id, route.name): read_status(data_dir, one.id, route.name) for one, route in shown}
    every: dict[tuple[str, str], float] = {}
    for route in routes.ROUTES:
        on = [merchant.id for merchant, shown_route in shown if shown_route is route and route.is_on(merchant)]
        if route.next_due_at is None:
            pulses = {merchant_id: poll_stats_of(statuses[merchant_id, route.name]) for merchant_id in on}
            between = intervals(pulses, bounds=bounds, requests_per_second=rates.get(route.paced_by))
            every |= {(merchant_id, route.name): seconds for merchant_id, seconds in between.items()}
    least = late_after.total_seconds()
    stands = [
        _health_of(
            merchant, route, statuses[merchant.id, route.name], now,
            max(least, MISSED * every.get((merchant.id, route.name), 0.0)),
        )
        for merchant, route in shown
    ]  # fmt: skip
    return Fleet(now, late_after, (*stands, *(one for bad in file.bad for one in _broken(file, bad))))


def _has_row(merchant: Merchant, route: Route) -> bool:
    """Say whether a route of a merchant is shown; of a disabled one those that it would have, else the first."""
    if not merchant.enabled:
        return route.name in (merchant.routes or (routes.ROUTES[0].name,))
    return has_route(merchant, route) or route.name in at_rest(merchant)


def _broken(file: MerchantsFile, bad: BadMerchant) -> Iterator[MerchantHealth]:
    name = bad.id or f"(line {bad.line})"
    if bad.id and file.get(bad.id):
        name = f"{bad.id} (line {bad.line})"  # the file has the id twice, and the other entry is good
    error = Error(BadSettings.kind, bad.error.message)
    for route in bad.routes or (DEFAULT_ROUTE,):
        yield MerchantHealth(
            name, bad.name, BROKEN, says=error.message, do=WHAT_TO_DO[error.kind], status=FAILED, error=error,
            route=route,
        )  # fmt: skip


def _health_of(
    merchant: Merchant, route: Route, status: MerchantStatus, now: datetime, late_after: float
) -> MerchantHealth:
    if merchant.enabled and (fault := faults_of(merchant).get(route.name)):
        return MerchantHealth(
            merchant.id, merchant.name, BROKEN, says=fault.message, do=WHAT_TO_DO[fault.kind], status=FAILED,
            error=Error(fault.kind, fault.message), route=route.name,
        )  # fmt: skip
    last, error = status.last, status.last.error if status.last else None
    error = error or _part_error(last)
    seconds, since = good_sync_age(status, now), status.ended.since if status.ended else None
    # A merchant that never had a good sync is late by the time for which it has tried. A good sync in the future comes
    # from a clock that was wrong: waiting until that time is past could take years.
    waited = abs(seconds) if seconds is not None else (now - since).total_seconds() if since and error else 0.0
    state = _state(merchant, route, status, late=waited > late_after)
    if state == LATE:
        since = (status.last_good_sync_at or since or now) + timedelta(seconds=late_after)
    elif state == NEW or state in AT_REST:
        since = None
    failed = error if state in (FAILING, LATE, RETRYING) else None
    says, do = _told(state, failed, status, route)
    if (off := merchant.off.get(route.name)) is not None and state == off.state:
        says, do = off.says, off.do
    if failed and failed.kind == "auth":
        do = do.replace(KEYS_PLACE, f"{KEYS_PLACE} ({_keys_of(merchant, route, failed.system)})")
    yesterday = _hour(now) - 24
    return MerchantHealth(
        merchant.id, merchant.name, state, failed.kind if failed else None, since, says, do,
        last_good_sync_at=status.last_good_sync_at,
        age=timedelta(seconds=seconds) if seconds is not None else None,
        stale=route.is_on(merchant) and waited > late_after,
        status=last.status if last else None,
        error=error,
        last_run_at=last.at if last else None,
        rejects=status.rejects,
        unknown=status.unknown,
        open=status.rejects + status.unknown,
        calls=sum(last.calls.values()) if last else 0,
        changes=sum(one.changes for one in status.hours if one.hour > yesterday),
        hours=tuple(status.hours),
        route=route.name,
        enabled=merchant.enabled,
        troubles=tuple(last.troubles) if last else (),
    )  # fmt: skip


def _part_error(last: LastRun | None) -> Error | None:
    """Return the error of a part of the route (an account, a destination) that only a person can mend."""
    errors = last.parts.values() if last else ()
    return next((error for error in errors if error.kind not in MENDS_ITSELF), None)


def _state(merchant: Merchant, route: Route, status: MerchantStatus, *, late: bool) -> str:
    if (off := merchant.off.get(route.name)) is not None:  # it says more than that the merchant is disabled
        return off.state
    if not merchant.enabled:
        return OFF
    if not route.is_on(merchant):
        return PAUSED
    last = status.last
    if last is not None and last.status == PARTIAL and _part_error(last):
        return FAILING
    failed = last is not None and last.status == FAILED
    if failed and not (last and last.error and last.error.kind in MENDS_ITSELF):
        return FAILING
    if late:
        return LATE
    if failed:
        return RETRYING
    if last is None:
        return NEW
    if last.status == PARTIAL:
        return REFUSED
    return OPEN if status.rejects or status.unknown else FINE


def _keys_of(merchant: Merchant, route: Route, system: str | None) -> str:
    """Return where the keys of a system come from: what the entry says, never a value."""
    named = [connector for connector in route.connectors if connector.name == system] or route.connectors
    settings = [merchant.sections[connector.name] for connector in named if connector.name in merchant.sections]
    return ", ".join(dict.fromkeys(key.reference for section in settings for key in secrets_of(section)))


def _told(state: str, error: Error | None, status: MerchantStatus, route: Route) -> tuple[str, str]:
    """Return what is the matter, and what to do; of who is well too, where something is held until a person acts."""
    says, do = _told_of_state(state, error, status, route)
    held_up = status.last.held_up if status.last and state in (FINE, OPEN, REFUSED) else ""
    return "; ".join(filter(None, (says, held_up))), " ".join(filter(None, (do, route.held_advice * bool(held_up))))


def _told_of_state(state: str, error: Error | None, status: MerchantStatus, route: Route) -> tuple[str, str]:
    if error is not None:
        at = f" at {error.system}" if error.system else ""
        trace = f" (trace {error.trace_id})" if error.trace_id else ""
        return f"{error.kind}{at}: {error.message}{trace}", what_to_do(error, lasts=state == LATE)
    if state == LATE:
        return f"no sync since {status.last_good_sync_at:%Y-%m-%d %H:%M} UTC", LATE_WITHOUT_ERROR
    if state in (REFUSED, OPEN):
        planned = (status.last_run or {}).get("planned") or {}
        unreadable = (planned.get("noted") or {}).get(UNREADABLE, 0)
        told = {
            route.refused: status.rejects,
            "of unknown outcome": status.unknown,
            "with a record that cannot be read": unreadable,
        }
        says = [f"{counted(count, route.records)} {name}" for name, count in told.items() if count]
        unseen = (status.last_run or {}).get("unseen") or []
        return ", ".join(says) or "; ".join(unseen), _advice(route, unread=bool(unreadable) or not says)
    return "", ""


def _advice(route: Route, *, unread: bool) -> str:
    return what_to_do_unread(route.records) if unread else route.open_advice or what_to_do_refused(route.records)


def _hour(moment: datetime) -> int:
    return int(moment.timestamp() // 3600)
