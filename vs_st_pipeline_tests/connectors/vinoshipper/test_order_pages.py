"""Pages of an order search while orders come in between them."""

from __future__ import annotations

import json
from datetime import date, timedelta
from typing import Any

import pytest

from vs_st_pipeline.connectors.vinoshipper.client import OrderPage
from vs_st_pipeline.connectors.vinoshipper.order_search import OrderSearch
from vs_st_pipeline.domain.errors import BadAnswer

DAY = date(2026, 3, 1)


class Shop:
    """A search that obeys `pageIndex`; orders come in before its second request."""

    def __init__(self, orders: list[str], come_in: list[str], page_rows: int = 100) -> None:
        self.orders, self.come_in, self.page_rows = orders, come_in, page_rows
        self.asked: list[dict[str, Any]] = []

    def search_orders(self, query: dict[str, Any]) -> OrderPage:
        if len(self.asked) == 1:
            self.orders = [*self.come_in, *self.orders]
        self.asked.append(query)
        size = query.get("pageSize", self.page_rows)
        start = query.get("pageIndex", 0) * size
        rows = self.orders[start : start + size]
        return OrderPage(None, [json.dumps({"orderNumber": one, "customer": {"id": 1}}).encode() for one in rows])


def numbers(shop: Any, search: OrderSearch) -> list[str]:
    return sorted({row.number for rows in search.window(DAY, DAY + timedelta(days=3)) for row in rows})


@pytest.mark.parametrize("learned", [{}, {"style": "pageIndex", "paging_works": True}])
def test_an_order_that_comes_in_after_a_page_of_one_order_is_no_fault_of_the_search(learned: dict[str, Any]) -> None:
    """The page after it shows that order again, parameters without effect show both: neither is what it seems."""
    shop = Shop(["a"], ["b"])
    search = OrderSearch(shop, learned)  # type: ignore[arg-type]
    assert numbers(shop, search) == ["a", "b"]
    assert (search.style, search.paging_works) == ("pageIndex", True)
    assert len(shop.asked) == 7, "the first page twice, and the window once more"


class Repeating(Shop):
    """A search whose pages after the second are the second again."""

    def search_orders(self, query: dict[str, Any]) -> OrderPage:
        return super().search_orders({**query, "pageIndex": min(query.get("pageIndex", 0), 1)})


def test_pages_that_repeat_without_an_order_coming_in_are_refused() -> None:
    shop = Repeating(["a", "b", "c"], [], page_rows=1)
    with pytest.raises(BadAnswer, match="came twice"):
        numbers(shop, OrderSearch(shop))  # type: ignore[arg-type]
