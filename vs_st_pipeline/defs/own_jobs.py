"""Makes the jobs that only one route has: what a command of its own does, for people who look at Dagster.

What they are called, take and do stands in the table of routes (`pipeline/route.py`), so nothing here names one.
"""

# No `from __future__ import annotations`: Dagster takes the context of an op from its annotations.

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from dagster import (
    Array,
    Enum,
    EnumValue,
    Failure,
    Field,
    JobDefinition,
    Nothing,
    OpExecutionContext,
    Out,
    in_process_executor,
    job,
    op,
)

from vs_st_pipeline.defs.resources import Settings, merchant_of
from vs_st_pipeline.domain.errors import BadArguments, PipelineError
from vs_st_pipeline.pipeline.own_commands import JobField, OwnJob, Told
from vs_st_pipeline.pipeline.route import Route
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.user import user_name

MERCHANT = "merchant"


def own_jobs_of(routes: Sequence[Route]) -> Iterable[JobDefinition]:
    """Yield the jobs that routes bring besides those that sync."""
    for route in routes:
        for one in route.jobs:
            yield _job(route, one)


def _job(route: Route, one: OwnJob) -> JobDefinition:
    schema = {MERCHANT: Field(str, description="The merchant that it is about.")}
    schema |= {field.name: _field(one, field) for field in one.fields}

    @op(
        name=f"do_{one.name}",
        config_schema=schema,
        required_resource_keys={"settings"},
        out=Out(Nothing),
        description=one.says,
    )
    def act(context: OpExecutionContext) -> None:
        """Do it, and say what came of it; the run fails where it is refused."""
        filled: Mapping[str, Any] = context.op_config
        try:
            told = one.do(_run(route, context, filled[MERCHANT]), {k: v for k, v in filled.items() if k != MERCHANT})
        except BadArguments as error:
            raise Failure(str(error), allow_retries=False) from None
        except PipelineError as error:
            raise Failure(f"{error.kind}: {error}", allow_retries=False) from None
        _tell(context, told)

    @job(name=one.name, description=one.says, executor_def=in_process_executor)
    def own_job() -> None:
        act()

    return own_job


def _field(one: OwnJob, field: JobField) -> Field:
    kind: Any = str
    if field.choices:  # an enum's name is one for all that Dagster has loaded
        kind = Enum(f"{one.name}_{field.name}", [EnumValue(word) for word in field.choices])
    if field.many:
        kind = Array(kind)
    if field.required:
        return Field(kind, description=field.says)
    return Field(kind, description=field.says, is_required=False, default_value=[] if field.many else "")


def _run(route: Route, context: OpExecutionContext, merchant_id: str) -> Run:
    settings: Settings = context.resources.settings
    merchant = merchant_of(settings.merchants_file(), merchant_id)
    if fault := merchant.faults.get(route.name):
        raise fault
    if not route.is_on(merchant):
        raise Failure(f"route {route.name} of {merchant_id} is off, so nothing is done", allow_retries=False)
    run = settings.run(merchant, settings.warehouse(), context.run.run_id, trigger="command")
    return replace(run, route=route.name, who=f"dagster:{user_name()}")


def _tell(context: OpExecutionContext, told: Told) -> None:
    said = "\n".join(told.lines)
    if told.error is not None:
        said = f"{said}\n{told.error.kind}: {told.error}"
    if told.error is not None or not told.well:
        raise Failure(said, allow_retries=False)
    context.log.info(said)
