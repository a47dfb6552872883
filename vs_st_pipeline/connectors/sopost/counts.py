"""Counts what waits: events in the inbox, and orders that are not settled, by reason (`vs-st consumers inbox`)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from vs_st_pipeline.connectors.sopost.names import SOPOST
from vs_st_pipeline.connectors.sopost.streams import ORDER, ORDERS
from vs_st_pipeline.domain.hints import WHOLE
from vs_st_pipeline.platform.inbox.store import Inbox
from vs_st_pipeline.platform.warehouse.connection import Db

NEW: Final = "new"  # never tried
GAVE_UP: Final = "gave_up"  # tried for thirty days; a new event has it tried again


@dataclass(frozen=True, slots=True)
class Events:
    """What the inbox keeps of SoPost's calls for one merchant.

    Attributes:
        waiting: events that no sync has taken. oldest: when the first of them came (UTC); None: none waits.
        unusable: calls that named no order, of those that are kept. last: when any call came last.
    """

    waiting: int = 0
    oldest: datetime | None = None
    unusable: int = 0
    last: datetime | None = None


def waiting(db: Db) -> dict[str, int]:
    """Return how many orders wait, by reason: `new`, `pending`, `not_found`, `not_visible`, `unreadable`, `read` (to be
    read again, because the last answer was not whole), and how many were given up (`gave_up`), which wait for an event.
    """
    rows = db.rows(
        f"""select case when gave_up then '{GAVE_UP}' when left_at is null then '{NEW}' else last_try end, count(*)
            from {ORDERS.table} where gave_up or left_at is null or next_try_at is not null group by 1 order by 1"""
    )
    return {row[0]: row[1] for row in rows}


def count_waiting(db: Db) -> int:
    """Return how many orders wait to be read by themselves."""
    return sum(count for reason, count in waiting(db).items() if reason != GAVE_UP)


def events(inbox: Inbox | None, merchant_id: str) -> Events:
    """Return what the inbox keeps of SoPost's calls; raises as SQLite does where it cannot be read."""
    if inbox is None or not inbox.exists:
        return Events()
    [(count, oldest)] = inbox.ask(
        """select count(*), min(e.at) from hints as h join entries as e using (entry)
           where h.merchant = ? and h.system = ? and h.kind = ? and h.state in ('waiting', 'working')""",
        [merchant_id, SOPOST, ORDER],
    ) or [(0, None)]
    [(unusable, last)] = inbox.ask(
        "select coalesce(sum(kind = ?), 0), max(at) from entries where merchant = ? and system = ?",
        [WHOLE, merchant_id, SOPOST],
    ) or [(0, None)]
    return Events(int(count), _utc(oldest), int(unusable), _utc(last))


def _utc(at: str | None) -> datetime | None:
    return datetime.fromisoformat(at).astimezone(UTC) if at else None
