"""Writes the planned differences, and remembers each outcome only after the answer that proves it.

Data flow: planned.changes -> SimpleTexting -> synced.*

Few contacts are written one by one with a call that cannot create; many go by batch, which can (it upserts), so
a batch comes right after a fresh read and every result's contact id is compared with the one that is known.
Whatever has no clear answer is settled by reading the contact, not by hoping.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from vs_st_pipeline import ledger
from vs_st_pipeline.change import GONE, Change, Wanted
from vs_st_pipeline.destinations.simpletexting import contacts as reading
from vs_st_pipeline.destinations.simpletexting.batch import BatchOutcome, send_batch, write_body
from vs_st_pipeline.destinations.simpletexting.client import BATCH_SIZE, SimpleTextingClient
from vs_st_pipeline.destinations.simpletexting.contacts import LiveContact
from vs_st_pipeline.destinations.simpletexting.strangers import (
    IN_DOUBT,
    MADE_NOT_DELETED,
    CalledAt,
    settle_stranger,
)
from vs_st_pipeline.diff import compare, stored_form
from vs_st_pipeline.errors import BadAnswer, Internal, Refused, TryLater, Unsafe
from vs_st_pipeline.gates import status_reason
from vs_st_pipeline.phone import nanp
from vs_st_pipeline.run import Run
from vs_st_pipeline.warehouse import utc_now_naive

READ_AGAIN_AFTER = timedelta(seconds=60)  # a listing older than this is no ground to write on
FAILURES_IN_A_ROW = 3
READ_SINGLY_UP_TO = 20
LIST_AGAIN_AFTER_SECONDS = 10.0


@dataclass(slots=True)
class Pushed:
    """What became of the plan, in contacts."""

    accepted: int = 0
    rejected: int = 0
    unknown: int = 0
    held: Counter[str] = field(default_factory=Counter)  # who was found to be held at the fresh read
    noted: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class Item:
    """One contact to write: as it was last read, and what is to change."""

    contact: LiveContact
    changes: list[Change]


def push(run: Run, st: SimpleTextingClient, pushed: Pushed) -> None:
    """Write what is planned, under the same gates again, and move the ledger outcome by outcome.

    Args:
        pushed: counted up outcome by outcome, so that a run that fails midway still says what it did.

    Raises:
        Unsafe: the plan was refused by the brake and this run does not allow it.
        TryLater, BadKey, BadAnswer: the account as a whole cannot be written now; what was accepted is remembered.
    """
    with run.open() as db:
        plan = db.row("select unsafe from planned.plan")
        wanted_ids = [row[0] for row in db.rows("select distinct contact_id from planned.changes order by 1")]
    if plan is None:
        raise Internal("there is no plan to push; make one first (`vs-st sync` does both)")
    if plan[0] and not run.allow_unsafe:
        raise Unsafe(plan[0])
    if len(wanted_ids) > run.merchant.simpletexting.write_one_by_one_up_to:
        _push_by_batch(run, st, wanted_ids, pushed)
    elif wanted_ids:
        _push_one_by_one(run, st, _items(run, wanted_ids, pushed), pushed)
    with run.open() as db, db.transaction():
        ledger.forget_settled_rejects(db)
        ledger.record_learned(db, at=run.now(), run_id=run.run_id)
        ledger.record_links(db, at=run.now())
        ledger.record_passed(db, at=run.now())
        ledger.record_settled(db)


def _items(run: Run, contact_ids: Sequence[str], pushed: Pushed) -> list[Item]:
    """These contacts as they were last read, compared anew; whoever is gone or no longer opted in is left out."""
    with run.open() as db:
        live = reading.read_contacts(db, reading.read_custom_fields(db), contact_ids)
        accepted = ledger.read_accepted(db, contact_ids)
        with db.batch({"contact_id": list(contact_ids)}) as batch:
            rows = dict(
                db.rows(f"select contact_id, wanted from planned.contacts semi join {batch} using (contact_id)")
            )
    items = []
    for contact_id in contact_ids:
        contact = live.get(contact_id)
        if contact is None:
            pushed.noted[GONE] += 1
            continue
        if reason := status_reason(contact.status):
            pushed.held[reason] += 1
            continue
        wanted = [Wanted(*row) for row in json.loads(rows[contact_id])]
        changes = compare(wanted, contact.value, accepted.get(contact_id, {})).changes
        if changes:
            items.append(Item(contact, changes))
    return items


def _without_taken_emails(items: Sequence[Item], live: Iterable[LiveContact]) -> list[Item]:
    """After a fresh read: an e-mail that somebody else has by now is left out, as it was in the plan."""
    owners: dict[str, set[str]] = {}
    for contact in live:
        if email := contact.builtin["email"].strip().casefold():
            owners.setdefault(email, set()).add(contact.contact_id)
    kept = []
    for item in items:
        changes = [
            change
            for change in item.changes
            if (change.kind, change.key) != ("builtin", "email")
            or not owners.get(change.new.strip().casefold(), set()) - {item.contact.contact_id}
        ]
        if changes:
            kept.append(Item(item.contact, changes))
    return kept


def _push_one_by_one(run: Run, st: SimpleTextingClient, items: Sequence[Item], pushed: Pushed) -> None:
    failures = 0
    for done, planned in enumerate(items, 1):
        item = planned
        if not _fresh(run, planned.contact.contact_id):
            reading.fetch_contact(run, st, planned.contact.contact_id)
            again = _items(run, [planned.contact.contact_id], pushed)
            if not again:
                continue
            item = again[0]
        try:
            _write_one(run, st, item, pushed)
            failures = 0
        except (TryLater, BadAnswer):
            # No clear answer: it may have been written. Reading tells; if not even that works, the next sync will.
            accepted_before = pushed.accepted
            readable = _settle(run, st, [item], pushed)
            failures = 0 if pushed.accepted > accepted_before else failures + 1
            if not readable or failures >= FAILURES_IN_A_ROW:
                raise
        run.progress(f"written {done} of {len(items)}")


def _fresh(run: Run, contact_id: str) -> bool:
    with run.open() as db:
        row = db.row("select read_run, read_at from raw.simpletexting_contacts where contact_id = ?", [contact_id])
    return row is not None and row[0] == run.run_id and utc_now_naive() - row[1] <= READ_AGAIN_AFTER


def _write_one(run: Run, st: SimpleTextingClient, item: Item, pushed: Pushed) -> None:
    contact_id = item.contact.contact_id
    _assert_read(run, [item])
    before = st.server_time
    try:
        written_id = st.update_contact(contact_id, write_body(item.contact, item.changes))
    except Refused as refused:
        if refused.http_status == 404:
            pushed.noted[GONE] += 1
            reading.mark_gone(run, contact_id)
            return
        _reject(run, item, refused.code, refused.http_status, pushed)
        return
    if written_id != contact_id:
        _met_stranger(run, st, item, written_id, CalledAt(before, st.server_time), pushed)
        return
    _accept(run, [item], pushed, call="update_contact")


def _push_by_batch(run: Run, st: SimpleTextingClient, contact_ids: Sequence[str], pushed: Pushed) -> None:
    reading.fetch_contacts(run, st, fresh=True)
    items = _items(run, contact_ids, pushed)
    with run.open() as db:
        items = _without_taken_emails(items, reading.read_contacts(db, reading.read_custom_fields(db)).values())
    by_phone: dict[str, Item] = {}
    alone: list[Item] = []  # a batch knows contacts by phone only: whoever has no clear one of his own goes by id
    for item in items:
        phone = nanp(item.contact.phone)
        if phone is None or phone in by_phone:
            alone.append(item)
        else:
            by_phone[phone] = item
    waiting, batches = list(by_phone.values()), _Batches(run, st, pushed)
    for start in range(0, len(waiting), BATCH_SIZE):
        if not _send(batches, waiting[start : start + BATCH_SIZE]):
            return
        run.progress(f"written {min(start + BATCH_SIZE, len(waiting))} of {len(items)}")
    _push_one_by_one(run, st, alone, pushed)


@dataclass(slots=True)
class _Batches:
    """What the batches of one push share: when the contacts were last listed (monotonic seconds)."""

    run: Run
    st: SimpleTextingClient
    pushed: Pushed
    listed_at: float = field(default_factory=time.monotonic)

    def freshened(self, items: Sequence[Item]) -> list[Item]:
        """The items as they stand now: a batch comes right after a read, or it is read again who has moved since."""
        if time.monotonic() - self.listed_at <= LIST_AGAIN_AFTER_SECONDS:
            return list(items)
        reading.fetch_contacts(self.run, self.st)
        self.listed_at = time.monotonic()
        return _items(self.run, [item.contact.contact_id for item in items], self.pushed)


def _send(batches: _Batches, items: Sequence[Item]) -> bool:
    """One batch; halved where it is refused as a whole. False: no more contacts may be sent in this run."""
    run, st, pushed = batches.run, batches.st, batches.pushed
    items = batches.freshened(items)
    if not items:
        return True
    _assert_read(run, items)
    sent, before = [(item.contact, item.changes) for item in items], st.server_time
    try:
        outcome = send_batch(st, sent, wait=run.merchant.simpletexting.batch_wait, progress=run.progress)
    except Refused as refused:
        if len(items) == 1:
            _reject(run, items[0], refused.code, refused.http_status, pushed)
            return True
        middle = len(items) // 2
        return _send(batches, items[:middle]) and _send(batches, items[middle:])
    except (TryLater, BadAnswer):
        _settle(run, st, items, pushed, called=CalledAt(before, None))
        raise
    return _take_in(run, st, {item.contact.contact_id: item for item in items}, outcome, pushed)


def _take_in(run: Run, st: SimpleTextingClient, items: dict[str, Item], outcome: BatchOutcome, pushed: Pushed) -> bool:
    _accept(run, [items[contact_id] for contact_id in outcome.accepted], pushed, call="batch_update")
    for contact_id, code in outcome.rejected.items():
        _reject(run, items[contact_id], code, None, pushed)
    for contact_id, stranger_id in outcome.strangers.items():
        _met_stranger(run, st, items[contact_id], stranger_id, outcome.called, pushed)
    if outcome.unknown:
        _settle(run, st, [items[contact_id] for contact_id in outcome.unknown], pushed, called=outcome.called)
    if outcome.import_limit:
        pushed.noted["import_limit_reached"] += 1
    return not outcome.import_limit


def _accept(run: Run, items: Sequence[Item], pushed: Pushed, *, call: str) -> None:
    if not items:
        return
    accepted = [(item.contact.contact_id, item.changes) for item in items]
    with run.open() as db, db.transaction():
        ledger.record_accepted(db, accepted, at=run.now(), run_id=run.run_id, call=call)
    pushed.accepted += len(items)


def _reject(run: Run, item: Item, code: str | None, http_status: int | None, pushed: Pushed) -> None:
    with run.open() as db, db.transaction():
        ledger.record_rejected(
            db, item.contact.contact_id, item.changes, code=code, http_status=http_status, at=run.now()
        )
    pushed.rejected += 1


def _met_stranger(
    run: Run, st: SimpleTextingClient, item: Item, stranger_id: str, called: CalledAt, pushed: Pushed
) -> None:
    """The write went to another contact than the one we know: ours had vanished, and this one is new or came back."""
    met = settle_stranger(st, stranger_id, called)
    pushed.noted[met] += 1
    reading.mark_gone(run, item.contact.contact_id)
    if met in (IN_DOUBT, MADE_NOT_DELETED):
        with run.open() as db:
            ledger.record_doubted(db, stranger_id, met, at=run.now())
    _reject(run, item, "CONTACT_ID_DIFFERS", None, pushed)


def _settle(
    run: Run, st: SimpleTextingClient, items: Sequence[Item], pushed: Pushed, *, called: CalledAt | None = None
) -> bool:
    """Read contacts whose outcome is unknown: what they show now is the outcome. False: they cannot be read either.

    Args:
        called: when the batch was sent that left them unknown; None for a single write, which cannot create.
    """
    readable = True
    try:
        if len(items) <= READ_SINGLY_UP_TO:
            for item in items:
                reading.fetch_contact(run, st, item.contact.contact_id)
        else:
            reading.fetch_contacts(run, st, fresh=True)
    except (TryLater, BadAnswer):
        readable = False
    with run.open() as db:
        live = reading.read_contacts(db, reading.read_custom_fields(db), [item.contact.contact_id for item in items])
    proved: list[Item] = []
    for item in items:
        contact = live.get(item.contact.contact_id)
        if readable and contact is None:
            if not (called and _stranger_under_its_phone(run, st, item, called, pushed)):
                pushed.noted[GONE] += 1
        elif readable and contact is not None and _shows(contact.value, item.changes):
            proved.append(item)
        else:
            pushed.unknown += 1
    _accept(run, proved, pushed, call="batch_update" if called else "update_contact")
    return readable


def _stranger_under_its_phone(run: Run, st: SimpleTextingClient, item: Item, called: CalledAt, pushed: Pushed) -> bool:
    """Whether a batch without a result met another contact under the phone of one that has vanished."""
    phone = nanp(item.contact.phone)
    try:
        found = reading.contact_id_of(st.contact(phone)) if phone else None
    except (Refused, TryLater, BadAnswer):
        return False
    if found is None or found == item.contact.contact_id:
        return False
    _met_stranger(run, st, item, found, called, pushed)
    return True


def _assert_read(run: Run, items: Sequence[Item]) -> None:
    """The last line before a write: nobody is written whom this very run has not read as opted in."""
    for item in items:
        if item.contact.read_run != run.run_id or status_reason(item.contact.status) is not None:
            raise Internal("a contact was about to be written that this run has not read as opted in; nothing was sent")


def _shows(live: Callable[[str, str], str], changes: Sequence[Change]) -> bool:
    return all(
        (now := live(change.kind, change.key)) == change.new or (bool(change.new) and stored_form(change.new, now))
        for change in changes
    )
