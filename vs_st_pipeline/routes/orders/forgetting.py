"""Forgets people here: what names whoever bought or gets an order goes; ids, numbers, hashes, states, activity stay.

Data flow: an e-mail, a phone, a customer's id -> their orders -> raw.forgotten (ids), every body, problems, details.

So nothing is ever sent twice because of it, and what is still to be sent becomes failed `forgotten` (orders.md 10). An
order is kept out by its own id, never by its person: what that person orders later is new business, and is sent.
"""

from __future__ import annotations

from typing import Final

from vs_st_pipeline.connectors.commerce7.names import TITLE
from vs_st_pipeline.connectors.commerce7.streams import STORED, STORED_CUSTOMER
from vs_st_pipeline.connectors.vinoshipper.names import TITLE as SHIPPER_TITLE
from vs_st_pipeline.domain.emails import is_usable, spellings
from vs_st_pipeline.pipeline import erasure
from vs_st_pipeline.pipeline.erasure import OwnTraces
from vs_st_pipeline.pipeline.route import Forget, Person
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.platform.warehouse.streams import REDUCED
from vs_st_pipeline.platform.warehouse.suppression import Identifiers, Suppressed, phone_name
from vs_st_pipeline.routes.orders import finding, ledger, staging
from vs_st_pipeline.routes.orders.session import SYSTEMS
from vs_st_pipeline.routes.orders.states import State, ThereCode


def _names_of(person: Person) -> Identifiers | None:
    """Return what names the person here; None where it is no e-mail, no phone, and no customer of the shop."""
    if person.email is not None:
        return Identifiers(emails=spellings(person.email)) if is_usable(person.email) else None
    if person.phone is not None:
        return Identifiers(phones={name}) if (name := phone_name(person.phone)) else None
    if person.customer is not None and finding.may_be_customer(person.customer):
        return Identifiers(records={STORED_CUSTOMER: set(finding.ids_of(person.customer))})
    return None


# --- what goes --------------------------------------------------------------------------------------------------------


def _erase(db: Db, forgotten: Suppressed) -> int:
    """Erase what names people in the orders that are to be, inside the caller's transaction; returns how many.

    What the shop said of them is deleted by its stream. What was staged and decided stays, without anybody's data.
    """
    if not forgotten:
        return 0
    # What was stored last may be gone, and the next change gets its number again: it must not pass for staged already.
    db.execute(
        """update synced.order_facts set value = last.number::varchar
           from (select coalesce(max(changed), 0) as number from raw.commerce7_orders) as last
           where name = ? and value::bigint > last.number""",
        [staging.STAGED_THROUGH],
    )
    db.uncache(ledger.FACTS)
    rows = db.rows(
        "select order_id from staged.shop_orders where not erased union select order_id from synced.orders where "
        "problems <> '[]' union select order_id from synced.void_reasons"
    )
    ids = sorted(row[0] for row in rows if forgotten.knows(STORED, row[0]))
    if not ids:
        return 0
    with db.batch({"order_id": ids}) as batch:
        theirs = f"order_id in (select order_id from {batch})"
        numbers = f"""select vs_number from synced.orders where {theirs} and vs_number is not null
                      union select vs_number from staged.shipments where {theirs}"""
        db.execute(
            f"update raw.vinoshipper_sent_orders set body = null, body_sha256 = ? where vs_number in ({numbers})",
            [REDUCED],
        )
        for sql in (
            "update staged.shop_orders set erased = true, customer_id = null",
            "update staged.shipments set problems = '[]', zip5 = null",
            "update synced.orders set problems = '[]'",
            "update synced.order_notes set says = ''",
            "delete from synced.void_reasons",
            "delete from planned.vinoshipper_orders",
            "delete from planned.commerce7_orders",
        ):
            db.execute(f"{sql} where {theirs}")
    return len(ids)


OWN: Final = OwnTraces(erase=_erase)


def begin(run: Run) -> None:
    """Bring the hashes of forgotten orders in step, and finish an erasure; call it before anything is read."""
    erasure.begin(run, SYSTEMS, OWN)
    _give_up_unsent(run)


def _give_up_unsent(run: Run) -> None:
    """Let the erased orders fail that were not sent: there is nothing to send them with any more.

    What may be at Vinoshipper is settled by reading first.
    """
    with run.open() as db:
        ids = [
            row[0]
            for row in db.rows(
                """select o.order_id from synced.orders as o join staged.shop_orders as s using (order_id)
                   where s.erased and o.state in ('waiting', 'failed') and o.code is distinct from ?
                     and not exists (select 1 from synced.order_writes as w
                                     where w.order_id = o.order_id and w.outcome is null
                                       and w.call in ('create', 'update', 'cancel'))""",
                [str(ThereCode.FORGOTTEN)],
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
    ids = sorted(stored.traces.of(STORED))
    with run.open() as db:
        unsettled = db.value(
            """select count(*) from synced.order_writes
               where outcome is null and list_contains($ids::varchar[], order_id)""",
            {"ids": ids},
        )
    return {
        "orders": len(ids),
        "customers": len(stored.traces.of(STORED_CUSTOMER)),
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
        rows = list(ledger.find(db, traces.of(STORED)).values())
        numbers = db.rows(
            "select order_number from staged.shop_orders where list_contains($ids::varchar[], order_id) order by 1",
            {"ids": sorted(traces.of(STORED))},
        )
    lines = [f"{TITLE} has the orders {', '.join(row[0] for row in numbers)}: erase the customer there."] * bool(
        numbers
    )
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
