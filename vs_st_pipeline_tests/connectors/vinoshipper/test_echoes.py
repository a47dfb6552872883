"""What Vinoshipper calls about an order that we have just written is no news, for any route (R49)."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from vs_st_pipeline.connectors.vinoshipper.echoes import note_written
from vs_st_pipeline.connectors.vinoshipper.hooks import read
from vs_st_pipeline.platform.inbox.store import Arrival, Inbox
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse.files import Warehouse
from vs_st_pipeline_tests.toys.state import LAYOUT, Merchant

NUMBER = "HILLSIDE-1248"


@pytest.fixture
def run(tmp_path: Path) -> Run:
    merchant: Any = Merchant("hill")
    return Run(merchant, Warehouse(tmp_path, {"contacts": LAYOUT}), lambda: datetime.now(UTC), inbox=Inbox(tmp_path))


def comes(run: Run, event: str) -> dict[str, float]:
    """A call comes; return how long each route's hints wait because of our write, in seconds."""
    assert run.inbox is not None
    [call] = read(f'{{"identifier": "{NUMBER}", "subject": "ORDER", "event": "{event}"}}'.encode())
    run.inbox.put([Arrival("hill", "vinoshipper", call, ("contacts", "orders"), "2026-12-01T00:00:00Z")])
    now = run.inbox.clock()
    return {one.route: round(max(0.0, one.held_until - now)) for one in run.inbox.waiting()}


def test_r49_hints_wait_for_ten_minutes_but_approved_and_cancelled(run: Run) -> None:
    assert comes(run, "CREATED") == {"contacts": 0, "orders": 0}
    note_written(replace(run, dry_run=True), NUMBER)
    assert comes(run, "UPDATED") == {"contacts": 0, "orders": 0}
    note_written(run, NUMBER)
    assert comes(run, "TRACKING_NUMBER_ADDED") == {"contacts": 600, "orders": 600}
    assert comes(run, "APPROVED") == {"contacts": 0, "orders": 0}


def test_r49_a_cancellation_does_not_wait(run: Run) -> None:
    assert comes(run, "CREATED") == {"contacts": 0, "orders": 0}
    note_written(run, NUMBER)
    assert comes(run, "cancelled") == {"contacts": 0, "orders": 0}


def test_an_inbox_that_cannot_be_written_keeps_nobody_from_sending(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    comes(run, "CREATED")

    def full(*_: object, **__: object) -> None:
        raise sqlite3.OperationalError("disk is full")

    monkeypatch.setattr(Inbox, "note_written", full)
    note_written(run, NUMBER)
    note_written(replace(run, inbox=None), NUMBER)
