"""Assembles the definitions from the table of routes: nothing here is written for one route."""

from __future__ import annotations

from collections.abc import Sequence

from dagster import Definitions, in_process_executor

from vs_st_pipeline import __version__
from vs_st_pipeline.defs.assets import assets_of, tick_of
from vs_st_pipeline.defs.fleet_health import fleet_health
from vs_st_pipeline.defs.fleet_hints import fleet_hints_of
from vs_st_pipeline.defs.inbox_watch import inbox_watch_of, sync_hinted_of
from vs_st_pipeline.defs.jobs import job_of
from vs_st_pipeline.defs.own_jobs import own_jobs_of
from vs_st_pipeline.defs.resources import Settings
from vs_st_pipeline.defs.schedules import schedule_of
from vs_st_pipeline.defs.sensors import fleet_watch, merchants_sensor
from vs_st_pipeline.defs.storage.dead_runs import dead_runs_sensor
from vs_st_pipeline.defs.storage.run_retention import retention, retention_schedule
from vs_st_pipeline.pipeline.route import Route


def definitions_of(routes: Sequence[Route]) -> Definitions:
    """Return all that Dagster shows and runs of these routes."""
    assets = {route.name: assets_of(route) for route in routes}
    jobs = {route.name: job_of(route, assets[route.name]) for route in routes}
    tick = [tick_of(routes)] if len(routes) > 1 else []
    return Definitions(
        assets=[*assets.values(), fleet_health, fleet_hints_of(routes)],
        jobs=[*jobs.values(), *tick, *own_jobs_of(routes), sync_hinted_of(routes), retention],
        schedules=[schedule_of(routes, jobs, *tick), retention_schedule],
        sensors=[merchants_sensor, dead_runs_sensor, fleet_watch, inbox_watch_of(routes)],
        resources={"settings": Settings()},
        # One process per run: merchants share one DuckDB instance, and threads do the waiting.
        executor=in_process_executor,
        metadata={"version": __version__},  # for programs; people see it on `fleet/health`
    )
