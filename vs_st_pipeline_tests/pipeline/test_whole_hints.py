"""How a whole sync takes hints, whatever its route."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from vs_st_pipeline.domain.errors import TryLater
from vs_st_pipeline.domain.hints import Hint
from vs_st_pipeline.pipeline import whole_hints
from vs_st_pipeline.pipeline.hinted import Queue
from vs_st_pipeline.platform.inbox import store
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse.files import Warehouse
from vs_st_pipeline_tests.support.hints import Hints
from vs_st_pipeline_tests.toys.state import LAYOUT, Merchant


def test_h26_merchants_of_one_run_of_dagster_hold_leases_of_their_own(tmp_path: Path) -> None:
    hints, warehouse = Hints(tmp_path, at=time.time()), Warehouse(tmp_path, {"contacts": LAYOUT})
    queue = Queue(lambda _run, _hints: None)
    for merchant in ("hill", "vale"):
        hints.comes("1", merchant=merchant)

    def run_of(merchant_id: str) -> Run:
        merchant: Any = Merchant(merchant_id)
        return Run(merchant, warehouse, lambda: datetime.now(UTC), run_id="one", inbox=hints.inbox)

    owners = "select distinct owner from hints where state = 'working'"
    with ExitStack() as first:
        first.enter_context(whole_hints.taken(run_of("hill"), queue))
        with whole_hints.taken(run_of("vale"), queue):
            assert len(hints.inbox.ask(owners)) == 2
            first.close()
            assert len(hints.inbox.ask(owners)) == 1
    assert hints.inbox.ask(owners) == []


def test_r49_a_whole_sync_leaves_hints_on_what_a_route_of_ours_has_just_written(tmp_path: Path) -> None:
    hints, warehouse = Hints(tmp_path, at=time.time()), Warehouse(tmp_path, {"contacts": LAYOUT})
    hints.comes("1")
    hints.comes("2")
    hints.inbox.note_written("hill", "vinoshipper", "order", "1")
    merchant: Any = Merchant("hill")
    run = Run(merchant, warehouse, lambda: datetime.now(UTC), run_id="one", inbox=hints.inbox)
    with whole_hints.taken(run, Queue(lambda _run, _hints: None, lambda _run, _hints: ())) as found:
        assert [hint.id for hint in found.hints] == ["2"]
    assert [one.record for one in hints.inbox.waiting()] == ["1"]


def test_r49_what_a_whole_sync_leaves_until_later_waits_and_is_nobodys_work(tmp_path: Path) -> None:
    hints, warehouse = Hints(tmp_path, at=time.time()), Warehouse(tmp_path, {"contacts": LAYOUT})
    for name in ("1", "2", "3"):
        hints.comes(name)
    merchant: Any = Merchant("hill")
    run = Run(merchant, warehouse, lambda: datetime.now(UTC), run_id="one", inbox=hints.inbox)

    def unread(_run: Run, found: Sequence[Hint]) -> list[int]:
        return [one.hint for one in found if one.id != "1"]

    def rests(_run: Run, found: Sequence[Hint]) -> dict[int, float]:
        return {one.hint: 540.0 for one in found if one.id == "2"}

    with whole_hints.taken(run, Queue(lambda _run, _hints: None, unread, rests)):
        pass
    assert hints.inbox.ask("select record, state from hints order by 1") == [
        ("1", "done"), ("2", "waiting"), ("3", "working"),
    ]  # fmt: skip
    (rest,) = hints.inbox.waiting()
    assert 530 < rest.due_at - hints.inbox.clock() < 550


def test_many_hints_are_taken_and_settled_some_at_a_time_and_calls_are_stored_in_between(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(whole_hints, "AT_ONCE", 2)
    monkeypatch.setattr(store, "AT_ONCE", 2)
    hints, warehouse = Hints(tmp_path, at=time.time()), Warehouse(tmp_path, {"contacts": LAYOUT})
    for number in range(5):
        hints.comes(str(number), order_id=str(number))
    merchant: Any = Merchant("hill")
    run = Run(merchant, warehouse, lambda: datetime.now(UTC), run_id="one", inbox=hints.inbox)
    came: list[list[str | None]] = []

    def hand_over(_run: Run, some: Sequence[Hint]) -> None:
        came.append([hint.id for hint in some])
        assert all(hint.kept == {"order_id": hint.id} for hint in some)
        hints.comes(f"meanwhile {len(came)}")  # by a receiver

    with whole_hints.taken(run, Queue(hand_over)) as found:
        assert came == [["0", "1"], ["2", "3"], ["4"]]
        assert (found.counts, found.records) == ({("vinoshipper", "order"): 5}, 5)
        assert found.hints == [], "nobody asks for them any more"
    assert sorted(one.record for one in hints.inbox.waiting()) == [f"meanwhile {number}" for number in (1, 2, 3)]


def test_hints_that_cannot_be_handed_over_are_given_back_with_those_before_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(whole_hints, "AT_ONCE", 2)
    hints, warehouse = Hints(tmp_path, at=time.time()), Warehouse(tmp_path, {"contacts": LAYOUT})
    for number in range(5):
        hints.comes(str(number))
    merchant: Any = Merchant("hill")
    run = Run(merchant, warehouse, lambda: datetime.now(UTC), run_id="one", inbox=hints.inbox)

    def hand_over(_run: Run, some: Sequence[Hint]) -> None:
        if some[0].id == "2":
            raise TryLater("the file is busy")

    with pytest.raises(TryLater), whole_hints.taken(run, Queue(hand_over)):
        pass
    assert sorted(one.record for one in hints.inbox.waiting()) == ["0", "1", "2", "3", "4"]
