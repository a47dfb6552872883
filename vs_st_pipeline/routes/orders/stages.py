"""Runs each stage of route `orders` for one merchant; `sync` and `targeted` say in which order, and for whom.

Data flow: both systems -> raw; staged, planned in `staging`, `judging`, `planned`; the ledger -> sends, fulfilments,
messages -> both systems.

Trouble at the shipper ends no stage: it is kept (`session.there`), the shipper is asked no more, and the run fails when
all that it can do without it is done. Trouble at the shop ends the run.
"""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from vs_st_pipeline.connectors.commerce7 import gaps, products, reading
from vs_st_pipeline.domain.errors import Interrupted, PipelineError
from vs_st_pipeline.domain.order_desk import Catalogue
from vs_st_pipeline.domain.single_reads import SingleReads
from vs_st_pipeline.pipeline import erasure, raw_retention
from vs_st_pipeline.pipeline.once.schedule import write_next_due
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.routes.orders import (
    after_sent,
    alerts,
    brake,
    due,
    evidence,
    forgetting,
    fulfilling,
    hinting,
    judging,
    ledger,
    messages,
    sending,
    settling,
    standing,
    watching,
)
from vs_st_pipeline.routes.orders.session import SYSTEMS, OrdersSession, is_down
from vs_st_pipeline.routes.orders.states import ThereCode
from vs_st_pipeline.routes.orders.systems import SHIPPER, SHOP

SMALLEST: Final = 0.8  # 3: a catalogue of fewer than this share of the last one is not believed


# --- before and after ---------------------------------------------------------------------------------------------


def begin(session: OrdersSession) -> None:
    """Bring in step what a crash, a loss or an older file has left."""
    run = session.run
    forgetting.begin(run)
    if evidence.recover(run):
        forgetting.begin(run)
    judging.begin(session)


def end(session: OrdersSession) -> None:
    """Count what stands, note when the route is due next, and remove what is kept no longer; a dry run only counts."""
    run, told = session.run, session.told
    told.seen["vinoshipper_orders"] = len(session.desk.numbers)
    with run.open() as db:
        due.count(session, db)
    told.plan = run.run_id
    told.parts = dict(session.failed_parts)
    told.add_up()
    if run.dry_run:
        return
    alerts.look(session)
    with run.open() as db:
        next_due = due.next_due_at(session, db)
    write_next_due(run, next_due)
    if run.trigger == "hint":  # a whole sync follows soon enough for what goes by days
        return
    raw_retention.prune_raw(run, SYSTEMS)
    erasure.finish(run, forgetting.OWN)


# --- what both say ------------------------------------------------------------------------------------------------


def read_shop(session: OrdersSession) -> None:
    """Read what is hinted at, then the passes, then numbers that are missing.

    Raises:
        PipelineError: the shop does not answer: then nothing else is done.
    """
    run, settings = session.run, session.settings
    with run.open() as db:
        hinted = hinting.orders(run, db)
    read_hinted(session, hinted)
    found = reading.read_passes(
        run, session.shop, start=settings.start_at(run.merchant.time_zone), reconcile=settings.refresh.reconcile
    )
    session.reads |= found.read_at
    session.told.seen["orders"] = len(found.found | session.reads.keys())
    session.told.noted["unreadable"] += found.unreadable
    brake.note_window(session, found.window_share)
    with run.open() as db, db.transaction():
        for order_id in sorted(found.late):
            ledger.note(db, run, order_id, "found_late")
        hinting.done_with(db, hinting.UPDATED)
    if not session.over_budget:
        gaps.look(run, session.shop)


def read_hinted(session: OrdersSession, order_ids: list[str]) -> dict[str, PipelineError]:
    """Read orders of the shop singly; returns why some could not be read. A hint is done when its read is stored."""
    run, reads = session.run, SingleReads(len(order_ids))
    for order_id in order_ids:
        session.hinted.add(order_id)
        read_order(session, reads, order_id, "hint")
        if order_id not in reads.failed:
            with run.open() as db, db.transaction():
                hinting.done_here(db, [order_id])
    return reads.failed


def read_order(session: OrdersSession, reads: SingleReads, order_id: str, by: str) -> None:
    """Read one order of the shop into raw; one that cannot be read stops nobody (routes.md R40)."""
    at = time.monotonic()
    try:
        reading.read_one(session.run, session.shop, order_id, by)
    except PipelineError as error:
        reads.went_wrong(order_id, error)
        session.told.noted["unreadable"] += 1
        return
    reads.went_well()
    session.reads[order_id] = at


def read_catalogues(session: OrdersSession) -> None:
    """Read both catalogues when they are due; the rest goes on without either."""
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
                _keep_catalogue(run, db, SHOP, count, "products", believed=True)
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
        return _store_catalogue(run, db, found)


def _store_catalogue(run: Run, db: Db, found: Catalogue) -> bool:
    before = db.row("select products, read_at from raw.catalogues where system = ?", [SHIPPER])
    known = before[0] if before is not None and before[1] is not None else 0
    count = len({one.sku for one in found.products})
    believed = count > 0 and count >= known * SMALLEST
    _keep_catalogue(run, db, SHIPPER, count, found.way, believed=believed)
    if not believed:
        return False
    db.execute("delete from raw.vinoshipper_products")
    columns = {
        "sku": [one.sku for one in found.products],
        "name": [one.name for one in found.products],
        "price": [None if one.price is None else str(one.price) for one in found.products],
    }
    with db.batch(columns) as batch:
        db.execute(
            f"""insert or replace into raw.vinoshipper_products by name
                select sku, any_value(name) as name, any_value(price) as price, ?::timestamp as read_at
                from {batch} group by sku""",
            [run.now()],
        )
    return True


def _keep_catalogue(run: Run, db: Db, system: str, count: int, way: str, *, believed: bool) -> None:
    db.execute(
        """insert into raw.catalogues by name select $system as system, $count as products, $way as way,
               case when $believed then $now::timestamp end as read_at,
               case when $believed then $real::timestamp end as read_at_real,
               $now::timestamp as tried_at, $real::timestamp as tried_at_real
           on conflict (system) do update set
               products = case when $believed then excluded.products else catalogues.products end,
               way = case when $believed then excluded.way else catalogues.way end,
               read_at = coalesce(excluded.read_at, catalogues.read_at),
               read_at_real = coalesce(excluded.read_at_real, catalogues.read_at_real),
               tried_at = excluded.tried_at, tried_at_real = excluded.tried_at_real""",
        {"system": system, "count": count, "way": way, "believed": believed, "now": run.now(), "real": real_now()},
    )


def _is_due(session: OrdersSession, db: Db, system: str) -> bool:
    """Say whether a catalogue is due; how old a read is goes by the machine's clock (3)."""
    at = db.value("select tried_at_real from raw.catalogues where system = ?", [system])
    return at is None or session.run.full or real_now() - at >= session.settings.refresh.products


def real_now() -> datetime:
    """Return the machine's time, UTC without zone."""
    return datetime.now(UTC).replace(tzinfo=None)


def read_there(session: OrdersSession) -> None:
    """Settle what is unknown, and read at the shipper what is hinted at or due."""
    if session.there is not None:
        return
    with session.asking_there():
        settling.settle(session, session.only)
    if session.there is None:
        with session.asking_there():
            _read_hinted_there(session)
    if session.there is None:
        with session.asking_there():
            watching.watch(session, session.only)


def _read_hinted_there(session: OrdersSession) -> None:
    run = session.run
    with run.open() as db:
        hinted = hinting.there(run, db)
        with db.transaction():
            hinting.drop_strangers(db)
    reads = SingleReads(len(hinted))
    for one in hinted:
        read_hinted_there(session, reads, one)


def read_hinted_there(session: OrdersSession, reads: SingleReads, hint: hinting.Hinted) -> None:
    """Read an order at the shipper that a hint names, and take over what it says."""
    run = session.run
    try:
        held = session.desk.read(hint.number)
    except PipelineError as error:
        reads.went_wrong(hint.number, error)
        session.told.noted["unreadable"] += 1
        return
    reads.went_well()
    with run.open() as db, db.transaction():
        for row in ledger.read(db, "vs_number = $number", {"number": hint.number}):
            after = standing.apply(session, db, row, held, by="hint")
            if hint.event == "APPROVED" and after.code == ThereCode.AGE_VERIFICATION:  # ruling 3
                ledger.store(db, replace(after, judged_content=None))
        hinting.done_there(db, [hint.number])


# --- what is written ----------------------------------------------------------------------------------------------


def write(session: OrdersSession) -> None:
    """Send what may be sent, oldest paid first, then fulfil, then tell; nothing in a run that may not write."""
    for record in session.once_safe:
        record()
    after_sent.look(session, session.only)
    if not session.writes:
        return
    if session.there is None:
        with session.asking_there():
            _send(session)
    if session.there is not None:  # whatever waits for it says why
        judging.wait(session)
        return
    fulfilling.fulfil(session, session.only)
    messages.tell(session, session.only)


def _send(session: OrdersSession) -> None:
    for order_id in judging.to_send(session):
        sending.send(session, order_id)
        if session.run.gives_way():  # a hinted order is not to wait for a club's whole run (R63)
            break
