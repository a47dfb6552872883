"""Says what a route's things are called in Dagster; stored events hold these names, so they never change."""

from __future__ import annotations

from vs_st_pipeline.pipeline.route import Route
from vs_st_pipeline.platform.warehouse.files import DEFAULT_ROUTE

TICK_JOB, TICK_STEP = "tick", "run_due"
HINTS_JOB, HINTS_STEP = "sync_hinted", "take_hints"


def step_name(route: Route) -> str:
    """Return the name of the op that makes a route's assets."""
    return "walk" if route.name == DEFAULT_ROUTE else f"run_{route.name}"


def job_name(route: Route) -> str:
    """Return the name of the job that makes all of a route's assets."""
    return "sync" if route.name == DEFAULT_ROUTE else f"sync_{route.name}"


def group_name(route: Route, asset: str) -> str:
    """Return the group of an asset in the graph."""
    return asset.split("/")[0] if route.name == DEFAULT_ROUTE else route.name
