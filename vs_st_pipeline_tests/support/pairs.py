"""Few combinations in which every two values of two names meet: most faults need no more than two causes."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator
from typing import Any

# What decides how both systems are read.
SHOP = (
    "paging", "page_cap", "date_filter", "dup_rows", "inclusive_end", "tz", "envelope", "total_key",
    "customers_paging", "customers_page_cap", "list_changes_while_paged", "orders_change_while_paged", "short_list",
    "customer_search",
)  # fmt: skip
TEXTING = (
    "since_inclusive", "oversize_page", "page_cap", "contacts_change_while_paged", "short_list", "null_style",
    "custom_fields_read_key",
)  # fmt: skip


def all_pairs(values: dict[str, list[Any]]) -> Iterator[dict[str, Any]]:
    """Combinations in which every two values of two names meet; always the same ones."""
    names = list(values)
    unmet = {
        frozenset(((a, i), (b, j)))
        for a, b in itertools.combinations(names, 2)
        for i in range(len(values[a]))
        for j in range(len(values[b]))
    }
    used: Counter[tuple[str, int]] = Counter()
    while unmet:
        chosen = dict(min(unmet, key=sorted))
        for name in names:
            if name not in chosen:
                chosen[name] = max(
                    range(len(values[name])),
                    key=lambda i: (
                        sum(frozenset(((name, i), pair)) in unmet for pair in chosen.items()),
                        -used[name, i],
                    ),
                )
        used.update(chosen.items())
        unmet -= {frozenset(pair) for pair in itertools.combinations(chosen.items(), 2)}
        yield {name: values[name][chosen[name]] for name in names}
