"""Few combinations in which every two values of two names meet: most faults need no more than two causes."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator
from typing import Any


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
