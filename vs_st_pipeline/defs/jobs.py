"""Defines the job that runs all stages; a run of it may cover one merchant or all."""

from __future__ import annotations

from dagster import AssetSelection, define_asset_job

from vs_st_pipeline.defs.assets import sync_assets

sync = define_asset_job(
    "sync",
    AssetSelection.assets(sync_assets),
    description="The main job: raw, staged, planned, synced, for every merchant of the run.",
)
