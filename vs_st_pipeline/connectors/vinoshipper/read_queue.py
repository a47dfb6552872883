"""Decides what to read next, in one order of need: hinted, never read, newly linked, changed, overdue, rotation.

Data flow: raw.hints, raw.vinoshipper_customers, raw.vinoshipper_orders -> ReadTask, by need.

Every run reads all but the last two whole; of the rest (records that are due within the period) it reads the share
that the time since the last run asks for, oldest first, so that reading is spread evenly. What an outage left overdue
is made good in several runs, so that new records do not wait behind it. A run with a small budget takes the head of
the same queue, and the records that it leaves are at its head the next time.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from vs_st_pipeline.connectors.vinoshipper.settings import VinoshipperSettings
from vs_st_pipeline.connectors.vinoshipper.streams import BY_KIND
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.platform.warehouse.state import CLOCK_SLACK, LINKED, rotation_quota, set_state
from vs_st_pipeline.platform.warehouse.suppression import filter_suppressed

HINTED, NEVER_READ, NEWLY_LINKED, CHANGED = "hinted", "never read", "newly linked", "changed"
OVERDUE, ROTATION, OWNER_UNKNOWN = "overdue", "rotation", "owner unknown"
NEEDS = (HINTED, NEVER_READ, NEWLY_LINKED, CHANGED, OVERDUE, ROTATION)
IN_TURN = (OVERDUE, ROTATION)
SETTLED_FOR = timedelta(days=60)
CATCH_UP_SECONDS = 300  # at the merchant's own rate, for what is overdue in one run


@dataclass(frozen=True, slots=True)
class ReadTask:
    """A record whose detail is due to be read, and why.

    Attributes:
        in_every_run: it is read in every run, by the settings (`0s`) or because the run is full.
    """

    id: str
    why: str
    in_every_run: bool = False


def hint(db: Db, kind: str, ids: Iterable[str], reason: str, now: datetime) -> None:
    """Put records at the head of the queue: the entry for any source of changes (a feed, later a webhook).

    Args:
        kind: `customer` or `order`; only records that a contact stands for will be read.
    """
    columns = {"id": filter_suppressed(db, sorted(set(ids)), BY_KIND[kind], lambda own: (own, (), None), now)}
    if columns["id"]:
        with db.batch(columns) as batch:
            db.execute(
                f"insert or replace into raw.hints select ?, id, ?, ?::timestamp from {batch}", [kind, reason, now]
            )


def is_hinted(db: Db, kind: str, record_id: str) -> bool:
    """Say whether a record is at the head of the queue."""
    return db.row("select 1 from raw.hints where kind = ? and id = ?", [kind, record_id]) is not None


def mark_linked(run: Run, customer_ids: Sequence[int], memo: object) -> None:
    """Record which customers contacts stand for; a newly linked customer is read with all of their orders.

    Their records were not read again while no contact needed them. The need to read them is stored until it is done,
    however often a run is cut short.

    Args:
        memo: stored with it as the state `LINKED`: while that is unchanged, this has been done.
    """
    with (
        run.open() as db,
        db.transaction(),
        db.batch({"customer_id": sorted(customer_ids)}, {"customer_id": "int"}) as linked,
    ):
        db.execute(
            f"""update raw.vinoshipper_customers set linked_run = null
                where linked_run is not null and customer_id not in (select customer_id from {linked})"""
        )
        new = f"""select customer_id from raw.vinoshipper_customers semi join {linked} using (customer_id)
                  where linked_run is null"""
        for kind, table, key in (
            ("customer", "raw.vinoshipper_customers", "customer_id"),
            ("order", "raw.vinoshipper_orders", "order_number"),
        ):
            db.execute(
                f"""insert or ignore into raw.hints select ?, cast({key} as varchar), ?, ?::timestamp from {table}
                    where detail_at is not null and customer_id in ({new})""",
                [kind, NEWLY_LINKED, run.now()],
            )
        db.execute(f"update raw.vinoshipper_customers set linked_run = ? where customer_id in ({new})", [run.run_id])
        set_state(db, LINKED, memo, run.now())


def within_budget(run: Run, tasks: Sequence[ReadTask], sent: int, *, reserved: int = 0) -> list[ReadTask]:
    """Return the tasks that this run takes: needed ones as far as the budget goes, then rotation from what is left.

    Args:
        tasks: by need.
        sent: requests that the run has made so far.
        reserved: requests that other needed records will take.
    """
    # At least one: where the lists alone use up the budget, nothing would ever be read.
    left = math.inf if run.budget is None else max(1, run.budget - sent)
    needed = [task for task in tasks if task.why not in IN_TURN]
    taken = needed if len(needed) <= left else needed[: int(left)]
    # Half of what is left: the other half is for needs that this run has yet to find.
    spare = max(0.0, left - len(taken) - reserved) / 2
    overdue = CATCH_UP_SECONDS * run.merchant.section(VinoshipperSettings).requests_per_second
    in_turn: list[ReadTask] = []
    for task in tasks:
        if task.why not in IN_TURN or len(in_turn) >= spare:
            continue
        if task.why == OVERDUE and not task.in_every_run:
            overdue -= 1
            if overdue < 0:
                continue
        in_turn.append(task)
    return [*taken, *in_turn]


def customer_tasks(run: Run, db: Db, customer_ids: Sequence[int] | None) -> list[ReadTask]:
    """Return which of these customers (None: all) to read now, by need."""
    with _among(db, customer_ids) as batch:
        rows = db.rows(
            f"""select cast(c.customer_id as varchar), h.reason, c.detail_at is null, c.detail_wanted, c.detail_at
                from raw.vinoshipper_customers as c {_semi_join(batch)}
                left join raw.hints as h on h.kind = 'customer' and h.id = cast(c.customer_id as varchar)
                where c.deleted_at is null
                order by c.detail_at, 1"""
        )
    return _by_need(
        _tasks(run, db, "customer_details", rows, run.merchant.section(VinoshipperSettings).refresh.customer_details)
    )


def order_tasks(run: Run, db: Db, customer_ids: Sequence[int] | None) -> list[ReadTask]:
    """Return which orders of these customers (None: all orders) to read now, by need.

    Open ones are read often, settled ones rarely, and for 60 days.
    """
    refresh = run.merchant.section(VinoshipperSettings).refresh
    with _among(db, customer_ids) as batch:
        rows = db.rows(
            f"""select o.order_number, h.reason, o.detail_at is null, o.detail_wanted, o.detail_at, o.settled_at,
                       s.unread is not null
                from raw.vinoshipper_orders as o
                left join raw.hints as h on h.kind = 'order' and h.id = o.order_number
                left join staged.orders as s on s.order_number = o.order_number
                where {_of_these("o", batch)}
                   -- The search now names another owner: it counts for the former one until the detail says so too.
                   or (o.detail_wanted and {_of_these("s", batch)})
                order by o.detail_at, o.order_number"""
        )
    young = run.now() - SETTLED_FOR
    opened = [row[:5] for row in rows if row[5] is None]
    # A value that cannot be understood may be readable next time: such an order stays in rotation, however old it is.
    settled = [row[:5] for row in rows if row[5] is not None and (row[5] >= young or row[6])]
    # An order settled long ago is read again only for a reason, never in rotation (except in a full run).
    rest = [
        row[:5] for row in rows if row[5] is not None and row[5] < young and not row[6] and (run.full or any(row[1:4]))
    ]
    return _by_need(
        [
            *_tasks(run, db, "open_orders", opened, refresh.open_orders),
            *_tasks(run, db, "settled_orders", settled, refresh.settled_orders),
            *_tasks(run, db, "old_orders", rest, timedelta.max),
        ]
    )


def orders_in_need(db: Db, customer_ids: Sequence[int] | None) -> int:
    """Return how many orders of these customers are known to need a read that rotation will not bring."""
    with _among(db, customer_ids) as batch:
        return int(
            db.value(
                f"""select count(*) from raw.vinoshipper_orders as o {_semi_join(batch)}
                    left join raw.hints as h on h.kind = 'order' and h.id = o.order_number
                    where o.detail_at is null or o.detail_wanted or h.id is not null"""
            )
        )


@contextmanager
def _among(db: Db, customer_ids: Sequence[int] | None) -> Iterator[str | None]:
    """Give these customers as a table; None: all customers, also those that nobody knows."""
    if customer_ids is None:
        yield None
        return
    with db.batch({"customer_id": sorted(customer_ids)}, {"customer_id": "int"}) as batch:
        yield batch


def _semi_join(batch: str | None) -> str:
    return "" if batch is None else f"semi join {batch} using (customer_id)"


def _of_these(table: str, batch: str | None) -> str:
    return "true" if batch is None else f"{table}.customer_id in (select customer_id from {batch})"


def owner_tasks(run: Run, db: Db) -> list[ReadTask]:
    """Return the orders whose search row did not say whose they are, and whose detail has not been read yet."""
    rows = db.rows(
        "select order_number from raw.vinoshipper_orders where owner_unknown and detail_at is null order by 1"
    )
    return [ReadTask(row[0], OWNER_UNKNOWN) for row in rows]


def _by_need(tasks: Iterable[ReadTask]) -> list[ReadTask]:
    return sorted(tasks, key=lambda task: NEEDS.index(task.why))


def _tasks(run: Run, db: Db, name: str, rows: Sequence[tuple[object, ...]], every: timedelta) -> list[ReadTask]:
    """Build tasks from rows of (id, reason of its hint, never read, changed, read at), oldest first."""
    now, always = run.now(), run.full or every <= timedelta(0)
    needed: list[ReadTask] = []
    rotation: list[object] = []  # ids only: most rows end up here, and few of them will be read
    overdue = 0
    for record_id, hinted, never, changed, read_at in rows:
        if hinted is not None:
            why = NEWLY_LINKED if hinted == NEWLY_LINKED else HINTED
        elif never:
            why = NEVER_READ
        elif changed:
            why = CHANGED
        else:
            age = now - read_at if read_at is not None else every  # type: ignore[operator]
            if not run.full and -CLOCK_SLACK <= age < every:
                rotation.append(record_id)
                continue
            why = OVERDUE
            overdue += 1
        needed.append(ReadTask(str(record_id), why, always))
    due = rotation_quota(db, name, overdue + len(rotation), every, now) if every < timedelta.max else 0
    in_turn = [ReadTask(str(record_id), ROTATION, always) for record_id in rotation[: max(0, due - overdue)]]
    return [*needed, *in_turn]
