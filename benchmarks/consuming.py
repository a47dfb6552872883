"""Syncs route `consumers` of the first merchant of a merchants file, in a process of its own, and measures it.

Run with the merchants file and a data folder; prints one line of JSON. What staging takes is measured by itself: its
function is wrapped wherever a module of the route has it.
"""

from __future__ import annotations

import json
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.memory import peak_mb
from vs_st_pipeline.operations.settings import read_merchants
from vs_st_pipeline.operations.warehouse import warehouse_at
from vs_st_pipeline.platform.inbox.store import Inbox
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.routes import ROUTES
from vs_st_pipeline.routes.consumers import staging

NAME = "consumers"


def main() -> None:
    """Sync and measure."""
    spent = _measured_staging()
    route = next(route for route in ROUTES if route.name == NAME)
    merchant = read_merchants(Path(sys.argv[1]), {}).merchants[0]
    data = Path(sys.argv[2])
    run = Run(merchant, warehouse_at(data), lambda: datetime.now(UTC), route=NAME, inbox=Inbox(data))
    wall, cpu = time.perf_counter(), time.process_time()
    report = route.run_stages(run, route.stages).as_json()
    figures = {
        "wall": time.perf_counter() - wall,
        "cpu": time.process_time() - cpu,
        "staging_cpu": sum(cpu for cpu, _ in spent),
        "staging_peak_mb": max(peak for _, peak in spent),
        "peak_mb": peak_mb(),
        "report": report,
    }
    print(json.dumps(figures))


def _measured_staging() -> list[tuple[float, float]]:
    """Measure each call of the function that stages: its CPU, and the peak of the process when it has ended."""
    usual, spent = staging.stage, list[tuple[float, float]]()

    def measured(*arguments: Any, **more: Any) -> Any:
        began = time.process_time()
        try:
            return usual(*arguments, **more)
        finally:
            spent.append((time.process_time() - began, peak_mb()))

    for name, module in list(sys.modules.items()):
        if name.startswith("vs_st_pipeline.routes.consumers") and getattr(module, "stage", None) is usual:
            module.stage = measured  # type: ignore[attr-defined]
    return spent


if __name__ == "__main__":
    main()
