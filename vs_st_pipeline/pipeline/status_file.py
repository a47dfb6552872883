"""Keeps a merchant's status: its last run, its last good one and how often it changes, without opening a database.

Data flow: a run's report -> standing.json -> when to sync the merchant again, `vs-st merchants`, the fleet's pictures.

There is one small file per merchant, read for the whole fleet in every tick. The outcomes of a merchant's runs are
counted by the hour for two days, so that the fleet's pictures need no history from anywhere else.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import msgspec

from vs_st_pipeline.domain.poll_intervals import History, observe
from vs_st_pipeline.domain.report import FAILED, OK, PARTIAL, Report, Trouble
from vs_st_pipeline.pipeline.route_files import named_for
from vs_st_pipeline.platform.atomic_file import write_atomically
from vs_st_pipeline.platform.locks import file_lock
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse.files import DEFAULT_ROUTE

BASE_CALLS = 6.0  # requests to the first system that a sync is taken to need while nothing is known of the merchant
SMOOTHING = 0.2  # how much of what the last sync took goes into what the next is believed to take
HOURS_KEPT = 48
_SEEN = ("troubles", "held_up")  # what a run that did not look for it does not report

Moment = Annotated[datetime, msgspec.Meta(tz=True)]


@dataclass(frozen=True, slots=True)
class PollStats:
    """What decides when a merchant is synced again.

    Attributes:
        last_run_at: when the merchant was last synced, well or not; epoch seconds, None where never.
        history: its changes so far.
        quiet_calls: requests to the route's first system that a sync of it takes on average.
    """

    last_run_at: float | None = None
    history: History = History()
    quiet_calls: float = BASE_CALLS


class Error(msgspec.Struct, frozen=True):
    """The error of a report (interface.md, section 3)."""

    kind: str
    message: str = ""
    system: str | None = None
    http_status: int | None = None
    trace_id: str | None = None


class LastRun(msgspec.Struct, frozen=True):
    """What is asked about a last run; the file holds the whole report.

    Attributes:
        parts: error of each part of the route that failed while the others went on.
        troubles: what people are told of besides, as the last run saw it that looked.
        held_up: what is held until a person does something, as the last run saw it that looked.
    """

    at: Moment
    status: str = ""
    run_id: str = ""
    error: Error | None = None
    calls: dict[str, int] = {}
    parts: dict[str, Error] = {}
    troubles: list[Trouble] = []
    held_up: str = ""


class OutcomeSince(msgspec.Struct, frozen=True, rename={"how": "as"}):
    """How the last run ended, and since when the merchant's runs end so."""

    how: str
    since: Moment


class Hour(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What came of one merchant's runs in one hour.

    Attributes:
        hour: hours since 1970 (UTC).
        changes: contacts accepted.
        errors: failed runs by kind.
    """

    hour: int
    changes: int = 0
    errors: dict[str, int] = {}


class StoredPollStats(msgspec.Struct, frozen=True):
    """How often a merchant changes, as the file keeps it."""

    history: History
    quiet_calls: float


class MerchantStatus(msgspec.Struct):
    """A merchant's `standing.json`; that of a merchant that was never synced is empty.

    Attributes:
        rejects: contacts refused that wait for another try.
        unknown: contacts with a write whose outcome is not known.
        hours: hours in which something happened, the oldest first.
        last_run: the last report and its time; `last` is the part of it that is read.
    """

    last_good_sync_at: Moment | None = None
    pulse: StoredPollStats | None = None
    rejects: int = 0
    unknown: int = 0
    ended: OutcomeSince | None = None
    hours: list[Hour] = []
    last_run: dict[str, Any] | None = None

    @property
    def last(self) -> LastRun | None:
        """Return the last run as far as it is read, None where there was none or it cannot be read."""
        try:
            return msgspec.convert(self.last_run, LastRun)
        except msgspec.ValidationError:
            return None


_DECODER = msgspec.json.Decoder(MerchantStatus)


def record_run(run: Run, report: Report) -> None:
    """Keep the report of a run that may have written; a disk that is full is in the report already."""
    with suppress(OSError):
        write_status(
            run.warehouse.data_dir, run.merchant.id, run.clock().astimezone(UTC), report.as_status(),
            good=report.status != FAILED, waiting=report.waiting, route=run.route,
        )  # fmt: skip


def write_status(
    data_dir: Path,
    merchant_id: str,
    now: datetime,
    report: dict[str, Any],
    *,
    good: bool,
    waiting: tuple[int, int] | None = None,
    route: str = DEFAULT_ROUTE,
) -> None:
    """Keep this run's report; a good one moves the time of the last good sync and says how often the merchant changes.

    Args:
        now: aware time.
        route: name of the route that was run.
        waiting: how many contacts were refused and wait for another try, and how many have a write whose outcome is
            not known; None where the run did not get so far: then the former numbers stand.
    """
    folder = data_dir / "merchants" / merchant_id
    if not folder.is_dir():
        return  # removed during the run: nothing may be kept of the merchant
    # A lock of its own: a run that never got the sync lock has something to say as well.
    with file_lock(folder / named_for(route, "standing.lock"), timeout=10):
        status = read_status(data_dir, merchant_id, route)
        if good:
            status.pulse = _learnt(status, now, report)
            status.last_good_sync_at = now
        if waiting is not None:
            status.rejects, status.unknown = waiting
        ended = _ended(status, report)
        if status.ended is None or status.ended.how != ended:
            status.ended = OutcomeSince(ended, now)
        status.hours = _counted(status, now, report)
        before = status.last_run or {}
        seen_before: dict[str, Any] = {name: before[name] for name in _SEEN if name in before}
        report = {**seen_before, **report}  # a run that did not look knows of no end
        status.last_run = {"at": now.isoformat(), **report}
        write_atomically(folder / named_for(route, "standing.json"), msgspec.json.encode(status))


def _ended(status: MerchantStatus, report: dict[str, Any]) -> str:
    """Return how the run ended. A refused contact waits longer from try to try, and is no less refused in between."""
    if report.get("status") == OK and (status.rejects or status.unknown):
        return PARTIAL
    return str(report.get("status"))


def _counted(status: MerchantStatus, now: datetime, report: dict[str, Any]) -> list[Hour]:
    """Return the last hours in which something happened, this run included."""
    this = int(now.timestamp() // 3600)
    kept = {one.hour: one for one in status.hours if this - HOURS_KEPT < one.hour <= this}
    changes, error = (report.get("synced") or {}).get("accepted", 0), report.get("error")
    if changes or error:
        before = kept.get(this, Hour(this))
        errors = {**before.errors, error["kind"]: before.errors.get(error["kind"], 0) + 1} if error else before.errors
        kept[this] = Hour(this, before.changes + changes, errors)
    return list(kept.values())


def _learnt(status: MerchantStatus, now: datetime, report: dict[str, Any]) -> StoredPollStats:
    pulse, elapsed = poll_stats_of(status), good_sync_age(status, now)
    if elapsed is None:  # a first sync: its changes are a backlog and its requests are history's
        return StoredPollStats(pulse.history, pulse.quiet_calls)
    history = observe(pulse.history, elapsed, _to_write(report))
    asked = next(iter(report["calls"].values()), 0)  # of the route's first system, whose rate is shared by the fleet
    calls = max(1.0, pulse.quiet_calls + SMOOTHING * (asked - pulse.quiet_calls))
    return StoredPollStats(history, round(calls, 3))


def _to_write(report: dict[str, Any]) -> int:
    """Return how many records there were to write: the first of what was planned (`Report.planned`)."""
    first = next(iter(report["planned"].values()), 0)
    return first if isinstance(first, int) else 0  # a report without counts begins with its reasons


def was_synced(run: Run) -> bool:
    """Say whether a whole sync of the run's merchant and route went well, and its file is there."""
    status = read_status(run.warehouse.data_dir, run.merchant.id, run.route)
    return status.last_good_sync_at is not None and run.file().exists()


def read_status(data_dir: Path, merchant_id: str, route: str = DEFAULT_ROUTE) -> MerchantStatus:
    """Return a merchant's status in a route; an empty one where there is none or it cannot be read."""
    try:
        # Without `pathlib`, which would take half of the time where thousands are read.
        with open(
            os.path.join(data_dir, "merchants", merchant_id, named_for(route, "standing.json")), "rb", buffering=0
        ) as file:
            return _DECODER.decode(file.read())
    except (OSError, msgspec.DecodeError):
        return MerchantStatus()


def read_poll_stats(data_dir: Path, merchant_id: str, route: str = DEFAULT_ROUTE) -> PollStats:
    """Return what decides when a merchant is synced again; the defaults where nothing is known."""
    return poll_stats_of(read_status(data_dir, merchant_id, route))


def poll_stats_of(status: MerchantStatus) -> PollStats:
    """Return what a status says about when to sync the merchant again."""
    last = status.last
    last_run_at = last.at.timestamp() if last else None
    if status.pulse is None:
        return PollStats(last_run_at)
    return PollStats(last_run_at, status.pulse.history, max(1.0, status.pulse.quiet_calls))


def good_sync_age(status: MerchantStatus, now: datetime) -> float | None:
    """Return the seconds since the last good sync; None where there was none."""
    return (now - status.last_good_sync_at).total_seconds() if status.last_good_sync_at else None
