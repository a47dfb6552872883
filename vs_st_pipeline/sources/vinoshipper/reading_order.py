"""What to read next, one order of need for everything: hinted, never read, newly linked, changed, overdue, rotation.

Every sync reads all but the last whole; of the rest (records whose turn comes within the period) it reads the share
that the time since the last sync asks for, oldest first, so that reading is spread evenly and an outage is made
good without more than what is overdue. A sync with a small budget takes the head of the same queue.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from vs_st_pipeline.marks import CLOCK_SLACK, share
from vs_st_pipeline.run import Run
from vs_st_pipeline.warehouse import Db

HINTED, NEVER_READ, NEWLY_LINKED, CHANGED = "hinted", "never read", "newly linked", "changed"
OVERDUE, ROTATION, OWNER_UNKNOWN = "overdue", "rotation", "owner unknown"
NEEDS = (HINTED, NEVER_READ, NEWLY_LINKED, CHANGED, OVERDUE, ROTATION)
SETTLED_FOR = timedelta(days=60)


@dataclass(frozen=True, slots=True)
class Turn:
    """A record whose detail is to be read, and why."""

    id: str
    why: str


def customer_turns(run: Run, db: Db, customer_ids: Sequence[int]) -> list[Turn]:
    """Which of these customers to read now, by need."""
    with db.batch({"customer_id": sorted(customer_ids)}, {"customer_id": "int"}) as batch:
        rows = db.rows(
            f"""select cast(c.customer_id as varchar), h.id is not null, c.detail_at is null, c.linked_run is null,
                       c.detail_wanted, c.detail_at
                from raw.vinoshipper_customers as c semi join {batch} using (customer_id)
                left join raw.hints as h on h.kind = 'customer' and h.id = cast(c.customer_id as varchar)
                where c.deleted_at is null
                order by c.detail_at, c.customer_id"""
        )
    return _sorted_turns(run, db, "customer_details", rows, run.merchant.vinoshipper.refresh.customer_details)


def order_turns(run: Run, db: Db, customer_ids: Sequence[int]) -> list[Turn]:
    """Which orders of these customers to read now, by need: open ones often, settled ones seldom and for 60 days."""
    refresh = run.merchant.vinoshipper.refresh
    with db.batch({"customer_id": sorted(customer_ids)}, {"customer_id": "int"}) as batch:
        rows = db.rows(
            f"""select o.order_number, h.id is not null, o.detail_at is null, c.linked_run is null,
                       o.detail_wanted, o.detail_at, o.settled_at
                from raw.vinoshipper_orders as o semi join {batch} using (customer_id)
                join raw.vinoshipper_customers as c using (customer_id)
                left join raw.hints as h on h.kind = 'order' and h.id = o.order_number
                order by o.detail_at, o.order_number"""
        )
    young = run.now() - SETTLED_FOR
    opened = [row[:6] for row in rows if row[6] is None]
    settled = [row[:6] for row in rows if row[6] is not None and row[6] >= young]
    # An order settled long ago is read again only for a reason, never in turn (but in a full run).
    rest = [row[:6] for row in rows if row[6] is not None and row[6] < young and (run.full or any(row[1:5]))]
    return [
        *_sorted_turns(run, db, "open_orders", opened, refresh.open_orders),
        *_sorted_turns(run, db, "settled_orders", settled, refresh.settled_orders),
        *_sorted_turns(run, db, "old_orders", rest, timedelta.max),
    ]


def _sorted_turns(run: Run, db: Db, name: str, rows: Sequence[tuple[object, ...]], every: timedelta) -> list[Turn]:
    """Rows are (id, hinted, never read, newly linked, changed, read at), oldest first."""
    now = run.now()
    by_need: dict[str, list[Turn]] = {why: [] for why in NEEDS}
    for record_id, hinted, never, newly, changed, read_at in rows:
        age = now - read_at if read_at is not None else every  # type: ignore[operator]
        if hinted:
            why = HINTED
        elif never:
            why = NEVER_READ
        elif newly:
            why = NEWLY_LINKED
        elif changed:
            why = CHANGED
        elif run.full or age >= every or age < -CLOCK_SLACK:
            why = OVERDUE
        else:
            why = ROTATION
        by_need[why].append(Turn(str(record_id), why))
    in_turn = len(by_need[OVERDUE]) + len(by_need[ROTATION])
    turns = share(db, name, in_turn, every, now) if every < timedelta.max else 0
    by_need[ROTATION] = by_need[ROTATION][: max(0, turns - len(by_need[OVERDUE]))]
    return [turn for why in NEEDS for turn in by_need[why]]


def owner_turns(run: Run, db: Db) -> list[Turn]:
    """Orders whose search row did not say whose they are, and whose detail has not been asked yet."""
    rows = db.rows(
        "select order_number from raw.vinoshipper_orders where owner_unknown and detail_at is null order by 1"
    )
    return [Turn(row[0], OWNER_UNKNOWN) for row in rows]
