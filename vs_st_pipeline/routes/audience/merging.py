"""Brings staged.shop_* in step with what a source said, record by record, in SQL (audience.md 4.3, 4.4, 10).

Data flow: a source's rows in temporary tables of the columns of 4.1 -> staged.shop_*, with the house's columns.

Who came, changed, or is gone from a complete read is worked out here and nowhere else, for all sources: of a record the
newer of what was written before and now wins; a complete read removes nothing that a newer post brought; an unchanged
record costs a comparison and no write.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.routes.audience.session import AudienceSession


@dataclass(frozen=True, slots=True)
class Incoming:
    """One kind of records as a source says them now.

    Attributes:
        kind: customers, subscribers, products, wishlists, orders, carts.
        table: a temporary table with the columns of 4.1 and `extra`, those that the source does not know left out
            (they stay as they are), and where they apply: `evidence`; `own_at`; `at` (a row's own `written_at`).
        parts: temporary tables of what belongs to the records (addresses, options, lines), by staged table; a record
            that stands in `table` has exactly these parts. A table not named leaves the parts as they are.
        complete: whoever is not in `table` is gone; else nobody is.
        written_at: when this was so at the source (UTC without zone): a drop's `taken_at`, the begin of a read.
        ended_at: when the complete read ended.
    """

    kind: str
    table: str
    written_at: datetime
    parts: Mapping[str, str] = field(default_factory=dict)
    complete: bool = False
    ended_at: datetime | None = None


@dataclass(slots=True)
class Merged:
    """What a merge did."""

    came: int = 0
    changed: int = 0
    gone: int = 0


def merge(session: AudienceSession, db: Db, incoming: Incoming) -> Merged:
    """Merge, inside the caller's transaction; counts unusable rows and notes (10) in staged.unusable, staged.shop_notes.

    Moves `staged.shop_generation` where anything changed, and adds a row to `staged.shop_reads` of a complete read.
    """
    raise NotImplementedError
