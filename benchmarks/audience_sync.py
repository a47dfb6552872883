"""Syncs route `audience` of the first merchant of a merchants file, in a process of its own, and measures it.

Run with the merchants file and a data folder; prints one line of JSON. CPU is told by stage: reading and staging a drop
is measured apart from what is told.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.memory import peak_mb
from vs_st_pipeline.operations.settings import read_merchants
from vs_st_pipeline.operations.warehouse import warehouse_at
from vs_st_pipeline.pipeline.session import StageDone
from vs_st_pipeline.platform.inbox.store import Inbox
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.routes import ROUTES

NAME = "audience"


def main() -> None:
    """Sync and measure."""
    route = next(route for route in ROUTES if route.name == NAME)
    merchant = read_merchants(Path(sys.argv[1]), os.environ).merchants[0]
    data = Path(sys.argv[2])
    run = Run(merchant, warehouse_at(data), lambda: datetime.now(UTC), route=NAME, inbox=Inbox(data))
    spent: dict[str, float] = defaultdict(float)
    wall, began = time.perf_counter(), time.process_time()
    last = began

    def told(done: StageDone) -> None:
        nonlocal last
        now = time.process_time()
        spent[done.name] += now - last
        last = now

    report = route.run_stages(run, route.stages, told).as_json()
    figures = {
        "wall": time.perf_counter() - wall,
        "cpu": time.process_time() - began,
        "stages": dict(spent),
        "peak_mb": peak_mb(),
        "report": report,
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
