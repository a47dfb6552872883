"""Runs each stage of route `notices` for one merchant; `sync` and `targeted` say in which order, and for whom."""

from __future__ import annotations

from vs_st_pipeline.pipeline import erasure, raw_retention
from vs_st_pipeline.pipeline.schedule import write_next_due
from vs_st_pipeline.routes.notices import (
    actions,
    activity,
    alerts,
    due,
    forgetting,
    listing,
    planning,
    recovery,
    replies,
    retention,
    sending,
    sources_table,
    unexpected,
)
from vs_st_pipeline.routes.notices.account import copying, taking
from vs_st_pipeline.routes.notices.session import SYSTEMS, NoticesSession


def begin(session: NoticesSession) -> None:
    """Bring in step what a crash, a loss or an older file has left: claims, evidence, `started_at` (5.1, 7.6)."""
    forgetting.begin(session.run)
    recovery.begin(session)


def take(session: NoticesSession) -> None:
    """Take the whole inbox of each account of this merchant, then copy the merchant's part (3.4, R46).

    In a dry run nothing is taken: what waits is looked at (rulings 24).
    """
    for account in session.gupshup.accounts:
        taking.take(session, account)
        copying.copy(session, account)


def read(session: NoticesSession) -> None:
    """Read the sources into raw, and the accounts' template and opt-in lists where they are due (2.4, 5.9).

    Raises:
        PipelineError: nothing of a source could be read; the others were.
    """
    try:
        sources_table.read(session)
    finally:  # what is fresh goes all the same
        listing.read(session)


def stage(session: NoticesSession) -> None:
    """Bring staged in step with raw."""
    sources_table.stage(session)


def plan(session: NoticesSession) -> None:
    """Say which message is due and why each other is not, and which replies become actions."""
    planning.plan(session)
    replies.judge(session)


def push(session: NoticesSession) -> None:
    """Act on answers, answer what was unexpected, then send what is due; tell what was done (8, 7, 8.6)."""
    actions.perform(session)
    unexpected.answer(session)
    sending.send(session)
    activity.push(session)


def end(session: NoticesSession) -> None:
    """Count what stands, note when the route is due next, and remove what is kept no longer; a dry run only counts."""
    run, told = session.run, session.told
    with run.open() as db:
        due.count(session, db)
    told.plan = run.run_id
    told.add_up()
    if run.dry_run:
        return
    alerts.look(session)
    with run.open() as db:
        next_due = due.next_due_at(session, db)
    write_next_due(run, next_due)
    if run.trigger == "hint":  # a whole sync follows soon enough for what goes by days
        return
    raw_retention.prune_raw(run, SYSTEMS)
    retention.prune(run)
    erasure.finish(run, forgetting.OWN)
