"""Defines `inbox_watch`, which looks after webhooks and their hints, and the job that takes hints where no worker does.

A worker takes a hint two seconds after its call; a run of Dagster needs three times as long to begin. So while a worker
is alive this starts no run, and only reports `fleet/hints`. Where none is, one run takes all hints that are due.
"""

# No `from __future__ import annotations`: Dagster looks at the functions' annotations.

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Event

from dagster import (
    Config,
    DagsterInstance,
    DefaultSensorStatus,
    Failure,
    JobDefinition,
    OpExecutionContext,
    ResourceParam,
    RunRequest,
    RunsFilter,
    SensorDefinition,
    SensorEvaluationContext,
    SensorResult,
    SkipReason,
    in_process_executor,
    job,
    op,
    sensor,
)
from pydantic import Field

from vs_st_pipeline.defs.fleet_hints import HintsEvent, reported
from vs_st_pipeline.defs.metadata import sentence, table
from vs_st_pipeline.defs.names import HINTS_JOB, HINTS_STEP
from vs_st_pipeline.defs.resources import Settings
from vs_st_pipeline.defs.schedules import UNFINISHED
from vs_st_pipeline.defs.storage import dead_runs
from vs_st_pipeline.domain.errors import BadSettings
from vs_st_pipeline.domain.report import FAILED, OK, Report
from vs_st_pipeline.operations.fleet import alerts
from vs_st_pipeline.operations.fleet.health import label
from vs_st_pipeline.operations.fleet.hint_decision import Memory, decide
from vs_st_pipeline.operations.fleet.hints import InboxUnreadable, is_used, look
from vs_st_pipeline.operations.worker import rounds
from vs_st_pipeline.operations.worker.roster import pairs_of
from vs_st_pipeline.pipeline.route import Route
from vs_st_pipeline.platform.inbox.store import Inbox
from vs_st_pipeline.platform.settings import environment

DUE = "vs-st/hints-due"  # a tag that shows in the list of runs of how many merchants and routes hints were due
MOST_NAMED = 20


class HintsConfig(Config):
    """The options of a run."""

    jobs: int = Field(default=rounds.JOBS, ge=1, le=256, description="Merchants at once.")


def sync_hinted_of(routes: Sequence[Route]) -> JobDefinition:
    """Return the job that makes the targeted syncs of all hints that are due, in one run without partitions."""

    @op(name=HINTS_STEP, out={})
    def take_hints(
        context: OpExecutionContext, config: HintsConfig, settings: ResourceParam[Settings]
    ) -> Iterator[HintsEvent]:
        """Make the targeted syncs that are due; a merchant that fails is named, and keeps nobody else waiting."""
        reports = _work(context, config, settings)
        for report in reports:
            context.log.log("INFO" if report.status == OK else "WARNING", _line(report))
        try:
            yield from reported(os.environ, routes)
        except InboxUnreadable as error:
            context.log.warning(f"fleet/hints stays as it was: {error}")
        if failed := [report for report in reports if report.status == FAILED]:
            raise _failure(failed, len(reports))
        context.log.info(f"{len(reports)} targeted syncs" if reports else "no hint was due any more")

    @job(
        name=HINTS_JOB,
        description="Takes all hints that are due, of every merchant, as `vs-st work --once` does. inbox_watch starts "
        "it where no worker is alive.",
        executor_def=in_process_executor,
    )
    def sync_hinted() -> None:
        take_hints()

    return sync_hinted


def _work(context: OpExecutionContext, config: HintsConfig, settings: Settings) -> list[Report]:
    """Work off what is due; a run that is stopped lets requests under way end, and gives the other hints back."""
    try:
        file, warehouse = settings.merchants_file(), settings.warehouse()
        settings.now()  # finds a VS_ST_NOW that is not a time before any request is made
        dead_runs.hold_lock(warehouse.data_dir, context.run.run_id)
    except BadSettings as error:
        raise Failure(f"nothing was called: {sentence(error)}", allow_retries=False) from None
    inbox, stop = Inbox(warehouse.data_dir), Event()
    if not inbox.exists:
        return []
    with ThreadPoolExecutor(1, thread_name_prefix="hints") as pool:
        ended = pool.submit(
            rounds.work_once,
            inbox,
            warehouse.data_dir,
            pairs_of(file.merchants),
            lambda merchant, route: settings.run_for_hints(merchant, route, warehouse, inbox, stop.is_set),
            jobs=config.jobs,
            stop=stop,
        )
        try:
            return ended.result()
        finally:
            stop.set()  # the pool's end waits for it


def _line(report: Report) -> str:
    counts = ", ".join(f"{report.hints[name]} {name.replace('_', ' ')}" for name in ("taken", "handed_over", "dropped"))
    lag = f", written after {report.lag_seconds:.1f} s" if report.lag_seconds is not None else ""
    return f"{label(report.merchant, report.route)}: {report.ended}; hints {counts}{lag}"


def _failure(failed: Sequence[Report], of: int) -> Failure:
    named = sorted((label(one.merchant, one.route), one) for one in failed)
    lines = [f"{name}: {one.ended}" for name, one in named[:MOST_NAMED]]
    lines += [f"and {len(named) - MOST_NAMED} more, in the metadata"] * (len(named) > MOST_NAMED)
    rows = [
        {"merchant": name, **{key: "" if value is None else value for key, value in one.error.as_report().items()}}
        for name, one in named
        if one.error
    ]
    return Failure(
        "\n".join([f"{len(failed)} of {of} targeted syncs failed:", *lines, "Their hints wait for another try."]),
        metadata={"merchants that failed": table(rows)} if rows else {},
        allow_retries=False,
    )


def inbox_watch_of(routes: Sequence[Route]) -> SensorDefinition:
    """Return the sensor that looks after webhooks and their hints."""

    @sensor(
        name="inbox_watch",
        job_name=HINTS_JOB,
        minimum_interval_seconds=30,
        default_status=DefaultSensorStatus.RUNNING,
        description="Reports fleet/hints every 5 minutes, or when a check turns, without a run. Starts one run of "
        f"{HINTS_JOB} where hints are due and no worker is alive.",
    )
    def inbox_watch(context: SensorEvaluationContext) -> SensorResult | SkipReason:
        """Look at the inbox, and do what follows."""
        try:
            if not is_used(os.environ):
                return SkipReason("no webhook was ever received here")
            inbox = Inbox(environment.data_dir(os.environ))
            try:
                found = look(os.environ, routes, inbox)
            finally:
                inbox.close()
            decided = decide(found, Memory.of(context.cursor), under_way=lambda: under_way(context.instance))
            if decided.report:
                for event in reported(os.environ, routes, found):
                    context.instance.report_runless_asset_event(event)
        except (BadSettings, InboxUnreadable) as error:
            return SkipReason(str(error))
        if decided.alert:
            told = alerts.send_alerts(os.environ)
            if told.problem:  # told again at the end of the next tick
                context.log.warning(told.problem)
        context.update_cursor(decided.memory.as_text())
        if not decided.run:
            return SkipReason(decided.says)
        return SensorResult(run_requests=[RunRequest(tags={DUE: str(len(found.due))})])

    return inbox_watch


def under_way(instance: DagsterInstance) -> str | None:
    """Return the id of an unfinished run that takes hints; None: there is none."""
    found = instance.get_run_records(RunsFilter(job_name=HINTS_JOB, statuses=UNFINISHED), limit=1)
    return found[0].dagster_run.run_id if found else None
