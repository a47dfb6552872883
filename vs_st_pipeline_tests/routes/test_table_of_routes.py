"""A route is a folder and a line in the table: everything else is made from it, and nothing generic knows its name."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from dagster import AssetKey, DagsterInstance, Definitions, ExecuteInProcessResult, RunRequest, build_schedule_context

from vs_st_pipeline import routes
from vs_st_pipeline.connectors import CONNECTORS
from vs_st_pipeline.defs.everything import definitions_of
from vs_st_pipeline.defs.resources import Settings
from vs_st_pipeline.domain.errors import BadKey, BadSettings, TryLater
from vs_st_pipeline.operations.fleet import alerts, health
from vs_st_pipeline.pipeline.route import Again, Person
from vs_st_pipeline_tests.support.story import MARISOL, OTHER, TEST, Story
from vs_st_pipeline_tests.support.toy_route import DONE, SHOP, THINGS, Toy

HOUSE = Path(__file__).resolve().parents[2] / "vs_st_pipeline"


def rows(done) -> list[tuple[str, str, str]]:
    return [(row["merchant"], row["route"], row["status"]) for row in done.json["merchants"]]


class TestCommand:
    def test_sync_tells_one_object_per_merchant_and_route_in_the_order_of_file_and_table(self, story: Story, toy: Toy):
        """routes.md R3, R4."""
        done = story.sync(every=True)
        assert rows(done) == [(TEST, "contacts", "ok"), (TEST, "toy", "ok"), (OTHER, "contacts", "ok")]
        told = done.json["merchants"][1]
        assert told["raw"] == {"things": 3}
        assert told["planned"] == {"things": 2, "held": {}, "noted": {}}
        assert told["open"] == 0

        only = story.sync("--route", "toy", every=True)
        assert rows(only) == [(TEST, "toy", "ok")]
        named = story.run("sync", "--merchant", OTHER, "--route", "toy", "--json")
        assert (named.exit_code, named.json) == (0, {"merchants": []})
        assert "toy is off" in named.err

    def test_text_names_the_route_only_where_the_merchant_has_several(self, story: Story, toy: Toy):
        """routes.md R4."""
        said = story.run("sync", "--all", "--route", "toy").out
        assert said.startswith(f"{TEST}: ok\n  read     3 things\n  planned  2 things\n  synced   2 accepted")
        assert f"{TEST}, toy: 1 things" in story.run("plan", "--all").out
        assert f"{TEST}: 1 things" in story.run("plan", "--all", "--route", "toy").out

    def test_plan_and_check_have_the_route(self, story: Story, toy: Toy):
        planned = story.run("plan", "--all", "--json").json["merchants"]
        pairs = [(row["merchant"], row["route"]) for row in planned]
        assert pairs == [(TEST, "contacts"), (TEST, "toy"), (OTHER, "contacts")]
        assert planned[1]["things"] == [{"id": "t-1"}]
        assert toy.ran == [TEST]
        checked = story.run("check", "--all", "--json").json["merchants"]
        assert [(row["merchant"], row["route"]) for row in checked][1] == (TEST, "toy")
        assert f"{TEST}, toy: the key is good" in story.run("check", "--merchant", TEST).out

    def test_an_unknown_route_is_wrong_use(self, story: Story, toy: Toy):
        done = story.run("sync", "--all", "--route", "toys")
        assert done.exit_code == 2
        assert f"there are {', '.join(route.name for route in routes.ROUTES)}" in done.err

    def test_one_routes_failure_never_stops_another(self, story: Story, toy: Toy):
        """routes.md R5."""
        toy.error = TryLater("the toy shop is closed", system="toyshop")
        done = story.sync(every=True)
        assert done.exit_code == 1
        assert rows(done) == [(TEST, "contacts", "ok"), (TEST, "toy", "failed"), (OTHER, "contacts", "ok")]

        toy.error = None
        (story.folder / "keys" / f"{TEST}.vs_key").write_text("wrong\n")
        done = story.sync(every=True)
        assert rows(done) == [(TEST, "contacts", "failed"), (TEST, "toy", "ok"), (OTHER, "contacts", "ok")]

    def test_pairs_run_side_by_side_as_far_as_jobs_lets_them(self, story: Story, toy: Toy):
        """routes.md R5, R54."""
        story.settings({TEST: {SHOP.name: {}}, OTHER: {SHOP.name: {}}})
        toy.waits = threading.Barrier(2)  # each of both waits for the other
        done = story.run("sync", "--all", "--route", "toy", "--jobs", "2", "--json")
        assert rows(done) == [(TEST, "toy", "ok"), (OTHER, "toy", "ok")]

    @pytest.mark.parametrize("option", ["--full", "--allow-unsafe"])
    def test_what_is_about_one_route_has_to_say_about_which(self, story: Story, toy: Toy, option: str):
        """routes.md R38."""
        refused = story.run("sync", "--merchant", TEST, option)
        assert refused.exit_code == 2
        assert f"{TEST} has the routes contacts, toy: {option} needs --route NAME" in refused.err
        assert toy.ran == []
        assert story.run("sync", "--merchant", OTHER, option).exit_code == 0
        assert story.run("sync", "--merchant", TEST, "--route", "toy", option).exit_code == 0

    def test_why_asks_contacts_unless_another_route_is_named(self, story: Story, toy: Toy):
        """routes.md R3, R52."""
        story.begin_synced()
        assert story.run("why", "--merchant", TEST, MARISOL, "--json").json["phone"]
        asked = ("why", "--merchant", TEST, "--route", "toy")
        assert story.run(*asked, "t-1", "--json").json == {"merchant": TEST, "route": "toy", "thing": "t-1"}
        assert story.run(*asked, "t-1").out == "t-1 is a thing\n"
        wrong = {(): "Missing argument 'THING'.", ("t-1", "x"): "extra argument (x)", ("x",): "no thing"}
        for words, said in wrong.items():
            done = story.run(*asked, *words)
            assert (done.exit_code, said in done.err) == (2, True), words

    def test_a_route_without_a_command_says_so(self, story: Story, toy: Toy):
        for command in (("history", "t-1"), ("reconcile",)):
            done = story.run(command[0], "--merchant", TEST, "--route", "toy", *command[1:])
            assert done.exit_code == 2
            knowing = [one.name for one in routes.ROUTES if getattr(one, command[0])]
            assert f"route toy has no `{command[0]}`; {', '.join(knowing)} have" in done.err

    def test_retry_never_spans_routes(self, story: Story, toy: Toy):
        """routes.md R29."""
        done = story.run("retry", "--route", "toy", "--json", "--merchant", TEST, "t-1", "t-2")
        assert rows(done) == [(TEST, "toy", "ok")]
        assert toy.asked == [Again(("t-1", "t-2"))]
        assert story.run("retry", "--merchant", TEST).exit_code == 0
        assert toy.asked == [Again(("t-1", "t-2"))], "without a name it is about contacts"
        refused = story.run("retry", "--merchant", TEST, "t-1")
        assert refused.exit_code == 2
        assert "names no record here: [PHONE]" in refused.err

    def test_forget_asks_all_routes(self, story: Story, toy: Toy):
        """routes.md R7."""
        story.begin_synced()
        done = story.run("forget", "--merchant", TEST, MARISOL, "--yes", "--json").json
        assert toy.erased == [Person(phone=MARISOL)]
        assert [(row["route"], row.get("things")) for row in done["routes"]] == [("contacts", None), ("toy", 1)]
        assert (done["contacts"], done["kept_out"]) == (1, True)

    def test_what_one_route_cannot_erase_keeps_no_other_from_it(self, story: Story, toy: Toy):
        story.begin_synced()
        toy.error = TryLater("a sync is running")
        done = story.run("forget", "--merchant", TEST, MARISOL, "--yes")
        assert done.exit_code == 1
        assert f"{TEST}, toy: nothing was erased" in done.err
        assert "1 contact" in done.out

    def test_offboard_is_refused_while_a_route_has_something_under_way(self, story: Story, toy: Toy):
        """routes.md R57."""
        story.begin_synced()
        story.settings(merchants={TEST: {"enabled": False, SHOP.name: {}}})
        toy.under_way = ["a toy is on its way"]
        refused = story.run("offboard", "--merchant", TEST, "--yes")
        assert refused.exit_code == 1
        assert "a toy is on its way" in refused.err
        assert "--force" in refused.err
        assert (story.data / "merchants" / TEST).exists()
        assert story.run("offboard", "--merchant", TEST, "--yes", "--force").exit_code == 0
        assert not (story.data / "merchants" / TEST).exists()


class TestFleet:
    def stands(self, story: Story) -> dict[tuple[str, str], health.MerchantHealth]:
        environ = {name: value for name, value in story.environment().items() if value}
        return {(one.merchant, one.route): one for one in health.fleet_health(environ).stands}

    def test_there_is_a_row_per_merchant_and_route(self, story: Story, toy: Toy):
        """routes.md R17."""
        assert {key: one.state for key, one in self.stands(story).items()} == {
            (TEST, "contacts"): "new",
            (TEST, "toy"): "new",
            (OTHER, "contacts"): "new",
        }
        story.sync("--route", "toy")
        told = story.run("merchants", "--json").json["merchants"]
        assert [(row["merchant"], row["route"], row["state"], row["open"]) for row in told] == [
            (TEST, "contacts", "new", 0),
            (TEST, "toy", "fine", 0),
            (OTHER, "contacts", "new", 0),
        ]
        assert story.run("merchants", "--route", "toy").out.startswith(f"{TEST}, toy  fine")

    def test_what_stands_open_from_before_is_open_and_never_fine(self, story: Story, toy: Toy):
        """routes.md R68."""
        toy.waiting = (1, 1)
        assert story.sync("--route", "toy").of()["open"] == 2
        row = self.stands(story)[TEST, "toy"]
        assert (row.state, row.open, row.status) == ("open", 2, "ok")

    @pytest.mark.parametrize(
        ("error", "state"),
        [
            (BadKey("the key is not good", system="toyshop"), "failing"),
            (TryLater("later", system="toyshop"), "partial"),
        ],
    )
    def test_a_part_that_only_a_person_can_mend_is_failing_though_the_sync_is_partial(
        self, story: Story, toy: Toy, error: Exception, state: str
    ):
        """routes.md R68."""
        toy.part = error  # type: ignore[assignment]
        assert story.sync("--route", "toy").of()["status"] == "partial"
        row = self.stands(story)[TEST, "toy"]
        assert (row.state, row.status) == (state, "partial")
        environ = {name: value for name, value in story.environment().items() if value}
        new = [one.title for one in alerts.news(health.fleet_health(environ), {})]
        assert new == (["Test Winery, toy: failing (auth)"] if state == "failing" else [])


class TestDagster:
    @pytest.fixture
    def instance(self, tmp_path: Path) -> Iterator[DagsterInstance]:
        with DagsterInstance.local_temp(str(tmp_path)) as instance:
            instance.add_dynamic_partitions("merchants", [TEST, OTHER])
            yield instance

    @pytest.fixture(autouse=True)
    def environment(self, story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
        for name, value in story.environment().items():
            monkeypatch.setenv(name, value) if value else monkeypatch.delenv(name, raising=False)

    @pytest.fixture
    def defs(self, toy: Toy) -> Definitions:
        return definitions_of(routes.ROUTES)

    def made(self, result: ExecuteInProcessResult) -> set[tuple[str, str | None]]:
        return {
            (event.asset_key.to_user_string(), event.partition)
            for event in result.all_events
            if event.is_step_materialization and event.asset_key and event.asset_key.path[0] != "fleet"
        }

    def run(self, defs: Definitions, instance: DagsterInstance, merchant: str) -> ExecuteInProcessResult:
        job = defs.resolve_job_def("sync_toy")
        return job.execute_in_process(instance=instance, partition_key=merchant, raise_on_error=False)

    def test_assets_checks_and_jobs_are_made_from_the_table(self, defs: Definitions):
        """routes.md R15, R16."""
        Definitions.validate_loadable(defs)
        graph = defs.resolve_asset_graph()
        ours = {key for key in graph.get_all_asset_keys() if key.path[0] == "toy"}
        assert {key.to_user_string() for key in ours} == {THINGS, DONE}
        assert {graph.get(key).group_name for key in ours} == {"toy"}
        assert {check.name for check in graph.asset_check_keys if check.asset_key in ours} == {"things_are_there"}
        assert graph.get(AssetKey(DONE.split("/"))).parent_keys == {AssetKey(THINGS.split("/"))}
        contacts = {key.path[0]: graph.get(key).group_name for key in graph.get_all_asset_keys() - ours}
        others = [route.name for route in routes.ROUTES[1:] if route.name != "toy"]
        assert contacts == {name: name for name in ("raw", "staged", "planned", "synced", "fleet", *others)}
        assert {job.name for job in defs.resolve_all_job_defs()} >= {"sync", "sync_toy", "tick"}
        assert {node.name for node in defs.resolve_job_def("sync").nodes} == {"walk"}

    def test_a_route_is_run_by_its_own_job_and_one_that_is_off_makes_nothing(
        self, defs: Definitions, instance: DagsterInstance, toy: Toy
    ):
        """routes.md R51."""
        done = self.run(defs, instance, TEST)
        assert done.success
        assert self.made(done) == {(THINGS, TEST), (DONE, TEST)}
        [found] = [one for one in done.get_asset_check_evaluations() if one.check_name == "things_are_there"]
        assert (found.passed, found.metadata["merchants checked in this run"].value) == (True, 1)
        off = self.run(defs, instance, OTHER)
        assert off.success
        assert self.made(off) == set()
        assert toy.ran == [TEST]

    def test_a_tick_runs_all_that_is_due_and_one_routes_failure_is_its_own(
        self, defs: Definitions, instance: DagsterInstance, toy: Toy
    ):
        """routes.md R5, R16."""
        toy.error = BadSettings("the toy shop has no door")
        schedule = defs.resolve_schedule_def("sync_schedule")
        asked = schedule(build_schedule_context(instance=instance, resources={"settings": Settings()}))
        assert isinstance(asked, RunRequest)
        assert asked.tags["vs-st/due"] == "3 of 3"
        done = defs.resolve_job_def("tick").execute_in_process(
            instance=instance, run_config=asked.run_config, raise_on_error=False
        )
        assert not done.success
        [event] = done.get_step_failure_events()
        said = event.step_failure_data.user_failure_data.description
        assert "1 of 3 merchants failed; the other 2 are done" in said
        assert f"{TEST}, toy: config: the toy shop has no door" in said
        made = self.made(done)
        assert {merchant for asset, merchant in made if asset == "synced/simpletexting/contacts"} == {TEST, OTHER}
        assert not {asset for asset, _ in made if asset.startswith("toy/")}
        names = {(one.asset_key.path[0], one.check_name) for one in done.get_asset_check_evaluations()}
        assert {("toy", "things_are_there"), ("planned", "ages_are_known"), ("fleet", "nobody_is_failing")} <= names

    def test_a_route_that_says_when_it_is_due_is_looked_at_every_minute(
        self, defs: Definitions, instance: DagsterInstance, toy: Toy
    ):
        """routes.md R16."""
        schedule = defs.resolve_schedule_def("sync_schedule")

        def tick() -> object:
            at = datetime(2026, 3, 2, 12, 1, tzinfo=UTC)  # no minute of contacts
            context = build_schedule_context(
                instance=instance, resources={"settings": Settings()}, scheduled_execution_time=at
            )
            return schedule(context)

        asked = tick()
        assert isinstance(asked, RunRequest)
        assert asked.run_config["ops"]["run_due"]["config"]["routes"] == ["toy"]
        toy.due_at = datetime.now(UTC) + timedelta(hours=1)
        assert not isinstance(tick(), RunRequest)


@pytest.mark.parametrize("room", ["cli", "defs", "operations"])
def test_no_generic_room_above_the_pipeline_names_a_system(room: str) -> None:
    # Whoever sells has a shop: that system's name is a word of the language.
    named = [connector for connector in CONNECTORS if connector.name != "shop"]
    names = [name for connector in named for name in (connector.name, connector.title)]
    guilty = [
        f"{path.relative_to(HOUSE)}: {name}"
        for path in (HOUSE / room).rglob("*.py")
        for name in names
        if name.casefold() in path.read_text(encoding="utf-8").casefold()
    ]
    assert guilty == []
