"""Describes where raw records stand: what a connector declares of each kind of record that its system is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

REDUCED: Final = "reduced"
"""In the place of a body's hash, of a body that was reduced: whatever comes in next differs from it, and is stored."""


@dataclass(frozen=True, slots=True)
class Stream:
    """One kind of record of a system, as `raw` holds it.

    Attributes:
        name: its word in asset keys and reports, such as `customers`.
        kind: the word for one of them, such as `customer`, which no other system's records have: what is kept of
            forgotten people and of records that cannot be read is kept under it.
        table: its table, one row per record.
        key: the column that holds a record's own id.
        hinted: the word by which hints name one, where that is another; `""`: the same.
        parts: words for what is read of such a record by itself, under the record's id: an order's `receipt`.
    """

    name: str
    kind: str
    table: str
    key: str
    parts: tuple[str, ...] = ()
    hinted: str = ""
