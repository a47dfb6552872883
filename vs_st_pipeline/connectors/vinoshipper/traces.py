"""Finds a person among the customers and their orders, for erasing them: by phone, by id and by e-mail."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from vs_st_pipeline.connectors.vinoshipper.parse import customer_from
from vs_st_pipeline.domain.codec import try_object
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.platform.warehouse.suppression import CUSTOMER, PHONE, Identifiers, Suppressed, email_name

_NO_DAY = date.max  # ages do not matter here


def find_named(db: Db, given: Identifiers, found: Identifiers) -> None:
    """Add the customers with these e-mails or ids, and their phones."""
    for customer_id, phone, *bodies in db.rows(
        "select cast(customer_id as varchar), phone, list_body, detail_body from raw.vinoshipper_customers"
    ):
        told = [try_object(body) for body in bodies]
        if customer_id in given.customers or not given.emails.isdisjoint({email_name(body) for body in told}):
            listed, detail = told
            known = (customer_from(listed, None, _NO_DAY), customer_from(None, detail, _NO_DAY))
            found.customers.add(customer_id)
            found.phones.update(one for one in (phone, *(customer.phone for customer in known if customer)) if one)


def find_person(db: Db, names: Identifiers) -> None:
    """Add the customers with these phones, the e-mails of all these customers, and their orders."""
    for phone in names.phones:
        names.customers.update(_customers_with(db, phone))
    with db.batch({"customer_id": sorted(names.customers)}) as batch:
        of_these = f"cast(customer_id as varchar) in (select customer_id from {batch})"
        for bodies in db.rows(f"select list_body, detail_body from raw.vinoshipper_customers where {of_these}"):
            names.emails.update(email for body in bodies if (email := email_name(try_object(body))))
        names.orders.update(
            row[0] for row in db.rows(f"select order_number from raw.vinoshipper_orders where {of_these}")
        )
    for number, searched, read in db.rows(  # an order without a customer id may still hold the e-mail
        "select order_number, search_body, detail_body from raw.vinoshipper_orders where customer_id is null"
    ):
        if any(email_name((try_object(body) or {}).get("customer")) in names.emails for body in (searched, read)):
            names.orders.add(number)


def find_suppressed(db: Db, suppressed: Suppressed) -> Iterable[tuple[str, str]]:
    """Return the customers with a forgotten phone."""
    return [
        (CUSTOMER, str(customer_id))
        for customer_id, phone in db.rows("select customer_id, phone from raw.vinoshipper_customers")
        if suppressed.knows(PHONE, phone)
    ]


def _customers_with(db: Db, phone: str) -> list[str]:
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
