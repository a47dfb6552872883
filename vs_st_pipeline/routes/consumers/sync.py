"""Runs all stages for one merchant: events, orders, what is wanted, and then CRM by CRM, some hundreds at a time.

    raw      what SoPost said                     stages.take_events, stages.read_orders
    staged   orders, consents, answers, people    stages.stage
    planned  what each CRM must be told           crms.work: looked at, judged, planned ...
    synced   what was accepted, and evidence      ... and written, before the next ones are looked at

`run_stages` runs the stages that it is asked for; `sync` all of them, `dry_run` all but the last. The command line, the
Dagster assets, a schedule and a backfill all call these functions. What a few hints name is synced by `targeted`, by
the same steps. One CRM's failure never stops another's; SoPost's trouble stops no order that was read before it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Any

from vs_st_pipeline.domain.report import Report
from vs_st_pipeline.pipeline import whole_hints
from vs_st_pipeline.pipeline.session import StageDone, again_if_interrupted, at_rest
from vs_st_pipeline.pipeline.status_file import record_run
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.routes.consumers import crms, planning, stages
from vs_st_pipeline.routes.consumers.report import ConsumersReport, new_report
from vs_st_pipeline.routes.consumers.session import ConsumersSession, open_session
from vs_st_pipeline.routes.consumers.stage_names import EVENTS, ORDERS, PLAN, PUSH, STAGED, STAGES
from vs_st_pipeline.routes.consumers.staging import crms_of
from vs_st_pipeline.routes.consumers.systems import NAME


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
    if NAME not in run.merchant.routes:
        return off(run)
    run, report = again_if_interrupted(run, lambda run: _run_once(run, selected, on_stage))
    if PUSH in selected and not run.dry_run:
        record_run(run, report)  # a view for `vs-st merchants`
    return report


def off(run: Run) -> Report:
    """Return the report of a run for a merchant whose route is off: nothing is called, nothing made (routes.md R51)."""
    return at_rest(run, new_report(run.merchant.id, run.run_id))


def _run_once(run: Run, selected: Collection[str], on_stage: Callable[[StageDone], None]) -> ConsumersReport:
    with open_session(run, selected, on_stage) as session:
        try:
            _all_stages(session, whole=EVENTS in selected and PUSH in selected)
        finally:
            stages.count_events(session)
    session.told.end()
    return session.told


def _all_stages(session: ConsumersSession, *, whole: bool) -> None:
    run, selected, report = session.run, session.selected, session.told
    with run.sync_lock(), whole_hints.taken(run, stages.QUEUE if whole else None) as hints:
        since = stages.begin(session)
        report.hints |= {"taken": hints.counts.total(), "records": hints.records}
        try:
            session.do(EVENTS, stages.take_events, hints.counts)
            session.do(ORDERS, stages.read_orders)
            session.do(STAGED, stages.stage)
            if PLAN in selected or PUSH in selected:
                crms.work(session, since)
                if any(part.error is None for part in report.crms.values()):
                    session.keep(PLAN, PUSH)  # with nobody due they stand as they were made before
        finally:
            stages.end(session)
        if session.orders.error is not None:
            raise session.orders.error


def dry_run(run: Run) -> tuple[Report, dict[str, Any]]:
    """Run all stages but the last; a later sync does all that it would have done without the dry run.

    Returns:
        The report, and the plan CRM by CRM (`crms`) with addresses and values in full.
    """
    rows: dict[str, Any] = {"crms": []}
    run = replace(run, dry_run=True)
    report = run_stages(run, STAGES[:-1])
    if NAME in run.merchant.routes and run.file().exists():
        rows["crms"] = planning.planned_rows(run, crms_of(run.merchant))
    return report, rows
