"""Reads what a sync needs besides the passes: orders of the shop one by one, and the shipper's catalogue.

Data flow: both systems -> raw.commerce7_orders, raw.vinoshipper_products, raw.catalogues.
"""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from typing import Any, Final

from vs_st_pipeline.connectors.commerce7 import products, reading
from vs_st_pipeline.domain.errors import Interrupted, PipelineError
from vs_st_pipeline.domain.order_desk import Catalogue
from vs_st_pipeline.domain.shop_order import ShopOrder
from vs_st_pipeline.domain.single_reads import SingleReads
from vs_st_pipeline.platform.clock import utc_now_naive
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.routes.orders import hinting, ledger, linked
from vs_st_pipeline.routes.orders.session import OrdersSession, is_down
from vs_st_pipeline.routes.orders.systems import SHIPPER, SHOP
from vs_st_pipeline.routes.orders.texts import word

HINT, LINKED, SINGLE = "hint", "linked", "paid"  # which read first showed an order, as raw names it
READ_SECONDS: Final = 120.0  # 3: a read of this sync that is younger is not made again
GONE_AFTER: Final = timedelta(minutes=15)  # between two 404s of an order that may be a refund (as routes.md R23)
SMALLEST: Final = 0.8  # 3: a catalogue of fewer than this share of the last one is not believed


def read_order(session: OrdersSession, reads: SingleReads, order_id: str, by: str) -> ShopOrder | None:
    """Read one order of the shop into raw; None: it is not there, or it could not be read (then it is in `reads`).

    One that cannot be read stops nobody (routes.md R40).

    Raises:
        PipelineError: it is the system's trouble.
    """
    run, at = session.run, time.monotonic()
    start = session.settings.start_at(run.merchant.time_zone)
    try:
        found = reading.read_one(run, session.shop, order_id, by, start=start)
    except PipelineError as error:
        reads.went_wrong(order_id, error)
        session.told.noted["unreadable"] += 1
        return None
    reads.went_well()
    session.reads[order_id] = at
    return found


def is_surely_gone(session: OrdersSession, order: ShopOrder, linked_id: str) -> bool:
    """Say whether an order that another one names, and that answered 404 just now, is nothing to wait for.

    It may be a refund that the shop does not show yet, and then what it takes back would be sent. So it has to have
    answered so `GONE_AFTER` ago as well, but where the order says that it is neither refund nor exchange.
    """
    kinds = dict(zip(order.linked, order.linked_kinds, strict=False))
    if kinds.get(linked_id) and linked.TYPES.get(word(kinds[linked_id])):
        return True
    run, name = session.run, f"linked_not_there:{linked_id}"
    with run.open() as db, db.transaction():
        first, now = ledger.fact(db, name), run.now()
        since = now if first is None else datetime.fromisoformat(first)
        if first is None or since > now:
            ledger.keep_fact(db, run, name, now.isoformat())
            return False
        return now - since >= GONE_AFTER


def ask_another(session: OrdersSession, asked: SingleReads) -> None:
    """Where every read of the shipper in a row of them failed, read an order that was read well before (routes.md R40).

    Raises:
        PipelineError: it cannot be read either, or there is none: then it is the system's trouble.
    """
    if not asked.all_failed:
        return
    with session.run.open() as db:
        number = db.value(
            """select vs_number from raw.vinoshipper_sent_orders where body is not null
               and vs_number not in (select vs_number from synced.orders
                                     where vs_number is not null and list_contains(?::varchar[], order_id))
               order by read_at_real desc limit 1""",
            [sorted(asked.failed)],
        )
    if number is None:
        raise next(iter(asked.failed.values()))
    session.desk.read(number)


# --- catalogues ---------------------------------------------------------------------------------------------------


def read_catalogues(session: OrdersSession) -> None:
    """Read both catalogues when they are due; the rest goes on without either.

    Raises:
        PipelineError: the shop does not answer at all.
    """
    run = session.run
    with run.open() as db:
        shop_due = _is_due(session, db, SHOP) or hinting.is_catalogue_hinted(db)
        there_due = _is_due(session, db, SHIPPER)
    if shop_due and not session.over_budget:
        try:
            count = products.read_catalogue(run, session.shop)
        except PipelineError as error:
            if error.system != SHOP or isinstance(error, Interrupted) or run.stop() or is_down(error):
                raise
            session.failed_parts["products of the shop"] = error
        else:
            with run.open() as db, db.transaction():
                _keep(run, db, SHOP, count or 0, "products", believed=count is not None)
                hinting.done_with(db, hinting.PRODUCT)
    if there_due and not session.over_budget:
        read_catalogue_there(session)


def read_catalogue_there(session: OrdersSession) -> bool:
    """Read the shipper's catalogue; returns whether it is believed. Its trouble is the run's only where it is down."""
    run = session.run
    if session.there is not None:
        return False
    try:
        found = session.desk.catalogue()
    except PipelineError as error:
        if error.system != SHIPPER or isinstance(error, Interrupted) or run.stop():
            raise
        if is_down(error):
            session.there = error
        else:
            session.failed_parts["products of the shipper"] = error
        return False
    with run.open() as db, db.transaction():
        return _store(run, db, found)


def _store(run: Run, db: Db, found: Catalogue) -> bool:
    before = db.row("select products, read_at from raw.catalogues where system = ?", [SHIPPER])
    known = before[0] if before is not None and before[1] is not None else 0
    count = len({one.sku for one in found.products})
    believed = count > 0 and count >= known * SMALLEST
    _keep(run, db, SHIPPER, count, found.way, believed=believed)
    if not believed:
        return False
    db.execute("delete from raw.vinoshipper_products")
    columns: dict[str, list[Any]] = {
        "sku": [one.sku for one in found.products],
        "name": [one.name for one in found.products],
        "price": [None if one.price is None else str(one.price) for one in found.products],
    }
    with db.batch(columns) as batch:
        db.execute(
            f"""insert into raw.vinoshipper_products by name
                select sku, any_value(name) as name, any_value(price) as price, ?::timestamp as read_at
                from {batch} group by sku""",
            [run.now()],
        )
    return True


def _keep(run: Run, db: Db, system: str, count: int, way: str, *, believed: bool) -> None:
    """Note that a catalogue was asked for, and whether it is believed; one that is not leaves the last one standing."""
    now, real = run.now(), utc_now_naive()
    before = db.row("select read_at, read_at_real, products, way from raw.catalogues where system = ?", [system])
    stands = (now, real, count, way) if believed else before or (None, None, count, way)
    db.execute(
        """insert or replace into raw.catalogues
           (system, read_at, read_at_real, products, way, tried_at, tried_at_real) values (?, ?, ?, ?, ?, ?, ?)""",
        [system, *stands, now, real],
    )


def _is_due(session: OrdersSession, db: Db, system: str) -> bool:
    """Say whether a catalogue is due; how old a read is goes by the machine's clock (3)."""
    at = db.value("select tried_at_real from raw.catalogues where system = ?", [system])
    if at is None or session.run.full:
        return True
    return not 0 <= (utc_now_naive() - at).total_seconds() < session.settings.refresh.products.total_seconds()
