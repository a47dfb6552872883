"""Makes the assets of every route, each route's by one function that runs all merchants of its run, and the tick.

A backfill is cut into runs of at most 100 merchants, of which two run at once: one that is stopped or killed takes no
more than a hundred with it.
"""

# No `from __future__ import annotations`: Dagster takes config and resources of an asset function from its annotations.

from collections.abc import Iterator, Sequence

from dagster import (
    AssetCheckEvaluation,
    AssetCheckResult,
    AssetExecutionContext,
    AssetKey,
    AssetMaterialization,
    AssetsDefinition,
    AssetSpec,
    BackfillPolicy,
    Failure,
    JobDefinition,
    OpExecutionContext,
    ResourceParam,
    in_process_executor,
    job,
    multi_asset,
    op,
)
from pydantic import Field

from vs_st_pipeline.defs import partitions
from vs_st_pipeline.defs.checks import key_of, spec_of
from vs_st_pipeline.defs.execution import Share, SyncConfig, execute
from vs_st_pipeline.defs.names import TICK_JOB, TICK_STEP, group_name, step_name
from vs_st_pipeline.defs.resources import Settings
from vs_st_pipeline.pipeline.route import Asset, Route

_WHOSE = (
    "A partition is a merchant. One that is not in route `{route}` shows as missing; one that shows as failed says why "
    "on the page of `fleet/health`."
)


def specs_of(route: Route) -> list[AssetSpec]:
    """Return what Dagster knows of a route's assets before they are made."""
    return [
        AssetSpec(
            asset.key.split("/"),
            deps=[AssetKey(dep.split("/")) for dep in asset.deps],
            description=f"{asset.description}\n\n{_WHOSE.format(route=route.name)}",
            group_name=group_name(route, asset.key),
            skippable=True,
            kinds=_kinds(route, asset),
        )
        for asset in route.assets
    ]


def _kinds(route: Route, asset: Asset) -> set[str]:
    """Return what tells an asset from others of its name in the graph, which shows the last word of a key alone.

    It is stage, system, and how it is made; there is room for three. That all is in DuckDB tells nothing apart.
    """
    return {*asset.key.removeprefix(f"{route.name}/").split("/")[:-1], *(asset.kinds - {"duckdb"})}


def assets_of(route: Route) -> AssetsDefinition:
    """Return a route's assets."""

    @multi_asset(
        name=step_name(route),
        specs=specs_of(route),
        check_specs=[spec_of(check) for check in route.checks],
        partitions_def=partitions.merchants,
        can_subset=True,
        backfill_policy=BackfillPolicy.multi_run(max_partitions_per_run=100),
    )
    def sync_assets(
        context: AssetExecutionContext, config: SyncConfig, settings: ResourceParam[Settings]
    ) -> Iterator[AssetMaterialization | AssetCheckResult | AssetCheckEvaluation]:
        """Run the selected stages for every merchant of the run."""
        # Checks alone may be run without a partition; they then look at all merchants.
        partitioned = context.has_partition_key or context.has_partition_key_range
        if not partitioned and context.selected_asset_keys and not config.due_only:
            # As `vs-st sync` needs --merchant or --all: what was chosen by nobody must not go for everybody.
            raise Failure(
                "nothing was called: this run names no merchant; choose partitions, or launch a backfill of all",
                allow_retries=False,
            )
        share = Share(
            route,
            {"/".join(key.path) for key in context.selected_asset_keys},
            [check for check in route.checks if key_of(check) in context.selected_asset_check_keys],
            list(context.partition_keys) if partitioned else None,
        )
        yield from execute(context, config, settings, [share], step_name(route))

    return sync_assets


class TickConfig(SyncConfig):
    """The options of a tick."""

    due_only: bool = Field(default=True, description="Only merchants that are due.")
    routes: list[str] = Field(default_factory=list, description="Only these routes; none: all.")


def _check(config: TickConfig, names: Sequence[str]) -> None:
    """Refuse what a person may have typed wrong in the launchpad, before anything is called."""
    if unknown := [name for name in config.routes if name not in names]:
        raise Failure(
            f"nothing was called: there is no route {', '.join(unknown)}; there are {', '.join(names)}",
            allow_retries=False,
        )
    if (config.full or config.allow_unsafe) and not config.routes:  # routes.md R38
        raise Failure("nothing was called: full and allow_unsafe need routes: say which", allow_retries=False)


def tick_of(routes: Sequence[Route]) -> JobDefinition:
    """Return the job that runs in one go, for every route, the merchants that are due."""

    @op(name=TICK_STEP, out={})
    def tick(
        context: OpExecutionContext, config: TickConfig, settings: ResourceParam[Settings]
    ) -> Iterator[AssetMaterialization | AssetCheckResult | AssetCheckEvaluation]:
        """Sync what is due, of all routes side by side."""
        _check(config, [route.name for route in routes])
        shares = [
            Share(route, {asset.key for asset in route.assets}, route.checks)
            for route in routes
            if not config.routes or route.name in config.routes
        ]
        yield from execute(context, config, settings, shares, TICK_STEP)

    @job(
        name=TICK_JOB,
        description="What the schedule runs: all that is due, of every route.",
        executor_def=in_process_executor,
    )
    def tick_job() -> None:
        tick()

    return tick_job
