"""Syncs route `orders` of merchants in one process, a tick for each line on stdin; prints what each took as JSON.

Run with the merchants file and a data folder. An order is {"now": ISO time, "merchants": ids or null}. All clocks of
the route but those of the network go by `now`, also the machine's, by which the age of a read goes: a day takes
minutes.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from vs_st_pipeline.operations.settings import read_merchants
from vs_st_pipeline.operations.warehouse import warehouse_at
from vs_st_pipeline.platform.inbox.store import Inbox
from vs_st_pipeline.platform.run import Run, new_run_id
from vs_st_pipeline.routes import ROUTES
from vs_st_pipeline_tests.support import unpaced

NAME = "orders"


class Clock:
    """The present, as it is said."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC)

    def real(self) -> datetime:
        """Return what the route takes for the machine's clock: UTC without zone."""
        return self.now.replace(tzinfo=None)

    def everywhere(self) -> None:
        """Let the route go by it wherever it asks for the machine's clock."""
        for name, module in list(sys.modules.items()):
            if name.startswith("vs_st_pipeline.") and callable(getattr(module, "real_now", None)):
                module.real_now = self.real  # type: ignore[attr-defined]


def main() -> None:
    """Obey until the input ends."""
    route = next(route for route in ROUTES if route.name == NAME)
    merchants = read_merchants(Path(sys.argv[1]), os.environ).merchants
    data, clock = Path(sys.argv[2]), Clock()
    warehouse = warehouse_at(data)
    clock.everywhere()
    unpaced.lift()
    for line in sys.stdin:
        order = json.loads(line)
        clock.now = datetime.fromisoformat(order["now"])
        wall, cpu = time.perf_counter(), time.process_time()
        calls, ended, errors = Counter[str](), Counter[str](), list[str]()
        for merchant in merchants:
            if order.get("merchants") and merchant.id not in order["merchants"]:
                continue
            run = Run(merchant, warehouse, lambda: clock.now, route=NAME, inbox=Inbox(data), run_id=new_run_id())
            report: dict[str, Any] = route.sync(run).as_json()
            calls.update(report["calls"])
            ended[report["status"]] += 1
            errors += [str(report["error"])] if report["error"] else []
        told = {
            "requests": dict(calls),
            "ended": dict(ended),
            "failed": errors,
            "cpu": time.process_time() - cpu,
            "wall": time.perf_counter() - wall,
            "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        }
        print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main()
