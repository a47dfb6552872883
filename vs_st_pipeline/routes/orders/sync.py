"""Runs all stages for one merchant: what the shop says, how each order stands, what may be sent, and what came of it.

    raw      what both say of orders           stages.read_shop, stages.read_catalogues, stages.read_there
    staged   one row per order, per parcel     staging.stage
    planned  what is to be sent, told          judging.judge, brake.ask
    synced   the ledger, and what was written  stages.send, stages.tell

In the order of orders.md 3: hints, passes, what is unknown, plan, brake, sends, fulfilments, messages. If the shop does
not answer, the shipper is not asked. If the shipper does not, what the shop said is kept and judged, and whoever may be
sent waits for it.

`run_stages` runs the stages that it is asked for; `sync` all of them. `dry_run` does all but the last in a copy of the
merchant's file that is thrown away, so it moves nothing (routes.md R27). What a few hints name is synced by `targeted`.
"""

from __future__ import annotations

from typing import Any, Final

from vs_st_pipeline.pipeline.staged_run import StagedRun
from vs_st_pipeline.routes.orders import brake, hinting, judging, planned, reads, stages, staging
from vs_st_pipeline.routes.orders.report import new_report
from vs_st_pipeline.routes.orders.session import OrdersSession, open_session
from vs_st_pipeline.routes.orders.stage_names import PLAN, PRODUCTS, PUSH, SENT_ORDERS, SHOP_ORDERS, STAGED, STAGES
from vs_st_pipeline.routes.orders.systems import NAME

NOTHING: Final[dict[str, Any]] = {
    "planned": new_report("").as_json()["planned"],
    **{name: [] for name in ("orders", "fulfilments", "messages", "held")},
}


def steps(session: OrdersSession) -> None:
    """Do the stages that are selected, in their order."""
    stages.begin(session)
    try:
        read_and_judge(session)
        session.do(PUSH, stages.write)
        if trouble := session.there or session.trouble:
            raise trouble
    finally:
        stages.end(session)


def read_and_judge(session: OrdersSession) -> None:
    """Do all of a sync that comes before the first write.

    Raises:
        PipelineError: the shop does not answer; or the brake refuses this sync (`Unsafe`), and nothing may be written.
    """
    session.do(SHOP_ORDERS, stages.read_shop)
    session.do(STAGED, staging.stage)
    session.do(PRODUCTS, reads.read_catalogues)
    session.do(SENT_ORDERS, stages.read_there)
    judge(session)


def judge(session: OrdersSession) -> None:
    """Say how each order stands and what is to be written; raises `Unsafe` where none of it may be."""
    for step in (judging.judge, brake.ask, judging.look_first, planned.plan, brake.hold):
        if PLAN in session.selected:
            session.do(PLAN, step)
        elif PUSH in session.selected:  # nothing is written that was not judged, and that the brake was not asked about
            step(session)


# What a run is around its steps: whole or in parts, off, dry, run again where it was interrupted.
RUN: Final = StagedRun(
    NAME, STAGES, SHOP_ORDERS, PUSH, open_session, hinting.QUEUE, steps, new_report, NOTHING, planned.rows
)
sync, run_stages, dry_run = RUN.sync, RUN.run_stages, RUN.dry_run
is_off, off = RUN.is_off, RUN.off
