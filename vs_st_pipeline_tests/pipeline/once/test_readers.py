"""One route reads a system for all (routes.md R34), hints wait until they are read, claims may lie with an account."""

from __future__ import annotations

from pathlib import Path

from vs_st_pipeline.pipeline.once import hints, readers
from vs_st_pipeline.pipeline.once.account_claims import AccountClaims
from vs_st_pipeline.pipeline.once.claims import Claim, Claimed
from vs_st_pipeline.pipeline.once.hints import Hint
from vs_st_pipeline_tests.toys.world import NOON, World


def reads(world: World, parcel: str) -> int:
    return world.shop.asked.count(f"GET /parcels/{parcel}")


def test_r34_a_hint_that_both_want_is_read_once_and_the_other_waits_for_the_reader(world: World) -> None:
    world.shop.parcel("p1", "created")
    world.sync("parcels")
    world.sync("letters")
    world.shop.parcel("p1", "created", "delivered")
    world.hint("e1", "p1")
    world.shop.asked.clear()
    assert world.sync("letters").accepted == 0, "what is staged is older than the hint"
    assert reads(world, "p1") == 0
    world.sync("parcels")
    assert reads(world, "p1") == 1
    assert world.sync("letters").accepted == 1
    assert reads(world, "p1") == 1
    assert world.shop.texts("letters") == ["letter p1"]
    assert world.rows("select * from once.hints") == world.rows("select * from once.hints", "letters") == []
    assert world.hints("letters") == {"done": 1}


def test_r34_a_read_that_failed_settles_nobodys_hint(world: World) -> None:
    world.shop.parcel("p1", "delivered")
    world.hint("e1", "p1")
    world.shop.fault("hollow", "GET", "/parcels/p1")
    world.sync("letters")
    world.sync("parcels")
    assert world.sync("letters").accepted == 0
    world.sync("parcels")
    assert world.sync("letters").accepted == 1


def test_r34_a_hint_that_came_while_the_reader_read_is_not_settled_by_that_read(world: World) -> None:
    world.shop.parcel("p1", "created")
    world.hint("e1", "p1")
    world.sync("letters")
    world.sync("parcels")
    world.hint("e2", "p1")
    world.shop.parcel("p1", "created", "delivered")
    assert world.sync("letters").accepted == 0, "the answer is to the first hint"
    world.sync("parcels")
    assert world.sync("letters").accepted == 1


def test_r34_r51_where_the_reader_is_paused_the_next_route_reads_for_itself(world: World) -> None:
    world.paused = frozenset({"parcels"})
    world.shop.parcel("p1", "delivered")
    world.hint("e1", "p1")
    assert world.sync("letters").accepted == 1
    assert reads(world, "p1") == 1
    assert not world.warehouse.file("one", "parcels").exists(), "no write for a route that is off"


def test_r18_a_route_does_without_news_and_goes_on_where_the_other_file_cannot_be_had(world: World) -> None:
    world.shop.parcel("p1", "delivered")
    world.hint("e1", "p1")
    told = world.sync("letters")
    assert (told.error, told.accepted) == (None, 0), "the reader has no file yet"
    world.sync("parcels")
    world.warehouse.file("one", "parcels").write_bytes(b"rubbish" * 4096)
    told = world.sync("letters")
    assert (told.error, told.accepted) == (None, 0)
    found, why = readers.read_other(world.run("letters"), "parcels", lambda db: db.rows("select 1"), [])
    assert found == []
    assert why


def test_r27_a_dry_run_takes_no_hint_over(world: World) -> None:
    world.shop.parcel("p1", "delivered")
    world.hint("e1", "p1")
    world.sync("letters")
    world.sync("parcels", dry_run=True)
    assert world.rows("select * from once.hints") == []
    assert world.rows("select count(*) from once.hints", "letters") == [(1,)]


def test_hints_are_read_in_the_order_in_which_they_came_and_one_that_became_newer_stays(world: World) -> None:
    run = world.run()
    with run.open() as db:
        with db.transaction():
            for number in (2, 1, 3):
                hints.store(db, [Hint("parcels", "shop", "parcels", f"p{number}", "webhook")], run.now())
        wanted = hints.waiting(db)
        assert [hint.id for hint in wanted] == ["p2", "p1", "p3"]
        with db.transaction():
            hints.store(db, [Hint("parcels", "shop", "parcels", "p2", "feed")], run.now())
        with db.transaction():
            hints.settle(db, run, wanted)
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


# --- claims with an account ---


def claim(key: str, tries: int = 1, state: Claimed = Claimed.OPEN) -> Claim:
    return Claim(key, "letter", "p1", tries, state, NOON.replace(tzinfo=None), people=(("phone", "7075550142"),))


def test_r46_a_key_is_claimed_once_whichever_merchant_or_database_asks(tmp_path: Path) -> None:
    one, other = (AccountClaims(tmp_path / "house", merchant, "letters") for merchant in ("one", "other"))
    assert one.claim(claim("k")) is None
    standing = other.claim(claim("k"))
    assert standing is not None
    assert standing.state is Claimed.OPEN
    assert one.claim(claim("k")) is not None, "not even a second time by itself"
    one.settle(claim("k", state=Claimed.RELEASED))
    assert one.claim(claim("k", 2)) is None
    one.settle(claim("k", 2, Claimed.ACCEPTED))
    assert one.claim(claim("k", 3)) is not None
    path = tmp_path / "house" / "account.sqlite"
    assert path.stat().st_mode & 0o777 == 0o600
    assert not [file for file in path.parent.iterdir() if b"7075550142" in file.read_bytes()]


def test_r46_a_lost_account_file_is_filled_from_the_routes_database_before_anything_is_sent(world: World) -> None:
    world.shop.parcel("p1", "delivered")
    world.hint("e1", "p1")
    for route in ("letters", "parcels", "letters"):
        world.sync(route)
    assert world.shop.texts("letters") == ["letter p1"]
    for path in (world.data / "accounts" / "house").iterdir():
        path.unlink()
    world.sync("letters")
    found = AccountClaims(world.data / "accounts" / "house", "one", "letters").find([world.shop.keys("letters")[0]])
    assert [one.state for one in found.values()] == [Claimed.ACCEPTED]
    world.lose_database("letters")
    world.hint("e2", "p1")
    for route in ("parcels", "letters", "parcels", "letters"):
        world.sync(route)
    assert world.shop.texts("letters") == ["letter p1"]


def test_r46_nobody_gives_up_what_another_merchant_has_claimed(tmp_path: Path) -> None:
    one, other = (AccountClaims(tmp_path / "house", merchant, "letters") for merchant in ("one", "other"))
    one.claim(claim("k"))
    for state in (Claimed.RELEASED, Claimed.DROPPED):  # as a read, or a person, settles the other's row
        other.settle(claim("k", state=state))
        assert other.claim(claim("k", 2)) is not None, "it may be out"
    other.settle(claim("k", state=Claimed.ACCEPTED))  # it has seen it there
    assert one.find(["k"])["k"].state is Claimed.ACCEPTED
    for claims in (one, other):
        claims.settle(claim("k", state=Claimed.RELEASED))
        assert claims.claim(claim("k", 3)) is not None, "what was said is said"


def test_r34_a_hint_of_a_file_that_was_lost_is_not_taken_for_one_that_was_answered(world: World) -> None:
    world.shop.parcel("p1", "delivered")
    for number in range(3):
        world.hint(f"e{number}", "p1")
        for route in ("letters", "parcels", "letters"):
            world.sync(route)
    world.lose_database("letters")
    world.hint("e9", "p1")
    world.sync("letters")
    assert len(world.rows("select id from once.hints", "letters")) == 1, "nobody has read it since"
    world.sync("parcels")
    world.sync("letters")
    assert world.rows("select id from once.hints", "letters") == []
