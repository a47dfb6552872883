"""Forgets a person in this route and its accounts (notices.md 9.4); an opt-out stays, as a salted hash.

Data flow: a phone -> their orders -> raw.forgotten (hashes), every table, the accounts' files, the inbox.

The ledger's rows stay, without whom they went to and what they said: no erasure lets a message go twice.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final

from vs_st_pipeline.connectors.gupshup.names import GUPSHUP
from vs_st_pipeline.pipeline import erasure
from vs_st_pipeline.pipeline.erasure import OwnTraces
from vs_st_pipeline.pipeline.route import Forget, Person
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.platform.warehouse.suppression import (
    PHONE,
    Identifiers,
    Suppressed,
    phone_name,
    read_suppressed,
)
from vs_st_pipeline.routes.notices.account import forgetting as account_forgetting
from vs_st_pipeline.routes.notices.account import left, taking
from vs_st_pipeline.routes.notices.account.store import AccountStore
from vs_st_pipeline.routes.notices.explain import FORGOTTEN_ORDER
from vs_st_pipeline.routes.notices.session import SYSTEMS
from vs_st_pipeline.routes.notices.systems import ESHOPBOX

ORDER: Final = FORGOTTEN_ORDER  # under which orders of forgotten people are kept out: their merchant_order
_PHONES: Final = (
    "select merchant_order, coalesce(phone, phone_raw) from staged.recipients",
    "select merchant_order, contact_phone from staged.notice_orders",
    "select merchant_order, destination from synced.notices where destination is not null",
)
_SPELLINGS: Final = " union ".join(
    f"select {column} from {table}"
    for table, column in (
        *(("staged.recipients", "phone"), ("staged.recipients", "phone_raw"), ("staged.consents", "phone")),
        *(("staged.replies", "phone"), ("planned.notices", "phone"), ("synced.notices", "destination")),
    )
)


def _names_of(person: Person) -> Identifiers | None:
    """Return what names the person here; None where it is no phone."""
    if person.phone is not None:
        return Identifiers(phones={name}) if (name := phone_name(person.phone)) else None
    return None


# --- what the names of columns do not tell ----------------------------------------------------------------------------


def _orders(db: Db, is_theirs: Callable[[str], bool]) -> set[str]:
    return {
        order
        for sql in _PHONES
        for order, phone in db.rows(sql)
        if order and phone and is_theirs(phone_name(phone) or "")
    }


def _find(db: Db, found: Identifiers) -> None:
    """Add the orders of these phones, and each phone as our tables write it: rows are found by that."""
    phones = set(found.phones)
    found.of(ORDER).update(_orders(db, lambda name: bool(name) and name in phones))
    found.phones.update(row[0] for row in db.rows(_SPELLINGS) if row[0] and phone_name(row[0]) in phones)


def _erase(db: Db, forgotten: Suppressed) -> int:
    """Erase whoever is forgotten, inside the caller's transaction; the ledger's rows lose only whom they name."""
    if not forgotten:
        return 0
    theirs = _orders(db, partial(forgotten.knows, PHONE))
    theirs |= {
        row[0] for row in db.rows("select merchant_order from staged.notice_orders") if forgotten.knows(ORDER, row[0])
    }
    gone = 0
    with db.batch({"merchant_order": sorted(theirs)}) as batch:
        of_them = f"merchant_order in (from {batch})"
        for sql in (
            f"""update synced.notices
                set destination = null, params = null, text = null, consent = '{{"forgotten": true}}'
                where {of_them} and (destination is not null or text is not null)""",
            f"update staged.activity set detail = '{{}}' where {of_them} and detail <> '{{}}'",
            f"""update staged.notice_orders set more = null, contact_phone = null, invoice = null
                where {of_them} and coalesce(more, contact_phone, invoice) is not null""",
            f"""update staged.receipts set destination = null where destination is not null and notice_id in
                (select notice_id from synced.notices where {of_them})""",
            f"delete from staged.recipients where {of_them}",
            f"delete from planned.notices where {of_them}",
            f"""delete from staged.replies where notice_id in (select notice_id from synced.notices where {of_them})""",
        ):
            gone += len(db.rows(f"{sql} returning 1"))
    return gone


OWN: Final = OwnTraces(_find, _erase)


def begin(run: Run) -> None:
    """Bring the hashes of forgotten people in step, and finish an erasure; call it before anything is read."""
    erasure.begin(run, SYSTEMS, OWN)


# --- what the house asks ----------------------------------------------------------------------------------------------


def _counted(run: Run, stored: erasure.Stored) -> dict[str, int]:
    orders = sorted(stored.traces.of(ORDER))
    with run.open() as db, db.batch({"merchant_order": orders}) as batch:
        messages = db.value(
            f"""select count(*) from synced.notices
                where claimed_at is not null and merchant_order in (from {batch})"""
        )
    return {"orders": len(orders), "messages": int(messages), "files_set_aside": len(stored.set_aside)}


def find(run: Run, person: Person) -> dict[str, int]:
    """Count what is stored of a person; nothing is changed."""
    return _counted(run, erasure.find(run, _names_of(person) or Identifiers(), SYSTEMS, OWN))


def forget(run: Run, person: Person) -> dict[str, int]:
    """Forget a person here and with the accounts; returns what was stored."""
    names = _names_of(person) or Identifiers()
    found = find(run, person)
    erasure.forget(run, names, SYSTEMS, OWN)
    with run.open() as db:
        forgotten = read_suppressed(db)
    for account in left.accounts_of(run):  # those too by which it was written once
        if (
            run.inbox is not None and run.inbox.exists and account.app_name is not None
        ):  # a STOP that waits there must not be lost with the rest
            taking.take_waiting(AccountStore.of(run, account), run.inbox, run=run)
        account_forgetting.forget(AccountStore.of(run, account), lambda phone: _knows(forgotten, phone))
        if run.inbox is not None:
            run.inbox.forget_kept(account.inbox_name, GUPSHUP, lambda kept: _is_named(forgotten, kept))
    return found


def _knows(forgotten: Suppressed, phone: str) -> bool:
    return forgotten.knows(PHONE, phone_name(phone))


def _is_named(forgotten: Suppressed, kept: Any) -> bool:
    """Say whether a callback names a forgotten phone anywhere, however deep it stands."""
    if isinstance(kept, dict):
        return any(_is_named(forgotten, one) for one in kept.values())
    if isinstance(kept, list):
        return any(_is_named(forgotten, one) for one in kept)
    return isinstance(kept, str) and len(kept) <= 20 and _knows(forgotten, kept)


def there(run: Run, person: Person) -> list[str]:
    """Say where the person is, with the numbers of the orders."""
    traces = erasure.find(run, _names_of(person) or Identifiers(), SYSTEMS, OWN).traces
    orders = sorted(one.partition(":")[2] for one in traces.of(ORDER) if one.startswith(f"{ESHOPBOX}:"))
    return [f"Eshopbox has the orders {', '.join(orders)}: ask for their erasure there."] if orders else []


FORGET: Final = Forget(
    ("orders", "messages"),
    knows=lambda person: _names_of(person) is not None,
    find=find,
    forget=forget,
    elsewhere=("Gupshup and WhatsApp keep the messages that were sent; neither has a call that deletes them.",),
    there=there,
)
