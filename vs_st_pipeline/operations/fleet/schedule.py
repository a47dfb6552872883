"""Decides which merchants to sync now: those that change often are asked often, as far as the fleet's rate allows.

Data flow: standing.json of every merchant -> `poll_intervals` -> ids of the merchants that are due.

The budget is the fleet's own rate at the route's first system, where one is set; a fifth of it is left for what
changed. Without a fleet rate nothing is scarce but the merchants' own rates, and every merchant is synced as often as
the settings allow. A route that says itself when a merchant is due is believed, but a time that only a wrong clock can
have set.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from vs_st_pipeline.domain import poll_intervals
from vs_st_pipeline.pipeline.route import Route
from vs_st_pipeline.pipeline.schedule import is_due
from vs_st_pipeline.pipeline.status_file import PollStats, read_poll_stats
from vs_st_pipeline.platform.inbox.store import UNUSABLE, inbox_in

SHARE_FOR_LOOKING = 0.8
_NEVER = datetime.min.replace(tzinfo=UTC)


def due_merchants(
    route: Route,
    data_dir: Path,
    merchant_ids: Collection[str],
    now: datetime,
    *,
    bounds: tuple[timedelta, timedelta],
    requests_per_second: float | None = None,
) -> list[str]:
    """Return the ids of a route's merchants that are due, the longest overdue first.

    Those of whom a hint has wanted a whole sync since their last run come before them (H25, H30).

    Args:
        now: aware time.
        bounds: shortest and longest time between two syncs of a merchant.
        requests_per_second: of the whole fleet at the route's first system, None for no limit.
    """
    by_time = _due_by_time(route, data_dir, merchant_ids, now, bounds=bounds, requests_per_second=requests_per_second)
    wanted = wanted_by_hints(route, data_dir)
    first = [one for one in merchant_ids if one in wanted] if wanted else []
    return [*first, *(one for one in by_time if one not in wanted)]


def due_times(
    route: Route,
    data_dir: Path,
    merchant_ids: Collection[str],
    now: datetime,
    *,
    bounds: tuple[timedelta, timedelta],
    requests_per_second: float | None = None,
) -> dict[str, datetime | None]:
    """Return when a route's merchants are due next by time; None: at once.

    Args: as `due_merchants`.
    """
    if route.next_due_at is not None:
        at = {merchant_id: route.next_due_at(data_dir, merchant_id) for merchant_id in merchant_ids}
        return {merchant_id: None if is_due(moment, now) else moment for merchant_id, moment in at.items()}
    pulses = {merchant_id: read_poll_stats(data_dir, merchant_id, route.name) for merchant_id in merchant_ids}
    every = intervals(pulses, bounds=bounds, requests_per_second=requests_per_second)
    return {
        merchant_id: None
        if pulse.last_run_at is None
        else datetime.fromtimestamp(pulse.last_run_at + every[merchant_id], UTC)
        for merchant_id, pulse in pulses.items()
    }


def wanted_by_hints(route: Route, data_dir: Path) -> set[str]:
    """Return the merchants of whom hints want a whole sync; none where the inbox cannot be read."""
    inbox = inbox_in(data_dir)
    try:
        return inbox.wholes_due(route.name) if inbox is not None else set()
    except UNUSABLE:
        return set()


def _due_by_time(
    route: Route,
    data_dir: Path,
    merchant_ids: Collection[str],
    now: datetime,
    *,
    bounds: tuple[timedelta, timedelta],
    requests_per_second: float | None,
) -> list[str]:
    if route.next_due_at is not None:
        at = {merchant_id: route.next_due_at(data_dir, merchant_id) for merchant_id in merchant_ids}
        due = [merchant_id for merchant_id, moment in at.items() if is_due(moment, now)]
        return sorted(due, key=lambda merchant_id: (at[merchant_id] or _NEVER, merchant_id))
    pulses = {merchant_id: read_poll_stats(data_dir, merchant_id, route.name) for merchant_id in merchant_ids}
    every = intervals(pulses, bounds=bounds, requests_per_second=requests_per_second)
    last = {merchant_id: pulse.last_run_at for merchant_id, pulse in pulses.items()}
    return poll_intervals.due(every, last, now.timestamp())


def intervals(
    pulses: Mapping[str, PollStats], *, bounds: tuple[timedelta, timedelta], requests_per_second: float | None
) -> dict[str, float]:
    """Return the seconds between two syncs of each merchant."""
    lowest, highest = (bound.total_seconds() for bound in bounds)
    if requests_per_second is None:
        return dict.fromkeys(pulses, lowest)
    return poll_intervals.intervals(
        {merchant_id: poll_intervals.rate(pulse.history) for merchant_id, pulse in pulses.items()},
        budget_per_second=requests_per_second * SHARE_FOR_LOOKING,
        lowest=lowest,
        highest=highest,
        costs={merchant_id: pulse.quiet_calls for merchant_id, pulse in pulses.items()},
    )
