"""Asks the route that reads a system for all to read orders first (notices.md 5.6; routes.md R34).

Data flow: orders whose read is too old -> hints of the inbox for the route that reads them.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final

from vs_st_pipeline.domain.hints import ORDER, Call
from vs_st_pipeline.platform.inbox.store import UNUSABLE, Arrival, Inbox
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.routes.notices.session import NoticesSession
from vs_st_pipeline.routes.notices.systems import NAME

MOST: Final = 100
"""Orders that are asked for at once: a sync is made every minute."""


def ask(run: Run, system: str, route: str, own: Sequence[str]) -> None:
    """Hint at these orders for the route that reads the system; a dry run, and a route that is this one, asks nobody.

    An order that was asked for and is still waiting to be read is no second hint.
    """
    if run.dry_run or route == NAME or not own:
        return
    inbox = run.inbox if run.inbox is not None else Inbox(run.warehouse.data_dir)
    with suppress(*UNUSABLE):  # then the reader's own turn comes, and the message waits until then
        waiting = {
            one.record
            for one in inbox.waiting([run.merchant.id], route=route)
            if (one.system, one.kind) == (system, ORDER)
        }
        at = datetime.fromtimestamp(inbox.said_now(), UTC).isoformat()
        inbox.put(
            [
                Arrival(run.merchant.id, system, Call(ORDER, one, event=f"route {NAME} asks"), (route,), at)
                for one in [one for one in own if one not in waiting][:MOST]
            ]
        )


def own_of(system: str, merchant_orders: Collection[str]) -> list[str]:
    """Return the ids of those of these orders that are of a system."""
    begin = f"{system}:"
    return sorted(one.removeprefix(begin) for one in merchant_orders if one.startswith(begin))


def merchant_order(run: Run, system: str, own: str) -> str | None:
    """Return the merchant_order whose journey an order of a system belongs to; None: none is known."""
    with run.open() as db:
        found: str | None = db.value(
            "select merchant_order from staged.source_orders where source = ? and own = ?", [system, own]
        )
    return found


def joined(run: Run, system: str, merchant_orders: Collection[str]) -> list[str]:
    """Return the ids of a system's orders whose words joined the journeys of these orders of another one (R37)."""
    with run.open() as db, db.batch({"merchant_order": sorted(merchant_orders)}) as batch:
        rows = db.rows(
            f"""select own from staged.source_orders where source = ? and merchant_order <> source || ':' || own
                and merchant_order in (select merchant_order from {batch}) order by own""",
            [system],
        )
    return [row[0] for row in rows]


def is_over(session: NoticesSession) -> bool:
    """Say whether reading what can wait is left to the next sync (routes.md R54, R63)."""
    return session.run.over_budget(sum(calls.total() for calls in session.report.calls.values()))
