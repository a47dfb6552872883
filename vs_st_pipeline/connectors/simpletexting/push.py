"""Writes the planned differences, and records each outcome only after the answer that proves it.

Data flow: planned.changes -> SimpleTexting -> synced.*

A few contacts are written one by one with a call that cannot create; many go by batch, which can (it upserts), so
a batch comes right after a fresh read and every result's contact id is compared with the one that is known.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import timedelta

from vs_st_pipeline.connectors.simpletexting.accidental_contacts import CallWindow
from vs_st_pipeline.connectors.simpletexting.batch import collect
from vs_st_pipeline.connectors.simpletexting.client import BATCH, CONTACT, SimpleTextingClient
from vs_st_pipeline.connectors.simpletexting.outcomes import HEARD_AFTER, HEARD_BEFORE, TASK, OutcomeRecorder
from vs_st_pipeline.connectors.simpletexting.push_batches import push_by_batch
from vs_st_pipeline.connectors.simpletexting.push_singly import push_one_by_one
from vs_st_pipeline.connectors.simpletexting.settings import SimpleTextingSettings
from vs_st_pipeline.domain.plan import UNREADABLE
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse import outbox, retries
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.platform.warehouse.outbox import OutboxEntry
from vs_st_pipeline.platform.warehouse.outcomes import PushCounts
from vs_st_pipeline.platform.warehouse.unreadable import forget_unreadable, unreadable_ids

WAIT_AGAIN_FOR = timedelta(minutes=15)
LATEST_BATCH = timedelta(days=1)  # how long a batch that was never seen done may still be applied


def write(
    run: Run,
    st: SimpleTextingClient,
    pushed: PushCounts,
    contact_ids: Sequence[str],
    moved: Collection[str],
    *,
    alone: bool = False,
) -> None:
    """Write what is planned for these contacts, and update the ledger outcome by outcome.

    Args:
        pushed: counted up outcome by outcome, so that a run that fails midway still reports what it did.
        moved: contacts for which something was recorded since the plan was made (`settle_outstanding`).
        alone: the run is about these contacts alone: each by a request of its own, and nothing is told of others.

    Raises:
        TryLater, BadKey, BadAnswer: the account as a whole cannot be written now; what was accepted is remembered.
    """
    with run.open() as db:
        outcomes = OutcomeRecorder(run, st, pushed, rejected=retries.read_rejected(db), moved=set(moved))
        outcomes.suspects = frozenset(ref.id for ref in retries.read_suspects(db)) if contact_ids else frozenset()
        _forget_readable(run, db, contact_ids)
    try:
        few = run.merchant.section(SimpleTextingSettings).write_one_by_one_up_to
        if len(contact_ids) > few and not alone:
            push_by_batch(outcomes, contact_ids)
        elif contact_ids:
            push_one_by_one(outcomes, contact_ids)
    finally:
        outcomes.flush()
        _note_unreadable(run, pushed, set(contact_ids) if alone else None)


def _forget_readable(run: Run, db: Db, wanted_ids: Sequence[str]) -> None:
    """Drop unreadable contacts that this run read and has nothing to write for; a read decides the others."""
    known = unreadable_ids(db, CONTACT.name) - set(wanted_ids)
    if not known:
        return
    with db.transaction():
        with db.batch({"contact_id": sorted(known)}) as batch:
            read = db.rows(
                f"""select contact_id from raw.simpletexting_contacts semi join {batch} using (contact_id)
                    where gone or read_run = ?""",
                [run.run_id],
            )
        forget_unreadable(db, CONTACT.name, [row[0] for row in read])


def _note_unreadable(run: Run, pushed: PushCounts, among: Collection[str] | None) -> None:
    """Count contacts that cannot be read now, except those that the plan has noted, which are counted there.

    Args:
        among: only these; None: all.
    """
    with run.open() as db:
        noted = {row[0] for row in db.rows("select id from planned.notes where note = ?", [UNREADABLE])}
        unread = unreadable_ids(db, CONTACT.name) - noted
        if count := len(unread if among is None else unread.intersection(among)):
            pushed.noted[UNREADABLE] += count


def settle_outstanding(
    run: Run, st: SimpleTextingClient, pushed: PushCounts, among: Collection[str] | None = None
) -> set[str]:
    """Settle what a crashed run had sent: its batch is polled, never sent again; the rest is settled by reading.

    Args:
        among: only what was sent to these contacts, by requests of their own; None: all.

    Returns:
        The ids of the contacts that were settled.
    """
    with run.open() as db:
        if outbox.is_settled(db):
            return set()
        outstanding = outbox.read_open(db)
        if among is not None:
            alone = {one.send_id: [one] for entries in outstanding.values() for one in entries if one.call != BATCH}
            outstanding = {send_id: sent for send_id, sent in alone.items() if sent[0].target.id in among}
        late = _late(run, db) if not outstanding and among is None else []
    before = PushCounts()
    outcomes = OutcomeRecorder(run, st, before)
    try:
        for sending in outstanding.values():
            _settle(outcomes, sending)
            outcomes.flush()  # the next one may be a later write of the same contacts
    finally:
        outcomes.flush()
    if outstanding and among is None:
        with run.open() as db:
            late = _late(run, db)
    for sent in late:
        outcomes.check_late(sent, _window(sent))
    pushed.noted += before.noted  # its contacts are counted by what this run finds to write
    return {sent.target.id for sent in [*late, *(sent for sending in outstanding.values() for sent in sending)]}


def _settle(outcomes: OutcomeRecorder, sending: Sequence[OutboxEntry]) -> None:
    """Settle one request that a crashed run had sent."""
    run, first = outcomes.run, sending[0]
    called = _window(first) if first.call == BATCH else None
    age, done = abs(run.now() - (first.sent_at or run.now())), False
    if (task_id := first.evidence.get(TASK)) and called:
        # It may have begun only after the crash; a batch that is not done long after is not waited for again.
        wait = run.merchant.section(SimpleTextingSettings).batch_wait if age <= WAIT_AGAIN_FOR else timedelta(0)
        outcome = collect(outcomes.st, task_id, sending, called, wait=wait, progress=run.progress)
        unknown, outcome.unknown = outcome.unknown, []
        outcomes.apply_results(sending, outcome)
        sending, done = [sent for sent in sending if sent.target.id in unknown], outcome.done
    if sending:
        may_come = called is not None and not done and age < LATEST_BATCH
        outcomes.settle(sending, called=called, from_earlier_run=True, may_come=may_come)


def _late(run: Run, db: Db) -> list[OutboxEntry]:
    """Return what was given up, may still be applied, and would make a contact anew; forget what will not any more."""
    given_up = outbox.read_late(db, at=run.now(), within=LATEST_BATCH)
    outbox.forget_late(db, at=run.now(), within=LATEST_BATCH)
    return _gone(db, given_up) if given_up else []


def _window(sent: OutboxEntry) -> CallWindow:
    return CallWindow(sent.evidence.get(HEARD_BEFORE), sent.evidence.get(HEARD_AFTER))


def _gone(db: Db, sent: Sequence[OutboxEntry]) -> list[OutboxEntry]:
    """Return those of contacts that are gone: only in their place could a late batch make another one."""
    with db.batch({"contact_id": [one.target.id for one in sent]}) as batch:
        rows = db.rows(
            f"select contact_id from raw.simpletexting_contacts semi join {batch} using (contact_id) where gone"
        )
    gone = {row[0] for row in rows}
    return [one for one in sent if one.target.id in gone]
