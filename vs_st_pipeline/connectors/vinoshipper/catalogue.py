"""Reads all that a winery sells: the producer's own list, failing that the feed of its shop window (orders.md 3).

Data flow: `GET /p/products` page by page, else `GET /feeds/vs/{profile id}/products` -> Catalogue

Neither is documented beyond its path. A list that may be cut is completed by the feed, because a product that it lacks
would hold back every order for it; an empty list says nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final
from urllib.parse import quote

from vs_st_pipeline.connectors.vinoshipper.client import PREFIX, TOTAL_KEYS, VinoshipperClient, whole_number
from vs_st_pipeline.connectors.vinoshipper.names import VINOSHIPPER
from vs_st_pipeline.domain.codec import JSON
from vs_st_pipeline.domain.errors import BadAnswer, Forbidden, PipelineError, Refused, TryLater
from vs_st_pipeline.domain.formats import as_code, as_decimal, as_mapping, as_text
from vs_st_pipeline.domain.order_desk import Catalogue, ShipperProduct
from vs_st_pipeline.domain.records import id_text, is_error
from vs_st_pipeline.platform.http.client import Answer

PRODUCTS, FEED, NONE = "products", "feed", "none"
_ROW_KEYS: Final = ("items", "products", "results", "content", "data")
_STYLES: Final = (("pageIndex", "pageSize"), ("page", "size"), ("offset", "limit"))
_PAGES: Final = (10, 25)
_MOST_PAGES: Final = 400
_NO_SUCH_CALL: Final = (400, 404, 405, 410, 501)

Row = Mapping[str, Any]


def read_catalogue(vs: VinoshipperClient) -> Catalogue:
    """Read all products; `way` is `none` where neither call is there.

    Raises:
        PipelineError: neither call answered with products; nothing is known of what is sold.
    """
    rows, whole, failed = _tried_list(vs)
    if rows and whole:
        return Catalogue(_products(rows), PRODUCTS)
    fed, feed_failed = _tried_feed(vs)
    if rows or fed:
        return Catalogue(_products([*rows, *fed]), PRODUCTS if rows else FEED)
    for error in (failed, feed_failed):
        if error is not None and not _is_missing(error):
            raise error
    if failed is not None and feed_failed is not None:
        return Catalogue((), NONE)
    raise BadAnswer(
        "the catalogue shows no product at all; nothing is taken from it", system=VINOSHIPPER, call=PRODUCTS
    )


def _tried_list(vs: VinoshipperClient) -> tuple[list[Row], bool, PipelineError | None]:
    try:
        return *_list(vs), None
    except PipelineError as error:
        if not _may_try_otherwise(error):
            raise
        return [], False, error


def _tried_feed(vs: VinoshipperClient) -> tuple[list[Row], PipelineError | None]:
    try:
        return feed_rows(vs), None
    except PipelineError as error:
        if not _may_try_otherwise(error):
            raise
        return [], error


def _may_try_otherwise(error: PipelineError) -> bool:
    """Say whether an error is about one call; the key's, and a system that does not answer at all, are about all."""
    return isinstance(error, (Refused, BadAnswer, Forbidden)) or (
        isinstance(error, TryLater) and (error.http_status or 0) >= 500
    )


def _is_missing(error: PipelineError) -> bool:
    return isinstance(error, Refused) and error.http_status in _NO_SUCH_CALL


def _list(vs: VinoshipperClient) -> tuple[list[Row], bool]:
    """Return the rows of the producer's list, and whether they are all for sure."""
    first, total = _page(vs, {})
    if not first or (not _may_be_cut(first) and (total is None or total <= len(first))):
        return first, True
    for names in _STYLES:
        found, total, ended = _next_pages(vs, first, total, names)
        if ended or len(found) > len(first):  # this style has an effect
            return found, ended and (total is None or total <= len(found))
    return first, False


def _next_pages(
    vs: VinoshipperClient, first: list[Row], total: int | None, names: tuple[str, str]
) -> tuple[list[Row], int | None, bool]:
    """Return the rows of all pages, the total, and whether a page came that has no row: the end."""
    found, seen = list(first), _keys(first)
    for number in range(1, _MOST_PAGES):
        place = number * len(first) if names[0] == "offset" else number
        try:
            rows, told = _page(vs, {names[0]: place, names[1]: len(first)})
        except Refused:
            return found, total, len(found) > len(first)  # past the end, or names that it does not like
        new = [row for row in rows if _key(row) not in seen]
        found, seen, total = found + new, seen | _keys(new), told if told is not None else total
        if not new or (len(rows) < len(first) and total == len(found)):
            return found, total, not rows or bool(new)
    return found, total, False


def _may_be_cut(rows: list[Row]) -> bool:
    """Say whether it is as long as a server's page may be: those are round numbers."""
    return any(len(rows) % size == 0 for size in _PAGES)


def _page(vs: VinoshipperClient, params: Mapping[str, int]) -> tuple[list[Row], int | None]:
    answer: Answer[Any] = vs.http.request(PRODUCTS, "GET", f"{PREFIX}/products", shape=JSON, params=params)
    body = answer.value
    total = (
        next((whole_number(body[key]) for key in TOTAL_KEYS if key in body), None) if isinstance(body, dict) else None
    )
    return _rows(answer, PRODUCTS, _sku), total


def feed_rows(vs: VinoshipperClient, *, needs_sku: bool = True) -> list[Row]:
    """Read the feed of the shop window, sold-out products too.

    Args:
        needs_sku: whether a list in which no row has one is believed to be none of products; else an id will do.

    Raises:
        BadAnswer: it is another producer's, or no list. PipelineError: as the client does.
    """
    profile = id_text(vs.profile().get("id"))
    if profile is None:
        raise BadAnswer(
            "the profile has no id, so the product feed cannot be asked", system=VINOSHIPPER, call="profile"
        )
    path = f"/api/v3/feeds/vs/{quote(profile, safe='')}/products"
    answer: Answer[Any] = vs.http.request("product_feed", "GET", path, shape=JSON, params={"soldOut": True})
    producer = as_mapping(as_mapping(answer.value).get("producer"))
    if id_text(producer.get("id")) not in (None, profile):
        raise BadAnswer("the product feed is another producer's", system=VINOSHIPPER, call="product_feed")
    return _rows(answer, "product_feed", _sku if needs_sku else _id)


def _rows(answer: Answer[Any], call: str, told: Callable[[Row], str | None]) -> list[Row]:
    body = answer.value
    rows = body if isinstance(body, list) else None
    if isinstance(body, dict) and not is_error(body):
        rows = next((body[key] for key in _ROW_KEYS if isinstance(body.get(key), list)), None)
    if rows is None or (rows and not any(told(row) for row in rows if isinstance(row, Mapping))):
        raise BadAnswer(
            "no list of products was found in the answer",
            system=VINOSHIPPER,
            call=call,
            http_status=answer.status,
            trace_id=answer.trace_id,
        )
    return [row for row in rows if isinstance(row, Mapping)]


def _id(row: Row) -> str | None:
    return id_text(row.get("id"))


def _key(row: Row) -> str:
    return _id(row) or _sku(row) or repr(sorted(row))


def _keys(rows: list[Row]) -> set[str]:
    return {_key(row) for row in rows}


def _sku(row: Row) -> str | None:
    """Return the SKU as it is; a producer's own record may have it in one of its parts."""
    for holder in (row, as_mapping(row.get("summary")), as_mapping(row.get("detail"))):
        if (told := as_code(holder.get("sku"))) is not None:
            return told.strip()
    return None


def _products(rows: list[Row]) -> tuple[ShipperProduct, ...]:
    found: dict[str, ShipperProduct] = {}
    for row in rows:
        sku = _sku(row)
        if sku is not None and sku not in found:
            found[sku] = ShipperProduct(sku, _name(row), _price(row))
    return tuple(found.values())


def _name(row: Row) -> str | None:
    for holder in (row, as_mapping(row.get("summary")), as_mapping(row.get("detail"))):
        for key in ("name", "productName", "displayName"):
            if (told := as_text(holder.get(key))) is not None:
                return told
    return None


def _price(row: Row) -> Decimal | None:
    told = as_mapping(row.get("price"))
    for value in (
        row.get("price"),
        told.get("price"),
        told.get("amount"),
        as_mapping(row.get("priceMeta")).get("msrp"),
    ):
        if (amount := as_decimal(value)) is not None:
            return amount
    return None
