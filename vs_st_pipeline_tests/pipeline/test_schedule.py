"""When a route is due next, in a file that a schedule reads without opening a database (routes.md R16)."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from vs_st_pipeline.pipeline.schedule import is_due, read_next_due, write_next_due
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline_tests.toys.client import Merchant
from vs_st_pipeline_tests.toys.world import NOON, warehouse_at


@pytest.fixture
def run(tmp_path: Path) -> Run:
    merchant: Any = Merchant("one", "http://localhost")
    warehouse = warehouse_at(tmp_path)
    warehouse.folder("one").mkdir(parents=True, exist_ok=True)
    return Run(merchant, warehouse, lambda: NOON, route="parcels")


def stored(run: Run) -> datetime | None:
    return read_next_due(run.warehouse.data_dir, "one", "parcels")


def due_in(run: Run, gap: timedelta) -> bool:
    return is_due(stored(run), NOON + gap)


def test_r16_a_time_further_off_than_any_gap_is_looked_at_after_that_gap(run: Run) -> None:
    write_next_due(run, run.now() + timedelta(days=7))
    assert not due_in(run, timedelta(hours=23))
    assert due_in(run, timedelta(hours=25))


def test_r16_a_time_that_a_clock_has_set_which_was_ahead_keeps_nobody_waiting(run: Run) -> None:
    ahead = replace(run, clock=lambda: NOON + timedelta(days=400))
    write_next_due(ahead, ahead.now() + timedelta(minutes=5))
    assert due_in(run, timedelta(0))
    write_next_due(run, None)
    assert not due_in(run, timedelta(0)), "only a hint makes it due"


@pytest.mark.parametrize(
    ("stands", "wished", "due"),
    [
        (1, 5, 1),  # what a whole sync asked for stays
        (5, 1, 1),  # a hint may bring it forward
        (-1, 5, -1),  # it is due already
        (None, 5, None),  # nobody knows: due
        (1, None, 1),
        ("never", 5, 5),
    ],
)
def test_r16_a_targeted_sync_never_puts_off_when_the_route_is_due(
    run: Run, stands: int | str | None, wished: int | None, due: int | None
) -> None:
    def after(minutes: int) -> datetime:
        return run.now() + timedelta(minutes=minutes)

    if stands is not None:
        write_next_due(run, None if isinstance(stands, str) else after(stands))
    write_next_due(replace(run, trigger="hint"), None if wished is None else after(wished))
    assert stored(run) == (None if due is None else after(due).replace(tzinfo=UTC))


@pytest.mark.parametrize("text", ["", "soon", "\xff", "never mind"])
def test_a_time_that_cannot_be_read_is_none(run: Run, text: str) -> None:
    (run.warehouse.folder("one") / "parcels.due").write_text(text, encoding="latin-1")
    assert stored(run) is None
