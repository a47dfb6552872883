"""One sync of the first merchant of a merchants file, in a process of its own; prints what it took as a JSON line.

Run with the merchants file and a data folder.
"""

from __future__ import annotations

import json
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.memory import peak_mb
from vs_st_pipeline.operations.settings import read_merchants
from vs_st_pipeline.operations.warehouse import warehouse_at
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.routes.contacts import sync as pipeline


def main() -> None:
    """Sync and measure."""
    merchant = read_merchants(Path(sys.argv[1]), {}).merchants[0]
    wall, cpu = time.perf_counter(), time.process_time()
    report = pipeline.sync(Run(merchant, warehouse_at(Path(sys.argv[2])), lambda: datetime.now(UTC)))
    assert report.status == "ok", report.error
    figures = {
        "wall": time.perf_counter() - wall,
        "cpu": time.process_time() - cpu,
        "peak_mb": peak_mb(),
        "accepted": report.accepted,
        "requests": sum(report.calls_by_name().values()),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
