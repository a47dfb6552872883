"""What every route keeps: names that fit together, files of every age, and, in its own world, its promises.

A dry run moves nothing. An answer that says nothing changes nothing. A sync that dies is made good by the next one,
nothing is written twice that may not be, and nothing is lost.
"""

from __future__ import annotations

import dataclasses
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from proof import kills as contacts_kills
from proof import world as contacts_world
from proof.forks import Forks as ContactsForks
from vs_st_pipeline import connectors, routes
from vs_st_pipeline.domain.errors import BadSettings
from vs_st_pipeline.pipeline.once.items import OnUnknown
from vs_st_pipeline.pipeline.route import Asset, Route, layout_of
from vs_st_pipeline.platform.warehouse.migrations import Layout
from vs_st_pipeline.sandbox import Sandbox
from vs_st_pipeline_tests.contracts import benches, rules
from vs_st_pipeline_tests.contracts.benches import BENCHES, Bench
from vs_st_pipeline_tests.contracts.files import before, catalog, tables_of, warehouse_of
from vs_st_pipeline_tests.contracts.members import CONNECTORS_AND_TOYS, LAYOUTS, ROUTES_AND_TOYS, TOY_ROUTE
from vs_st_pipeline_tests.pipeline.test_state_route import Toys, killed_at
from vs_st_pipeline_tests.toys import kills as toy_kills
from vs_st_pipeline_tests.toys.shop import Shop
from vs_st_pipeline_tests.toys.world import Forks

each = pytest.mark.parametrize("route", ROUTES_AND_TOYS.values(), ids=ROUTES_AND_TOYS)
each_layout = pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
LEGACY = layout_of(routes.ROUTES[0]).legacy


@pytest.fixture(scope="module")
def shop() -> Iterator[Shop]:
    with Shop() as found:
        yield found


# --- names that fit together ------------------------------------------------------------------------------------------


def test_every_route_has_a_name_of_its_own() -> None:
    assert list(rules.of_all(routes.ROUTES)) == []
    records = [route.records for route in routes.ROUTES]
    assert len(set(records)) == len(records), "`offboard` counts what routes write by these names"


@each
def test_names_stages_assets_checks_and_report_fit_together(route: Route) -> None:
    assert list(rules.of_route(route, CONNECTORS_AND_TOYS)) == []


def test_no_two_routes_make_the_same_asset_or_table(tmp_path: Path) -> None:
    made = Counter(asset.key for route in (*routes.ROUTES, TOY_ROUTE) for asset in route.assets)
    assert [key for key, count in made.items() if count > 1] == []
    steps = Counter(lineage.owner for route in routes.ROUTES for lineage in layout_of(route).lineages)
    assert {one.name for one in connectors.CONNECTORS if one.migrations} <= set(steps)


SPOILT: dict[str, tuple[dict[str, Any], str]] = {
    "name": ({"name": "My Route"}, "no word in small letters"),
    "name of a system": ({"name": "toyshop"}, "the name of a system"),
    "system": ({"connectors": ()}, "joins nothing"),
    "needs": ({"needs": (frozenset({"somewhere"}),)}, "no section"),
    "needs nothing": ({"needs": ()}, "no section switches it on"),
    "does": ({"does": "Toys."}, "cannot stand in a sentence"),
    "stages": ({"stages": ("read", "write", "rest")}, "stage rest makes nothing"),
    "writes first": ({"stages": ("write", "read")}, "not the last one"),
    "key of another route": ({"assets": (Asset("raw/toyshop/things", "read", "Things."),)}, "R15"),
    "key of another system": ({"assets": (Asset("toy/raw/shop/things", "read", "Things."),)}, "R15"),
    "dep": ({"assets": (*TOY_ROUTE.assets, Asset("toy/staged/things", "write", "T.", ("toy/raw/x/y",)))}, "nothing"),
    "stage": ({"assets": (*TOY_ROUTE.assets, Asset("toy/staged/things", "stage", "T."))}, "which is no stage"),
    "check": (
        {"checks": (dataclasses.replace(TOY_ROUTE.checks[0], asset="toy/staged/things"),)},
        "which nothing makes",
    ),
    "page": ({"pages": {"toy/staged/things": TOY_ROUTE.pages["toy/raw/toyshop/things"]}}, "which nothing makes"),
    "report": ({"report": routes.ROUTES[0].report}, "another merchant, route or run"),
}


@pytest.mark.parametrize(("spoilt", "said"), SPOILT.values(), ids=SPOILT)
def test_a_route_that_does_not_fit_together_is_told(spoilt: dict[str, Any], said: str) -> None:
    found = list(rules.of_route(dataclasses.replace(TOY_ROUTE, **spoilt), CONNECTORS_AND_TOYS))
    assert any(said in sentence for sentence in found), found


def test_every_route_has_a_bench() -> None:
    assert {route.name for route in routes.ROUTES} <= set(BENCHES)


# --- files of every age -----------------------------------------------------------------------------------------------


def new(layout: Layout, folder: Path) -> Any:
    with warehouse_of(folder / "new", layout).open("one") as db:
        return catalog(db)


@each_layout
def test_a_file_of_any_step_before_becomes_what_a_new_one_is(layout: Layout, tmp_path: Path) -> None:
    expected = new(layout, tmp_path)
    for lineage in layout.lineages:
        for version in [number - 1 for number, _ in lineage.steps[1:]] or [lineage.steps[0][0] - 1]:
            if lineage.owner == layout.lineages[0].owner and len(lineage.steps) == 1:
                continue  # without what all files share there is no file
            folder = tmp_path / f"{lineage.owner} {version}"
            with warehouse_of(folder, before(layout, lineage.owner, version)).open("one"):
                pass
            with warehouse_of(folder, layout).open("one") as db:
                assert catalog(db) == expected, (lineage.owner, version)


@pytest.mark.parametrize(
    "version", [pytest.param(n, marks=[] if n in (1, 12) else pytest.mark.slow) for n, _ in LEGACY.steps]
)
def test_a_file_of_before_there_were_owners_becomes_what_a_new_one_is(version: int, tmp_path: Path) -> None:
    """`platform/warehouse/test_migrations.py` compares what files of earlier commits hold, row by row."""
    layout = LAYOUTS["contacts"]
    warehouse = warehouse_of(tmp_path / "old", layout)
    warehouse.folder("one")
    with duckdb.connect(str(warehouse.file("one"))) as db:
        db.execute("create table schema_version (version integer primary key, applied_at timestamp not null)")
        for number, sql in LEGACY.steps[:version]:
            db.execute(sql)
            db.execute("insert into schema_version values (?, now()::timestamp)", [number])
    with warehouse.open("one") as found:
        assert catalog(found) == new(layout, tmp_path)


@each_layout
def test_opening_a_file_again_changes_nothing_and_a_newer_one_is_refused(layout: Layout, tmp_path: Path) -> None:
    with warehouse_of(tmp_path, layout).open("one") as db:
        path, steps = warehouse_of(tmp_path, layout).file("one"), db.rows("select * from schema_version order by all")
        assert {row[0] for row in steps} == {lineage.owner for lineage in layout.lineages}
    for _ in range(2):
        with warehouse_of(tmp_path, layout).open("one") as db:
            assert db.rows("select * from schema_version order by all") == steps
            tables = tables_of(db)
    for lineage in layout.lineages:
        newer = lineage.newest + 1
        with duckdb.connect(str(path)) as db:
            db.execute("insert into schema_version values (?, ?, now()::timestamp)", [lineage.owner, newer])
        file = path.read_bytes()
        with pytest.raises(BadSettings, match="upgrade"), warehouse_of(tmp_path, layout).open("one"):
            pass
        assert path.read_bytes() == file, "it is left as it is"
        with duckdb.connect(str(path)) as db:
            db.execute("delete from schema_version where version = ? and owner = ?", [newer, lineage.owner])
    with warehouse_of(tmp_path, layout).open("one") as db:
        assert tables_of(db) == tables


# --- a dry run moves nothing ------------------------------------------------------------------------------------------


@pytest.fixture(
    params=[pytest.param(name, marks=[pytest.mark.slow] if name in benches.SLOW else []) for name in BENCHES]
)
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Bench:
    return benches.bench_of(request.param, request, tmp_path)


@pytest.fixture(params=[name for name in BENCHES if name not in benches.SLOW])
def quick_bench(request: pytest.FixtureRequest, tmp_path: Path) -> Bench:
    return benches.bench_of(request.param, request, tmp_path)


def moved_by_a_dry_run(bench: Bench) -> list[str]:
    """What two dry runs have moved, and what a sync after them does otherwise than one without them."""
    bench.begin()
    assert bench.sync() == "ok"
    right, writes = bench.at_destination(), bench.written()
    assert writes > 0, "there was something to do"

    bench.begin()
    there, kept = bench.at_destination(), benches.kept(bench)
    moved = []
    for _ in range(2):
        bench.plan()
        now = benches.kept(bench)
        moved += [f"rows of {table}" for table in kept[0] if now[0].get(table) != kept[0][table]]
        moved += ["what lies beside the file"] if now[1] != kept[1] else []
        moved += ["the destination"] if (bench.at_destination(), bench.written()) != (there, 0) else []
    ended = bench.sync()
    if (ended, bench.at_destination(), bench.written()) != ("ok", right, writes):
        moved.append("what the next sync does")
    return moved


def test_a_dry_run_moves_nothing_and_a_sync_after_it_does_what_it_would_have_done(bench: Bench) -> None:
    """routes.md R27."""
    assert moved_by_a_dry_run(bench) == []


def test_a_dry_run_that_moves_something_is_told(tmp_path: Path) -> None:
    class Moving(benches.StateBench):
        def plan(self) -> None:
            self.toys.sync()
            (self.toys.folder / "data" / "merchants" / "one" / "toys.due").write_text("never")

    told = moved_by_a_dry_run(Moving(tmp_path))
    assert {"rows of synced.ledger", "the destination", "what lies beside the file"} <= set(told)


# --- an answer that says nothing --------------------------------------------------------------------------------------

HOLLOW = (b"{}", b"[]", b"null", b'{"error": "temporarily unavailable"}')


@dataclasses.dataclass
class Truth:
    """What an undisturbed sync makes of the world, and the calls by which it reads."""

    right: Any
    calls: list[str]


def undisturbed(bench: Bench, *, synced: bool) -> Truth:
    bench.begin(synced=synced)
    with bench.answering(lambda call: None) as met:
        assert bench.sync() == "ok"
    return Truth(bench.at_destination(), list(dict.fromkeys(met)))


def hollow(bench: Bench, truth: Truth, call: str, body: bytes, *, synced: bool) -> list[str]:
    """Put this body in the place of every answer to a call in one sync; what is wrong then, and after a good one."""
    bench.begin(synced=synced)
    there, stored = bench.at_destination(), benches.bodies(bench) if synced else {}
    with bench.answering(lambda asked: body if asked == call else None) as met:
        ended = bench.sync()
    wrong = [] if call in met else ["it was not asked"]
    wrong += ["it is taken for a fault of ours"] if ended in ("internal", "config") else []
    now = bench.at_destination()
    believed = not synced and (call, body) in bench.statements
    for name in sorted({*there, *now}, key=str) if not believed else ():
        if now.get(name) not in (there.get(name), truth.right.get(name)):
            wrong.append(f"{name}: {there.get(name)!r} became {now.get(name)!r}, right is {truth.right.get(name)!r}")
    after = benches.bodies(bench)
    wrong += [f"{place} was lost" for place, text in stored.items() if text is not None and after.get(place) is None]
    wrong += [f"{place} is hollow now" for place, text in after.items() if text is not None and text.encode() in HOLLOW]
    ended = bench.sync(well=True, full=believed)
    if (ended, bench.at_destination()) != ("ok", truth.right):
        wrong.append(f"a good sync ends with {ended}, and not with what is right")
    return [f"{call}, {body.decode()}, {'next' if synced else 'first'} sync: {sentence}" for sentence in wrong]


def test_an_answer_that_says_nothing_changes_nothing(quick_bench: Bench) -> None:
    """Each read of a next sync, with one body each; the first sync and all bodies are in `make proof`. (R22)"""
    bench = quick_bench
    truth = undisturbed(bench, synced=True)
    wrong = []
    for number, call in enumerate(truth.calls):
        wrong += hollow(bench, truth, call, HOLLOW[number % len(HOLLOW)], synced=True)
    assert wrong == []


def test_a_route_that_believes_such_an_answer_is_told(tmp_path: Path) -> None:
    class Believing(benches.StateBench):
        def sync(self, *, well: bool = False, full: bool = False) -> str:
            if self.toys.crm.list() == [{}]:
                self.toys.crm.person("p01", city="")
                with self.open() as db:
                    db.execute("update raw.crm_people set body = '{}'")
            return super().sync()

    bench = Believing(tmp_path)
    told = hollow(bench, undisturbed(bench, synced=True), "crm list", b"{}", synced=True)
    assert any("('p01', 'city'): 'Napa' became ''" in sentence for sentence in told), told
    assert any("is hollow now" in sentence for sentence in told), told


@pytest.mark.slow
@pytest.mark.parametrize("body", HOLLOW, ids=[body.decode() for body in HOLLOW])
@pytest.mark.parametrize("synced", [False, True], ids=["first", "next"])
def test_any_answer_that_says_nothing_changes_nothing(bench: Bench, synced: bool, body: bytes) -> None:
    truth = undisturbed(bench, synced=synced)
    wrong = [line for call in truth.calls for line in hollow(bench, truth, call, body, synced=synced)]
    assert wrong == []


# --- a push that dies after an outcome --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def contacts(small_world: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[contacts_world.World]:
    with ContactsForks() as forks:
        yield contacts_world.World(small_world, forks, tmp_path_factory.mktemp("contacts"))
    small_world.reset()


def die_in_the_push(world: contacts_world.World, mode: str, chosen: slice) -> int:
    """Kill a sync of contacts after outcomes of its push; the next one must leave what an undisturbed one leaves."""
    happened = contacts_kills.busy(world.box)
    expected = world.expected(mode, {}, list(happened))
    reached = contacts_kills.places(world, mode, happened, {})
    figures = contacts_kills.Kills()
    for name in ("answer", "committed"):
        places = [place for place in reached if place[0] == name][-PUSHED:]
        for name, turn in places[chosen]:
            how = ({"kill_at": f"{name}:{turn}"},)
            contacts_kills.run(world, contacts_kills.Trial("at a place", mode, happened, how), expected, figures)
    return figures.killed


PUSHED = 14  # of the last places of a kind, in which the push lies


@pytest.mark.slow
def test_a_push_of_contacts_that_dies_is_settled_by_the_next_sync(contacts: contacts_world.World) -> None:
    assert die_in_the_push(contacts, contacts_world.SINGLY, slice(5, None, 9)) >= 2


@pytest.mark.slow
@pytest.mark.timeout(900)  # two dozen kills, each with three syncs
@pytest.mark.parametrize("mode", contacts_world.MODES)
def test_a_push_of_contacts_that_dies_after_any_outcome_is_settled(contacts: contacts_world.World, mode: str) -> None:
    assert die_in_the_push(contacts, mode, slice(None)) > PUSHED


@pytest.fixture(scope="module")
def forks() -> Iterator[Forks]:
    with Forks() as found:
        yield found


RULES = [pytest.param(one.value, marks=[] if one is OnUnknown.READ else pytest.mark.slow) for one in OnUnknown]


@pytest.mark.parametrize("rule", RULES)
def test_what_is_said_once_is_said_once_though_a_sync_dies(
    shop: Shop, forks: Forks, tmp_path: Path, rule: str, request: pytest.FixtureRequest
) -> None:
    """`pipeline/once/test_kills.py` has more places, lost answers and lost databases."""
    trials = toy_kills.Trials(shop, forks, tmp_path, rule, None)
    reached = trials.places()["answer"]
    for turn in [reached - 2, reached] if rule == OnUnknown.READ else range(1, reached + 1):
        assert trials.kill(f"answer:{turn}") == [], f"answer:{turn} of {reached}"


@pytest.mark.parametrize("place", ["answer:2", pytest.param("request:1", marks=pytest.mark.slow)])
def test_state_is_kept_equal_though_a_sync_dies(tmp_path: Path, place: str) -> None:
    toys = Toys(tmp_path / "toys", count=3)
    assert killed_at(toys, place) == -signal.SIGKILL
    toys.sync()
    plan, counts = toys.sync()
    assert (plan.targets, counts.accepted, counts.unknown) == (0, 0, 0)
    assert Counter(id_ for id_, _ in toys.written()) == Counter(f"p{number:02d}" for number in range(3))
