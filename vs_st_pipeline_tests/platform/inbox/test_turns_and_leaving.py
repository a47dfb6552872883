"""The inbox's part in working hints off: claims, leases, what is asked once more, whole syncs wanted; forgetting."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from vs_st_pipeline.domain.hints import CONTACT, CUSTOMER, MEMBERSHIP, ORDER, Call
from vs_st_pipeline.platform.inbox.leases import Leases
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


def test_h28_how_often_nothing_new_was_found_is_forgotten_after_an_hour(inbox: Inbox) -> None:
    for _ in range(5):
        inbox.note_read("m", "s", ORDER, "1", news=False)
    put(inbox, Call(ORDER, "1"))
    assert inbox.waiting()[0].due_at - inbox.clock() == 160.0
    later(inbox, 3601)
    inbox.note_read("m", "s", ORDER, "1", news=False)
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
