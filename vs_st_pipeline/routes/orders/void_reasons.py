"""Keeps why a person wanted an order voided, so that `vs-st orders show` says it: free text, which may name somebody.

Data flow: `orders void --reason` -> synced.void_reasons -> the page of `show`; `forget`, `keep_raw_bodies` -> gone.

The activity names nobody and outlives the person (orders.md 4.4, 10), so it is not kept there.
"""

from __future__ import annotations

from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.routes.orders import ledger, notes
from vs_st_pipeline.routes.orders.rows import put


def keep(db: Db, run: Run, order_id: str, reason: str, *, who: str | None = None) -> None:
    """Keep the reason, e-mails and phones masked, inside the caller's transaction; the last one of an order stands.

    Of an order whose person was forgotten nothing is kept: nobody would erase it any more.
    """
    if db.value("select 1 from staged.shop_orders where order_id = ? and erased", [order_id]) is not None:
        return
    row = {
        "order_id": order_id,
        "reason": notes.masked(reason),
        "at": run.now(),
        "who": who or ledger.who_of(run),
        "run_id": run.run_id,
    }
    put(db, "synced.void_reasons", "order_id", row)


def find(db: Db, order_id: str) -> str:
    """Return the reason; `""` where there is none, or none any more."""
    return str(db.value("select reason from synced.void_reasons where order_id = ?", [order_id]) or "")
