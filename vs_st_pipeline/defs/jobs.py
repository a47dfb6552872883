"""Defines a job per route that runs all of its stages; a run of it may cover one merchant or all."""

from __future__ import annotations

from typing import Any

from dagster import AssetsDefinition, AssetSelection, define_asset_job

from vs_st_pipeline.defs.names import job_name
from vs_st_pipeline.pipeline.route import Route
from vs_st_pipeline.platform.warehouse.files import DEFAULT_ROUTE


def job_of(route: Route, assets: AssetsDefinition) -> Any:
    """Return the job that makes all of a route's assets."""
    stages = "raw, staged, planned, synced, for every merchant of the run."
    told = (
        f"The main job: {stages}"
        if route.name == DEFAULT_ROUTE
        else f"Route {route.name}, for every merchant of the run."
    )
    return define_asset_job(job_name(route), AssetSelection.assets(assets), description=told)
