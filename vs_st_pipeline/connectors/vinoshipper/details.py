"""Reads the details and receipts that are due, the most needed first and no more than the run may ask for.

Data flow: one record at a time -> raw.vinoshipper_customers, raw.vinoshipper_orders.

It is long because what one failed read means is decided by what the other reads of the same run came to.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import datetime

from vs_st_pipeline.connectors.vinoshipper import landing, landing_orders
from vs_st_pipeline.connectors.vinoshipper.carried import Detail
from vs_st_pipeline.connectors.vinoshipper.client import VinoshipperClient
from vs_st_pipeline.connectors.vinoshipper.customers import listed_in_this_run
from vs_st_pipeline.connectors.vinoshipper.kinds import CUSTOMER, ORDER
from vs_st_pipeline.connectors.vinoshipper.names import VINOSHIPPER
from vs_st_pipeline.connectors.vinoshipper.parse import receipt_url_from
from vs_st_pipeline.connectors.vinoshipper.read_queue import (
    HINTED,
    ReadTask,
    customer_tasks,
    order_tasks,
    orders_in_need,
    owner_tasks,
    within_budget,
)
from vs_st_pipeline.connectors.vinoshipper.settings import VinoshipperSettings
from vs_st_pipeline.connectors.vinoshipper.waiting import Waiting
from vs_st_pipeline.domain.errors import BadAnswer, PipelineError, Refused, TryLater
from vs_st_pipeline.domain.order import COUNTED_STATUS
from vs_st_pipeline.domain.records import RecordKind
from vs_st_pipeline.domain.single_reads import IN_A_ROW, SingleReads, is_of_one_record
from vs_st_pipeline.platform.run import RequestLogEntry, Run
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.platform.warehouse.state import CLOCK_SLACK
from vs_st_pipeline.platform.warehouse.unreadable import (
    record_unreadable,
    uncache_unreadable,
    unreadable_ids,
    waiting_ids,
)

TELL_EVERY = 200
CUT_SHORT = "the first answer was cut short"
RECEIPT_FAILURES_IN_A_ROW = 3


def fetch_customer_details(run: Run, vs: VinoshipperClient, customer_ids: Sequence[int] | None) -> int:
    """Read the due details of these customers (None: all); a share of the budget is kept for orders in need of a read.

    Returns:
        How many were read.
    """
    with run.open() as db:
        tasks = _asked_now(run, db, CUSTOMER, customer_tasks(run, db, customer_ids))
        reserved = orders_in_need(db, customer_ids) if run.budget is not None else 0
        now = within_budget(run, tasks, vs.sent, reserved=reserved)
        walked_now = listed_in_this_run(run, db)

    def land(details: list[Detail]) -> None:
        landing.land_customer_details(run, details, after_walk=not walked_now)

    _read(run, CUSTOMER, tasks, now, lambda own: vs.customer(int(own)).text, land)
    return len(now)


def fetch_order_details(
    run: Run,
    vs: VinoshipperClient,
    customer_ids: Sequence[int] | None,
    *,
    except_of: Collection[int] = (),
    forgets: bool = True,
) -> None:
    """Read the due details of these customers' orders (None: all orders); one that was cut short is read again.

    Args:
        except_of: customers whose orders are left out.
        forgets: what could not be read of other customers is asked for no more.
    """
    cut: list[str] = []
    began = run.now()

    def land(details: list[Detail]) -> None:
        cut.extend(landing_orders.land_order_details(run, details, began))

    # A row that does not say whose it is would silently count for no customer, so its detail is read in any case.
    for find in (owner_tasks, lambda run, db: order_tasks(run, db, customer_ids)):
        with run.open() as db:
            tasks = _asked_now(run, db, ORDER, find(run, db))
            if except_of:
                known = _orders_of(db, except_of)
                tasks = [task for task in tasks if task.id not in known]
        _read(run, ORDER, tasks, within_budget(run, tasks, vs.sent), lambda own: vs.order(own).text, land)
    once_more = within_budget(run, [ReadTask(number, CUT_SHORT) for number in cut], vs.sent) if cut else []
    _read(run, ORDER, once_more, once_more, lambda own: vs.order(own).text, land)
    if customer_ids is not None and forgets:
        with run.open() as db, db.transaction():
            _forget_unlinked(db, customer_ids)


def _orders_of(db: Db, customer_ids: Collection[int]) -> set[str]:
    with db.batch({"customer_id": sorted(customer_ids)}, {"customer_id": "int"}) as batch:
        rows = db.rows(f"select order_number from raw.vinoshipper_orders semi join {batch} using (customer_id)")
    return {row[0] for row in rows}


def _asked_now(run: Run, db: Db, kind: RecordKind, tasks: list[ReadTask]) -> list[ReadTask]:
    """Leave out records that could not be read and wait for their next try; a full run asks for them too."""
    waiting = set() if run.full else waiting_ids(db, kind.name, run.now())
    return [task for task in tasks if task.id not in waiting]


def _forget_unlinked(db: Db, customer_ids: Sequence[int]) -> None:
    """Forget unreadable records that are not read any more, because no contact stands for them."""
    if not any(unreadable_ids(db, kind.name) for kind in (CUSTOMER, ORDER)):
        return
    with db.batch({"customer_id": sorted(customer_ids)}, {"customer_id": "int"}) as batch:
        for kind, wanted in (
            (CUSTOMER, f"select cast(customer_id as varchar) from {batch}"),
            (
                ORDER,
                f"""select order_number from raw.vinoshipper_orders
                    where customer_id is null or customer_id in (select customer_id from {batch})""",
            ),
        ):
            if unreadable_ids(db, kind.name):
                db.execute(f"delete from raw.unreadable where kind = ? and id not in ({wanted})", [kind.name])
                uncache_unreadable(db)


def _read(
    run: Run,
    kind: RecordKind,
    tasks: Sequence[ReadTask],
    now: Sequence[ReadTask],
    fetch: Callable[[str], str],
    land: Callable[[list[Detail]], None],
) -> None:
    """Read these records; one that cannot be read holds up no other, unless it is the system's trouble (R40)."""
    what, reads = f"{kind.name} details", SingleReads(len(now))
    with run.open() as db:
        known = unreadable_ids(db, kind.name)
    gone: list[Detail] = []  # landed only when it is known that the system does not say so of every record
    # However it ends, what was read is stored, and need not be read again.
    with Waiting(land) as waiting:
        for place, task in enumerate(now, 1):
            # One at least, as with a budget that the lists have used up; and what hints have handed over is no reading
            # in turn: where hints come all the time, it would never be read.
            if place > 1 and task.why != HINTED and run.gives_way():
                now = now[: place - 1]
                break
            try:
                detail = Detail(task.id, _text_or_gone(fetch, task.id))
            except PipelineError as error:
                reads.went_wrong(task.id, error, known=task.id in known)
            else:
                reads.went_well()
                if detail.text is None:
                    gone.append(detail)
                else:
                    waiting.add(detail, len(detail.text))
            if place == len(now) or place % TELL_EVERY == 0:
                run.progress(f"{what} {place} of {len(now)}")
    if gone:
        if kind is ORDER and len(gone) + len(reads.failed) == len(now) and not run.allow_unsafe:
            _ask_whether_any_is_there(run, gone, fetch)
        land(gone)
    if reads.failed:
        if reads.all_failed:
            _ask_one_that_went_well(run, kind, reads, fetch)
        with run.open() as db, db.transaction():
            record_unreadable(db, kind.name, reads.failed, run.now(), dry_run=run.dry_run)
    read, all_of_them = Counter(task.why for task in now), Counter(task.why for task in tasks)
    for why, count in all_of_them.items():
        later = f", {count - read[why]} left for later" if count > read[why] else ""
        run.request_log.append(RequestLogEntry(what, why, count, f"{read[why]} read{later}"))
    if reads.failed:
        run.request_log.append(
            RequestLogEntry(what, "cannot be read", len(reads.failed), "what was last read is kept; asked again later")
        )


def _text_or_gone(fetch: Callable[[str], str], record_id: str) -> str | None:
    try:
        return fetch(record_id)
    except Refused as refused:
        if refused.http_status != 404:
            raise
        return None


def _ask_one_that_went_well(run: Run, kind: RecordKind, reads: SingleReads, fetch: Callable[[str], str]) -> None:
    """Ask a record that was read well before, after all reads failed: is it these records' trouble or the system's?

    Raises:
        PipelineError: it cannot be read either, or there is none and several reads failed: it is the system's trouble.
    """
    with run.open() as db, db.batch({"id": list(reads.failed)}) as batch:
        found = db.row(
            f"""select cast({_KEY[kind.name]} as varchar) from {_TABLE[kind.name]}
                where detail_status = 200 and cast({_KEY[kind.name]} as varchar) not in (select id from {batch})
                order by detail_at desc limit 1"""
        )
    if found is not None:
        _text_or_gone(fetch, found[0])
    elif reads.several:
        raise next(iter(reads.failed.values()))


def _ask_whether_any_is_there(run: Run, gone: Sequence[Detail], fetch: Callable[[str], str]) -> None:
    """Ask other orders that were read well, after all orders answered 404: are these gone, or can none be read?

    Raises:
        BadAnswer: many orders that were there answer 404, and none of the others answers otherwise.
    """
    with run.open() as db, db.batch({"id": [row.id for row in gone]}) as batch:
        there = "select order_number from raw.vinoshipper_orders where detail_status = 200 and order_number"
        lost = [row[0] for row in db.rows(f"{there} in (select id from {batch})")]
        others = [
            row[0]
            for row in db.rows(f"{there} not in (select id from {batch}) order by detail_at desc limit ?", [IN_A_ROW])
        ]
    if not lost or len(lost) + len(others) < IN_A_ROW:
        return
    for number in others[: max(0, IN_A_ROW - len(lost))]:
        if _text_or_gone(fetch, number) is not None:
            return
    raise BadAnswer(
        "the orders that were there all answer 404 now, one after the other: no order is taken for gone. If they were "
        "all deleted, a sync with --allow-unsafe believes it",
        system=VINOSHIPPER,
        call=ORDER.name,
        http_status=404,
    )


_TABLE = {CUSTOMER.name: "raw.vinoshipper_customers", ORDER.name: "raw.vinoshipper_orders"}
_KEY = {CUSTOMER.name: "customer_id", ORDER.name: "order_number"}


def receipts_due_at(run: Run, db: Db, order_numbers: Sequence[str]) -> datetime | None:
    """Return when one of these receipts is asked for again (UTC without zone); None where that is due now."""
    if not order_numbers:
        return datetime.max
    with db.batch({"id": list(order_numbers)}) as batch:
        rows = db.rows(
            f"""select b.id, o.receipt_state, o.receipt_at
                from {batch} as b left join raw.vinoshipper_orders as o on o.order_number = b.id
                where o.receipt_state is distinct from 'read'"""
        )
    if any(state != "none" for _, state, _ in rows):
        return None
    every = run.merchant.section(VinoshipperSettings).refresh.open_orders
    return min((at + every for _, _, at in rows), default=datetime.max)


def customers_without_receipt(db: Db, among: Iterable[int], latest: datetime) -> set[int]:
    """Return those of these customers who may have a newest order whose receipt was not read.

    An older order than one that certainly counts is not the newest. Days are compared, as times may have any zone.

    Args:
        latest: the latest time that an order can have; one from there on makes no other one older.
    """
    with db.batch({"customer_id": sorted(set(among))}, {"customer_id": "int"}) as batch:
        rows = db.rows(
            f"""with counted as (
                    select customer_id, max(left(purchased_at, 10)) as day from staged.orders
                    where counted and left(purchased_at, 10) < $latest and not coalesce(starts_with(total, '-'), false)
                    group by customer_id)
                select distinct s.customer_id from staged.orders as s semi join {batch} using (customer_id)
                join raw.vinoshipper_orders as r using (order_number) left join counted as c using (customer_id)
                where s.status = $counts and r.receipt_state is distinct from 'read'
                  and coalesce(cast(left(s.purchased_at, 10) as date) >= cast(c.day as date) - 2, true)""",
            {"counts": COUNTED_STATUS, "latest": latest.date().isoformat()},
        )
    return {row[0] for row in rows}


def fetch_receipts(run: Run, vs: VinoshipperClient, order_numbers: Iterable[str]) -> int:
    """Read the receipts of these orders; one that cannot be read now is recorded so and holds up nothing.

    A receipt that was read once is not asked for again unless the run is full: it belongs to a placed order.
    After a few failures in a row the rest is left for the next sync; otherwise a broken endpoint would cost
    `give_up_after` for each of them.

    Returns:
        How many were asked for.
    """
    with run.open() as db:
        read = {
            row[0]
            for row in db.rows(
                """select order_number from raw.vinoshipper_orders
                   where receipt_state = 'read'
                      or (receipt_state = 'none' and receipt_at > ? and receipt_at <= ?)""",
                [run.now() - run.merchant.section(VinoshipperSettings).refresh.open_orders, run.now() + CLOCK_SLACK],
            )
        }
    failures, states = 0, Counter[str]()
    with Waiting[tuple[str, str | None, str]](lambda receipts: landing_orders.land_receipts(run, receipts)) as waiting:
        for number in order_numbers:
            if number in read and not run.full:
                continue
            if run.over_budget(vs.sent):
                break
            url, state = None, "unreadable"
            if failures < RECEIPT_FAILURES_IN_A_ROW:
                try:
                    url = receipt_url_from(vs.receipt(number).value)
                    state = "read" if url else "none"
                    failures = 0
                except PipelineError as error:
                    if isinstance(error, Refused) and error.http_status == 404:
                        state, failures = "none", 0
                    elif is_of_one_record(error) or isinstance(error, TryLater):
                        failures += 1
                    else:  # the key itself, or a log-in page
                        raise
            waiting.add((number, url, state))
            states[state] += 1
    if states:
        run.request_log.append(RequestLogEntry("receipts", "newest orders", states.total(), f"{states['read']} read"))
    return states.total()
