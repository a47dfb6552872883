"""Logs that a partition was planned: a planned partition that a failed run did not make is shown as failed."""

from __future__ import annotations

import logging

from dagster import AssetExecutionContext, AssetKey, DagsterEvent, OpExecutionContext
from dagster._core.events import AssetMaterializationPlannedData


def log_planned(context: AssetExecutionContext | OpExecutionContext, step: str, asset: str, partition: str) -> None:
    """Log the event that Dagster itself logs where a run is requested with its partitions.

    Args:
        step: name of the op. asset: its key as text (`staged/orders`).
    """
    planned = AssetMaterializationPlannedData(AssetKey(asset.split("/")), partition=partition)
    event = DagsterEvent.build_asset_materialization_planned_event(context.run.job_name, step, planned)
    context.instance.report_dagster_event(event, context.run.run_id, logging.DEBUG)
