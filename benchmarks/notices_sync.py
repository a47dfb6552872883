"""Syncs route `notices` of the first merchant of a merchants file, in a process of its own, and measures it by stage.

Run with a JSON file ({settings, data, ahead, stages, land}); prints one line of JSON. `ahead`: by how many seconds now
is later than the clock says; `stages`: those to run, None: all. With `land` it measures nothing: so many orders are
stored as if they had been read just now, and the templates are read.
"""

from __future__ import annotations

import json
import os
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from benchmarks.memory import peak_mb
from benchmarks.notices_shop import STEPS, number_of, order
from vs_st_pipeline.connectors.eshopbox import landing
from vs_st_pipeline.connectors.eshopbox.landing import Read
from vs_st_pipeline.connectors.eshopbox.order_record import read_order
from vs_st_pipeline.operations.settings import read_merchants
from vs_st_pipeline.operations.warehouse import warehouse_at
from vs_st_pipeline.pipeline.session import StageDone
from vs_st_pipeline.platform.inbox.store import Inbox
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.routes import ROUTES
from vs_st_pipeline.routes.notices import listing
from vs_st_pipeline.routes.notices.session import open_session

NAME = "notices"
AT_ONCE = 500


def main() -> None:
    """Sync and measure."""
    job = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    route = next(route for route in ROUTES if route.name == NAME)
    merchant = read_merchants(Path(job["settings"]), os.environ).merchants[0]
    data, ahead = Path(job["data"]), timedelta(seconds=job["ahead"])
    run = Run(merchant, warehouse_at(data), lambda: datetime.now(UTC) + ahead, route=NAME, inbox=Inbox(data))
    if job["land"]:
        print(json.dumps({"landed": land(run, job["land"])}))
        return
    stages: dict[str, dict[str, float]] = {}
    began = last = (time.perf_counter(), time.process_time())

    def told(done: StageDone) -> None:
        nonlocal last
        now = (time.perf_counter(), time.process_time())
        stages[done.name] = {"wall": now[0] - last[0], "cpu": now[1] - last[1]}
        last = now

    report = route.run_stages(run, job["stages"] or route.stages, told).as_json()
    found: dict[str, Any] = {
        "wall": time.perf_counter() - began[0],
        "cpu": time.process_time() - began[1],
        "stages": stages,
        "peak_mb": peak_mb(),
        "report": report,
    }
    print(json.dumps(found, default=str))


def land(run: Run, orders: int) -> int:
    """Store orders, and read the templates; returns how many orders are stored."""
    now, zone = run.now(), ZoneInfo("Asia/Kolkata")
    for begin in range(0, orders, AT_ONCE):
        reads = []
        for index in range(begin, min(orders, begin + AT_ONCE)):
            body = order(index, now - timedelta(minutes=1), STEPS[index % 2])
            reads.append(Read(body, read_order(body, number_of(index), zone), now, time.time()))
        with run.open() as db, db.transaction():
            landing.land(run, db, reads)
    with open_session(run) as session:
        account = session.gupshup.selected
        assert account is not None
        listing.read_now(session, account)
    return orders


if __name__ == "__main__":
    main()
