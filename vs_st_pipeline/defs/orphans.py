"""Runs whose process has died are ended as failed, so that nothing waits for them for ever.

Dagster's stock launcher cannot be asked whether a run's process lives. If the machine, or the web server and daemon
with all their children, are killed, a run stays "started" in the storage: no schedule overtakes it, and its backfill
never ends. So a run of ours holds a file lock while it works; the kernel lets go of it with the process.
What such a run had done stands, value by value; what it had not is done by the next.
"""

# No `from __future__ import annotations`: Dagster looks at the function's annotations.

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from dagster import (
    DagsterInstance,
    DagsterRunStatus,
    DefaultSensorStatus,
    RunsFilter,
    SensorEvaluationContext,
    SkipReason,
    sensor,
)
from filelock import FileLock, Timeout

from vs_st_pipeline import environment

AT_WORK = [DagsterRunStatus.STARTED, DagsterRunStatus.CANCELING]
DIED = "the process of this run has died; what it had done stands, and the next run does the rest"
LEFT_OVER_AFTER = 86_400.0  # seconds


@contextmanager
def alive(data_dir: Path, run_id: str) -> Iterator[None]:
    """While the block lasts everybody who can see the data folder can see that this run lives."""
    path = _lock_of(data_dir, run_id)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_suffix(".new")
    with FileLock(draft, mode=0o600, is_singleton=False):
        draft.write_text(run_id, encoding="utf-8")
        draft.rename(path)  # so it is held from the moment on at which anybody can see it
        try:
            yield
        finally:
            path.unlink(missing_ok=True)  # a file that is there and not held is what a dead run leaves


def has_died(data_dir: Path, run_id: str) -> bool:
    """Whether the run began to work, did not come to its end, and nobody works on it any more."""
    path = _lock_of(data_dir, run_id)
    if not path.exists():
        return False  # it has not begun yet, has ended, or is none of ours
    lock = FileLock(path, mode=0o600, is_singleton=False)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return False
    try:
        if path.stat().st_size:
            return True
        path.unlink()  # the run came to its end in this very moment, and the look itself made an empty one
        return False
    finally:
        lock.release()


@sensor(
    minimum_interval_seconds=30,
    default_status=DefaultSensorStatus.RUNNING,
    description="Ends runs whose process was killed, so that the schedule and backfills do not wait for them.",
)
def orphaned_runs_sensor(context: SensorEvaluationContext) -> SkipReason:
    """Look at the runs under way. Starts none."""
    ended = end_orphans(context.instance, environment.data_dir(os.environ))
    return SkipReason(f"ended {len(ended)} runs that had died: {', '.join(ended)}" if ended else "no run has died")


def end_orphans(instance: DagsterInstance, data_dir: Path) -> list[str]:
    """End the runs that have died, as failed or as cancelled.

    Returns:
        Their ids.
    """
    if instance.run_launcher.supports_check_run_worker_health:
        return []  # Dagster's own monitoring sees it, on whatever machine the run was
    ended = []
    for run in instance.get_runs(RunsFilter(statuses=AT_WORK)):
        if has_died(data_dir, run.run_id):
            if run.status == DagsterRunStatus.CANCELING:
                instance.report_run_canceled(run, DIED)
            else:
                instance.report_run_failed(run, DIED)
            ended.append(run.run_id)
            _lock_of(data_dir, run.run_id).unlink(missing_ok=True)
    _sweep(data_dir)
    return ended


def _sweep(data_dir: Path) -> None:
    """Remove what runs left behind that somebody else has ended or deleted."""
    for path in _lock_of(data_dir, "any").parent.glob("*"):
        with suppress(OSError):
            old = time.time() - path.stat().st_mtime > LEFT_OVER_AFTER
            if old and (path.suffix == ".new" or has_died(data_dir, path.stem)):
                path.unlink(missing_ok=True)


def _lock_of(data_dir: Path, run_id: str) -> Path:
    return data_dir / "runs" / f"{run_id}.lock"
