"""Names the small files of a route beside the merchant's database: each route has its own."""

from __future__ import annotations

from vs_st_pipeline.platform.warehouse.files import DEFAULT_ROUTE


def named_for(route: str, name: str) -> str:
    """Return the name that this file has for a route: `standing.json`, `orders.standing.json`."""
    return name if route == DEFAULT_ROUTE else f"{route}.{name}"
