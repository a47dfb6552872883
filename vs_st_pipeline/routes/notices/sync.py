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

from typing import Any, Final

from vs_st_pipeline.pipeline.staged_run import StagedRun, in_spite_of_trouble
from vs_st_pipeline.routes.notices import hinting, planned, stages
from vs_st_pipeline.routes.notices.report import new_report
from vs_st_pipeline.routes.notices.session import NoticesSession, open_session
from vs_st_pipeline.routes.notices.stage_names import PLAN, PUSH, READ, STAGED, STAGES
from vs_st_pipeline.routes.notices.systems import NAME

NOTHING: Final[dict[str, Any]] = {"messages": [], "actions": [], "waiting": [], "dropped": []}


def steps(session: NoticesSession) -> None:
    """Do the stages that are selected, in their order."""
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


# What a run is around its steps: whole or in parts, off, dry, run again where it was interrupted.
RUN: Final = StagedRun(NAME, STAGES, READ, PUSH, open_session, hinting.QUEUE, steps, new_report, NOTHING, planned.rows)
sync, run_stages, dry_run = RUN.sync, RUN.run_stages, RUN.dry_run
is_off, off = RUN.is_off, RUN.off
