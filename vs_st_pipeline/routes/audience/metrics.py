"""Measures what the checks of this route check, from its own tables (audience.md 9)."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from vs_st_pipeline.domain.phone import mask_email
from vs_st_pipeline.pipeline.metrics import SAMPLED, Metric
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.routes.audience import blocks, registration
from vs_st_pipeline.routes.audience.due import UNKNOWN
from vs_st_pipeline.routes.audience.registration import State

WAITS_LONG: Final = timedelta(hours=1)


def _masked(kind: str, record_id: str) -> str:
    return f"{kind} {mask_email(record_id) if '@' in record_id else record_id}"


def _sampled(db: Db, rows: str) -> str:
    found = db.rows(f"select kind, id from ({rows}) as f(kind, id) order by 1, 2 limit {SAMPLED}")
    return ", ".join(_masked(*row) for row in found)


def registered(run: Run, db: Db) -> Metric:
    """Measure whether the shop is registered; one that a person took out counts as it should be."""
    known = registration.read(run)
    wrong = known.state not in (State.REGISTERED, State.DISCONNECTED)
    since = "" if known.registered_at is None else f"since {known.registered_at:%Y-%m-%d %H:%M} UTC"
    return Metric(int(wrong), 1, f"{known.state} {since}".strip())


def history_open(run: Run, db: Db) -> Metric:
    """Measure blocks of the history that are not done."""
    standing = blocks.read(db).values()
    left = [one for one in standing if one.state not in blocks.ENDED]
    told = ", ".join(f"{one.block} {one.state}" for one in left)
    return Metric(len(left), len(standing), told)


def events_waiting(run: Run, db: Db) -> Metric:
    """Measure events that wait for longer than they should, and tell the age of the oldest."""
    of, oldest = db.rows("select count(*), min(entered_at) from synced.audience_outbox where state <> 'dead'")[0]
    long = "select kind, id from synced.audience_outbox where state <> 'dead' and entered_at < ?"
    count = int(db.value(f"select count(*) from ({long})", [run.now() - WAITS_LONG]))
    told = "" if oldest is None else f"the oldest for {(run.now() - oldest).total_seconds() / 3600:.1f} h"
    return Metric(count, int(of), told)


def refused(run: Run, db: Db) -> Metric:
    """Measure events and records of the history that were refused for 30 days: dead letters."""
    rows = """select kind, id from synced.audience_outbox where state = 'dead'
              union all select block, id from synced.audience_late where dead"""
    dead, of = (int(db.value(f"select count(*) from ({sql})")) for sql in (rows, _OPEN))
    return Metric(dead, max(of, dead), "", _sampled(db, rows))


_OPEN: Final = """select kind, id from synced.audience_outbox union all select block, id from synced.audience_late
                  where why = 'rejected'"""


def unknown(run: Run, db: Db) -> Metric:
    """Measure what may have arrived, and of which nobody knows."""
    count = int(db.value(f"select count(*) from ({UNKNOWN})"))
    of = int(db.value("select count(*) from synced.audience_outbox"))
    return Metric(count, max(of, count), "", _sampled(db, UNKNOWN))


def without_evidence(run: Run, db: Db) -> Metric:
    """Measure addresses that WayMore was told as subscribed, by us, without stored evidence."""
    told = "from synced.base_subscribers where subscribed and told in ('told', 'outbox')"
    rows = f"select 'subscriber', address {told} and coalesce(evidence, '') = ''"
    count, of = (int(db.value(f"select count(*) from ({sql})")) for sql in (rows, f"select 1 {told}"))
    return Metric(count, of, "", _sampled(db, rows))


def unknown_products(run: Run, db: Db) -> Metric:
    """Measure orders with a line of a product that is not there."""
    rows = """select distinct 'order', l.order_id from staged.shop_order_lines as l
              anti join staged.shop_products as p using (product_id)"""
    count = int(db.value(f"select count(*) from ({rows})"))
    return Metric(count, int(db.value("select count(*) from staged.shop_orders")), "", _sampled(db, rows))


def late(run: Run, db: Db) -> Metric:
    """Measure changes that were seen too late to be told as events, in the last 30 days."""
    rows = """select kind, id from synced.audience_told where state = 'late' and kind is not null and "at" > ?"""
    since = run.now() - timedelta(days=30)
    count = int(db.value(f"select count(*) from ({rows})", [since]))
    of = int(db.value('select count(*) from synced.audience_told where "at" > ?', [since]))
    return Metric(count, max(of, count))


def without_price(run: Run, db: Db) -> Metric:
    """Measure products of which neither a price is known nor one of an option."""
    rows = """select 'product', product_id from staged.shop_products as p
              where gone_at is null and coalesce(price, 0) = 0 and not exists (
                  select 1 from staged.shop_options as o
                  where o.product_id = p.product_id and coalesce(o.price, 0) > 0)"""
    count = int(db.value(f"select count(*) from ({rows})"))
    of = int(db.value("select count(*) from staged.shop_products where gone_at is null"))
    return Metric(count, of, "", _sampled(db, rows))
