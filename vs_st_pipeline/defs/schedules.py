"""The schedule that syncs the merchants who are due, in one run; it is off until somebody turns it on."""

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
from vs_st_pipeline.defs.partitions import merchants
from vs_st_pipeline.defs.resources import Settings, due_now
from vs_st_pipeline.errors import BadSettings

UNFINISHED = [
    DagsterRunStatus.QUEUED,
    DagsterRunStatus.NOT_STARTED,
    DagsterRunStatus.STARTING,
    DagsterRunStatus.STARTED,
    DagsterRunStatus.CANCELING,
]

# Dagster's own names for a run over a range of partitions; keys stand in the order in which they were added.
RANGE_START, RANGE_END = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"


@schedule(
    job=sync,
    cron_schedule="*/5 * * * *",
    default_status=DefaultScheduleStatus.STOPPED,
    description="Every five minutes: syncs in one run all merchants who are due; waits for the run before.",
)
def sync_schedule(context: ScheduleEvaluationContext, settings: ResourceParam[Settings]) -> RunRequest | SkipReason:
    """One run over all partitions, of which it takes those who are due; none while the one before is under way."""
    under_way = context.instance.get_run_records(RunsFilter(job_name=sync.name, statuses=UNFINISHED), limit=1)
    if under_way:
        return SkipReason(f"run {under_way[0].dagster_run.run_id} is still under way; it is not overtaken")
    keys = merchants.get_partition_keys(dynamic_partitions_store=context.instance)
    if not keys:
        return SkipReason("there are no merchants yet: the sensor merchants_sensor adds those of merchants.yaml")
    try:
        due = due_now(settings.merchants_file())
    except BadSettings as error:
        return SkipReason(sentence(error))
    if not set(due) & set(keys):
        return SkipReason(f"none of {len(keys)} merchants is due yet")
    return RunRequest(
        tags={RANGE_START: keys[0], RANGE_END: keys[-1]}, run_config={"ops": {"walk": {"config": {"due_only": True}}}}
    )
