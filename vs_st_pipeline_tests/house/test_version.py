"""One number says which release runs: on the command line, in Dagster, in reports of faults, in the changelog."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import pytest
from click.testing import CliRunner

import vs_st_pipeline
from vs_st_pipeline.cli.main import cli
from vs_st_pipeline.definitions import defs
from vs_st_pipeline.defs.fleet_health import KEY, fleet_health
from vs_st_pipeline.platform import crash_reports

ROOT = Path(__file__).resolve().parents[2]
CHANGELOG = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
VERSION = vs_st_pipeline.__version__
GROUPS = ["Upgrading", "Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"]


def test_the_command_dagster_and_the_report_of_a_fault_say_the_same_number(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("VS_ST_MERCHANTS", str(tmp_path / "merchants.yaml"))
    monkeypatch.setenv("VS_ST_DATA_DIR", str(tmp_path))
    (tmp_path / "merchants.yaml").write_text("merchants: []\n", encoding="utf-8")
    assert CliRunner().invoke(cli, ["--version"]).output.split()[-1] == VERSION
    assert defs.metadata["version"].value == VERSION
    assert fleet_health.metadata_by_key[KEY]["version of vs-st"] == VERSION
    assert fleet_health().metadata["version of vs-st"] == VERSION
    assert crash_reports.describe(ValueError("7075550142")).endswith(f"(vs-st {VERSION}); please report it")


def test_what_is_installed_takes_the_number_from_the_code() -> None:
    text = (ROOT / "setup.py").read_text(encoding="utf-8")
    assert "version=VERSION" in text
    head = text[: text.index("setup(\n")].replace("__file__", repr(str(ROOT / "setup.py")))
    made: dict[str, object] = {}
    exec(compile(head, "setup.py", "exec"), made)
    assert made["VERSION"] == VERSION


def test_the_changelog_is_by_release_with_the_newest_first_and_says_what_to_do_when_upgrading() -> None:
    releases = re.findall(r"^## \[(\d+\.\d+\.\d+)\] - (\d{4}-\d\d-\d\d)$", CHANGELOG, re.MULTILINE)
    assert len(releases) == len(re.findall(r"^## ", CHANGELOG, re.MULTILINE)), "`## [1.2.3] - 2026-11-30`, nothing else"
    assert releases[0][0] == VERSION
    days = [date.fromisoformat(day) for _, day in releases]
    assert days == sorted(days, reverse=True)
    for text in re.split(r"^## \[", CHANGELOG, flags=re.MULTILINE)[1:]:
        groups = re.findall(r"^### (.+)$", text, re.MULTILINE)
        assert groups[0] == "Upgrading"
        assert groups == [one for one in GROUPS if one in groups], "the groups of Keep a Changelog, each once, in order"
