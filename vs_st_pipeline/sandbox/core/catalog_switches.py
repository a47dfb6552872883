"""Defines the switches of what route `audience` alone reads of two shops: the window of one, the lists of the other.

The default is the first value. A comment says what a value does where its word alone does not.
"""

from __future__ import annotations

from typing import Any

SHOP_WINDOW: dict[str, list[Any]] = {
    "feed": ["works", 404, "empty", "no_inventory"],  # empty: no product at all; no_inventory: products lack the key
    "sold_out": ["works", "ignored"],  # ignored: sold out products are left out, whatever is asked for
}
"""Of Vinoshipper."""

SHOP_LISTS: dict[str, list[Any]] = {
    "carts": ["works", 404, "other_shape"],
    # While a list is paged a new record comes before all others, so that one is shown twice; another one was changed
    # after it had been shown.
    "moves_during_walk": [False, True],
    "page_cap": [50, 5],  # rows of a page, however many are asked for
}
"""Of Commerce7."""
