"""Writes many contacts by batch, which upserts: right after a fresh read, and halved where it is refused as a whole.

Data flow: planned.changes -> batch, polled -> outcomes.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from vs_st_pipeline.connectors.simpletexting.accidental_contacts import CallWindow
from vs_st_pipeline.connectors.simpletexting.batch import WRITE_FAILS, collect, write_body
from vs_st_pipeline.connectors.simpletexting.client import BATCH, BATCH_SIZE
from vs_st_pipeline.connectors.simpletexting.error_codes import describe_code
from vs_st_pipeline.connectors.simpletexting.outcomes import HEARD_BEFORE, OutcomeRecorder, Refusal, whole
from vs_st_pipeline.connectors.simpletexting.push_singly import (
    TOO_MANY,
    blocked_account,
    is_lean_due,
    push_one_by_one,
    remember_suspects,
    without_fill,
)
from vs_st_pipeline.connectors.simpletexting.settings import SimpleTextingSettings
from vs_st_pipeline.connectors.simpletexting.write_set import (
    READ_AGAIN_AFTER,
    WriteItem,
    WriteSet,
    make_write_set,
)
from vs_st_pipeline.domain.errors import BadAnswer, KeptBack, PipelineError, Refused, TryLater
from vs_st_pipeline.platform.warehouse.outbox import OutboxEntry

PARTS_IN_A_ROW = 2


LIST_AGAIN_AFTER_SECONDS = 10.0

MOST_TOGETHER = 2_000  # contacts that are looked up together


def push_by_batch(outcomes: OutcomeRecorder, contact_ids: Sequence[str]) -> None:
    """Read all contacts, then write these by batch: suspects last, and those that cannot go by batch one by one.

    Raises:
        TryLater, BadAnswer: a batch failed as a whole, or the list could not be read.
    """
    run, suspects = outcomes.run, outcomes.suspects
    outcomes.list_again(fresh=True)
    clear = [contact_id for contact_id in contact_ids if contact_id not in suspects]
    batches = _Batches(outcomes, clear)
    for start in range(0, len(clear), BATCH_SIZE):
        if not batches.send(clear[start : start + BATCH_SIZE]):
            return
        run.progress(f"written {min(start + BATCH_SIZE, len(clear))} of {len(contact_ids)}")
    doubtful = [contact_id for contact_id in contact_ids if contact_id in suspects]
    if doubtful and not batches.send_suspects(doubtful):
        return
    push_one_by_one(outcomes, batches.alone)


@dataclass(slots=True)
class _Batches:
    """What the batches of one push share.

    Attributes:
        clear: contacts in the order in which they are sent, but for suspects: those to come are looked up together.
        listed_at, all_listed_at: when contacts were last listed, and all of them (monotonic seconds).
        alone: contacts that cannot go by batch, which knows contacts by phone only: those without a clear phone, or
            that share it; and those that could not be read in the list, and are read one by one.
        lean: what contacts were refused with, and are sent without, by id.
        ready: what was made of the contacts to come; it holds until anything is read (`readings`).
        reach: how many contacts are looked up together: more where what was looked up last was all of use.
    """

    outcomes: OutcomeRecorder
    clear: Sequence[str] = ()
    listed_at: float = field(default_factory=time.monotonic)
    all_listed_at: float = field(default_factory=time.monotonic)
    alone: list[str] = field(default_factory=list)
    lean: dict[str, Refusal] = field(default_factory=dict)
    ready: WriteSet = field(default_factory=WriteSet)
    readings: int = -1
    reach: int = BATCH_SIZE

    def send(self, contact_ids: Sequence[str], *, suspects: bool = False) -> bool:
        """Send one batch, halved where it is refused as a whole. False: this run may send no more contacts.

        Args:
            suspects: if it fails, the caller tries its parts at once.

        Raises:
            TryLater, BadAnswer: it failed as a whole, after all of its tries.
        """
        outcomes, run, st = self.outcomes, self.outcomes.run, self.outcomes.st
        items = self._items(contact_ids)
        if not items:
            return True
        sending = outcomes.sending(
            [(item.contact.contact_id, item.contact.phone, item.changes) for item in items], call=BATCH
        )
        try:
            task_id = st.batch_update(
                [write_body(item.contact, item.changes) for item in items], may_leave=lambda: not self._any_held(items)
            )
        except Refused as refused:
            if describe_code(refused.code).account_wide:
                outcomes.not_sent(sending)
                raise blocked_account(refused) from None
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
            if isinstance(error, KeptBack) and not error.tried:
                outcomes.not_sent(sending)
                return self.send([item.contact.contact_id for item in items], suspects=suspects)
            called = CallWindow(sending[0].evidence[HEARD_BEFORE], None)
            outcomes.settle(sending, called=called, may_come=True, sends_again=suspects)
            if not suspects:
                remember_suspects(run, [item.contact.contact_id for item in items], error)
            raise
        outcomes.acknowledged(sending, task_id)
        called = CallWindow(sending[0].evidence[HEARD_BEFORE], st.server_time)
        wait = run.merchant.section(SimpleTextingSettings).batch_wait
        outcome = collect(st, task_id, sending, called, wait=wait, progress=self._while_it_waits)
        by_id, again = {item.contact.contact_id: item for item in items}, list[str]()

        def once_more(sent: OutboxEntry, code: str | None) -> bool:
            if outcome.import_limit or not self._again(by_id[sent.target.id], code, None):
                return False
            again.append(sent.target.id)
            return True

        outcomes.apply_results(sending, outcome, dropped=self.lean, again=once_more)
        if outcome.import_limit:
            return False
        return not again or self.send(again, suspects=suspects)

    def _any_held(self, items: Sequence[WriteItem]) -> bool:
        holds = self.outcomes.opt_outs.holds
        return any(holds(item.contact.contact_id, item.contact.phone) for item in items)

    def send_suspects(self, contact_ids: Sequence[str]) -> bool:
        """Send contacts whose batch failed as a whole in an earlier sync: in halves, down to the one that fails alone.

        The others are written on the way. Where two parts in a row fail, one contact out of each of two others is
        tried: if neither passes, it is the system's trouble. False: this run may send no more contacts.

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
        """Return whether any of two contacts of different parts can be written alone."""
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
        """Return whether a refused item is sent once more, without the values that only fill empty fields."""
        contact_id = item.contact.contact_id
        lean = None if contact_id in self.lean else without_fill(item, code, http_status)
        if lean is None or not is_lean_due(self.outcomes, item, lean[1]):
            return False
        self.lean[contact_id] = lean[1]
        return True

    def _items(self, contact_ids: Sequence[str]) -> list[WriteItem]:
        """Return what is to be written now; contacts that cannot go by batch are added to `alone`.

        A batch comes right after a read: where the last one is too old, the contacts updated since are read again. The
        changes are computed again in any case, because every read may have changed what is known of any contact.
        """
        if time.monotonic() - self.listed_at > LIST_AGAIN_AFTER_SECONDS:
            # Edits that change no `updated` only show in a full list: it is trusted no longer than a single read is.
            all_of_them = time.monotonic() - self.all_listed_at > READ_AGAIN_AFTER.total_seconds()
            self.outcomes.list_again(fresh=all_of_them)
            self.listed_at = time.monotonic()
            self.all_listed_at = self.listed_at if all_of_them else self.all_listed_at
        ready = self._look_up(contact_ids)
        shared, items = ready.shared, ready.take(contact_ids, self.outcomes.pushed)
        self.alone += [item.contact.contact_id for item in items if item.contact.contact_id in shared]
        return [self._lean(item) for item in items if item.contact.contact_id not in shared]

    def _look_up(self, contact_ids: Sequence[str]) -> WriteSet:
        """Return a set that has these contacts, by what is stored now."""
        outcomes, run = self.outcomes, self.outcomes.run
        if self.readings != outcomes.readings:
            if self.ready.asked:  # looked up for nothing
                self.reach = BATCH_SIZE
            self.ready, self.readings = WriteSet(), outcomes.readings
        if self.ready.asked.issuperset(contact_ids):
            return self.ready
        again = not outcomes.moved.isdisjoint(contact_ids)  # sent before: in halves, or in another form
        ahead = [] if again else self._to_come(contact_ids)
        with run.open() as db:
            made = make_write_set(run, db, [*contact_ids, *ahead], outcomes.moved, outcomes.opt_outs, by_phone=True)
        if not again:
            self.ready, self.reach = made, min(self.reach * 2, MOST_TOGETHER)
        return made

    def _to_come(self, contact_ids: Sequence[str]) -> list[str]:
        """Return the contacts whose turn is after these, as far as they are looked up with them."""
        asked = set(contact_ids)
        last = max((place for place, one in enumerate(self.clear) if one in asked), default=len(self.clear))
        return [one for one in self.clear[last + 1 : last + 1 + self.reach - len(asked)] if one not in asked]

    def _while_it_waits(self, what: str) -> None:
        self.outcomes.run.progress(what)
        self.outcomes.flush(full=False)

    def _lean(self, item: WriteItem) -> WriteItem:
        contact_id = item.contact.contact_id
        refusal = self.lean.get(contact_id)
        if refusal is None:
            return item
        dropped = {(change.kind, change.key) for change in refusal.changes}
        return WriteItem(item.contact, [change for change in item.changes if (change.kind, change.key) not in dropped])
