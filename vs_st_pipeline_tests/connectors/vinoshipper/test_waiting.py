"""When what was read is stored, and where a run that was cut off goes on."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from vs_st_pipeline.connectors.vinoshipper import customer_list, landing_orders, orders, waiting
from vs_st_pipeline.connectors.vinoshipper.client import CustomerPage
from vs_st_pipeline.connectors.vinoshipper.order_search import OrderRow, Window
from vs_st_pipeline.connectors.vinoshipper.waiting import MOST_SECONDS, MOST_TEXT, Waiting
from vs_st_pipeline.domain.errors import TryLater
from vs_st_pipeline.operations.settings import read_merchants
from vs_st_pipeline.operations.warehouse import warehouse_at
from vs_st_pipeline.platform.http.tape import Tape
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.platform.warehouse.state import get_state
from vs_st_pipeline_tests.support.odd_bodies import NOW, SETTINGS


@pytest.fixture
def run(tmp_path: Path) -> Run:
    (tmp_path / "merchants.yaml").write_text(SETTINGS)
    merchant = read_merchants(tmp_path / "merchants.yaml", {"KEY": "none"}).merchants[0]
    return Run(merchant, warehouse_at(tmp_path / "data"), lambda: NOW)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr(f"{waiting.__name__}.time", SimpleNamespace(monotonic=lambda: now[0]))
    return now


def test_they_are_stored_when_there_are_enough(clock: list[float]) -> None:
    stored: list[list[int]] = []
    with Waiting(stored.append, most=3) as records:
        assert [records.add(n) for n in range(7)] == [False, False, True, False, False, True, False]
    assert stored == [[0, 1, 2], [3, 4, 5], [6]]


def test_they_are_stored_when_they_have_waited(clock: list[float]) -> None:
    """A crash then costs as many requests as fit into that time."""
    stored: list[list[int]] = []
    records = Waiting(stored.append)
    records.add(0)
    clock[0] += MOST_SECONDS - 1
    records.add(1)
    assert stored == []
    clock[0] += 1
    records.add(2)
    assert stored == [[0, 1, 2]]
    clock[0] += 3600
    records.add(3)
    assert stored == [[0, 1, 2]], "it has not waited: there was nothing"


def test_they_are_stored_when_they_are_large(clock: list[float]) -> None:
    stored: list[list[str]] = []
    records = Waiting(stored.append)
    records.add("a", text=MOST_TEXT - 1)
    assert stored == []
    records.add("b", text=1)
    assert stored == [["a", "b"]]


def test_a_page_counts_as_what_is_on_it(clock: list[float]) -> None:
    stored: list[list[str]] = []
    records = Waiting(stored.append, most=500)
    assert not records.add("page", count=250)
    assert records.add("page", count=250)


def test_what_was_read_before_something_went_wrong_is_stored_once(clock: list[float]) -> None:
    stored: list[list[int]] = []

    def read() -> None:
        with Waiting(stored.append) as records:
            records.add(1)
            raise TryLater("the line is cut")

    with pytest.raises(TryLater):
        read()
    assert stored == [[1]]


def test_what_cannot_be_stored_is_not_tried_again(clock: list[float]) -> None:
    tried: list[list[int]] = []

    def land(records: list[int]) -> None:
        tried.append(records)
        raise TryLater("the disk is full")

    def read() -> None:
        with Waiting(land, most=2) as records:
            records.add(1)
            records.add(2)

    with pytest.raises(TryLater):
        read()
    assert tried == [[1, 2]]


# --- the list walk --------------------------------------------------------------------------------------------------


class Shop:
    """Answers with these pages; a page that is an error is raised."""

    def __init__(self, *pages: list[dict[str, Any]] | Exception) -> None:
        self.pages = pages

    def list_customers(self, page_index: int, page_size: int) -> CustomerPage:
        page = self.pages[page_index]
        if isinstance(page, Exception):
            raise page
        return CustomerPage(None, [msgspec.json.encode(item) for item in page])


def people(*ids: int, name: str = "Ana") -> list[dict[str, Any]]:
    return [{"id": id_, "firstName": name} for id_ in ids]


def test_a_walk_that_is_cut_off_has_stored_its_pages_and_goes_on_behind_them(run: Run) -> None:
    cut = Shop(people(1, 2), people(3, 4), TryLater("the line is cut"))
    with pytest.raises(TryLater):
        customer_list.walk_customers(run, cut)  # type: ignore[arg-type]
    with run.open() as db:
        assert db.rows("select customer_id from raw.vinoshipper_customers order by 1") == [(1,), (2,), (3,), (4,)]
        assert db.rows("select customer_id from raw.walked order by 1") == [(1,), (2,), (3,), (4,)]
        assert get_state(db, customer_list.WALK)["page"] == 2
    rest = Shop(AssertionError("read already"), AssertionError("read already"), people(5), [])
    walk = customer_list.walk_customers(run, rest)  # type: ignore[arg-type]
    assert walk.ids == {1, 2, 3, 4, 5}


def test_one_who_changes_during_the_walk_is_read_though_they_change_back(run: Run) -> None:
    customer_list.walk_customers(run, Shop(people(1, 2), people(3)))  # type: ignore[arg-type]
    with run.open() as db:
        db.execute("update raw.vinoshipper_customers set detail_wanted = false")
    shop = Shop(people(1, name="Zoe") + people(2), people(1, 3), people(1), [])
    with run.open() as db:
        before = dict(db.rows("select customer_id, list_hash from raw.vinoshipper_customers"))
    customer_list._walk_and_land(run, shop, customer_list.CustomerWalk())  # type: ignore[arg-type]
    with run.open() as db:
        after = db.rows("select customer_id, list_hash, detail_wanted from raw.vinoshipper_customers order by 1")
    assert after == [(1, before[1], True), (2, before[2], False), (3, before[3], False)]


# --- the history walk -----------------------------------------------------------------------------------------------


class Search:
    """A search whose history is these windows, a month each; one that is an error is raised."""

    unseen_days: dict[date, Any] = {}
    cut_at = 25
    filter_works = can_filter = True

    def __init__(self, *windows: list[str] | Exception) -> None:
        self.windows, self.tape = windows, Tape()

    def history(self, newest: date, oldest: date, size: timedelta) -> Iterator[Window]:
        for place, numbers in enumerate(self.windows):
            if isinstance(numbers, Exception):
                raise numbers
            rows = [OrderRow(number, 7, None, None, f'{{"orderNumber":"{number}"}}') for number in numbers]
            yield Window(date(2026, 1, 1) - timedelta(days=30 * place), timedelta(days=30), rows)


class Sent:
    sent = 0


def test_a_history_that_is_cut_off_goes_on_behind_what_it_has_stored(run: Run) -> None:
    search = Search(["A1", "A2"], [], ["A3"], TryLater("the line is cut"))
    with pytest.raises(TryLater):
        orders._walk_history(run, Sent(), search, {}, set())  # type: ignore[arg-type]
    with run.open() as db:
        assert db.rows("select order_number from raw.vinoshipper_orders order by 1") == [("A1",), ("A2",), ("A3",)]
        state = get_state(db, orders.HISTORY)
        assert get_state(db, orders.PROCESSED_CURSOR) == state["started"]
    assert (state["reached"], state["complete"]) == ("2025-11-02", False)


def test_a_history_is_stored_on_the_way(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    stored: list[int] = []

    def land(db: Db, rows: list[OrderRow], now: datetime) -> int:
        stored.append(len(rows))
        return landing_orders.land_order_rows(db, rows, now)

    monkeypatch.setattr(f"{orders.__name__}.landing_orders", SimpleNamespace(land_order_rows=land))
    monkeypatch.setattr(waiting, "MOST_SECONDS", 0.0)
    orders._walk_history(run, Sent(), Search(["A1", "A2"], [], ["A3"]), {}, set())  # type: ignore[arg-type]
    assert stored == [2, 0, 1]
    with run.open() as db:
        assert get_state(db, orders.HISTORY)["complete"]
