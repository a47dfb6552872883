"""Writes the planned differences, and remembers each outcome only after the answer that proves it.

Data flow: planned.changes -> SimpleTexting -> synced.*

Few contacts are written one by one with a call that cannot create; many go by batch, which can (it upserts), so
a batch comes right after a fresh read and every result's contact id is compared with the one that is known.
Whatever has no clear answer is settled by reading the contact, not by hoping.
"""

from __future__ import annotations

import json
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
from vs_st_pipeline.destinations.simpletexting.strangers import settle_stranger
from vs_st_pipeline.diff import compare, stored_form
from vs_st_pipeline.errors import BadAnswer, Internal, Refused, TryLater, Unsafe
from vs_st_pipeline.gates import status_reason
from vs_st_pipeline.phone import nanp
from vs_st_pipeline.run import Run
from vs_st_pipeline.warehouse import utc_now_naive

READ_AGAIN_AFTER = timedelta(seconds=60)  # a listing older than this is no ground to write on
FAILURES_IN_A_ROW = 3
READ_SINGLY_UP_TO = 20


@dataclass(slots=True)
class Pushed:
    """What became of the plan, in contacts."""

    accepted: int = 0
    rejected: int = 0
    unknown: int = 0
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
        reason = GONE if contact is None else status_reason(contact.status)
        if contact is None or reason:
            pushed.noted[str(reason)] += 1
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
            failures += 1
            if not _settle(run, st, [item], pushed, call="update_contact") or failures >= FAILURES_IN_A_ROW:
                raise
        run.progress(f"written {done} of {len(items)}")


def _fresh(run: Run, contact_id: str) -> bool:
    with run.open() as db:
        row = db.row("select read_run, read_at from raw.simpletexting_contacts where contact_id = ?", [contact_id])
    return row is not None and row[0] == run.run_id and utc_now_naive() - row[1] <= READ_AGAIN_AFTER


def _write_one(run: Run, st: SimpleTextingClient, item: Item, pushed: Pushed) -> None:
    contact_id = item.contact.contact_id
    try:
        written = st.update_contact(contact_id, write_body(item.contact, item.changes))
    except Refused as refused:
        if refused.http_status == 404:
            pushed.noted[GONE] += 1
            with run.open() as db:
                db.execute("update raw.simpletexting_contacts set gone = true where contact_id = ?", [contact_id])
            return
        _reject(run, item, refused.code, refused.http_status, pushed)
        return
    if written.id != contact_id:
        _met_stranger(run, st, item, written.id, written.server_time, pushed)
        return
    _accept(run, [item], pushed, call="update_contact")


def _push_by_batch(run: Run, st: SimpleTextingClient, contact_ids: Sequence[str], pushed: Pushed) -> None:
    reading.fetch_contacts(run, st)
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
    waiting = list(by_phone.values())
    for start in range(0, len(waiting), BATCH_SIZE):
        if not _send(run, st, waiting[start : start + BATCH_SIZE], pushed):
            return
        run.progress(f"written {min(start + BATCH_SIZE, len(waiting))} of {len(items)}")
    _push_one_by_one(run, st, alone, pushed)


def _send(run: Run, st: SimpleTextingClient, items: Sequence[Item], pushed: Pushed) -> bool:
    """One batch; halved where it is refused as a whole. False: no more contacts may be sent in this run."""
    sent = [(item.contact, item.changes) for item in items]
    try:
        outcome = send_batch(st, sent, wait=run.merchant.simpletexting.batch_wait, progress=run.progress)
    except Refused as refused:
        if len(items) == 1:
            _reject(run, items[0], refused.code, refused.http_status, pushed)
            return True
        middle = len(items) // 2
        return _send(run, st, items[:middle], pushed) and _send(run, st, items[middle:], pushed)
    except (TryLater, BadAnswer):
        _settle(run, st, items, pushed, call="batch_update")
        raise
    return _take_in(run, st, {item.contact.contact_id: item for item in items}, outcome, pushed)


def _take_in(run: Run, st: SimpleTextingClient, items: dict[str, Item], outcome: BatchOutcome, pushed: Pushed) -> bool:
    _accept(run, [items[contact_id] for contact_id in outcome.accepted], pushed, call="batch_update")
    for contact_id, code in outcome.rejected.items():
        _reject(run, items[contact_id], code, None, pushed)
    for contact_id, stranger_id in outcome.strangers.items():
        _met_stranger(run, st, items[contact_id], stranger_id, outcome.server_time, pushed)
    if outcome.unknown:
        _settle(run, st, [items[contact_id] for contact_id in outcome.unknown], pushed, call="batch_update")
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
    run: Run, st: SimpleTextingClient, item: Item, stranger_id: str, called_at: float | None, pushed: Pushed
) -> None:
    """The write went to another contact than the one we know: ours had vanished, and this one is new or came back."""
    pushed.noted[settle_stranger(st, stranger_id, called_at)] += 1
    with run.open() as db:
        db.execute("update raw.simpletexting_contacts set gone = true where contact_id = ?", [item.contact.contact_id])
    _reject(run, item, "CONTACT_ID_DIFFERS", None, pushed)


def _settle(run: Run, st: SimpleTextingClient, items: Sequence[Item], pushed: Pushed, *, call: str) -> bool:
    """Read contacts whose outcome is unknown: what they show now is the outcome. False: they cannot be read either."""
    readable = True
    try:
        if len(items) <= READ_SINGLY_UP_TO:
            for item in items:
                reading.fetch_contact(run, st, item.contact.contact_id)
        else:
            reading.fetch_contacts(run, st)
    except (TryLater, BadAnswer):
        readable = False
    with run.open() as db:
        live = reading.read_contacts(db, reading.read_custom_fields(db), [item.contact.contact_id for item in items])
    proved: list[Item] = []
    for item in items:
        contact = live.get(item.contact.contact_id)
        if readable and contact is None:
            pushed.noted[GONE] += 1
        elif readable and contact is not None and _shows(contact.value, item.changes):
            proved.append(item)
        else:
            pushed.unknown += 1
    _accept(run, proved, pushed, call=call)
    return readable


def _shows(live: Callable[[str, str], str], changes: Sequence[Change]) -> bool:
    return all(
        (now := live(change.kind, change.key)) == change.new or (bool(change.new) and stored_form(change.new, now))
        for change in changes
    )
