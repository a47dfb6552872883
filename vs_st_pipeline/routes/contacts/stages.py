"""Runs each stage of route `contacts` for one merchant; `sync` says in which order, and what is skipped.

Data flow: SimpleTexting, Vinoshipper -> raw -> staged -> planned -> SimpleTexting -> synced.
"""

from __future__ import annotations

from collections.abc import Sequence

from vs_st_pipeline.connectors.simpletexting import contacts, push
from vs_st_pipeline.connectors.vinoshipper import staging, staging_orders
from vs_st_pipeline.connectors.vinoshipper.customers import fetch_customers, look_up_newcomers
from vs_st_pipeline.connectors.vinoshipper.details import fetch_customer_details, fetch_order_details, fetch_receipts
from vs_st_pipeline.connectors.vinoshipper.orders import search_orders
from vs_st_pipeline.domain.field_map import FieldMap
from vs_st_pipeline.pipeline import delivery
from vs_st_pipeline.platform.warehouse.outcomes import PushCounts
from vs_st_pipeline.routes.contacts import planning
from vs_st_pipeline.routes.contacts.demand import receipts_in_demand
from vs_st_pipeline.routes.contacts.everybody import are_wanted
from vs_st_pipeline.routes.contacts.session import ContactsSession


def read_contacts(session: ContactsSession) -> None:
    """Read the account's custom fields, and its contacts that were updated, or all of them, into raw."""
    contacts.fetch_custom_fields(session.run, session.simpletexting)
    session.report.seen["contacts"] = contacts.fetch_contacts(session.run, session.simpletexting)


def read_customers(session: ContactsSession) -> None:
    """Read all customers as the list shows them, and the details of those that an opted-in contact may stand for."""
    run, shop = session.run, session.vinoshipper
    session.report.seen["customers"] = fetch_customers(run, shop)
    wanted = session.in_demand()
    if look_up_newcomers(run, shop, wanted.unknown_phones):
        wanted = session.in_demand()
    read: set[int] = set()
    # A detail may prove a deletion. The contact then falls to another customer, whose detail is read before the
    # contact is judged.
    while new := set(wanted.customer_ids) - read:
        if fetch_customer_details(run, shop, sorted(new)):
            wanted = session.in_demand()
        read |= new


def read_orders(session: ContactsSession) -> None:
    """Read all orders as the search shows them, and the details of the orders of those same customers."""
    session.report.seen["orders"] = search_orders(session.run, session.vinoshipper)
    # Orders link no contact to a customer, so what was found with the customers stands.
    wanted = session.demand or session.in_demand()
    fetch_order_details(
        session.run,
        session.vinoshipper,
        wanted.customer_ids,
        forgets=not are_wanted(session.run.merchant),
    )


def receipts_to_read(session: ContactsSession, field_map: FieldMap) -> list[str]:
    """Return the numbers of the orders whose receipts the map wants, according to what is staged."""
    wanted = session.demand or session.in_demand()
    with session.run.open() as db:
        numbers, session.links = receipts_in_demand(session.run, db, wanted.customer_ids, field_map, session.links)
    return numbers


def read_receipts(session: ContactsSession, numbers: Sequence[str]) -> bool:
    """Read the receipts of these orders into raw and staged; returns whether any was asked for."""
    asked = fetch_receipts(session.run, session.vinoshipper, numbers)
    if asked:
        with session.run.open() as db:
            staging_orders.copy_receipts(db)
    return bool(asked)


def stage(session: ContactsSession) -> None:
    """Bring staged in step with raw: one row per customer and one per order, in our words."""
    staging.stage(session.run)


def plan(session: ContactsSession, field_map: FieldMap) -> None:
    """Plan what must change at SimpleTexting, who is held back and why; the brake's verdict is part of the plan."""
    made = planning.make_plan(session.run, field_map, session.links)
    report = session.report
    report.plan = session.run.run_id
    report.planned |= {"contacts": made.targets, "fields": made.fields, "unmatched": made.unmatched}
    report.held, report.noted = made.held, made.noted


def push_plan(session: ContactsSession) -> None:
    """Write the difference, and remember in synced only what was accepted."""
    pushed, report = PushCounts(), session.report
    try:
        # What a crash left open is settled first, whatever the brake says of the plan.
        moved = push.settle_outstanding(session.run, session.simpletexting, pushed)
        delivery.deliver(
            session.run,
            lambda refs: push.write(session.run, session.simpletexting, pushed, [ref.id for ref in refs], moved),
        )
    finally:
        report.accepted, report.rejected, report.unknown = pushed.accepted, pushed.rejected, pushed.unknown
        report.noted, report.held = report.noted + pushed.noted, report.held + pushed.held
