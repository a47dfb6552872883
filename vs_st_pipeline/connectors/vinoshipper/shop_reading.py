"""Reads a whole winery: everybody's details, the details of all orders, the product feed (audience.md 4.2).

Data flow: the customer list, the order search, details, the feed -> raw.vinoshipper_*; raw bodies that changed ->
`shop_rows` -> raw.vinoshipper_mapped, raw.vinoshipper_feed.

The walk is that of `customers`, `orders` and `details`, for everybody: it goes on where the last sync has left it.
Where another route of the merchant reads the same winery (routes.md R34), its rows are looked at in place of our own.

It is long because what is read, what of it changed, and when all of it was read once are one story.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar

from vs_st_pipeline.connectors.vinoshipper import landing, shop_rows
from vs_st_pipeline.connectors.vinoshipper.catalogue import feed_rows
from vs_st_pipeline.connectors.vinoshipper.client import VinoshipperClient
from vs_st_pipeline.connectors.vinoshipper.customers import LIST, fetch_customers
from vs_st_pipeline.connectors.vinoshipper.details import fetch_customer_details, fetch_order_details
from vs_st_pipeline.connectors.vinoshipper.kinds import CUSTOMER, ORDER
from vs_st_pipeline.connectors.vinoshipper.names import VINOSHIPPER
from vs_st_pipeline.connectors.vinoshipper.orders import HISTORY, search_orders
from vs_st_pipeline.connectors.vinoshipper.staging import raw_customer
from vs_st_pipeline.domain.codec import try_object
from vs_st_pipeline.domain.errors import BadAnswer, PipelineError, Refused
from vs_st_pipeline.domain.formats import counted
from vs_st_pipeline.domain.records import MANY, ONE_IN, believed, id_text
from vs_st_pipeline.domain.single_reads import is_of_one_record
from vs_st_pipeline.platform.kept_records import Came, KeptTable, as_json, land, next_change, text_of
from vs_st_pipeline.platform.run import RequestLogEntry, Run
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.platform.warehouse.staged_batches import kept_of
from vs_st_pipeline.platform.warehouse.state import get_state, set_state, state_set_at
from vs_st_pipeline.platform.warehouse.suppression import read_suppressed

T = TypeVar("T")
Look = Callable[[Callable[[Db], T]], T]
"""Lets a function look at the rows of whoever reads this winery, for a moment."""

MAPPED: Final = "raw.vinoshipper_mapped"
PRODUCTS: Final = KeptTable(
    "raw.vinoshipper_feed", shop_rows.PRODUCT, shop_rows.PRODUCT_KEYS, lambda body, _run: shop_rows.product(body)
)
_AT_ONCE: Final = 1000
_OWNERS: Final = "vinoshipper_owners_asked"  # the state: customers of new orders who were asked for by themselves
_NEW: Final = timedelta(days=3)
_MOST_OWNERS, _OWNERS_KEPT = 50, 500
_FEW: Final = 5


# --- reading --------------------------------------------------------------------------------------------------------


def read_customers(run: Run, vs: VinoshipperClient) -> int:
    """Read the customer list where it is due, and everybody's details that are; returns how many customers were seen.

    Raises:
        PipelineError: the system's trouble; what was read is stored.
    """
    seen = fetch_customers(run, vs)
    with run.open() as db:
        if db.value("select 1 from raw.vinoshipper_customers where linked_run is null limit 1"):  # all are read again
            with db.transaction():
                db.execute("update raw.vinoshipper_customers set linked_run = ? where linked_run is null", [run.run_id])
    fetch_customer_details(run, vs, None)
    return seen


def read_orders(run: Run, vs: VinoshipperClient) -> int:
    """Read what the order search shows, and the details of all orders that are due; returns how many were shown.

    Raises:
        PipelineError: the system's trouble; what was read is stored.
    """
    seen = search_orders(run, vs)
    fetch_order_details(run, vs, None)
    _read_new_owners(run, vs)
    return seen


def _read_new_owners(run: Run, vs: VinoshipperClient) -> None:
    """Read the customers of new orders whom no list has shown yet: with the order, not an hour after it.

    Each is asked for once: of one who is not there, or cannot be read, the next list tells.
    """
    with run.open() as db:
        asked = list(get_state(db, _OWNERS) or [])
        rows = db.rows(
            """select distinct customer_id from raw.vinoshipper_orders
               where customer_id is not null and purchased_on >= ? and detail_status = 200
                 and customer_id not in (select customer_id from raw.vinoshipper_customers)
                 and not list_contains(?::bigint[], customer_id) order by 1 limit ?""",
            [run.today() - _NEW, asked, _MOST_OWNERS],
        )
    for (owner,) in rows:
        if run.over_budget(vs.sent):
            return
        asked = [*asked, owner][-_OWNERS_KEPT:]
        try:
            text = vs.customer(owner).text
        except PipelineError as error:
            if not isinstance(error, Refused) and not is_of_one_record(error):
                raise
            text = None
        if text is not None:
            landing.land_hinted_customer(run, owner, text)
        with run.open() as db, db.transaction():
            db.execute("delete from raw.hints where kind = 'customer' and id = ?", [str(owner)])
            set_state(db, _OWNERS, asked, run.now())


def read_products(run: Run, vs: VinoshipperClient) -> tuple[int, bool]:
    """Read the product feed; returns how many products it has, and whether who is not in it is not there.

    Raises:
        BadAnswer: too many of its rows are none. PipelineError: as the client does.
    """
    rows = feed_rows(vs, needs_sku=False)
    came: dict[str, Came] = {}
    bad = 0
    for row in rows:
        own = id_text(row.get("id"))
        if own is None:
            bad += 1
            continue
        came[own] = Came(own, text_of(PRODUCTS, row))
    if (bad >= _FEW and not came) or (len(rows) >= MANY and bad * ONE_IN > len(rows)):
        raise BadAnswer("too many of the feed's products have no id", system=VINOSHIPPER, call="product_feed")
    with run.open() as db, db.transaction():
        if not bad:
            with db.batch({"id": sorted(came)}) as batch:
                db.execute(f"delete from {PRODUCTS.table} where id not in (select id from {batch})")
        land(run, db, PRODUCTS, list(came.values()), next_change(db, PRODUCTS))
    run.request_log.append(RequestLogEntry("product feed", "every sync", len(rows), counted(len(came), "products")))
    return len(came), not bad


# --- what a shop's rows are made of ---------------------------------------------------------------------------------

_CUSTOMER_HASH: Final = (
    "md5(concat_ws('|', coalesce(list_hash, ''), coalesce(detail_hash, ''), detail_leads, coalesce(list_kept, ''), "
    "coalesce(detail_kept, '')))"
)
_ORDER_HASH: Final = "md5(concat_ws('|', coalesce(detail_hash, ''), coalesce(detail_kept, ''), detail_status))"


@dataclass(slots=True)
class Mapped:
    """What changed among customers or orders.

    Attributes:
        changed: how many are other ones now. gone: how many are not there any more.
        complete: all of them were read once (audience.md 5.1.1). listed_at: when the last complete list was read.
        rows: how many there are.
    """

    changed: int = 0
    gone: int = 0
    complete: bool = False
    listed_at: datetime | None = None
    rows: int = 0
    ids: list[str] = field(default_factory=list)


def map_customers(run: Run, look: Look[Any], only: Sequence[str] | None = None) -> Mapped:
    """Make anew what changed of the customers; nobody is made whose detail was never read.

    Raises:
        TryLater: the rows cannot be looked at now: go on without news.
    """
    named = _named(only, "customer_id")

    def read(db: Db) -> tuple[list[Any], bool, datetime | None, set[str]]:
        rows = db.rows(
            f"""select cast(customer_id as varchar), {_CUSTOMER_HASH} from raw.vinoshipper_customers
                where deleted_at is null and detail_body is not null{named}"""
        )
        unread = db.value(
            """select count(*) from raw.vinoshipper_customers where deleted_at is null and detail_at is null
               and ('customer', cast(customer_id as varchar)) not in (select (kind, id) from raw.unreadable)"""
        )
        gone = {
            row[0]
            for row in db.rows(
                "select cast(customer_id as varchar) from raw.vinoshipper_customers where deleted_at is not null"
            )
        }
        listed = state_set_at(db, LIST)
        return rows, listed is not None and not unread, listed, gone

    rows, complete, listed, gone = look(read)

    def bodies(ids: list[str]) -> list[tuple[str, dict[str, Any] | None]]:
        found = look(
            lambda db: db.rows(
                """select cast(customer_id as varchar), list_body, detail_body, detail_leads, list_kept, detail_kept
                   from raw.vinoshipper_customers where list_contains(?::bigint[], customer_id)""",
                [[int(own) for own in ids]],
            )
        )
        return [(row[0], _customer(run, *row[1:])) for row in found]

    told = _store(run, "customer", rows, bodies)
    told.complete, told.listed_at = complete, listed
    if gone:
        told.gone = _drop(run, "customer", gone)
    told.rows = _count(run, "customer")
    return told


def _customer(
    run: Run, listed: str | None, detail: str | None, leads: bool, list_kept: str | None, detail_kept: str | None
) -> dict[str, Any] | None:
    listed_body, body = try_object(listed), try_object(detail)
    told = raw_customer(listed_body, body, leads, list_kept, detail_kept, run.today())
    if told is None or body is None:
        return None
    return shop_rows.customer(told, believed(CUSTOMER, body, kept_of(detail_kept)), run.now(), run.today())


def map_orders(run: Run, look: Look[Any], only: Sequence[str] | None = None) -> Mapped:
    """Make anew what changed of the orders; one that answers 404 stays as it was.

    Raises:
        TryLater: the rows cannot be looked at now: go on without news.
    """
    named = _named(only, "order_number")

    def read(db: Db) -> tuple[list[Any], bool]:
        rows = db.rows(
            f"""select order_number, {_ORDER_HASH} from raw.vinoshipper_orders
                where detail_status = 200 and detail_body is not null{named}"""
        )
        unread = db.value(
            """select count(*) from raw.vinoshipper_orders where detail_at is null
               and ('order', order_number) not in (select (kind, id) from raw.unreadable)"""
        )
        return rows, bool((get_state(db, HISTORY) or {}).get("complete")) and not unread

    rows, complete = look(read)

    def bodies(ids: list[str]) -> list[tuple[str, dict[str, Any] | None]]:
        found = look(
            lambda db: db.rows(
                """select order_number, detail_body, detail_kept from raw.vinoshipper_orders
                   where list_contains(?::varchar[], order_number)""",
                [ids],
            )
        )
        with run.open() as db:
            before = {
                row[0]: try_object(row[1])
                for row in db.rows(
                    f"select id, mapped from {MAPPED} where kind = 'order' and list_contains(?::varchar[], id)", [ids]
                )
            }
        return [(own, _order(run, own, body, kept, before.get(own))) for own, body, kept in found]

    told = _store(run, "order", rows, bodies)
    told.complete, told.rows = complete, _count(run, "order")
    return told


def _order(
    run: Run, number: str, text: str | None, kept: str | None, before: dict[str, Any] | None
) -> dict[str, Any] | None:
    body = try_object(text)
    if body is None:
        return None
    whole = {**believed(ORDER, body, kept_of(kept)), "orderNumber": number}
    return shop_rows.order(whole, run.today(), run.merchant.time_zone, before)


def _store(
    run: Run,
    kind: str,
    rows: Sequence[tuple[str, str]],
    bodies: Callable[[list[str]], list[tuple[str, dict[str, Any] | None]]],
) -> Mapped:
    """Make anew those of these records (id, hash) that were made from something else."""
    with run.open() as db, db.batch({"id": [row[0] for row in rows], "hash": [row[1] for row in rows]}) as batch:
        stale = db.rows(
            f"""select b.id, b.hash from {batch} as b
                left join (select id, source_hash from {MAPPED} where kind = ?) as m on m.id = b.id
                where m.source_hash is distinct from b.hash order by b.id""",
            [kind],
        )
        number = int(db.value(f"select coalesce(max(changed), 0) + 1 from {MAPPED}"))
        forgotten = read_suppressed(db)
    told = Mapped()
    for first in range(0, len(stale), _AT_ONCE):
        hashes = dict(stale[first : first + _AT_ONCE])
        found = [(own, made) for own, made in bodies(sorted(hashes)) if not forgotten.knows(kind, own)]
        columns = {
            "id": [own for own, _ in found],
            "hash": [hashes[own] for own, _ in found],
            "mapped": [None if made is None else as_json(made) for _, made in found],
        }
        with run.open() as db, db.transaction(), db.batch(columns) as batch:
            db.execute(f"delete from {MAPPED} where kind = ? and id in (select id from {batch})", [kind])
            db.execute(
                f"""insert into {MAPPED} (kind, id, source_hash, mapped, changed)
                    select ?, id, hash, mapped, ? from {batch}""",
                [kind, number],
            )
        told.changed += len(found)
        told.ids += columns["id"]
    return told


def _drop(run: Run, kind: str, ids: set[str]) -> int:
    with run.open() as db:
        with db.batch({"id": sorted(ids)}) as batch:
            known = db.rows(f"select id from {MAPPED} semi join {batch} using (id) where kind = ?", [kind])
        if known:
            with db.transaction(), db.batch({"id": [row[0] for row in known]}) as batch:
                db.execute(f"delete from {MAPPED} where kind = ? and id in (select id from {batch})", [kind])
    return len(known)


def _count(run: Run, kind: str) -> int:
    with run.open() as db:
        return int(db.value(f"select count(*) from {MAPPED} where kind = ? and mapped is not null", [kind]))


def _named(only: Sequence[str] | None, key: str) -> str:
    if only is None:
        return ""
    quoted = ", ".join("'" + own.replace("'", "''") + "'" for own in only) or "null"
    return f" and cast({key} as varchar) in ({quoted})"
