"""Walking the list of orders, whose pages and filter are believed only as far as they show it (3.2, interface.md 5)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from vs_st_pipeline.connectors.eshopbox import CONNECTOR, listing, stored
from vs_st_pipeline.connectors.eshopbox.settings import EshopboxSettings
from vs_st_pipeline.connectors.eshopbox.streams import ORDERS
from vs_st_pipeline.domain.errors import BadAnswer
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.settings.merchants import Merchant
from vs_st_pipeline.platform.settings.secrets import Secret
from vs_st_pipeline.platform.warehouse.files import Warehouse
from vs_st_pipeline.platform.warehouse.migrations import SHARED, Layout, read_lineage

NOON = datetime(2026, 11, 29, 12)
DAY = timedelta(days=1)
SETTINGS = EshopboxSettings(
    workspace="w",
    client_id=Secret("a", "env:A"),
    client_secret=Secret("b", "env:B"),
    refresh_token=Secret("c", "env:C"),
    workspace_url="http://127.0.0.1:9",
)


class Shop:
    """A list of orders, one an hour, the newest first; `ways`: names of its page that it knows."""

    def __init__(self, folder: Path, count: int) -> None:
        assert CONNECTOR.migrations is not None
        layout = Layout((SHARED, read_lineage("eshopbox", CONNECTOR.migrations)), None, (("eshopbox", ORDERS),))
        self.warehouse = Warehouse(folder, {"notices": layout}, wait_seconds=5)
        self.now = NOON
        self.rows = [self.row(number) for number in range(count)]
        self.page_key: str | None = "page"
        self.total: Callable[[int], Any] = lambda count: count
        self.most = 100
        self.says: int | None = None  # rows of a page, and what the answer says of that
        self.asked: list[Mapping[str, Any]] = []
        self.settings = SETTINGS

    @staticmethod
    def row(number: int, **more: Any) -> dict[str, Any]:
        at = NOON - timedelta(hours=number)
        placed = (at + timedelta(hours=5, minutes=30)).strftime("%Y-%m-%d %H:%M:%S")
        return {"customerOrderNumber": f"N{number}", "orderDate": placed, "updatedAt": placed, **more}

    def orders(self, wanted: Mapping[str, Any]) -> Any:
        self.asked.append(wanted)
        asked = {**dict(pair.split("=", 1) for pair in str(wanted["filters"]).split("&")[1:]), **wanted}
        page = int(asked.get(self.page_key, 1)) if self.page_key else 1
        rows = self.rows[(page - 1) * self.most : page * self.most]
        answer = {"orders": rows, "total": self.total(len(self.rows)), "perPage": self.says}
        return {key: value for key, value in answer.items() if value is not None}

    @property
    def run(self) -> Run:
        return Run(
            Merchant("m", "M", sections={"eshopbox": SETTINGS}),
            self.warehouse,
            lambda: self.now.replace(tzinfo=UTC),
            route="notices",
        )

    def walk(self, orders: timedelta = timedelta(0)) -> listing.Listed:
        client: Any = self
        return listing.walk_due(self.run, client, orders=orders, reconcile=DAY, history_from=14 * DAY)

    def wanted(self) -> dict[str, str]:
        with self.run.open() as db:
            return dict(db.rows("select parcel_id, wanted_by from raw.eshopbox_known where wanted_at is not null"))

    def read(self) -> None:
        """Take all for read."""
        with self.run.open() as db, db.transaction():
            db.execute("update raw.eshopbox_known set wanted_at = null, wanted_by = null, read_at = ?", [self.now])

    @property
    def is_complete(self) -> bool:
        with self.run.open() as db:
            return stored.is_complete(db)


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path, 250)


@pytest.mark.parametrize("key", ["page", "pageNo"])
def test_pages_are_asked_for_by_the_name_that_has_an_effect(shop: Shop, key: str) -> None:
    shop.page_key = key
    assert len(shop.walk().numbers) == 250
    assert set(shop.wanted()) == {row["customerOrderNumber"] for row in shop.rows}
    shop.read()
    assert shop.is_complete


@pytest.mark.parametrize("total", [lambda _: None, lambda _: 0, lambda _: 100, str])
@pytest.mark.parametrize("key", ["page", "pageNo"])
def test_3_2_no_total_is_taken_for_the_end(shop: Shop, key: str, total: Callable[[int], Any]) -> None:
    """Filters and pages are checked: a total that is missing or too small loses no order (interface.md 5)."""
    shop.page_key, shop.total = key, total
    assert len(shop.walk().numbers) == 250


@pytest.mark.parametrize("key", ["page", "pageNo"])
@pytest.mark.parametrize("says", [None, 20])
def test_3_2_pages_may_be_shorter_than_was_asked_for(shop: Shop, key: str, says: int | None) -> None:
    """A system that gives 20 rows at once, and says no total, has shown all only where a page is short or empty."""
    shop.page_key, shop.most, shop.says, shop.total = key, 20, says, lambda _: None
    assert len(shop.walk().numbers) == 250
    assert shop.asked[-1][key] == (14 if says is None else 13)


def test_3_2_a_short_list_without_pages_and_total_is_whole(shop: Shop) -> None:
    shop.page_key, shop.total, shop.rows = None, lambda _: None, shop.rows[:3]
    assert len(shop.walk().numbers) == 3
    shop.read()
    assert shop.is_complete


def test_the_walk_ends_where_it_is_older_than_what_was_asked_for(shop: Shop) -> None:
    shop.rows = [shop.row(number) for number in range(600)]  # the filter is ignored: 25 days, of which 14 are wanted
    shop.walk()
    assert len(shop.asked) == 4
    assert len(shop.wanted()) == 14 * 24 + 1
    shop.asked.clear()
    shop.walk()
    assert len(shop.asked) == 1
    assert "orderDate>=2026-11-27 17:30:00" in str(shop.asked[0]["filters"])


def test_a_list_that_is_in_no_order_is_walked_to_its_end(shop: Shop) -> None:
    shop.rows = [shop.row(600), *(shop.row(number) for number in range(250))]
    assert len(shop.walk().numbers) == 251
    assert len(shop.wanted()) == 250  # the oldest is no news


def test_pages_without_effect_are_told_unless_the_first_one_reaches_back(shop: Shop) -> None:
    shop.page_key = None
    with pytest.raises(BadAnswer, match="pages have no effect"):
        shop.walk()
    assert len(shop.wanted()) == 100  # what it showed is used
    assert not shop.is_complete
    shop.page_key = "page"
    shop.walk()
    shop.page_key = None
    shop.now += DAY
    shop.rows = [shop.row(number) for number in range(-24, 250)]
    shop.walk()  # its hundred orders go back to the newest that was known
    shop.now += 10 * DAY
    shop.rows = [shop.row(number) for number in range(-264, 250)]
    with pytest.raises(BadAnswer):
        shop.walk()


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ([], "no object"),
        ({"error": "no"}, "no object, or calls itself an error"),
        ({"total": 3}, "no list of orders"),
        ({"orders": [], "total": 3}, "no effect"),
    ],
)
def test_an_answer_that_is_no_list_says_nothing(shop: Shop, answer: Any, says: str) -> None:
    shop.orders = lambda wanted: answer  # type: ignore[method-assign]
    with pytest.raises(BadAnswer, match=says):
        shop.walk()
    assert (shop.wanted(), shop.is_complete) == ({}, False)


def test_an_empty_list_is_a_list(shop: Shop) -> None:
    shop.rows = []
    assert shop.walk().numbers == set()
    assert shop.is_complete


def test_rows_that_are_new_or_changed_are_to_be_read(shop: Shop) -> None:
    shop.walk()
    shop.read()
    shop.walk()
    assert shop.wanted() == {}
    shop.rows[3] = shop.row(3, orderStatus="delivered")
    shop.rows.insert(0, shop.row(-1))
    shop.walk()
    assert shop.wanted() == {"N3": "changed", "N-1": "new"}


def test_rows_without_a_number_are_counted_and_the_rest_goes_on(shop: Shop) -> None:
    shop.rows[5] = {"orderDate": "2026-11-29 12:00:00"}
    found = shop.walk()
    assert (len(found.numbers), found.faults) == (249, {"order_without_number": 1})


def test_each_pass_has_its_time(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    real = [1000.0]
    monkeypatch.setattr(listing, "time", SimpleNamespace(time=lambda: real[0]))
    five = timedelta(minutes=5)
    shop.walk(five)
    count = len(shop.asked)
    shop.walk(five)
    assert len(shop.asked) == count
    real[0] += 300  # either clock will do
    shop.walk(five)
    shop.now += five
    shop.walk(five)
    assert len(shop.asked) == count + 2
    shop.now += DAY
    shop.walk(five)
    assert len(shop.asked) > count + 3  # the longer pass


def test_a_new_order_is_known_to_have_been_absent_from_the_last_list(shop: Shop) -> None:
    shop.walk()
    began = shop.now
    shop.now += timedelta(hours=1)
    shop.rows.insert(0, shop.row(-1))
    shop.walk()
    with shop.run.open() as db:
        rows = dict(db.rows("select parcel_id, absent_at from raw.eshopbox_known where parcel_id in ('N-1', 'N0')"))
    assert rows == {"N-1": began, "N0": None}
