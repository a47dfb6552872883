"""What the destination has accepted, value by value: read it, and record an outcome in one transaction with its proof.

What is sent is stored before it is sent (`enqueue`), and the ledger moves only after the answer. Whatever moves
it is in the append-only history as well, so that the ledger of any time can be made again from it (`replay`).
Everything here runs inside the caller's transaction, so that an outcome is remembered whole or not at all.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from vs_st_pipeline.domain.diff import LedgerEntry
from vs_st_pipeline.domain.plan import Change
from vs_st_pipeline.domain.records import LARGEST_GAP, gap_after
from vs_st_pipeline.platform.warehouse.connection import Db

ACCEPTED, FOUND, STORED = "accepted", "found", "stored"


@dataclass(frozen=True, slots=True)
class Rejected:
    """A contact that the destination refused: since when, how often, and when it is tried next (UTC without zone)."""

    changes_hash: str
    code: str | None
    attempts: int
    first_at: datetime
    next_at: datetime

    def waits_at(self, now: datetime) -> bool:
        """Whether its next try is still to come; one further off than any gap was set by a clock that was wrong."""
        return timedelta(0) < self.next_at - now <= LARGEST_GAP


@dataclass(frozen=True, slots=True)
class OutboxEntry:
    """One contact's part of a request, as it was stored before it was sent.

    Attributes:
        send_id: names the request; a batch has many contacts.
        run_id: the run that sent it.
        call: `update_contact` or `batch_update`.
        phone: ten digits that a batch knows the contact by, None where it has no clear one.
        task_id: of a batch that was taken.
        heard_before, heard_after: SimpleTexting's clock around the sending (epoch seconds), None where not heard.
        sent_at: UTC without zone; None before it is stored.
    """

    send_id: str
    contact_id: str
    run_id: str
    call: str
    phone: str | None
    changes: tuple[Change, ...]
    task_id: str | None = None
    heard_before: float | None = None
    heard_after: float | None = None
    sent_at: datetime | None = None


def request_hash(changes: Iterable[Change]) -> str:
    """Names a wish: equal for the same values of the same fields, whatever stands there now."""
    return hashlib.md5(
        json.dumps(sorted((change.field, change.new) for change in changes)).encode(), usedforsecurity=False
    ).hexdigest()


# --- the ledger and its history -----------------------------------------------------------------------------------


def read_accepted(db: Db, contact_ids: Iterable[str]) -> dict[str, dict[str, LedgerEntry]]:
    """The ledger of these contacts: contact id -> field -> entry."""
    found: dict[str, dict[str, LedgerEntry]] = {}
    with db.batch({"contact_id": sorted(set(contact_ids))}) as batch:
        rows = db.rows(
            f"""select contact_id, field, sent, stored, before, resent
                from synced.ledger semi join {batch} using (contact_id)"""
        )
    for contact_id, field, sent, stored, before, resent in rows:
        found.setdefault(contact_id, {})[field] = LedgerEntry(sent, stored, before or "", resent)
    return found


def replay(db: Db, until: datetime | None = None) -> dict[tuple[str, str], LedgerEntry]:
    """The ledger as the history tells it, by contact id and field: as it is now, or as it was at a time (UTC)."""
    ledger: dict[tuple[str, str], LedgerEntry] = {}
    for contact_id, field, event, old, new, stored in db.rows(
        """select contact_id, field, event, old, new, stored from synced.history
           where $until is null or written_at <= $until order by seq""",
        {"until": until},
    ):
        key = contact_id, field
        before = ledger.get(key)
        if event == ACCEPTED:
            ledger[key] = LedgerEntry(new, None, old or "", before is not None and before.sent == new)
        elif event == FOUND:
            ledger[key] = LedgerEntry(new, stored, stored or "", False)
        elif before is not None and before.sent == new:
            ledger[key] = replace(before, stored=stored)
    return ledger


_NEXT = "(select coalesce(max(seq), 0) from synced.history) + row_number() over ()"


def record_accepted(db: Db, accepted: Sequence[OutboxEntry], *, at: datetime) -> None:
    """These contacts' changes were accepted: ledger, history, and no reject or settled mark is left of them."""
    names = ("contact_id", "field", "old", "new", "rule", "sources", "send_id", "run_id", "call")
    rows = [
        (
            *(sent.contact_id, change.field, change.old or "", change.new, change.rule, change.sources),
            *(sent.send_id, sent.run_id, sent.call),
        )
        for sent in accepted
        for change in sent.changes
    ]
    with db.batch({name: [row[index] for row in rows] for index, name in enumerate(names)}) as batch:
        db.execute(
            f"""insert into synced.history by name
                select {_NEXT} as seq, 'accepted' as event, contact_id, field, old, new, $at::timestamp as written_at,
                       run_id, call, rule, sources, send_id from {batch}""",
            {"at": at},
        )
        db.execute(
            f"""insert or replace into synced.ledger by name
                select b.contact_id, b.field, b.new as sent, null as stored, b.old as before,
                       coalesce(l.sent = b.new, false) as resent,
                       $at::timestamp as accepted_at, b.run_id, b.call
                from {batch} as b left join synced.ledger as l using (contact_id, field)""",
            {"at": at},
        )
        db.execute(f"delete from synced.rejects where contact_id in (select contact_id from {batch})")
        db.execute(f"delete from synced.settled where contact_id in (select contact_id from {batch})")
    _record_outcome(db, accepted, "accepted", at)


def record_observed(db: Db, *, at: datetime, run_id: str) -> None:
    """What planning saw proved: the stored form of a value that we sent, or a wanted value found there already."""
    values = {"at": at, "run": run_id}
    db.execute(
        f"""insert into synced.history by name
            select {_NEXT} as seq, case when l.sent = p.sent then 'stored' else 'found' end as event,
                   p.contact_id, p.field, l.sent as old, p.sent as new, p.stored, $at::timestamp as written_at,
                   $run as run_id, 'read' as call
            from planned.learned as p left join synced.ledger as l using (contact_id, field)
            where l.sent is distinct from p.sent or l.stored is distinct from p.stored""",
        values,
    )
    db.execute(
        """update synced.ledger as l set stored = p.stored from planned.learned as p
           where l.contact_id = p.contact_id and l.field = p.field and l.sent = p.sent"""
    )
    db.execute(
        """insert or replace into synced.ledger by name
           select p.contact_id, p.field, p.sent, p.stored, p.stored as before, false as resent,
                  $at::timestamp as accepted_at, $run as run_id, 'read' as call
           from planned.learned as p left join synced.ledger as l using (contact_id, field)
           where l.sent is distinct from p.sent""",
        values,
    )


# --- what is under way --------------------------------------------------------------------------------------------


def enqueue(db: Db, sending: Sequence[OutboxEntry], *, at: datetime) -> None:
    """What is about to be sent, with the evidence that it may be: status as read and when, and the birth date."""
    names = ("send_id", "contact_id", "run_id", "call", "phone", "changes")
    rows = [
        (sent.send_id, sent.contact_id, sent.run_id, sent.call, sent.phone, _dump(sent.changes)) for sent in sending
    ]
    columns: dict[str, list[Any]] = {name: [row[index] for row in rows] for index, name in enumerate(names)}
    with db.batch(columns) as batch:
        db.execute(
            f"""insert into synced.writes by name
                select b.*, coalesce(c.status, '') as status, c.read_at, s.birth_date,
                       $before::double as heard_before, $at::timestamp as sent_at
                from {batch} as b
                join raw.simpletexting_contacts as c using (contact_id)
                left join planned.contacts as p using (contact_id)
                left join staged.customers as s on s.customer_id = p.customer_id""",
            {"at": at, "before": sending[0].heard_before if sending else None},
        )
        # Who is doubted is written only after a sign of his own; our write covers that sign, so it is remembered.
        db.execute(f"delete from synced.doubted where contact_id in (select contact_id from {batch})")


def read_consents(db: Db, send_id: str) -> list[str]:
    """The status that each contact of a request was stored with, of those who are there and were read by its run."""
    return [
        row[0]
        for row in db.rows(
            """select w.status from synced.writes as w join raw.simpletexting_contacts as c using (contact_id)
               where w.send_id = ? and not c.gone and c.read_run = w.run_id""",
            [send_id],
        )
    ]


def record_acknowledged(db: Db, send_id: str, task_id: str, heard_after: float | None) -> None:
    """A batch was taken: from here on its task can be asked, whatever becomes of us."""
    db.execute(
        "update synced.writes set task_id = ?, heard_after = ? where send_id = ?", [task_id, heard_after, send_id]
    )


def record_not_sent(db: Db, send_id: str) -> None:
    """A request was refused as a whole, so nothing of it was done; its contacts are sent anew."""
    db.execute("delete from synced.writes where send_id = ? and outcome is null", [send_id])


def read_open(db: Db) -> dict[str, list[OutboxEntry]]:
    """What was sent, or may have been, and has no outcome yet: by request, oldest first."""
    found: dict[str, list[OutboxEntry]] = {}
    for send_id, contact_id, run_id, call, phone, changes, task_id, before, after, at in db.rows(
        """select send_id, contact_id, run_id, call, phone, changes, task_id, heard_before, heard_after, sent_at
           from synced.writes where outcome is null order by sent_at, send_id, contact_id"""
    ):
        sent = OutboxEntry(send_id, contact_id, run_id, call, phone, _load(changes), task_id, before, after, at)
        found.setdefault(send_id, []).append(sent)
    return found


def read_late(db: Db, *, at: datetime, within: timedelta) -> list[OutboxEntry]:
    """Contacts of batches that were given up but may come still (`may_come`), as far as they are gone by now."""
    return [
        OutboxEntry(send_id, contact_id, run_id, call, phone, _load(changes), task_id, before, after, sent_at)
        for send_id, contact_id, run_id, call, phone, changes, task_id, before, after, sent_at in db.rows(
            """select send_id, contact_id, w.run_id, call, w.phone, changes, task_id, heard_before, heard_after, sent_at
               from synced.writes as w join raw.simpletexting_contacts as c using (contact_id)
               where outcome is not null and w.phone is not null and c.gone
                 and abs(epoch(sent_at) - epoch($at::timestamp)) < $seconds
               order by sent_at, send_id, contact_id""",
            {"at": at, "seconds": within.total_seconds()},
        )
    ]


def forget_late(db: Db, *, at: datetime, within: timedelta) -> None:
    """What was to come came, or comes no more: nobody looks under these phones any more."""
    db.execute(
        """update synced.writes set phone = null, changes = null where outcome is not null and phone is not null
           and abs(epoch(sent_at) - epoch($at::timestamp)) >= $seconds""",
        {"at": at, "seconds": within.total_seconds()},
    )


def count_waiting(db: Db) -> tuple[int, int]:
    """Contacts refused that wait for another try, and contacts of whom it is not known what became of a write."""
    row = db.row(
        """select (select count(*) from synced.rejects),
                  (select count(distinct contact_id) from synced.writes where outcome is null)"""
    )
    assert row is not None
    return int(row[0]), int(row[1])


def _record_outcome(
    db: Db, settled: Sequence[OutboxEntry], outcome: str, at: datetime, *, may_come: bool = False
) -> None:
    columns = {"send_id": [sent.send_id for sent in settled], "contact_id": [sent.contact_id for sent in settled]}
    with db.batch(columns) as batch:
        db.execute(
            f"""update synced.writes as w
                set outcome = $outcome, settled_at = $at, changes = case when $may_come then changes end,
                    phone = case when $may_come then phone end
                from {batch} as b where w.send_id = b.send_id and w.contact_id = b.contact_id""",
            {"outcome": outcome, "at": at, "may_come": may_come},
        )


def record_without_effect(
    db: Db, settled: Sequence[OutboxEntry], outcome: str, *, at: datetime, may_come: bool = False
) -> None:
    """These were not written: `gone`, `another contact` or `not applied`.

    Args:
        may_come: their batch may be carried out later all the same; phone and changes are kept, for `read_late`.
    """
    _record_outcome(db, settled, outcome, at, may_come=may_come)


def _dump(changes: Iterable[Change]) -> str:
    return json.dumps(
        [[c.field, c.key, c.kind, c.policy, c.old, c.new, c.rule, c.sources] for c in changes], ensure_ascii=False
    )


def _load(text: str) -> tuple[Change, ...]:
    return tuple(Change(*row) for row in json.loads(text))


# --- rejects ------------------------------------------------------------------------------------------------------


def read_rejected(db: Db) -> dict[str, Rejected]:
    """All contacts that wait for another try."""
    return {
        row[0]: Rejected(*row[1:])
        for row in db.rows("select contact_id, changes_hash, code, attempts, first_at, next_at from synced.rejects")
    }


def record_refused(db: Db, sent: OutboxEntry, *, at: datetime) -> None:
    """That is what became of the request; `record_rejected` says when its wish is tried again."""
    _record_outcome(db, [sent], "rejected", at)


def record_rejected(db: Db, sent: OutboxEntry, *, code: str | None, http_status: int | None, at: datetime) -> None:
    """This wish was refused: tried again at the next sync, then after growing gaps up to a day, never dropped."""
    wish = request_hash(sent.changes)
    row = db.row("select changes_hash, attempts, first_at from synced.rejects where contact_id = ?", [sent.contact_id])
    attempts, first_at = (row[1] + 1, row[2]) if row and row[0] == wish else (1, at)
    gap = gap_after(attempts)
    db.execute(
        "insert or replace into synced.rejects values (?, ?, ?, ?, ?, ?, ?, ?)",
        [sent.contact_id, wish, code, http_status, attempts, first_at, at, at + gap],
    )


def record_partly(
    db: Db, accepted: OutboxEntry, dropped: Sequence[Change], *, code: str | None, http_status: int | None, at: datetime
) -> None:
    """A contact was accepted without some of its changes: the ledger moves, and the rest waits for another try."""
    rest = replace(accepted, changes=tuple(dropped))
    wish = request_hash(dropped)
    before = db.rows(
        "select * from synced.rejects where contact_id = ? and changes_hash = ?", [accepted.contact_id, wish]
    )
    record_accepted(db, [accepted], at=at)
    for row in before:  # the same was refused before: its gap goes on growing
        db.execute("insert into synced.rejects values (?, ?, ?, ?, ?, ?, ?, ?)", list(row))
    record_rejected(db, rest, code=code, http_status=http_status, at=at)


def record_suspects(db: Db, contact_ids: Iterable[str], *, at: datetime) -> None:
    """A write of these failed as a whole, after all its tries: one of them may be why."""
    with db.batch({"contact_id": sorted(set(contact_ids))}) as batch:
        db.execute(
            f"""insert into synced.suspects select contact_id, $at::timestamp, $at::timestamp from {batch}
                on conflict do update set last_at = $at::timestamp""",
            {"at": at},
        )


def read_suspects(db: Db) -> set[str]:
    """Contacts whose last write failed as a whole."""
    return {row[0] for row in db.rows("select contact_id from synced.suspects")}


def forget_suspects(db: Db) -> None:
    """All that was to be written went through, or is refused by itself."""
    db.execute("delete from synced.suspects")


def forget_settled_rejects(db: Db) -> None:
    """A refused contact that nothing is wanted of any more has nothing to be tried again."""
    db.execute(
        """delete from synced.rejects
           where contact_id not in (select contact_id from planned.changes)
             and contact_id not in (select contact_id from planned.notes where note = 'waiting_retry')"""
    )


# --- what the next sync is measured by ----------------------------------------------------------------------------


def record_doubted(db: Db, contact_id: str, why: str, *, at: datetime) -> None:
    """A contact that we may have made is not written, until it shows a sign of its own."""
    db.execute("insert or replace into synced.doubted values (?, ?, ?)", [contact_id, why, at])


def read_doubted(db: Db) -> set[str]:
    """Contacts that we may have made."""
    return {row[0] for row in db.rows("select contact_id from synced.doubted")}


def record_links(db: Db, *, at: datetime) -> None:
    """Remember who is linked to whom, for the brake of the next sync; a loss that was let through is none any more."""
    db.execute(
        """delete from synced.links where contact_id in
           (select contact_id from planned.contacts where customer_id is null)"""
    )
    db.execute(
        """insert or replace into synced.links
           select contact_id, customer_id, linked_by, newest_order_at, ?::timestamp from planned.contacts
           where customer_id is not null and held is null""",
        [at],
    )


def record_baseline(db: Db, *, at: datetime) -> None:
    """The brake let this sync through: its complete reads are what the next one is measured by."""
    for what in ("customers", "contacts"):
        db.execute(
            f"""insert or replace into synced.baseline
                select '{what}', {what}_rows, ?::timestamp from planned.plan where {what}_rows is not null""",
            [at],
        )


def record_settled(db: Db) -> None:
    """Contacts with nothing to write and nothing to say need no look until something about them changes.

    Only those that the plan's own run has read: of the others nothing was proved, and a write that was taken and lost
    leaves the contact's body as it was.
    """
    db.execute(
        """insert or replace into synced.settled
           select contact_id, fingerprint from planned.contacts
           where fingerprint is not null and held is null
             and contact_id in (select contact_id from raw.simpletexting_contacts
                                join planned.plan on read_run = run_id)
             and not exists (select 1 from synced.settled as s where s.contact_id = planned.contacts.contact_id
                             and s.fingerprint = planned.contacts.fingerprint)
             and contact_id not in (select contact_id from planned.changes)
             and contact_id not in (select contact_id from planned.notes
                                    where note in ('edited_there', 'cannot_clear', 'waiting_retry'))"""
    )


def record_allowed(db: Db, refused: str, *, by: str, at: datetime, run_id: str) -> None:
    """Somebody let a sync pass that the brake had refused: who, when, and what the brake had said."""
    db.execute("insert into synced.allowed values (?, ?, ?, ?)", [run_id, by, at, refused])


def set_gaps_aside(db: Db, contact_ids: Iterable[str], *, at: datetime) -> None:
    """These refused contacts are tried by the next sync; how often they were refused, and since when, is kept."""
    with db.batch({"contact_id": sorted(contact_ids)}) as batch:
        db.execute(
            f"""update synced.rejects set next_at = least(next_at, ?::timestamp)
                where contact_id in (select contact_id from {batch})""",
            [at],
        )
