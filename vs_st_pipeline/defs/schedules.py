"""Defines the schedule that syncs the merchants that are due, in one run; it is off until a person turns it on."""

# No `from __future__ import annotations`: Dagster looks at the function's annotations.

from dagster import (
    DagsterRunStatus,
    DefaultScheduleStatus,
    ResourceParam,
    RunRequest,
    RunsFilter,
    ScheduleEvaluationContext,
    SkipReason,
    schedule,
)

from vs_st_pipeline.defs.jobs import sync
from vs_st_pipeline.defs.metadata import sentence
from vs_st_pipeline.defs.resources import TICK, Settings, due_now
from vs_st_pipeline.domain.errors import BadSettings

UNFINISHED = [
    DagsterRunStatus.QUEUED,
    DagsterRunStatus.NOT_STARTED,
    DagsterRunStatus.STARTING,
    DagsterRunStatus.STARTED,
    DagsterRunStatus.CANCELING,
]

DUE = "vs-st/due"  # a tag that shows in the list of runs how many were due


@schedule(
    job=sync,
    cron_schedule=f"*/{TICK.seconds // 60} * * * *",
    default_status=DefaultScheduleStatus.STOPPED,
    description="Every five minutes: syncs in one run all merchants that are due; waits for the run before.",
)
def sync_schedule(context: ScheduleEvaluationContext, settings: ResourceParam[Settings]) -> RunRequest | SkipReason:
    """Request one run for all merchants that are due; none while the previous run is under way."""
    under_way = context.instance.get_run_records(RunsFilter(job_name=sync.name, statuses=UNFINISHED), limit=1)
    if under_way:
        return SkipReason(f"run {under_way[0].dagster_run.run_id} is still under way; it is not overtaken")
    try:
        file = settings.merchants_file()
        due = due_now(file)
    except BadSettings as error:
        return SkipReason(sentence(error))
    if not due:
        return SkipReason(f"none of {len(file.enabled)} merchants is due yet")
    return RunRequest(
        tags={DUE: f"{len(due)} of {len(file.enabled)}"}, run_config={"ops": {"walk": {"config": {"due_only": True}}}}
    )
