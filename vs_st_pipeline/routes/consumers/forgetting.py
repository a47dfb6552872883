"""Forgets people here: whoever has an address, or a phone, goes from all tables, and from the evidence as a person.

Data flow: an address or a phone -> their orders, addresses, records -> raw.forgotten, every table, the evidence file.

Of the evidence, ids, times, targets and the salted hash stay (consumers.md 10.5): it proves that a consent was there.
Nothing at a CRM is changed, so it is said where the person is.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from vs_st_pipeline.connectors.sopost.streams import STORED
from vs_st_pipeline.domain.emails import email_key, is_usable, person_key, spellings
from vs_st_pipeline.domain.phone import mask_email
from vs_st_pipeline.pipeline import erasure
from vs_st_pipeline.pipeline.erasure import OwnTraces
from vs_st_pipeline.pipeline.route import Forget, Person
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.platform.warehouse.suppression import EMAIL, Identifiers, Suppressed, phone_name
from vs_st_pipeline.routes.consumers import evidence
from vs_st_pipeline.routes.consumers.assets import SOURCE, TITLES
from vs_st_pipeline.routes.consumers.looking import OBJECT
from vs_st_pipeline.routes.consumers.session import SYSTEMS
from vs_st_pipeline.routes.consumers.systems import CRM_NAMES

_BY_ADDRESS: Final = ("staged.consumers", "planned.consumers_due", "synced.consumers")
_BY_KEY: Final = (
    *("synced.subscription_rejects",),
    *(f"planned.{crm}_{what}" for crm in CRM_NAMES for what in ("consumers", "subscriptions")),
)


def _names_of(person: Person) -> Identifiers | None:
    """Return what names the person here; None where it is no address and no phone."""
    if person.email is not None:
        return Identifiers(emails=spellings(person.email)) if is_usable(person.email) else None
    if person.phone is not None:
        return Identifiers(phones={name}) if (name := phone_name(person.phone)) else None
    return None


# --- what the names of columns do not tell ----------------------------------------------------------------------------


def _addresses(db: Db) -> Iterable[str]:
    tables = (*_BY_ADDRESS, "staged.sopost_orders")
    union = " union ".join(f"select email_key from {table} where email_key is not null" for table in tables)
    return [row[0] for row in db.rows(union)]


def _find(db: Db, found: Identifiers) -> None:
    """Add the orders and keys of these addresses: the rows of the ledger, outbox and history go by a key."""
    if found.phones:
        rows = db.rows("select email_key, telephone from staged.sopost_orders where email_key is not null")
        found.emails.update(key for key, phone in rows if phone and phone_name(phone) in found.phones)
    theirs = {key for key in _addresses(db) if not found.emails.isdisjoint(spellings(key))}
    with db.batch({"email_key": sorted(theirs)}) as batch:
        rows = db.rows(f"select order_id from staged.sopost_orders semi join {batch} using (email_key)")
    found.of(STORED).update(row[0] for row in rows)
    # Also of an address of which nothing is staged any more: what was written for it may stand in the ledger.
    for key in {person_key(email_key(one)) for one in (*theirs, *found.emails)}:
        for crm in CRM_NAMES:
            found.of(f"{crm} {OBJECT}").add(key)


def _erase(db: Db, forgotten: Suppressed) -> int:
    """Erase whoever is forgotten, inside the caller's transaction."""
    if not forgotten:
        return 0
    theirs = sorted(
        key for key in _addresses(db) if any(forgotten.knows(EMAIL, spelling) for spelling in spellings(key))
    )
    gone = 0
    with db.batch({"email_key": theirs, "key": [person_key(one) for one in theirs]}) as batch:
        if theirs:
            for table in (*_BY_ADDRESS, "staged.sopost_orders"):
                gone += len(_deleted(db, table, "email_key", batch))
            for table in _BY_KEY:
                gone += len(_deleted(db, table, "key", batch))
    return gone + evidence.take_out(db, forgotten)


def _deleted(db: Db, table: str, column: str, batch: str) -> Sequence[object]:
    return db.rows(f"delete from {table} where {column} in (select {column} from {batch}) returning 1")


OWN: Final = OwnTraces(_find, _erase, evidence.rewrite_file)


# --- what the house asks ----------------------------------------------------------------------------------------------


def begin(run: Run) -> None:
    """Bring the hashes of forgotten people in step, and finish an erasure; call it before anything is read."""
    erasure.begin(run, SYSTEMS, OWN)


def _counted(run: Run, stored: erasure.Stored) -> dict[str, int]:
    keys = sorted({key for crm in CRM_NAMES for key in stored.traces.of(f"{crm} {OBJECT}")})
    with run.open() as db, db.batch({"key": keys}) as batch:
        consumers = db.value(f"select count(*) from staged.consumers semi join {batch} using (key)")
        records = db.value(
            f"select count(*) from synced.consumers semi join {batch} using (key) where record_id is not null"
        )
        unsettled = db.value(
            f"""select (select count(*) from synced.writes
                        where outcome is null and object = '{OBJECT}' and id in (select key from {batch}))
                     + (select count(*) from synced.consent_evidence semi join {batch} using (key)
                        where outcome = 'unknown')"""
        )
    return {
        "consumers": int(consumers),
        "orders": len(stored.traces.of(STORED)),
        "contacts": int(records),
        "unsettled_writes": int(unsettled),
        "files_set_aside": len(stored.set_aside),
    }


def find(run: Run, person: Person) -> dict[str, int]:
    """Count what is stored of a person; nothing is changed."""
    return _counted(run, erasure.find(run, _names_of(person) or Identifiers(), SYSTEMS, OWN))


def forget(run: Run, person: Person) -> dict[str, int]:
    """Forget a person; returns what was stored."""
    found = find(run, person)
    erasure.forget(run, _names_of(person) or Identifiers(), SYSTEMS, OWN)
    return found


def there(run: Run, person: Person) -> list[str]:
    """Say where the person is, with the ids that the CRMs gave."""
    traces = erasure.find(run, _names_of(person) or Identifiers(), SYSTEMS, OWN).traces
    keys = sorted({key for crm in CRM_NAMES for key in traces.of(f"{crm} {OBJECT}")})
    with run.open() as db, db.batch({"key": keys}) as batch:
        rows = db.rows(
            f"""select crm, email_key, record_id from synced.consumers semi join {batch} using (key)
                where record_id is not null order by crm, record_id"""
        )
    lines = [
        f"{TITLES[crm]} has {mask_email(email)} as contact {record_id}: delete it there."
        for crm, email, record_id in rows
    ]
    orders = sorted(traces.of(STORED))
    return [*lines, f"{SOURCE} has the orders {', '.join(orders)}: ask for their erasure there."] if orders else lines


FORGET: Final = Forget(
    ("consumers", "orders", "contacts"),
    knows=lambda person: _names_of(person) is not None,
    find=find,
    forget=forget,
    elsewhere=(f"Nothing at {SOURCE}, {', '.join(TITLES.values())} was changed: a person there stays there.",),
    there=there,
)
