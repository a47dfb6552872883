"""Looks into a file of a data folder, and closes all that was opened for that: a proof lives through hundreds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from vs_st_pipeline.operations.warehouse import warehouse_at
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.platform.warehouse.files import DEFAULT_ROUTE


@contextmanager
def opened(data: Path, merchant_id: str, route: str = DEFAULT_ROUTE) -> Iterator[Db]:
    """Open the file of a merchant and route, as whoever only looks."""
    with closing(warehouse_at(data)) as warehouse, warehouse.open(merchant_id, route) as db:
        yield db
