"""What is asked of Vinoshipper, and how what came is landed in raw.

Data flow: API pages and records -> raw.vinoshipper_customers, raw.vinoshipper_orders.

Vinoshipper ignores what it does not understand and answers 200 all the same, so every walk is checked against
what it was asked for before it counts as complete (`order_search.py` does it for orders). Landing is by page or
by a few hundred records, so that a file is never held while an answer is waited for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from hashlib import md5
from typing import TypeVar

from vs_st_pipeline.customer import customer_from
from vs_st_pipeline.errors import VINOSHIPPER, BadAnswer, BadKey, Refused, TryLater
from vs_st_pipeline.order import receipt_url_from
from vs_st_pipeline.run import Run
from vs_st_pipeline.sources.vinoshipper.client import VinoshipperClient, decode, whole_number
from vs_st_pipeline.sources.vinoshipper.order_search import OrderRow, OrderSearch
from vs_st_pipeline.warehouse import Db

PAGE_SIZE = 250
LAND_EVERY = 2_000
LAND_DETAILS_EVERY = 200
RECEIPT_FAILURES_IN_A_ROW = 3
SHRUNK = 0.8

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class CustomerItem:
    """One item of the customer list: its exact JSON text and the pointers taken from it."""

    customer_id: int
    phone: str | None
    text: str


@dataclass(slots=True)
class CustomerWalk:
    """One walk over the customer list: distinct ids met, and the totals told on the way."""

    ids: set[int] = field(default_factory=set)
    unusable: int = 0
    first_total: int | None = None
    last_total: int | None = None

    @property
    def seen(self) -> int:
        return len(self.ids) + self.unusable

    @property
    def moved(self) -> bool:
        return self.first_total != self.last_total

    @property
    def short(self) -> bool:
        return self.last_total is not None and self.seen < self.last_total


def fetch_customers(run: Run, vs: VinoshipperClient) -> int:
    """Walk the whole customer list and land it; only a complete walk says who is missing.

    Returns:
        How many distinct customers the list holds.

    Raises:
        BadAnswer: the list told more customers than it gave, or paging had no effect, twice over.
    """
    walk = _walk_and_land(run, vs)
    if walk.moved or walk.short:  # it changed under our feet: once more from the start
        walk = _walk_and_land(run, vs)
    if walk.short:
        raise BadAnswer(
            f"the customer list says it has {walk.last_total} but gave {walk.seen}; nothing is taken from it",
            system=VINOSHIPPER,
            call="list_customers",
        )
    with run.open() as db, db.transaction():
        _record_complete_walk(run, db, walk)
    return len(walk.ids)


def _walk_and_land(run: Run, vs: VinoshipperClient) -> CustomerWalk:
    walk = CustomerWalk()
    waiting: dict[int, CustomerItem] = {}
    for items in _pages(vs, walk):
        waiting.update((item.customer_id, item) for item in items)
        run.progress(f"customers {walk.seen}" + (f" of {walk.last_total}" if walk.last_total else ""))
        if len(waiting) >= LAND_EVERY:
            _land_customers(run, list(waiting.values()))
            waiting = {}
    _land_customers(run, list(waiting.values()))
    return walk


def _pages(vs: VinoshipperClient, walk: CustomerWalk, page_size: int = PAGE_SIZE) -> Iterator[list[CustomerItem]]:
    before: list[int] = []
    page_index = 0
    while True:
        page = vs.list_customers(page_index, page_size)
        if page_index == 0:
            walk.first_total = page.total
        walk.last_total = page.total if page.total is not None else walk.last_total
        items = [item for text in page.items if (item := _customer_item(text)) is not None]
        ids = [item.customer_id for item in items]
        if page_index and ids and ids == before:
            if page_size == PAGE_SIZE and walk.last_total and walk.last_total > PAGE_SIZE:
                # Page steps have no effect: the only other documented way is one page that holds all.
                walk.ids.clear()
                yield from _pages(vs, walk, page_size=walk.last_total)
                return
            if walk.last_total is None or walk.seen < walk.last_total:
                raise BadAnswer(
                    "the customer list gave the same page twice: paging has no effect",
                    system=VINOSHIPPER,
                    call="list_customers",
                )
            return
        walk.ids.update(ids)
        walk.unusable += len(page.items) - len(items)
        yield items
        if not page.items or (page.total is not None and walk.seen >= page.total):
            return
        if page_size != PAGE_SIZE:
            return
        before = ids
        page_index += 1


def _land_customers(run: Run, items: Sequence[CustomerItem]) -> None:
    if not items:
        return
    columns: dict[str, list[object]] = {
        "customer_id": [item.customer_id for item in items],
        "phone": [item.phone for item in items],
        "body": [item.text for item in items],
        "hash": [md5(item.text.encode(), usedforsecurity=False).hexdigest() for item in items],
    }
    with run.open() as db, db.transaction(), db.batch(columns, {"customer_id": "int"}) as batch:
        db.execute(
            f"""update raw.vinoshipper_customers as c
                set phone = b.phone, list_body = b.body, list_hash = b.hash, listed_at = ?
                from {batch} as b
                where c.customer_id = b.customer_id and c.list_hash is distinct from b.hash""",
            [run.now()],
        )
        db.execute(
            f"""insert into raw.vinoshipper_customers (customer_id, phone, list_body, list_hash, listed_at)
                select b.customer_id, b.phone, b.body, b.hash, ? from {batch} as b
                anti join raw.vinoshipper_customers as c using (customer_id)""",
            [run.now()],
        )


def _record_complete_walk(run: Run, db: Db, walk: CustomerWalk) -> None:
    db.execute("delete from raw.reads where what = 'customers'")
    db.execute("insert into raw.reads values ('customers', ?, ?, ?)", [run.run_id, len(walk.ids), run.now()])
    if run.dry_run:  # a rehearsal is no witness: it may not bring anyone nearer to being deleted
        return
    known = db.value("select rows from synced.baseline where what = 'customers'")
    shrunk = known is not None and len(walk.ids) < SHRUNK * known and not run.allow_unsafe
    with db.batch({"customer_id": sorted(walk.ids)}, {"customer_id": "int"}) as batch:
        db.execute(
            f"""update raw.vinoshipper_customers set missing = 0, deleted_at = null
                where (missing > 0 or deleted_at is not null) and customer_id in (select customer_id from {batch})"""
        )
        if not shrunk:  # a list that lost a fifth is the brake's business, not a proof of deletions
            db.execute(
                f"""update raw.vinoshipper_customers
                    set missing = missing + 1, deleted_at = case when missing >= 1 then coalesce(deleted_at, ?) end
                    where customer_id not in (select customer_id from {batch})""",
                [run.now()],
            )


def fetch_customer_details(run: Run, vs: VinoshipperClient, customer_ids: Sequence[int]) -> None:
    """Read these customers one by one; a 404 is remembered beside the last detail that there was."""
    for chunk in _chunks(sorted(customer_ids), LAND_DETAILS_EVERY):
        columns: dict[str, list[object]] = {"customer_id": [], "body": [], "status": []}
        for customer_id in chunk:
            columns["customer_id"].append(customer_id)
            try:
                columns["body"].append(vs.customer(customer_id).text)
                columns["status"].append(200)
            except Refused as refused:
                if refused.http_status != 404:
                    raise
                columns["body"].append(None)
                columns["status"].append(404)
        with run.open() as db, db.transaction(), db.batch(columns, {"customer_id": "int", "status": "int"}) as batch:
            db.execute(
                f"""update raw.vinoshipper_customers as c
                    set detail_body = coalesce(b.body, c.detail_body), detail_status = b.status, detail_at = ?
                    from {batch} as b where c.customer_id = b.customer_id""",
                [run.now()],
            )
            if not run.dry_run:
                db.execute(
                    "update raw.vinoshipper_customers set deleted_at = ? "
                    "where deleted_at is null and missing >= 1 and detail_status = 404",
                    [run.now()],
                )
        run.progress(f"customer details {len(columns['customer_id'])}")


def fetch_orders(run: Run, vs: VinoshipperClient, customer_ids: Sequence[int]) -> int:
    """Search all orders from tomorrow back to `history_from`, land the rows, then read these customers' orders.

    Returns:
        How many distinct orders the search showed.
    """
    search = OrderSearch(vs)
    numbers: set[str] = set()
    newest = run.today() + timedelta(days=2)  # no zone on earth is further ahead than that
    waiting: dict[str, OrderRow] = {}
    for rows in search.everything(newest, run.merchant.vinoshipper.history_from - timedelta(days=2)):
        waiting.update((row.number, row) for row in rows)
        numbers.update(row.number for row in rows)
        run.progress(f"orders {len(numbers)}")
        if len(waiting) >= LAND_EVERY:
            _land_order_rows(run, list(waiting.values()))
            waiting = {}
    _land_order_rows(run, list(waiting.values()))
    with run.open() as db:
        with db.batch({"customer_id": sorted(customer_ids)}, {"customer_id": "int"}) as batch:
            wanted = db.rows(
                f"select order_number from raw.vinoshipper_orders semi join {batch} using (customer_id) order by 1"
            )
        db.execute("delete from raw.reads where what = 'orders'")
        db.execute("insert into raw.reads values ('orders', ?, ?, ?)", [run.run_id, len(numbers), run.now()])
    _fetch_order_details(run, vs, [str(row[0]) for row in wanted])
    return len(numbers)


def _land_order_rows(run: Run, rows: Sequence[OrderRow]) -> None:
    if not rows:
        return
    columns: dict[str, list[object]] = {
        "order_number": [row.number for row in rows],
        "customer_id": [row.customer_id for row in rows],
        "body": [row.text for row in rows],
    }
    with run.open() as db, db.transaction(), db.batch(columns, {"customer_id": "int"}) as batch:
        db.execute(
            f"""update raw.vinoshipper_orders as o
                set customer_id = coalesce(b.customer_id, o.customer_id), search_body = b.body, searched_at = ?
                from {batch} as b
                where o.order_number = b.order_number and o.search_body is distinct from b.body""",
            [run.now()],
        )
        db.execute(
            f"""insert into raw.vinoshipper_orders (order_number, customer_id, search_body, searched_at)
                select b.order_number, b.customer_id, b.body, ? from {batch} as b
                anti join raw.vinoshipper_orders as o using (order_number)""",
            [run.now()],
        )


def _fetch_order_details(run: Run, vs: VinoshipperClient, order_numbers: Sequence[str]) -> None:
    done = 0
    for chunk in _chunks(order_numbers, LAND_DETAILS_EVERY):
        columns: dict[str, list[object]] = {"order_number": [], "body": [], "status": []}
        for number in chunk:
            columns["order_number"].append(number)
            try:
                columns["body"].append(vs.order(number).text)
                columns["status"].append(200)
            except Refused as refused:
                if refused.http_status != 404:
                    raise
                columns["body"].append(None)  # gone: it counts no more
                columns["status"].append(404)
        with run.open() as db, db.transaction(), db.batch(columns, {"status": "int"}) as batch:
            db.execute(
                f"""update raw.vinoshipper_orders as o
                    set detail_body = coalesce(b.body, o.detail_body), detail_status = b.status, detail_at = ?
                    from {batch} as b where o.order_number = b.order_number""",
                [run.now()],
            )
        done += len(chunk)
        run.progress(f"order details {done} of {len(order_numbers)}")


def fetch_receipts(run: Run, vs: VinoshipperClient, order_numbers: Iterable[str]) -> None:
    """Read the receipts of these orders; one that cannot be read now is marked so and stops nothing.

    A receipt that was read once is not asked for again unless the run is full: it belongs to a placed order.
    After a few failures in a row the rest is left for the next sync, or a broken endpoint would cost
    `give_up_after` for each of them.
    """
    with run.open() as db:
        read = {
            row[0] for row in db.rows("select order_number from raw.vinoshipper_orders where receipt_state = 'read'")
        }
    failures = 0
    columns: dict[str, list[object]] = {"order_number": [], "url": [], "state": []}
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
                if error.http_status == 401:  # the key itself; a 403 here is about receipts alone
                    raise
                state = "none"
                failures = 0
        columns["order_number"].append(number)
        columns["url"].append(url)
        columns["state"].append(state)
    if not columns["order_number"]:
        return
    with run.open() as db, db.transaction(), db.batch(columns) as batch:
        db.execute(
            f"""update raw.vinoshipper_orders as o
                set receipt_url = case when b.state = 'unreadable' then o.receipt_url else b.url end,
                    receipt_state = b.state, receipt_at = ?
                from {batch} as b where o.order_number = b.order_number""",
            [run.now()],
        )


def _customer_item(text: bytes) -> CustomerItem | None:
    body = decode(text)
    customer_id = whole_number(body.get("id")) if isinstance(body, dict) else None
    if customer_id is None:
        return None
    customer = customer_from(body, None, date.max)
    return CustomerItem(customer_id, customer.phone if customer else None, text.decode())


def _chunks(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
