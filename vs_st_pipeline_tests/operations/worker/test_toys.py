"""Toy routes that take hints are scheduled, retried, forgotten and killed as any other route (issue 15, part 1)."""

from __future__ import annotations

import json
import signal
from datetime import timedelta

import pytest
from click.testing import CliRunner

from vs_st_pipeline.cli import sync as cli_sync
from vs_st_pipeline.cli.main import cli
from vs_st_pipeline.domain.report import Report
from vs_st_pipeline.operations.fleet.schedule import due_merchants
from vs_st_pipeline.operations.settings import read_merchants
from vs_st_pipeline.operations.worker.roster import timed_of
from vs_st_pipeline.platform import failpoints
from vs_st_pipeline_tests.toys.hinted import KEPT, NOON, SAID, World, begun, killed_at

SAMPLE = 1  # cases of each test in `make test`; the others count as pytest.mark.slow
BOUNDS = timedelta(minutes=5), timedelta(hours=1)


def command(world: World, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> tuple[int, str]:
    monkeypatch.setattr(cli_sync, "_warehouse", None)
    environ = {
        "VS_ST_MERCHANTS": str(world.settings), "VS_ST_DATA_DIR": str(world.data), "VS_ST_NOW": NOON.isoformat()
    }  # fmt: skip
    done = CliRunner().invoke(cli, list(arguments), env=environ)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.stdout


@pytest.mark.parametrize("route", [SAID, KEPT], ids=["said", "kept"])
def test_a_route_is_due_when_a_hint_wants_a_whole_sync_whatever_its_own_time(world: World, route: object) -> None:
    begun(world)

    def due() -> list[str]:
        return due_merchants(route, world.data, ["one"], NOON, bounds=BOUNDS)  # type: ignore[arg-type]

    assert due() == []
    world.inbox.want_whole("one", route.name)  # type: ignore[attr-defined]
    assert due() == ["one"]
    world.clock.now += 1
    world.sync(route)  # type: ignore[arg-type]
    assert due() == []


def test_r13_a_worker_starts_what_is_due_by_time_and_no_whole_sync_of_a_route_that_is_polled(world: World) -> None:
    begun(world)
    world.shop.parcel("p2", "created", phone="7075550112")
    world.shop.asked.clear()
    told: list[tuple[str, str, int]] = []
    worker = world.worker(every=0.01)
    worker.timed = lambda: timed_of(read_merchants(world.settings, {}).merchants)
    worker.now = lambda: NOON + timedelta(minutes=16)

    def heard(report: Report) -> None:
        told.append((report.route, report.trigger, report.accepted))
        worker.stop.set()

    worker.told = heard
    world.clock.now += 16 * 60
    worker.run()
    assert told == [("said", "schedule", 1)]
    assert set(worker.timed()) == {("one", "said")}, "the state route is polled, as contacts is"


def test_what_a_hint_could_not_say_is_retried_by_the_command(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    begun(world)
    world.shop.parcel("p1", "created", "shipped", phone="7075550111")
    world.shop.fault("400")
    world.hint("p1")
    [report] = world.work()
    assert (report.rejected, world.hints()) == (1, [("done", "held", None)])
    code, _ = command(world, monkeypatch, "retry", "--merchant", "one", "--route", "said", "p1", "--yes")
    assert code == 0
    assert world.said()["p1 shipped"] == 1


def test_h19_who_is_forgotten_has_no_hint_left(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    begun(world)
    world.hint("p1")
    world.inbox.ask("update entries set phone = '7075550111'")  # as a system that names a record by its phone
    code, out = command(world, monkeypatch, "forget", "--merchant", "one", "7075550111", "--yes", "--json")
    assert code == 0, out
    assert json.loads(out)["kept_out"]
    assert world.inbox.ask("select count(*) from hints") == [(0,)]


def test_a_merchant_that_leaves_leaves_no_hint(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    begun(world)
    world.hint("p1")
    text = world.settings.read_text().replace('"name": "one"', '"name": "one", "enabled": false')
    world.settings.write_text(text)
    code, out = command(
        world, monkeypatch, "offboard", "--merchant", "one", "--yes", "--force", "--json", "--leave-webhooks"
    )
    assert code == 0, out
    assert json.loads(out)["inbox"] == 1
    assert world.inbox.ask("select count(*) from hints") == [(0,)]


PLACES = ("answer:2", "inbox:4", "any:9", "inbox:1", "inbox:2", "committed:1", "committed:2", "evidence:1", "answer:1")


@pytest.mark.parametrize("place", PLACES)
def test_a_worker_that_is_killed_is_followed_by_one_that_says_it_once(world: World, place: str) -> None:
    begun(world)
    world.shop.parcel("p1", "created", "shipped", phone="7075550111")
    world.hint("p1")
    world.clock.now += 3
    assert killed_at(world, place) == -signal.SIGKILL
    for _ in range(3):
        world.work(seconds=61)
    assert [row[0] for row in world.hints()] == ["done"]
    for _ in range(3):  # what may be out is read until that shows it, or shows that it is not there
        world.clock.now += 3600
        assert world.sync().status == "ok"
    assert world.said() == {"p1 created": 1, "p1 shipped": 1}


@pytest.mark.slow
def test_a_worker_that_is_killed_anywhere_leaves_nothing_to_write(world: World) -> None:
    begun(world)
    shop, crm = world.books()
    failpoints.enable("any:0")
    shop.person("a", city="Sonoma")
    world.hint("a", route=KEPT)
    world.work()
    places = failpoints.reached["any"]
    assert places > 15
    for number, place in enumerate(range(1, places, places // 3)):
        city = f"City {number}"
        shop.person("a", city=city)
        crm.change(written=[])
        world.hint("a", route=KEPT)
        world.clock.now += 301
        assert killed_at(world, f"any:{place}", KEPT) == -signal.SIGKILL
        world.work(seconds=61)
        world.work(seconds=301)
        assert crm.read()["people"]["a"]["city"] == city
        assert len(crm.read()["written"]) <= 2
        assert {row[0] for row in world.hints()} == {"done"}, place
