"""Defines a job per route that runs all of its stages; a run of it may cover one merchant or all."""

from __future__ import annotations

from typing import Any

from dagster import AssetsDefinition, AssetSelection, define_asset_job

from vs_st_pipeline.defs.names import job_name
from vs_st_pipeline.pipeline.route import Route


def job_of(route: Route, assets: AssetsDefinition) -> Any:
    """Return the job that makes all of a route's assets."""
    told = (
        f"Syncs the merchants that you choose by route {route.name}: reads, stages, plans and writes. A partition is "
        "a merchant. To see what would be written, set `dry_run: true` in the launchpad and look at the pages of "
        "planned/. What is due is synced by the job tick, which sync_schedule starts."
    )
    return define_asset_job(job_name(route), AssetSelection.assets(assets), description=told)
