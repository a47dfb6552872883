"""Stopped anywhere, the same command goes on (H43): nothing is made twice, nobody is told twice."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from vs_st_pipeline.operations.onboarding import confirming
from vs_st_pipeline.platform import failpoints
from vs_st_pipeline_tests.operations.onboarding.agency import Agency, mode_of
from vs_st_pipeline_tests.operations.onboarding.test_steps import Mail, set_up_hooks
from vs_st_pipeline_tests.support.story import TEST

OPTIONS = ["--enable", "--skip-plan"]


class PowerCut(BaseException):
    """The process is gone."""


@pytest.fixture
def cuts(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    def kill(*_: Any) -> None:
        raise PowerCut

    monkeypatch.setattr(failpoints.os, "kill", kill)
    yield
    failpoints._armed = False


def cut_at_each(agency: Agency, mail: Mail, name: str) -> int:
    """Cut the power at each of these places in turn; after each cut the same command goes on to the end."""
    for turn in range(1, 1000):
        begin_again(agency, mail)
        failpoints.enable(f"{name}:{turn}")
        try:
            first = agency.onboard(agency.row(TEST), options=OPTIONS)
        except PowerCut:
            failpoints.enable("any:0")
            agency.lose_process()
            before = len(mail.sent)
            again = agency.onboard(agency.row(TEST), options=OPTIONS)
            assert again.of(TEST)["status"] == "complete", (turn, again.out)
            assert len(mail.sent) <= max(1, before), turn
        else:
            assert first.of(TEST)["status"] == "complete"
            assert len(mail.sent) == 1
            return turn - 1
        entry = agency.entry(TEST)
        assert (entry["enabled"], mode_of(agency.folder / "secrets" / TEST / "vs_api_key")) == (True, 0o600)
        assert len(agency.webhooks(TEST)) == 3
    raise AssertionError


def begin_again(agency: Agency, mail: Mail) -> None:
    import shutil

    agency.box.reset()
    for name in ("merchants.d", "secrets", "data"):
        shutil.rmtree(agency.folder / name, ignore_errors=True)
    agency.lose_process()
    mail.sent.clear()


def test_h43_stopped_between_two_writes_the_same_command_goes_on(
    agency: Agency, monkeypatch: pytest.MonkeyPatch, cuts: None
) -> None:
    mail = Mail(monkeypatch)
    agency.environ |= {"VS_ST_TELL": "env:A", "A": "json://a"}
    set_up_hooks(agency)
    assert cut_at_each(agency, mail, "onboarding") == 5


@pytest.mark.slow
def test_h43_stopped_anywhere_the_same_command_goes_on(
    agency: Agency, monkeypatch: pytest.MonkeyPatch, cuts: None
) -> None:
    mail = Mail(monkeypatch)
    agency.environ |= {"VS_ST_TELL": "env:A", "A": "json://a"}
    set_up_hooks(agency)
    assert cut_at_each(agency, mail, "any") > 30


@pytest.mark.slow
def test_h43_a_process_that_is_killed_leaves_what_the_next_one_goes_on_with(agency: Agency) -> None:
    table = agency.table(agency.row(TEST))
    environ = {**os.environ, "VS_ST_MERCHANTS": str(agency.merchants_file), "VS_ST_DATA_DIR": str(agency.data)}
    command = [sys.executable, "-m", "vs_st_pipeline.cli.main", "onboard", "--from", str(table), "--json", *OPTIONS]
    for turn in range(1, 10):
        done = subprocess.run(command, env={**environ, "VS_ST_KILL_AT": f"onboarding:{turn}"}, capture_output=True)
        if done.returncode == 0:
            break
        assert done.returncode == -9
    assert agency.entry(TEST)["enabled"] is True
    assert confirming.sentence("Test Winery", TEST, "Vinoshipper").encode() in done.stdout
