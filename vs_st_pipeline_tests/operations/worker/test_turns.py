"""Whose turn it is: pure functions of what waits and of the time (H25, H27, H28, H30)."""

from __future__ import annotations

from typing import Any

import pytest

from vs_st_pipeline.domain.hint_timing import gap_after
from vs_st_pipeline.domain.hints import ORDER, WHOLE
from vs_st_pipeline.operations.worker.turns import Standing, next_at, turns
from vs_st_pipeline.platform.inbox.store import Record

NOW = 10_000.0


def record(id_: str, merchant: str = "m", *, first: float = NOW - 10, **more: Any) -> Record:
    values: dict[str, Any] = {
        "kind": ORDER, "count": 1, "not_before": 0.0, "read_at": None, "fruitless": 0, "gone_at": None, **more
    }  # fmt: skip
    return Record(merchant, "r", "s", record=id_, first=first, **values)


@pytest.mark.parametrize(
    ("more", "due"),
    [
        ({}, NOW - 8),
        ({"not_before": NOW + 30}, NOW + 30),
        ({"read_at": NOW - 5}, NOW + 5),  # it found something new
        ({"read_at": NOW - 5, "fruitless": 1}, NOW + 5),
        ({"read_at": NOW - 5, "fruitless": 2}, NOW + 15),
        ({"read_at": NOW - 5, "fruitless": 6}, NOW + 295),
        ({"read_at": NOW - 5, "fruitless": 5000}, NOW + 295),
        ({"read_at": NOW - 3700, "fruitless": 6}, NOW - 8),  # an hour without a read
        ({"gone_at": NOW - 5, "read_at": NOW - 5, "fruitless": 1}, NOW + 25),  # asked once more
    ],
)
def test_h28_when_a_record_is_due(more: dict[str, Any], due: float) -> None:
    assert record("1", **more).due_at == due


def test_h30_how_long_what_failed_waits() -> None:
    assert [gap_after(tries) for tries in (1, 2, 3, 4, 5, 50)] == [10, 30, 60, 300, 300, 300]


def test_h30_merchants_take_turns_by_their_oldest_due_hint_and_who_was_served_stands_behind() -> None:
    waiting = [record("1", "a", first=NOW - 30), record("2", "b", first=NOW - 60), record("3", "c", first=NOW - 1)]
    standing = Standing()
    assert [turn.pair[0] for turn in turns(waiting, standing, NOW)] == ["b", "a"], "c is due in a second"
    standing.served["b", "r"] = NOW - 5
    assert [turn.pair[0] for turn in turns(waiting, standing, NOW)] == ["a", "b"]
    standing.busy.add(("a", "r"))
    standing.again["b", "r"] = NOW + 2
    assert turns(waiting, standing, NOW) == []
    assert turns(waiting, Standing(), NOW, closed={("a", "r"), ("b", "r")}) == []


def test_h25_ten_records_and_the_oldest_first_or_all_where_more_than_a_hundred_wait() -> None:
    many = [record(f"{number:03d}", first=NOW - 200 + number) for number in range(100)]
    [turn] = turns(many, Standing(), NOW)
    assert ([one.record for one in turn.records], turn.hands_over) == ([f"{n:03d}" for n in range(10)], False)
    later = record("later", first=NOW + 60)  # it waits, too
    [turn] = turns([*many, later], Standing(), NOW)
    assert (len(turn.records), turn.hands_over) == (101, True)
    asked_again = record("gone", count=0, gone_at=NOW - 60)
    [turn] = turns([*many, asked_again], Standing(), NOW)
    assert not turn.hands_over, "what has no hint does not count"


def test_h25_what_costs_no_request_is_settled_first_and_not_counted() -> None:
    barred = record("gone", gone_at=NOW - 60, read_at=NOW - 60, asked_again=1)
    ten = [record(str(number)) for number in range(10)]
    [turn] = turns([record("", kind=WHOLE, first=NOW), barred, *ten], Standing(), NOW)
    assert ([one.record for one in turn.free], len(turn.records)) == (["", "gone"], 10)


def test_r49_opt_outs_are_read_before_other_hints() -> None:
    many = [record(f"{number:02d}", first=NOW - 200 + number) for number in range(20)]
    [turn] = turns([*many, record("who left", opted_out=1)], Standing(), NOW)
    assert [one.record for one in turn.records[:2]] == ["who left", "00"]


def test_r49_what_a_route_of_ours_has_just_written_is_no_work_yet() -> None:
    echoes = [record(f"{number:03d}", held_until=NOW + 500) for number in range(101)]
    assert turns(echoes, Standing(), NOW) == []
    assert next_at(echoes, Standing(), NOW) == NOW + 500
    [turn] = turns([*echoes, record("other")], Standing(), NOW)
    assert ([one.record for one in turn.records], turn.hands_over) == (["other"], False)


def test_h23_who_is_held_is_not_handed_over_because_no_list_lets_them_go() -> None:
    many = [record(f"{number:03d}") for number in range(101)]
    [turn] = turns([*many, record("who left", opted_out=1)], Standing(), NOW)
    assert (len(turn.records), turn.hands_over) == (101, True)
    assert "who left" not in {one.record for one in turn.records}
    [turn] = turns([record(f"{number:03d}", opted_out=1) for number in range(101)], Standing(), NOW)
    assert (len(turn.records), turn.hands_over) == (10, False)


def test_when_something_can_be_done_next() -> None:
    standing = Standing(again={("b", "r"): NOW + 2})
    waiting = [record("1", "a", first=NOW + 5), record("2", "b")]
    assert next_at(waiting, standing, NOW) == NOW + 2
    assert next_at([], standing, NOW) is None
