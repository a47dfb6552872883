"""How all merchants stand: what each state means, since when, and what the page and its checks tell of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from dagster import AssetCheckSeverity, AssetKey, DagsterInstance, build_sensor_context, materialize
from dagster._serdes import serialize_value

from vs_st_pipeline import routes
from vs_st_pipeline.cli.main import cli
from vs_st_pipeline.definitions import defs
from vs_st_pipeline.defs.fleet_health import CHECKS, KEY, _to_do, fleet_checks, fleet_health, fleet_materialization
from vs_st_pipeline.defs.sensors import fleet_watch
from vs_st_pipeline.operations.fleet import health
from vs_st_pipeline.operations.fleet.health import Fleet, MerchantHealth
from vs_st_pipeline.pipeline.status_file import HOURS_KEPT, read_status
from vs_st_pipeline_tests.support.hints import Hints
from vs_st_pipeline_tests.support.statuses import MINUTE, NOW, Files
from vs_st_pipeline_tests.support.story import OTHER, RENSKE, TEST, Story


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def test_what_only_a_person_can_mend_is_failing_at_once_and_since_the_first_time(files: Files) -> None:
    files.merchant("hill")
    files.synced("hill", 60 * MINUTE)
    files.synced("hill", 20 * MINUTE, "auth")
    files.synced("hill", 10 * MINUTE, "auth")
    one = files.one("hill")
    assert (one.in_words, one.since) == ("failing (auth)", NOW - 20 * MINUTE)
    assert one.says == "auth at vinoshipper: it went wrong"
    assert "Renew the key" in one.do
    files.synced("hill", 5 * MINUTE)
    one = files.one("hill")
    assert (one.state, one.since, one.says, one.do) == ("fine", NOW - 5 * MINUTE, "", "")


def test_what_is_held_up_on_this_machine_is_no_vendors_business(files: Files) -> None:
    files.merchant("hill")
    files.synced("hill", 60 * MINUTE)
    files.synced("hill", MINUTE, "try_later")
    assert "ask the vendor" in files.one("hill").do
    files.synced("hill", MINUTE, "try_later", system=None)
    one = files.one("hill")
    assert "vendor whether" not in one.do
    assert "close or end what the message names" in one.do
    assert "close or end what the message names" in _to_do([one])


def test_what_has_lasted_for_too_long_is_not_told_to_wait(files: Files) -> None:
    files.merchant("hill")
    files.synced("hill", 60 * MINUTE)
    files.synced("hill", 10 * MINUTE, "try_later")
    late = files.one("hill")
    assert late.state == "late"
    assert late.do == "Every tick tries again, but it lasts: ask the vendor whether it is down or blocks us."
    assert late.do in _to_do([late])


def test_in_a_list_a_route_is_no_merchant_of_its_own() -> None:
    stands = (
        MerchantHealth("hill", "Hill", health.FAILING, "auth", route="orders"),
        MerchantHealth("vale", "Vale", health.FAILING, "auth"),
    )
    found = Fleet(NOW, timedelta(minutes=30), stands)
    assert found.sentence() == "0 of 2 fine; 2 failing: hill (orders) (auth), vale (auth)"


def test_a_route_whose_records_only_a_person_can_mend_says_so(files: Files) -> None:
    """`retry` alone sends an order again that nothing has changed: the shipping clerk is led to the order's page."""
    files.merchant("hill")
    files.synced("hill", MINUTE, waiting=(2, 0))
    status = read_status(files.folder / "data", "hill")
    route = next(one for one in routes.ROUTES if one.name == "orders")
    says, do = health._told(health.OPEN, None, status, route)
    assert says == "2 orders failed", "in the word of `vs-st orders list`"
    assert do.startswith("`vs-st orders list --state failed` says of each why")
    assert "vs-st retry" in files.one("hill").do  # of contacts it is the answer


def test_what_the_next_sync_may_mend_is_told_as_late_if_none_mends_it(files: Files) -> None:
    files.merchant("hill")
    files.synced("hill", 40 * MINUTE)
    files.synced("hill", 10 * MINUTE, "try_later")
    assert files.one("hill", VS_ST_LATE_AFTER="1h").in_words == "retrying (try_later)"
    late = files.one("hill")
    assert (late.in_words, late.since, late.stale) == ("late (try_later)", NOW - 10 * MINUTE, True)


def test_who_never_had_a_good_sync_is_late_by_the_time_for_which_it_was_tried(files: Files) -> None:
    files.merchant("hill")
    assert files.one("hill").state == "new"
    files.synced("hill", 40 * MINUTE, "bad_answer")
    assert files.one("hill").in_words == "late (bad_answer)"
    assert files.one("hill", VS_ST_LATE_AFTER="2h").in_words == "retrying (bad_answer)"


def test_whose_turn_comes_seldom_is_not_late_before_three_turns_are_missed(files: Files) -> None:
    files.merchant("calm")
    files.synced("calm", 100 * MINUTE)
    seldom = {"VS_ST_VINOSHIPPER_RATE": "0.001", "VS_ST_SYNC_SLOWEST": "40m"}
    assert files.one("calm", **seldom).state == "fine"
    late = files.one("calm")
    assert late.state == "late"
    assert "sync_schedule" in late.do


def test_a_good_sync_in_the_future_keeps_nobody_from_being_late(files: Files) -> None:
    """The clock was ahead by a year and came back, and the shop has not answered since."""
    files.merchant("calm")
    files.synced("calm", -365 * 1440 * MINUTE)
    files.synced("calm", MINUTE, "try_later")
    assert files.one("calm").state == "late"


def test_the_worst_come_first_and_one_sentence_says_it_all(files: Files) -> None:
    for name in ("fine", "broken", "failing", "late", "partial", "new", "left"):
        files.merchant(name, {"broken": ", colour: red", "left": ", enabled: false"}.get(name, ""))
    for name in ("fine", "failing", "late", "partial", "left"):
        files.synced(name, 50 * MINUTE)
    files.synced("fine", MINUTE)
    files.synced("failing", MINUTE, "unsafe")
    files.synced("partial", MINUTE, status="partial", waiting=(2, 1))
    found = files.look()
    assert [one.merchant for one in found.worst_first] == [
        "broken",
        "failing",
        "late",
        "partial",
        "new",
        "fine",
        "left",
    ]
    assert found.sentence() == (
        "1 of 6 fine; 1 broken settings: broken; 1 failing: failing (unsafe); 1 late: late; 1 partial: partial; 1 new; "
        "1 off"
    )
    assert "line 3" in found.worst_first[0].says
    assert files.one("partial").says == "2 contacts refused, 1 contact of unknown outcome"


def test_a_merchants_file_that_cannot_be_used_is_told_and_so_is_an_id_that_is_there_twice(files: Files) -> None:
    files.merchant("hill")
    files.merchant("hill")
    assert [(one.merchant, one.state) for one in files.look().stands] == [
        ("hill", "new"), ("hill (line 3)", "broken settings"),
    ]  # fmt: skip
    (files.folder / "merchants.yaml").write_text("merchants: {")
    found = files.look()
    assert found.stands == ()
    assert found.sentence().startswith("nobody is synced: ")
    *merchants, settings = fleet_checks(found)
    assert all(not event.passed and event.severity == AssetCheckSeverity.ERROR for event in merchants)
    assert settings.passed, "those of the environment are another matter"


def test_two_days_are_counted_by_the_hour_and_no_more_is_kept(files: Files) -> None:
    files.merchant("hill")
    for hours in (60, 47, 3):
        files.synced("hill", timedelta(hours=hours), accepted=hours)
    files.synced("hill", timedelta(hours=3), "try_later")
    files.synced("hill", timedelta(hours=3), "auth")
    hours = files.look().hours
    assert len(hours) == HOURS_KEPT
    assert [(HOURS_KEPT - 1 - place, one.changes) for place, one in enumerate(hours) if one.changes] == [
        (47, 47),
        (3, 3),
    ]
    assert hours[-4].errors == {"try_later": 1, "auth": 1}
    assert len(read_status(files.folder / "data", "hill").hours) == 2


def test_a_clock_that_was_ahead_and_comes_back_leaves_no_hours_of_the_future(files: Files) -> None:
    files.merchant("hill")
    files.synced("hill", -timedelta(days=900), accepted=7)
    files.synced("hill", MINUTE, accepted=1)
    assert sum(one.changes for one in files.look().hours) == 1


def test_a_refused_contact_is_told_also_between_two_tries(story: Story) -> None:
    story.texting.set_switch("reject", {RENSKE: "CONTACT_UPDATE_FAILED"}, TEST)
    refused = [story.sync().of()["synced"]["rejected"] for _ in range(3)]
    assert refused == [1, 1, 0]  # the third try is not due yet
    (row,) = (row for row in story.run("merchants", "--json").json["merchants"] if row["merchant"] == TEST)
    assert (row["status"], row["state"], row["rejects_waiting"]) == ("ok", "open", 1)
    assert "1 contact refused" in story.run("merchants").out
    story.texting.set_switch("reject", {}, TEST)
    story.run("retry", "--merchant", TEST)
    (row,) = (row for row in story.run("merchants", "--json").json["merchants"] if row["merchant"] == TEST)
    assert (row["state"], row["rejects_waiting"]) == ("fine", 0)


# --- the page -----------------------------------------------------------------------------------------------------

TICK = {"ops": {"walk": {"config": {"due_only": True}}}}
pages = pytest.mark.xdist_group("dagster")


@pytest.fixture
def instance() -> Iterator[DagsterInstance]:
    with DagsterInstance.ephemeral() as made:
        yield made


def cells(metadata: Any, name: str, column: str) -> list[Any]:
    return [record.data[column] for record in metadata[name].value.records]


@pages
def test_the_page_says_who_is_in_trouble_why_and_what_to_do(
    story: Story, instance: DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in story.environment().items():
        monkeypatch.delenv(name, raising=False) if value is None else monkeypatch.setenv(name, value)
    key = story.folder / "keys" / f"{TEST}.vs_key"
    good = key.read_text()
    key.write_text("wrong\n")
    story.sync(every=True)
    assert materialize([fleet_health], instance=instance).success
    event = instance.get_latest_materialization_event(KEY)
    assert event is not None
    assert event.asset_materialization is not None
    shown = event.asset_materialization.metadata
    assert shown["in short"].value == f"1 of 2 fine; 1 failing: {TEST} (auth)"
    who = cells(shown, "merchants, the worst first", "who")
    assert [one.partition(": ")[0] for one in who] == [TEST, OTHER]
    assert (who[0].startswith(f"{TEST}: failing (auth)"), who[1]) == (True, f"{OTHER}: fine")
    assert "→ Renew the key" in cells(shown, "merchants, the worst first", "why, what to do")[0]
    assert (
        "where the merchants file says (file:keys/" in cells(shown, "merchants, the worst first", "why, what to do")[0]
    )
    told = f"**{TEST}**: failing (auth) at vinoshipper: The system does not accept the key. → Renew the key"
    assert told in shown["what to do first"].value
    assert "up to 5 min  ████████████████████████ 1" in shown["age of the last good sync"].value
    for picture in ("changes by hour", "failed syncs by hour"):
        assert shown[picture].value.startswith("![](data:image/svg+xml,<svg")
    found = latest_checks(instance)
    assert {name: passed for name, (passed, _) in found.items()} == {
        "everybody_is_fresh": True, "nobody_is_failing": False, "settings_are_whole": True,
        "settings_are_understood": True,
    }  # fmt: skip
    assert TEST in found["nobody_is_failing"][1]

    key.write_text(good)
    story.sync(every=True)
    assert defs.resolve_job_def("sync").execute_in_process(instance=instance, run_config=TICK).success
    assert all(passed for passed, _ in latest_checks(instance).values())
    event = instance.get_latest_materialization_event(AssetKey(["fleet", "health"]))
    assert event.asset_materialization.metadata["in short"].value == "2 of 2 fine"
    assert event.run_id, "so that it is deleted with its run"


def latest_checks(instance: DagsterInstance) -> dict[str, tuple[bool, str]]:
    """Name -> whether it passed, and what it says."""
    found = {}
    for check in CHECKS:
        (record,) = instance.event_log_storage.get_asset_check_execution_history(check.spec().key, limit=1)
        told = record.event.dagster_event.asset_check_evaluation_data
        found[check.name] = (told.passed, told.description)
    return found


@pages
def test_three_thousand_merchants_make_an_event_no_larger_than_a_hundred() -> None:
    stands = [
        MerchantHealth(f"winery-{i}", "W", health.FAILING, "auth", NOW, "says", "do", stale=True) for i in range(2000)
    ]
    stands += [MerchantHealth(f"fine-{i}", "W", health.FINE, since=NOW, age=MINUTE) for i in range(1000)]
    found = Fleet(NOW, timedelta(minutes=30), tuple(stands))
    shown = fleet_materialization(found)
    assert len(shown.metadata["merchants, the worst first"].value.records) == 100
    assert shown.metadata["not in the table"].value == "and 2900 more, of whom 1000 are fine"
    (line,) = shown.metadata["what to do first"].value.splitlines()
    assert line.startswith(
        "- **winery-0, winery-1, winery-10, winery-100, winery-1000** and 1995 more: failing (auth): "
    )
    assert len(serialize_value(shown)) < 60_000
    assert all(len(serialize_value(event)) < 60_000 for event in fleet_checks(found))
    assert [event.severity for event in fleet_checks(found)][:2] == [AssetCheckSeverity.ERROR] * 2


SLIPS = {"VS_ST_LATE_AFTER": "soon", "VS_ST_KEEP_RUNS": "0d", "VS_ST_ALERTS": "env:NO_SUCH_URL"}


@pytest.mark.xdist_group("dagster")
def test_a_setting_that_is_not_understood_is_told_where_people_look(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page goes on to be true by the defaults, a check fails with what to do, and the sensor sees to it at once."""
    files.merchant("hill")
    files.synced("hill", 40 * MINUTE)
    for name, value in files.environ.items():
        monkeypatch.setenv(name, value)
    with DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("merchants", ["hill"])
        sensed = build_sensor_context(instance=instance)
        fleet_watch(sensed)
        for name, value in SLIPS.items():
            monkeypatch.setenv(name, value)
        assert "settings have changed" in str(fleet_watch(sensed).skip_message)
        page = instance.get_latest_materialization_event(KEY).asset_materialization.metadata
        assert "0 of 1 fine; 1 late: hill; not understood: VS_ST_LATE_AFTER: " in page["in short"].value
        told = list(fleet_checks(health.fleet_health({**files.environ, **SLIPS})))[-1]
        assert (told.check_name, told.passed, told.severity) == (
            "settings_are_understood", False, AssetCheckSeverity.WARN,
        )  # fmt: skip
        assert "VS_ST_KEEP_RUNS must be above 0, such as 30d; until then no old run" in told.description
        assert "VS_ST_ALERTS, address 1: the environment variable NO_SUCH_URL is not set" in told.description
        assert "was refreshed" in str(fleet_watch(sensed).skip_message), "what has been told is not told every time"

    listed = CliRunner().invoke(cli, ["merchants"])
    assert listed.exit_code == 2
    assert "hill  late" in listed.stdout
    assert "warning: VS_ST_LATE_AFTER: " in listed.stderr
    assert "until then a merchant is late after 30m" in listed.stderr
    assert "NO_SUCH_URL" in CliRunner().invoke(cli, ["alerts"]).stderr
    files.lines.clear()
    files.merchant("left", ", enabled: false")  # nobody is called
    checked = CliRunner().invoke(cli, ["check", "--all", "--json"], env={"VS_ST_LATE_AFTER": ""})
    assert [one["meanwhile"] for one in json.loads(checked.stdout)["settings"]] == [
        "no old run of Dagster is deleted", "nobody is told of trouble there",
    ]  # fmt: skip


def test_a_setting_that_keeps_everybody_from_being_synced_is_an_error(files: Files) -> None:
    files.merchant("hill")
    told = list(fleet_checks(files.look(VS_ST_SYNC_FASTEST="2h", VS_ST_VINOSHIPPER_RATE="many")))[-1]
    assert told.severity == AssetCheckSeverity.ERROR
    assert told.description.count("until then nobody is synced") == 2


def test_a_present_that_is_no_time_is_told_also_where_webhooks_come(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page tells what keeps everybody from being synced; whose hints wait goes by that same setting."""
    files.merchant("hill")
    hints = Hints(files.folder / "data")
    hints.comes("1")
    monkeypatch.setenv("VS_ST_NOW", "soon")
    told = list(fleet_checks(files.look(VS_ST_NOW="soon")))[-1]
    hints.inbox.close()
    assert not told.passed
    assert told.description
    assert "VS_ST_NOW is not an ISO time" in told.description
