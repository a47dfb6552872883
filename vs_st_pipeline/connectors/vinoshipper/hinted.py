"""Finds which stored records a hint is about, and what of them was never read: in what is stored, never by asking.

Data flow: a hint, raw.vinoshipper_*, staged.* -> customers, orders.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from vs_st_pipeline.connectors.vinoshipper.kinds import CUSTOMER, ORDER
from vs_st_pipeline.connectors.vinoshipper.parse import memberships_of
from vs_st_pipeline.connectors.vinoshipper.settings import VinoshipperSettings
from vs_st_pipeline.domain.codec import try_object
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.platform.warehouse.unreadable import waiting_ids

LARGEST_ID = 2**63 - 1
_MEMBERSHIP_PATH = re.compile(r"/customers/([0-9]{1,19})/memberships/")


def is_id(text: str) -> bool:
    """Say whether a text can be a customer's id."""
    return text.isdecimal() and len(text) <= 19 and 0 < int(text) <= LARGEST_ID


def is_stored(db: Db, kind: str, record_id: str) -> bool:
    """Say whether a list, a search or a read has shown an order or a customer."""
    if kind == ORDER.name:
        return db.row("select 1 from raw.vinoshipper_orders where order_number = ?", [record_id]) is not None
    return (
        is_id(record_id)
        and db.row("select 1 from raw.vinoshipper_customers where customer_id = ?", [int(record_id)]) is not None
    )


def stored_owner(db: Db, number: str) -> int | None:
    """Return the stored customer that a stored order names; None where it names none, or one of whom nothing is."""
    owner: int | None = db.value(
        """select o.customer_id from raw.vinoshipper_orders as o
           semi join raw.vinoshipper_customers as c using (customer_id)
           where o.order_number = ? and o.owner_unknown is not true""",
        [number],
    )
    return owner


def customer_of_membership(db: Db, membership_id: str, told: Iterable[object]) -> int | None:
    """Return whose a membership is: by the path of a webhook, else by what is stored.

    Args:
        told: paths that webhooks gave; where they name several customers, none is believed.
    """
    named = {found[1] for path in told if isinstance(path, str) and (found := _MEMBERSHIP_PATH.search(path))}
    if len(named) == 1:
        customer_id = int(named.pop())
        return customer_id if 0 < customer_id <= LARGEST_ID else None
    for customer_id, text in db.rows(
        "select customer_id, memberships from staged.customers where contains(memberships, ?)", [membership_id]
    ):
        if any(str(row["id"]) == membership_id for row in json.loads(text)):
            return int(customer_id)
    for customer_id, text in db.rows(
        """select customer_id, list_body from raw.vinoshipper_customers
           where deleted_at is null and contains(list_body, ?)""",
        [membership_id],
    ):
        if any(str(one.id) == membership_id for one in memberships_of(try_object(text)) or ()):
            return int(customer_id)
    return None


def unread_of(run: Run, db: Db, customer_ids: Collection[int]) -> tuple[list[int], list[str]]:
    """Return those of these customers, and of their orders, that must be read before anything is planned of them.

    Whoever no contact stood for until now may have been read long ago: that counts only while it is not overdue.
    """
    refresh = run.merchant.section(VinoshipperSettings).refresh
    values: Mapping[str, Any] = {
        "customers": run.now() - refresh.customer_details,
        "orders": run.now() - refresh.open_orders,
    }
    with db.batch({"customer_id": sorted(customer_ids)}, {"customer_id": "int"}) as batch:
        customers = db.rows(
            f"""select customer_id from raw.vinoshipper_customers semi join {batch} using (customer_id)
                where deleted_at is null
                  and (detail_at is null or (linked_run is null and detail_at < $customers)) order by 1""",
            {"customers": values["customers"]},
        )
        orders = db.rows(
            f"""select o.order_number from raw.vinoshipper_orders as o semi join {batch} using (customer_id)
                join raw.vinoshipper_customers as c using (customer_id)
                where o.detail_at is null or o.owner_unknown is true
                   or (c.linked_run is null and o.settled_at is null and o.detail_at < $orders)
                order by o.detail_at nulls first, 1""",
            {"orders": values["orders"]},
        )
    late = waiting_ids(db, CUSTOMER.name, run.now()), waiting_ids(db, ORDER.name, run.now())
    return [row[0] for row in customers if str(row[0]) not in late[0]], [
        row[0] for row in orders if row[0] not in late[1]
    ]
