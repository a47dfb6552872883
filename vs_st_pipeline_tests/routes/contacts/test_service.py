"""Who is processed (webhooks-onboarding.md, 9.3): `service` by dates, in the merchant's zone and by VS_ST_NOW."""

from __future__ import annotations

from pathlib import Path

import pytest
from dagster import DagsterInstance

from vs_st_pipeline.defs.everything import definitions_of
from vs_st_pipeline.defs.fleet_health import QUIET
from vs_st_pipeline.operations.fleet import alerts, health
from vs_st_pipeline.routes import ROUTES
from vs_st_pipeline_tests.support.statuses import MINUTE, Files
from vs_st_pipeline_tests.support.story import OTHER, TEST, Story
from vs_st_pipeline_tests.support.toy_route import SHOP, Toy, in_the_table

PAID = {"bought_on": "2026-01-02", "paid_texting_since": "2026-01-02"}


def says(**service: str | None) -> str:
    inner = ", ".join(f"{key}: {value or 'null'}" for key, value in service.items())
    return f", service: {{{inner}}}"


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


@pytest.mark.parametrize(
    ("service", "now", "state", "told"),
    [
        (PAID, "2026-11-03T12:00:00Z", "new", ""),
        (PAID | {"ended_on": None}, "2026-11-03T12:00:00Z", "new", ""),
        # Of the day on which it begins and on which it ends, the merchant's own midnight counts: 8 h behind UTC.
        (PAID, "2026-01-02T07:59:59Z", "pending", "service.bought_on is 2026-01-02, which is to come"),
        (PAID, "2026-01-02T08:00:00Z", "new", ""),
        (PAID | {"ended_on": "2026-11-04"}, "2026-11-04T07:59:59Z", "new", ""),
        (PAID | {"ended_on": "2026-11-04"}, "2026-11-04T08:00:00Z", "ended", "service.ended_on is 2026-11-04"),
        ({"bought_on": "2026-01-02"}, "2026-11-03T12:00:00Z", "pending", "service.paid_texting_since is not set"),
        ({"paid_texting_since": "2026-01-02"}, "2026-11-03T12:00:00Z", "pending", "service.bought_on is not set"),
        ({}, "2026-11-03T12:00:00Z", "pending", "service.bought_on is not set, service.paid_texting_since is not set"),
        ({"ended_on": "2026-01-01"}, "2026-11-03T12:00:00Z", "ended", "service.ended_on is 2026-01-01"),
        (PAID | {"bought_on": "2030-05-01"}, "2026-11-03T12:00:00Z", "pending",
         "service.bought_on is 2030-05-01, which is to come"),
    ],
)  # fmt: skip
def test_9_3_who_is_active_goes_by_dates_in_its_own_zone(
    files: Files, service: dict[str, str | None], now: str, state: str, told: str
) -> None:
    files.merchant("hill", says(**service))
    one = files.one("hill", VS_ST_NOW=now)
    assert one.state == state
    assert told in one.says
    assert bool(one.says) == bool(told)


def test_9_3_the_zone_is_the_merchants(files: Files) -> None:
    files.merchant("hill", says(**PAID) + ", time_zone: Pacific/Auckland")
    assert files.one("hill", VS_ST_NOW="2026-01-01T10:59:00Z").state == "pending"
    assert files.one("hill", VS_ST_NOW="2026-01-01T11:00:00Z").state == "new"


def test_9_3_without_service_a_merchant_is_active_and_that_is_doubtful(story: Story) -> None:
    assert story.run("check", "--merchant", TEST, "--json").of()["doubts"].count("service is not recorded") == 1
    story.settings(service=PAID)
    doubts = story.run("check", "--merchant", TEST, "--json").of()["doubts"]
    assert "service is not recorded" not in doubts


@pytest.mark.parametrize("word", ["2026-13-01", "soon", "[]", "yes", "1900-01-01", "20260102"])
def test_9_3_what_is_no_date_is_refused_with_its_line(files: Files, word: str) -> None:
    files.merchant("dale")
    files.merchant("hill", says(bought_on=word))
    one = files.one("hill")
    assert one.state == "broken settings"
    assert one.says.startswith("merchants.yaml, line 3: bought_on: expected a date")
    assert word not in one.says


def test_9_3_an_unknown_key_of_service_is_refused(files: Files) -> None:
    files.merchant("dale")
    files.merchant("hill", ", service: {paid_since: 2026-01-02}")
    assert "paid_since" in files.one("hill").says


@pytest.mark.parametrize("command", ["sync", "plan", "check"])
def test_9_3_who_is_not_active_is_not_called_and_nothing_is_written(story: Story, command: str) -> None:
    story.settings({TEST: {"service": PAID | {"ended_on": "2026-02-01"}}}, service=PAID)
    story.clear_journals()

    done = story.run(command, "--merchant", TEST, "--json")

    assert (done.exit_code, done.json["merchants"]) == (0, [])
    assert "contacts is ended: service.ended_on is 2026-02-01" in done.err
    everybody = story.run(command, "--all", "--json").json["merchants"]
    assert [row["merchant"] for row in everybody] == [OTHER]
    assert (story.shop.journal(TEST), story.texting.journal(TEST)) == ([], [])
    assert not (story.data / "merchants" / TEST / "warehouse.duckdb").exists()


def test_9_3_it_goes_on_by_itself_when_its_day_comes(story: Story) -> None:
    story.settings(service=PAID | {"bought_on": "2027-03-01"})
    assert story.sync().json["merchants"] == []
    assert story.synced(now="2027-03-01T09:00:00Z")["status"] == "ok"


def test_9_3_keys_that_went_with_a_winery_that_left_are_no_fault(files: Files) -> None:
    files.merchant("hill", says(**PAID, ended_on="2026-02-01"))
    del files.environ["K"]
    files.lines.append(f"  - {{id: dale, vinoshipper: {{}}, simpletexting: {{}}{says(**PAID)}}}")
    files.merchant("other", says(**PAID))
    assert {one.merchant: one.state for one in files.look().stands} == {
        "hill": "ended", "dale": "broken settings", "other": "broken settings",
    }  # fmt: skip


def test_r32_service_gates_contacts_alone(story: Story) -> None:
    toy = Toy()
    with in_the_table(toy):
        story.settings({TEST: {SHOP.name: {}, "service": {"bought_on": None}}}, service=PAID)
        assert [row["route"] for row in story.sync().json["merchants"]] == ["toy"]
        stands = {one.route: one.state for one in _fleet(story) if one.merchant == TEST}
        assert stands == {"contacts": "pending", "toy": "fine"}


def test_r32_who_has_no_contacts_needs_no_service(story: Story) -> None:
    toy = Toy()
    with in_the_table(toy):
        path = story.folder / "merchants.yaml"
        path.write_text(f"merchants:\n  - {{id: {TEST}, name: Test, {SHOP.name}: {{}}}}\n")
        assert story.sync().of()["status"] == "ok"
        assert story.run("check", "--merchant", TEST, "--json").of()["doubts"] == []


def test_9_3_merchants_says_pending_and_ended_before_off_and_what_is_missing(story: Story) -> None:
    story.settings({TEST: {"service": {"bought_on": None}}, OTHER: {"enabled": False}}, service=PAID)
    done = story.run("merchants", "--json")
    told = done.of()
    assert (told["state"], told["enabled"]) == ("pending", True)
    assert told["says"] == "service.bought_on is not set"
    assert told["do"]
    assert done.of(OTHER)["state"] == "off"
    assert "pending: service.bought_on is not set" in story.run("merchants").out
    # Of one that is disabled besides, it says more.
    story.settings({TEST: {"enabled": False, "service": PAID | {"ended_on": "2026-02-01"}}}, service=PAID)
    told = story.run("merchants", "--json").of()
    assert (told["state"], told["enabled"]) == ("ended", False)
    assert list(health.STATES)[-3:] == ["pending", "ended", "off"]


def test_9_3_nobody_who_is_not_active_counts_as_in_trouble_late_or_to_be_synced(files: Files) -> None:
    files.merchant("hill", says(bought_on=None))
    files.synced("hill", 600 * MINUTE, "auth")
    files.merchant("dale", says(**PAID))
    files.synced("dale", MINUTE)
    found = files.look()
    assert (found.enabled, found.sentence()) == (1, "1 of 1 fine; 1 pending")
    assert [one.stale for one in found.stands] == [False, False]
    assert alerts.news(found, {"hill": ["failing (auth)"]}) == [alerts.Alert("hill", None)]
    assert {"pending", "ended"} <= set(QUIET)


@pytest.mark.slow  # the same way as of a paused route
def test_9_3_a_run_of_dagster_for_one_that_is_not_active_succeeds_and_makes_nothing(
    story: Story, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    story.settings(service={"bought_on": None})
    story.clear_journals()
    for name, value in story.environment().items():
        monkeypatch.setenv(name, value) if value else monkeypatch.delenv(name, raising=False)
    with DagsterInstance.local_temp(str(tmp_path)) as instance:
        instance.add_dynamic_partitions("merchants", [TEST])
        job = definitions_of(ROUTES).resolve_job_def("sync")
        done = job.execute_in_process(instance=instance, partition_key=TEST)
        assert done.success
        made = {event.asset_key for event in done.all_events if event.is_step_materialization}
        assert {key.path[0] for key in made if key} <= {"fleet"}
    assert story.shop.journal(TEST) == []


def test_9_3_its_file_is_not_started_over_while_it_cannot_be_read(story: Story) -> None:
    story.settings(service={"bought_on": None})
    done = story.run("rebuild", "--merchant", TEST, "--yes")
    assert done.exit_code == 2
    assert "service.bought_on is not set" in done.err


def test_9_3_what_is_stored_of_one_that_ended_can_be_looked_at_and_forgotten(story: Story) -> None:
    story.begin_synced()
    story.settings(service=PAID | {"ended_on": "2026-02-01"})
    assert story.run("why", "--merchant", TEST, "7075550142", "--json").exit_code == 0
    assert story.run("forget", "--merchant", TEST, "7075550142", "--yes").exit_code == 0


def _fleet(story: Story) -> tuple[health.MerchantHealth, ...]:
    return health.fleet_health({k: v for k, v in story.environment().items() if v is not None}).stands


def test_9_3_check_says_what_to_do_about_a_service_that_is_not_recorded(story: Story) -> None:
    told = story.run("check", "--merchant", TEST).out
    assert "doubtful: service is not recorded: write `service: {bought_on: " in told
