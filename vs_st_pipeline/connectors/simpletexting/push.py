"""Writes the planned differences, and remembers each outcome only after the answer that proves it.

Data flow: planned.changes -> SimpleTexting -> synced.*

Few contacts are written one by one with a call that cannot create; many go by batch, which can (it upserts), so
a batch comes right after a fresh read and every result's contact id is compared with the one that is known.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from vs_st_pipeline.connectors.simpletexting import contacts as reading
from vs_st_pipeline.connectors.simpletexting.accidental_contacts import CallWindow
from vs_st_pipeline.connectors.simpletexting.batch import IMPORT_LIMIT, WRITE_FAILS, collect, write_body
from vs_st_pipeline.connectors.simpletexting.client import BATCH_SIZE, CONTACT, SimpleTextingClient
from vs_st_pipeline.connectors.simpletexting.error_codes import describe_code
from vs_st_pipeline.connectors.simpletexting.outcomes import OutcomeRecorder, PushCounts, Refusal, whole
from vs_st_pipeline.connectors.simpletexting.stored_contacts import LiveContact
from vs_st_pipeline.connectors.simpletexting.write_set import (
    READ_AGAIN_AFTER,
    WriteItem,
    build_write_set,
    is_fresh,
    uniquely_by_phone,
)
from vs_st_pipeline.domain.errors import SIMPLETEXTING, BadAnswer, Internal, PipelineError, Refused, TryLater, Unsafe
from vs_st_pipeline.domain.plan import UNREADABLE
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse import ledger
from vs_st_pipeline.platform.warehouse.ledger import OutboxEntry
from vs_st_pipeline.platform.warehouse.unreadable import forget_unreadable, unreadable_ids

FAILURES_IN_A_ROW, SUSPECTS_IN_A_ROW = 3, 5
PARTS_IN_A_ROW = 2
LEAN_EVERY = 3  # tries of a contact that is refused with and without what is only to be filled in
GONE_THERE, TOO_MANY = 404, 429
NOT_FOR_A_VALUE = frozenset(["INVALID_CONTACT", "LOCAL_OPT_OUT", IMPORT_LIMIT])  # no field less would change these
LIST_AGAIN_AFTER_SECONDS = 10.0
WAIT_AGAIN_FOR = timedelta(minutes=15)
LATEST_BATCH = timedelta(days=1)  # how long a batch that nobody saw done is believed to be possible still
UPDATE, BATCH = "update_contact", "batch_update"


def push(run: Run, st: SimpleTextingClient, pushed: PushCounts) -> None:
    """Settle what an earlier run left open, then write what is planned, and move the ledger outcome by outcome.

    Args:
        pushed: counted up outcome by outcome, so that a run that fails midway still says what it did.

    Raises:
        Unsafe: the plan was refused by the brake and this run does not allow it.
        TryLater, BadKey, BadAnswer: the account as a whole cannot be written now; what was accepted is remembered.
    """
    moved = _settle_outstanding(run, st, pushed)
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
    with run.open() as db:
        outcomes = OutcomeRecorder(run, st, pushed, rejected=ledger.read_rejected(db), moved=moved)
    _forget_readable(run, wanted_ids)
    try:
        if len(wanted_ids) > run.merchant.simpletexting.write_one_by_one_up_to:
            _push_by_batch(outcomes, wanted_ids)
        elif wanted_ids:
            _push_one_by_one(outcomes, wanted_ids)
    finally:
        _note_unreadable(run, pushed)
    with run.open() as db, db.transaction():
        ledger.forget_suspects(db)
        ledger.forget_settled_rejects(db)
        ledger.record_observed(db, at=run.now(), run_id=run.run_id)
        ledger.record_links(db, at=run.now())
        ledger.record_baseline(db, at=run.now())
        ledger.record_settled(db)


def _forget_readable(run: Run, wanted_ids: Sequence[str]) -> None:
    """Who was read in this run and has nothing to be written is not unreadable; of the others their read decides."""
    with run.open() as db, db.transaction():
        if known := unreadable_ids(db, CONTACT.name) - set(wanted_ids):
            with db.batch({"contact_id": sorted(known)}) as batch:
                read = db.rows(
                    f"""select contact_id from raw.simpletexting_contacts semi join {batch} using (contact_id)
                        where gone or read_run = ?""",
                    [run.run_id],
                )
            forget_unreadable(db, CONTACT.name, [row[0] for row in read])


def _note_unreadable(run: Run, pushed: PushCounts) -> None:
    """Contacts that cannot be read now; those of whom the plan says so already are counted there."""
    with run.open() as db:
        noted = {row[0] for row in db.rows("select contact_id from planned.notes where note = ?", [UNREADABLE])}
        if count := len(unreadable_ids(db, CONTACT.name) - noted):
            pushed.noted[UNREADABLE] += count


def _settle_outstanding(run: Run, st: SimpleTextingClient, pushed: PushCounts) -> set[str]:
    """What a run that died had sent: its batch is asked, never sent again; the rest is settled by reading.

    Returns:
        The ids of the contacts that were settled.
    """
    with run.open() as db:
        outstanding = ledger.read_open(db)
    before = PushCounts()
    outcomes = OutcomeRecorder(run, st, before)
    for sending in outstanding.values():
        first = sending[0]
        called = CallWindow(first.heard_before, first.heard_after) if first.call == BATCH else None
        age, done = abs(run.now() - (first.sent_at or run.now())), False
        if first.task_id and called:
            # It may not have begun before we died; what is not done long after is not waited for again.
            wait = run.merchant.simpletexting.batch_wait if age <= WAIT_AGAIN_FOR else timedelta(0)
            outcome = collect(st, first.task_id, sending, called, wait=wait, progress=run.progress)
            unknown, outcome.unknown = outcome.unknown, []
            outcomes.apply_results(sending, outcome)
            sending, done = [sent for sent in sending if sent.contact_id in unknown], outcome.done
        if sending:
            may_come = called is not None and not done and age < LATEST_BATCH
            outcomes.settle(sending, called=called, finally_=True, may_come=may_come)
    with run.open() as db:
        late = ledger.read_late(db, at=run.now(), within=LATEST_BATCH)
        ledger.forget_late(db, at=run.now(), within=LATEST_BATCH)
    for sent in late:
        outcomes.check_late(sent, CallWindow(sent.heard_before, sent.heard_after))
    pushed.noted += before.noted  # its contacts are counted by what this run finds to be written
    return {sent.contact_id for sent in [*late, *(sent for sending in outstanding.values() for sent in sending)]}


def _push_one_by_one(outcomes: OutcomeRecorder, contact_ids: Sequence[str]) -> None:
    """Write each by itself; who failed before goes last, so that he keeps nobody else from being written.

    A write that fails in no clear way after all its tries is the contact's own trouble if others pass: then it counts
    as refused. Where none passes, or too many fail in a row, it is the system's.
    """
    run, pushed = outcomes.run, outcomes.pushed
    with run.open() as db:
        suspects = ledger.read_suspects(db)
    failed: list[tuple[OutboxEntry, PipelineError]] = []
    in_a_row, passed = 0, pushed.accepted
    for done, contact_id in enumerate(sorted(contact_ids, key=lambda one: one in suspects), 1):
        with run.open() as db:  # not before: each write on the way may change what is known of the contacts after it
            fresh = is_fresh(run, db, contact_id)
            written = _sending(outcomes, contact_id) if fresh else None
        if not fresh and outcomes.read(contact_id):
            written = _sending(outcomes, contact_id)
        if written:
            item, sent = written
            try:
                _write_one(outcomes, item, sent)
                in_a_row = 0
            except Refused as refused:
                outcomes.not_sent([sent])
                raise _blocked(refused) from None
            except (TryLater, BadAnswer) as error:
                # No clear answer: it may have been written. Reading tells; if not even that works, the next sync will.
                accepted, unknown = pushed.accepted, pushed.unknown
                unread = outcomes.settle([sent])
                if pushed.accepted > accepted:
                    in_a_row = 0
                    continue
                in_a_row += 1
                if pushed.unknown > unknown and not unread:
                    failed.append((sent, error))
                _remember_suspects(run, [contact_id], error)
                known = contact_id in suspects and pushed.accepted > passed
                if (unread and not _of_one(outcomes, unread)) or in_a_row >= (
                    SUSPECTS_IN_A_ROW if known else FAILURES_IN_A_ROW
                ):
                    if known:
                        _reject_failed(outcomes, [one for one in failed if one[0].contact_id in suspects])
                    raise
        run.progress(f"written {done} of {len(contact_ids)}")
    if pushed.accepted > passed or (len(failed) == 1 and failed[0][0].contact_id in suspects):
        _reject_failed(outcomes, failed)


def _sending(outcomes: OutcomeRecorder, contact_id: str) -> tuple[WriteItem, OutboxEntry] | None:
    """What is to be written of one contact, stored as about to be sent; None where nothing is."""
    run = outcomes.run
    with run.open() as db:
        for item in build_write_set(run, db, [contact_id], outcomes.pushed, outcomes.moved):
            [sent] = outcomes.sending([(contact_id, item.contact.phone, item.changes)], call=UPDATE)
            return item, sent
    return None


def _of_one(outcomes: OutcomeRecorder, unread: set[str]) -> bool:
    """Whether it is these contacts' own trouble that they cannot be read: then they are kept as unreadable."""
    with outcomes.run.open() as db:
        return unread <= unreadable_ids(db, CONTACT.name)


def _remember_suspects(run: Run, contact_ids: Sequence[str], error: PipelineError) -> None:
    """Who was in a request that failed as a whole goes apart from the others in the next sync."""
    if isinstance(error, TryLater) and (error.call is None or error.http_status == TOO_MANY):
        return
    with run.open() as db, db.transaction():
        ledger.record_suspects(db, contact_ids, at=run.now())


def _reject_failed(outcomes: OutcomeRecorder, failed: Sequence[tuple[OutboxEntry, PipelineError]]) -> None:
    for sent, error in failed:
        outcomes.pushed.unknown -= 1  # it was read, and does not show
        outcomes.reject(sent, WRITE_FAILS, error.http_status)


def _write_one(outcomes: OutcomeRecorder, item: WriteItem, sent: OutboxEntry) -> None:
    """Write one contact; refused, it is tried once more without what is only to be filled in.

    Raises:
        Refused: it is about the account.
        TryLater, BadAnswer: nobody knows what became of it.
    """
    try:
        _update(outcomes, item.contact, sent)
    except Refused as refused:
        if describe_code(refused.code).account_wide:
            raise
        lean = _without_fill(item, refused.code, refused.http_status)
        if refused.http_status == GONE_THERE:
            outcomes.gone(sent)
        elif lean and _lean_is_due(outcomes, item, lean[1]):
            outcomes.without_effect(sent)
            _write_lean(outcomes, *lean)
        else:
            outcomes.reject(sent, refused.code, refused.http_status)
        return
    outcomes.accept([sent])


def _write_lean(outcomes: OutcomeRecorder, item: WriteItem, refusal: Refusal) -> None:
    [sent] = outcomes.sending([(item.contact.contact_id, item.contact.phone, item.changes)], call=UPDATE)
    try:
        _update(outcomes, item.contact, sent)
    except Refused as refused:
        if describe_code(refused.code).account_wide:
            outcomes.not_sent([sent])
            raise _blocked(refused) from None
        if refused.http_status == GONE_THERE:
            outcomes.gone(sent)
        else:
            outcomes.reject(whole(sent, refusal), refused.code, refused.http_status)
        return
    except (TryLater, BadAnswer):
        outcomes.settle([sent])
        return
    outcomes.accept_partly(sent, refusal.changes, refusal.code, refusal.http_status)


def _update(outcomes: OutcomeRecorder, contact: LiveContact, sent: OutboxEntry) -> None:
    """Raises BadAnswer where another contact is named: this call creates none, so what became of ours is to be read."""
    written_id = outcomes.st.update_contact(sent.contact_id, write_body(contact, sent.changes))
    if written_id != sent.contact_id:
        raise BadAnswer("the answer to a write names another contact", system=SIMPLETEXTING, call=UPDATE)


def _without_fill(item: WriteItem, code: str | None, http_status: int | None) -> tuple[WriteItem, Refusal] | None:
    """The item without the contact's own fields that are only filled in, if something is left then.

    They come from whatever people type at the shop, and one that is refused keeps all the others away.
    """
    if code in NOT_FOR_A_VALUE:
        return None
    dropped = [change for change in item.changes if (change.kind, change.policy) == ("builtin", "fill")]
    rest = [change for change in item.changes if change not in dropped]
    if not dropped or not rest:
        return None
    return WriteItem(item.contact, rest), Refusal(tuple(dropped), code, http_status)


def _blocked(refused: Refused) -> TryLater:
    """It is about the account, not about who was to be written: to try the others would refuse each of them as well."""
    meaning = describe_code(refused.code)
    return TryLater(
        f"{meaning.means} {meaning.do} What was to be written is written by the next sync after that",
        system=SIMPLETEXTING,
        http_status=refused.http_status,
        trace_id=refused.trace_id,
    )


def _lean_is_due(outcomes: OutcomeRecorder, item: WriteItem, dropped: Refusal) -> bool:
    """Whether a refused contact is tried without these at once: not each time where it was refused so as well."""
    before = outcomes.rejected.get(item.contact.contact_id)
    if before is None or before.changes_hash == ledger.request_hash(dropped.changes):
        return True
    return before.changes_hash == ledger.request_hash(item.changes) and before.attempts % LEAN_EVERY == 0


def _push_by_batch(outcomes: OutcomeRecorder, contact_ids: Sequence[str]) -> None:
    run = outcomes.run
    reading.fetch_contacts(run, outcomes.st, fresh=True)
    with run.open() as db:
        suspects = ledger.read_suspects(db)
    batches = _Batches(outcomes)
    clear = [contact_id for contact_id in contact_ids if contact_id not in suspects]
    for start in range(0, len(clear), BATCH_SIZE):
        if not batches.send(clear[start : start + BATCH_SIZE]):
            return
        run.progress(f"written {min(start + BATCH_SIZE, len(clear))} of {len(contact_ids)}")
    doubtful = [contact_id for contact_id in contact_ids if contact_id in suspects]
    if doubtful and not batches.send_suspects(doubtful):
        return
    _push_one_by_one(outcomes, batches.alone)


@dataclass(slots=True)
class _Batches:
    """What the batches of one push share.

    Attributes:
        listed_at, all_listed_at: when contacts were last listed, and all of them (monotonic seconds).
        alone: who cannot go by batch, which knows contacts by phone only: without a clear one, or one of his own; and
            who was not to be read in the list, and is asked for singly.
        lean: what contacts were refused with, and are sent without, by id.
    """

    outcomes: OutcomeRecorder
    listed_at: float = field(default_factory=time.monotonic)
    all_listed_at: float = field(default_factory=time.monotonic)
    alone: list[str] = field(default_factory=list)
    lean: dict[str, Refusal] = field(default_factory=dict)

    def send(self, contact_ids: Sequence[str], *, suspects: bool = False) -> bool:
        """One batch; halved where it is refused as a whole. False: no more contacts may be sent in this run.

        Args:
            suspects: if it fails, the caller tries its parts at once.

        Raises:
            TryLater, BadAnswer: it failed as a whole, after all its tries.
        """
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
            if describe_code(refused.code).account_wide:
                outcomes.not_sent(sending)
                raise _blocked(refused) from None
            ids, middle = [item.contact.contact_id for item in items], len(items) // 2
            if len(items) > 1:
                outcomes.not_sent(sending)
                return self.send(ids[:middle], suspects=suspects) and self.send(ids[middle:], suspects=suspects)
            if self._again(items[0], refused.code, refused.http_status):
                outcomes.without_effect(sending[0])
                return self.send(ids, suspects=suspects)
            outcomes.reject(whole(sending[0], self.lean.get(ids[0])), refused.code, refused.http_status)
            return True
        except (TryLater, BadAnswer) as error:
            called = CallWindow(sending[0].heard_before, None)
            outcomes.settle(sending, called=called, may_come=True, anew=suspects)
            if not suspects:
                _remember_suspects(run, [item.contact.contact_id for item in items], error)
            raise
        outcomes.taken(sending, task_id)
        called = CallWindow(sending[0].heard_before, st.server_time)
        wait = run.merchant.simpletexting.batch_wait
        outcome = collect(st, task_id, sending, called, wait=wait, progress=run.progress)
        by_id, again = {item.contact.contact_id: item for item in items}, list[str]()

        def once_more(sent: OutboxEntry, code: str | None) -> bool:
            if outcome.import_limit or not self._again(by_id[sent.contact_id], code, None):
                return False
            again.append(sent.contact_id)
            return True

        outcomes.apply_results(sending, outcome, dropped=self.lean, again=once_more)
        if outcome.import_limit:
            return False
        return not again or self.send(again, suspects=suspects)

    def send_suspects(self, contact_ids: Sequence[str]) -> bool:
        """Contacts whose batch failed as a whole in an earlier sync: in halves, down to the one that fails alone.

        The others are written on the way. Where two parts in a row fail, one contact out of each of two others is
        tried: if neither passes, it is no contact's trouble. False: no more contacts may be sent in this run.

        Raises:
            TryLater, BadAnswer: nothing passes.
        """
        outcomes = self.outcomes
        middle = len(contact_ids) // 2
        parts = deque(part for part in (list(contact_ids[:middle]), list(contact_ids[middle:])) if part)
        failed: list[tuple[str, PipelineError]] = []
        in_a_row, passed = 0, bool(outcomes.pushed.accepted)
        while parts:
            part = parts.popleft()
            if not part:
                continue
            try:
                if not self.send(part, suspects=True):
                    return False
                in_a_row, passed = 0, True
                continue
            except (TryLater, BadAnswer) as error:
                if isinstance(error, TryLater) and (error.call is None or error.http_status == TOO_MANY):
                    raise
                in_a_row += 1
                if len(part) == 1:
                    failed.append((part[0], error))
                else:
                    parts += [part[: len(part) // 2], part[len(part) // 2 :]]
                if in_a_row < PARTS_IN_A_ROW or not parts:
                    continue
                if not self._one_passes(parts):
                    raise
                in_a_row, passed = 0, True
        if failed and not passed and len(contact_ids) > 1:
            raise failed[-1][1]
        for contact_id, why in failed:
            self._reject_alone(contact_id, why)
        return True

    def _one_passes(self, parts: deque[list[str]]) -> bool:
        """Whether any of two contacts of different parts can be written by itself."""
        for contact_id in dict.fromkeys((parts[0][0], parts[-1][-1])):
            accepted = self.outcomes.pushed.accepted
            try:
                self.send([contact_id], suspects=True)
            except (TryLater, BadAnswer):
                continue
            if self.outcomes.pushed.accepted > accepted:
                for part in parts:
                    if contact_id in part:
                        part.remove(contact_id)
                return True
        return False

    def _reject_alone(self, contact_id: str, error: PipelineError) -> None:
        for item in self._items([contact_id]):
            [sent] = self.outcomes.sending([(contact_id, item.contact.phone, item.changes)], call=BATCH)
            self.outcomes.reject(whole(sent, self.lean.get(contact_id)), WRITE_FAILS, error.http_status)

    def _again(self, item: WriteItem, code: str | None, http_status: int | None) -> bool:
        """Whether a refused item is to be sent once more without what is only to be filled in."""
        contact_id = item.contact.contact_id
        lean = None if contact_id in self.lean else _without_fill(item, code, http_status)
        if lean is None or not _lean_is_due(self.outcomes, item, lean[1]):
            return False
        self.lean[contact_id] = lean[1]
        return True

    def _items(self, contact_ids: Sequence[str]) -> list[WriteItem]:
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
        with run.open() as db:
            items = build_write_set(run, db, contact_ids, self.outcomes.pushed, self.outcomes.moved)
            named = uniquely_by_phone(db, [item.contact for item in items])
        named &= {item.contact.contact_id for item in items if item.contact.read_run == run.run_id}
        self.alone += [item.contact.contact_id for item in items if item.contact.contact_id not in named]
        return [self._lean(item) for item in items if item.contact.contact_id in named]

    def _lean(self, item: WriteItem) -> WriteItem:
        contact_id = item.contact.contact_id
        refusal = self.lean.get(contact_id)
        if refusal is None:
            return item
        dropped = {(change.kind, change.key) for change in refusal.changes}
        return WriteItem(item.contact, [change for change in item.changes if (change.kind, change.key) not in dropped])
