"""The Dagster face on the sandbox: what is materialized for whom, what is said, and that it tells nobody's secrets."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from dagster import (
    AssetKey,
    DagsterInstance,
    DagsterRunStatus,
    DefaultScheduleStatus,
    DefaultSensorStatus,
    Definitions,
    ExecuteInProcessResult,
    RunRequest,
    SkipReason,
    build_schedule_context,
    build_sensor_context,
)
from dagster._core.definitions.partitions.context import partition_loading_context
from dagster._core.storage.partition_status_cache import get_and_update_asset_status_cache_value
from dagster._core.test_utils import create_run_for_test
from dagster._serdes import serialize_value

from vs_st_pipeline import routes
from vs_st_pipeline.definitions import defs
from vs_st_pipeline.defs import fleet_health, partitions
from vs_st_pipeline.defs.assets import specs_of
from vs_st_pipeline.defs.checks import key_of
from vs_st_pipeline.defs.merchant_pool import Part, run_one
from vs_st_pipeline.defs.reporting import ReportLog
from vs_st_pipeline.defs.resources import Settings, merchant_of
from vs_st_pipeline.defs.sensors import merchants_sensor
from vs_st_pipeline.domain.hints import Outcome
from vs_st_pipeline.domain.report import Report
from vs_st_pipeline.pipeline.erasure import forget
from vs_st_pipeline.pipeline.status_file import write_status
from vs_st_pipeline.platform.inbox import statistics
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.routes import contacts
from vs_st_pipeline.routes.contacts.checks import CHECKS
from vs_st_pipeline.routes.contacts.report import new_report
from vs_st_pipeline.routes.contacts.sync import STAGES
from vs_st_pipeline.routes.contacts.systems import SYSTEMS
from vs_st_pipeline.sandbox import Sandbox
from vs_st_pipeline_tests.support.hints import Hints

pytestmark = pytest.mark.xdist_group("dagster")

# Dagster's own names for a run over a range of partitions; keys stand in the order in which they were added.
RANGE_START, RANGE_END = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"

sync_schedule = defs.resolve_schedule_def("sync_schedule")

TEST, OTHER = "test-winery", "other-winery"
RAW_CONTACTS, PLANNED, SYNCED = (f"{stop}/simpletexting/contacts" for stop in ("raw", "planned", "synced"))
OTHER_ROUTES = {route.name for route in routes.ROUTES if route is not contacts.ROUTE}
DEPENDENCIES = {
    RAW_CONTACTS: set(),
    "raw/vinoshipper/customers": {RAW_CONTACTS},
    "raw/vinoshipper/orders": {"raw/vinoshipper/customers"},
    "staged/customers": {"raw/vinoshipper/customers"},
    "staged/orders": {"raw/vinoshipper/orders"},
    PLANNED: {"staged/customers", "staged/orders", RAW_CONTACTS},
    SYNCED: {PLANNED},
}
ALL = set(DEPENDENCIES)


@pytest.fixture
def box(small_world: Sandbox) -> Iterator[Sandbox]:
    small_world.reset()
    yield small_world
    small_world.reset()


@pytest.fixture
def folder(box: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("VS_ST_MERCHANTS", str(box.write_settings(tmp_path)))
    monkeypatch.setenv("VS_ST_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.delenv("VS_ST_NOW", raising=False)
    return tmp_path


@pytest.fixture
def instance() -> Iterator[DagsterInstance]:
    with DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("merchants", [TEST, OTHER])
        yield instance


def run(
    instance: DagsterInstance,
    assets: set[str] | None = None,
    merchants: tuple[str, str] = (TEST, OTHER),
    **config: object,
) -> ExecuteInProcessResult:
    return defs.resolve_job_def("sync").execute_in_process(
        instance=instance,
        tags={RANGE_START: merchants[0], RANGE_END: merchants[1]},
        asset_selection=[AssetKey(asset.split("/")) for asset in assets] if assets else None,
        run_config={"ops": {"walk": {"config": config}}},
        raise_on_error=False,
    )


def made(result: ExecuteInProcessResult) -> set[tuple[str, str]]:
    return {
        (event.asset_key.to_user_string(), event.partition)
        for event in result.all_events
        if event.is_step_materialization and event.asset_key and event.partition
    }


def metadata(result: ExecuteInProcessResult, asset: str, merchant: str) -> dict[str, object]:
    for event in result.all_events:
        if event.is_step_materialization and (event.asset_key, event.partition) == (
            AssetKey(asset.split("/")),
            merchant,
        ):
            return {
                name: value.value for name, value in event.step_materialization_data.materialization.metadata.items()
            }
    raise AssertionError(f"{asset} was not materialized for {merchant}")


def check_result(result: ExecuteInProcessResult, asset: str, name: str):
    for found in result.get_asset_check_evaluations():
        if (found.asset_key.to_user_string(), found.check_name) == (asset, name):
            return found
    raise AssertionError(f"no result of {name}")


def measured_in(result: ExecuteInProcessResult) -> set[str]:
    """Merchants whom the checks of this run have looked at."""
    rows = check_result(result, PLANNED, "ages_are_known").metadata["by merchant"].records
    return {row.data["merchant"] for row in rows if row.data["checked"] == "in this run"}


def failure(result: ExecuteInProcessResult) -> str:
    [event] = result.get_step_failure_events()
    assert event.step_failure_data.user_failure_data
    return event.step_failure_data.user_failure_data.description or ""


def rewrite(folder: Path, **changes: object) -> None:
    """Change the first merchant's entry; None takes it away."""
    path = folder / "merchants.yaml"
    whole = yaml.safe_load(path.read_text())
    whole["merchants"] = (
        [whole["merchants"][0] | changes, *whole["merchants"][1:]] if changes else whole["merchants"][1:]
    )
    path.write_text(yaml.safe_dump(whole))


class TestDefinitions:
    def test_they_load(self):
        Definitions.validate_loadable(defs)

    def test_graph_reads_raw_staged_planned_synced(self):
        graph = defs.resolve_asset_graph()
        found = {
            key.to_user_string(): {parent.to_user_string() for parent in graph.get(key).parent_keys}
            for key in graph.get_all_asset_keys()
            if key.path[0] not in OTHER_ROUTES
        }
        assert found == DEPENDENCIES | {"fleet/health": set(), "fleet/hints": set()}
        for key in graph.get_all_asset_keys():
            if key.path[0] == "fleet":
                assert graph.get(key).group_name == "fleet"
                continue
            assert graph.get(key).group_name == key.path[0]
            assert graph.get(key).partitions_def.name == "merchants"

    def test_assets_of_one_name_are_told_apart_where_only_the_name_is_drawn(self):
        for route in routes.ROUTES:
            drawn = [(spec.key.path[-1], frozenset(spec.kinds)) for spec in specs_of(route)]
            assert len(set(drawn)) == len(drawn), route.name

    def test_a_tick_that_names_no_route_is_of_all(self, folder: Path, instance: DagsterInstance):
        job = defs.resolve_job_def("tick")
        config = {"ops": {"run_due": {"config": {"due_only": False, "dry_run": True}}}}
        assert job.execute_in_process(run_config=config, instance=instance).success
        asked = {key.to_user_string() for key in instance.get_asset_keys() if key.path[0] == "raw"}
        assert "raw/vinoshipper/orders" in asked

    def test_every_stop_of_the_way_makes_assets(self):
        assert list(contacts.ROUTE.stages) == list(STAGES)
        assert {asset for stage in STAGES for asset in contacts.ROUTE.made_by(stage)} == ALL

    def test_job_sync_takes_everything(self):
        job = defs.resolve_job_def("sync")
        assert {key.to_user_string() for key in job.asset_layer.selected_asset_keys} == ALL

    def test_every_stop_is_checked_and_some_checks_block(self):
        assert {check.asset.split("/")[0] for check in CHECKS} == {"raw", "staged", "planned", "synced"}
        blocking = {check.asset.split("/")[0] for check in CHECKS if check.blocking}
        assert blocking == {"raw", "staged", "planned", "synced"}


class TestRuns:
    def test_all_merchants_go_the_whole_way(self, folder: Path, instance: DagsterInstance):
        result = run(instance)
        assert result.success
        assert made(result) == {(asset, merchant) for asset in ALL for merchant in (TEST, OTHER)}
        shown = metadata(result, PLANNED, TEST)
        assert shown["contacts to write"] == 7
        assert shown["contacts held back"] == 3
        assert shown["run"] == result.run_id
        assert {"held back by reason", "what changes", "who is held back", "seconds"} <= shown.keys()
        assert metadata(result, SYNCED, OTHER)["contacts accepted"] == 2
        assert metadata(result, "raw/vinoshipper/orders", TEST)["orders seen"] == 18
        assert metadata(result, "staged/customers", TEST)["dagster/row_count"] == 13
        assert len(result.get_asset_check_evaluations()) == len(CHECKS) + len(fleet_health.CHECKS)
        for asset, merchant in made(result):
            assert "view" not in metadata(result, asset, merchant), "a table could not be made"

    def test_a_wrong_key_stops_its_own_merchant_only(self, folder: Path, instance: DagsterInstance):
        (folder / "keys" / f"{TEST}.vs_key").write_text("wrong\n")
        result = run(instance)
        assert not result.success
        assert made(result) == {(asset, OTHER) for asset in ALL} | {(RAW_CONTACTS, TEST)}
        assert f"{TEST}: auth: " in failure(result)
        assert OTHER not in failure(result)
        assert "failed later: auth" in str(metadata(result, RAW_CONTACTS, TEST)["this merchant's run"])
        found = check_result(result, PLANNED, "ages_are_known")
        assert [row.data["merchant"] for row in found.metadata["by merchant"].records] == [OTHER]

    def test_where_nobody_got_far_enough_a_check_says_so(self, folder: Path, instance: DagsterInstance):
        (folder / "keys" / f"{TEST}.vs_key").write_text("wrong\n")
        found = check_result(run(instance, merchants=(TEST, TEST)), PLANNED, "ages_are_known")
        assert found.description == "Checked for nobody yet: no merchant got this far."

    @pytest.mark.slow
    def test_one_stop_alone_works_on_what_is_stored(self, box: Sandbox, folder: Path, instance: DagsterInstance):
        run(instance)
        box.vinoshipper.control.clear_journal()
        box.simpletexting.control.clear_journal()
        result = run(instance, {PLANNED}, (OTHER, OTHER))
        assert result.success
        assert made(result) == {(PLANNED, OTHER)}
        assert {found.asset_key.to_user_string() for found in result.get_asset_check_evaluations()} == {PLANNED}
        assert box.vinoshipper.control.journal() + box.simpletexting.control.journal() == []

    def test_one_partition(self, folder: Path, instance: DagsterInstance):
        result = defs.resolve_job_def("sync").execute_in_process(
            instance=instance, partition_key=OTHER, asset_selection=[AssetKey(RAW_CONTACTS.split("/"))]
        )
        assert made(result) == {(RAW_CONTACTS, OTHER)}

    def test_a_stopped_run_ends_before_its_next_request(self, folder: Path):
        settings, stopping = Settings(), threading.Event()
        stopping.set()

        def run_of(merchant_id: str) -> Run:
            return settings.run(merchant_of(settings.merchants_file(), merchant_id), settings.warehouse(), "stopped")

        walked = run_one(Part(contacts.ROUTE, run_of, list(STAGES)), OTHER, stopping)
        assert list(walked.made) == []
        assert walked.report
        assert walked.report.error
        assert walked.report.error.kind == "try_later"

    def test_staged_orders_alone(self, folder: Path, instance: DagsterInstance):
        run(instance, {asset for asset in ALL if asset.startswith("raw/")})
        assert made(run(instance, {"staged/orders"})) == {("staged/orders", TEST), ("staged/orders", OTHER)}

    def test_a_dry_run_writes_nothing(self, box: Sandbox, folder: Path, instance: DagsterInstance):
        result = run(instance, dry_run=True)
        assert result.success
        assert made(result) == {(asset, merchant) for asset in ALL - {SYNCED} for merchant in (TEST, OTHER)}
        assert {entry["method"] for entry in box.simpletexting.control.journal()} == {"GET"}
        assert metadata(result, PLANNED, TEST)["options"] == "dry_run"

    def test_a_disabled_merchant_is_not_called(self, box: Sandbox, folder: Path, instance: DagsterInstance):
        rewrite(folder, enabled=False)
        result = run(instance)
        assert result.success
        assert made(result) == {(asset, OTHER) for asset in ALL}
        assert box.vinoshipper.control.journal(TEST) == []

    def test_a_broken_entry_fails_by_name(self, folder: Path, instance: DagsterInstance):
        rewrite(folder, no_such_key=1)
        result = run(instance)
        assert made(result) == {(asset, OTHER) for asset in ALL}
        assert f"{TEST}: config: " in failure(result)

    def test_without_settings_nothing_is_called(self, folder: Path, instance: DagsterInstance):
        (folder / "merchants.yaml").unlink()
        result = run(instance)
        assert made(result) == set()
        assert "nothing was called: config: " in failure(result)

    def test_one_run_makes_the_assets_of_all_routes(self, folder: Path, instance: DagsterInstance):
        """R15, R51: `Materialize all` of a partition is one run with a step per route; each holds the run's lock."""
        job = defs.resolve_implicit_global_asset_job_def()
        result = job.execute_in_process(instance=instance, partition_key=TEST, raise_on_error=False)
        assert result.success
        assert made(result) == {(asset, TEST) for asset in ALL}

    def test_a_run_that_names_nobody_calls_nobody(self, box: Sandbox, folder: Path, instance: DagsterInstance):
        """interface.md 3: neither --merchant nor --all calls nothing; a launchpad lets one forget the partition."""
        result = defs.resolve_job_def("sync").execute_in_process(instance=instance, raise_on_error=False)
        assert "nothing was called: this run names no merchant" in failure(result)
        assert [*box.vinoshipper.control.journal(TEST), *box.simpletexting.control.journal(TEST)] == []

    @pytest.mark.parametrize("name", ["VS_ST_DATA_DIR", "VS_ST_NOW"])
    def test_what_cannot_be_used_is_told_with_what_to_do(
        self, folder: Path, instance: DagsterInstance, monkeypatch: pytest.MonkeyPatch, name: str
    ):
        monkeypatch.setenv(name, str(folder / "merchants.yaml"))
        told = failure(run(instance))
        assert "nothing was called: config: " in told
        assert name in told

    @pytest.mark.parametrize(
        ("config", "told"),
        [({"routes": ["order"]}, "there is no route order; there are contacts, orders"),
         ({"allow_unsafe": True}, "need routes"), ({"full": True}, "need routes")],
    )  # fmt: skip
    def test_a_tick_by_hand_says_of_which_routes_it_is(
        self, folder: Path, instance: DagsterInstance, config: dict[str, object], told: str
    ):
        """R38: as the command does, what is said of no route must not go for all."""
        result = defs.resolve_job_def("tick").execute_in_process(
            run_config={"ops": {"run_due": {"config": config}}}, instance=instance, raise_on_error=False
        )
        assert told in failure(result)
        assert not (folder / "data" / "merchants").exists()


class TestChecks:
    def test_a_bad_finding_stays_until_the_merchant_is_checked_again(self, folder: Path, instance: DagsterInstance):
        asset = "raw/vinoshipper/customers"
        way = {RAW_CONTACTS, asset}
        first = check_result(run(instance, way), asset, "phones_are_usable")
        assert not first.passed
        assert TEST in first.description
        [row] = [row.data for row in first.metadata["by merchant"].records if row.data["merchant"] == TEST]
        assert re.fullmatch(r"customer \d+(, customer \d+)*", row["sample"])
        second = check_result(run(instance, way, (OTHER, OTHER)), asset, "phones_are_usable")
        assert not second.passed
        checked = {row.data["merchant"]: row.data["checked"] for row in second.metadata["by merchant"].records}
        assert checked[OTHER] == "in this run"
        assert checked[TEST].endswith(" ago")
        assert second.metadata["of"].value == first.metadata["of"].value, "a result stands for everybody"

    def test_what_was_found_goes_with_whoever_is_forgotten(self, folder: Path, instance: DagsterInstance):
        run(instance, merchants=(TEST, TEST))
        found = folder / "data" / "merchants" / TEST / "findings.json"
        assert "***-***-" in found.read_text()
        forget(
            Settings().run(merchant_of(Settings().merchants_file(), TEST), Settings().warehouse(), "one"),
            "7075550142",
            SYSTEMS,
        )
        assert not found.exists()

    @pytest.mark.slow
    def test_the_brake_blocks_until_it_is_allowed(self, box: Sandbox, folder: Path, instance: DagsterInstance):
        # Ten contacts synced before are what the brake needs; the two wineries have seven and two.
        from vs_st_pipeline.domain import brake

        run(instance)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(brake, "FEWEST", 5)
            for contact in box.simpletexting.control.all("contacts", TEST)[:6]:
                box.simpletexting.control.delete_contact(contact["contactId"], TEST)
            result = run(instance, full=True)  # who is gone is known by a complete listing only
            assert not result.success
            assert f"{TEST}: unsafe: " in failure(result)
            assert {(PLANNED, TEST), (SYNCED, OTHER)} <= made(result)
            assert (SYNCED, TEST) not in made(result)
            assert not check_result(result, PLANNED, "brake_is_not_tripped").passed
            assert "refused" in str(metadata(result, PLANNED, TEST)["brake"])
            assert run(instance, allow_unsafe=True).success

    def test_a_refusal_is_shown_with_its_meaning_and_what_to_do(
        self, box: Sandbox, folder: Path, instance: DagsterInstance
    ):
        from vs_st_pipeline.connectors.simpletexting.error_codes import CATALOGUE

        meaning = CATALOGUE["INVALID_CONTACT"]
        box.simpletexting.control.set_switch("reject", {"7075550142": "INVALID_CONTACT"}, TEST)
        result = run(instance)
        [row] = metadata(result, SYNCED, TEST)["rejected, tried again later"].records
        assert row.data["phone"] == "***-***-0142"
        assert row.data["code"] == meaning.code
        [row] = metadata(result, SYNCED, TEST)["why refused, what to do"].records
        assert row.data["code"] == f"{meaning.code} (1)"
        assert row.data["what it means, what to do"].startswith(f"{meaning.means} → {meaning.do} It is tried ")
        found = check_result(result, SYNCED, "nothing_is_rejected")
        assert not found.passed
        [shown] = [row.data for row in found.metadata["by merchant"].records if row.data["merchant"] == TEST]
        assert shown["detail"].startswith("INVALID_CONTACT 1, for up to ")
        assert shown["detail"].endswith(meaning.do)

    def test_they_can_be_run_alone_for_everybody(self, folder: Path, instance: DagsterInstance):
        from dagster import AssetSelection, define_asset_job

        run(instance, dry_run=True)
        alone = define_asset_job("alone", AssetSelection.checks(*[key_of(check) for check in CHECKS]))
        job = Definitions.merge(defs, Definitions(jobs=[alone])).resolve_job_def("alone")
        result = job.execute_in_process(instance=instance)
        assert made(result) == set()
        assert check_result(result, PLANNED, "ages_are_known").metadata["merchants checked in this run"].value == 2


class TestSensor:
    def look(self, instance: DagsterInstance) -> list[tuple[str, list[str]]] | str:
        found = merchants_sensor(build_sensor_context(instance=instance))
        if isinstance(found, SkipReason):
            return found.skip_message or ""
        return [(type(one).__name__, list(one.partition_keys)) for one in found.dynamic_partitions_requests]

    def test_it_is_on(self):
        assert merchants_sensor.default_status == DefaultSensorStatus.RUNNING
        assert merchants_sensor.minimum_interval_seconds == 30

    def test_it_adds_and_removes(self, folder: Path, instance: DagsterInstance):
        instance.delete_dynamic_partition("merchants", TEST)
        instance.add_dynamic_partitions("merchants", ["long-gone"])
        assert self.look(instance) == [
            ("AddDynamicPartitionsRequest", [TEST]),
            ("DeleteDynamicPartitionsRequest", ["long-gone"]),
        ]

    def test_a_disabled_merchant_is_removed(self, folder: Path, instance: DagsterInstance):
        rewrite(folder, enabled=False)
        assert self.look(instance) == [("DeleteDynamicPartitionsRequest", [TEST])]

    def test_nothing_to_do(self, folder: Path, instance: DagsterInstance):
        assert "nothing has changed" in self.look(instance)

    def test_a_broken_entry_removes_nobody(self, folder: Path, instance: DagsterInstance):
        rewrite(folder, no_such_key=1)
        assert "nothing has changed" in self.look(instance)

    @pytest.mark.parametrize("text", ["merchants: [", "", "merchants: []", None])
    def test_a_bad_file_removes_nobody_and_is_told(self, folder: Path, instance: DagsterInstance, text: str | None):
        path = folder / "merchants.yaml"
        path.unlink() if text is None else path.write_text(text)
        assert "left as they are" in self.look(instance)
        assert "merchants.yaml" in self.look(instance)


def tick(instance: DagsterInstance) -> ExecuteInProcessResult:
    """What the schedule starts: see TestSchedule."""
    return defs.resolve_job_def("sync").execute_in_process(
        instance=instance, run_config={"ops": {"walk": {"config": {"due_only": True}}}}, raise_on_error=False
    )


def shown_as_failed(instance: DagsterInstance, asset: str) -> set[str]:
    """Partitions that the UI shows as failed."""
    cached = get_and_update_asset_status_cache_value(instance, AssetKey(asset.split("/")), partitions.merchants)
    with partition_loading_context(None, instance):
        return set(cached.deserialize_failed_partition_subsets(partitions.merchants).get_partition_keys())


class TestTick:
    @pytest.fixture
    def at(self, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
        began = datetime.now(UTC)
        return lambda **later: monkeypatch.setenv("VS_ST_NOW", (began + timedelta(**later)).isoformat())

    @pytest.mark.slow
    def test_it_tells_of_those_of_whom_there_is_news(
        self, instance: DagsterInstance, box: Sandbox, folder: Path, at: Callable[..., None]
    ):
        assert made(tick(instance)) == {(asset, merchant) for asset in ALL for merchant in (TEST, OTHER)}
        at(minutes=6)
        # The first sync wrote VScustomerID, so a phone that two customers share is no longer ambiguous: that is news.
        assert made(tick(instance)) == {(asset, TEST) for asset in ALL}

        at(minutes=12)
        quiet = tick(instance)
        assert quiet.success
        assert box.vinoshipper.control.journal(OTHER)
        assert made(quiet) == set(), "everybody was synced, and there was nothing to tell"
        assert check_result(quiet, PLANNED, "ages_are_known").metadata["merchants known"].value == 2
        assert measured_in(quiet) == set(), "their plans stand, so no check can say something else"

        box.simpletexting.control.opt_out(box.simpletexting.control.contacts(OTHER)[0]["contactId"], OTHER)
        at(minutes=18)
        one = tick(instance)
        assert made(one) == {(asset, OTHER) for asset in ALL}
        assert measured_in(one) == {OTHER}, "the other's plan stood"

        hints = Hints(folder / "data", at=time.time())
        for number in range(2):
            hints.comes(str(number), merchant=TEST)
        hints.settles(Outcome.WRITTEN, merchant=TEST)
        with hints.ago(8 * 86_400):
            hints.comes("old", merchant="long-gone")
        at(minutes=24)
        hinted = tick(instance)
        assert made(hinted) == {(asset, TEST) for asset in ALL}, "whoever was written for a hint is news"
        assert metadata(hinted, SYNCED, TEST)["hints that led to a write since it was last told"] == 2
        assert statistics.expired(hints.inbox).keys() == {("long-gone", "contacts")}, "every tick lets old ones go"

        at(hours=7)
        assert made(tick(instance)) == {(asset, merchant) for asset in ALL for merchant in (TEST, OTHER)}

    @pytest.mark.slow
    def test_a_failure_is_told_once_and_shown_until_it_is_mended(
        self, instance: DagsterInstance, folder: Path, at: Callable[..., None]
    ):
        key = folder / "keys" / f"{TEST}.vs_key"
        good = key.read_text()
        tick(instance)
        key.write_text("wrong\n")
        at(minutes=6)
        first = tick(instance)
        assert "1 of 2 merchants failed; the other 1 are done" in failure(first)
        assert made(first) == {(RAW_CONTACTS, TEST)}
        assert shown_as_failed(instance, SYNCED) == {TEST}
        assert shown_as_failed(instance, RAW_CONTACTS) == set()

        at(minutes=12)
        again = tick(instance)
        assert again.success, "the same trouble is not told every five minutes"
        assert made(again) == set()
        assert shown_as_failed(instance, SYNCED) == {TEST}
        assert any(f"1 fail as before: {TEST}" in entry.user_message for entry in instance.all_logs(again.run_id))

        key.write_text(good)
        at(minutes=18)
        assert made(tick(instance)) == {(asset, TEST) for asset in ALL}
        assert shown_as_failed(instance, SYNCED) == set()

    @pytest.mark.slow
    def test_a_broken_entry_is_told_once(self, instance: DagsterInstance, folder: Path, at: Callable[..., None]):
        tick(instance)
        rewrite(folder, no_such_key=1)
        at(minutes=6)
        assert f"{TEST}: config: " in failure(tick(instance))
        assert shown_as_failed(instance, RAW_CONTACTS) == {TEST}
        at(minutes=12)
        assert tick(instance).success

    @pytest.mark.slow
    def test_another_dagster_storage_is_told_everything(
        self, instance: DagsterInstance, folder: Path, at: Callable[..., None]
    ):
        tick(instance)
        at(minutes=6)
        with DagsterInstance.ephemeral() as other:
            assert made(tick(other)) == {(asset, merchant) for asset in ALL for merchant in (TEST, OTHER)}

    @pytest.mark.slow
    def test_what_was_told_of_a_removed_merchant_is_forgotten(
        self, instance: DagsterInstance, folder: Path, at: Callable[..., None]
    ):
        tick(instance)
        rewrite(folder)
        at(minutes=6)
        tick(instance)
        assert TEST not in (folder / "data" / "reported.json").read_text()

    @pytest.mark.slow
    def test_making_some_stops_by_hand_does_not_leave_the_others_shown_as_failed(
        self, instance: DagsterInstance, folder: Path, at: Callable[..., None]
    ):
        key = folder / "keys" / f"{TEST}.vs_key"
        good = key.read_text()
        run(instance)
        run(instance)
        key.write_text("wrong\n")
        at(minutes=6)
        assert not tick(instance).success
        key.write_text(good)
        at(minutes=12)
        run(instance, ALL - {SYNCED}, (TEST, TEST))  # is it well again? This writes nothing
        assert shown_as_failed(instance, SYNCED) == {TEST}
        at(minutes=18)
        assert (SYNCED, TEST) in made(tick(instance)), "his state is no news, but this page is not true"
        assert shown_as_failed(instance, SYNCED) == set()

    def test_what_a_run_began_to_tell_and_did_not_remember_is_told_again(self, tmp_path: Path):
        """A tick that was killed has shown somebody as failed, and he is now as he was before it."""
        now, well, bad = datetime.now(UTC), Report(TEST), Report(TEST, status="failed")
        ReportLog(tmp_path / "reported.json", "storage", "first").remember([well], now)

        killed = ReportLog(tmp_path / "reported.json", "storage", "killed")
        assert not killed.of(well, now)
        killed.tells(TEST)
        assert ReportLog(tmp_path / "reported.json", "storage", "next").of(well, now)

        stopped = ReportLog(tmp_path / "reported.json", "storage", "stopped")
        stopped.remember([bad], now)
        stopped.tells(TEST)
        stopped.remember([], now)
        assert ReportLog(tmp_path / "reported.json", "storage", "next").of(bad, now)
        assert [file.name for file in tmp_path.glob("*.telling")] == []


class TestSchedule:
    @pytest.fixture
    def instance(self, tmp_path: Path) -> Iterator[DagsterInstance]:
        with DagsterInstance.local_temp(str(tmp_path)) as instance:
            yield instance

    def tick(self, instance: DagsterInstance):
        return sync_schedule(build_schedule_context(instance=instance, resources={"settings": Settings()}))

    def test_it_is_off_and_looks_every_minute(self):
        """routes.md R16."""
        assert sync_schedule.default_status == DefaultScheduleStatus.STOPPED
        assert sync_schedule.cron_schedule == "* * * * *"

    def test_contacts_are_looked_at_every_five_minutes(self, instance: DagsterInstance):
        asked = [
            sync_schedule(
                build_schedule_context(
                    instance=instance,
                    resources={"settings": Settings()},
                    scheduled_execution_time=datetime(2026, 3, 2, 12, minute, tzinfo=UTC),
                )
            )
            for minute in range(10, 16)
        ]
        assert [isinstance(one, RunRequest) for one in asked] == [True, False, False, False, False, True]

    @pytest.fixture(autouse=True)
    def settings(self, folder: Path) -> Path:
        return folder

    def test_one_run_takes_those_who_are_due(self, instance: DagsterInstance):
        asked = self.tick(instance)
        assert asked.run_config["ops"]["run_due"]["config"] == {"due_only": True, "routes": ["contacts"]}
        assert asked.partition_key is None
        assert asked.tags == {"vs-st/due": "2 of 2"}

    @pytest.mark.slow
    def test_nobody_is_due_right_after_a_run(self, instance: DagsterInstance, folder: Path):
        tick(instance)
        assert "none of 2 merchants is due" in self.tick(instance).skip_message
        rewrite(folder, no_such_key=1)
        assert isinstance(self.tick(instance), SkipReason), "a broken entry starts no run by itself"

    @pytest.mark.slow
    def test_a_run_of_those_who_are_due_leaves_the_others_alone(
        self, instance: DagsterInstance, box: Sandbox, folder: Path
    ):
        instance.add_dynamic_partitions("merchants", [TEST, OTHER])
        run(instance, merchants=(TEST, TEST))
        box.vinoshipper.control.clear_journal()
        made_now = made(tick(instance))
        assert {merchant for _, merchant in made_now} == {OTHER}
        assert box.vinoshipper.control.journal(TEST) == []

    def test_whose_sync_ended_a_while_after_its_tick_is_due_at_the_next_all_the_same(
        self, instance: DagsterInstance, folder: Path, monkeypatch: pytest.MonkeyPatch
    ):
        tick_at = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
        for merchant in (TEST, OTHER):
            (folder / "data" / "merchants" / merchant).mkdir(parents=True)
        ended = {TEST: tick_at + timedelta(minutes=2), OTHER: tick_at + timedelta(minutes=4)}
        for merchant, at in ended.items():
            write_status(folder / "data", merchant, at, new_report(merchant, "one").as_status(), good=True)
        monkeypatch.setenv("VS_ST_NOW", (tick_at + timedelta(minutes=5)).isoformat())
        assert self.tick(instance).tags == {"vs-st/due": "1 of 2"}

    def test_where_nobody_is_due_it_says_whom_the_next_tick_takes(
        self, instance: DagsterInstance, folder: Path, monkeypatch: pytest.MonkeyPatch
    ):
        at = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
        monkeypatch.setenv("VS_ST_NOW", (at + timedelta(minutes=6, seconds=20)).isoformat())
        for merchant, minutes in ((TEST, 6), (OTHER, 5)):
            (folder / "data" / "merchants" / merchant).mkdir(parents=True)
            ended = at + timedelta(minutes=minutes)
            write_status(folder / "data", merchant, ended, new_report(merchant, "one").as_status(), good=True)
        said = self.tick(instance).skip_message
        assert said == f"none of 2 merchants is due yet; next: {OTHER}, contacts, at 12:10 UTC"
        rewrite(folder, enabled=False)
        assert self.tick(instance).skip_message == f"{OTHER} is not due yet; next: {OTHER}, contacts, at 12:10 UTC"

    def test_a_bad_file_is_told(self, instance: DagsterInstance, folder: Path):
        (folder / "merchants.yaml").write_text("merchants: [")
        assert "merchants.yaml" in self.tick(instance).skip_message

    def test_the_run_before_is_not_overtaken(self, instance: DagsterInstance):
        under_way = create_run_for_test(instance, job_name="sync", status=DagsterRunStatus.STARTED)
        assert under_way.run_id in self.tick(instance).skip_message

    def test_a_finished_run_is_no_obstacle(self, instance: DagsterInstance):
        create_run_for_test(instance, job_name="sync", status=DagsterRunStatus.FAILURE)
        assert not isinstance(self.tick(instance), SkipReason)


def test_no_event_holds_a_person_or_a_secret(box: Sandbox, folder: Path, instance: DagsterInstance):
    people = [person for m in (TEST, OTHER) for person in box.simpletexting.control.all("contacts", m)]
    customers = [person for m in (TEST, OTHER) for person in box.vinoshipper.control.all("customers", m)]
    good = run(instance)
    (folder / "keys" / f"{TEST}.st_token").write_text("wrong-and-secret\n")
    bad = run(instance)
    people += [person for m in (TEST, OTHER) for person in box.simpletexting.control.all("contacts", m)]
    told = "\n".join(serialize_value(entry) for one in (good, bad) for entry in instance.all_logs(one.run_id))

    canaries = {str(person[key]) for person in people for key in ("contactPhone", "email") if person.get(key)}
    canaries |= {str(person["email"]) for person in customers if person.get("email")}
    canaries |= {"Vantongeren", "wrong-and-secret", *(m.vs_secret for m in box.merchants)}
    canaries |= {secret for m in box.merchants for secret in (m.vs_key, m.st_token)}
    assert len(canaries) > 30
    assert "***-***-0142" in told, "the tables should show somebody, masked"
    assert [canary for canary in sorted(canaries) if canary.casefold() in told.casefold()] == []
