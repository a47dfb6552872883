"""What is asked of Vinoshipper, when and why: every change with the fewest requests.

Data flow: API pages and records -> raw.vinoshipper_customers, raw.vinoshipper_orders.

Vinoshipper has no "modified since". What lists and searches show is asked for in every sync where that is cheap
(newly processed and shipped orders, memberships that moved) and now and then where it is not (the whole customer
list). What only a detail shows is read again in turn (`reading_order.py`). Watermarks move in the transaction that
stores what they promise. What an account's API turned out to obey is remembered for a week.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict
from datetime import date, timedelta
from typing import Any, TypeVar

from vs_st_pipeline.customer import customer_from
from vs_st_pipeline.errors import BadAnswer, BadKey, Refused, TryLater
from vs_st_pipeline.marks import forget_mark, is_due, read_mark, share, write_mark
from vs_st_pipeline.order import receipt_url_from
from vs_st_pipeline.run import Asked, Run
from vs_st_pipeline.sources.vinoshipper import landing
from vs_st_pipeline.sources.vinoshipper.client import VinoshipperClient
from vs_st_pipeline.sources.vinoshipper.customer_list import walk_customers
from vs_st_pipeline.sources.vinoshipper.landing import Detail
from vs_st_pipeline.sources.vinoshipper.membership_feed import FeedMark, read_feed
from vs_st_pipeline.sources.vinoshipper.order_search import (
    FIRST_WINDOW,
    PROCESSED,
    SHIPPED,
    FilterIgnored,
    OrderRow,
    OrderSearch,
)
from vs_st_pipeline.sources.vinoshipper.reading_order import Turn, customer_turns, order_turns, owner_turns
from vs_st_pipeline.warehouse import Db, utc_now_naive

LAND_DETAILS_EVERY = 200
LAND_ROWS_EVERY = 2_000
RECEIPT_FAILURES_IN_A_ROW = 3
OVERLAP = timedelta(days=2)  # both bounds' zone and inclusiveness are unknown
RECONCILED_DAYS = 90
LONGEST_STRETCH = 31
LEARN_AGAIN_AFTER = timedelta(days=7)
DETAILS_OF_A_LOOK_UP = 3  # an ignored search answers with anybody

LIST, MEMBERSHIPS, HISTORY, SEARCH = "customer_list", "memberships", "order_history", "order_search"
PROCESSED_MARK, SHIPPED_MARK, NO_SHIPPED_FILTER = "orders_processed", "orders_shipped", "no_shipped_filter"

T = TypeVar("T")


# --- customers ----------------------------------------------------------------------------------------------------


def fetch_customers(run: Run, vs: VinoshipperClient) -> int:
    """The customer list where it is due, else the memberships that moved since the last look.

    Returns:
        How many distinct customers were seen.

    Raises:
        BadAnswer: the list told more customers than it gave, or paging had no effect, twice over.
    """
    with run.open() as db:
        due = run.full or is_due(db, LIST, run.merchant.vinoshipper.refresh.customer_list, run.now())
    if not due:
        return _fetch_memberships(run, vs)
    feed = read_feed(vs, None)[1]  # before the walk: what moves from here on is shown by the feed or by the walk
    walk = walk_customers(run, vs)
    with run.open() as db, db.transaction():
        landing.land_complete_walk(run, db, walk.ids)
        if not run.dry_run:  # the next sync shall walk by itself, and count who is missing
            write_mark(db, LIST, run.run_id, run.now())
            if feed is not None:
                write_mark(db, MEMBERSHIPS, asdict(feed), run.now())
    run.asked.append(Asked("customer list", "full" if run.full else "due", len(walk.ids), f"{walk.pages} pages"))
    return len(walk.ids)


def _fetch_memberships(run: Run, vs: VinoshipperClient) -> int:
    with run.open() as db:
        mark = read_mark(db, MEMBERSHIPS)
    moved, newest = read_feed(vs, FeedMark(mark["at"], tuple(mark["ids"])) if mark else None)
    with run.open() as db, db.transaction():
        hint(db, "customer", [str(customer_id) for customer_id in moved], "a membership moved", run)
        if newest is not None:
            write_mark(db, MEMBERSHIPS, asdict(newest), run.now())
    run.asked.append(Asked("membership feed", "every sync", len(moved), f"{len(moved)} customers to read"))
    return len(moved)


def hint(db: Db, kind: str, ids: Iterable[str], reason: str, run: Run) -> None:
    """Put records at the head of the queue: the way in for whatever knows of a change (a feed, later a webhook).

    Args:
        kind: `customer` or `order`; only those that a contact stands for will be read.
    """
    columns = {"id": sorted(set(ids))}
    if columns["id"]:
        with db.batch(columns) as batch:
            db.execute(
                f"insert or replace into raw.hints select ?, id, ?, ?::timestamp from {batch}",
                [kind, reason, run.now()],
            )


def look_up_newcomers(run: Run, vs: VinoshipperClient, phones: Sequence[str]) -> int:
    """Ask the shop for opted-in phones that no listed customer has; each once between two list walks.

    The search is free text and may be ignored altogether, so only a detail that shows the phone is believed.

    Returns:
        How many customers were found.
    """
    with run.open() as db, db.batch({"phone": sorted(set(phones))}) as batch:
        new = [row[0] for row in db.rows(f"select phone from {batch} anti join raw.lookups using (phone) order by 1")]
        if read_mark(db, LIST) == run.run_id:  # the list has just been walked: who is not in it is no customer
            db.execute(f"insert or replace into raw.lookups select phone, ?::timestamp from {batch}", [run.now()])
            return 0
    found = 0
    for phone in new:
        try:
            rows = vs.search_customers(phone)
        except Refused:
            break  # there is no such search here; the next list walk finds them
        candidates = [item for text in rows if (item := landing.customer_item(text)) and item.phone in (phone, None)]
        for item in candidates[:DETAILS_OF_A_LOOK_UP]:
            found += _prove(run, vs, item.customer_id, phone)
        with run.open() as db:
            db.execute("insert or replace into raw.lookups values (?, ?)", [phone, run.now()])
    if new:
        run.asked.append(Asked("customer search by phone", "new opt-ins not in the list", len(new), f"{found} found"))
    return found


def _prove(run: Run, vs: VinoshipperClient, customer_id: int, phone: str) -> bool:
    try:
        body = vs.customer(customer_id)
    except Refused:
        return False
    customer = customer_from(None, body.value, run.today())
    if customer is None or customer.phone != phone or customer.customer_id != customer_id:
        return False
    with run.open() as db:
        held = db.row("select 1 from raw.vinoshipper_customers where customer_id = ?", [customer_id])
    if held is None:
        landing.land_newcomer(run, customer_id, phone, body.text)
    else:
        landing.land_new_phone(run, customer_id, phone, body.text)
    return True


def fetch_customer_details(run: Run, vs: VinoshipperClient, customer_ids: Sequence[int]) -> None:
    """Read the details of these customers whose turn it is, most needed first."""
    with run.open() as db:
        turns = customer_turns(run, db, customer_ids)
        walked_now = read_mark(db, LIST) == run.run_id

    def land(details: list[Detail]) -> None:
        landing.land_customer_details(run, details, detail_leads=not walked_now)

    _read_details(run, "customer details", turns, lambda turn: vs.customer(int(turn.id)).text, land)


def remember_linked(run: Run, customer_ids: Sequence[int]) -> None:
    """Who was linked in this run, once all that is read of newly linked people has been read."""
    with (
        run.open() as db,
        db.transaction(),
        db.batch({"customer_id": sorted(customer_ids)}, {"customer_id": "int"}) as b,
    ):
        db.execute(
            f"""update raw.vinoshipper_customers set linked_run = null
                where linked_run is not null and customer_id not in (select customer_id from {b})"""
        )
        db.execute(
            f"""update raw.vinoshipper_customers set linked_run = ?
                where linked_run is null and customer_id in (select customer_id from {b})""",
            [run.run_id],
        )


# --- orders -------------------------------------------------------------------------------------------------------


def fetch_orders(run: Run, vs: VinoshipperClient, customer_ids: Sequence[int]) -> int:
    """The passes over orders: history once, then newly processed, newly shipped and a slice of reconciliation.

    Afterwards the details of these customers' orders whose turn it is.

    Returns:
        How many distinct orders the searches showed.
    """
    with run.open() as db:
        if run.full and not run.dry_run:
            for name in (HISTORY, SEARCH, NO_SHIPPED_FILTER):
                forget_mark(db, name)
        stale = is_due(db, SEARCH, LEARN_AGAIN_AFTER, run.now())
        search = OrderSearch(vs, None if stale or run.full else read_mark(db, SEARCH))
        history = {} if run.full else read_mark(db, HISTORY) or {}
    numbers: set[str] = set()
    try:
        if not history.get("complete"):
            _walk_history(run, search, history, numbers)
        else:
            _pass_processed(run, search, numbers)
            _pass_shipped(run, search, numbers)
            _reconcile(run, search, numbers)
    finally:
        with run.open() as db, db.transaction():
            if stale:
                write_mark(db, SEARCH, search.as_learnt(), run.now())
            else:  # what is learnt on the way is kept, but it is all asked again a week after the first time
                db.execute("update raw.marks set value = ? where name = ?", [json.dumps(search.as_learnt()), SEARCH])

    def land(details: list[Detail]) -> None:
        landing.land_order_details(run, details)

    # Rows that do not say whose they are would silently be nobody's, so their details are read whoever's they are.
    for find in (owner_turns, lambda run, db: order_turns(run, db, customer_ids)):
        with run.open() as db:
            turns = find(run, db)
        _read_details(run, "order details", turns, lambda turn: vs.order(turn.id).text, land)
    return len(numbers)


def _newest_edge(run: Run) -> date:
    # No zone on earth is further ahead than that. A rehearsed now must not hide orders that are there already.
    return max(run.today(), _machine_today()) + timedelta(days=2)


def _machine_today() -> date:
    return utc_now_naive().date()


def _watermark(run: Run) -> str:
    """Up to which day everything is stored now; never ahead of the machine's clock, whatever now is rehearsed."""
    return min(run.today(), _machine_today()).isoformat()


def _since(run: Run, mark: str) -> date:
    """Where a pass begins: at its mark less the overlap, and never ahead of today."""
    return min(date.fromisoformat(mark), run.today(), _machine_today()) - OVERLAP


def _walk_history(run: Run, search: OrderSearch, history: dict[str, Any], numbers: set[str]) -> None:
    """Back from where the last run got to; each window and how far it is are stored together."""
    oldest = run.merchant.vinoshipper.history_from - OVERLAP
    reached = date.fromisoformat(history["reached"]) if history else _newest_edge(run)
    size = timedelta(days=history.get("size") or FIRST_WINDOW.days)
    started = history.get("started") or _watermark(run)
    before = len(numbers)
    try:
        for window in search.history(reached, oldest, size):
            with run.open() as db, db.transaction():
                landing.land_order_rows(db, window.rows, run.now())
                done = {"reached": window.start.isoformat(), "size": window.next_size.days, "started": started}
                write_mark(db, HISTORY, {**done, "complete": False}, run.now())
            numbers.update(row.number for row in window.rows)
            run.progress(f"order history back to {window.start}, {len(numbers)} orders")
    except FilterIgnored:
        search.filter_works = False
        _land_all(run, search.unfiltered(), numbers)
    with run.open() as db, db.transaction():
        write_mark(db, HISTORY, {"reached": oldest.isoformat(), "started": started, "complete": True}, run.now())
        # Whatever came while history was walked is younger than its start.
        write_mark(db, PROCESSED_MARK, started, run.now())
        write_mark(db, SHIPPED_MARK, started, run.now())
        _count_read(db, run)
    run.asked.append(Asked("order history", "full" if run.full else "not complete", len(numbers) - before, "complete"))


def _pass_processed(run: Run, search: OrderSearch, numbers: set[str]) -> None:
    with run.open() as db:
        since = _since(run, read_mark(db, PROCESSED_MARK))
        known = _known_older_than(db, since)
    rows: list[OrderRow] = []
    try:
        if search.filter_works is False:
            raise FilterIgnored
        for page in search.window(since, _newest_edge(run), PROCESSED):
            rows += page
        why = "newly processed"
    except FilterIgnored:
        search.filter_works = False
        rows = []
        for page in search.unfiltered(known):
            rows += page
        why = "newest first, the date filter has no effect here"
    with run.open() as db, db.transaction():
        changed = landing.land_order_rows(db, rows, run.now())
        write_mark(db, PROCESSED_MARK, _watermark(run), run.now())
        _count_read(db, run)
    numbers.update(row.number for row in rows)
    run.asked.append(Asked("order search", why, len(rows), f"{changed} new or changed"))


def _known_older_than(db: Db, day: date) -> Callable[[list[OrderRow]], bool]:
    known = {row[0] for row in db.rows("select order_number from raw.vinoshipper_orders where purchased_on < ?", [day])}
    return lambda rows: bool(rows) and all(row.number in known for row in rows)


def _pass_shipped(run: Run, search: OrderSearch, numbers: set[str]) -> None:
    with run.open() as db:
        if search.filter_works is False or not is_due(db, NO_SHIPPED_FILTER, LEARN_AGAIN_AFTER, run.now()):
            run.asked.append(
                Asked("order search", "newly shipped", 0, "not possible here: open orders show it in turn")
            )
            return
        since = _since(run, read_mark(db, SHIPPED_MARK))
    rows: list[OrderRow] = []
    try:
        for page in search.window(since, _newest_edge(run), SHIPPED):
            rows += page
    except FilterIgnored:
        with run.open() as db:
            write_mark(db, NO_SHIPPED_FILTER, True, run.now())
        return
    with run.open() as db, db.transaction():
        changed = landing.land_order_rows(db, rows, run.now())
        write_mark(db, SHIPPED_MARK, _watermark(run), run.now())
    numbers.update(row.number for row in rows)
    run.asked.append(Asked("order search", "newly shipped", len(rows), f"{changed} new or changed"))


def _reconcile(run: Run, search: OrderSearch, numbers: set[str]) -> None:
    """Compare one-day slices of the last 90 days with what is stored, spread evenly over the period."""
    if search.filter_works is False:
        return  # there is no asking for a day here
    every = run.merchant.vinoshipper.refresh.reconcile
    today, now = run.today(), run.now()
    days = [today - timedelta(days=back) for back in range(RECONCILED_DAYS)]
    with run.open() as db:
        compared = dict(db.rows("select day, compared_at from raw.slices"))
        finished = read_mark(db, HISTORY)
        first = date.fromisoformat(finished["started"]) if finished else today
        # A day that the history walk has seen whole counts as compared then; the walk is what the slices keep true.
        at = db.value("select marked_at from raw.marks where name = ?", [HISTORY])
        age = {day: now - compared.get(day, at if day < first else now) for day in days}
        overdue = [day for day in days if run.full or age[day] >= every]
        turns = share(db, "reconcile", len(days), every, now)
        in_turn = sorted((day for day in days if day not in overdue), key=lambda day: (-age[day], day))
    found = 0
    chosen = [*overdue, *in_turn[: max(0, turns - len(overdue))]]
    for first_day, end in _stretches(chosen):
        rows = [row for page in search.window(first_day, end, PROCESSED) for row in page]
        with run.open() as db, db.transaction():
            found += landing.land_order_rows(db, rows, now)
            found += _want_those_not_shown(db, first_day, end, {row.number for row in rows})
            db.execute(
                """insert or replace into raw.slices
                   select cast(day as date), $now::timestamp
                   from range($start::timestamp, $end::timestamp, interval 1 day) as days(day)""",
                {"now": now, "start": first_day, "end": end},
            )
        numbers.update(row.number for row in rows)
    with run.open() as db:
        db.execute("delete from raw.slices where day < ?", [today - timedelta(days=RECONCILED_DAYS)])
    if chosen:
        run.asked.append(Asked("order search", "reconciliation by days", len(chosen), f"{found} differ"))


def _stretches(days: Iterable[date]) -> Iterator[tuple[date, date]]:
    """Days that follow each other, asked for together: (first day, day after the last), a month at the most."""
    stretch: list[date] = []
    for day in sorted(days):
        if stretch and (day - stretch[-1] != timedelta(days=1) or len(stretch) >= LONGEST_STRETCH):
            yield stretch[0], stretch[-1] + timedelta(days=1)
            stretch = []
        stretch.append(day)
    if stretch:
        yield stretch[0], stretch[-1] + timedelta(days=1)


def _want_those_not_shown(db: Db, first_day: date, end: date, shown: set[str]) -> int:
    """Stored orders of these days which the shop does not show any more: their detail tells (404: gone)."""
    with db.batch({"order_number": sorted(shown)}) as batch:
        missing = db.rows(
            f"""select order_number from raw.vinoshipper_orders
                where purchased_on >= ? and purchased_on < ? and coalesce(detail_status, 200) <> 404
                and order_number not in (select order_number from {batch})""",
            [first_day, end],
        )
    with db.batch({"order_number": [row[0] for row in missing]}) as batch:
        db.execute(
            f"""update raw.vinoshipper_orders set detail_wanted = true
                where order_number in (select order_number from {batch})"""
        )
    return len(missing)


def _land_all(run: Run, pages: Iterable[list[OrderRow]], numbers: set[str]) -> None:
    waiting: list[OrderRow] = []
    for rows in pages:
        waiting += rows
        numbers.update(row.number for row in rows)
        run.progress(f"orders {len(numbers)}")
        if len(waiting) >= LAND_ROWS_EVERY:
            with run.open() as db, db.transaction():
                landing.land_order_rows(db, waiting, run.now())
            waiting = []
    with run.open() as db, db.transaction():
        landing.land_order_rows(db, waiting, run.now())


def _count_read(db: Db, run: Run) -> None:
    db.execute("delete from raw.reads where what = 'orders'")
    db.execute(
        "insert into raw.reads select 'orders', ?, count(*), ? from raw.vinoshipper_orders", [run.run_id, run.now()]
    )


# --- details and receipts -----------------------------------------------------------------------------------------


def _read_details(
    run: Run,
    what: str,
    turns: Sequence[Turn],
    fetch: Callable[[Turn], str],
    land: Callable[[list[Detail]], None],
) -> None:
    done = 0
    for chunk in _chunks(turns, LAND_DETAILS_EVERY):
        details: list[Detail] = []
        try:
            for turn in chunk:
                try:
                    details.append(Detail(turn.id, fetch(turn)))
                except Refused as refused:
                    if refused.http_status != 404:
                        raise
                    details.append(Detail(turn.id, None))
        finally:
            if details:  # what was read before something went wrong need not be read again
                land(details)
        done += len(chunk)
        run.progress(f"{what} {done} of {len(turns)}")
    for why, count in Counter(turn.why for turn in turns).items():
        run.asked.append(Asked(what, why, count, "read"))


def fetch_receipts(run: Run, vs: VinoshipperClient, order_numbers: Iterable[str]) -> None:
    """Read the receipts of these orders; one that cannot be read now is marked so and stops nothing.

    A receipt that was read once is not asked for again unless the run is full: it belongs to a placed order.
    After a few failures in a row the rest is left for the next sync, or a broken endpoint would cost
    `give_up_after` for each of them.
    """
    with run.open() as db:
        read = {
            row[0]
            for row in db.rows(
                """select order_number from raw.vinoshipper_orders
                   where receipt_state = 'read' or (receipt_state = 'none' and receipt_at > ?)""",
                [run.now() - run.merchant.vinoshipper.refresh.open_orders],
            )
        }
    failures, states = 0, Counter[str]()
    receipts: list[tuple[str, str | None, str]] = []
    for number in order_numbers:
        if number in read and not run.full:
            continue
        url, state = None, "unreadable"
        if failures < RECEIPT_FAILURES_IN_A_ROW:
            try:
                url = receipt_url_from(vs.receipt(number).value)
                state = "read" if url else "none"
                failures = 0
            except (TryLater, BadAnswer):
                failures += 1
            except (Refused, BadKey) as error:
                if isinstance(error, BadKey) and error.http_status != 403:  # the key itself, or a log-in page
                    raise  # a 403 here is about receipts alone
                state = "none"
                failures = 0
        receipts.append((number, url, state))
        states[state] += 1
        if len(receipts) >= LAND_DETAILS_EVERY:
            landing.land_receipts(run, receipts)
            receipts = []
    landing.land_receipts(run, receipts)
    if states:
        run.asked.append(Asked("receipts", "newest orders", states.total(), f"{states['read']} read"))


def _chunks(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
