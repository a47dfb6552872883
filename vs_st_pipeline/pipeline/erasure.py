"""Forgets a person: finds all their records, erases them, keeps them out, and removes the bytes from the disk.

Data flow: a phone -> `Identifiers` -> raw.forgotten, every table, and a file without what was deleted.

Each step may be the last one before the power goes: the hashes and the deletions are one transaction, which also
sets the state `REWRITE`; as long as it is set, the next sync or the next `vs-st forget` does the rest. A copy of
the hashes lies beside the file (`forgotten.json`), and is put into a file that lacks them before anything is read.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from vs_st_pipeline.domain.codec import try_object
from vs_st_pipeline.domain.customer import customer_from
from vs_st_pipeline.domain.errors import BadSettings
from vs_st_pipeline.platform.atomic_file import write_atomically
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.platform.warehouse.spill import remove_stale
from vs_st_pipeline.platform.warehouse.state import clear_state, get_state, set_state
from vs_st_pipeline.platform.warehouse.suppression import (
    CONTACT,
    CUSTOMER,
    PHONE,
    REWRITE,
    Identifiers,
    copy_hashes,
    email_name,
    erase,
    known_names,
    phone_name,
    read_suppressed,
    suppress,
    suppressed_hashes,
)

COPY = "forgotten.json"
FINDINGS = "findings.json"  # of the checks, with masked samples; made again the next time the merchant is checked
_NO_DAY = date.max  # ages do not matter here


@dataclass(frozen=True, slots=True)
class Stored:
    """What is stored of a person, or of several who share a phone.

    Attributes:
        traces: all that names the person, including the phone that `forget` was asked for.
        unsettled: writes to the person whose outcome is not known; nothing will ask for it any more.
        set_aside: files that `vs-st rebuild` has set aside: they hold the person too, and are removed.
    """

    traces: Identifiers
    unsettled: int
    set_aside: list[Path]

    def as_json(self) -> dict[str, int]:
        """Return how many of each there are, by name."""
        traces = self.traces
        found = {"contacts": traces.contacts, "customers": traces.customers, "orders": traces.orders}
        return {
            **{name: len(ids) for name, ids in found.items()},
            "unsettled_writes": self.unsettled,
            "files_set_aside": len(self.set_aside),
        }


def find(run: Run, phone: str) -> Stored:
    """Return all that is stored of the people behind a phone; nothing is changed.

    Theirs are the contacts and customers that have the phone, the customers that such a contact names (`VScustomerID`),
    all contacts that name one of these customers, and their orders. Where several people share a phone, all are meant:
    the phone is all that is known of the person who asked.
    """
    with run.open() as db:
        traces = _find(db, phone_name(phone) or phone)
        with db.batch({"contact_id": sorted(traces.contacts)}) as batch:
            unsettled = db.value(
                f"select count(*) from synced.writes where outcome is null and id in (select contact_id from {batch})"
            )
    return Stored(traces, int(unsettled), quarantined_files(run.warehouse.file(run.merchant.id)))


def forget(run: Run, phone: str) -> Stored:
    """Forget the people behind a phone, whether anything is stored of them or not.

    Raises:
        TryLater: a sync of the merchant is running, and did not end in time.
        BadSettings: the file cannot be read or written.
    """
    with run.warehouse.sync_lock(run.merchant.id):
        begin(run)
        found = find(run, phone)
        with run.open() as db, db.transaction():
            suppress(db, found.traces.names(), run.now())
            erase(db, found.traces.names(), run.now())
            # Also where nothing was found: an earlier sync may have deleted rows of the person.
            set_state(db, REWRITE, True, run.now())
        begin(run)
    return found


def begin(run: Run) -> None:
    """Bring the hashes in the file and their copy in step, and finish an erasure; call it before anything is read."""
    _keep_two_copies(run)
    finish(run)


def finish(run: Run) -> None:
    """Remove what was erased from the disk: from the file, and with it what a rebuild has set aside."""
    with run.open() as db:
        wanted = get_state(db, REWRITE)
    if wanted:
        for path in quarantined_files(run.warehouse.file(run.merchant.id)):
            path.unlink(missing_ok=True)
        shutil.rmtree(work_dir(run), ignore_errors=True)
        for name in (FINDINGS, "findings.new"):
            (run.warehouse.folder(run.merchant.id) / name).unlink(missing_ok=True)
        remove_stale(run.warehouse.data_dir / "tmp")
        run.warehouse.rewrite(run.merchant.id)
        with run.open() as db:
            clear_state(db, REWRITE)


def quarantined_files(path: Path) -> list[Path]:
    """Return the files that `vs-st rebuild` has set aside beside this file, logs included."""
    return sorted(path.parent.glob(f"{path.name}.*.bak*"))


def work_dir(run: Run) -> Path:
    """Return the folder where `vs-st rebuild` makes a new file; one that was killed leaves it, with what it copied."""
    return run.warehouse.folder(run.merchant.id) / "rebuild.new"


def _keep_two_copies(run: Run) -> None:
    copy = run.warehouse.folder(run.merchant.id) / COPY
    copied = _read_copy(copy)
    with run.open() as db:
        stored = suppressed_hashes(db)
        if missing := sorted(copied - stored):
            with db.transaction():
                copy_hashes(db, missing)
                _erase_again(db, run)
    if stored - copied:
        write_atomically(copy, json.dumps(sorted(stored | copied)).encode())


def _erase_again(db: Db, run: Run) -> None:
    """Erase forgotten people from an older file that was put back.

    A person who is deleted at both systems by now is in no answer that comes in, so nothing else would find them."""
    forgotten = read_suppressed(db)
    names = known_names(db, forgotten)
    names += [
        (CONTACT, contact_id)
        for contact_id, (phone, _, named) in _contacts(db).items()
        if forgotten.knows(PHONE, phone) or forgotten.knows(CUSTOMER, named)
    ]
    names += [
        (CUSTOMER, str(customer_id))
        for customer_id, phone in db.rows("select customer_id, phone from raw.vinoshipper_customers")
        if forgotten.knows(PHONE, phone)
    ]
    suppress(db, names, run.now())
    erase(db, names, run.now())


def _read_copy(path: Path) -> set[tuple[str, str, str]]:
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
        return {(str(hashed), bytes.fromhex(salt).hex(), str(on)) for hashed, salt, on in rows}
    except FileNotFoundError:
        return set()
    except (ValueError, TypeError):
        raise BadSettings(
            f"the file {path} is damaged: it keeps out people who were forgotten; put it back from a backup, or remove "
            "it (the database beside it has the same, unless that was lost too)"
        ) from None


def _find(db: Db, phone: str) -> Identifiers:
    traces = Identifiers(phones={phone})
    contacts = _contacts(db)
    for contact_id, (contact_phone, _, names) in contacts.items():
        if contact_phone == phone:
            traces.contacts.add(contact_id)
            if names:
                traces.customers.add(names)
    traces.customers.update(_customers_of(db, phone))
    traces.contacts.update(contact_id for contact_id, row in contacts.items() if row[2] in traces.customers)
    traces.emails.update(contacts[contact_id][1] for contact_id in traces.contacts)
    with db.batch({"customer_id": sorted(traces.customers)}) as batch:
        of_these = f"cast(customer_id as varchar) in (select customer_id from {batch})"
        for bodies in db.rows(f"select list_body, detail_body from raw.vinoshipper_customers where {of_these}"):
            traces.emails.update(email_name(try_object(body)) or "" for body in bodies)
        traces.orders.update(
            row[0] for row in db.rows(f"select order_number from raw.vinoshipper_orders where {of_these}")
        )
    traces.emails.discard("")
    for number, searched, read in db.rows(  # an order without a customer id may still hold the e-mail
        "select order_number, search_body, detail_body from raw.vinoshipper_orders where customer_id is null"
    ):
        if any(email_name((try_object(body) or {}).get("customer")) in traces.emails for body in (searched, read)):
            traces.orders.add(number)
    return traces


def _contacts(db: Db) -> dict[str, tuple[str | None, str, str]]:
    """Return every contact's phone, e-mail and the customer that it names, by contact id."""
    rows = db.rows(
        """select contact_id, coalesce(phone, json_extract_string(body, '$.contactPhone'), ''), coalesce(email, ''),
                  coalesce(customer_id, '')
           from raw.simpletexting_contacts"""
    )
    return {
        contact_id: (phone_name(phone), email, named if named.isascii() and named.isdigit() else "")
        for contact_id, phone, email, named in rows
    }


def _customers_of(db: Db, phone: str) -> list[str]:
    """Return the ids of customers who have this phone in the list or in their detail."""
    found = []
    for customer_id, stored, list_body, detail_body in db.rows(
        """select customer_id, phone, list_body, detail_body from raw.vinoshipper_customers
           where phone = $phone or contains(list_body, $last) or contains(detail_body, $last)""",
        {"phone": phone, "last": phone[-2:]},  # punctuation may stand between any other digits
    ):
        listed, detail = try_object(list_body), try_object(detail_body)
        known = (customer_from(listed, None, _NO_DAY), customer_from(None, detail, _NO_DAY))
        if phone in (stored, *(customer.phone for customer in known if customer)):
            found.append(str(customer_id))
    return found
