"""How a whole sync takes hints, whatever its route."""

from __future__ import annotations

import time
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from vs_st_pipeline.pipeline import whole_hints
from vs_st_pipeline.pipeline.hinted import Queue
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse.files import Warehouse
from vs_st_pipeline_tests.support.hints import Hints
from vs_st_pipeline_tests.toys.state import LAYOUT, Merchant


def test_h26_merchants_of_one_run_of_dagster_hold_leases_of_their_own(tmp_path: Path) -> None:
    hints, warehouse = Hints(tmp_path, at=time.time()), Warehouse(tmp_path, {"contacts": LAYOUT})
    queue = Queue(lambda _run, _hints: None)
    for merchant in ("hill", "vale"):
        hints.comes("1", merchant=merchant)

    def run_of(merchant_id: str) -> Run:
        merchant: Any = Merchant(merchant_id)
        return Run(merchant, warehouse, lambda: datetime.now(UTC), run_id="one", inbox=hints.inbox)

    owners = "select distinct owner from hints where state = 'working'"
    with ExitStack() as first:
        first.enter_context(whole_hints.taken(run_of("hill"), queue))
        with whole_hints.taken(run_of("vale"), queue):
            assert len(hints.inbox.ask(owners)) == 2
            first.close()
            assert len(hints.inbox.ask(owners)) == 1
    assert hints.inbox.ask(owners) == []


def test_r49_a_whole_sync_leaves_hints_on_what_a_route_of_ours_has_just_written(tmp_path: Path) -> None:
    hints, warehouse = Hints(tmp_path, at=time.time()), Warehouse(tmp_path, {"contacts": LAYOUT})
    hints.comes("1")
    hints.comes("2")
    hints.inbox.note_written("hill", "vinoshipper", "order", "1")
    merchant: Any = Merchant("hill")
    run = Run(merchant, warehouse, lambda: datetime.now(UTC), run_id="one", inbox=hints.inbox)
    with whole_hints.taken(run, Queue(lambda _run, _hints: None)) as found:
        assert [hint.id for hint in found.hints] == ["2"]
    assert [one.record for one in hints.inbox.waiting()] == ["1"]
