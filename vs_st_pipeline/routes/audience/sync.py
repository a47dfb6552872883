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

from typing import Any, Final

from vs_st_pipeline.pipeline.staged_run import StagedRun, in_spite_of_trouble
from vs_st_pipeline.routes.audience import hinting, planned, stages
from vs_st_pipeline.routes.audience.report import new_report
from vs_st_pipeline.routes.audience.session import AudienceSession, open_session
from vs_st_pipeline.routes.audience.stage_names import PLAN, PUSH, READ, STAGED, STAGES
from vs_st_pipeline.routes.audience.systems import NAME

NOTHING: Final[dict[str, Any]] = {"history": {}, "events": [], "late": [], "held": [], "noted": []}


def steps(session: AudienceSession) -> None:
    """Do the stages that are selected, in their order."""
    try:
        if not stages.begin(session):  # disconnected: `ok`, and nobody is called
            return
        session.do(PUSH, stages.unsubscribe_first)
        in_spite_of_trouble(session, lambda: read_and_plan(session))
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


# What a run is around its steps: whole or in parts, off, dry, run again where it was interrupted.
RUN: Final = StagedRun(NAME, STAGES, READ, PUSH, open_session, hinting.QUEUE, steps, new_report, NOTHING, planned.rows)
sync, run_stages, dry_run = RUN.sync, RUN.run_stages, RUN.dry_run
is_off, off = RUN.is_off, RUN.off
