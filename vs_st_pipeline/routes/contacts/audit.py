"""Compares three sides of every value: what is wanted, what SimpleTexting has accepted, and what it holds now.

Data flow: SimpleTexting -> raw.simpletexting_contacts; that, staged.* and synced.ledger -> synced.reconciled.

It proves that the ledger tells the truth, or shows where somebody edited our fields. It writes nothing at
SimpleTexting, and stores nothing but its own result and what it has read, as a plan does. It reads as a dry run, which
moves none of the cursors by which contacts are read: the next sync reads what it would have read without the audit.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from vs_st_pipeline.connectors.simpletexting.client import CONTACT, PAGE_SIZE, SimpleTextingClient
from vs_st_pipeline.connectors.simpletexting.contacts import fetch_contact, fetch_contacts
from vs_st_pipeline.connectors.simpletexting.names import SIMPLETEXTING
from vs_st_pipeline.domain.diff import Drift, classify_drift
from vs_st_pipeline.domain.errors import PipelineError
from vs_st_pipeline.domain.formats import counted
from vs_st_pipeline.domain.phone import mask_phone
from vs_st_pipeline.domain.plan import GONE, NOT_READ_YET, UNREADABLE
from vs_st_pipeline.domain.report import Report
from vs_st_pipeline.domain.single_reads import SingleReads
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse import ledger
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.platform.warehouse.keys import KEY
from vs_st_pipeline.platform.warehouse.state import NOTHING_TO_WRITE, clear_state
from vs_st_pipeline.platform.warehouse.unreadable import unreadable_ids
from vs_st_pipeline.routes.contacts import map_file, planning
from vs_st_pipeline.routes.contacts.plan_rows import Person
from vs_st_pipeline.routes.contacts.session import ContactsSession, open_session

LISTING, SINGLE_READS = "listing", "single reads"
SIDES: Final[tuple[Drift, ...]] = ("same", "ours", "theirs", "both")
ALARMING: Final[tuple[Drift, ...]] = ("theirs", "both")
MOST_SHOWN = 20  # contacts that differ, in text; --json has all

_SAID = {
    "same": "as it should be",
    "ours": "ours: what is wanted has changed, the next sync writes it",
    "theirs": "theirs: edited at SimpleTexting",
    "both": "both: edited at SimpleTexting, and what is wanted has changed",
}


@dataclass(frozen=True, slots=True)
class Differing:
    """A contact whose values are not the same on all sides; its phone is masked."""

    contact_id: str
    phone: str
    customer_id: int
    fields: dict[str, Drift]


@dataclass(slots=True)
class AuditResult:
    """What a comparison found.

    Attributes:
        report: status, error and seconds.
        how: `listing` or `single reads`; None where there was nothing to compare.
        contacts: number of contacts that were compared. left_out: linked contacts that were not compared, by reason.
        fields: values by field and side.
        differing: contacts with a value that is not the same on all sides, by id.
    """

    report: Report
    how: str | None = None
    contacts: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    fields: dict[str, Counter[Drift]] = field(default_factory=dict)
    differing: list[Differing] = field(default_factory=list)

    def count(self, side: Drift) -> int:
        """Return how many values are on this side, over all fields."""
        return sum(sides[side] for sides in self.fields.values())

    @property
    def requests(self) -> int:
        """Return the number of requests sent to SimpleTexting, retries included."""
        return self.report.calls[SIMPLETEXTING].total()

    @property
    def status(self) -> str:
        return self.report.status

    @property
    def seconds(self) -> float:
        return self.report.seconds

    @property
    def agrees(self) -> bool:
        """Say whether SimpleTexting holds only accepted values, and no accepted value that is not wanted."""
        return not any(self.count(side) for side in ALARMING)

    def as_json(self) -> dict[str, Any]:
        error = self.report.error
        return {
            "merchant": self.report.merchant,
            "status": self.status,
            "error": error.as_report() if error else None,
            "how": self.how,
            "requests": self.requests,
            "contacts": self.contacts,
            "left_out": dict(sorted(self.left_out.items())),
            "values": {side: self.count(side) for side in SIDES},
            "fields": {name: {side: sides[side] for side in SIDES} for name, sides in self.fields.items()},
            "differing": [
                {"contact_id": row.contact_id, "phone": row.phone, "customer_id": row.customer_id, "fields": row.fields}
                for row in self.differing
            ],
            "seconds": round(self.seconds, 3),
        }

    def lines(self) -> list[str]:
        """Say what was found; the first line begins with the merchant's name. People are masked."""
        name, error = self.report.merchant, self.report.error
        if error is not None:
            return [f"{name}: {self.report.ended}"]
        if self.how is None:
            nothing = "nothing was accepted for any contact yet, so there is nothing to compare; no system was called"
            return [f"{name}: {nothing}"]
        asked = f"{counted(self.requests, 'requests')}, {self.how}"
        verdict = "all is as it was left" if self.agrees else "NOT as it was left"
        lines = [f"{name}: {verdict}; {counted(self.contacts, 'contacts')} compared ({asked})"]
        for side in SIDES:
            if count := self.count(side):
                of = {field: sides[side] for field, sides in self.fields.items() if sides[side]}
                where = "" if side == "same" else " (" + ", ".join(f"{field} {n}" for field, n in of.items()) + ")"
                lines.append(f"  {counted(count, 'values', 6)} {_SAID[side]}{where}")
        if self.left_out:
            reasons = ", ".join(f"{reason} {count}" for reason, count in sorted(self.left_out.items()) if count)
            lines += [f"  left out: {reasons}"] * bool(reasons)
        alarming = [row for row in self.differing if set(ALARMING) & set(row.fields.values())]
        for row in alarming[:MOST_SHOWN]:
            what = ", ".join(f"{field} {side}" for field, side in row.fields.items())
            lines.append(f"  {row.phone}, contact {row.contact_id}, customer {row.customer_id}: {what}")
        if len(alarming) > MOST_SHOWN:
            lines.append(f"  and {counted(len(alarming) - MOST_SHOWN, 'contacts')} more, with --json")
        return lines


def audit(run: Run, sample: int | None = None) -> AuditResult:
    """Read contacts again and compare; never raises, because the report says what went wrong.

    Args:
        sample: about this many contacts, chosen evenly at random, the same ones all day; None for all. If a listing of
            all
            contacts costs no more requests than reading them one by one, all are listed and compared.
    """
    with open_session(run) as session:
        found = AuditResult(session.report)
        # it reads contacts again, which no other process may do during a sync
        with run.sync_lock():
            _audit(session, found, sample)
    return found


def _audit(session: ContactsSession, found: AuditResult, sample: int | None) -> None:
    run, field_map = session.run, map_file.load_field_map(session.run.merchant)
    with run.open() as db:
        ids, pages = _linked_and_written(db), _pages(db)
    chosen = _chosen(run, ids, sample)
    if not chosen:
        return
    found.how = SINGLE_READS if len(chosen) < pages else LISTING
    if found.how == LISTING:
        # It reads as a dry run: it moves no cursor, so the next sync reads what it would have read without the audit.
        fetch_contacts(replace(run, dry_run=True), session.simpletexting, fresh=True)
        with run.open() as db:
            read = db.rows("select contact_id from raw.simpletexting_contacts where read_run = ?", [run.run_id])
            unread = unreadable_ids(db, CONTACT.name).intersection(chosen) - {row[0] for row in read}
    else:
        unread = _read_singly(run, session.simpletexting, chosen)
    if unread:  # the stored body of these contacts may be old, and proves nothing about now
        found.left_out[UNREADABLE] = found.report.noted[UNREADABLE] = len(unread)
    with run.open() as db:
        people = planning.everybody(run, db, field_map)
        people = [person for person in people if person.contact.contact_id not in unread]
        if found.how == SINGLE_READS:
            people = [person for person in people if person.contact.contact_id in set(chosen)]
            found.left_out[GONE] += len(chosen) - len(people) - len(unread)
        _compare(db, people, found)
        with db.transaction():
            _remember(run, db, found)
            clear_state(db, NOTHING_TO_WRITE)  # the next sync plans again, so that the checks show what was found here


def _linked_and_written(db: Db) -> list[str]:
    """Return the ids of contacts that the last plan linked to a customer and that the ledger knows."""
    rows = db.rows(
        f"""select distinct id from synced.ledger
            semi join (select {KEY} from planned.targets where subject_id is not null) using ({KEY})
            semi join (select contact_id as id from raw.simpletexting_contacts where not gone) using (id)"""
    )
    return sorted(row[0] for row in rows)


def _pages(db: Db) -> int:
    """Return the number of requests that a listing of all contacts costs."""
    contacts = int(db.value("select count(*) from raw.simpletexting_contacts where not gone"))
    return max(1, -(-contacts // PAGE_SIZE))


def _chosen(run: Run, ids: Sequence[str], sample: int | None) -> list[str]:
    if sample is None or sample >= len(ids):
        return list(ids)
    chance = random.Random(f"{run.merchant.id} {run.today()}")  # not a secret: the choice has to be the same all day
    return sorted(chance.sample(ids, sample))


def _read_singly(run: Run, st: SimpleTextingClient, contact_ids: Sequence[str]) -> set[str]:
    """Read each contact by itself and return the ids of those that cannot be read: one contact's trouble is its own.

    Raises:
        PipelineError: the trouble is the system's, not a contact's.
    """
    reads = SingleReads(len(contact_ids))
    with run.open() as db:
        known = unreadable_ids(db, CONTACT.name)
    for done, contact_id in enumerate(contact_ids, 1):
        try:
            fetch_contact(run, st, contact_id)
            reads.went_well()
        except PipelineError as error:
            reads.went_wrong(contact_id, error, known=contact_id in known)
        run.progress(f"contacts {done} of {len(contact_ids)}")
    if reads.all_failed:
        _ask_one_that_went_well(run, st, reads)
    return set(reads.failed)


def _ask_one_that_went_well(run: Run, st: SimpleTextingClient, reads: SingleReads) -> None:
    """Find out, when not one read went well, whether the contacts or the system is at fault.

    A contact that was read well before is read once more: if that fails too, the system is at fault.
    """
    with run.open() as db, db.batch({"contact_id": list(reads.failed)}) as batch:
        row = db.row(
            f"""select contact_id from raw.simpletexting_contacts
                where not gone and contact_id not in (select contact_id from {batch})
                  and contact_id not in (select id from raw.unreadable where kind = ?)
                order by read_at desc, contact_id limit 1""",
            [CONTACT.name],
        )
    if row is not None:
        fetch_contact(run, st, row[0])
    elif reads.several:
        raise next(iter(reads.failed.values()))


def _compare(db: Db, people: Sequence[Person], found: AuditResult) -> None:
    accepted = ledger.read_accepted(db, [person.ref for person in people])
    for person in people:
        contact = person.contact
        # Nothing may be written to this contact, or its values are not known yet, so nothing is wanted of it.
        if person.wanted is None or person.live is None:
            found.left_out[person.held or NOT_READ_YET] += 1
            continue
        entries, sides = accepted.get(person.ref, {}), {}
        for want in person.wanted:
            stands = person.live.value(want.kind, want.key)
            sides[want.field] = classify_drift(want.policy, want.value, stands, entries.get(want.field))
            found.fields.setdefault(want.field, Counter())[sides[want.field]] += 1
        found.contacts += 1
        differing: dict[str, Drift] = {name: side for name, side in sides.items() if side != "same"}
        if differing:
            found.differing.append(
                Differing(contact.contact_id, mask_phone(contact.phone), person.customer_id, differing)
            )


def _remember(run: Run, db: Db, found: AuditResult) -> None:
    counts = {name: dict(sorted(sides.items())) for name, sides in found.fields.items()}
    db.execute(
        "insert into synced.reconciled values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            *(run.run_id, run.now(), found.how, found.requests, found.contacts),
            *(found.count(side) for side in SIDES),
            json.dumps(counts, ensure_ascii=False),
        ],
    )
