"""The schedule that syncs all merchants every five minutes, in one run; it is off until somebody turns it on."""

# No `from __future__ import annotations`: Dagster looks at the function's annotations.

from dagster import (
    DagsterRunStatus,
    DefaultScheduleStatus,
    RunRequest,
    RunsFilter,
    ScheduleEvaluationContext,
    SkipReason,
    schedule,
)

from vs_st_pipeline.defs.jobs import sync
from vs_st_pipeline.defs.partitions import merchants

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
    description="Syncs all enabled merchants in one run, every five minutes; waits for the run before.",
)
def sync_schedule(context: ScheduleEvaluationContext) -> RunRequest | SkipReason:
    """One run over all partitions, unless the one before is still under way."""
    under_way = context.instance.get_run_records(RunsFilter(job_name=sync.name, statuses=UNFINISHED), limit=1)
    if under_way:
        return SkipReason(f"run {under_way[0].dagster_run.run_id} is still under way; it is not overtaken")
    keys = merchants.get_partition_keys(dynamic_partitions_store=context.instance)
    if not keys:
        return SkipReason("there are no merchants yet: the sensor merchants_sensor adds those of merchants.yaml")
    return RunRequest(tags={RANGE_START: keys[0], RANGE_END: keys[-1]})
