"""Reads the catalogue of a shop: each SKU once, with title and price (orders.md 3, `products`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from vs_st_pipeline.connectors.commerce7.client import Commerce7Client
from vs_st_pipeline.connectors.commerce7.walking import pages
from vs_st_pipeline.domain.codec import Beyond
from vs_st_pipeline.domain.records import id_text
from vs_st_pipeline.platform.run import Run

TABLE: Final = "raw.commerce7_products"
SMALLEST: Final = 0.8
"""A catalogue of fewer than this share of the last one's SKUs is not believed: the last one stands."""

_COLUMNS: Final = ("sku", "product_id", "title", "cents")


def read_catalogue(run: Run, client: Commerce7Client) -> int | None:
    """Read the whole catalogue, and store it in place of the last one.

    Returns:
        How many SKUs it has; None where it is not believed, and the last one stands.

    Raises:
        BadAnswer: the list cannot be believed. PipelineError: as the client does.
    """
    found: dict[str, tuple[str | None, ...]] = {}
    for page in pages(client.products, "products", "list_products"):
        for row in page.rows:
            for sku, *rest in _variants(row):
                found.setdefault(sku, (sku, *rest))
    with run.open() as db, db.transaction():
        before = int(db.value(f"select count(*) from {TABLE}"))
        if len(found) < before * SMALLEST:
            return None
        db.execute(f"delete from {TABLE}")
        columns = {name: [row[place] for row in found.values()] for place, name in enumerate(_COLUMNS)}
        with db.batch(columns) as batch:
            db.execute(f"insert into {TABLE} by name select *, ?::timestamp as read_at from {batch}", [run.now()])
    return len(found)


def _variants(row: Any) -> Iterator[tuple[str, str | None, str | None, str | None]]:
    if not isinstance(row, Mapping):
        return
    title, variants = row.get("title"), row.get("variants")
    for one in variants if isinstance(variants, list) else ():
        sku = one.get("sku") if isinstance(one, Mapping) else None
        if isinstance(sku, str) and sku.strip():
            price = None if isinstance(one.get("price"), Beyond | str | bool) else one.get("price")
            cents = None if price is None or isinstance(price, Mapping | list) else str(price)
            yield sku.strip(), id_text(row.get("id")), title if isinstance(title, str) else None, cents
