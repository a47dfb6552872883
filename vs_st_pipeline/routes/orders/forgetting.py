"""Forgets people here: what names whoever bought or gets an order goes; ids, numbers, hashes, states, activity stay.

Data flow: an e-mail, a phone, a customer's id -> their orders -> raw.forgotten (ids), every body, problems, details.

So nothing is ever sent twice because of it, and what is still to be sent becomes failed `forgotten` (orders.md 10). An
order is kept out by its own id, never by its person: what that person orders later is new business, and is sent. So
neither e-mail nor phone keeps out anything here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from vs_st_pipeline.connectors.commerce7.names import TITLE
from vs_st_pipeline.connectors.vinoshipper.names import TITLE as SHIPPER_TITLE
from vs_st_pipeline.domain.emails import email_key, is_usable
from vs_st_pipeline.pipeline import erasure
from vs_st_pipeline.pipeline.erasure import OwnTraces
from vs_st_pipeline.pipeline.route import Forget, Person
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.platform.warehouse.streams import REDUCED
from vs_st_pipeline.platform.warehouse.suppression import Identifiers, Suppressed, phone_name
from vs_st_pipeline.routes.orders import finding, ledger
from vs_st_pipeline.routes.orders.session import SYSTEMS
from vs_st_pipeline.routes.orders.states import State, ThereCode

ERASED: Final = "erased_order"
"""The kind under which ids of erased orders are kept out; no stream has it, so no row is deleted by it: they stay."""
CUSTOMER: Final = "erased_customer"
"""Likewise of customers of the shop: they are read again for what they order later."""


def _names_of(person: Person) -> Identifiers | None:
    """Return what names the person here; None where it is no e-mail, no phone, and no customer of the shop."""
    if person.email is not None:
        return Identifiers(emails=_spellings(person.email)) if is_usable(person.email) else None
    if person.phone is not None:
        return Identifiers(phones={name}) if (name := phone_name(person.phone)) else None
    if person.customer is not None and finding.is_id(person.customer):
        return Identifiers(records={CUSTOMER: {person.customer.lower()}})
    return None


def _spellings(address: str) -> set[str]:
    key = email_key(address)
    return {key, key.casefold(), address.strip().casefold()}


# --- who is in an order -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Named:
    """What names people in an order. phones: of the buyer. recipients: phones of whom it goes to."""

    order_id: str
    customer_id: str | None
    emails: frozenset[str]
    phones: frozenset[str]
    recipients: frozenset[str]


def _in_orders(db: Db) -> Iterator[_Named]:
    for order_id, text in db.rows("select id, body from raw.commerce7_orders where body is not null"):
        body = _object(json.loads(text))
        buyer, bill, ship = (_object(body.get(key)) for key in ("customer", "billTo", "shipTo"))
        customer = body.get("customerId") or buyer.get("id")
        yield _Named(
            order_id,
            str(customer).lower() if customer else None,
            frozenset(_emails(buyer)),
            frozenset([*_phones(buyer), *_phone(bill.get("phone"))]),
            frozenset(_phone(ship.get("phone"))),
        )


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _listed(value: Any, key: str) -> Iterator[str]:
    for one in value if isinstance(value, list) else ():
        if isinstance(found := _object(one).get(key), str):
            yield found


def _emails(person: Mapping[str, Any]) -> Iterator[str]:
    for email in _listed(person.get("emails"), "email"):
        yield from _spellings(email)


def _phones(person: Mapping[str, Any]) -> Iterator[str]:
    for phone in _listed(person.get("phones"), "phone"):
        yield from _phone(phone)


def _phone(value: Any) -> Iterator[str]:
    if isinstance(value, str) and (name := phone_name(value)) is not None:
        yield name


def _find(db: Db, found: Identifiers) -> None:
    """Add the orders that a person bought, by e-mail, phone or customer; and those that go to the person's phone.

    A buyer leads to all of their orders; whom an order goes to leads to that order alone.
    """
    customers = found.of(CUSTOMER)
    for id_, text in db.rows("select id, body from raw.commerce7_customers where body is not null"):
        person = _object(json.loads(text))
        if not found.emails.isdisjoint(_emails(person)) or not found.phones.isdisjoint(_phones(person)):
            customers.add(id_)
    orders = list(_in_orders(db))
    for one in orders:
        if not (found.emails.isdisjoint(one.emails) and found.phones.isdisjoint(one.phones)):
            found.of(ERASED).add(one.order_id)
            customers.update([one.customer_id] if one.customer_id else [])
        elif not found.phones.isdisjoint(one.recipients):
            found.of(ERASED).add(one.order_id)
    found.of(ERASED).update(one.order_id for one in orders if one.customer_id in customers)


# --- what goes --------------------------------------------------------------------------------------------------------


def _erase(db: Db, forgotten: Suppressed) -> int:
    """Erase what names people in the orders that are to be, inside the caller's transaction; returns how many."""
    if not forgotten:
        return 0
    ids = [
        row[0]
        for row in db.rows(
            """select id from raw.commerce7_orders where body is not null
               union select order_id from staged.shop_orders where not erased
               union select order_id from synced.orders where problems <> '[]' or state in ('waiting', 'failed')"""
        )
        if forgotten.knows(ERASED, row[0])
    ]
    gone = [row[0] for row in db.rows("select id from raw.commerce7_customers") if forgotten.knows(CUSTOMER, row[0])]
    if gone:
        db.execute("delete from raw.commerce7_customers where list_contains($ids::varchar[], id)", {"ids": gone})
    if not ids:
        return len(gone)
    given = {"ids": sorted(ids), "reduced": REDUCED}
    db.execute(
        """update raw.commerce7_orders set body = null, body_sha256 = $reduced, kept = null
           where list_contains($ids::varchar[], id)""",
        given,
    )
    db.execute(
        """update raw.vinoshipper_sent_orders set body = null, body_sha256 = $reduced
           where vs_number in (select vs_number from synced.orders where list_contains($ids::varchar[], order_id)
                               union select vs_number from staged.shipments
                               where list_contains($ids::varchar[], order_id))""",
        given,
    )
    of_these = {"ids": given["ids"]}
    db.execute(
        """update staged.shop_orders set erased = true, customer_id = null
           where list_contains($ids::varchar[], order_id)""",
        of_these,
    )
    for sql in (
        "update staged.shipments set problems = '[]', zip5 = null where list_contains($ids::varchar[], order_id)",
        "update synced.orders set problems = '[]' where list_contains($ids::varchar[], order_id)",
        "update synced.order_notes set says = '' where list_contains($ids::varchar[], order_id)",
        "delete from planned.vinoshipper_orders where list_contains($ids::varchar[], order_id)",
        "delete from planned.commerce7_orders where list_contains($ids::varchar[], order_id)",
    ):
        db.execute(sql, of_these)
    return len(ids) + len(gone)


OWN: Final = OwnTraces(_find, _erase)


def begin(run: Run) -> None:
    """Bring the hashes of forgotten orders in step, and finish an erasure; call it before anything is read."""
    erasure.begin(run, SYSTEMS, OWN)
    _give_up_unsent(run)


def finish(run: Run) -> None:
    """Remove what was erased from the disk, where an erasure has not come to its end."""
    erasure.finish(run, OWN)


def _give_up_unsent(run: Run) -> None:
    """Let the erased orders fail that were not sent: there is nothing to send them with any more."""
    with run.open() as db:
        if db.value("select 1 from staged.shop_orders where erased limit 1") is None:
            return
        ids = [
            row[0]
            for row in db.rows(
                """select o.order_id from synced.orders as o join staged.shop_orders as s using (order_id)
                   where s.erased and o.state in ('waiting', 'failed') and o.code is distinct from $code
                     and not exists (select 1 from synced.order_writes as w
                                     where w.order_id = o.order_id and w.outcome is null
                                       and w.call in ('create', 'update', 'cancel'))""",
                {"code": str(ThereCode.FORGOTTEN)},
            )
        ]
        if not ids:
            return
        with db.transaction():
            for row in ledger.find(db, ids).values():
                ledger.move(
                    db, run, row, "judged", "its person was forgotten before it was sent",
                    state=State.FAILED, code=str(ThereCode.FORGOTTEN), says=None, next_read_at=None,
                )  # fmt: skip


# --- what the house asks ----------------------------------------------------------------------------------------------


def _counted(run: Run, stored: erasure.Stored) -> dict[str, int]:
    ids = sorted(stored.traces.of(ERASED))
    with run.open() as db:
        unsettled = db.value(
            """select count(*) from synced.order_writes
               where outcome is null and list_contains($ids::varchar[], order_id)""",
            {"ids": ids},
        )
    return {
        "orders": len(ids),
        "customers": len(stored.traces.of(CUSTOMER)),
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
    with run.sync_lock():
        _give_up_unsent(run)
    return found


def there(run: Run, person: Person) -> list[str]:
    """Say under which numbers the person's orders are at both systems."""
    traces = erasure.find(run, _names_of(person) or Identifiers(), SYSTEMS, OWN).traces
    with run.open() as db:
        rows = list(ledger.find(db, traces.of(ERASED)).values())
        numbers = db.rows(
            "select order_number from staged.shop_orders where list_contains($ids::varchar[], order_id) order by 1",
            {"ids": sorted(traces.of(ERASED))},
        )
    lines = [f"{TITLE} has the orders {', '.join(row[0] for row in numbers)}: erase the customer there."] * bool(numbers)
    held = sorted(row.vs_number for row in rows if row.vs_number)
    return [*lines, *[f"{SHIPPER_TITLE} has the orders {', '.join(held)}: erase the customer there."] * bool(held)]


FORGET: Final = Forget(
    ("orders", "customers"),
    knows=lambda person: _names_of(person) is not None,
    find=find,
    forget=forget,
    elsewhere=(
        f"Nothing at {TITLE} and {SHIPPER_TITLE} was changed. Orders that were sent stay sent; what was not sent yet "
        "is not sent any more.",
    ),
    there=there,
)
