"""Decides whose records are worth asking Vinoshipper for: those of customers that an opted-in contact may stand for.

Data flow: raw.simpletexting_contacts, raw.vinoshipper_customers, staged.* -> customer ids, phones, order numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass

from vs_st_pipeline.connectors.simpletexting.consent import consent_reason
from vs_st_pipeline.connectors.simpletexting.custom_fields import resolve_fields
from vs_st_pipeline.connectors.simpletexting.stored_contacts import read_custom_fields
from vs_st_pipeline.connectors.vinoshipper.details import customers_without_receipt
from vs_st_pipeline.connectors.vinoshipper.read_queue import mark_linked
from vs_st_pipeline.connectors.vinoshipper.staging_orders import latest_date
from vs_st_pipeline.domain.field_map import FieldMap
from vs_st_pipeline.domain.order import COUNTED_STATUS, Order
from vs_st_pipeline.domain.order_history import newest, newest_counted
from vs_st_pipeline.pipeline.staged_records import staged_customers, staged_orders
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.platform.warehouse.state import LINKED, get_state
from vs_st_pipeline.routes.contacts.everybody import are_wanted, everybody
from vs_st_pipeline.routes.contacts.identity import (
    Linked,
    chosen_customer,
    customers_to_read,
    link_all,
    link_to,
    links_key,
)
from vs_st_pipeline.routes.contacts.plan_inputs import VERSIONS

FEW = 100  # customers whose contacts are looked for by themselves; of more it takes less to link all


@dataclass(frozen=True, slots=True)
class Demand:
    """The customers whose details are worth asking for, and opted-in phones that no customer has.

    Attributes:
        key: names what it was worked out from.
    """

    key: str
    customer_ids: list[int]
    unknown_phones: list[str]


def demand_of(run: Run, known: Demand | None) -> tuple[Demand, Linked | None]:
    """Work out which customers to read, and store it, so that a newly linked customer is read at once.

    Args:
        known: what was worked out before in this sync; it stands while what it was made of stays the same.

    Returns:
        The demand, and all links if they had to be made for it.
    """
    with run.open() as db:
        shared = are_wanted(run.merchant)
        key = f"{VERSIONS} {links_key(db)}" + " for all" * shared
        known = known or _kept(db)
        if known is not None and known.key == key:
            return known, None
        linked = link_all(db)
        unknown = {
            contact.phone
            for contact in linked.contacts
            if contact.phone and contact.contact_id not in linked.links and consent_reason(contact.status) is None
        }
        made = Demand(key, customers_to_read(linked.contacts, linked.links), sorted(unknown))
        # Whoever is marked is read in turn, and keeps the body that was read.
        marked = everybody(db) if shared else made.customer_ids
        mark_linked(run, marked, asdict(made))
    return made, linked


def _kept(db: Db) -> Demand | None:
    kept = get_state(db, LINKED)
    try:
        return Demand(**kept) if kept else None
    except TypeError:  # kept by another version
        return None


_RECEIPT_OF: dict[str, Callable[[Sequence[Order]], Order | None]] = {
    "newest_order.receipt_url": newest,
    "last_counted_order.receipt_url": newest_counted,
}


def wants_receipts(db: Db, field_map: FieldMap) -> bool:
    """Say whether a map wants receipts and the account has a field for them; else none is requested."""
    return any(row.source in _RECEIPT_OF for row, _ in resolve_fields(field_map, read_custom_fields(db)).available)


def receipts_in_demand(
    run: Run, db: Db, read: Collection[int], field_map: FieldMap, linked: Linked | None = None
) -> tuple[list[str], Linked | None]:
    """Return the numbers of staged orders of linked customers whose receipts the map wants, where they have one.

    Receipts that were read once are left out, and so nobody's orders are decoded for them, unless the run is full.

    Args:
        read: customers whose details are worth asking for.
        linked: all links, where they are known. Those of a few customers are found by themselves.

    Returns:
        The numbers, and all links if they are known now.
    """
    sources = {row.source for row, _ in resolve_fields(field_map, read_custom_fields(db)).available}
    wanted = [pick for source, pick in _RECEIPT_OF.items() if source in sources]
    ids = set(read)
    lacking = ids if run.full else customers_without_receipt(db, ids, latest_date(run))
    if not lacking:
        return [], linked
    few = linked is None and len(lacking) <= FEW
    linked = linked or (None if few else link_all(db))
    links = [
        found
        for found in (linked or link_to(db, lacking)).links.values()
        if not lacking.isdisjoint(found.candidates) and ids.issuperset(found.candidates)
    ]
    orders = staged_orders(db, {one for found in links for one in found.candidates}, latest_date(run))
    # Which of several customers is meant is asked of their details; of others nobody's is looked at.
    shared = {one for found in links if len(found.candidates) > 1 for one in found.candidates}
    customers = staged_customers(db, shared) if shared else {}
    numbers = set()
    for found in links:
        of_customer = orders.get(chosen_customer(found, customers, orders), ())
        for pick in wanted:
            last = pick(of_customer)
            if last and last.status == COUNTED_STATUS:
                numbers.add(last.number)
    return sorted(numbers), linked
