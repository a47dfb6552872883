"""Whose hints are worked on is as the settings say today (webhooks-onboarding.md H41, 9.3)."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from vs_st_pipeline.cli import work
from vs_st_pipeline.domain.errors import BadSettings
from vs_st_pipeline.operations.worker import roster
from vs_st_pipeline.operations.worker.roster import stamp_of
from vs_st_pipeline_tests.support.receiving import HILLSIDE, SHOP, TEXTING, entry, write_settings


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


def test_who_was_the_last_one_in_the_file_is_worked_on_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """9.3: who is not in the file is not processed; nor is who is in it by an entry that cannot be used."""
    keys = {SHOP: {"api_key": "env:KEY", "api_secret": "env:KEY"}, TEXTING: {"api_token": "env:KEY"}}
    for name, value in {"VS_ST_MERCHANTS": "merchants.yaml", "VS_ST_DATA_DIR": "data", "KEY": "key"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    write_settings(tmp_path, [entry(HILLSIDE, **keys)])
    _, whose = work._worker((), 1, threading.Event())
    monkeypatch.setattr(roster, "LOOK_SECONDS", 0.0)
    assert set(whose.pairs()) == {(HILLSIDE, "contacts")}
    write_settings(tmp_path, [])
    assert whose.pairs() == {}
    write_settings(tmp_path, [entry(HILLSIDE, **keys)])
    assert set(whose.pairs()) == {(HILLSIDE, "contacts")}
    write_settings(tmp_path, [entry(HILLSIDE, **keys, enabled="fals")])
    assert whose.pairs() == {}


def test_a_worker_of_nobody_does_not_begin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VS_ST_MERCHANTS", str(write_settings(tmp_path, [])))
    monkeypatch.setenv("VS_ST_DATA_DIR", str(tmp_path / "data"))
    _, whose = work._worker((), 1, threading.Event())
    with pytest.raises(BadSettings, match="no merchant is listed"):
        whose.pairs()
