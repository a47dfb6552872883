"""Runs each stage of route `consumers` for one merchant; `sync` and `targeted` say in which order, and for whom.

Data flow: inbox, SoPost -> raw -> staged -> planned.consumers_due -> per CRM: looked at, planned, written.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final

from vs_st_pipeline.connectors.sopost import counts, events, reading
from vs_st_pipeline.connectors.sopost import due as sopost_due
from vs_st_pipeline.connectors.sopost.names import SOPOST
from vs_st_pipeline.connectors.sopost.settings import SoPostSettings
from vs_st_pipeline.connectors.sopost.streams import ORDER
from vs_st_pipeline.domain.errors import GiveUp, PipelineError
from vs_st_pipeline.domain.hints import Hint
from vs_st_pipeline.pipeline import erasure, raw_retention
from vs_st_pipeline.pipeline.hinted import Queue
from vs_st_pipeline.pipeline.schedule import SOON, write_next_due
from vs_st_pipeline.platform.inbox.store import UNUSABLE
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.routes.consumers import (
    brake,
    due,
    evidence,
    forgetting,
    map_file,
    planning,
    retention,
    staging,
    standing,
)
from vs_st_pipeline.routes.consumers.looking import OBJECT
from vs_st_pipeline.routes.consumers.session import SYSTEMS, ConsumersSession
from vs_st_pipeline.routes.consumers.settings import ConsumersSettings, records_all, targets_of

TOGETHER: Final = timedelta(seconds=5)  # so that what is due within some seconds goes in one sync
SLOWLY: Final = timedelta(minutes=5)  # for what shows late, or needs a person first
EVERY: Final = timedelta(minutes=10)
"""How often a whole sync looks even if nothing waits: it asks nobody then, and notices silence."""


def _hand_over(run: Run, hints: Sequence[Hint]) -> None:
    events.take(run, hints)


QUEUE: Final = Queue(_hand_over)
"""Where hints go that a whole sync takes: into `raw`, before the inbox is told."""


# --- before and after ---------------------------------------------------------------------------------------------


def begin(session: ConsumersSession) -> dict[str, brake.Since]:
    """Bring in step what a crash, a loss or an older file has left; returns what the settings let happen since when."""
    run = session.run
    forgetting.begin(run)
    if evidence.recover(run):
        forgetting.begin(run)
    events.take(run, [])  # where this file was lost, what the inbox still keeps
    since = brake.note_settings(run, session.crms)
    with run.open() as db, db.transaction():
        if not run.dry_run:
            _drop_what_is_away(db, session.crms)
        for crm in session.crms:
            _requeue(session, db, crm)
    return since


def _drop_what_is_away(db: Db, crms: Collection[str]) -> None:
    """Drop what waits at CRMs that the entry does not name any more, inside the caller's transaction.

    Nobody would ever take it away, and it would keep the route busy and orders whole. Where a CRM comes back everybody
    is planned there.
    """
    for table, column in (
        ("planned.consumers_due", "crm"),
        ("planned.crm_maps", "crm"),
        ("synced.subscription_rejects", "crm"),
        ("synced.rejects", "system"),
    ):
        if away := {row[0] for row in db.rows(f"select distinct {column} from {table}")} - set(crms):
            db.execute(f"delete from {table} where list_contains($away::varchar[], {column})", {"away": sorted(away)})


def _requeue(session: ConsumersSession, db: Db, crm: str) -> None:
    """Have everybody planned at a CRM whose map or settings changed since, inside the caller's transaction (5.7)."""
    run = session.run
    now = _planned_by(run, crm)
    before = db.value("select planned_by from planned.crm_maps where crm = ?", [crm])
    if run.full or (now is not None and before != now):
        staging.requeue(run, db, crm, "full" if run.full else "settings")
    if now is not None and before != now and not run.dry_run:
        db.execute("insert or replace into planned.crm_maps values (?, ?)", [crm, now])


def _planned_by(run: Run, crm: str) -> str | None:
    """Return a fingerprint of what everybody is planned by at a CRM; None where its map cannot be read."""
    merchant = run.merchant
    settings = merchant.section(ConsumersSettings)
    try:
        field_map = map_file.load(merchant, crm)
    except PipelineError:
        return None  # told where the CRM's turn comes
    targets = [[*entry.pair, str(entry.target(crm)), entry.text_version] for entry in targets_of(merchant, crm)]
    told = [
        *(field_map.fingerprint, sorted(targets, key=str), records_all(merchant, crm), settings.resubscribe),
        *(settings.on_withdrawn, None if settings.only is None else sorted(settings.only), str(merchant.time_zone)),
    ]
    return sha256(json.dumps(told).encode()).hexdigest()[:24]


def end(session: ConsumersSession) -> None:
    """Count what waits, note when the route is due next, and remove what is kept no longer; a dry run only counts."""
    run, report = session.run, session.told
    with run.open() as db:
        consumers = _waiting(db, session.crms)
        orders = counts.count_waiting(db)
        report.waiting = consumers
        for part in report.crms.values():
            part.noted.update(planning.lasting_notes(run, db, part.name))
    report.left = {"events": 0, "orders": orders, "consumers": sum(consumers)}
    report.plan = run.run_id
    report.add_up()
    if run.dry_run:
        return
    standing.look(run, report)
    if session.evidence_in_step:
        evidence.note_read(run)
    with run.open() as db:
        next_due = _next_due(session, db)
    write_next_due(run, next_due)
    if run.trigger == "hint":  # a whole sync follows soon enough for what goes by days
        return
    evidence.prune(run)
    retention.prune(run)
    raw_retention.prune_raw(run, SYSTEMS)
    erasure.finish(run, forgetting.OWN)


def count_events(session: ConsumersSession) -> None:
    """Count the events that wait, once the inbox was told what was taken."""
    report = session.told
    if report.left is not None:
        with suppress(*UNUSABLE):
            report.left["events"] = counts.events(session.run.inbox, session.run.merchant.id).waiting


def _waiting(db: Db, crms: Collection[str]) -> tuple[int, int]:
    """Count consumers that were refused and wait, and those of whom something may be out; each once at each CRM."""
    ours = {"object": OBJECT, "crms": sorted(crms)}
    refused = {
        (row[0], row[1])
        for row in db.rows(
            """select system, id from synced.rejects
               where object = $object and list_contains($crms::varchar[], system)
               union select crm, key from synced.subscription_rejects where list_contains($crms::varchar[], crm)""",
            ours,
        )
    }
    unknown = {
        (row[0], row[1])
        for row in db.rows(
            """select system, id from synced.writes
               where outcome is null and object = $object and list_contains($crms::varchar[], system)
               union select crm, key from synced.consent_evidence
               where outcome = 'unknown' and list_contains($crms::varchar[], crm)""",
            ours,
        )
    }
    return len(refused), len(unknown - refused)


def _next_due(session: ConsumersSession, db: Db) -> datetime:
    """Return when the route is due by time alone (UTC without zone): something waits, or it was quiet for a while."""
    run = session.run
    now = run.now()
    settings = run.merchant.section(SoPostSettings)
    times = [sopost_due.next_due_at(db, settings, now, follow_status=map_file.follows_status(run.merchant))]
    times += [
        db.value("select min(next_at) from synced.rejects where object = ?", [OBJECT]),
        db.value("select min(next_at) from synced.subscription_rejects"),
    ]
    # What is due by now was not come to, or cannot be done yet; the rest is due when its time comes (3.5, 3.7, 3.8).
    known = [max(at, now + TOGETHER) if at > now else now + SOON for at in times if at is not None]
    for crm, part in session.told.crms.items():
        left = db.rows("select distinct why from planned.consumers_due where crm = ? and why <> ?", [crm, due.RETRY])
        if left:
            waits_for_a_person = isinstance(part.error, GiveUp)
            known.append(now + (SLOWLY if waits_for_a_person or left == [(due.UNKNOWN,)] else SOON))
    if session.orders.left or session.orders.error is not None:
        known.append(now + SOON)
    return min([now + EVERY, *known])


# --- SoPost -------------------------------------------------------------------------------------------------------


def take_events(session: ConsumersSession, taken: Mapping[tuple[str, str], int]) -> None:
    """Count the events that were taken; a dry run stores what waits without taking it.

    Args:
        taken: how many hints, by system and kind.
    """
    run, report = session.run, session.told
    if run.dry_run:
        hints = events.waiting(run)
        events.peek(run, hints)
        taken = Counter((hint.system, hint.kind) for hint in hints)
    report.seen["events"] = taken.get((SOPOST, ORDER), 0)


def read_orders(session: ConsumersSession, only: Collection[str] | None = None) -> None:
    """Read the orders that are due.

    Raises:
        PipelineError: nothing is to be planned in this sync.
    """
    run, report = session.run, session.told
    found = reading.read_orders(run, session.sopost, follow_status=map_file.follows_status(run.merchant), only=only)
    session.orders = found
    report.seen["orders"] = found.tried
    report.orders.update(found.counts)


def stage(session: ConsumersSession) -> None:
    """Bring staged in step with raw, and say who is to be planned because of it."""
    found = staging.stage(session.run, session.orders.read)
    session.told.orders.update(found.orders)
    session.told.noted_at_top.update(found.noted)
