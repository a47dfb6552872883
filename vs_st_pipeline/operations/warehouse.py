"""Opens the warehouse with what the files of every route hold: the one place where files and routes meet.

The warehouse lies in the machine room and knows no route, so it is handed their layouts.
"""

from __future__ import annotations

from pathlib import Path

from vs_st_pipeline.pipeline.route import layout_of
from vs_st_pipeline.platform.warehouse.files import LOCK_WAIT_SECONDS, Warehouse
from vs_st_pipeline.routes import ROUTES

LAYOUTS = {route.name: layout_of(route) for route in ROUTES}


def warehouse_at(data_dir: Path, *, wait_seconds: float = LOCK_WAIT_SECONDS) -> Warehouse:
    """Return the warehouse below a data folder.

    Args:
        data_dir, wait_seconds: as in `Warehouse`.
    """
    return Warehouse(data_dir, LAYOUTS, wait_seconds=wait_seconds)
