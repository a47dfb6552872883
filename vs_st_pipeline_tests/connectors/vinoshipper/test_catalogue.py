"""Reading all that is sold through calls of which nothing but the path is known (orders.md 3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from vs_st_pipeline.connectors.vinoshipper.catalogue import feed_rows, read_catalogue
from vs_st_pipeline.domain.errors import BadAnswer, BadKey, Forbidden, PipelineError, Refused, TryLater
from vs_st_pipeline.domain.order_desk import Catalogue
from vs_st_pipeline.platform.http.client import Answer

MISSING = Refused("not there", http_status=404, said={})


class Shop:
    """Answers in place of the HTTP client: `lists` makes the list's answer from the query."""

    def __init__(self, lists: Any, feed: Any = MISSING, profile: Any = None) -> None:
        self.lists, self.feed, self.told = lists, feed, {"id": 7} if profile is None else profile
        self.asked: list[str] = []
        self.http = self

    def profile(self) -> Any:
        return self.told

    def request(self, call: str, method: str, path: str, *, shape: Any, params: Mapping[str, Any]) -> Answer[Any]:
        assert method == "GET"
        self.asked.append(f"{path}?{'&'.join(f'{k}={v}' for k, v in params.items())}")
        found = self.feed if "/feeds/" in path else self.lists
        found = found(params) if callable(found) else found
        if isinstance(found, PipelineError):
            raise found
        return Answer(found, 200, None, None)


def rows(count: int, first: int = 0) -> list[dict[str, Any]]:
    return [{"id": i + 1, "sku": f"SKU{i}", "name": f"Wine {i}", "price": 10 + i} for i in range(first, first + count)]


def read(shop: Shop) -> Catalogue:
    return read_catalogue(shop)  # type: ignore[arg-type]


def skus(shop: Shop) -> tuple[str, int]:
    found = read(shop)
    return found.way, len(found.products)


def paged(count: int, *names: str, size: int = 10, total: bool = False) -> Any:
    """A list of pages that knows these names of paging."""

    def answer(params: Mapping[str, Any]) -> Any:
        start = 0
        if names and names[0] in params:
            start = params[names[0]] * (1 if names[0] == "offset" else params[names[1]])
        body: dict[str, Any] = {"items": rows(count)[start : start + size]}
        return {**body, "total": count} if total else body

    return answer


@pytest.mark.parametrize(
    "names", [("pageIndex", "pageSize"), ("page", "size"), ("offset", "limit")], ids=lambda names: names[0]
)
@pytest.mark.parametrize("total", [False, True])
def test_all_pages_are_read_whatever_they_are_called(names: tuple[str, str], total: bool) -> None:
    assert skus(Shop(paged(34, *names, total=total))) == ("products", 34)
    assert skus(Shop(paged(30, *names, total=total))) == ("products", 30)


def test_a_short_list_takes_one_request() -> None:
    for total in (False, True):
        shop = Shop(paged(7, "pageIndex", "pageSize", total=total))
        assert skus(shop) == ("products", 7)
        assert shop.asked == ["/api/v3/p/products?"]


def test_a_list_that_may_be_cut_is_completed_by_the_feed() -> None:
    cut = Shop(paged(34), {"producer": {"id": 7}, "products": rows(24, 10)})
    assert skus(cut) == ("products", 34)
    assert cut.asked[-1] == "/api/v3/feeds/vs/7/products?soldOut=True"
    assert skus(Shop(paged(34, total=True), MISSING)) == ("products", 10)


@pytest.mark.parametrize("key", ["items", "products", "results", "content", "data"])
def test_the_list_may_have_any_name(key: str) -> None:
    assert skus(Shop({key: rows(3)})) == ("products", 3)
    assert skus(Shop(rows(3))) == ("products", 3)


def test_a_product_may_tell_its_sku_in_a_part() -> None:
    found = read(
        Shop([{"id": 1, "summary": {"sku": " A ", "name": "Wine"}, "price": {"amount": "1,200.50"}}, {"id": 2}])
    )
    (product,) = found.products
    assert (product.sku, product.name, str(product.price)) == ("A", "Wine", "1200.50")


@pytest.mark.parametrize(
    "lists",
    [
        MISSING,
        Refused("no such method", http_status=405),
        Forbidden("no right", http_status=403),
        TryLater("broken", http_status=500),
        {"items": []},
        {"items": [{"id": 1}]},
        {"error": {"type": "SERVER_ERROR"}, "items": rows(3)},
        {"unexpected": 1},
    ],
)
def test_the_feed_stands_in(lists: Any) -> None:
    assert skus(Shop(lists, {"products": rows(4)})) == ("feed", 4)


def test_where_neither_call_is_there_that_is_said() -> None:
    assert read(Shop(MISSING, MISSING)) == Catalogue((), "none")


@pytest.mark.parametrize(
    ("lists", "feed"),
    [
        ({"items": []}, MISSING),
        ({"items": []}, {"products": []}),
        (MISSING, {"products": []}),
        (MISSING, {"producer": {"id": 8}, "products": rows(4)}),
        (BadAnswer("odd"), MISSING),
    ],
)
def test_an_answer_without_products_says_nothing(lists: Any, feed: Any) -> None:
    with pytest.raises(BadAnswer):
        read(Shop(lists, feed))
    with pytest.raises(BadAnswer):
        read(Shop(lists, {"products": rows(4)}, profile={"name": "no id"}))


@pytest.mark.parametrize("error", [BadKey("no", http_status=401), TryLater("no answer")])
def test_what_is_wrong_with_all_calls_is_raised(error: PipelineError) -> None:
    shop = Shop(error, {"products": rows(4)})
    with pytest.raises(type(error)):
        read(shop)
    assert len(shop.asked) == 1


def test_a_feed_without_any_sku_shows_a_shops_products_and_no_catalogue() -> None:
    """audience.md 4.2: a product is known by its id, its SKU is a column; orders.md 3 joins by SKU alone."""
    bare = [{"id": 1, "name": "Wine 1", "price": 10}, {"id": 2, "name": "Wine 2", "sku": None}]
    shop: Any = Shop(MISSING, feed={"producer": {"id": 7}, "products": bare})
    assert feed_rows(shop, needs_sku=False) == bare
    with pytest.raises(BadAnswer):
        feed_rows(shop)
    nothing: Any = Shop(MISSING, feed={"producer": {"id": 7}, "products": [{"state": "CA"}]})
    with pytest.raises(BadAnswer):
        feed_rows(nothing, needs_sku=False)
