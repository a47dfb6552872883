"""What a say-once route promises, by a toy route over a toy shop (routes.md R19, R20, R27, R29, R35, R51)."""

from __future__ import annotations

import json
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import Any

import pytest

from vs_st_pipeline.domain.errors import TryLater
from vs_st_pipeline.pipeline.once import erasure, hints, repair
from vs_st_pipeline.pipeline.once.delivery import Delivered, deliver, settle
from vs_st_pipeline.pipeline.once.items import Item, OnUnknown, State
from vs_st_pipeline.pipeline.once.outbox import Outbox
from vs_st_pipeline.pipeline.once.rows import count_open, read_history
from vs_st_pipeline.pipeline.once.session import opened
from vs_st_pipeline.pipeline.schedule import is_due, read_next_due
from vs_st_pipeline.platform.warehouse.suppression import Identifiers
from vs_st_pipeline_tests.toys import parcels
from vs_st_pipeline_tests.toys.client import Client
from vs_st_pipeline_tests.toys.world import NOON, World

SAMPLE = 4  # cases of each test in `make test`; the others count as pytest.mark.slow

RULES = [rule.value for rule in OnUnknown]


def test_each_step_is_said_once_in_order_and_never_again(world: World) -> None:
    world.shop.parcel("p1", "created", "shipped")
    world.shop.parcel("p2", "created")
    told = world.sync()
    assert (told.accepted, told.error) == (3, None)
    assert world.shop.texts() == ["p1 created", "p1 shipped", "p2 created"]
    world.later(hours=1)
    world.shop.parcel("p1", "created", "shipped", "delivered")
    assert world.sync().accepted == 1
    assert world.sync(full=True).accepted == 0
    assert world.shop.texts()[-1] == "p1 delivered"
    assert world.states() == {"accepted": 4}
    ledger = world.rows("select entity, kind, answer, settled_by from once.ledger order by accepted_at, key")
    assert {json.loads(row[2])["message_id"] for row in ledger} == {"m1", "m2", "m3", "m4"}
    assert world.rows("select count(*) from toy.told") == [(4,)], "the route's own book moves with the ledger"
    assert world.rows("select count(*) from once.outbox where body is not null") == [(0,)]


def test_what_is_sent_was_stored_before_with_a_line_on_the_disk(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.shop.parcel("p1", "created")
    seen: list[tuple[str, int]] = []
    take = world.shop.take

    def look(message: object) -> None:
        seen.extend((line["state"], line["try"]) for line in world.evidence())
        take(message)  # type: ignore[arg-type]

    monkeypatch.setattr(world.shop, "take", look)
    world.sync()
    assert seen == [("open", 1)]
    assert [line["state"] for line in world.evidence()] == ["open", "accepted"]
    path = world.data / "merchants" / "one" / "parcels.evidence.jsonl"
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("fault", ["reset_before", "reset_after", "500_before", "500_after", "hollow"])
def test_an_unknown_outcome_becomes_what_the_kinds_rule_says(world: World, rule: str, fault: str) -> None:
    taken = fault in ("reset_after", "500_after", "hollow")
    world.on_unknown = rule
    world.shop.parcel("p1", "created", "shipped")
    world.shop.parcel("p2", "created")
    world.shop.fault(fault)
    told = world.sync()
    assert told.error is None
    assert world.shop.texts().count("p2 created") == 1, "one entity's trouble is its own"
    if rule == "read" and taken:
        assert world.shop.texts() == ["p1 created", "p1 shipped", "p2 created"]
        assert told.unknown == 0
    else:
        assert "p1 shipped" not in world.shop.texts(), "an entity's later item waits"
        assert told.unknown == 1
    for _ in range(5):
        world.later(hours=2)
        assert world.sync().error is None
    sent = world.shop.texts().count("p1 created")
    if rule == "read":
        assert sent == 1
        assert world.states() == {"accepted": 3}
    elif rule == "resend":
        assert sent == 1 + taken
        assert world.shop.keys().count(world.shop.keys()[0]) == sent
        assert (
            len({message.body for message in world.shop.messages if json.loads(message.body)["text"] == "p1 created"})
            == 1
        )
        assert world.states() == {"accepted": 3}
    else:
        assert sent == taken, "never again by itself"
        assert world.states() == {"held" if rule == "hold" else "unknown": 1, "waiting": 1, "accepted": 1}
    assert (sum(count_of(world).values()) > 0) == (rule in ("hold", "never"))


def count_of(world: World) -> dict[str, int]:
    with world.warehouse.open("one", "parcels") as db:
        return count_open(db)


def test_by_reading_it_is_sent_again_only_after_three_reads_and_the_last_late_enough(world: World) -> None:
    world.shop.parcel("p1", "created")
    world.shop.fault("reset_after")
    world.shop.shown_after = 3  # it shows late: at the fourth read
    world.sync()  # and one read at once
    assert world.rows("select state, reads from once.outbox") == [("unknown", 1)]
    world.later(minutes=1)
    world.sync()
    world.later(minutes=1)
    world.sync()  # three reads without it, but ten minutes are not over
    assert world.rows("select state, reads from once.outbox") == [("unknown", 3)]
    assert world.shop.texts() == ["p1 created"]
    world.later(minutes=9)
    world.sync()
    assert world.states() == {"accepted": 1}
    assert world.shop.texts() == ["p1 created"]


def test_a_read_that_says_nothing_changes_nothing(world: World) -> None:
    world.shop.parcel("p1", "created")
    world.shop.fault("reset_before")
    world.shop.fault("500_before", "GET", "/messages", count=4)
    world.sync()
    for _ in range(3):
        world.later(hours=1)
        world.sync()
    assert world.rows("select state, reads from once.outbox") == [("unknown", 0)]
    for _ in range(3):
        world.later(hours=1)
        world.sync()
    assert world.shop.texts() == ["p1 created"]


@pytest.mark.parametrize("rule", RULES)
def test_what_certainly_did_not_arrive_is_sent_again_under_every_rule(world: World, rule: str) -> None:
    world.on_unknown = rule
    world.shop.parcel("p1", "created")
    for fault in ("429", "401"):
        world.shop.fault(fault)
        told = world.sync()
        assert told.error is not None
        assert told.error.kind == {"429": "try_later", "401": "auth"}[fault]
        assert world.states() == {"waiting": 1}
    url, world.shop.url = world.shop.url, "http://127.0.0.1:9"  # nobody listens there
    with world.warehouse.open("one", "parcels") as db:
        assert db.value("select tries from once.outbox") == 2
    try:
        assert world.sync().error is not None
    finally:
        world.shop.url = url
    assert world.sync().accepted == 1
    assert world.shop.texts() == ["p1 created"]


@pytest.mark.slow
def test_a_refused_item_is_tried_with_growing_gaps_and_keeps_its_entitys_later_ones_waiting(world: World) -> None:
    world.shop.parcel("p1", "created", "shipped")
    world.shop.parcel("p2", "created")
    world.shop.fault("400", count=100)
    world.sync()
    assert world.states() == {"rejected": 2, "waiting": 1}
    asked = len(world.shop.asked)
    tries = []
    for _ in range(24):
        world.later(minutes=30)
        before = len([one for one in world.shop.asked if one.startswith("POST")])
        world.sync()
        tries.append(len([one for one in world.shop.asked if one.startswith("POST")]) - before)
    assert asked
    gaps = [index for index, count in enumerate(tries) if count]
    assert sum(tries) <= 12
    assert gaps[-1] - gaps[-2] > gaps[1] - gaps[0], "they grow"
    world.shop.faults.clear()
    world.later(days=1)
    world.sync()
    assert world.states() == {"accepted": 3}
    assert world.shop.texts().index("p1 created") < world.shop.texts().index("p1 shipped")


@pytest.mark.slow
def test_a_refused_item_is_dead_after_a_month_and_a_person_revives_it(world: World) -> None:
    world.shop.parcel("p1", "created")
    world.shop.fault("400", count=1000)
    for _ in range(12):
        world.sync()
        world.later(days=3)
    posts = sum(one.startswith("POST") for one in world.shop.asked)
    world.later(days=5)
    world.sync()
    assert sum(one.startswith("POST") for one in world.shop.asked) == posts
    assert world.states() == {"rejected": 1}
    world.shop.faults.clear()
    with again(world) as outbox:
        assert len(repair.retry(outbox, repair.select(outbox, codes=["CODE_400"]), who="cli:asha").done) == 1
    assert world.sync().accepted == 1
    with world.warehouse.open("one", "parcels") as db:
        told = [(row["event"], row["who"]) for row in read_history(db, "p1")]
    assert ("released", "cli:asha") in told


def again(world: World, **how: Any) -> AbstractContextManager[Outbox]:
    run = world.run(**how)
    return opened(run, parcels.kinds(run.merchant), **parcels.route(run))


def test_several_unknown_ones_in_a_row_are_the_systems_trouble(world: World) -> None:
    for number in range(6):
        world.shop.parcel(f"p{number}", "created")
    world.on_unknown = "never"
    world.shop.fault("500_before", count=100)
    told = world.sync()
    assert told.error is not None
    assert told.error.kind == "try_later"
    assert world.states() == {"unknown": 3, "waiting": 3}


def test_the_gate_is_asked_right_before_each_send_and_says_wait_or_drop(world: World) -> None:
    world.shop.parcel("p1", "created", wait=True)
    world.shop.parcel("p2", "created", "shipped")
    told = world.sync()
    assert told.waiting["asked to wait"] == 1
    assert world.shop.texts() == ["p2 created", "p2 shipped"]
    world.shop.parcel("p1", "created", lost=True)
    assert world.sync().dropped == {"lost": 1}
    assert world.states() == {"accepted": 2, "dropped": 1}
    world.shop.parcel("p1", "created")
    world.sync()
    assert world.shop.texts() == ["p2 created", "p2 shipped"], "dropped for good"


def test_a_later_phase_goes_only_when_nothing_of_an_earlier_one_is_open(world: World) -> None:
    world.shop.parcel("p1", "created", note="n1")
    world.shop.parcel("p2", "created", note="n2")
    world.shop.fault("400")  # p1 created is refused
    world.sync()
    assert world.shop.texts() == ["p2 created"]
    world.later(days=1)
    world.sync()
    assert world.shop.texts() == ["p2 created", "p1 created", "p1 note n1", "p2 note n2"]


def test_a_newer_state_melts_into_one_that_nothing_is_out_of(world: World) -> None:
    world.on_unknown = "resend"
    world.shop.parcel("p1", "created", note="one")
    world.shop.parcel("p2", "created")
    world.shop.fault("400")
    world.sync()  # p1's note waits for what was refused
    world.shop.parcel("p1", "created", note="two")
    world.later(days=1)
    world.shop.fault("reset_after", count=1)
    world.sync()
    assert "p1 note one" not in world.shop.texts()
    assert ("dropped", "melted") in world.rows("select state, reason from once.outbox")
    for _ in range(4):
        world.later(days=1)
        world.sync()
    assert world.shop.texts()[-1] == "p1 note two"
    world.shop.fault("reset_after")
    world.shop.parcel("p1", "created", note="three")
    world.sync()  # it may be out
    world.shop.parcel("p1", "created", note="four")
    for _ in range(3):
        world.later(days=1)
        world.sync()
    assert world.shop.texts()[-3:] == ["p1 note three", "p1 note three", "p1 note four"], "its bytes are kept"


# --- nothing moves ---


def test_r27_a_dry_run_moves_nothing_and_tells_what_would_go(world: World) -> None:
    world.on_unknown = "resend"
    world.shop.parcel("p1", "created")
    world.shop.fault("reset_after")
    world.sync()
    world.shop.parcel("p2", "created", "shipped")
    world.hint("e1", "p2")
    before = world.snapshot()
    world.later(hours=3)
    told = world.sync(dry_run=True)
    assert told.waiting["planned"] == 2
    assert world.snapshot() == before
    assert world.shop.texts() == ["p1 created"]
    assert world.hints()["waiting"] == 1, "no entry was taken"
    assert world.sync().accepted == 3


def test_r51_a_paused_route_calls_nobody_and_writes_nothing(world: World) -> None:
    world.shop.parcel("p1", "created")
    world.sync()
    world.shop.parcel("p1", "created", "shipped")
    before, world.paused = world.snapshot(), frozenset({"parcels"})
    world.shop.asked.clear()
    assert world.sync().accepted == 0
    assert (world.snapshot(), world.shop.asked) == (before, [])
    world.paused = frozenset()
    assert world.sync().accepted == 1


# --- a person's word ---


@pytest.mark.parametrize(("rule", "sent"), [("hold", 2), ("never", 1)])
def test_r29_a_retry_sends_what_is_held_and_never_what_is_unknown_for_good(world: World, rule: str, sent: int) -> None:
    world.on_unknown = rule
    world.shop.parcel("p1", "created")
    world.shop.fault("reset_after")
    world.sync()
    with again(world) as outbox:
        told = repair.retry(outbox, repair.select(outbox, entities=["p1"]), who="cli:asha")
    assert (len(told.done), len(told.untouched)) == ((1, 0) if rule == "hold" else (0, 1))
    world.sync()
    assert world.shop.texts() == ["p1 created"] * sent


@pytest.mark.parametrize("sent", [True, False])
def test_a_person_says_what_became_of_an_unknown_one(world: World, sent: bool) -> None:
    world.on_unknown = "never"
    world.shop.parcel("p1", "created", "shipped")
    world.shop.fault("reset_after" if sent else "reset_before")
    world.sync()
    with again(world) as outbox:
        (row,) = [row for row in repair.select(outbox, entities=["p1"]) if row.state is State.UNKNOWN]
        assert repair.resolve(outbox, row, sent=sent, who="cli:asha")
    world.lose_database()  # it outlives that
    world.sync()
    assert world.shop.texts() == ["p1 created", "p1 shipped"]


def test_what_a_person_has_given_up_stays_so_even_without_the_database(world: World) -> None:
    world.on_unknown = "hold"
    world.shop.parcel("p1", "created", "shipped")
    world.shop.fault("reset_before")
    world.sync()
    with again(world) as outbox:
        held = [row for row in repair.select(outbox, every=True) if row.state is State.HELD]
        assert len(repair.drop(outbox, held, who="cli:asha").done) == 1
    world.lose_database()
    world.sync()
    assert world.shop.texts() == ["p1 shipped"]


# --- losses ---


@pytest.mark.parametrize("rule", RULES)
def test_r35_a_lost_database_is_filled_from_the_evidence_and_nothing_is_said_twice(world: World, rule: str) -> None:
    world.on_unknown = rule
    world.shop.parcel("p1", "created", "shipped")
    world.shop.parcel("p2", "created")
    world.shop.fault("reset_after")
    world.sync()
    said = world.shop.texts()
    world.lose_database()
    told = world.sync()
    assert told.error is None
    for _ in range(4):
        world.later(hours=2)
        world.sync()
    for text in set(said):
        at_most = 2 if (rule, text) == ("resend", "p1 created") else 1
        assert world.shop.texts().count(text) <= at_most
    assert "p2 created" in world.shop.texts()
    assert world.states()["accepted"] == (3 if rule in ("read", "resend") else 1)
    assert world.rows("select count(*) from toy.told where answer = 'Accepted'") == [(world.states()["accepted"],)]


@pytest.mark.parametrize("damaged", [False, True])
def test_a_file_that_is_rebuilt_knows_what_was_said_and_forget_removes_the_old_one(world: World, damaged: bool) -> None:
    world.on_unknown = "never"
    world.shop.parcel("p1", "created", "shipped", phone="7075550142")
    world.shop.parcel("p2", "created")
    world.shop.fault("reset_after")
    world.sync()
    if damaged:
        world.warehouse.file("one", "parcels").write_bytes(b"rubbish" * 4096)
        told = world.sync()
        assert told.error is not None
        assert "vs-st rebuild --merchant one --route parcels" in told.error.message
    aside = repair.set_aside(world.run())
    assert aside is not None
    assert world.sync().error is None
    assert world.shop.texts() == ["p1 created", "p2 created"]
    assert world.states() == {"unknown": 1, "waiting": 1, "accepted": 1}
    erasure.forget(world.run(), Identifiers(phones={"7075550142"}))
    assert not aside.exists()


def test_an_older_database_that_is_put_back_learns_what_was_said_since(world: World) -> None:
    world.shop.parcel("p1", "created")
    world.sync()
    file = world.warehouse.file("one", "parcels")
    older = file.read_bytes()
    world.shop.parcel("p1", "created", "shipped")
    world.shop.parcel("p2", "created")
    world.sync()
    world.lose_database()
    file.write_bytes(older)
    world.sync()
    assert world.shop.texts() == ["p1 created", "p1 shipped", "p2 created"]
    assert world.states() == {"accepted": 3}


def test_a_line_that_was_cut_says_nothing_and_a_lost_evidence_file_is_made_again(world: World) -> None:
    world.shop.parcel("p1", "created")
    world.sync()
    path = world.data / "merchants" / "one" / "parcels.evidence.jsonl"
    with path.open("ab") as file:
        file.write(b'{"what": "claim", "key": "ab')  # as the power leaves it
    world.shop.parcel("p1", "created", "shipped")
    world.sync()
    assert world.states() == {"accepted": 2}
    assert [line for line in path.read_bytes().splitlines() if line.endswith(b"ab")]
    path.unlink()
    world.sync()
    assert {(line["state"], line["entity"]) for line in world.evidence()} == {("accepted", "p1")}
    world.lose_database()
    world.sync()
    assert world.shop.texts() == ["p1 created", "p1 shipped"]


# --- clocks ---


@pytest.mark.parametrize("rule", ["read", "resend"])
@pytest.mark.parametrize("jump", [timedelta(hours=-3), timedelta(days=-400), timedelta(days=400)])
def test_a_clock_that_jumps_loses_nothing_and_says_nothing_twice(world: World, rule: str, jump: timedelta) -> None:
    world.on_unknown = rule
    world.shop.parcel("p1", "created", "shipped")
    world.shop.parcel("p2", "created")
    world.shop.fault("reset_after" if rule == "read" else "400")
    world.shop.shown_after = 2
    world.sync()
    world.now += jump
    world.shop.parcel("p3", "created")
    for gap in (0, 20, 20, 20, 20, 1440):  # minutes; a clock that went back by hours makes gaps longer by these hours
        world.later(minutes=gap)
        world.sync()
    assert sorted(world.shop.texts()) == ["p1 created", "p1 shipped", "p2 created", "p3 created"]
    assert world.states() == {"accepted": 4}


# --- forgetting ---


def test_forget_erases_a_person_drops_what_is_unsent_and_keeps_out_what_comes(world: World) -> None:
    world.shop.parcel("p1", "created", phone="7075550142")
    world.shop.parcel("p2", "created")
    world.sync()
    world.shop.parcel("p1", "created", "shipped", phone="7075550142")
    world.shop.fault("400")
    world.sync()
    assert erasure.forget(world.run(), Identifiers(phones={"7075550142"})) == 2
    folder = world.data / "merchants" / "one"
    assert world.states() == {"accepted": 2, "dropped": 1}
    assert b"7075550142" not in (folder / "parcels.evidence.jsonl").read_bytes()
    world.rows("delete from toy.parcels where id = 'p1' returning 1")  # the route's own tables are the route's
    world.warehouse.rewrite("one", "parcels")
    assert b"7075550142" not in (folder / "parcels.duckdb").read_bytes()
    world.shop.parcel("p1", "created", "shipped", "delivered", phone="7075550142")
    world.sync()
    assert world.shop.texts() == ["p1 created", "p2 created"]
    world.lose_database()  # the hashes lie beside it, the keys in the evidence
    world.sync()
    assert world.shop.texts() == ["p1 created", "p2 created"]


def test_who_was_forgotten_by_another_route_is_erased_here_by_the_next_sync(world: World) -> None:
    world.shop.parcel("p1", "created", phone="7075550142")
    world.sync()
    erasure.forget(world.run("letters"), Identifiers(phones={"7075550142"}))
    assert world.rows("select count(*) from once.outbox where people <> '[]'") == [(1,)]
    world.sync()
    assert world.rows("select count(*) from once.outbox where people <> '[]'") == [(0,)]
    assert "7075550142" not in (world.data / "merchants" / "one" / "parcels.evidence.jsonl").read_text()


# --- the brake ---


def test_r38_allow_unsafe_lets_pass_exactly_what_the_last_sync_refused(world: World) -> None:
    for number in range(10):
        world.shop.parcel(f"p{number}", "created")
    world.sync()
    for number in range(3):
        world.shop.parcels.pop(f"p{number}")
    world.shop.parcel("p9", "created", "shipped")
    told = world.sync(allow_unsafe=True)
    assert told.error is not None, "nothing was stored before"
    assert told.error.kind == "unsafe"
    assert world.rows("select part, rule from synced.verdicts") == [("messages", "shrank")]
    world.shop.parcels.pop("p3")
    told = world.sync(allow_unsafe=True)
    assert told.error is not None, "more than a tenth greater"
    stored = world.snapshot()
    assert world.sync(allow_unsafe=True, dry_run=True).error is None
    assert world.snapshot() == stored
    told = world.sync(allow_unsafe=True)
    assert (told.error, told.accepted) == (None, 1)
    assert len(world.rows("select * from synced.allowed")) == 1
    told = world.sync()
    assert told.error is not None, "once"


# --- when it is due ---


def test_r16_a_route_stores_when_it_is_due_next(world: World) -> None:
    def due() -> bool:
        return is_due(read_next_due(world.data, "one", "parcels"), world.now)

    assert due()
    world.shop.parcel("p1", "created")
    world.sync()
    assert not due()
    world.later(minutes=5)
    assert due()
    world.shop.parcel("p2", "created")
    world.shop.fault("reset_before")
    world.sync()
    assert not due()
    world.later(minutes=1)
    assert due(), "an unknown one is read soon"
    world.now -= timedelta(days=900)
    assert due(), "a clock was wrong"


def test_the_outbox_is_the_routes_own(world: World) -> None:
    world.shop.parcel("p1", "created")
    world.sync()
    assert not world.warehouse.file("one").exists()
    assert list(world.warehouse.files("one")) == ["parcels"]


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("taken", [False, True])
def test_what_may_be_out_of_a_forgotten_person_is_settled_and_never_sent_again(
    world: World, rule: str, taken: bool
) -> None:
    world.on_unknown = rule
    world.shop.parcel("p1", "created", phone="7075550142")
    world.shop.fault("reset_after" if taken else "reset_before")
    world.shop.fault("500_before", "GET", "/messages")
    world.sync()
    erasure.forget(world.run(), Identifiers(phones={"7075550142"}))
    if rule == "read":
        world.lose_database()
    for _ in range(4):
        world.later(hours=2)
        world.sync()
    assert len(world.shop.messages) == taken
    settled = {"read": "accepted" if taken else "dropped", "never": "unknown"}.get(rule, "dropped")
    assert world.states() == {settled: 1}


def test_an_answer_that_could_not_be_stored_is_not_forgotten_by_a_route_that_goes_on(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.on_unknown = "never"
    world.shop.parcel("p1", "created")
    monkeypatch.setattr(Outbox, "record", lambda *_: (_ for _ in ()).throw(TryLater("another program has the file")))
    with again(world) as outbox:
        run = outbox.run
        outbox.enqueue([Item("created", "p1", "k1", '{"text": "p1 created"}')])
        client = Client(run.merchant, run.route)  # type: ignore[arg-type]
        with pytest.raises(TryLater):
            deliver(outbox, parcels.Sender(client, {}), Delivered())
        client.http.close()
    monkeypatch.undo()
    with again(world):
        pass
    assert world.states() == {"accepted": 1}


def test_a_text_that_was_lost_for_good_keeps_nobody_waiting(world: World) -> None:
    """An event that went out without an answer, and is not planned any more when its text is lost with the database."""
    world.on_unknown = "resend"
    world.shop.parcel("p1", "created")
    world.shop.parcel("p2", "created", note="n2")
    world.shop.fault("reset_before")
    world.sync()
    assert world.states()["unknown"] == 1
    world.lose_database()
    world.shop.parcel("p1", "shipped", note="n1")  # its first step is not told any more
    world.later(days=1)
    told = world.sync()
    assert told.error is None
    assert {"p1 shipped", "p1 note n1", "p2 note n2"} <= set(world.shop.texts())
    assert world.states()["unknown"] == 1, "and it is still told of as open"


def test_an_earlier_phase_of_an_entity_goes_first_even_if_it_was_stored_later(world: World) -> None:
    world.shop.parcel("p1", note="n1", wait=True)
    world.sync()
    world.shop.parcel("p1", "created", note="n1")
    world.sync()
    assert world.shop.texts() == ["p1 created", "p1 note n1"]


def test_a_lost_evidence_file_is_made_again_with_the_destinations_words_and_with_who_was_forgotten(
    world: World,
) -> None:
    world.shop.parcel("p1", "created")
    world.shop.parcel("p2", "created", phone="7075550199")
    world.sync()
    erasure.forget(world.run(), Identifiers(phones={"7075550199"}))
    path = world.data / "merchants" / "one" / "parcels.evidence.jsonl"
    before = {line["key"]: line.get("answer") for line in world.evidence() if line["state"] == "accepted"}
    path.unlink()
    world.sync()
    lines = {line["entity"]: line for line in world.evidence()}
    assert lines["p1"]["answer"] == before[lines["p1"]["key"]]
    assert (lines["p2"].get("erased"), lines["p2"].get("answer")) == (True, None)
    world.lose_database()
    world.sync()
    assert world.rows("select answer from once.ledger where entity = 'p1'") == [
        (json.dumps(before[lines["p1"]["key"]]),)
    ]
    assert world.rows("select forgotten from once.outbox where entity = 'p2'") == [(True,)]


def test_a_line_that_is_damaged_says_nothing(world: World) -> None:
    world.shop.parcel("p1", "created")
    world.sync()
    path = world.data / "merchants" / "one" / "parcels.evidence.jsonl"
    path.write_bytes(b'{"what": "claim"}\n' + b"\0" * 512 + b"\n" + path.read_bytes())
    assert world.sync().error is None
    assert world.states() == {"accepted": 1}


def test_claims_of_a_kind_that_this_version_does_not_know_are_there_for_the_next(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.shop.parcel("p1", "created", "shipped")
    world.sync()
    known = parcels.kinds(world.run().merchant)  # type: ignore[arg-type]
    world.lose_database()
    with monkeypatch.context() as older:
        older.setattr(parcels, "kinds", lambda _merchant: [kind for kind in known if kind.name != "shipped"])
        older.setattr(parcels, "_planned", lambda _merchant, _parcels: iter(()))
        world.sync()
    world.sync()
    assert world.shop.texts() == ["p1 created", "p1 shipped"]
    assert world.states() == {"accepted": 2}


def test_r27_a_dry_run_counts_no_read_of_what_is_unknown(world: World) -> None:
    world.shop.parcel("p1", "created")
    world.shop.fault("reset_before")
    world.sync()
    before = world.snapshot()
    with opened(world.run(dry_run=True), parcels.kinds(world.run().merchant)) as outbox:  # type: ignore[arg-type]
        settle(outbox, parcels.Sender(Client(world.run().merchant, "parcels"), {}), Delivered())  # type: ignore[arg-type]
    assert world.snapshot() == before


def test_forget_also_erases_what_a_say_once_route_has_read_or_is_to_read(world: World) -> None:
    world.shop.parcel("p1", "created")
    world.sync()
    with world.warehouse.open("one", "parcels") as db, db.transaction():
        hints.store(db, [hints.Hint("crm", "people", who, "hook") for who in ("h1", "h2")], NOON)
        db.execute("create table toy.called (phone varchar)")
        db.execute("insert into toy.called values ('7075550142'), ('7075550199')")
    erasure.forget(world.run(), Identifiers(phones={"7075550142"}, records={"crm people": {"h1"}}))
    assert world.rows("select id from once.hints") == [("h2",)]
    assert world.rows("select phone from toy.called") == [("7075550199",)]
