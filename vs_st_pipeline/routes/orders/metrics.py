"""Measures what the checks of this route check, from its own tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

from vs_st_pipeline.pipeline.metrics import SAMPLED, Metric
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.routes.orders import products
from vs_st_pipeline.routes.orders.settings import OrdersSettings
from vs_st_pipeline.routes.orders.systems import SHIPPER

SOON: Final = timedelta(minutes=30)
"""How long an order that may be sent may wait (orders.md 8)."""
MAY_BE_SENT: Final = ("queued", "try_later", "auth")
"""Codes of orders that wait though every rule lets them go."""


def _orders(db: Db, where: str, given: Mapping[str, Any], of: str = "true") -> Metric:
    """Measure orders of the ledger by code, with some numbers."""
    rows = db.rows(f"select order_number, code from synced.orders where {where} order by paid_at, order_id", given)
    counts: dict[str, int] = {}
    for _, code in rows:
        counts[code or "sending"] = counts.get(code or "sending", 0) + 1
    total = int(db.value(f"select count(*) from synced.orders where code is distinct from 'before_start' and {of}"))
    told = ", ".join(f"{code} {count}" for code, count in sorted(counts.items()))
    return Metric(len(rows), max(total, len(rows)), told, _named(row[0] for row in rows[:SAMPLED]))


def _named(numbers: Any) -> str:
    return ", ".join(str(one) for one in numbers)


def not_sent_soon(run: Run, db: Db) -> Metric:
    """Measure orders that may be sent since 30 minutes and are not: so long ago something else stood in the way."""
    return _orders(
        db,
        """(state = 'sending' or (state = 'waiting' and list_contains($codes::varchar[], code)))
           and greatest(first_seen_at, paid_at, coalesce(
               (select max(a.at) from synced.order_activity as a where a.order_id = synced.orders.order_id
                and a.code is not null and not list_contains($codes::varchar[], a.code)), first_seen_at)) <= $since""",
        {"codes": list(MAY_BE_SENT), "since": run.now() - SOON},
        of="state <> 'not_required'",
    )


def failed(run: Run, db: Db) -> Metric:
    """Measure orders that failed and still stand so, by code."""
    return _orders(db, "state = 'failed'", {}, of="state <> 'not_required'")


def unknown_writes(run: Run, db: Db) -> Metric:
    """Measure writes that are out, and of which it is not known whether they were taken."""
    rows = db.rows(
        """select w.call, coalesce(o.order_number, w.order_id) from synced.order_writes as w
           left join synced.orders as o using (order_id)
           where w.outcome is null and w.call <> 'message' order by w.at"""
    )
    of = int(db.value("select count(*) from synced.order_writes where call <> 'message'"))
    told = ", ".join(f"{call} {sum(row[0] == call for row in rows)}" for call in dict.fromkeys(row[0] for row in rows))
    return Metric(len(rows), of, told, _named(row[1] for row in rows[:SAMPLED]))


def noted(words: Sequence[str], of: str = "state = 'sent'") -> Callable[[Run, Db], Metric]:
    """Measure orders with one of these notes."""

    def find(run: Run, db: Db) -> Metric:
        rows = db.rows(
            """select n.note, coalesce(nullif(o.order_number, ''), n.order_id) from synced.order_notes as n
               left join synced.orders as o using (order_id)
               where list_contains($words::varchar[], n.note) order by n.since, n.order_id""",
            {"words": list(words)},
        )
        total = int(db.value(f"select count(*) from synced.orders where {of}"))
        told = ", ".join(f"{word} {count}" for word in words if (count := sum(row[0] == word for row in rows)))
        return Metric(len(rows), max(total, len(rows)), told, _named(row[1] for row in rows[:SAMPLED]))

    return find


def tracking_late(run: Run, db: Db) -> Metric:
    """Measure shipped orders whose fulfillment should have been written an hour ago, and is not."""
    wait = run.merchant.section(OrdersSettings).tracking_wait + timedelta(hours=1)
    rows = db.rows(
        """select o.order_number, coalesce(f.outcome, 'not written') from synced.orders as o
           left join synced.fulfilments as f using (order_id)
           where o.state = 'sent' and o.stage in ('Shipped', 'Delivered') and o.shipped_seen_at <= $since
             and coalesce(f.outcome, 'refused') = 'refused' order by o.shipped_seen_at""",
        {"since": run.now() - wait},
    )
    of = int(db.value("select count(*) from synced.orders where stage in ('Shipped', 'Delivered')"))
    return Metric(len(rows), of, "", _named(row[0] for row in rows[:SAMPLED]))


def skus(run: Run, db: Db) -> Metric:
    """Measure SKUs of the shop that the shipper does not sell under the same letters."""
    found = products.compare(db)
    shop = [one for one in found if one.found != products.ONLY_THERE]
    wrong = [one for one in shop if one.found != products.BOTH]
    if not products.is_known(db, SHIPPER):
        return Metric(0, len(shop), "the shipper's catalogue was not read yet")
    counts = ((word, sum(one.found == word for one in wrong)) for word in (products.ONLY_SHOP, products.CASE_DIFFERS))
    told = ", ".join(f"{word} {count}" for word, count in counts if count)
    return Metric(len(wrong), len(shop), told, ", ".join(one.sku for one in wrong[:SAMPLED]))


def prices(run: Run, db: Db) -> Metric:
    """Measure SKUs that both sell at different prices."""
    both = [one for one in products.compare(db) if one.difference is not None]
    wrong = [one for one in both if one.difference]
    largest = max((abs(one.difference) for one in wrong if one.difference is not None), default=None)
    told = "" if largest is None else f"largest difference {largest:.2f}"
    return Metric(len(wrong), len(both), told, ", ".join(one.sku for one in wrong[:SAMPLED]))


def rates(run: Run, db: Db) -> Metric:
    """Measure orders that fail for their way of shipping, by what it is."""
    return _orders(
        db, "state = 'failed' and code in ('unknown_rate', 'several_rates')", {}, of="state <> 'not_required'"
    )


def gaps(run: Run, db: Db) -> Metric:
    """Measure numbers that the shop never showed."""
    rows = db.rows(
        "select order_number from raw.commerce7_gaps where looked_at is not null and not found order by order_number"
    )
    of = int(db.value("select count(*) from staged.shop_orders"))
    return Metric(len(rows), max(of, len(rows)), "", _named(row[0] for row in rows[:SAMPLED]))
