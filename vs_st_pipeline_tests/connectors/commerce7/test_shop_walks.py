"""Tests walks over a shop's lists against a list in memory: what is believed, what waits, what goes on."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

import pytest

from vs_st_pipeline.connectors.commerce7 import CONNECTOR
from vs_st_pipeline.connectors.commerce7.shop_lists import BY_NAME
from vs_st_pipeline.connectors.commerce7.shop_orders import walk_orders
from vs_st_pipeline.connectors.commerce7.shop_walks import Walked, walk_list
from vs_st_pipeline.domain.errors import BadAnswer, Refused
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.settings.merchants import Merchant
from vs_st_pipeline.platform.warehouse.files import Warehouse
from vs_st_pipeline.platform.warehouse.migrations import SHARED, Layout, read_lineage

Row = dict[str, Any]


@dataclass
class Shop:
    """A list of people, page by page. mode: cursor, pages (a cursor is ignored), circle, or always (a cursor)."""

    run: Run
    rows: list[Any]
    size: int = 2
    mode: str = "cursor"
    asked: list[str] = field(default_factory=list)
    dead: set[str] = field(default_factory=set)
    each: Callable[[Shop], None] = lambda shop: None

    def customers(self, cursor: str) -> Row:
        self.asked.append(cursor)
        if cursor in self.dead:
            raise Refused("no", http_status=422)
        number = int(cursor.split(":")[1]) - 1 if cursor.startswith("page:") else 0
        first = number * self.size if self.mode not in ("cursor", "always") or cursor == "start" else int(cursor)
        page, last = self.rows[first : first + self.size], first + self.size >= len(self.rows)
        answer: Row = {"customers": json.loads(json.dumps(page))}
        if self.mode == "cursor":
            answer |= {} if last else {"cursor": str(first + self.size)}
        elif self.mode == "always":
            answer["cursor"] = str(first + len(page))
        elif self.mode == "pages":
            answer["total"] = len(self.rows)
        else:
            answer["cursor"] = "again"
        self.each(self)
        return answer

    def walk(self, pages: int = 1000, **run: Any) -> Walked:
        left = iter(range(pages - 1))
        one = BY_NAME["customers"]
        return walk_list(
            replace(self.run, **run), self, replace(one, ask=lambda shop, cursor: shop.customers(cursor)),  # type: ignore[arg-type]
            lambda: next(left, None) is not None,
        )  # fmt: skip

    def known(self) -> dict[str, Row]:
        with self.run.open() as db:
            return {row[0]: json.loads(row[1]) for row in db.rows("select id, mapped from raw.commerce7_people")}


class Clock:
    def __init__(self) -> None:
        self.moved = timedelta(0)

    def __call__(self) -> datetime:
        return datetime(2026, 5, 1, 12, tzinfo=UTC) + self.moved


def person(number: int, **more: Any) -> Row:
    return {
        "id": f"c{number}", "firstName": "Ada", "lastName": f"L{number}", "birthDate": "1980-05-17",
        "emails": [{"email": f"a{number}@example.com"}], "phones": [], "emailMarketingStatus": "Subscribed",
        "createdAt": "2026-01-01T00:00:00Z", "updatedAt": "2026-01-01T00:00:00Z", **more,
    }  # fmt: skip


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def shop(tmp_path: Path, clock: Clock) -> Iterator[Shop]:
    assert CONNECTOR.migrations is not None
    streams = tuple(("commerce7", stream) for stream in CONNECTOR.streams)
    layout = Layout((SHARED, read_lineage("commerce7", CONNECTOR.migrations)), None, streams)
    warehouse = Warehouse(tmp_path, {"audience": layout})
    with ExitStack() as kept:
        kept.enter_context(warehouse.keeping("hillside", "audience"))
        run = Run(Merchant("hillside", "A winery"), warehouse, clock, route="audience")
        yield Shop(run, [person(number) for number in range(5)])


def test_a_walk_shows_all_and_a_second_one_changes_nothing(shop: Shop) -> None:
    """4.2: the list from its start to its end."""
    assert shop.walk().changed == 5
    found = shop.walk()
    assert (found.rows, found.ended, found.complete, found.changed) == (5, True, True, 0)
    assert shop.known()["c3"]["email"] == "a3@example.com"


def test_a_walk_that_is_broken_off_goes_on_where_it_was(shop: Shop) -> None:
    """R54: what was read is not read again, and nothing counts before the end."""
    assert not shop.walk(pages=2).ended
    assert not shop.known()
    assert shop.walk().complete
    assert shop.asked == ["start", "2", "4"]
    assert len(shop.known()) == 5


def test_a_cursor_that_leads_nowhere_begins_anew(shop: Shop) -> None:
    """4.2: a cursor may be forgotten by the other side between two syncs."""
    shop.walk(pages=2)
    shop.dead.add("4")
    with pytest.raises(Refused):
        shop.walk()  # it began anew, and the same cursor is refused in this walk, too
    shop.dead.clear()
    assert shop.walk().complete
    assert len(shop.known()) == 5


def test_an_old_cursor_is_not_followed(shop: Shop, clock: Clock) -> None:
    """4.2: what a cursor of days ago leads to is not known."""
    shop.walk(pages=2)
    clock.moved = timedelta(days=2)
    assert shop.walk().complete
    assert shop.asked[2] == "start"


def test_where_a_cursor_is_ignored_pages_are_asked_for(shop: Shop) -> None:
    """11, `cursor: ignored`: the answer tells a total, and pages show all."""
    shop.mode = "pages"
    shop.size = 50
    shop.rows = [person(number) for number in range(120)]
    assert shop.walk().complete
    assert shop.asked == ["start", "page:2:50", "page:3:100"]
    assert len(shop.known()) == 120


def test_an_empty_page_with_its_own_cursor_is_the_end(shop: Shop) -> None:
    """4.2; facts: clients stop on an empty page too, and some lists give a cursor with each."""
    shop.mode = "always"
    found = shop.walk()
    assert (found.rows, found.ended, found.complete) == (5, True, True)
    assert shop.asked == ["start", "2", "4", "5"]


def test_an_empty_page_of_orders_with_its_own_cursor_is_the_end(shop: Shop) -> None:
    """4.2: the list of orders likewise."""
    order = {"id": "o1", "orderNumber": 1, "createdAt": "2026-02-01T00:00:00Z", "total": 1, "items": []}

    class Client:
        asked: ClassVar[list[str]] = []

        def orders(self, _wanted: Any, cursor: str) -> Row:
            self.asked.append(cursor)
            return {"orders": [order] if cursor == "start" else [], "cursor": "one"}

    found = walk_orders(shop.run, Client(), lambda: True)  # type: ignore[arg-type]
    assert (found.rows, found.ended, Client.asked) == (1, True, ["start", "one"])


def test_a_list_in_circles_is_not_believed(shop: Shop) -> None:
    """10: what is known stands."""
    shop.walk()
    shop.mode = "circle"
    with pytest.raises(BadAnswer):
        shop.walk()
    assert len(shop.known()) == 5


def test_whoever_moves_during_a_walk_is_not_gone(shop: Shop) -> None:
    """11, `moves_during_walk`: one is shown twice, another one not at all; the list is walked once more."""
    shop.walk()

    def move(shop: Shop) -> None:
        if len(shop.asked) == 4:  # after the first page, its last record goes behind all others
            shop.rows.append(shop.rows.pop(1))

    shop.each = move
    found = shop.walk()
    assert (found.rows, found.complete) == (5, True)
    assert len(shop.known()) == 5


def test_who_is_in_no_walk_is_gone(shop: Shop) -> None:
    """6.2, `gone from a complete read`: the list is walked twice before it is believed, in the same sync."""
    shop.walk()
    shop.asked.clear()
    del shop.rows[1]
    assert shop.walk().complete
    assert shop.asked == ["start", "2", "start", "2"]
    assert "c1" not in shop.known()


def test_whoever_lacks_while_another_one_shows_twice_is_not_gone(shop: Shop) -> None:
    """6.2, `gone from a complete read`: a list that shows somebody twice, also when walked once more, is none."""
    shop.walk()
    shop.rows[1] = shop.rows[3]
    found = shop.walk()
    assert (found.rows, found.ended, found.complete) == (4, True, False)
    assert "c1" in shop.known()
    shop.rows[1] = person(1)
    assert shop.walk().complete


def test_a_row_that_names_nobody_keeps_all(shop: Shop) -> None:
    """R22: somebody may be behind it, so nobody is gone."""
    shop.walk()
    shop.rows[1] = {"error": "no"}
    assert not shop.walk().complete
    assert "c1" in shop.known()


def test_what_an_answer_leaves_out_stays_until_it_is_left_out_twice(shop: Shop, clock: Clock) -> None:
    """R23: absent is no statement; a second absence 15 minutes later clears, but never a birth date."""
    shop.walk()
    for key in ("emailMarketingStatus", "birthDate", "lastName"):
        del shop.rows[2][key]
    shop.walk()
    assert shop.known()["c2"]["opted_in"] is True
    clock.moved = timedelta(minutes=20)
    shop.walk()
    assert shop.known()["c2"]["opted_in"] is None
    assert shop.known()["c2"]["last_name"] is None
    assert shop.known()["c2"]["birth_date"] == "1980-05-17"


def test_a_list_of_another_form_changes_nothing(shop: Shop) -> None:
    """10."""
    shop.walk()
    shop.rows = [{"number": number} for number in range(30)]
    with pytest.raises(BadAnswer):
        shop.walk()
    assert len(shop.known()) == 5
    shop.rows = [person(0)]
    assert shop.walk().complete
