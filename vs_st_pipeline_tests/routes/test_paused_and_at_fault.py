"""A paused route does nothing and troubles nobody; one whose settings are wrong fails alone (routes.md R1, R51).

Over real commands, of a merchant with two routes.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from dagster import DagsterInstance

from vs_st_pipeline import routes
from vs_st_pipeline.cli import options
from vs_st_pipeline.defs.everything import definitions_of
from vs_st_pipeline.domain.errors import BadKey
from vs_st_pipeline.operations.fleet import alerts, health
from vs_st_pipeline.operations.settings import read_merchants
from vs_st_pipeline.platform.settings.merchants import MerchantsFile
from vs_st_pipeline_tests.support.story import MARISOL, OTHER, TEST, Story
from vs_st_pipeline_tests.support.toy_route import SHOP, Toy

CONTACTS, TOY = (TEST, "contacts"), (TEST, "toy")


def pause(story: Story, *names: str, **entry: object) -> None:
    story.settings({TEST: {SHOP.name: {}, "paused": list(names), **entry}})


def fleet(story: Story, now: datetime | None = None) -> health.Fleet:
    return health.fleet_health({name: value for name, value in story.environment(now).items() if value})


def stands(story: Story, now: datetime | None = None) -> dict[tuple[str, str], health.MerchantHealth]:
    return {(one.merchant, one.route): one for one in fleet(story, now).stands}


def calls_of(story: Story) -> list[object]:
    return [*story.shop.journal(TEST), *story.texting.journal(TEST)]


class TestPaused:
    def test_it_is_shown_as_paused_and_is_never_late_nor_alerted(self, story: Story, toy: Toy):
        """R51."""
        toy.error = BadKey("the key is not good", system="toyshop")
        story.sync(every=True)
        environ = {name: value for name, value in story.environment().items() if value}
        [bad] = alerts.news(health.fleet_health(environ), {})
        told = {f"{TEST}, toy": [str(bad.trouble)]}
        assert bad.trouble == "failing (auth)"

        pause(story, "toy")
        much_later = datetime.now(UTC) + timedelta(days=90)
        row = stands(story, much_later)[TOY]
        assert (row.state, row.stale, row.since, row.says) == ("paused", False, None, "")
        found = fleet(story)
        assert alerts.news(found, {}) == []
        assert alerts.news(found, told) == [alerts.Alert(f"{TEST}, toy", None)], "it is forgotten without a word"
        said = {(one["merchant"], one["route"]): one for one in story.run("merchants", "--json").json["merchants"]}
        assert (said[TOY]["state"], said[TOY]["enabled"], said[CONTACTS]["state"]) == ("paused", True, "fine")
        assert f"{TEST}, toy  paused in the merchants file\n" in story.run("merchants").out

    def test_what_looks_at_stored_data_looks_and_nothing_is_called_or_written(self, story: Story, toy: Toy):
        """R51."""
        story.begin_synced()
        story.sync("--route", "toy")
        pause(story, "contacts", "toy")
        story.clear_journals()
        ran, file = list(toy.ran), story.data / "merchants" / TEST / "warehouse.duckdb"
        before = file.read_bytes()
        of = ("--merchant", TEST, "--route", "contacts")
        assert story.run("why", *of, MARISOL, "--json").json["contact_id"]
        assert story.run("why", "--merchant", TEST, MARISOL, "--json").json["contact_id"]
        assert story.run("history", *of, MARISOL, "--json").exit_code == 0
        for command in (("check", *of), ("sync", *of), ("plan", *of), ("reconcile", *of), ("retry", *of)):
            done = story.run(*command, "--json")
            assert (done.exit_code, done.json["merchants"]) == (0, []), command
            assert f"{TEST}: contacts is off, so nothing is done" in done.err
        for command in ("retry", "sync", "plan", "check"):
            assert story.run(command, "--merchant", TEST, "--route", "toy", "--json").json["merchants"] == []
            assert story.run(command, "--all", "--route", "toy", "--json").json["merchants"] == []
        assert (calls_of(story), toy.ran, toy.asked) == ([], ran, [])
        assert file.read_bytes() == before

    def test_one_route_goes_on_while_the_other_is_paused(self, story: Story, toy: Toy):
        """R51, R3."""
        pause(story, "contacts")
        done = story.sync(every=True)
        assert [(row["merchant"], row["route"]) for row in done.json["merchants"]] == [TOY, (OTHER, "contacts")]
        assert calls_of(story) == []
        assert story.run("why", "--merchant", TEST, "t-1", "--json").json["route"] == "toy", "the one that is on"

    def test_a_file_is_not_started_over_that_cannot_be_read_again(self, story: Story, toy: Toy):
        """R51."""
        story.sync("--route", "toy")
        pause(story, "toy")
        done = story.run("rebuild", "--merchant", TEST, "--route", "toy", "--yes")
        assert done.exit_code == 2
        assert "toy of test-winery is paused" in done.err
        assert list((story.data / "merchants" / TEST).glob("*.bak*")) == []

    @pytest.mark.slow
    def test_runs_of_dagster_succeed_and_materialize_nothing(
        self, story: Story, toy: Toy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        """R51."""
        pause(story, "toy", "contacts")
        for name, value in story.environment().items():
            monkeypatch.setenv(name, value) if value else monkeypatch.delenv(name, raising=False)
        defs = definitions_of(routes.ROUTES)
        with DagsterInstance.local_temp(str(tmp_path)) as instance:
            instance.add_dynamic_partitions("merchants", [TEST])
            for job in ("sync_toy", "sync"):
                done = defs.resolve_job_def(job).execute_in_process(instance=instance, partition_key=TEST)
                assert done.success
                made = {event.asset_key for event in done.all_events if event.is_step_materialization}
                assert {key.path[0] for key in made if key} <= {"fleet"}
        assert (toy.ran, calls_of(story)) == ([], [])

    def test_a_paused_route_fails_nothing_whatever_its_settings(self, story: Story, toy: Toy):
        """R51: `check` says what is wrong with them before it can go on."""
        pause(story, "toy", **{SHOP.name: {"door": "open"}})
        assert story.sync().exit_code == 0
        assert stands(story)[TOY].state == "paused"
        [doubt] = [one for one in story.run("check", "--merchant", TEST, "--json").of()["doubts"] if "door" in one]
        assert doubt.startswith("toy is paused; before it can go on: ")
        pause(story, "toy", "contacts", **{SHOP.name: {"door": "open"}, "simpletexting": {"door": "open"}})
        assert story.sync(every=True).exit_code == 0
        assert {row.state for key, row in stands(story).items() if key[0] == TEST} == {"paused"}


class TestAtFault:
    @pytest.mark.parametrize(("section", "bad", "good"), [(SHOP.name, TOY, CONTACTS), ("simpletexting", CONTACTS, TOY)])
    def test_a_fault_of_one_route_is_its_own_in_every_command(
        self, story: Story, toy: Toy, section: str, bad: tuple[str, str], good: tuple[str, str]
    ):
        """R1: a `config` failure of that route of that merchant."""
        story.settings({TEST: {SHOP.name: {}, section: {"door": "open"}}})
        for command in ("sync", "plan", "check"):
            done = story.run(command, "--merchant", TEST, "--json")
            told = {(row["merchant"], row["route"]): row for row in done.json["merchants"]}
            assert (done.exit_code, list(told)) == (1, [CONTACTS, TOY]), command
            assert (told[bad]["status"], told[good]["status"]) == ("failed", "ok"), command
            assert told[bad]["error"]["kind"] == "config"
            assert "door" in told[bad]["error"]["message"]
        name = {CONTACTS: TEST, TOY: f"{TEST}, toy"}
        rows = stands(story)
        assert (rows[bad].state, rows[good].state) == ("broken settings", "fine")
        [alert] = alerts.news(fleet(story), {})
        assert (alert.merchant, alert.trouble) == (name[bad], "broken settings")
        listed = {(one["merchant"], one["route"]): one for one in story.run("merchants", "--json").json["merchants"]}
        assert (listed[bad]["state"], listed[bad]["error"]["kind"], listed[good]["state"]) == (
            "broken settings", "config", "fine",
        )  # fmt: skip

    def test_dagster_tells_it_of_that_route_alone(
        self, story: Story, toy: Toy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        """R1."""
        story.settings({TEST: {SHOP.name: {"door": "open"}}})
        for name, value in story.environment().items():
            monkeypatch.setenv(name, value) if value else monkeypatch.delenv(name, raising=False)
        defs = definitions_of(routes.ROUTES)
        with DagsterInstance.local_temp(str(tmp_path)) as instance:
            instance.add_dynamic_partitions("merchants", [TEST])
            good, bad = (
                defs.resolve_job_def(job).execute_in_process(
                    instance=instance, partition_key=TEST, raise_on_error=False
                )
                for job in ("sync", "sync_toy")
            )
        assert (good.success, bad.success) == (True, False)

    def test_what_is_doubtful_about_an_entry_is_told_once_in_its_first_route(self, story: Story, toy: Toy):
        """R1, R2."""
        pause(story, "nothing")  # no such route: the file's reader refuses it
        assert story.run("check", "--merchant", TEST).exit_code != 0
        story.settings({TEST: {SHOP.name: {}}, OTHER: {"paused": ["toy"]}})
        doubts = {
            (row["merchant"], row["route"]): [
                one for one in row["doubts"] if "paused: this merchant does not have this route" in one
            ]
            for row in story.run("check", "--all", "--json").json["merchants"]
        }
        assert {key: len(found) for key, found in doubts.items()} == {CONTACTS: 0, TOY: 0, (OTHER, "contacts"): 1}

    def test_a_doubt_of_a_merchant_with_two_routes_is_told_once(
        self, story: Story, toy: Toy, monkeypatch: pytest.MonkeyPatch
    ):
        """R4."""

        def read(*given: object, **how: object) -> MerchantsFile:
            file = read_merchants(*given, **how)  # type: ignore[arg-type]
            return replace(file, merchants=tuple(replace(one, doubts=("is it meant?",)) for one in file.merchants))

        monkeypatch.setattr(options, "read_merchants", read)
        found = story.run("check", "--all", "--json").json["merchants"]
        told = {(row["merchant"], row["route"]): row["doubts"].count("is it meant?") for row in found}
        assert told == {CONTACTS: 1, TOY: 0, (OTHER, "contacts"): 1}
        [alone] = story.run("check", "--merchant", TEST, "--route", "toy", "--json").json["merchants"]
        assert alone["doubts"] == ["is it meant?"]
