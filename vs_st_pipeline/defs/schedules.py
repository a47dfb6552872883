"""Makes the schedule that syncs all that is due, in one run; it is off until a person turns it on.

It looks every minute. A route that stores when a merchant is due next (`next_due_at`) is believed each time; any other
is looked at every five minutes, as often as the settings of the fleet say.
"""

# No `from __future__ import annotations`: Dagster looks at the function's annotations.

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from dagster import (
    DagsterRunStatus,
    DefaultScheduleStatus,
    JobDefinition,
    ResourceParam,
    RunRequest,
    RunsFilter,
    ScheduleEvaluationContext,
    SkipReason,
    schedule,
)
from dagster_shared.check import CheckError

from vs_st_pipeline.defs import resources
from vs_st_pipeline.defs.metadata import sentence
from vs_st_pipeline.defs.names import TICK_JOB, TICK_STEP, job_name, step_name
from vs_st_pipeline.defs.resources import LOOK, Settings, due_now, next_due
from vs_st_pipeline.domain.errors import BadSettings
from vs_st_pipeline.domain.formats import counted
from vs_st_pipeline.pipeline.route import Route
from vs_st_pipeline.platform.settings.merchants import MerchantsFile

UNFINISHED = [
    DagsterRunStatus.QUEUED,
    DagsterRunStatus.NOT_STARTED,
    DagsterRunStatus.STARTING,
    DagsterRunStatus.STARTED,
    DagsterRunStatus.CANCELING,
]

DUE = "vs-st/due"  # a tag that shows in the list of runs how many were due


def schedule_of(routes: Sequence[Route], jobs: Mapping[str, Any], tick: JobDefinition | None = None) -> Any:
    """Return the schedule that starts one run for all merchants and routes that are due.

    Args:
        jobs: route's name -> its job.
        tick: the job for several routes at once; None where there is one route.
    """

    @schedule(
        name="sync_schedule",
        job=tick or jobs[routes[0].name],
        cron_schedule=f"*/{LOOK.seconds // 60} * * * *" if LOOK.seconds > 60 else "* * * * *",
        default_status=DefaultScheduleStatus.STOPPED,
        description="Every minute: syncs in one run all merchants that are due; waits for the run before.",
    )
    def sync_schedule(context: ScheduleEvaluationContext, settings: ResourceParam[Settings]) -> RunRequest | SkipReason:
        """Request one run for all merchants and routes that are due; none while the previous run is under way."""
        for name in (*(job_name(route) for route in routes), TICK_JOB):
            if under_way := context.instance.get_run_records(RunsFilter(job_name=name, statuses=UNFINISHED), limit=1):
                run_id = under_way[0].dagster_run.run_id
                return SkipReason(f"run {run_id} is still under way; it is not overtaken")
        looked_at = [route for route in routes if is_looked_at(route, _evaluated_at(context))]
        if not looked_at:
            return SkipReason("no route is looked at in this minute")
        try:
            file = settings.merchants_file()
            due = {route: due_now(file, route) for route in looked_at}
            if not any(due.values()):
                return SkipReason(_nobody(file, routes))
        except BadSettings as error:
            return SkipReason(sentence(error))
        taken = [route for route in looked_at if due[route]]
        count = sum(len(one) for one in due.values())
        of = sum(route.is_on(merchant) for merchant in file.enabled for route in routes)
        config: dict[str, Any] = {"due_only": True}
        step = TICK_STEP if tick else step_name(routes[0])
        if tick:
            config["routes"] = [route.name for route in taken]
        return RunRequest(tags={DUE: f"{count} of {of}"}, run_config={"ops": {step: {"config": config}}})

    return sync_schedule


def _nobody(file: MerchantsFile, routes: Sequence[Route]) -> str:
    """Say that nobody is due, and when that changes by time alone; a webhook may make somebody due before."""
    ids = [merchant.id for merchant in file.enabled]
    said = f"{ids[0]} is not due yet" if len(ids) == 1 else f"none of {counted(len(ids), 'merchants')} is due yet"
    if (found := next_due(file, routes)) is None:
        return said
    at, merchant_id, route = found
    return f"{said}; next: {merchant_id}, {route}, at {at:%H:%M} UTC"


def is_looked_at(route: Route, at: datetime) -> bool:
    """Say whether a tick at this time asks who is due; a route that does not say so itself is asked every five."""
    return route.next_due_at is not None or (at.hour * 60 + at.minute) % (resources.TICK.seconds // 60) == 0


def _evaluated_at(context: ScheduleEvaluationContext) -> datetime:
    try:
        return context.scheduled_execution_time
    except CheckError:  # evaluated by hand, when there is no time for which it was planned: all are looked at
        return datetime(2000, 1, 1)
