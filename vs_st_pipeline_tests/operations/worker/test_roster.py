"""Whose hints are worked on is as the settings say today (webhooks-onboarding.md H41, 9.3)."""

from __future__ import annotations

from pathlib import Path

import pytest

from vs_st_pipeline.operations.worker import roster
from vs_st_pipeline.operations.worker.roster import stamp_of


def test_h41_the_merchants_are_read_again_where_midnight_may_have_come(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """H41: a merchant whose service ended at midnight is called no more; zones differ by quarters of an hour."""
    path = tmp_path / "merchants.yaml"
    path.write_text("merchants: []\n")

    def stamp(at: float) -> object:
        monkeypatch.setattr(roster.time, "time", lambda: at)
        return stamp_of(path)

    assert stamp(900.0) == stamp(1799.0)
    assert stamp(1799.0) != stamp(1800.0)
