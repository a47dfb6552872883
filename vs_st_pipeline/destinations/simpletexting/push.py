"""Writes the planned differences, and remembers each outcome only after the answer that proves it.

Data flow: planned.changes -> SimpleTexting -> synced.*

Few contacts are written one by one with a call that cannot create; many go by batch, which can (it upserts), so
a batch comes right after a fresh read and every result's contact id is compared with the one that is known.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from vs_st_pipeline import ledger
from vs_st_pipeline.destinations.simpletexting import contacts as reading
from vs_st_pipeline.destinations.simpletexting.batch import collect, write_body
from vs_st_pipeline.destinations.simpletexting.client import BATCH_SIZE, SimpleTextingClient
from vs_st_pipeline.destinations.simpletexting.items import (
    READ_AGAIN_AFTER,
    Item,
    is_fresh,
    items_to_write,
    named_by_phone,
)
from vs_st_pipeline.destinations.simpletexting.outcomes import Outcomes, Pushed
from vs_st_pipeline.destinations.simpletexting.rejections import meaning_of
from vs_st_pipeline.destinations.simpletexting.strangers import CalledAt
from vs_st_pipeline.errors import SIMPLETEXTING, BadAnswer, Internal, Refused, TryLater, Unsafe
from vs_st_pipeline.run import Run

FAILURES_IN_A_ROW = 3
LIST_AGAIN_AFTER_SECONDS = 10.0
WAIT_AGAIN_FOR = timedelta(minutes=15)
LATEST_BATCH = timedelta(days=1)  # how long a batch that nobody saw done is believed to be possible still
UPDATE, BATCH = "update_contact", "batch_update"


def push(run: Run, st: SimpleTextingClient, pushed: Pushed) -> None:
    """Settle what an earlier run left open, then write what is planned, and move the ledger outcome by outcome.

    Args:
        pushed: counted up outcome by outcome, so that a run that fails midway still says what it did.

    Raises:
        Unsafe: the plan was refused by the brake and this run does not allow it.
        TryLater, BadKey, BadAnswer: the account as a whole cannot be written now; what was accepted is remembered.
    """
    _settle_outstanding(run, st, pushed)
    with run.open() as db:
        plan = db.row("select unsafe from planned.plan")
        wanted_ids = [row[0] for row in db.rows("select distinct contact_id from planned.changes order by 1")]
    if plan is None:
        raise Internal("there is no plan to push; make one first (`vs-st sync` does both)")
    if plan[0]:
        if not run.allow_unsafe:
            raise Unsafe(plan[0])
        with run.open() as db:
            ledger.record_allowed(db, plan[0], by=run.started_by, at=run.now(), run_id=run.run_id)
    outcomes = Outcomes(run, st, pushed)
    if len(wanted_ids) > run.merchant.simpletexting.write_one_by_one_up_to:
        _push_by_batch(outcomes, wanted_ids)
    elif wanted_ids:
        _push_one_by_one(outcomes, wanted_ids)
    with run.open() as db, db.transaction():
        ledger.forget_settled_rejects(db)
        ledger.record_learned(db, at=run.now(), run_id=run.run_id)
        ledger.record_links(db, at=run.now())
        ledger.record_passed(db, at=run.now())
        ledger.record_settled(db)


def _settle_outstanding(run: Run, st: SimpleTextingClient, pushed: Pushed) -> None:
    """What a run that died had sent: its batch is asked, never sent again; the rest is settled by reading."""
    with run.open() as db:
        outstanding = ledger.read_outstanding(db)
    before = Pushed()
    outcomes = Outcomes(run, st, before)
    for sending in outstanding.values():
        first = sending[0]
        called = CalledAt(first.heard_before, first.heard_after) if first.call == BATCH else None
        age, done = abs(run.now() - (first.sent_at or run.now())), False
        if first.task_id and called:
            # It may not have begun before we died; what is not done long after is not waited for again.
            wait = run.merchant.simpletexting.batch_wait if age <= WAIT_AGAIN_FOR else timedelta(0)
            outcome = collect(st, first.task_id, sending, called, wait=wait, progress=run.progress)
            unknown, outcome.unknown = outcome.unknown, []
            outcomes.take_in(sending, outcome)
            sending, done = [sent for sent in sending if sent.contact_id in unknown], outcome.done
        if sending:
            may_come = called is not None and not done and age < LATEST_BATCH
            outcomes.settle(sending, called=called, finally_=True, may_come=may_come)
    with run.open() as db:
        late = ledger.read_late(db, at=run.now(), within=LATEST_BATCH)
        ledger.forget_late(db, at=run.now(), within=LATEST_BATCH)
    for sent in late:
        outcomes.look_late(sent, CalledAt(sent.heard_before, sent.heard_after))
    pushed.noted += before.noted  # its contacts are counted by what this run finds to be written


def _push_one_by_one(outcomes: Outcomes, contact_ids: Sequence[str]) -> None:
    run, pushed, failures = outcomes.run, outcomes.pushed, 0
    for done, contact_id in enumerate(contact_ids, 1):
        if not is_fresh(run, contact_id):
            reading.fetch_contact(run, outcomes.st, contact_id)
        # Not before: each write and each reading on the way may have changed what is known of the contacts after it.
        for item in items_to_write(run, [contact_id], pushed):
            [sent] = outcomes.sending([(contact_id, item.contact.phone, item.changes)], call=UPDATE)
            try:
                _write_one(outcomes, item, sent)
                failures = 0
            except Refused as refused:
                outcomes.not_sent([sent])
                raise _blocked(refused) from None
            except (TryLater, BadAnswer):
                # No clear answer: it may have been written. Reading tells; if not even that works, the next sync will.
                accepted_before = pushed.accepted
                readable = outcomes.settle([sent])
                failures = 0 if pushed.accepted > accepted_before else failures + 1
                if not readable or failures >= FAILURES_IN_A_ROW:
                    raise
        run.progress(f"written {done} of {len(contact_ids)}")


def _write_one(outcomes: Outcomes, item: Item, sent: ledger.Sent) -> None:
    try:
        written_id = outcomes.st.update_contact(sent.contact_id, write_body(item.contact, item.changes))
    except Refused as refused:
        if meaning_of(refused.code).account_wide:
            raise
        if refused.http_status == 404:
            outcomes.gone(sent)
        else:
            outcomes.reject(sent, refused.code, refused.http_status)
        return
    if written_id != sent.contact_id:
        outcomes.met_stranger(sent, written_id, CalledAt(sent.heard_before, outcomes.st.server_time))
    else:
        outcomes.accept([sent])


def _blocked(refused: Refused) -> TryLater:
    """It is about the account, not about who was to be written: to try the others would refuse each of them as well."""
    meaning = meaning_of(refused.code)
    return TryLater(
        f"{meaning.means} {meaning.do} What was to be written is written by the next sync after that",
        system=SIMPLETEXTING,
        http_status=refused.http_status,
        trace_id=refused.trace_id,
    )


def _push_by_batch(outcomes: Outcomes, contact_ids: Sequence[str]) -> None:
    run = outcomes.run
    reading.fetch_contacts(run, outcomes.st, fresh=True)
    batches = _Batches(outcomes)
    for start in range(0, len(contact_ids), BATCH_SIZE):
        if not batches.send(contact_ids[start : start + BATCH_SIZE]):
            return
        run.progress(f"written {min(start + BATCH_SIZE, len(contact_ids))} of {len(contact_ids)}")
    _push_one_by_one(outcomes, batches.alone)


@dataclass(slots=True)
class _Batches:
    """What the batches of one push share.

    Attributes:
        listed_at, all_listed_at: when contacts were last listed, and all of them (monotonic seconds).
        alone: who cannot go by batch, which knows contacts by phone only: without a clear one, or one of his own.
    """

    outcomes: Outcomes
    listed_at: float = field(default_factory=time.monotonic)
    all_listed_at: float = field(default_factory=time.monotonic)
    alone: list[str] = field(default_factory=list)

    def send(self, contact_ids: Sequence[str]) -> bool:
        """One batch; halved where it is refused as a whole. False: no more contacts may be sent in this run."""
        outcomes, run, st = self.outcomes, self.outcomes.run, self.outcomes.st
        items = self._items(contact_ids)
        if not items:
            return True
        sending = outcomes.sending(
            [(item.contact.contact_id, item.contact.phone, item.changes) for item in items], call=BATCH
        )
        try:
            task_id = st.batch_update([write_body(item.contact, item.changes) for item in items])
        except Refused as refused:
            if meaning_of(refused.code).account_wide:
                outcomes.not_sent(sending)
                raise _blocked(refused) from None
            if len(items) == 1:
                outcomes.reject(sending[0], refused.code, refused.http_status)
                return True
            outcomes.not_sent(sending)
            ids, middle = [item.contact.contact_id for item in items], len(items) // 2
            return self.send(ids[:middle]) and self.send(ids[middle:])
        except (TryLater, BadAnswer):
            outcomes.settle(sending, called=CalledAt(sending[0].heard_before, None), may_come=True)
            raise
        outcomes.taken(sending, task_id)
        called = CalledAt(sending[0].heard_before, st.server_time)
        wait = run.merchant.simpletexting.batch_wait
        outcome = collect(st, task_id, sending, called, wait=wait, progress=run.progress)
        outcomes.take_in(sending, outcome)
        return not outcome.import_limit

    def _items(self, contact_ids: Sequence[str]) -> list[Item]:
        """What is to be written as it stands now; who cannot go by batch is put with those who go alone.

        A batch comes right after a reading: where the last one is too old it is read again who has moved since. What
        an item says is made anew in any case, because every reading may have changed what is known of any contact.
        """
        run = self.outcomes.run
        if time.monotonic() - self.listed_at > LIST_AGAIN_AFTER_SECONDS:
            # What moves no time shows in a listing of all only: it is trusted no longer than a single reading is.
            all_of_them = time.monotonic() - self.all_listed_at > READ_AGAIN_AFTER.total_seconds()
            reading.fetch_contacts(run, self.outcomes.st, fresh=all_of_them)
            self.listed_at = time.monotonic()
            self.all_listed_at = self.listed_at if all_of_them else self.all_listed_at
        items = items_to_write(run, contact_ids, self.outcomes.pushed)
        with run.open() as db:
            named = named_by_phone(db, [item.contact for item in items])
        self.alone += [item.contact.contact_id for item in items if item.contact.contact_id not in named]
        return [item for item in items if item.contact.contact_id in named]
