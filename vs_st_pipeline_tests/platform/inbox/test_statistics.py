"""What is counted of the inbox, and that it is cheap with 100,000 entries in it."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from vs_st_pipeline.domain.hints import Outcome
from vs_st_pipeline.platform.inbox import statistics
from vs_st_pipeline.platform.inbox.statistics import Lags, Settled, Waiting
from vs_st_pipeline_tests.support.hints import AT, Hints

HOUR = int(AT // 3600)


@pytest.fixture
def hints(tmp_path: Path) -> Hints:
    return Hints(tmp_path)


def test_where_nothing_was_ever_stored_nothing_is_made(hints: Hints) -> None:
    assert statistics.waiting(hints.inbox) == {}
    assert statistics.lags(hints.inbox, 0.0) is None
    assert not hints.inbox.exists


def test_h28_a_record_is_due_two_seconds_after_its_first_hint_and_after_its_last_read(hints: Hints) -> None:
    hints.comes("1")
    hints.comes("1")
    hints.comes("2")
    stored = hints.at
    hints.at += 1.9
    assert statistics.waiting(hints.inbox) == {("hill", "contacts"): Waiting(3, 2, 0, None, stored)}
    hints.at += 0.2
    assert statistics.waiting(hints.inbox)["hill", "contacts"].due == 2
    hints.settles(Outcome.UNCHANGED)
    for expected in (10, 10, 20, 40, 80, 160, 300, 300):
        hints.inbox.note_read(
            "hill", "vinoshipper", "order", "1", route="contacts", news=expected == 10 and hints.at < stored + 5
        )
        hints.comes("1")
        hints.at += expected - 0.1
        assert statistics.waiting(hints.inbox)["hill", "contacts"].due == 0, expected
        hints.at += 0.2
        found = statistics.waiting(hints.inbox)["hill", "contacts"]
        assert (found.due, found.due_since) == (1, pytest.approx(hints.at - 0.1)), expected
        hints.settles(Outcome.UNCHANGED)


def test_h27_h28_who_is_due_here_is_who_is_due_to_a_worker(hints: Hints) -> None:
    chance = random.Random(7)
    for number in range(40):
        with hints.ago(chance.choice([0.5, 5, 15, 100, 400])):
            for _ in range(chance.randint(0, 4)):
                gone = chance.random() < 0.3
                hints.inbox.note_read(
                    "hill", "vinoshipper", "order", str(number), news=chance.random() < 0.3, gone=gone, route="contacts"
                )
        with hints.ago(chance.choice([0.5, 1, 3, 20, 200])):
            hints.comes(str(number))
    waiting = [one for one in hints.inbox.waiting() if one.count]
    due = [one.due_at for one in waiting if one.due_at <= hints.at]
    assert 0 < len(due) < len(waiting)
    found = statistics.waiting(hints.inbox)["hill", "contacts"]
    assert (found.records, found.due, found.due_since) == (len(waiting), len(due), pytest.approx(min(due)))


def test_h30_what_failed_is_due_when_its_next_try_is(hints: Hints) -> None:
    hints.comes("1")
    claimed = hints.inbox.claim(hints.inbox.waiting(), "a worker")
    hints.inbox.give_back(claimed, not_before=hints.at + 60, error="try_later")
    hints.at += 59
    assert statistics.waiting(hints.inbox)["hill", "contacts"].due == 0
    hints.at += 2
    assert statistics.waiting(hints.inbox)["hill", "contacts"].due == 1


def test_what_a_dead_worker_had_claimed_is_left_behind(hints: Hints) -> None:
    hints.comes("1")
    hints.inbox.claim(hints.inbox.waiting(), "a worker")
    hints.comes("2", merchant="vale")
    hints.inbox.queue(hints.inbox.claim(hints.inbox.waiting(["vale"]), "a whole sync"), "run")
    hints.at += 59
    assert statistics.left_behind(hints.inbox) == {}
    hints.at += 2
    assert statistics.left_behind(hints.inbox) == {("hill", "contacts"): 1}, "what a whole sync queued has no lease"


def test_what_came_and_what_became_of_it_by_the_hour(hints: Hints) -> None:
    hints.at = AT + 10
    with hints.ago(3600):
        hints.comes("0")
        hints.settles(Outcome.GONE)
    for number in range(4):
        hints.comes(str(number), system=("vinoshipper", "simpletexting")[number % 2])
    hints.settles(Outcome.WRITTEN, lag=3)
    hints.comes("5")
    hints.expires()
    hints.comes("6", merchant="vale")
    hints.settles(Outcome.OVER_LIMIT, merchant="vale")
    hints.comes("7")
    inbox = hints.inbox
    assert statistics.entries_by_hour(inbox, AT - 7200) == {
        HOUR - 1: {"vinoshipper": 1},
        HOUR: {"vinoshipper": 5, "simpletexting": 2},
    }
    assert statistics.settled_by_hour(inbox, AT - 7200) == {
        HOUR - 1: {"gone": 1},
        HOUR: {"written": 4, "expired": 1, "over_limit": 1},
    }
    assert statistics.settled_by_hour(inbox, AT).keys() == {HOUR}
    assert statistics.settled(inbox, AT) == {
        ("hill", "contacts"): Settled(5, 4, 0, 1),
        ("vale", "contacts"): Settled(1, 0, 1, 0),
    }
    assert statistics.states(inbox) == {"waiting": 1, "working": 0, "done": 5, "expired": 1, "dropped": 1}
    assert statistics.with_outcome(inbox, Outcome.OVER_LIMIT, AT) == {("vale", "contacts"): 1}
    assert statistics.expired(inbox) == {("hill", "contacts"): (1, AT + 10)}
    assert statistics.last_written(inbox, "contacts") == {"hill": AT + 10}
    assert statistics.last_written(inbox, "orders") == {}
    assert [statistics.written_since(inbox, "contacts", "hill", since) for since in (AT, AT + 10)] == [4, 0]


def test_lags_are_those_that_a_share_of_the_hints_did_not_exceed(hints: Hints) -> None:
    for lag in range(1, 21):
        hints.comes(str(lag))
        hints.settles(Outcome.WRITTEN, lag=lag)
    hints.comes("none")
    hints.settles(Outcome.UNCHANGED)
    assert statistics.lags(hints.inbox, AT) == Lags(20, 10, 19, 20)
    with hints.ago(3600):
        hints.comes("one", merchant="vale")
        hints.settles(Outcome.WRITTEN, lag=7, merchant="vale")
    assert statistics.lags_by_hour(hints.inbox, AT - 3600) == {HOUR - 1: Lags(1, 7, 7, 7), HOUR: Lags(20, 10, 19, 20)}


def test_h30_lags_of_merchants_at_rest_do_not_count_in_the_check(hints: Hints) -> None:
    for merchant, lag in (("hill", 3.0), ("vale", 900.0)):
        hints.comes("1", merchant=merchant)
        hints.settles(Outcome.WRITTEN, lag=lag, merchant=merchant)
    hints.inbox.rest("vale", "contacts", "auth")
    assert statistics.lags(hints.inbox, AT) == Lags(1, 3, 3, 3)


def test_refusals_and_what_waits_for_long_by_system(hints: Hints) -> None:
    with hints.ago(90_000):
        hints.comes("1", system="shop")
    hints.comes("2")
    with hints.ago(700):
        hints.refuses("hill", "vinoshipper", 9)
    hints.refuses("hill", "vinoshipper", 3)
    assert statistics.refusals(hints.inbox, hints.at - 600) == {("hill", "vinoshipper"): 3}
    assert statistics.oldest_waiting(hints.inbox, ["shop", "sopost"]) == {"shop": hints.at - 90_000}
    assert statistics.oldest_waiting(hints.inbox, []) == {}


def _fill(hints: Hints, count: int) -> None:
    """Entries of two days and their hints: nine in ten settled, of 500 merchants."""
    inbox, now = hints.inbox, hints.at
    hints.comes("0")
    span = 172_800 / count
    with inbox._write() as db:
        for number in range(2, count):
            merchant, at, digit = f"merchant-{number % 500}", now - span * (count - number), number % 10
            state, outcome = ("done", "written" if digit < 5 else "unchanged") if digit else ("waiting", None)
            lag = float(number % 97) if outcome == "written" else None
            db.execute(
                """insert into entries (entry, merchant, system, stored_at, at, kind, id, kept)
                   values (?, ?, 'vinoshipper', ?, '', 'order', ?, '{}')""",
                [number, merchant, at, number],
            )
            db.execute(
                """insert into hints (entry, merchant, route, system, kind, record, stored_at, state, outcome, lag,
                                      settled_at)
                   values (?, ?, 'contacts', 'vinoshipper', 'order', ?, ?, ?, ?, ?, ?)""",
                [number, merchant, str(number), at, state, outcome, lag, at + 5 if digit else None],
            )


TABLES = ("hints", "h", "records", "r", "rests", "entries", "refusals")  # and what the questions call them

ASKED: dict[str, Callable[[Hints], object]] = {
    "waiting": lambda hints: statistics.waiting(hints.inbox),
    "left_behind": lambda hints: statistics.left_behind(hints.inbox),
    "states": lambda hints: statistics.states(hints.inbox),
    "entries_by_hour": lambda hints: statistics.entries_by_hour(hints.inbox, hints.at - 172_800),
    "settled_by_hour": lambda hints: statistics.settled_by_hour(hints.inbox, hints.at - 172_800),
    "lags_by_hour": lambda hints: statistics.lags_by_hour(hints.inbox, hints.at - 172_800),
    "lags": lambda hints: statistics.lags(hints.inbox, hints.at - 3600),
    "settled": lambda hints: statistics.settled(hints.inbox, hints.at - 86_400),
    "with_outcome": lambda hints: statistics.with_outcome(hints.inbox, Outcome.OVER_LIMIT, hints.at - 3600),
    "expired": lambda hints: statistics.expired(hints.inbox),
    "last_written": lambda hints: statistics.last_written(hints.inbox, "contacts"),
    "written_since": lambda hints: statistics.written_since(hints.inbox, "contacts", "hill", hints.at - 86_400),
    "refusals": lambda hints: statistics.refusals(hints.inbox, hints.at - 600),
    "oldest_waiting": lambda hints: statistics.oldest_waiting(hints.inbox, ["shop", "sopost", "gupshup"]),
}


def test_no_question_reads_a_whole_table(hints: Hints) -> None:
    """Each is answered from an index, and reads no column beside it."""
    hints.comes("1")
    asked: list[str] = []
    db = hints.inbox._db()
    db.set_trace_callback(asked.append)
    for ask in ASKED.values():
        ask(hints)
    db.set_trace_callback(None)
    assert len(asked) >= len(ASKED)
    for statement in asked:
        if statement.lstrip().startswith(("select", "with")):
            told = [row[3].split() for row in db.execute(f"explain query plan {statement}")]
            read = [words for words in told if words[0] in ("SCAN", "SEARCH") and words[1] in TABLES]
            assert read, told
            assert all(words[2:4] in (["USING", "COVERING"], ["USING", "PRIMARY"]) for words in read), told


@pytest.mark.slow
def test_100_000_entries_cost_half_a_second_at_most(hints: Hints) -> None:
    _fill(hints, 100_000)
    for name, ask in ASKED.items():
        began = time.process_time()
        ask(hints)
        seconds = time.process_time() - began
        print(f"{name:18} {seconds * 1000:.0f} ms")
        assert seconds < 0.5, name
