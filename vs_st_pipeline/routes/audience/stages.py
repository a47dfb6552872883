"""Runs each stage of route `audience` for one merchant; `sync` and `targeted` say in which order, and for whom."""

from __future__ import annotations

from vs_st_pipeline.pipeline import erasure, raw_retention
from vs_st_pipeline.pipeline.schedule import write_next_due
from vs_st_pipeline.routes.audience import (
    alerts,
    brake,
    delivery,
    diffing,
    due,
    forgetting,
    history,
    leaving,
    people,
    recovery,
    registering,
    registration,
    retention,
    sources_table,
    taking,
)
from vs_st_pipeline.routes.audience.session import SYSTEMS, AudienceSession


def begin(session: AudienceSession) -> bool:
    """Bring in step what a crash, a loss or an older file has left, and register; say whether the run goes on.

    Raises:
        PipelineError: the shop is not registered, and why.
    """
    run = session.run
    session.registration = registration.read(run)
    forgetting.begin(run)
    recovery.begin(session)
    session.registered = registering.begin(session)
    if session.registration.state == registration.State.UNINSTALLING:
        if session.writes:
            leaving.leave(session)  # nothing else is told to whom is left (7.9)
        return False
    return session.registration.state != registration.State.DISCONNECTED


def unsubscribe_first(session: AudienceSession) -> None:
    """Send the unsubscribes that wait, before the source is read (6.3, 8.3)."""
    if session.registered:
        delivery.unsubscribe(session)


def read(session: AudienceSession) -> None:
    """Read the source into raw.

    Raises:
        PipelineError: nothing of it could be read.
    """
    source = sources_table.source_of(session.run.merchant)
    session.seen = source.read(session, session.only)
    session.told.seen.update(session.seen.rows)
    session.told.unseen += session.seen.unseen


def stage(session: AudienceSession) -> None:
    """Bring staged in step with raw."""
    sources_table.source_of(session.run.merchant).stage(session)
    for error in session.seen.failed.values():
        session.trouble = session.trouble or error


def plan(session: AudienceSession) -> None:
    """Say who is held, whose address is subscribed, and what differs from what WayMore was told.

    Raises:
        Unsafe: the brake refuses this plan: nothing of it is sent, and the base does not move.
    """
    people.judge(session)
    diffing.diff(session)
    forgetting.keep_out(session)
    brake.ask(session)
    session.planned = True


def push(session: AudienceSession) -> None:
    """Take the plan into the outbox, then send: unsubscribes, history, late history, events (6.3).

    Raises:
        PipelineError: WayMore does not answer, refuses the key, or its answers say nothing.
    """
    if not session.registered:
        return
    if session.refused is None and session.trouble is None:
        taking.take(session)  # the outbox and the base, in one transaction (7.1)
    delivery.unsubscribe(session)
    history.send(session)
    if history.is_done(session):
        history.send_late(session)
        delivery.send(session)


def end(session: AudienceSession) -> None:
    """Count what stands, note when the route is due next, and remove what is kept no longer; a dry run only counts."""
    run, told = session.run, session.told
    with run.open() as db:
        due.count(session, db)
    told.plan = run.run_id
    told.add_up()
    if run.dry_run:
        return
    registering.end(session)
    alerts.look(session)
    with run.open() as db:
        next_due = due.next_due_at(session, db)
    write_next_due(run, next_due)
    if run.trigger == "hint":  # a whole sync follows soon enough for what goes by days
        return
    raw_retention.prune_raw(run, SYSTEMS)
    retention.prune(run)
    erasure.finish(run, forgetting.OWN)
