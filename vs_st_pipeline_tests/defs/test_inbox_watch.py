"""The sensor `inbox_watch` and the job `sync_hinted`, with a route that takes hints without calling anybody."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from dagster import (
    DagsterInstance,
    DagsterRunStatus,
    DefaultSensorStatus,
    SensorResult,
    SkipReason,
    build_sensor_context,
    materialize,
)
from dagster._core.test_utils import create_run_for_test

from vs_st_pipeline import routes
from vs_st_pipeline.definitions import defs
from vs_st_pipeline.defs import inbox_watch
from vs_st_pipeline.defs.fleet_hints import KEY, fleet_hints_of
from vs_st_pipeline.defs.resources import Settings
from vs_st_pipeline.domain.errors import BadKey
from vs_st_pipeline.domain.hints import Outcome
from vs_st_pipeline.domain.report import FAILED, Report
from vs_st_pipeline.operations.fleet import alerts
from vs_st_pipeline.pipeline.hinted import HintDesk
from vs_st_pipeline.pipeline.route import Route
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline_tests.operations.fleet.test_hints import hinted_routes
from vs_st_pipeline_tests.support.hints import Hints
from vs_st_pipeline_tests.support.statuses import MINUTE, Files
from vs_st_pipeline_tests.support.story import MARISOL, TEST, Story

pytestmark = pytest.mark.xdist_group("dagster")

SICK = "vale"


def take(run: Run, desk: HintDesk) -> Report:
    """A targeted sync that writes whatever is hinted at; one merchant's key is wrong."""
    report = Report(run.merchant.id, run.run_id)
    with run.sync_lock():
        claimed = desk.claim(run)
        if run.merchant.id == SICK:
            report.status, report.error = FAILED, BadKey("the key is wrong", system="vinoshipper")
        else:
            desk.settle(claimed, Outcome.WRITTEN)
        desk.finish(report)
    return report


@pytest.fixture
def taking(monkeypatch: pytest.MonkeyPatch) -> list[Route]:
    made: list[Route] = []
    for route in hinted_routes():
        hinted: Any = route.hinted
        made.append(replace(route, hinted=replace(hinted, run=take)))
    monkeypatch.setattr(routes, "ROUTES", tuple(made))
    return made


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Files:
    made = Files(tmp_path)
    for merchant in ("hill", SICK):
        made.merchant(merchant)
        made.synced(merchant, MINUTE)
    for name, value in made.environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("VS_ST_PUBLIC_URL", raising=False)
    return made


@pytest.fixture
def hints(files: Files) -> Hints:
    return Hints(files.folder / "data", at=time.time())


@pytest.fixture
def instance() -> Iterator[DagsterInstance]:
    with DagsterInstance.ephemeral() as instance:
        yield instance


@pytest.fixture
def watch(taking: list[Route], instance: DagsterInstance) -> Callable[[], SensorResult | SkipReason]:
    """One turn of the sensor after another, on one instance."""
    sensor = inbox_watch.inbox_watch_of(taking)
    context = build_sensor_context(instance=instance)
    return lambda: sensor(context)


def says(found: SensorResult | SkipReason) -> str:
    assert isinstance(found, SkipReason)
    return found.skip_message or ""


def test_the_sensor_is_on_and_looks_every_half_minute_and_the_job_has_no_partitions() -> None:
    sensor = defs.resolve_sensor_def("inbox_watch")
    assert sensor.default_status == DefaultSensorStatus.RUNNING
    assert sensor.minimum_interval_seconds == 30
    assert sensor.job_name == "sync_hinted"
    assert defs.resolve_job_def("sync_hinted").partitions_def is None


def test_where_nothing_was_ever_received_it_does_nothing(
    hints: Hints, watch: Callable[[], Any], instance: DagsterInstance
) -> None:
    assert says(watch()) == "no webhook was ever received here"
    assert instance.get_latest_materialization_event(KEY) is None
    assert not hints.inbox.exists


def test_while_a_worker_is_alive_it_reports_without_a_run(
    hints: Hints, watch: Callable[[], Any], instance: DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    with hints.ago(60):
        hints.comes("1")
    hints.inbox.beat("worker")
    assert says(watch()) == "fleet/hints is reported; hints are in a worker's hands"
    event = instance.get_latest_materialization_event(KEY)
    assert event
    assert event.run_id == ""
    assert "fleet/hints was reported" in says(watch())
    monkeypatch.setenv("VS_ST_PUBLIC_URL", "https://hooks.example.com")
    assert "receiver_is_up turned" in says(watch())
    again = instance.get_latest_materialization_event(KEY)
    assert again
    assert again.timestamp > event.timestamp
    assert instance.get_run_records() == []


def test_where_no_worker_is_alive_one_run_takes_what_is_due_unless_one_is_unfinished(
    hints: Hints, watch: Callable[[], Any], instance: DagsterInstance
) -> None:
    with hints.ago(61):
        hints.inbox.beat("worker")
        hints.comes("1")
    asked = watch()
    assert isinstance(asked, SensorResult)
    assert asked.run_requests
    assert [(one.job_name, one.partition_key, one.tags) for one in asked.run_requests] == [
        (None, None, {"vs-st/hints-due": "1"})
    ]
    under_way = create_run_for_test(instance, job_name="sync_hinted", status=DagsterRunStatus.STARTED)
    assert f"run {under_way.run_id} is still under way" in says(watch())
    instance.report_run_canceled(under_way, "over")
    assert isinstance(watch(), SensorResult)


def test_people_are_told_when_the_worker_goes_down(
    hints: Hints, watch: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[str] = []

    def send(environ: Any) -> alerts.DeliveryResult:
        sent.append("sent")
        return alerts.DeliveryResult(sent=1)

    monkeypatch.setattr(alerts, "send_alerts", send)
    hints.inbox.beat("worker")
    watch()
    assert sent == []
    with hints.inbox._write() as db:
        db.execute("update beats set at = at - 181")
    watch()
    watch()
    assert sent == ["sent"], "once"


def test_one_run_takes_everybodys_hints_and_fails_for_whom_it_names(
    files: Files, hints: Hints, taking: list[Route], instance: DagsterInstance
) -> None:
    with hints.ago(10):
        hints.comes("1")
        hints.comes("2")
        hints.comes("3", merchant=SICK)
    result = inbox_watch.sync_hinted_of(taking).execute_in_process(
        instance=instance, resources={"settings": Settings()}, raise_on_error=False
    )
    assert not result.success
    [event] = result.get_step_failure_events()
    assert event.step_failure_data.user_failure_data
    told = event.step_failure_data.user_failure_data.description or ""
    assert told.startswith(f"1 of 2 targeted syncs failed:\n{SICK}: failed, auth at vinoshipper: the key is wrong")
    assert "hill" not in told
    states = hints.inbox.ask("select merchant, state, outcome from hints order by hint")
    assert states == [("hill", "done", "written"), ("hill", "done", "written"), (SICK, "waiting", None)]
    assert hints.inbox.resting() == {(SICK, "contacts"): "auth"}
    page = instance.get_latest_materialization_event(KEY)
    assert page
    assert page.run_id == result.run_id
    assert hints.inbox.last_beat("worker") is None, "a run is no worker: it would be missed when it is over"

    again = inbox_watch.sync_hinted_of(taking).execute_in_process(
        instance=instance, resources={"settings": Settings()}, raise_on_error=False
    )
    assert again.success, "whoever is at rest is nobody's hint any more"


def test_the_page_can_be_made_by_hand(hints: Hints, taking: list[Route], instance: DagsterInstance) -> None:
    hints.comes("1")
    assert materialize([fleet_hints_of(taking)], instance=instance).success
    hints.inbox.close()
    hints.inbox.path.write_bytes(b"no database" * 100)
    failed = materialize([fleet_hints_of(taking)], instance=instance, raise_on_error=False)
    assert not failed.success


def test_what_was_hinted_is_written_by_a_run_where_no_worker_is_alive(
    story: Story, instance: DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole way on the stand-ins, with the definitions that Dagster loads."""
    story.begin_synced()
    for name, value in story.environment().items():
        monkeypatch.delenv(name, raising=False) if value is None else monkeypatch.setenv(name, value)
    story.shop.patch_order("90000000017", orderStatus="DELIVERED")
    hints = Hints(story.data, at=time.time())
    with hints.ago(5):
        hints.comes("90000000017", merchant=TEST)
    sensor = defs.resolve_sensor_def("inbox_watch")
    assert isinstance(sensor(build_sensor_context(instance=instance)), SensorResult)
    taken = defs.resolve_job_def("sync_hinted").execute_in_process(instance=instance)
    assert taken.success
    assert story.contact(MARISOL)["Order Status"] == "Delivered"
    assert hints.inbox.ask("select state, outcome from hints") == [("done", "written")]
    assert "no hint is due" in says(sensor(build_sensor_context(instance=instance)))
