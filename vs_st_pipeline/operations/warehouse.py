"""Opens the warehouse with what the files of every route hold: the one place where files and routes meet.

The warehouse lies in the machine room and knows no route, so it is handed their layouts.
"""

from __future__ import annotations

from pathlib import Path

from vs_st_pipeline import routes
from vs_st_pipeline.pipeline.route import layout_of
from vs_st_pipeline.platform.warehouse.files import LOCK_WAIT_SECONDS, Warehouse
from vs_st_pipeline.platform.warehouse.migrations import Layout


def warehouse_at(data_dir: Path, *, wait_seconds: float = LOCK_WAIT_SECONDS) -> Warehouse:
    """Return the warehouse below a data folder.

    Args:
        data_dir, wait_seconds: as in `Warehouse`.
    """
    return Warehouse(data_dir, layouts(), wait_seconds=wait_seconds)


def layouts() -> dict[str, Layout]:
    """Return what the files of each route hold, by its name."""
    return {route.name: layout_of(route) for route in routes.ROUTES}
