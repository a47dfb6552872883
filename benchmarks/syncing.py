"""Syncs merchants in one process, each when a line on stdin says so; prints what each sync took as a JSON line.

Run with the merchants file and a data folder. An order is {"merchant": id or null, "now": ISO time or null}.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.memory import peak_mb
from vs_st_pipeline.operations.settings import read_merchants
from vs_st_pipeline.operations.warehouse import warehouse_at
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.platform.warehouse.files import Warehouse
from vs_st_pipeline.routes.contacts import sync as pipeline


class Opened:
    """Counts how often the warehouse is opened: a sync that takes the quiet path does without it."""

    def __init__(self) -> None:
        self.count = 0
        usual = Warehouse.open

        @contextmanager
        def counted(warehouse: Warehouse, *arguments: Any, **more: Any) -> Iterator[Db]:
            self.count += 1
            with usual(warehouse, *arguments, **more) as db:
                yield db

        Warehouse.open = counted  # type: ignore[method-assign]


def main() -> None:
    """Obey until the input ends."""
    merchants = read_merchants(Path(sys.argv[1]), {}).merchants
    by_id = {merchant.id: merchant for merchant in merchants}
    warehouse, opened = warehouse_at(Path(sys.argv[2])), Opened()
    for line in sys.stdin:
        order = json.loads(line)
        merchant = by_id[order["merchant"]] if order["merchant"] else merchants[0]
        at = datetime.fromisoformat(order["now"]) if order["now"] else None
        run = Run(merchant, warehouse, lambda at=at: at or datetime.now(UTC))
        opened.count, began = 0, time.time()
        wall, cpu = time.perf_counter(), time.process_time()
        report = pipeline.sync(run)
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        assert report.status == "ok", report.error
        figures = {
            "cpu": cpu,
            "wall": wall,
            "began": began,
            "accepted": report.accepted,
            "requests": sum(report.calls_by_name().values()),
            "opened": opened.count,
            "quiet_path": int(opened.count == 0),
            "peak_mb": peak_mb(),
        }
        print(json.dumps(figures), flush=True)


if __name__ == "__main__":
    main()
