"""Assembles what Dagster shows and runs; the only module that Dagster loads. What things are is in `defs`."""

from __future__ import annotations

from dagster import Definitions, in_process_executor

from vs_st_pipeline.defs.assets import sync_assets
from vs_st_pipeline.defs.fleet_health import fleet_health
from vs_st_pipeline.defs.jobs import sync
from vs_st_pipeline.defs.resources import Settings
from vs_st_pipeline.defs.schedules import sync_schedule
from vs_st_pipeline.defs.sensors import fleet_watch, merchants_sensor
from vs_st_pipeline.defs.storage.dead_runs import dead_runs_sensor
from vs_st_pipeline.defs.storage.run_retention import retention, retention_schedule

defs = Definitions(
    assets=[sync_assets, fleet_health],
    jobs=[sync, retention],
    schedules=[sync_schedule, retention_schedule],
    sensors=[merchants_sensor, dead_runs_sensor, fleet_watch],
    resources={"settings": Settings()},
    # One process per run: merchants share one DuckDB instance, and threads do the waiting.
    executor=in_process_executor,
)
