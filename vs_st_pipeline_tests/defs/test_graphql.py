"""The Dagster UI's own calls, on a real web server and daemon: backfill, partial failure, retry, cancel, checks."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from vs_st_pipeline.routes.contacts import ROUTE
from vs_st_pipeline.sandbox import Sandbox
from vs_st_pipeline_tests.support.dagster_ui import PLANNED, SYNCED, Ui, running, wait_for
from vs_st_pipeline_tests.support.hints import Hints

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("ui"), pytest.mark.timeout(600)]

TEST, OTHER = "test-winery", "other-winery"
ALL = sorted(asset.key for asset in ROUTE.assets)  # the sandbox's merchants have no other route

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

RUNS = "{ runsOrError(limit: 20) { ... on Runs { results { jobName status } } } }"


class Backfills(Ui):
    """What the pages of backfills and checks ask."""

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

    def checks(self, asset: str) -> dict[str, dict[str, Any]]:
        found = self.ask(CHECKS, key={"path": asset.split("/")})["assetChecksOrError"]["checks"]
        return {check["name"]: check["executionForLatestMaterialization"] for check in found}


@pytest.fixture(scope="module")
def ui(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backfills]:
    folder = tmp_path_factory.mktemp("ui")
    with Sandbox("small") as box:
        box.write_settings(folder)
        with running(Backfills(box, folder, tmp_path_factory.mktemp("home"))) as ui:
            yield ui


@pytest.fixture(autouse=True)
def fresh(ui: Backfills) -> Iterator[None]:
    ui.box.reset()
    ui.box.write_settings(ui.folder)
    shutil.rmtree(ui.data, ignore_errors=True)
    yield
    ui.box.reset()


def wrong_key(ui: Backfills, merchant: str) -> Callable[[], object]:
    """Spoil a merchant's key; the answer puts it right."""
    path = ui.folder / "keys" / f"{merchant}.vs_key"
    good = path.read_text()
    path.write_text("wrong\n")
    return lambda: path.write_text(good)


def test_a_backfill_fails_for_one_and_is_retried_for_him_alone(ui: Backfills) -> None:
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


def test_a_dry_run_and_one_stop_from_the_launchpad(ui: Backfills) -> None:
    # Without `synced`, which a dry run does not make: a backfill that misses an asset counts as failed.
    up_to_planned = [asset for asset in ALL if asset != SYNCED]
    assert ui.ended(ui.backfill(OTHER, assets=up_to_planned, dry_run=True)) == "COMPLETED_SUCCESS"
    assert {entry["method"] for entry in ui.box.simpletexting.control.journal(OTHER)} == {"GET"}
    assert ui.ended(ui.backfill(OTHER, assets=[SYNCED])) == "COMPLETED_SUCCESS"
    assert "PUT" in {entry["method"] for entry in ui.box.simpletexting.control.journal(OTHER)}


def test_a_cancelled_backfill_ends_soon_and_loses_nothing(ui: Backfills) -> None:
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


def test_everything_killed_in_the_middle_goes_on_when_it_is_started_again(ui: Backfills) -> None:
    ui.box.vinoshipper.control.set_switch("latency_seconds", 1.0)
    backfill_id = ui.backfill(TEST, OTHER)
    wait_for(lambda: ui.box.vinoshipper.control.journal(TEST))
    ui.kill()  # the web server, the daemon, the code server and the run
    ui.box.vinoshipper.control.set_switch("latency_seconds", 0)
    ui.start()
    assert ui.ended(backfill_id) == "COMPLETED_FAILED", "nobody waits for a run whose process is gone"
    retried = ui.ask(RETRY_BACKFILL, params={"parentRunId": backfill_id, "strategy": "FROM_FAILURE"})
    assert ui.ended(retried["backfillId"]) == "COMPLETED_SUCCESS"
    assert len([e for e in ui.box.simpletexting.control.journal(TEST) if e["method"] == "PUT"]) == 7
    assert ui.box.simpletexting.control.created(TEST) == []


def test_the_daemon_starts_a_run_for_what_is_hinted_where_no_worker_is_alive(ui: Backfills) -> None:
    """webhooks-onboarding.md section 7: `inbox_watch`, and no second run while the first is unfinished."""
    assert ui.ended(ui.backfill(TEST)) == "COMPLETED_SUCCESS"
    ui.box.vinoshipper.control.patch_order("90000000017", orderStatus="DELIVERED")
    hints = Hints(ui.data, at=time.time())
    hints.comes("90000000017", merchant=TEST)
    try:
        wait_for(lambda: hints.inbox.ask("select 1 from hints where state = 'done'"))
        assert hints.inbox.ask("select outcome from hints") == [("written",)]
    finally:
        hints.inbox.close()
    hinted = wait_for(lambda: [run for run in ui.ask(RUNS)["results"] if run["jobName"] == "sync_hinted"])
    assert len(hinted) == 1
    wait_for(lambda: ui.ask(RUNS)["results"][0]["status"] == "SUCCESS")
