"""The inbox's part in working hints off: claims, leases, what is asked once more, whole syncs wanted; forgetting."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from vs_st_pipeline.domain.hints import CONTACT, CUSTOMER, MEMBERSHIP, ORDER, Call, Outcome
from vs_st_pipeline.platform.inbox.leases import Leases
from vs_st_pipeline.platform.inbox.schema import STEPS
from vs_st_pipeline.platform.inbox.store import FILE, Arrival, Inbox, inbox_in
from vs_st_pipeline.platform.inbox.yielding import Yielding


class Clock:
    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def inbox(tmp_path: Path) -> Inbox:
    return Inbox(tmp_path, Clock())


def put(inbox: Inbox, *calls: Call) -> None:
    inbox.put([Arrival("m", "s", call, ("r",), "2026-01-01T00:00:00Z") for call in calls])


def later(inbox: Inbox, seconds: float) -> None:
    inbox.clock.now += seconds  # type: ignore[attr-defined]


def states(inbox: Inbox) -> list[Any]:
    return [row[0] for row in inbox.ask("select state from hints order by hint")]


def test_h18_a_hint_that_is_stored_after_the_claim_waits_for_the_next_read(inbox: Inbox) -> None:
    put(inbox, Call(ORDER, "1"))
    claimed = inbox.claim(inbox.waiting(), "w")
    put(inbox, Call(ORDER, "1"))
    inbox.settle(claimed, "unchanged")  # type: ignore[arg-type]
    assert states(inbox) == ["done", "waiting"]


def test_a_lease_is_renewed_while_its_owner_lives(inbox: Inbox) -> None:
    put(inbox, Call(ORDER, "1"), Call(ORDER, "2"))
    first, second = inbox.waiting()
    inbox.claim([first], "alive")
    inbox.claim([second], "dead")
    later(inbox, 59)
    inbox.renew("alive")
    later(inbox, 2)
    inbox.take_back_dead()
    assert states(inbox) == ["working", "waiting"]


def test_leases_are_renewed_by_a_thread_that_ends_with_the_last_of_them(inbox: Inbox) -> None:
    put(inbox, Call(ORDER, "1"))
    inbox.claim(inbox.waiting(), "w")
    leases = Leases(every=0.005)
    with leases.kept(inbox, "w"):
        later(inbox, 50)
        thread = leases._thread
        assert thread is not None
        for _ in range(2000):
            if inbox.ask("select 1 from hints where lease_until > ?", [inbox.clock() + 59]):
                break
            thread.join(0.005)
        else:
            pytest.fail("nothing was renewed")
    thread.join(5)
    assert not thread.is_alive()


def test_what_is_queued_for_a_whole_sync_has_no_lease(inbox: Inbox) -> None:
    put(inbox, Call(ORDER, "1"))
    claimed = inbox.claim(inbox.waiting(), "sync 1")
    inbox.queue(claimed, "run-1")
    later(inbox, 1000)
    inbox.take_back_dead()
    assert states(inbox) == ["working"]
    assert [one.id for one in inbox.queued("m", "r")] == ["1"]


def test_h27_a_record_that_answered_404_is_asked_once_more_by_one_worker(inbox: Inbox) -> None:
    inbox.note_read("m", "s", ORDER, "9", news=False, gone=True, route="r")
    assert inbox.waiting() == []
    [one] = inbox.to_ask_again()
    assert (one.count, one.due_at - inbox.clock()) == (0, 30.0)
    [hint] = inbox.claim([one], "w")
    assert (hint.hint, hint.id) == (-1, "9")
    assert inbox.claim([one], "another") == []
    inbox.note_read("m", "s", ORDER, "9", news=False, gone=True, route="r")
    assert inbox.to_ask_again() == []
    put(inbox, Call(ORDER, "9"))
    [one] = inbox.waiting()
    assert one.is_barred(inbox.clock() + 599)
    assert not one.is_barred(inbox.clock() + 600)
    assert inbox.gone_reads("m") == 2


def put_for(inbox: Inbox, routes: tuple[str, ...], *calls: Call) -> None:
    inbox.put([Arrival("m", "s", call, routes, "2026-01-01T00:00:00Z") for call in calls])


def test_a_call_that_two_routes_want_is_a_hint_for_each_and_each_reads_for_itself(inbox: Inbox) -> None:
    put_for(inbox, ("r", "q"), Call(ORDER, "9"))
    assert {one.route: one.count for one in inbox.waiting()} == {"r": 1, "q": 1}
    inbox.settle(inbox.claim(inbox.waiting(route="r"), "w"), Outcome.GONE)
    for _ in range(2):
        inbox.note_read("m", "s", ORDER, "9", news=False, gone=True, route="r")
    [other] = inbox.waiting()
    assert (other.route, other.read_at, other.is_barred(inbox.clock())) == ("q", None, False)
    assert other.due_at - inbox.clock() == 2.0
    put_for(inbox, ("r", "q"), Call(ORDER, "9"))
    assert {one.route: one.is_barred(inbox.clock()) for one in inbox.waiting()} == {"r": True, "q": False}
    inbox.note_read("m", "s", ORDER, "8", news=False, gone=True, route="q")
    inbox.note_read("m", "s", ORDER, "8", news=False, gone=True, route="r")
    assert {one.route for one in inbox.to_ask_again()} == {"q", "r"}
    [first, second] = inbox.to_ask_again()
    assert [hint.route for hint in inbox.claim([first], "w")] == [first.route]
    assert [one.route for one in inbox.to_ask_again()] == [second.route]


def test_r49_a_hint_on_what_a_route_of_ours_wrote_waits_for_ten_minutes(inbox: Inbox) -> None:
    put_for(inbox, ("r", "q"), Call(ORDER, "1", event="UPDATED"))
    inbox.note_written("m", "s", ORDER, "1", but=("APPROVED", "CANCELLED"))
    put_for(inbox, ("r", "q"), Call(ORDER, "1", event="CREATED"), Call(ORDER, "2"))
    written = inbox.clock()
    due = {(one.route, one.record): one.due_at - written for one in inbox.waiting()}
    assert due == {("r", "1"): 600.0, ("q", "1"): 600.0, ("r", "2"): 2.0, ("q", "2"): 2.0}
    put_for(inbox, ("r",), Call(ORDER, "1", event=" approved "))
    due = {(one.route, one.record): one.due_at - written for one in inbox.waiting()}
    assert (due["r", "1"], due["q", "1"]) == (2.0, 600.0)
    later(inbox, 300)
    inbox.note_written("m", "s", ORDER, "1")  # written again, and now nothing else is told of it
    assert {one.due_at - written for one in inbox.waiting() if one.record == "1"} == {900.0}
    later(inbox, 601)
    assert {one.held_until for one in inbox.waiting()} == {0.0}
    assert len(inbox.ask("select 1 from written")) == 1
    inbox.expire(86_400)
    assert inbox.ask("select 1 from written") == []
    inbox.note_written("m", "s", ORDER, "1")
    inbox.remove("m")
    assert inbox.ask("select 1 from written") == []


def test_r49_what_was_long_ago_by_vs_st_now_does_not_wait(inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VS_ST_NOW", "2026-12-01T12:00:00Z")
    put(inbox, Call(ORDER, "1"))
    inbox.note_written("m", "s", ORDER, "1")
    assert inbox.waiting()[0].held_until == inbox.clock() + 600
    monkeypatch.setenv("VS_ST_NOW", "2026-12-01T12:09:59Z")
    assert inbox.waiting()[0].held_until
    monkeypatch.setenv("VS_ST_NOW", "2026-12-01T12:10:00Z")
    assert not inbox.waiting()[0].held_until


def test_r49_where_nobody_calls_nothing_is_noted(inbox: Inbox) -> None:
    inbox.note_written("m", "s", ORDER, "1")
    assert not inbox.exists


def test_a_file_of_an_earlier_version_is_brought_forward(inbox: Inbox) -> None:
    db = sqlite3.connect(inbox.path)
    for statement in ";".join(STEPS[:2]).split(";"):
        db.execute(statement)
    db.execute("pragma user_version = 2")
    db.execute("insert into records (merchant, system, kind, record, read_at) values ('m', 's', 'order', '1', 1.0)")
    db.commit()
    db.close()
    put(inbox, Call(ORDER, "1"))
    inbox.note_read("m", "s", ORDER, "1", news=True, route="r")
    assert inbox.ask("select route, record from records") == [("r", "1")]
    assert inbox.ask("pragma user_version") == [(len(STEPS),)]


def test_h28_how_often_nothing_new_was_found_is_forgotten_after_an_hour(inbox: Inbox) -> None:
    for _ in range(5):
        inbox.note_read("m", "s", ORDER, "1", news=False, route="r")
    put(inbox, Call(ORDER, "1"))
    assert inbox.waiting()[0].due_at - inbox.clock() == 160.0
    later(inbox, 3601)
    inbox.note_read("m", "s", ORDER, "1", news=False, route="r")
    assert inbox.ask("select fruitless from records") == [(1,)]


def test_h25_a_whole_sync_is_wanted_once_in_five_minutes_until_one_that_began_later_has_ended(inbox: Inbox) -> None:
    assert inbox.want_whole("m", "r")
    later(inbox, 299)
    assert not inbox.want_whole("m", "r")
    assert inbox.wholes_due("r") == {"m"}
    inbox.whole_ended("m", "r", inbox.clock() - 300, well=True)
    assert inbox.wholes_due("r") == {"m"}, "it began before"
    inbox.whole_ended("m", "r", inbox.clock(), well=False)
    assert inbox.wholes_due("r") == set()
    later(inbox, 1)
    assert inbox.want_whole("m", "r")


def test_h25_what_is_wanted_soon_after_a_whole_sync_is_due_when_five_minutes_are_over(inbox: Inbox) -> None:
    assert inbox.want_whole("m", "r")
    later(inbox, 10)
    inbox.whole_ended("m", "r", inbox.clock(), well=True)
    later(inbox, 50)
    assert inbox.want_whole("m", "r"), "its hint came after that one had begun"
    assert not inbox.want_whole("m", "r")
    assert inbox.wholes_due("r") == set()
    later(inbox, 240)
    assert inbox.wholes_due("r") == {"m"}
    inbox.whole_ended("m", "r", inbox.clock(), well=True)
    assert inbox.wholes_due("r") == set()


def test_r63_it_gives_way_only_to_what_is_due_and_not_to_who_rests(inbox: Inbox) -> None:
    put(inbox, Call(ORDER, "1"))
    ticks = iter(range(1000))
    asked = Yielding(monotonic=lambda: float(next(ticks)))
    assert not asked.must(inbox, "m", "r"), "due in two seconds"
    later(inbox, 2)
    inbox.rest("m", "r", "auth")
    assert not asked.must(inbox, "m", "r")
    inbox.wake("m", "r")
    assert asked.must(inbox, "m", "r")
    assert asked.must(inbox, "m", "r"), "to its end"
    assert not Yielding(monotonic=lambda: 1.0).must(inbox, "m", "r"), "once in five minutes"


def test_h19_what_names_a_forgotten_person_leaves_the_disk(inbox: Inbox) -> None:
    put(
        inbox,
        Call(CONTACT, "a" * 24, "7075550142", event="UNSUBSCRIBE_REPORT", opts_out=True),
        Call(CONTACT, None, "7075550142"),
        Call(CUSTOMER, "700101"),
        Call(MEMBERSHIP, "55", kept={"hrefV3": "/api/v3/p/customers/700101/memberships/55"}),
        Call(ORDER, "90000000017"),
        Call(ORDER, "700101"),
    )
    gone = inbox.forget("m", [("phone", "7075550142"), ("customer", "700101"), ("order", "90000000017")])
    assert gone == 5
    assert [one.record for one in inbox.waiting()] == ["700101"], "an order's number is no customer's id"
    assert set(inbox.opt_outs("m")) == {"a" * 24}
    put(inbox, Call(CONTACT, "a" * 24))
    assert {one.record: one.opted_out for one in inbox.waiting()} == {"700101": 0, "a" * 24: 1}
    inbox.forget("m", [("contact", "a" * 24)])
    left = b"".join(path.read_bytes() for path in inbox.path.parent.glob(f"{FILE}*"))
    assert b"7075550142" not in left
    assert b"90000000017" not in left


def test_no_inbox_is_made_by_looking_for_one(tmp_path: Path) -> None:
    assert inbox_in(tmp_path) is None
    assert Inbox(tmp_path).waiting() == []
    assert not list(tmp_path.iterdir())


def test_an_inbox_whose_folder_was_removed_is_opened_anew(inbox: Inbox) -> None:
    put(inbox, Call(ORDER, "1"))
    for path in inbox.path.parent.glob(f"{FILE}*"):
        path.unlink()
    assert inbox.waiting() == []
    put(inbox, Call(ORDER, "2"))
    assert [one.record for one in inbox.waiting()] == ["2"]
