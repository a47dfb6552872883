"""What `make ui` opens on: a fleet with a story, already told by the pages."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from vs_st_pipeline.domain.phone import parse_nanp
from vs_st_pipeline.sandbox.scenarios import fifty
from vs_st_pipeline.sandbox.scenarios.fixtures import LABELS
from vs_st_pipeline.sandbox.scenarios.index import load

ROOT = Path(__file__).resolve().parents[2]
ASKED = """{ assetNodes(assetKeys: [{path: ["fleet", "health"]}]) {
  assetMaterializations(limit: 1) { metadataEntries { label ... on TextMetadataEntry { text } } }
  assetChecksOrError { ... on AssetChecks { checks { name executionForLatestMaterialization { status } } } }
} }"""


def test_fifty_wineries_are_there_and_each_story_has_its_winery() -> None:
    fleet = {merchant.id: merchant for merchant in load("fleet", datetime(2026, 6, 15, 12, tzinfo=UTC))}
    assert len(fleet) == 50
    assert set(fifty.STORIES) <= set(fleet)
    assert sum(len(merchant.customers) for merchant in fleet.values()) < 500, "small enough to sync in half a minute"
    labels = {field["label"] for field in fleet[fifty.LACKING].custom_fields}
    assert len(set(LABELS) - labels) == 4
    phones = [parse_nanp(customer["primaryPhone"]["number"]) for customer in fleet[fifty.SHARED].customers.values()]
    assert len(phones) - len(set(phones)) == 2
    unknown = [customer["dateOfBirth"] is None for customer in fleet[fifty.AGELESS].customers.values()]
    assert sum(unknown) >= 4


@pytest.mark.slow
@pytest.mark.timeout(900)  # fifty wineries, twice, and a Dagster
def test_the_page_opens_on_a_fleet_whose_troubles_are_told(tmp_path: Path) -> None:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(ROOT / "scripts" / "ui.py"), str(port), "--folder", str(tmp_path / "box")]
    process = subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        said = [line for line in iter(process.stdout.readline, "Ctrl-C stops everything.\n") if line]
        assert f"  1. http://127.0.0.1:{port}/assets/fleet/health\n" in said
        (page,) = asked(port)["data"]["assetNodes"]
        (shown,) = page["assetMaterializations"]
        (short,) = (entry["text"] for entry in shown["metadataEntries"] if entry["label"] == "in short")
        assert short == (
            "48 of 57 fine; 1 broken settings: ember-lane; 3 failing: foxglove-hill (auth), lark-meadow (auth), "
            "silver-creek (unsafe); 1 late: stony-ridge (try_later); 1 retrying: rivers-edge (bad_answer); "
            "3 partial: quail-run, hillside (orders), glow-skin (consumers); 1 off"
        )
        checks = page["assetChecksOrError"]["checks"]
        assert {check["name"]: check["executionForLatestMaterialization"]["status"] for check in checks} == {
            "everybody_is_fresh": "FAILED",
            "nobody_is_failing": "FAILED",
            "settings_are_whole": "FAILED",
            "settings_are_understood": "SUCCEEDED",
        }
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)


def asked(port: int) -> Any:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/graphql",
        json.dumps({"query": ASKED}).encode(),
        {"content-type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)
