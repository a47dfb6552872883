"""Hints of toy routes become targeted syncs: taken, worked, tried again, at rest, handed over (H18, H25-H30, R13)."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from vs_st_pipeline.domain.hints import WHOLE
from vs_st_pipeline.domain.report import Report
from vs_st_pipeline.operations.fleet.schedule import wanted_by_hints
from vs_st_pipeline.operations.worker.targeted import take
from vs_st_pipeline.operations.worker.turns import Standing, turns
from vs_st_pipeline.pipeline.hinted import HintDesk
from vs_st_pipeline.platform.locks import file_lock
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline_tests.toys import hinted
from vs_st_pipeline_tests.toys.hinted import KEPT, SAID, World, begun
from vs_st_pipeline_tests.toys.shop import Shop

DONE = ("done", "written", None)


# --- the one that says things once ---


def test_r13_a_hint_of_a_say_once_route_is_read_singly_and_said_once(world: World) -> None:
    begun(world)
    world.shop.parcel("p1", "created", "shipped")
    world.shop.parcel("p2", "created")
    world.hint("p1", "p1")
    [report] = world.work()
    assert (report.status, report.trigger, report.accepted) == ("ok", "hint", 1)
    assert (dict(report.hints), report.lag_seconds is not None) == (
        {"taken": 2, "records": 1, "handed_over": 0, "dropped": 0}, True
    )  # fmt: skip
    assert world.hints() == [DONE, DONE]
    assert world.shop.asked == ["GET /parcels/p1", "POST /messages"], "no list, and nobody else"
    assert world.work() == []
    assert world.said() == {"p1 created": 1, "p1 shipped": 1}


def test_h28_a_record_is_read_two_seconds_after_its_first_hint_and_then_ever_later(world: World) -> None:
    begun(world)
    world.hint("p1")
    assert world.work(seconds=1.5) == []
    world.hint("p1")  # a later one does not put it off
    assert len(world.work(seconds=0.5)) == 1
    reads = []
    for _ in range(60):
        world.hint("p1")
        world.shop.asked.clear()
        world.work(seconds=10)
        reads.append(len(world.shop.asked))
    times = [10 * (place + 1) for place, read in enumerate(reads) if read]
    assert times[:5] == [10, 30, 70, 150, 310]
    world.shop.parcel("p1", "created", "shipped")
    world.hint("p1")
    world.work(seconds=300)
    world.hint("p1")
    assert len(world.work(seconds=10)) == 1, "a read that found something new begins from the beginning"


def test_h30_what_failed_waits_longer_each_time_and_is_not_lost(world: World) -> None:
    begun(world)
    world.shop.parcel("p1", "created", "shipped")
    world.shop.fault("500_before", "GET", "/parcels/p1", count=5)
    world.hint("p1")
    tried = []
    for second in range(3, 1000, 1):
        world.shop.asked.clear()
        world.work(seconds=1)
        if world.shop.asked:
            tried.append(second)
    gaps = [after - before for before, after in zip(tried, tried[1:], strict=False)]
    assert gaps == [10, 30, 60, 300, 300]
    assert world.hints() == [DONE]


def test_h30_a_key_that_is_not_accepted_has_the_merchant_rest_until_a_whole_sync_is_well(world: World) -> None:
    begun(world)
    world.shop.parcel("p1", "created", "shipped")
    world.shop.fault("401", "GET", "/parcels/p1", count=1)
    world.hint("p1")
    [report] = world.work()
    assert report.error is not None
    assert report.error.kind == "auth"
    assert world.hints() == [("waiting", None, "auth")]
    assert world.work(seconds=900) == [], "at rest it has no entry (rulings 11)"
    assert wanted_by_hints(SAID, world.data) == {"one"}
    assert wanted_by_hints(KEPT, world.data) == set(), "the other route is well"
    world.hint("a", route=KEPT)
    assert [one.route for one in world.work()] == ["kept"]
    world.shop.fault("401", "GET", "/parcels", count=1)
    assert world.sync().status == "failed"
    assert world.hints()[0] == ("waiting", None, None), "a whole sync that fails gives back what it took"
    assert world.work(seconds=900) == []
    assert world.sync().status == "ok"
    assert wanted_by_hints(SAID, world.data) == set()
    world.shop.parcel("p1", "created", "shipped", "delivered")
    world.hint("p1")
    assert len(world.work()) == 1


def test_h21_before_a_first_good_whole_sync_hints_wait_for_it(world: World) -> None:
    world.shop.parcel("p1", "created")
    world.hint("p1")
    assert world.work() == []
    world.sync()
    assert world.hints() == [("done", "handed_over", None)]
    assert world.said() == {"p1 created": 1}


def test_h21_one_whose_file_was_lost_is_not_tried_twice_a_second_and_has_no_report(world: World) -> None:
    begun(world)
    world.hint("p1")
    world.clock.now += 3
    worker = world.worker()

    def nothing(run: Run, desk: HintDesk) -> Report:
        report = SAID.report(run.merchant.id, run.run_id)
        report.status = "ok"
        desk.finish(report)
        return report

    [turn] = turns(world.inbox.waiting(), Standing(), world.clock.now)
    assert SAID.hinted is not None
    route = replace(SAID, hinted=replace(SAID.hinted, run=nothing))
    merchant = world.pairs()["one", SAID.name][0]
    taken = take(turn, route, world.inbox, lambda: worker.make_run(merchant, SAID), owner="x", stopping=lambda: False)
    assert (taken.report, taken.again_in) == (None, 10.0)
    assert world.hints() == [("waiting", None, None)]


def test_h30_a_merchant_who_leaves_the_file_between_two_looks_stops_nobody(world: World) -> None:
    begun(world)
    world.hint("p1")
    world.clock.now += 3
    worker = world.worker()
    looks = iter([worker.pairs(), {}])
    worker.pairs = lambda: next(looks, {})
    with ThreadPoolExecutor(1) as pool:
        assert worker._start(pool, worker._waiting(), ()) == []


def test_h25_ten_records_at_once_and_more_than_a_hundred_are_a_whole_syncs(world: World) -> None:
    begun(world)
    ids = [f"q{number:03d}" for number in range(12)]
    for one in ids:
        world.shop.parcel(one, "created")
    world.hint(*ids)
    assert [report.hints["records"] for report in world.work()] == [10, 2]
    world.hint(*(f"r{number:03d}" for number in range(101)))
    world.shop.asked.clear()
    [report] = world.work()
    assert (report.status, report.hints["handed_over"], world.shop.asked) == ("ok", 101, [])
    assert wanted_by_hints(SAID, world.data) == {"one"}
    with world.run().open() as db:
        assert db.value("select count(*) from once.hints") == 101, "at the head of the queue of a whole sync"


def test_h27_beyond_its_share_of_requests_hints_are_handed_over(world: World) -> None:
    begun(world)
    for _ in range(60):
        assert world.inbox.spend("one", "shop", 1, 50.0)
    world.shop.parcel("p1", "created", "shipped")
    world.hint("p1")
    world.inbox.clock.now -= 3  # type: ignore[attr-defined]  # nothing is refilled meanwhile
    world.inbox.ask("update hints set stored_at = stored_at - 10")
    [report] = world.work(seconds=0)
    assert (report.hints["handed_over"], world.shop.asked) == (1, [])
    world.sync()
    assert world.said()["p1 shipped"] == 1


def test_h27_an_unknown_id_is_asked_once_more_and_then_not_for_ten_minutes(world: World) -> None:
    begun(world)
    world.hint("nobody")
    world.work()
    assert world.hints() == [("done", "gone", None)]
    assert world.work(seconds=20) == []
    [again] = world.work(seconds=10)
    assert (again.hints["taken"], world.shop.asked) == (0, ["GET /parcels/nobody"] * 2)
    world.hint("nobody")
    [dropped] = world.work()
    assert (dropped.hints["dropped"], dropped.hints["taken"], len(world.shop.asked)) == (1, 1, 2)
    assert world.hints()[-1] == ("dropped", "over_limit", None)
    world.shop.parcel("nobody", "created")
    world.hint("nobody")
    world.work(seconds=600)
    assert world.hints()[-1] == DONE


def test_a_whole_hint_makes_a_whole_sync_due_without_a_request(world: World) -> None:
    begun(world)
    world.hint("", kind=WHOLE)
    [report] = world.work()
    assert (report.status, dict(report.hints), world.shop.asked) == (
        "ok", {"taken": 1, "records": 1, "handed_over": 1, "dropped": 0}, []
    )  # fmt: skip
    assert wanted_by_hints(SAID, world.data) == {"one"}


def test_a_lock_that_is_held_is_waited_for_without_an_error(world: World) -> None:
    begun(world)
    world.shop.parcel("p1", "created", "shipped")
    world.hint("p1")
    world.clock.now += 3
    lock = file_lock(world.data / "merchants" / "one" / "said.lock")
    with lock:
        assert world.worker().once(within=0.0, patience=0.2) == []
        assert world.hints() == [("waiting", None, None)]
        assert not world.shop.asked
    assert len(world.work()) == 1


# --- the one that keeps state ---


def test_r13_a_hint_of_a_state_route_writes_that_person_alone(world: World) -> None:
    begun(world)
    shop, crm = world.books()
    shop.person("a", city="Sonoma")
    shop.person("b", city="Sonoma")
    crm.change(written=[])
    world.hint("a", route=KEPT)
    [report] = world.work()
    assert (report.route, report.status, report.accepted) == ("kept", "ok", 1)
    assert crm.read()["written"] == [["a", {"city": "Sonoma"}]]
    assert world.hints() == [DONE]
    world.sync(KEPT)
    assert [one[0] for one in crm.read()["written"]] == ["a", "b"]


# --- several ---


def test_merchants_are_worked_side_by_side_and_each_once(shop: Shop, tmp_path: Path) -> None:
    names = [f"m{number}" for number in range(6)]
    with hinted.in_the_table():
        world = World(shop, tmp_path, names)
        world.shop.parcel("p1", "created")
        for name in names:
            world.sync(merchant=name)
        world.shop.parcel("p1", "created", "shipped")
        for name in names:
            world.hint("p1", merchant=name)
        world.clock.now += 3
        workers = [world.worker(), world.worker()]
        found: list[str] = []
        threads = [
            threading.Thread(target=lambda one=one: found.extend(r.merchant for r in one.once(within=0.0)))  # type: ignore[misc]
            for one in workers
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert Counter(found) == Counter(names), "two workers share them, and nobody is worked twice"
        assert Counter(message.key for message in shop.messages).most_common(1)[0][1] == 1


def test_a_dead_workers_hints_go_on_with_another_after_a_minute(world: World) -> None:
    begun(world)
    world.shop.parcel("p1", "created", "shipped")
    world.hint("p1")
    world.clock.now += 3
    world.inbox.claim(world.inbox.waiting(), "one that died")
    assert world.work(seconds=50) == []
    assert len(world.work(seconds=20)) == 1
    assert world.said()["p1 shipped"] == 1


def test_one_that_is_stopped_gives_back_what_it_holds_and_nothing_failed(world: World) -> None:
    begun(world)
    world.hint("p1")
    world.clock.now += 3
    worker = world.worker()
    stopped = threading.Event()
    usual = worker.make_run

    def make_run(merchant: object, route: object) -> object:
        worker.stop.set()  # a signal comes as the sync begins
        stopped.set()
        return usual(merchant, route)  # type: ignore[arg-type]

    worker.make_run = make_run  # type: ignore[assignment]
    worker.once(within=0.0)
    assert stopped.is_set()
    assert world.hints() == [("waiting", None, None)]


@pytest.mark.parametrize("route", [SAID, KEPT], ids=["said", "kept"])
def test_r27_a_dry_run_takes_no_hint(world: World, route: object) -> None:
    begun(world)
    world.hint("p1")
    world.sync(dry_run=True)
    assert world.hints() == [("waiting", None, None)]
