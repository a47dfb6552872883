"""How long the inbox keeps what it has (webhooks-onboarding.md H19; routes.md R31), and what may be stored again."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest

from vs_st_pipeline.domain.hints import ANSWERED, CONTACT, ORDER, PING, Call, Hint, HintState, Outcome
from vs_st_pipeline.platform.inbox import questions, statistics, store
from vs_st_pipeline.platform.inbox.store import Arrival, Inbox

SHOP, TEXTING, DAY = "shop", "texting", 86_400.0


class Clock:
    """A time that passes when it is told to."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def inbox(tmp_path: Path, clock: Clock) -> Iterator[Inbox]:
    found = Inbox(tmp_path, clock)
    yield found
    found.close()


def put(inbox: Inbox, call: Call, system: str = SHOP, merchant: str = "hillside", wanted: bool = True) -> None:
    inbox.put([Arrival(merchant, system, call, ("contacts",), "2026-01-01T00:00:00+00:00", wanted)])


def states(inbox: Inbox) -> list[tuple[str, str | None]]:
    return [
        (one["state"], one["outcome"]) for one in questions.listing(inbox, questions.Filter(), 100)["entries"][::-1]
    ]


def claimed(inbox: Inbox) -> list[Hint]:
    return inbox.claim(inbox.waiting(), "somebody")


def test_r31_what_is_settled_is_kept_so_long_from_then(inbox: Inbox, clock: Clock) -> None:
    put(inbox, Call(ORDER, "1"))
    clock.now += 5 * DAY
    inbox.settle(claimed(inbox), Outcome.WRITTEN, written_at=clock.now)
    put(inbox, Call(PING))
    clock.now += 6 * DAY
    assert inbox.expire(7 * DAY) == 0
    assert states(inbox) == [("done", "written"), ("done", "no_hint")], "11 days old, settled 6 days ago"
    clock.now += 1.5 * DAY
    assert inbox.expire(7 * DAY) == 0
    assert states(inbox) == []
    assert inbox.ask("select count(*) from entries") == inbox.ask("select count(*) from hints") == [(0,)]


def test_h19_hints_that_still_waited_are_counted_as_expired_and_go_later(inbox: Inbox, clock: Clock) -> None:
    put(inbox, Call(ORDER, "1"))
    clock.now += 7.1 * DAY
    put(inbox, Call(ORDER, "2"))
    assert inbox.expire(7 * DAY) == 1
    assert states(inbox) == [("expired", None), ("waiting", None)]
    assert questions.listing(inbox, questions.Filter(), 0)["counts"]["expired"] == 1
    clock.now += 1 * DAY
    assert inbox.expire(7 * DAY) == 0, "it expired once"
    clock.now += 6.1 * DAY
    inbox.expire(7 * DAY)
    assert states(inbox) == [("expired", None)], "the other one, meanwhile"


def test_r31_what_cannot_be_asked_for_again_never_expires(inbox: Inbox, clock: Clock) -> None:
    put(inbox, Call(ORDER, "1"), system=SHOP)
    put(inbox, Call(ORDER, "1"), system=TEXTING)
    clock.now += 100 * DAY
    assert inbox.expire(7 * DAY, never=[SHOP]) == 1
    assert states(inbox) == [("waiting", None), ("expired", None)]


def test_r31_what_we_have_put_ourselves_expires_and_is_no_call_that_waits(inbox: Inbox, clock: Clock) -> None:
    """A merchant's route may be paused for good: what its hint is about stands in the account's file."""
    put(inbox, Call(ANSWERED, "r1"), system=SHOP)
    assert statistics.oldest_waiting(inbox, [SHOP]) == {}
    clock.now += 8 * DAY
    assert inbox.expire(7 * DAY, never=[SHOP]) == 1
    assert states(inbox) == [("expired", None)]


def test_however_much_expires_calls_wait_for_no_more_than_a_part(
    inbox: Inbox, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "AT_ONCE", 2)
    for number in range(5):
        put(inbox, Call(ORDER, str(number)))
    clock.now += 8 * DAY
    assert inbox.expire(7 * DAY) == 5
    clock.now += 8 * DAY
    assert inbox.expire(7 * DAY) == 0
    assert inbox.ask("select count(*) from entries") == [(0,)]


def test_what_somebody_works_on_does_not_expire(inbox: Inbox, clock: Clock) -> None:
    put(inbox, Call(ORDER, "1"))
    claimed(inbox)
    clock.now += 8 * DAY
    assert inbox.expire(7 * DAY) == 0
    assert states(inbox) == [("working", None)]


def test_no_file_is_made_by_looking(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path / "nothing")
    assert inbox.expire(1) == 0
    assert questions.listing(inbox, questions.Filter(), 5) == {
        "counts": {"waiting": 0, "working": 0, "done": 0, "expired": 0, "dropped": 0},
        "oldest_waiting_seconds": None,
        "entries": [],
    }
    assert questions.entry(inbox, 1) is None
    assert questions.last_entry(inbox, "hillside", SHOP) is None
    assert questions.refusals(inbox, "hillside", SHOP) == 0
    assert not (tmp_path / "nothing").exists()


def test_what_is_deleted_is_overwritten(inbox: Inbox, clock: Clock) -> None:
    put(inbox, Call(CONTACT, None, "7075550142", kept={"phone": "7075550142"}))
    inbox.settle(claimed(inbox), Outcome.KNOWN)
    clock.now += 8 * DAY
    inbox.expire(7 * DAY)
    inbox.ask("pragma wal_checkpoint(truncate)")
    assert b"7075550142" not in inbox.path.read_bytes()


# --- replay -----------------------------------------------------------------------------------------------------------


def test_a_replay_lets_settled_hints_wait_again_and_nothing_else(inbox: Inbox, clock: Clock) -> None:
    for number in range(4):
        put(inbox, Call(ORDER, str(number)))
    put(inbox, Call(PING))
    put(inbox, Call("product", "1"), wanted=False)
    hints = claimed(inbox)
    inbox.settle(hints[:1], Outcome.WRITTEN, run_id="r1", written_at=clock.now)
    inbox.settle(hints[1:2], Outcome.OVER_LIMIT, state=HintState.DROPPED)
    inbox.give_back(hints[2:3], not_before=clock.now + 300, error="try_later")
    assert states(inbox)[5] == ("done", "no_hint"), "no route wants it"
    clock.now += 60
    assert inbox.replay([1, 2, 3, 4, 5]) == 2
    found = questions.listing(inbox, questions.Filter(), 100)["entries"][::-1]
    assert [one["state"] for one in found[:5]] == ["waiting", "waiting", "waiting", "working", "done"]
    assert [one["replayed"] for one in found[:5]] == [1, 1, 0, 0, 0]
    assert (found[0]["outcome"], found[0]["lag_seconds"]) == (None, None)
    assert inbox.waiting()[-1].first == clock.now, "its lag counts from now"


# --- H17, H23 ---------------------------------------------------------------------------------------------------------


def test_h17_a_repetition_is_no_second_hint_and_no_second_opt_out(inbox: Inbox, clock: Clock) -> None:
    call = Call(CONTACT, "c" * 24, "7075550142", event_id="r1", opts_out=True)
    put(inbox, call)
    first = clock.now
    clock.now += 60
    put(inbox, call)
    assert inbox.opt_outs("hillside") == {"c" * 24: first, "7075550142": first}
    put(inbox, call, merchant="other")
    put(inbox, call, system=TEXTING)
    found = questions.listing(inbox, questions.Filter(), 100)["entries"]
    assert sorted(one["times"] for one in found) == [1, 1, 2]


# --- what is asked ----------------------------------------------------------------------------------------------------


def test_r65_the_last_entry_and_refusals_of_a_system(inbox: Inbox, clock: Clock) -> None:
    put(inbox, Call(ORDER, "1"))
    first = clock.now
    inbox.refuse([("hillside", SHOP)] * 2)
    clock.now += DAY - 1
    inbox.refuse([("hillside", SHOP), ("hillside", TEXTING)])
    assert questions.last_entry(inbox, "hillside", SHOP) == first
    assert questions.refusals(inbox, "hillside", SHOP) == 3
    clock.now += 2
    assert questions.refusals(inbox, "hillside", SHOP) == 1
    inbox.expire(DAY)
    assert inbox.ask("select count(*) from refusals") == [(2,)]


def test_lists_by_state_merchant_route_and_time(inbox: Inbox, clock: Clock) -> None:
    put(inbox, Call(ORDER, "1"), merchant="a")
    clock.now += 100
    put(inbox, Call(ORDER, "2"), merchant="b")
    put(inbox, Call(PING), merchant="b")

    def ids(**chosen: object) -> list[str | None]:
        told = questions.listing(inbox, questions.Filter(**chosen), 1)  # type: ignore[arg-type]
        rows = questions.listing(inbox, questions.Filter(**chosen), 100)["entries"]  # type: ignore[arg-type]
        assert sum(told["counts"].values()) == len(rows), "counts are of all that fit, whatever the limit"
        assert len(told["entries"]) == min(1, len(rows))
        return [one["id"] for one in rows]

    assert ids() == [None, "2", "1"], "newest first"
    assert ids(merchants=["a"]) == ["1"]
    assert ids(state=HintState.WAITING) == ["2", "1"]
    assert ids(since=clock.now - 50) == [None, "2"]
    assert ids(routes=["orders"]) == []
    assert questions.listing(inbox, questions.Filter(), 1)["oldest_waiting_seconds"] == 100
    assert questions.listing(inbox, questions.Filter(merchants=["b"]), 1)["oldest_waiting_seconds"] == 0


def test_phones_are_masked_and_ids_are_not(inbox: Inbox) -> None:
    put(inbox, Call(ORDER, "7075550142", kept={"identifier": "7075550142"}))
    put(inbox, Call(CONTACT, None, "7075550142", kept={"contactPhone": "7075550142", "type": "X"}))
    texted, ordered = questions.listing(inbox, questions.Filter(), 100)["entries"]
    assert (ordered["id"], texted["id"]) == ("7075550142", "***-***-0142")
    shown = questions.entry(inbox, texted["entry"])
    assert shown is not None
    assert shown["kept"] == {"contactPhone": "***-***-0142", "type": "X"}
    assert [one["kind"] for one in shown["hints"]] == ["contact"]


def test_a_commit_is_on_the_disk(inbox: Inbox) -> None:
    put(inbox, Call(ORDER, "1"))
    assert inbox.ask("pragma synchronous") == [(2,)]
    assert inbox.ask("pragma secure_delete") == [(1,)]
    with pytest.raises(sqlite3.IntegrityError):
        inbox.put([Arrival("a", "b", Call(ORDER, "1"), ("contacts",), None)])  # type: ignore[arg-type]
    assert inbox.ask("select count(*) from entries") == [(1,)]


def test_after_a_full_disk_it_goes_on(inbox: Inbox) -> None:
    put(inbox, Call(ORDER, "1"))
    [(pages,)] = inbox.ask("pragma page_count")
    inbox.ask(f"pragma max_page_count = {pages}")
    with pytest.raises(sqlite3.OperationalError, match="full"):
        inbox.put([Arrival("a", SHOP, Call(ORDER, "2", kept={"x": "x" * 50_000}), ("contacts",), "2026")])
    inbox.ask(f"pragma max_page_count = {pages + 1000}")
    put(inbox, Call(ORDER, "3"))
    assert [row[0] for row in inbox.ask("select id from entries")] == ["1", "3"]


_LOOKS = """
import sys
from pathlib import Path
from vs_st_pipeline.platform.inbox.store import Inbox
inbox = Inbox(Path(sys.argv[1]))
print(len(inbox.waiting()))
inbox.beat("worker")
inbox.close()
"""


def test_h10_what_is_stored_stays_also_where_threads_come_and_go_here_and_processes_elsewhere(tmp_path: Path) -> None:
    """A handle of the file that is closed here would give up SQLite's locks, and somebody else would remove its log."""

    def seen_elsewhere() -> str:
        return subprocess.run(
            [sys.executable, "-c", _LOOKS, str(tmp_path)], check=True, capture_output=True, text=True
        ).stdout.strip()

    inbox = Inbox(tmp_path)
    put(inbox, Call(ORDER, "1"))
    thread = Thread(target=lambda: (inbox.beat("receiver"), inbox.close()))
    thread.start()
    thread.join()
    assert seen_elsewhere() == "1"
    put(inbox, Call(ORDER, "2"))
    assert seen_elsewhere() == "2"
    inbox.close()


def test_what_is_open_is_shown_whoever_has_it(inbox: Inbox) -> None:
    """Notices 7.1: a claim looks at replies that wait, and at those that another process is taking."""
    for number, call in enumerate((Call(ORDER, "1"), Call(CONTACT, "2"), Call(ORDER, "3"), Call(ORDER, "4"))):
        put(inbox, call, TEXTING if number == 3 else SHOP)
    assert [one.id for one in inbox.open_of("hillside", "contacts", SHOP, {ORDER})] == ["1", "3"]
    [first, *_] = claimed(inbox)
    assert [one.id for one in inbox.open_of("hillside", "contacts", SHOP, {ORDER, CONTACT})] == ["1", "2", "3"]
    inbox.settle([first], Outcome.WRITTEN)
    assert [one.id for one in inbox.open_of("hillside", "contacts", SHOP, {ORDER, CONTACT})] == ["2", "3"]
    assert (
        inbox.open_of("hillside", "orders", SHOP, {ORDER}) == inbox.open_of("nobody", "contacts", SHOP, {ORDER}) == []
    )
