"""Writes contacts one by one, with a call that cannot create.

Data flow: planned.changes -> PUT of one contact -> outcomes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice

from vs_st_pipeline.connectors.simpletexting.batch import IMPORT_LIMIT, WRITE_FAILS, write_body
from vs_st_pipeline.connectors.simpletexting.client import CONTACT, UPDATE
from vs_st_pipeline.connectors.simpletexting.error_codes import describe_code
from vs_st_pipeline.connectors.simpletexting.names import SIMPLETEXTING
from vs_st_pipeline.connectors.simpletexting.outcomes import OutcomeRecorder, Refusal, whole
from vs_st_pipeline.connectors.simpletexting.refs import contact_ref
from vs_st_pipeline.connectors.simpletexting.stored_contacts import LiveContact
from vs_st_pipeline.connectors.simpletexting.write_set import (
    WriteItem,
    WriteSet,
    fresh_until,
    make_write_set,
)
from vs_st_pipeline.domain.errors import BadAnswer, KeptBack, PipelineError, Refused, TryLater
from vs_st_pipeline.platform.clock import utc_now_naive
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse import retries
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.platform.warehouse.outbox import OutboxEntry
from vs_st_pipeline.platform.warehouse.unreadable import unreadable_ids

FAILURES_IN_A_ROW, SUSPECTS_IN_A_ROW = 3, 5
TOGETHER = 50  # contacts that are looked up together


LEAN_EVERY = 3  # tries of a contact that is refused both with and without the values that only fill empty fields


GONE_THERE, TOO_MANY = 404, 429


NOT_FOR_A_VALUE = frozenset(["INVALID_CONTACT", "LOCAL_OPT_OUT", IMPORT_LIMIT])  # leaving out a field would not help


def push_one_by_one(outcomes: OutcomeRecorder, contact_ids: Sequence[str]) -> None:
    """Write each contact alone; contacts that failed before go last, so that they do not hold up the others.

    A write that fails without a clear answer after all its tries is the contact's own trouble if others pass: then it
    counts as refused. Where none passes, or too many fail in a row, it is the system's trouble.

    Raises:
        TryLater, BadAnswer: it is the system's trouble, or the account is blocked.
    """
    run, pushed = outcomes.run, outcomes.pushed
    suspects = outcomes.suspects
    failed: list[tuple[OutboxEntry, PipelineError]] = []
    in_a_row, passed = 0, pushed.accepted
    singly = _Singly(outcomes, deque(sorted(contact_ids, key=lambda one: one in suspects)))
    for done, (contact_id, written) in enumerate(singly, 1):
        if written:
            item, sent = written
            try:
                _write_one(outcomes, item, sent)
                in_a_row = 0
            except KeptBack as kept:
                outcomes.kept_back(sent, kept)
            except Refused as refused:
                outcomes.not_sent([sent])
                raise blocked_account(refused) from None
            except (TryLater, BadAnswer) as error:
                # No clear answer: it may have been written. Reading tells; if that fails too, the next sync tells.
                accepted, unknown = pushed.accepted, pushed.unknown
                unread = outcomes.settle([sent])
                if pushed.accepted > accepted:
                    in_a_row = 0
                    continue
                in_a_row += 1
                if pushed.unknown > unknown and not unread:
                    failed.append((sent, error))
                remember_suspects(run, [contact_id], error)
                known = contact_id in suspects and pushed.accepted > passed
                if (unread and not _of_one(outcomes, unread)) or in_a_row >= (
                    SUSPECTS_IN_A_ROW if known else FAILURES_IN_A_ROW
                ):
                    if known:
                        _reject_failed(outcomes, [one for one in failed if one[0].target.id in suspects])
                    raise
        run.progress(f"written {done} of {len(contact_ids)}")
    if pushed.accepted > passed or (len(failed) == 1 and failed[0][0].target.id in suspects):
        _reject_failed(outcomes, failed)


@dataclass(slots=True)
class _Singly:
    """Contacts in their turn, each with what is written of it, stored as about to be sent; None where that is nothing.

    Whoever was read recently is looked up together with those that follow; that holds until anything is read.
    """

    outcomes: OutcomeRecorder
    waiting: deque[str]
    ready: WriteSet = field(default_factory=WriteSet)
    fresh: dict[str, datetime] = field(default_factory=dict)
    readings: int = -1

    def __iter__(self) -> Iterator[tuple[str, tuple[WriteItem, OutboxEntry] | None]]:
        outcomes, run = self.outcomes, self.outcomes.run
        while self.waiting:
            contact_id = self.waiting.popleft()
            with run.open() as db:
                written = self._sending(db, contact_id) if self._is_fresh(db, contact_id) else None
            if contact_id not in self.fresh and outcomes.read(contact_id):
                with run.open() as db:
                    self._look_up(db, [contact_id])
                    written = self._sending(db, contact_id)
            yield contact_id, written

    def _is_fresh(self, db: Db, contact_id: str) -> bool:
        """Say whether this run has read the contact recently enough to write it, as far as that is known now."""
        known = self.readings == self.outcomes.readings and contact_id in self.ready.asked
        if not known or self.fresh[contact_id] < utc_now_naive():
            ids = [contact_id, *islice(self.waiting, TOGETHER - 1)]
            self.fresh = fresh_until(self.outcomes.run, db, ids)
            if contact_id in self.fresh:
                self._look_up(db, [one for one in ids if one in self.fresh])
        return contact_id in self.fresh

    def _look_up(self, db: Db, contact_ids: Sequence[str]) -> None:
        outcomes = self.outcomes
        self.ready = make_write_set(outcomes.run, db, contact_ids, outcomes.moved, outcomes.opt_outs)
        self.readings = self.outcomes.readings

    def _sending(self, db: Db, contact_id: str) -> tuple[WriteItem, OutboxEntry] | None:
        for item in self.ready.take([contact_id], self.outcomes.pushed):
            [sent] = self.outcomes.sending([(contact_id, item.contact.phone, item.changes)], call=UPDATE, db=db)
            return item, sent
        return None


def _of_one(outcomes: OutcomeRecorder, unread: set[str]) -> bool:
    """Return whether these contacts' own trouble made them unreadable: then they are kept as unreadable."""
    with outcomes.run.open() as db:
        return unread <= unreadable_ids(db, CONTACT.name)


def remember_suspects(run: Run, contact_ids: Sequence[str], error: PipelineError) -> None:
    """Store the contacts of a request that failed as a whole: the next sync sends them apart from the others."""
    if isinstance(error, TryLater) and (error.call is None or error.http_status == TOO_MANY):
        return
    with run.open() as db, db.transaction():
        retries.record_suspects(db, map(contact_ref, contact_ids), at=run.now())


def _reject_failed(outcomes: OutcomeRecorder, failed: Sequence[tuple[OutboxEntry, PipelineError]]) -> None:
    for sent, error in failed:
        outcomes.pushed.unknown -= 1  # it was read, and does not show the values
        outcomes.reject(sent, WRITE_FAILS, error.http_status)


def _write_one(outcomes: OutcomeRecorder, item: WriteItem, sent: OutboxEntry) -> None:
    """Write one contact; where it is refused, try once more without the values that only fill empty fields.

    Raises:
        Refused: the refusal is about the account.
        TryLater, BadAnswer: the outcome is unknown.
    """
    try:
        _update(outcomes, item.contact, sent)
    except Refused as refused:
        if describe_code(refused.code).account_wide:
            raise
        lean = without_fill(item, refused.code, refused.http_status)
        if refused.http_status == GONE_THERE:
            outcomes.gone(sent)
        elif lean and is_lean_due(outcomes, item, lean[1]):
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
            raise blocked_account(refused) from None
        if refused.http_status == GONE_THERE:
            outcomes.gone(sent)
        else:
            outcomes.reject(whole(sent, refusal), refused.code, refused.http_status)
        return
    except KeptBack as kept:
        outcomes.kept_back(sent, kept)
        return
    except (TryLater, BadAnswer):
        outcomes.settle([sent])
        return
    outcomes.accept_partly(sent, refusal.changes, refusal.code, refusal.http_status)


def _update(outcomes: OutcomeRecorder, contact: LiveContact, sent: OutboxEntry) -> None:
    """Send the update; BadAnswer if the answer names another contact: this call creates none, so reading must tell."""
    written_id = outcomes.st.update_contact(
        sent.target.id,
        write_body(contact, sent.changes),
        may_leave=lambda: not outcomes.opt_outs.holds(sent.target.id, contact.phone),
    )
    if written_id != sent.target.id:
        raise BadAnswer("the answer to a write names another contact", system=SIMPLETEXTING, call=UPDATE)


def without_fill(item: WriteItem, code: str | None, http_status: int | None) -> tuple[WriteItem, Refusal] | None:
    """Return the item without the contact's own fields that are only filled in, if something is left then.

    Those values come from whatever people type at the shop, and one that is refused keeps all the others away.
    """
    if code in NOT_FOR_A_VALUE:
        return None
    dropped = [change for change in item.changes if (change.kind, change.policy) == ("builtin", "fill")]
    rest = [change for change in item.changes if change not in dropped]
    if not dropped or not rest:
        return None
    return WriteItem(item.contact, rest), Refusal(tuple(dropped), code, http_status)


def blocked_account(refused: Refused) -> TryLater:
    """Return the error for a blocked account: every other contact would be refused as well, so none is tried."""
    meaning = describe_code(refused.code)
    return TryLater(
        f"{meaning.means} {meaning.do} What was to be written is written by the next sync after that",
        system=SIMPLETEXTING,
        http_status=refused.http_status,
        trace_id=refused.trace_id,
    )


def is_lean_due(outcomes: OutcomeRecorder, item: WriteItem, dropped: Refusal) -> bool:
    """Say whether a refused contact is tried without these values at once: not each time if that was refused too."""
    before = outcomes.rejected.get(contact_ref(item.contact.contact_id))
    if before is None or before.changes_hash == retries.request_hash(dropped.changes):
        return True
    return before.changes_hash == retries.request_hash(item.changes) and before.attempts % LEAN_EVERY == 0
