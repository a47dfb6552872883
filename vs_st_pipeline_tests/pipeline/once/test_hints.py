"""Hints wait in the route's own file until their records were read (routes.md R30)."""

from __future__ import annotations

from vs_st_pipeline.pipeline.once import hints
from vs_st_pipeline.pipeline.once.hints import Hint
from vs_st_pipeline_tests.toys.world import World


def reads(world: World, parcel: str) -> int:
    return world.shop.asked.count(f"GET /parcels/{parcel}")


def test_r27_a_dry_run_takes_no_hint(world: World) -> None:
    world.shop.parcel("p1", "delivered")
    world.hint("e1", "p1")
    world.sync(dry_run=True)
    assert world.rows("select * from once.hints") == []
    assert world.hints() == {"waiting": 1}


def test_a_read_that_failed_settles_no_hint(world: World) -> None:
    world.shop.parcel("p1", "delivered")
    world.hint("e1", "p1")
    world.shop.fault("hollow", "GET", "/parcels/p1")
    assert world.sync().accepted == 0
    assert world.rows("select id from once.hints") == [("p1",)]
    assert world.sync().accepted == 1
    assert world.rows("select id from once.hints") == []


def test_a_hint_that_comes_again_is_read_again(world: World) -> None:
    world.shop.parcel("p1", "created")
    world.hint("e1", "p1")
    assert world.sync().accepted == 1
    world.shop.parcel("p1", "created", "delivered")
    world.hint("e2", "p1")
    world.shop.asked.clear()
    assert world.sync().accepted == 1
    assert reads(world, "p1") == 1
    assert world.hints() == {"done": 2}


def test_hints_are_read_in_the_order_in_which_they_came_and_one_that_became_newer_stays(world: World) -> None:
    run = world.run()
    with run.open() as db:
        with db.transaction():
            for number in (2, 1, 3):
                hints.store(db, [Hint("shop", "parcels", f"p{number}", "webhook")], run.now())
        wanted = hints.waiting(db)
        assert [hint.id for hint in wanted] == ["p2", "p1", "p3"]
        with db.transaction():
            hints.store(db, [Hint("shop", "parcels", "p2", "feed")], run.now())
        with db.transaction():
            hints.settle(db, wanted)
        assert [(hint.id, hint.reason) for hint in hints.waiting(db)] == [("p2", "feed")]


def test_a_hint_that_is_taken_a_second_time_does_no_harm(world: World) -> None:
    world.shop.parcel("p1", "created")
    world.hint("e1", "p1")
    run = world.run()
    claimed = world.inbox.claim(world.inbox.waiting(route="parcels"), "a sync that dies before the inbox hears of it")
    assert hints.take(run, claimed) == 1
    assert hints.take(run, claimed) == 0
    world.inbox.give_back(claimed)
    world.sync()
    assert reads(world, "p1") == 1
    assert world.hints() == {"done": 1}
    world.inbox.ask("update hints set state = 'waiting', stored_at = stored_at + 1 where route = 'parcels'")  # a replay
    claimed = world.inbox.claim(world.inbox.waiting(route="parcels"), "another one")
    assert hints.take(run, claimed) == 1, "hinted at anew, it is read anew"
