"""Runs all stages for one merchant: what the journeys say, who may be told of it, telling them, acting on answers.

    raw      the accounts' callbacks; what the sources say      account.taking, from_*.read
    staged   journeys, recipients, consents; the account's part account.copying, from_*.stage
    planned  which message is due, which reply is an action     planning, replies
    synced   actions, then messages; activity told              actions, unexpected, sending, activity

Where a source fails or an account is stopped, receipts, opt-outs and actions go on, and the run fails when all is done
that can be (notices.md 9).

`run_stages` runs the stages that it is asked for; `sync` all of them. `dry_run` does all but the last in a copy of the
merchant's file that is thrown away, and looks at the inbox without taking anything (rulings 24).
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Any, Final

from vs_st_pipeline.domain.errors import Interrupted, PipelineError
from vs_st_pipeline.domain.report import Report
from vs_st_pipeline.pipeline import whole_hints
from vs_st_pipeline.pipeline.session import StageDone, again_if_interrupted, at_rest, in_a_copy
from vs_st_pipeline.pipeline.status_file import record_run
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.routes.notices import hinting, planned, stages
from vs_st_pipeline.routes.notices.report import NoticesReport, new_report
from vs_st_pipeline.routes.notices.session import NoticesSession, open_session
from vs_st_pipeline.routes.notices.stage_names import PLAN, PUSH, READ, STAGED, STAGES
from vs_st_pipeline.routes.notices.systems import NAME

NOTHING: Final[dict[str, Any]] = {"messages": [], "actions": [], "waiting": [], "dropped": []}


def sync(run: Run) -> Report:
    """Run all stages for one merchant: the main job."""
    return run_stages(run, STAGES)


def run_stages(run: Run, selected: Collection[str], on_stage: Callable[[StageDone], None] = lambda _: None) -> Report:
    """Run these stages for one merchant, in order; never raises, what went wrong is in the report.

    Args:
        selected: names in `STAGES`. Without `PUSH` nothing is sent and no action is taken.
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
    """Say whether the route is off for a merchant: not named, paused, or faulty."""
    return NAME not in run.merchant.routes


def off(run: Run) -> Report:
    """Return the report of a run for a merchant whose route is off: nothing is called, nothing made (routes.md R51)."""
    return at_rest(run, new_report(run.merchant.id, run.run_id))


def dry_run(run: Run) -> tuple[Report, dict[str, Any]]:
    """Run all stages but the last; a later sync does all that it would have done without the dry run.

    Returns:
        The report, and each message as it would read, each that would not go with its reason, each action.
    """
    if is_off(run):
        return off(run), NOTHING
    rows = dict(NOTHING)

    def work(aside: Run) -> NoticesReport:
        return _run_once(aside, STAGES[:-1], lambda _: None, lambda session: rows.update(planned.rows(session)))

    return in_a_copy(replace(run, dry_run=True), open_session, work), rows


def _run_once(
    run: Run,
    selected: Collection[str],
    on_stage: Callable[[StageDone], None],
    at_end: Callable[[NoticesSession], None] = lambda _: None,
) -> NoticesReport:
    with open_session(run, selected, on_stage) as session:
        try:
            _all_stages(session, whole=READ in selected and PUSH in selected)
        finally:
            at_end(session)
    session.told.add_up()
    return session.told


def _all_stages(session: NoticesSession, *, whole: bool) -> None:
    run = session.run
    with run.sync_lock(), whole_hints.taken(run, hinting.QUEUE if whole else None) as hints:
        session.told.hints |= {"taken": len(hints.hints), "records": len({one.record for one in hints.hints})}
        stages.begin(session)
        try:
            session.do(READ, stages.take)
            in_spite_of_trouble(session, lambda: session.do(READ, stages.read))
            session.do(STAGED, stages.stage)
            session.do(PLAN, stages.plan)
            session.do(PUSH, stages.push)
            if session.trouble is not None:
                raise session.trouble
        finally:
            stages.end(session)


def in_spite_of_trouble(session: NoticesSession, work: Callable[[], object]) -> None:
    """Keep a source's trouble: receipts, opt-outs and what is fresh go on all the same."""
    try:
        work()
    except Interrupted:
        raise
    except PipelineError as error:
        if session.run.stop():
            raise
        session.trouble = session.trouble or error
