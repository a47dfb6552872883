"""Records what became of each write, in one transaction with the change that it makes to the ledger.

Data flow: OutboxEntry + answer -> synced.* (ledger, rejects, outbox) and PushCounts.

A write without a clear answer is settled by reading the contact, not by hoping. What a crash left without an outcome is
in the outbox, and the next run settles it the same way before it writes anything.

It is long because every way to an outcome ends in one transaction of the same kind, and must be seen beside the others.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field

from msgspec.structs import replace

from vs_st_pipeline.connectors.simpletexting import contacts as reading
from vs_st_pipeline.connectors.simpletexting.accidental_contacts import (
    IN_DOUBT,
    MADE_AND_DELETED,
    MADE_NOT_DELETED,
    CallWindow,
    settle_accidental,
)
from vs_st_pipeline.connectors.simpletexting.batch import NOT_APPLIED, BatchOutcome
from vs_st_pipeline.connectors.simpletexting.client import CONTACT, SimpleTextingClient
from vs_st_pipeline.connectors.simpletexting.custom_fields import FieldKeys
from vs_st_pipeline.connectors.simpletexting.opt_outs import OptOuts
from vs_st_pipeline.connectors.simpletexting.refs import contact_ref
from vs_st_pipeline.connectors.simpletexting.stored_contacts import (
    live_contact,
    mark_gone,
    read_contacts,
    read_custom_fields,
)
from vs_st_pipeline.connectors.simpletexting.write_proofs import read_proofs
from vs_st_pipeline.domain.diff import is_normalized_form
from vs_st_pipeline.domain.errors import BadAnswer, Forbidden, KeptBack, PipelineError, Refused, TryLater
from vs_st_pipeline.domain.phone import parse_nanp
from vs_st_pipeline.domain.plan import GONE, OPTED_OUT, Change
from vs_st_pipeline.domain.refs import Ref
from vs_st_pipeline.domain.single_reads import SingleReads
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse import ledger, outbox, retries
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.platform.warehouse.outbox import OutboxEntry
from vs_st_pipeline.platform.warehouse.outcomes import PushCounts
from vs_st_pipeline.platform.warehouse.unreadable import (
    forget_unreadable,
    record_unreadable,
    unreadable_ids,
    waiting_ids,
)

READ_SINGLY_UP_TO = 20
RECORD_TOGETHER, RECORD_WITHIN_SECONDS = 2_000, 10.0  # accepted writes: how many, and how long, until they are recorded

# What is kept beside a write: the task of a batch that was accepted, and SimpleTexting's clock around the sending
# (epoch seconds), where it was heard.
TASK, HEARD_BEFORE, HEARD_AFTER = "task_id", "heard_before", "heard_after"


@dataclass(slots=True)
class OutcomeRecorder:
    """Records what is sent and what became of it, and counts it in `pushed`.

    Attributes:
        reads: what became of the contacts that were read alone in this sync.
        rejected: contacts that were refused in an earlier sync.
        moved: contacts for which something was recorded, so that what was planned for them is compared again.
        suspects: ids of contacts whose write failed as a whole in an earlier sync.
        readings: how often anything was read or met here: what was made of the contacts as stored before may not hold.
        opt_outs: who may not be written because an opt-out came by webhook.

    Accepted writes are recorded together (`flush`), at the latest when the push ends, however it ends: the statements
    of one cost as much as those of hundreds. Until then they are in the outbox, as all writes are whose answer nobody
    lived to record, and the next run settles them by asking for their task or by reading. Before anything else is
    written or recorded of a contact, what was accepted of it is: the ledger has the latest, and so have its rejects.
    """

    run: Run
    st: SimpleTextingClient
    pushed: PushCounts
    reads: SingleReads = field(default_factory=SingleReads)
    rejected: Mapping[Ref, retries.Rejected] = field(default_factory=dict)
    moved: set[str] = field(default_factory=set)
    suspects: frozenset[str] = frozenset()
    readings: int = 0
    opt_outs: OptOuts = field(init=False)
    _heard: dict[Ref, OutboxEntry] = field(default_factory=dict)
    _heard_at: float = 0.0

    def __post_init__(self) -> None:
        self.opt_outs = OptOuts(self.run)

    def list_again(self, *, fresh: bool) -> None:
        """Read the contacts that were updated since the last look, or all of them (`fresh`).

        Raises:
            BadAnswer: as `fetch_contacts`.
        """
        self.flush()  # a list that shows what was just written is known by it
        self.readings += 1
        reading.fetch_contacts(self.run, self.st, fresh=fresh)

    def read(self, contact_id: str) -> bool:
        """Read one contact alone; one that cannot be read is left for later, and does not hold up the others.

        Returns:
            False: its current values are not known in this sync.

        Raises:
            PipelineError: it is the system's trouble.
        """
        with self.run.open() as db:
            if contact_id in waiting_ids(db, CONTACT.name, self.run.now()):
                return False
            known = contact_id in unreadable_ids(db, CONTACT.name)
        self.readings += 1
        try:
            reading.fetch_contact(self.run, self.st, contact_id)
        except PipelineError as error:
            self.reads.went_wrong(contact_id, error, known=known)
            with self.run.open() as db, db.transaction():
                record_unreadable(db, CONTACT.name, {contact_id: error}, self.run.now(), dry_run=self.run.dry_run)
            return False
        self.reads.went_well()
        return True

    def sending(
        self, contacts: Sequence[tuple[str, str, Sequence[Change]]], *, call: str, db: Db | None = None
    ) -> list[OutboxEntry]:
        """Store what is about to be sent in one request.

        Args:
            contacts: contact id, phone as it was read, and what is to change.
            db: the merchant's file, where the caller has it open.

        Raises:
            Internal: a contact among them is not known as opted in by a read of this very run; nothing is stored.
        """
        ids = [contact_id for contact_id, _, _ in contacts]
        self._flush_before(map(contact_ref, ids))
        send_id, run_id, heard = uuid.uuid4().hex, self.run.run_id, {HEARD_BEFORE: self.st.server_time}
        self.moved.update(ids)
        sending = [
            OutboxEntry(send_id, contact_ref(contact_id), run_id, call, parse_nanp(phone), tuple(changes), heard)
            for contact_id, phone, changes in contacts
        ]
        with nullcontext(db) if db else self.run.open() as db, db.transaction():
            outbox.enqueue(db, sending, read_proofs(db, run_id, ids), at=self.run.now())
        return sending

    def acknowledged(self, sending: Sequence[OutboxEntry], task_id: str) -> None:
        """Record that a batch was acknowledged; its task can be asked from here on."""
        with self.run.open() as db:
            evidence = {TASK: task_id, HEARD_AFTER: self.st.server_time}
            outbox.record_acknowledged(db, sending[0].send_id, evidence)

    def not_sent(self, sending: Sequence[OutboxEntry]) -> None:
        """Record that the request was refused as a whole: nothing of it was done."""
        with self.run.open() as db:
            outbox.record_not_sent(db, sending[0].send_id)

    def kept_back(self, sent: OutboxEntry, error: KeptBack) -> None:
        """Record a write of one contact that an opt-out has kept back; what an earlier try did is read."""
        if error.tried:
            self.settle([sent])
        else:
            self.not_sent([sent])
        self.pushed.held[OPTED_OUT] += 1

    def accept_partly(
        self, sent: OutboxEntry, dropped: Sequence[Change], code: str | None, http_status: int | None
    ) -> None:
        """Record a write without the refused values: those are still wanted, and the contact counts as rejected."""
        with self.run.open() as db, db.transaction():
            ledger.record_partly(db, sent, dropped, code=code, http_status=http_status, at=self.run.now())
        self.pushed.rejected += 1

    def without_effect(self, sent: OutboxEntry) -> None:
        """Record that an entry was refused as it was; it is sent in another form at once."""
        with self.run.open() as db, db.transaction():
            retries.record_refused(db, sent, at=self.run.now())

    def accept(self, sent: Sequence[OutboxEntry]) -> None:
        """Record accepted changes in the ledger, together with others (`flush`)."""
        self._flush_before(one.target for one in sent)
        if not self._heard:
            self._heard_at = time.monotonic()
        self._heard |= {one.target: one for one in sent}
        self.pushed.accepted += len(sent)
        self.flush(full=False)

    def flush(self, *, full: bool = True) -> None:
        """Record what was accepted and is not recorded yet.

        Args:
            full: do it now; else only where it is much, or has waited for long.
        """
        due = len(self._heard) >= RECORD_TOGETHER or time.monotonic() - self._heard_at > RECORD_WITHIN_SECONDS
        if self._heard and (full or due):
            # Forgotten first: a stop may come when it is stored, and what is recorded twice would count as sent twice.
            heard, self._heard = list(self._heard.values()), {}
            with self.run.open() as db, db.transaction():
                ledger.record_accepted(db, heard, at=self.run.now())
                forget_unreadable(db, CONTACT.name, [one.target.id for one in heard])

    def _flush_before(self, targets: Iterable[Ref]) -> None:
        """Record what was accepted, if some of it is of these contacts, or it is due."""
        self.flush(full=not self._heard.keys().isdisjoint(targets))

    def reject(self, sent: OutboxEntry, code: str | None, http_status: int | None) -> None:
        """Record a refusal: the contact is tried again later, never dropped."""
        at = self.run.now()  # one moment: it tells the history which refusal the code belongs to
        with self.run.open() as db, db.transaction():
            retries.record_rejected(db, sent, code=code, http_status=http_status, at=at)
            retries.record_refused(db, sent, at=at)
        self.pushed.rejected += 1

    def gone(self, sent: OutboxEntry) -> None:
        """Record that SimpleTexting does not have this contact any more."""
        with self.run.open() as db, db.transaction():
            mark_gone(db, sent.target.id)
            outbox.record_without_effect(db, [sent], "gone", at=self.run.now())
        self.pushed.noted[GONE] += 1

    def resolve_mismatch(self, sent: OutboxEntry, other_id: str, called: CallWindow) -> None:
        """Resolve a write that went to another contact than the one we know, because ours had vanished."""
        self.readings += 1  # what is recorded of the other contact may be about one that waits for its own write
        met = settle_accidental(self.st, other_id, called)
        self.pushed.noted[met] += 1
        still_there = self._is_there(sent.target.id)
        with self.run.open() as db, db.transaction():
            if not still_there:
                mark_gone(db, sent.target.id)
            if met in (IN_DOUBT, MADE_NOT_DELETED):
                ledger.record_doubted(db, contact_ref(other_id), met, at=self.run.now())
            if met == MADE_AND_DELETED:
                mark_gone(db, other_id)
            retries.record_rejected(db, sent, code="CONTACT_ID_DIFFERS", http_status=None, at=self.run.now())
            outbox.record_without_effect(db, [sent], "another contact", at=self.run.now())
        self.pushed.rejected += 1

    def _is_there(self, contact_id: str) -> bool:
        """Return whether the contact that we know is still there; an answer about another one proves nothing."""
        try:
            self.st.contact(contact_id)
        except (Refused, TryLater, BadAnswer, Forbidden) as error:
            return error.http_status != 404
        return True

    def apply_results(
        self,
        sending: Sequence[OutboxEntry],
        outcome: BatchOutcome,
        *,
        dropped: Mapping[str, Refusal] | None = None,
        again: Callable[[OutboxEntry, str | None], bool] = lambda sent, code: False,
    ) -> None:
        """Record all outcomes of a batch.

        Args:
            dropped: by contact id, what was left out of its item because it had been refused with it.
            again: called for each refused item; returns whether the item is sent again in another form, at once.
        """
        by_id = {sent.target.id: sent for sent in sending}
        left_out = dropped or {}
        self.accept([by_id[contact_id] for contact_id in outcome.accepted if contact_id not in left_out])
        for contact_id in outcome.accepted:
            if (refusal := left_out.get(contact_id)) is not None:
                self.accept_partly(by_id[contact_id], refusal.changes, refusal.code, refusal.http_status)
        for contact_id, code in outcome.rejected.items():
            if again(by_id[contact_id], code):
                self.without_effect(by_id[contact_id])
            else:
                self.reject(whole(by_id[contact_id], left_out.get(contact_id)), code, None)
        for contact_id, other_id in outcome.mismatched.items():
            self.resolve_mismatch(by_id[contact_id], other_id, outcome.called)
        if outcome.unknown:
            unknown = [by_id[contact_id] for contact_id in outcome.unknown]
            self.settle(unknown, called=outcome.called, may_come=not outcome.done)
        if outcome.import_limit:
            self.pushed.noted["import_limit_reached"] += 1

    def settle(
        self,
        sent: Sequence[OutboxEntry],
        *,
        called: CallWindow | None = None,
        from_earlier_run: bool = False,
        may_come: bool = False,
        sends_again: bool = False,
    ) -> set[str]:
        """Read contacts whose outcome is unknown: what they show now is the outcome.

        A batch that was never seen done, and whose values do not show, is given up by the next run, which writes the
        contact again if that is wanted: waiting for it would leave the contact wrong for a day. If it is applied after
        all, it puts older values over newer ones; the next sync finds that as an edit, and corrects it. What it must
        not do unnoticed is make a contact where ours has vanished since: its phone is checked again (`check_late`).

        Args:
            called: SimpleTexting's clock around the batch that left them unknown; None for a single write, which cannot
                create.
            from_earlier_run: an earlier run sent it: what does not show was not applied, and is written again if it is
                wanted.
            may_come: the batch may still be applied, and then makes a contact where ours is gone. So a gone one stays
                in the outbox, and its phone is checked again.
            sends_again: this run sends them again at once, so what does not show now was not applied.

        Returns:
            The ids of those that cannot be read either.
        """
        unread = self._read_again(sent, unless_read=from_earlier_run)
        with self.run.open() as db:
            live = read_contacts(db, read_custom_fields(db), [one.target.id for one in sent])
        proved: list[OutboxEntry] = []
        for one in sent:
            contact = live.get(one.target.id)
            if one.target.id in unread:
                self.pushed.unknown += 1
            elif contact is None:
                if called and self._other_contact_has_phone(one, called):
                    continue
                if not may_come:
                    self.gone(one)
                elif not from_earlier_run:
                    self.pushed.noted[GONE] += 1
            elif _shows(contact.value, one.changes):
                proved.append(one)
            elif from_earlier_run or sends_again:
                self._not_applied(one, may_come=may_come)
            else:
                self.pushed.unknown += 1
        self.accept(proved)
        self.flush()  # who is sent again at once is compared by the ledger
        return unread

    def check_late(self, sent: OutboxEntry, called: CallWindow) -> None:
        """Check whether a given-up batch was applied late and made another contact in place of one that vanished.

        Such a contact shows what was sent; a person who came back on their own, in whatever way, does not.
        """
        try:
            found_id, text = self.st.contact_by_phone(sent.phone or "")
        except (Refused, TryLater, BadAnswer, Forbidden):
            return  # usually there is no contact; the next sync checks again
        with self.run.open() as db:
            names = FieldKeys(read_custom_fields(db))
        found = live_contact(found_id, text, "", names)
        if found.contact_id != sent.target.id and _shows(found.value, sent.changes):
            self.resolve_mismatch(sent, found.contact_id, called)

    def _not_applied(self, sent: OutboxEntry, *, may_come: bool) -> None:
        at = self.run.now()
        with self.run.open() as db, db.transaction():
            # SimpleTexting had accepted it: sending the same in every sync would end the same way.
            if sent.evidence.get(TASK):
                retries.record_rejected(db, sent, code=NOT_APPLIED, http_status=None, at=at)
            outbox.record_without_effect(db, [sent], "not applied", at=at, may_come=may_come)

    def _read_again(self, sent: Sequence[OutboxEntry], *, unless_read: bool) -> set[str]:
        """Read the contacts as they are now; return the ids of those that could not be read."""
        ids = [one.target.id for one in sent]
        if unless_read:  # this run has read most of them already, and knows which are gone
            with self.run.open() as db, db.batch({"contact_id": ids}) as batch:
                known = db.rows(
                    f"""select contact_id from raw.simpletexting_contacts semi join {batch} using (contact_id)
                        where gone or read_run = ?""",
                    [self.run.run_id],
                )
            ids = sorted(set(ids) - {row[0] for row in known})
        unread: set[str] = set()
        try:
            if len(ids) > READ_SINGLY_UP_TO:
                self.list_again(fresh=True)
                with self.run.open() as db:
                    return set(ids) & unreadable_ids(db, CONTACT.name)
            for contact_id in ids:
                if not self.read(contact_id):
                    unread.add(contact_id)
        except (
            TryLater,
            BadAnswer,
            Forbidden,
        ):  # the system's trouble, not one contact's: nothing is known of this contact and those after it
            unread.update(ids[ids.index(contact_id) :] if len(ids) <= READ_SINGLY_UP_TO else ids)
        return unread

    def _other_contact_has_phone(self, sent: OutboxEntry, called: CallWindow) -> bool:
        """Return whether a batch without a result met another contact under the phone of one that has vanished."""
        try:
            found = self.st.contact_by_phone(sent.phone)[0] if sent.phone else None
        except (Refused, TryLater, BadAnswer, Forbidden):
            return False
        if found is None or found == sent.target.id:
            return False
        self.resolve_mismatch(sent, found, called)
        return True


@dataclass(frozen=True, slots=True)
class Refusal:
    """The values that a contact was refused with, and is tried without."""

    changes: tuple[Change, ...]
    code: str | None
    http_status: int | None


def whole(sent: OutboxEntry, refusal: Refusal | None) -> OutboxEntry:
    """Return the entry completed with what had been left out of it: all that was wanted of the contact."""
    return replace(sent, changes=(*sent.changes, *refusal.changes)) if refusal else sent


def _shows(live: Callable[[str, str], str], changes: Sequence[Change]) -> bool:
    return all(_shown(live(change.kind, change.key), change) for change in changes)


def _shown(now: str, change: Change) -> bool:
    # The old value proves nothing, even where it is how the new one begins (`Six`, then `Six, Reserve`).
    cut = bool(change.new) and now != (change.old or "") and is_normalized_form(change.new, now)
    return now == change.new or cut
