"""Names the small files of a route beside the merchant's database: each route has its own."""

from __future__ import annotations

FIRST = "contacts"
"""The route whose files and names are older than routes are: they stay as they are."""


def named_for(route: str, name: str) -> str:
    """Return the name that this file has for a route: `standing.json`, `orders.standing.json`."""
    return name if route == FIRST else f"{route}.{name}"
