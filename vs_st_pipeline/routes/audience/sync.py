"""Runs all stages for one merchant: what the shop says now, what of it WayMore was not told, and telling it.

    raw      what the shop's system says       sources.*.read
    staged   one row per record, in our words  sources.*.stage, merging
    planned  who is held, what differs         people, diffing, brake
    synced   history, then events              registering, taking, history, delivery

In the order of audience.md 3 and 6.3: registration, unsubscribes that wait, the source, the plan, the outbox,
unsubscribes, history, late history, events. Where the source fails or the brake holds, what waits goes all the same and
the run fails when all is done that can be.

`run_stages` runs the stages that it is asked for; `sync` all of them. `dry_run` does all but the last in a copy of the
merchant's file that is thrown away, so it moves nothing (routes.md R27). What a few hints name is synced by `targeted`.
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
from vs_st_pipeline.routes.audience import hinting, planned, stages
from vs_st_pipeline.routes.audience.report import AudienceReport, new_report
from vs_st_pipeline.routes.audience.session import AudienceSession, open_session
from vs_st_pipeline.routes.audience.stage_names import PLAN, PUSH, READ, STAGED, STAGES
from vs_st_pipeline.routes.audience.systems import NAME

NOTHING: Final[dict[str, Any]] = {"history": {}, "events": [], "late": [], "held": [], "noted": []}


def sync(run: Run) -> Report:
    """Run all stages for one merchant: the main job."""
    return run_stages(run, STAGES)


def run_stages(run: Run, selected: Collection[str], on_stage: Callable[[StageDone], None] = lambda _: None) -> Report:
    """Run these stages for one merchant, in order; never raises, what went wrong is in the report.

    A merchant whose run was interrupted by something outside of it (`Interrupted`) is run again at once, and only once.

    Args:
        selected: names in `STAGES`. Without `PUSH` nothing is told to WayMore, and nobody is registered.
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
        The report, and what would be sent and held, row by row.
    """
    if is_off(run):
        return off(run), NOTHING
    rows = dict(NOTHING)

    def work(aside: Run) -> AudienceReport:
        return _run_once(aside, STAGES[:-1], lambda _: None, lambda session: rows.update(planned.rows(session)))

    return in_a_copy(replace(run, dry_run=True), open_session, work), rows


def _run_once(
    run: Run,
    selected: Collection[str],
    on_stage: Callable[[StageDone], None],
    at_end: Callable[[AudienceSession], None] = lambda _: None,
) -> AudienceReport:
    with open_session(run, selected, on_stage) as session:
        try:
            _all_stages(session, whole=READ in selected and PUSH in selected)
        finally:
            at_end(session)
    session.told.add_up()
    return session.told


def _all_stages(session: AudienceSession, *, whole: bool) -> None:
    run = session.run
    with run.sync_lock(), whole_hints.taken(run, hinting.QUEUE if whole else None) as hints:
        session.told.hints |= {"taken": len(hints.hints), "records": len({one.record for one in hints.hints})}
        if not stages.begin(session):  # disconnected: `ok`, and nobody is called
            return
        try:
            session.do(PUSH, stages.unsubscribe_first)
            _in_spite_of_trouble(session, lambda: read_and_plan(session))
            session.do(PUSH, stages.push)
            if session.trouble is not None:
                raise session.trouble
        finally:
            stages.end(session)


def read_and_plan(session: AudienceSession) -> None:
    """Do all of a run that comes between the first unsubscribe and the outbox.

    Raises:
        PipelineError: the source does not answer, or the brake refuses this plan (`Unsafe`).
    """
    session.do(READ, stages.read)
    session.do(STAGED, stages.stage)
    session.do(PLAN, stages.plan)


def _in_spite_of_trouble(session: AudienceSession, work: Callable[[], None]) -> None:
    """Keep the source's trouble and the brake's: what waits in the outbox goes all the same (6.3)."""
    try:
        work()
    except Interrupted:
        raise
    except PipelineError as error:
        if session.run.stop():
            raise
        session.trouble = session.trouble or error
