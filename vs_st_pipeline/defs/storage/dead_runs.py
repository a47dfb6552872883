"""Ends runs whose process has died as failed, so that nothing waits for them for ever.

Data flow: locks of runs in the data folder, Dagster's runs under way -> runs that are reported as failed or canceled.

Dagster's stock launcher cannot be asked whether a run's process lives. If the machine, or the web server and daemon
with all their children, are killed, a run stays "started" in the storage: no schedule overtakes it, and its backfill
never ends. So a run of ours holds a file lock from its first step to the end of its process; the kernel releases
it with the process. The run holds it not only while it works: it can die too between its last merchant and the report
of its end. A run whose lock is free and that has not reported its end by then never will.

A run that died before it took its lock has left none; it is recognized by having started long ago.
What a dead run had done stands, value by value; the next run does the rest.
"""

# No `from __future__ import annotations`: Dagster looks at the function's annotations.

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from dagster import (
    DagsterInstance,
    DagsterRun,
    DagsterRunStatus,
    DefaultSensorStatus,
    RunsFilter,
    SensorEvaluationContext,
    SkipReason,
    sensor,
)
from dagster._core.storage.tags import REPOSITORY_LABEL_TAG

from vs_st_pipeline.domain.errors import BadSettings
from vs_st_pipeline.platform.locks import FileLock, Timeout, file_lock
from vs_st_pipeline.platform.own_folder import make_own_folder
from vs_st_pipeline.platform.settings import environment

AT_WORK = [DagsterRunStatus.STARTED, DagsterRunStatus.CANCELING]
DIED = "the process of this run has died; what it had done stands, and the next run does the rest"
# From "started" to the lock it takes a run a second. This is what `start_timeout_seconds` gives it to get that far.
LOCKED_AFTER = 300.0  # seconds
LEFT_OVER_AFTER = 86_400.0  # seconds

_held: dict[Path, FileLock] = {}  # of the run that this process works on; if it runs several, those before have ended


def hold_lock(data_dir: Path, run_id: str) -> None:
    """Hold a lock until this process ends, so that every process that sees the data folder sees that the run lives.

    A run of several routes' assets asks for it once per route.

    Raises:
        BadSettings: the data folder cannot be used.
    """
    path = _lock_of(data_dir, run_id)
    if (known := _held.pop(path, None)) is not None and path.exists():
        _held[path] = known
        return
    draft = path.with_suffix(".new")
    try:
        make_own_folder(path.parent)
        lock = file_lock(draft)
        lock.acquire()
        draft.rename(path)  # so it is held from the moment at which others can see it
    except OSError as error:
        raise BadSettings(
            f"the data folder {data_dir} cannot be used ({error.strerror}): make it writable or set VS_ST_DATA_DIR"
        ) from None
    _held.clear()
    _held[path] = lock


@sensor(
    minimum_interval_seconds=30,
    default_status=DefaultSensorStatus.RUNNING,
    description="Ends runs whose process was killed, so that the schedule and backfills do not wait for them.",
)
def dead_runs_sensor(context: SensorEvaluationContext) -> SkipReason:
    """End the runs under way that have died; starts none."""
    location = context.code_location_origin
    ours = f"{context.repository_name}@{location.location_name}" if location else None
    ended = end_dead_runs(context.instance, environment.data_dir(os.environ), ours=ours)
    return SkipReason(f"ended {len(ended)} runs that had died: {', '.join(ended)}" if ended else "no run has died")


def end_dead_runs(
    instance: DagsterInstance, data_dir: Path, *, ours: str | None = None, now: float | None = None
) -> list[str]:
    """End the runs that have died, as failed or as cancelled, and remove the locks of all that are over.

    Args:
        ours: `repository@location`, whose runs hold locks; None where it is not known: runs without a lock are left.
        now: epoch seconds, None for the clock's.

    Returns:
        Ids of those that had died.
    """
    now = time.time() if now is None else now
    # Where Dagster itself sees which runs have died, on whatever machine, nothing is ended here.
    watched = instance.run_launcher.supports_check_run_worker_health
    ended = []
    for path in _free_locks(data_dir):
        run = instance.get_run_by_id(path.stem)  # read after the lock was found free, so this is its final status
        if run is None and not _is_old(path, now):
            continue  # it may be known to another Dagster that shares the folder
        if run is not None and run.status in AT_WORK:
            if watched:
                continue
            ended.append(_end(instance, run))
        path.unlink(missing_ok=True)
    for draft in _folder(data_dir).glob("*.new"):  # of a run that died before its lock could be seen
        if _is_old(draft, now):
            draft.unlink(missing_ok=True)
    if not watched and ours:
        ended += [_end(instance, run) for run in _never_locked(instance, data_dir, ours, now)]
    return ended


def _free_locks(data_dir: Path) -> Iterator[Path]:
    """Return the locks that no process holds."""
    for path in _folder(data_dir).glob("*.lock"):
        lock = file_lock(path)
        with suppress(Timeout):
            lock.acquire(timeout=0)
            lock.release()
            yield path


def _never_locked(instance: DagsterInstance, data_dir: Path, ours: str, now: float) -> list[DagsterRun]:
    """Return runs of ours that started so long ago that they must have died before they took their lock.

    Every run of ours that may take minutes holds one.
    """
    found = instance.get_run_records(RunsFilter(statuses=AT_WORK, tags={REPOSITORY_LABEL_TAG: ours}))
    return [
        record.dagster_run
        for record in found
        if now - (record.start_time or now) > LOCKED_AFTER
        and not _lock_of(data_dir, record.dagster_run.run_id).exists()
    ]


def _end(instance: DagsterInstance, run: DagsterRun) -> str:
    if run.status == DagsterRunStatus.CANCELING:
        instance.report_run_canceled(run, DIED)
    else:
        instance.report_run_failed(run, DIED)
    return run.run_id


def _is_old(path: Path, now: float) -> bool:
    with suppress(FileNotFoundError):  # a draft that has just become a lock
        return now - path.stat().st_mtime > LEFT_OVER_AFTER
    return False


def _folder(data_dir: Path) -> Path:
    return data_dir / "runs"


def _lock_of(data_dir: Path, run_id: str) -> Path:
    return _folder(data_dir) / f"{run_id}.lock"
