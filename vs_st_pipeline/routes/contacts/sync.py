"""Runs all stages for one merchant: reads both systems, puts it in our words, plans the difference, pushes it.

    raw      what a system said           read_contacts, read_customers, read_orders, read_receipts
    staged   one row per customer, order  stage
    planned  what must change over there  plan
    synced   what was accepted            push_plan

`run_stages` runs the stages that it is asked for; `sync` all of them, `dry_run` all but the last. The command line,
the Dagster assets, a schedule and a backfill all call these functions: there is one way through the code, never two.
Which stages are skipped, and why, is decided in `_run_once` and nowhere else. What a reading stage asks for is decided
by the connector that reads. A sync is *quiet* if it finds nothing to write; one that hears what the last one heard
takes the quiet path, and does not even open the file.

A whole sync takes all hints that wait (`_hints_of`). What a few hints name is synced by `targeted`, by these stages.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

from vs_st_pipeline.connectors.vinoshipper.limitations import newest_unseen
from vs_st_pipeline.connectors.vinoshipper.orders import is_history_read
from vs_st_pipeline.domain.errors import Unsafe
from vs_st_pipeline.domain.report import FAILED, Report
from vs_st_pipeline.pipeline import delivery, erasure, raw_retention, whole_hints
from vs_st_pipeline.pipeline.plan_cache import is_of_now, load_cached_plan, save_cached_plan
from vs_st_pipeline.pipeline.session import StageDone, again_if_interrupted, at_rest
from vs_st_pipeline.pipeline.status_file import record_run
from vs_st_pipeline.pipeline.whole_hints import Taken
from vs_st_pipeline.platform.http.rate_limit import Urgency
from vs_st_pipeline.platform.http.tape import ONCE
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse.outbox import count_waiting
from vs_st_pipeline.routes.contacts import for_others, handed_over, map_file, plan_rows, stages
from vs_st_pipeline.routes.contacts.demand import wants_receipts
from vs_st_pipeline.routes.contacts.everybody import are_wanted
from vs_st_pipeline.routes.contacts.plan_inputs import plan_inputs
from vs_st_pipeline.routes.contacts.quiet import leave_quietly, quiet_path
from vs_st_pipeline.routes.contacts.report import new_report
from vs_st_pipeline.routes.contacts.session import open_session
from vs_st_pipeline.routes.contacts.stage_names import CONTACTS, CUSTOMERS, ORDERS, PLANNED, STAGED, STAGES, SYNCED
from vs_st_pipeline.routes.contacts.systems import NAME, SYSTEMS


def sync(run: Run) -> Report:
    """Run all stages for one merchant: the main job."""
    return run_stages(run, STAGES)


def run_stages(run: Run, selected: Collection[str], on_stage: Callable[[StageDone], None] = lambda _: None) -> Report:
    """Run these stages for one merchant, in order; never raises, what went wrong is in the report.

    A merchant whose run was interrupted by something outside of it (`Interrupted`) is run again at once, and only once.

    Args:
        selected: names in `STAGES`. Without `synced` it is a dry run of the others if the run says so.
        on_stage: told of each stage as it is done.
    """
    if NAME not in run.merchant.routes:
        return off(run)
    run, report = again_if_interrupted(run, lambda run: _run_once(run, selected, on_stage))
    if SYNCED in selected:
        record_run(run, report)  # a view for `vs-st merchants`
    return report


def off(run: Run) -> Report:
    """Return the report of a run for a merchant whose route is off: nothing is called, nothing made (routes.md R51)."""
    return at_rest(run, new_report(run.merchant.id, run.run_id))


def _run_once(run: Run, selected: Collection[str], on_stage: Callable[[StageDone], None]) -> Report:
    whole = set(selected) == set(STAGES)
    with open_session(run, selected, on_stage) as session, run.sync_lock(), _hints_of(run, whole=whole) as hints:
        field_map = map_file.load_field_map(run.merchant)  # a map that cannot be read should cost no request
        quiet = quiet_path(session, field_map)
        quiet.hinted = bool(hints.hints or hints.queued)
        session.report.hints |= {"taken": hints.counts.total(), "records": hints.records}
        if whole:
            # Every answer is the same, and nothing else is due: all that the stages would do is done already.
            if quiet.nothing_changed():
                return session.report
            quiet.begin_ordinary()
            quiet.record()
        erasure.begin(run, SYSTEMS)
        with run.open() as db:
            session.urgency = Urgency.TURN if is_history_read(run, db) else Urgency.FIRST_WALK

        session.do(CONTACTS, stages.read_contacts)
        if hints.hints:
            with session.urgent(Urgency.WRITE):  # R49: opt-outs first
                session.do(CONTACTS, handed_over.read_opt_outs, hints)
        session.do(CUSTOMERS, stages.read_customers)
        session.do(ORDERS, stages.read_orders)

        # The plan stands while nothing that it was made of has changed, and it had nothing to write.
        with run.open() as db:
            cached = load_cached_plan(run, db, plan_inputs(run, db, field_map)) if whole else None
            asks = cached is None and ORDERS in selected and wants_receipts(db, field_map)
        receipts, staged = cached.extras if cached else [], False
        if asks:
            session.do(ORDERS, stages.stage)  # it is the newest *staged* order whose receipt is wanted
            receipts, staged = session.do(ORDERS, stages.receipts_to_read, field_map) or [], True
        if session.do(ORDERS, stages.read_receipts, receipts):
            cached = None  # they may say something new
        session.tape.forget_ready()  # before a write everything is read anew

        if cached is not None:
            session.keep(STAGED, PLANNED, SYNCED)
            cached.apply_to(session.report)
        else:
            if staged:
                session.keep(STAGED)
            else:
                session.do(STAGED, stages.stage)
            session.do(PLANNED, stages.plan, field_map)
            with session.tape.asking_for(ONCE):  # where nothing is to be written, the next sync has none of this to ask
                session.do(SYNCED, stages.push_plan)
        with run.open() as db:
            session.report.unseen = [spot.sentence for system in SYSTEMS for spot, _ in system.limitations(db)]
            session.report.orders_unseen = newest_unseen(db) is not None
            stands = cached is not None
            if cached is None:
                session.report.waiting = count_waiting(db)
                if whole:
                    inputs = plan_inputs(run, db, field_map)
                    stands = save_cached_plan(run, db, inputs, session.report, receipts) and is_of_now(db, inputs)
        if whole:
            handed_over.note_seen(run)
        raw_retention.prune_raw(run, SYSTEMS)
        erasure.finish(run)
        if whole and are_wanted(run.merchant):
            with session.tape.asking_for(ONCE):
                session.do(ORDERS, for_others.read)
        if whole and stands and not run.yielding.gave_way:  # else the next sync has more to read
            leave_quietly(quiet, receipts)
    return session.report


def _hints_of(run: Run, *, whole: bool) -> AbstractContextManager[Taken]:
    """Take the hints that wait, if all stages are run: then each is read, or in a list that is read."""
    return whole_hints.taken(run, handed_over.QUEUE if whole else None)


def dry_run(run: Run) -> tuple[Report, dict[str, list[dict[str, Any]]]]:
    """Run all stages but the last; a later sync does all that it would have done without the dry run.

    Returns:
        The report, and the plan row by row (`contacts`, `held`, `noted`) with phones and values in full.
    """
    rows: dict[str, list[dict[str, Any]]] = {"contacts": [], "held": [], "noted": []}
    refused: list[str | None] = []

    def look(done: StageDone) -> None:  # while the lock is held, so that it is this plan and no later one
        if done.name == PLANNED:
            rows.update(plan_rows.planned_rows(run))
            with run.open() as db:
                refused.append(delivery.refusal(replace(run, dry_run=True), db))

    report = run_stages(replace(run, dry_run=True), STAGES[:-1], look)
    if report.status != FAILED and refused and refused[0]:
        report.status, report.error = FAILED, Unsafe(refused[0])
    return report, rows
