"""Deletes Dagster's old runs with all their events, once a day; Dagster itself deletes only old ticks.

A run's events are what Dagster knows about the partitions that it made: with them deleted, a partition would be shown
as
never made. So a run stays if it holds the latest materialization of a partition, or the latest attempt to make it. A
merchant that is synced now and then has its latest in new runs, so few old ones stay.

Dagster's own `delete_run` leaves behind each run's check results, and on SQLite its tags and its file. They would be
most of what grows, so they are deleted too, by the tables of Dagster's storage; of a check the latest result stays.
What
belongs to no run is deleted by its own age (`event_retention`).
"""

# No `from __future__ import annotations`: Dagster takes the config of an op from its annotations.

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from dagster import (
    Config,
    DagsterEventType,
    DagsterInstance,
    DagsterRunStatus,
    DefaultScheduleStatus,
    Failure,
    OpExecutionContext,
    RunsFilter,
    ScheduleDefinition,
    job,
    op,
)
from dagster._core.execution.backfill import BulkActionsFilter, BulkActionStatus
from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable as Checked
from dagster._core.storage.event_log.schema import SqlEventLogStorageTable as Events
from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage
from dagster._core.storage.event_log.sqlite import SqliteEventLogStorage
from dagster._core.storage.runs.schema import RunTagsTable
from dagster._core.storage.runs.sql_run_storage import SqlRunStorage
from dagster._core.storage.tags import BACKFILL_ID_TAG
from pydantic import Field
from sqlalchemy import and_, delete, func, select

from vs_st_pipeline.defs.metadata import sentence
from vs_st_pipeline.defs.partitions import merchants
from vs_st_pipeline.defs.storage import dead_runs
from vs_st_pipeline.defs.storage.event_retention import delete_runless
from vs_st_pipeline.domain.errors import BadSettings
from vs_st_pipeline.platform.settings import environment

FINISHED = [DagsterRunStatus.SUCCESS, DagsterRunStatus.FAILURE, DagsterRunStatus.CANCELED]
AT_WORK = [BulkActionStatus.REQUESTED, BulkActionStatus.CANCELING, BulkActionStatus.FAILING]
PAGE = 200


class RetentionConfig(Config):
    """The options of a run."""

    minutes: int = Field(default=10, ge=1, description="After this long the rest is left for the next time.")


@dataclass
class Deleted:
    """What one run of the job deleted."""

    runs: int = 0
    kept: int = 0
    runless: int = 0
    left_for_later: bool = False


@op(description="Delete runs and events older than VS_ST_KEEP_RUNS (30d), but for the latest of each partition.")
def delete_old_runs(context: OpExecutionContext, config: RetentionConfig) -> None:
    """Delete what is old enough, the oldest first."""
    try:
        dead_runs.hold_lock(environment.data_dir(os.environ), context.run_id)
        before = environment.now({}) - environment.keep_runs(os.environ)  # the true time, because runs age by it
    except BadSettings as error:
        raise Failure(f"nothing was deleted: {sentence(error)}", allow_retries=False) from None
    done = delete_runs(context.instance, before, give_up_at=time.monotonic() + 60 * config.minutes)
    rest = "; the rest is left for the next time" if done.left_for_later else ""
    context.log.info(
        f"{done.runs} runs and {done.runless} events of no run deleted; {done.kept} older runs hold the latest of a "
        f"partition and stay{rest}"
    )
    context.add_output_metadata(
        {"runs deleted": done.runs, "older runs that stay": done.kept, "events of no run deleted": done.runless}
    )


@job(description="Deletes old runs and their events, but for what shows how each partition stands.")
def retention() -> None:
    delete_old_runs()


retention_schedule = ScheduleDefinition(
    name="retention_schedule",
    job=retention,
    cron_schedule="40 3 * * *",
    default_status=DefaultScheduleStatus.RUNNING,
    description="Every night: deletes runs that are older than VS_ST_KEEP_RUNS.",
)


def delete_runs(instance: DagsterInstance, before: datetime, *, give_up_at: float = float("inf")) -> Deleted:
    """Delete finished runs that were created before a time, all that is stored of them, and older events of no run.

    Args:
        before: aware time.
        give_up_at: monotonic time after which no further deletion is started.
    """
    done = Deleted()
    needed, latest_checks = _needed(instance), _latest_checks(instance)
    # before the first is deleted, because the pages are counted by what is there
    for run_id in list(_finished(instance, before)):
        if run_id in needed:
            done.kept += 1
            continue
        if time.monotonic() >= give_up_at:
            done.left_for_later = True
            break
        _delete(instance, run_id, latest_checks)
        done.runs += 1
    done.runless = delete_runless(_events(instance), before, latest_checks)
    return done


def _finished(instance: DagsterInstance, before: datetime) -> Iterator[str]:
    """Return the ids of finished runs, the oldest first, without those that a backfill at work still asks for."""
    busy = {one.backfill_id for one in instance.get_backfills(BulkActionsFilter(statuses=AT_WORK))}
    cursor = None
    while True:
        page = instance.get_run_records(
            RunsFilter(statuses=FINISHED, created_before=before), limit=PAGE, cursor=cursor, ascending=True
        )
        for record in page:
            if record.dagster_run.tags.get(BACKFILL_ID_TAG) not in busy:
                yield record.dagster_run.run_id
        if len(page) < PAGE:
            return
        cursor = page[-1].dagster_run.run_id


def _needed(instance: DagsterInstance) -> set[str]:
    """Return the runs that hold the latest materialization of an existing partition, or the latest attempt."""
    there = {None, *instance.get_dynamic_partitions(str(merchants.name))}
    made, planned = DagsterEventType.ASSET_MATERIALIZATION.value, DagsterEventType.ASSET_MATERIALIZATION_PLANNED.value
    needed = set()
    for kinds in ([made], [made, planned]):  # a plan that is the latest of both came to nothing
        latest = (
            select(func.max(Events.c.id).label("id"))
            .where(and_(Events.c.dagster_event_type.in_(kinds), Events.c.asset_key.is_not(None)))
            .group_by(Events.c.asset_key, Events.c.partition)
            .subquery()
        )
        with _events(instance).index_connection() as connection:
            found = connection.execute(
                select(Events.c.run_id, Events.c.partition).join(latest, Events.c.id == latest.c.id)
            )
            needed |= {run_id for run_id, partition in found if partition in there}
    return needed


def _latest_checks(instance: DagsterInstance) -> list[int]:
    """Return the rows that hold the latest result of a check."""
    latest = select(func.max(Checked.c.id)).group_by(Checked.c.asset_key, Checked.c.check_name, Checked.c.partition)
    with _events(instance).index_connection() as connection:
        return [row[0] for row in connection.execute(latest)]


def _delete(instance: DagsterInstance, run_id: str, latest_checks: Sequence[int]) -> None:
    """Delete a run, its tags, its events, its check results and its file."""
    events, runs = _events(instance), instance.run_storage
    with events.index_connection() as connection:
        connection.execute(delete(Checked).where(and_(Checked.c.run_id == run_id, Checked.c.id.not_in(latest_checks))))
    if isinstance(runs, SqlRunStorage):
        with runs.connect() as connection:
            connection.execute(delete(RunTagsTable).where(RunTagsTable.c.run_id == run_id))
    instance.delete_run(run_id)
    if isinstance(events, SqliteEventLogStorage):
        shard = Path(events.path_for_shard(run_id))
        for file in (shard, *(shard.with_name(f"{shard.name}-{kind}") for kind in ("wal", "shm"))):
            with suppress(FileNotFoundError):
                file.unlink()


def _events(instance: DagsterInstance) -> SqlEventLogStorage:
    storage = instance.event_log_storage
    if not isinstance(storage, SqlEventLogStorage):  # the two storages that docs/scale.md describes are
        raise Failure(f"events in {type(storage).__name__} cannot be deleted", allow_retries=False)
    return storage
