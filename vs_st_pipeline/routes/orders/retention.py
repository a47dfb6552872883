"""Takes away what both systems said of orders that nothing is to be done with any more (orders.md 10; routes.md R58).

Data flow: raw.commerce7_orders, raw.vinoshipper_sent_orders -> the same, without bodies, so without birth dates.

The ledger stays as it is: who was sent what is known for good, without anybody's data. A change at the shop, or a read
for a person's command, brings a body back.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from vs_st_pipeline.connectors.commerce7 import retention as shop
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.platform.warehouse.state import is_due, set_state
from vs_st_pipeline.platform.warehouse.streams import REDUCED
from vs_st_pipeline.routes.orders.states import Stage, State

EVERY, STATE = timedelta(days=1), "orders retention"
ENDED: Final = timedelta(days=180)
"""A parcel of which nothing was heard for so long ends here."""


def prune(run: Run) -> int:
    """Reduce what is due, once a day, where the merchant has set `keep_raw_bodies`; a dry run reduces nothing.

    Returns:
        How many orders of the shop were reduced.
    """
    keep = run.merchant.keep_raw_bodies
    if keep is None or run.dry_run:
        return 0
    with run.open() as db:
        if not is_due(db, STATE, EVERY, run.now()):
            return 0
        old = shop.with_body(db, run.now() - keep)
        done = _done_with(run, db)
        with db.transaction():
            found = [one for one in old if one in done]
            shop.reduce_orders(db, found)
            db.execute(
                """update raw.vinoshipper_sent_orders set body = null, body_sha256 = $reduced
                   where body is not null and read_at < $before and vs_number in (
                       select vs_number from synced.orders
                       where vs_number is not null and list_contains($done::varchar[], order_id))""",
                {"reduced": REDUCED, "before": run.now() - keep, "done": sorted(done)},
            )
            db.execute(
                'delete from synced.void_reasons where "at" < $before and list_contains($done::varchar[], order_id)',
                {"before": run.now() - keep, "done": sorted(done)},
            )
            set_state(db, STATE, True, run.now())
    return len(found)


def _done_with(run: Run, db: Db) -> set[str]:
    """Return the ids of orders that are decided for good, that no write is under way for, and nothing is told of.

    One that is linked to another that is not decided yet is needed to judge that.
    """
    rows = db.rows(
        """with open as (
               select order_id from synced.order_writes where outcome is null
               union select order_id from synced.orders
               where state in ($waiting, $sending, $failed)
                  or (state = $sent and coalesce(stage, '') not in ($delivered, $returned)
                      and coalesce(stage_at, sent_at, updated_at) > $heard)
           )
           select order_id from synced.orders where order_id not in (select order_id from open)
             and not exists (
                 select 1 from staged.shop_orders as s where s.order_id = orders.order_id
                   and (s.previous_id in (select order_id from open)
                        or exists (select 1 from staged.shop_orders as t join open using (order_id)
                                   where t.previous_id = s.order_id or list_contains(
                                       from_json(t.linked, '["varchar"]'), s.order_id))))""",
        {
            **{state.value: state.value for state in (State.WAITING, State.SENDING, State.FAILED, State.SENT)},
            "delivered": Stage.DELIVERED.value,
            "returned": Stage.RETURNED.value,
            "heard": run.now() - ENDED,
        },
    )
    return {row[0] for row in rows}
