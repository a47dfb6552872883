"""Syncs route `orders` of merchants in one process, a tick for each line on stdin; prints what each took as JSON.

Run with the merchants file and a data folder. An order is {"now": ISO time, "merchants": ids or null}. All clocks of
the route but those of the network go by `now`, also the machine's, by which the age of a read goes: a day takes
minutes.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections import Counter
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from types import ModuleType
from typing import Any

from benchmarks.memory import peak_mb
from vs_st_pipeline.operations.settings import read_merchants
from vs_st_pipeline.operations.warehouse import warehouse_at
from vs_st_pipeline.platform.inbox.store import Inbox
from vs_st_pipeline.platform.run import Run, new_run_id
from vs_st_pipeline.routes import ROUTES
from vs_st_pipeline_tests.support import unpaced

NAME = "orders"


class Clock:
    """The present, as it is said, for whoever asks for the machine's clock."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC)

    def everywhere(self) -> None:
        """Let the route, and the shop's connector, go by it; what is timed within a request goes on as it is."""
        present = self

        class Said(datetime):
            """A date-time whose now is what was said."""

            @classmethod
            def now(cls, tz: tzinfo | None = None) -> Any:
                return present.now.astimezone(tz)

        class Time(ModuleType):
            """The module `time`, but for the wall clock."""

            def __getattr__(self, name: str) -> Any:
                return getattr(time, name)

            def time(self) -> float:
                return present.now.timestamp()

        theirs = (
            "vs_st_pipeline.routes.orders",
            "vs_st_pipeline.connectors.commerce7",
            "vs_st_pipeline.platform.clock",
        )
        for name, module in list(sys.modules.items()):
            if name.startswith(theirs):
                if getattr(module, "datetime", None) is datetime:
                    module.datetime = Said  # type: ignore[attr-defined]
                if getattr(module, "time", None) is time:
                    module.time = Time("time")  # type: ignore[attr-defined]


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
            "peak_mb": peak_mb(),
        }
        print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main()
