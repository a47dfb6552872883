"""The Dagster UI's own calls, on a real web server and daemon: backfill, partial failure, retry, cancel, checks."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from vs_st_pipeline.definitions import defs
from vs_st_pipeline.sandbox import Sandbox

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("ui"), pytest.mark.timeout(600)]

ROOT = Path(__file__).resolve().parents[1]
TEST, OTHER = "test-winery", "other-winery"
SYNCED, PLANNED = "synced/simpletexting/contacts", "planned/simpletexting/contacts"
ALL = sorted(key.to_user_string() for key in defs.resolve_asset_graph().get_all_asset_keys() if key.path[0] != "fleet")

LAUNCH_BACKFILL = """
mutation Launch($params: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $params) {
    __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message }
  }
}"""
RETRY_BACKFILL = """
mutation Retry($params: ReexecutionParams!) {
  reexecutePartitionBackfill(reexecutionParams: $params) {
    __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message }
  }
}"""
CANCEL_BACKFILL = """
mutation Cancel($id: String!) {
  cancelPartitionBackfill(backfillId: $id) { __typename ... on PythonError { message } }
}"""
BACKFILL = """
query Backfill($id: String!) {
  partitionBackfillOrError(backfillId: $id) {
    ... on PartitionBackfill { status partitionNames runs: unfinishedRuns { id status } }
    ... on PythonError { message }
  }
}"""
PARTITIONS = """
query Partitions($key: AssetKeyInput!) {
  assetNodeOrError(assetKey: $key) {
    ... on AssetNode {
      assetPartitionStatuses {
        ... on DefaultPartitionStatuses { materializedPartitions failedPartitions }
      }
    }
  }
}"""
CHECKS = """
query Checks($key: AssetKeyInput!) {
  assetNodeOrError(assetKey: $key) {
    ... on AssetNode {
      assetChecksOrError {
        ... on AssetChecks {
          checks { name executionForLatestMaterialization { status evaluation { success description } } }
        }
      }
    }
  }
}"""


@dataclass
class Ui:
    """A running web server and daemon, asked as the browser asks them."""

    url: str
    process: subprocess.Popen[bytes]
    box: Sandbox
    folder: Path

    def ask(self, query: str, **variables: Any) -> Any:
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(f"{self.url}/graphql", body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as response:
            answer = json.load(response)
        assert "errors" not in answer, answer["errors"]
        [found] = answer["data"].values()
        return found

    def backfill(self, *merchants: str, assets: list[str] = ALL, **config: object) -> str:
        params: dict[str, Any] = {
            "assetSelection": [{"path": asset.split("/")} for asset in assets],
            "partitionNames": list(merchants),
        }
        if config:
            params["runConfigData"] = {"ops": {"walk": {"config": config}}}
        answer = self.ask(LAUNCH_BACKFILL, params=params)
        assert answer["__typename"] == "LaunchBackfillSuccess", answer
        return str(answer["backfillId"])

    def ended(self, backfill_id: str) -> str:
        """The status in which a backfill ends."""
        done = {"COMPLETED_SUCCESS", "COMPLETED_FAILED", "COMPLETED", "FAILED", "CANCELED"}
        return str(wait_for(lambda: (s := self.ask(BACKFILL, id=backfill_id)["status"]) in done and s))

    def partitions(self, asset: str) -> tuple[set[str], set[str]]:
        """Partitions that the asset's page shows as materialized, and as failed."""
        shown = self.ask(PARTITIONS, key={"path": asset.split("/")})["assetPartitionStatuses"]
        return set(shown["materializedPartitions"]), set(shown["failedPartitions"])

    def checks(self, asset: str) -> dict[str, dict[str, Any]]:
        found = self.ask(CHECKS, key={"path": asset.split("/")})["assetChecksOrError"]["checks"]
        return {check["name"]: check["executionForLatestMaterialization"] for check in found}


def wait_for(happened: Callable[[], Any], seconds: float = 240) -> Any:
    give_up_at = time.monotonic() + seconds
    while not (found := happened()):
        assert time.monotonic() < give_up_at, "it did not come to that"
        time.sleep(0.3)
    return found


def start(home: Path, folder: Path, port: int) -> subprocess.Popen[bytes]:
    environment = {
        **os.environ,
        "DAGSTER_HOME": str(home),
        "VS_ST_MERCHANTS": str(folder / "merchants.yaml"),
        "VS_ST_DATA_DIR": str(folder / "data"),
        "PYTHONPATH": str(ROOT),
    }
    command = [sys.executable, "-W", "ignore", "-m", "dagster", "dev", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--workspace", str(ROOT / "workspace.yaml"), "--log-level", "error"]
    return subprocess.Popen(command, cwd=folder, env=environment, start_new_session=True)


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("home")
    settings = (ROOT / "dagster.yaml").read_text(encoding="utf-8")
    (home / "dagster.yaml").write_text(settings.replace("data/dagster", str(home / "storage")), encoding="utf-8")
    return home


@pytest.fixture(scope="module")
def ui(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ui]:
    folder = tmp_path_factory.mktemp("ui")
    with Sandbox("small") as box:
        box.write_settings(folder)
        port = free_port()
        process = start(home, folder, port)
        running = Ui(f"http://127.0.0.1:{port}", process, box, folder)
        try:
            wait_for(lambda: is_up(running))
            wait_for(lambda: len(running.ask("{ instance { daemonHealth { allDaemonStatuses { healthy } } } }")) > 0)
            wait_for(lambda: has_partitions(running))
            yield running
        finally:
            stop(running.process)


def is_up(ui: Ui) -> bool:
    try:
        return bool(ui.ask("{ version }"))
    except OSError:
        return False


def has_partitions(ui: Ui) -> bool:
    query = """query Keys($key: AssetKeyInput!) {
      assetNodeOrError(assetKey: $key) { ... on AssetNode { partitionKeys } } }"""
    return set(ui.ask(query, key={"path": SYNCED.split("/")}).get("partitionKeys") or []) == {TEST, OTHER}


def stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGINT)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(30)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@pytest.fixture(autouse=True)
def fresh(ui: Ui) -> Iterator[None]:
    ui.box.reset()
    ui.box.write_settings(ui.folder)
    shutil.rmtree(ui.folder / "data", ignore_errors=True)
    yield
    ui.box.reset()


def wrong_key(ui: Ui, merchant: str) -> Callable[[], object]:
    """Spoil a merchant's key; the answer puts it right."""
    path = ui.folder / "keys" / f"{merchant}.vs_key"
    good = path.read_text()
    path.write_text("wrong\n")
    return lambda: path.write_text(good)


def test_a_backfill_fails_for_one_and_is_retried_for_him_alone(ui: Ui) -> None:
    mend = wrong_key(ui, TEST)
    first = ui.backfill(TEST, OTHER)
    assert ui.ended(first) == "COMPLETED_FAILED"
    materialized, failed = ui.partitions(SYNCED)
    assert (materialized & {OTHER}, failed) == ({OTHER}, {TEST})

    checks = ui.checks(PLANNED)
    assert checks["ages_are_known"]["evaluation"]["description"]
    assert checks["brake_is_not_tripped"]["status"] == "SUCCEEDED"

    mend()
    ui.box.vinoshipper.control.clear_journal()
    retried = ui.ask(RETRY_BACKFILL, params={"parentRunId": first, "strategy": "FROM_FAILURE"})
    assert retried["__typename"] == "LaunchBackfillSuccess", retried
    assert ui.ended(retried["backfillId"]) == "COMPLETED_SUCCESS"
    assert ui.partitions(SYNCED) == ({TEST, OTHER}, set())
    assert ui.box.vinoshipper.control.journal(OTHER) == [], "who was done is left alone"


def test_a_dry_run_and_one_stop_from_the_launchpad(ui: Ui) -> None:
    assert ui.ended(ui.backfill(OTHER, dry_run=True)) == "COMPLETED_SUCCESS"
    assert {entry["method"] for entry in ui.box.simpletexting.control.journal(OTHER)} == {"GET"}
    assert ui.ended(ui.backfill(OTHER, assets=[SYNCED])) == "COMPLETED_SUCCESS"
    assert "PUT" in {entry["method"] for entry in ui.box.simpletexting.control.journal(OTHER)}


def test_a_cancelled_backfill_ends_soon_and_loses_nothing(ui: Ui) -> None:
    ui.box.vinoshipper.control.set_switch("latency_seconds", 1.0)
    backfill_id = ui.backfill(TEST, OTHER)
    wait_for(lambda: ui.box.vinoshipper.control.journal(TEST))
    began = time.monotonic()
    ui.ask(CANCEL_BACKFILL, id=backfill_id)
    assert ui.ended(backfill_id) == "CANCELED"
    print(f"cancelled after {time.monotonic() - began:.1f} s")
    sent = len(ui.box.vinoshipper.control.journal())
    ui.box.vinoshipper.control.set_switch("latency_seconds", 0)
    assert ui.ended(ui.backfill(TEST, OTHER)) == "COMPLETED_SUCCESS"
    assert len(ui.box.vinoshipper.control.journal()) > sent
    assert ui.box.simpletexting.control.created(TEST) == []
    accepted = [entry for entry in ui.box.simpletexting.control.journal(TEST) if entry["method"] == "PUT"]
    assert len(accepted) == 7, "everybody once"


def test_everything_killed_in_the_middle_goes_on_when_it_is_started_again(ui: Ui, home: Path) -> None:
    ui.box.vinoshipper.control.set_switch("latency_seconds", 1.0)
    backfill_id = ui.backfill(TEST, OTHER)
    wait_for(lambda: ui.box.vinoshipper.control.journal(TEST))
    os.killpg(ui.process.pid, signal.SIGKILL)  # the web server, the daemon, the code server and the run
    ui.process.wait()
    ui.box.vinoshipper.control.set_switch("latency_seconds", 0)
    ui.process = start(home, ui.folder, int(ui.url.rpartition(":")[2]))
    wait_for(lambda: is_up(ui))
    assert ui.ended(backfill_id) == "COMPLETED_FAILED", "nobody waits for a run whose process is gone"
    retried = ui.ask(RETRY_BACKFILL, params={"parentRunId": backfill_id, "strategy": "FROM_FAILURE"})
    assert ui.ended(retried["backfillId"]) == "COMPLETED_SUCCESS"
    assert len([e for e in ui.box.simpletexting.control.journal(TEST) if e["method"] == "PUT"]) == 7
    assert ui.box.simpletexting.control.created(TEST) == []
