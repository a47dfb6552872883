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

from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Any, Final

from vs_st_pipeline.domain.report import Report
from vs_st_pipeline.pipeline import whole_hints
from vs_st_pipeline.pipeline.session import StageDone, again_if_interrupted, at_rest, in_a_copy
from vs_st_pipeline.pipeline.status_file import record_run
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.routes.orders import brake, hinting, judging, planned, reads, stages, staging
from vs_st_pipeline.routes.orders.report import OrdersReport, new_report
from vs_st_pipeline.routes.orders.session import OrdersSession, open_session
from vs_st_pipeline.routes.orders.stage_names import PLAN, PRODUCTS, PUSH, SENT_ORDERS, SHOP_ORDERS, STAGED, STAGES
from vs_st_pipeline.routes.orders.systems import NAME

NOTHING: Final[dict[str, Any]] = {
    "planned": new_report("").as_json()["planned"],
    **{name: [] for name in ("orders", "fulfilments", "messages", "held")},
}


def sync(run: Run) -> Report:
    """Run all stages for one merchant: the main job."""
    return run_stages(run, STAGES)


def run_stages(run: Run, selected: Collection[str], on_stage: Callable[[StageDone], None] = lambda _: None) -> Report:
    """Run these stages for one merchant, in order; never raises, what went wrong is in the report.

    A merchant whose run was interrupted by something outside of it (`Interrupted`) is run again at once, and only once.

    Args:
        selected: names in `STAGES`. Without `PUSH` nothing is written.
        on_stage: told of each stage as it is done, and again, with the sum, where it is done in parts.
    """
    if is_off(run):
        return off(run)
    if run.dry_run:
        return in_a_copy(
            run, open_session, lambda aside: _run_once(aside, [one for one in selected if one != PUSH], on_stage)
        )
    run, report = again_if_interrupted(run, lambda run: _run_once(run, selected, on_stage))
    if PUSH in selected:
        record_run(run, report)  # a view for `vs-st merchants`
    return report


def is_off(run: Run) -> bool:
    """Say whether the route is off for a merchant: not named, paused, faulty, or `mode: off`."""
    return NAME not in run.merchant.routes


def off(run: Run) -> Report:
    """Return the report of a run for a merchant whose route is off: nothing is called, nothing made (routes.md R51)."""
    return at_rest(run, new_report(run.merchant.id, run.run_id))


def dry_run(run: Run) -> tuple[Report, dict[str, Any]]:
    """Run all stages but the last; a later sync does all that it would have done without the dry run.

    Returns:
        The report, and what would be sent, fulfilled, told and held, order by order.
    """
    if is_off(run):
        return off(run), NOTHING
    rows = dict(NOTHING)

    def work(aside: Run) -> OrdersReport:
        return _run_once(aside, STAGES[:-1], lambda _: None, lambda session: rows.update(planned.rows(session)))

    return in_a_copy(replace(run, dry_run=True), open_session, work), rows


def _run_once(
    run: Run,
    selected: Collection[str],
    on_stage: Callable[[StageDone], None],
    at_end: Callable[[OrdersSession], None] = lambda _: None,
) -> OrdersReport:
    with open_session(run, selected, on_stage) as session:
        try:
            _all_stages(session, whole=SHOP_ORDERS in selected and PUSH in selected)
        finally:
            at_end(session)
    session.told.add_up()
    return session.told


def _all_stages(session: OrdersSession, *, whole: bool) -> None:
    run = session.run
    with run.sync_lock(), whole_hints.taken(run, hinting.QUEUE if whole else None) as hints:
        session.told.hints |= {"taken": len(hints.hints), "records": len({one.record for one in hints.hints})}
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
