"""Turns raw rows into one row per customer and one per order, in our words: the narrow waist of the house.

Data flow: raw.vinoshipper_* -> staged.customers, staged.orders.

The rows are made by the pure words (`customer_from`, `order_from`), not by SQL: DuckDB's JSON functions read
every number through a double, and money may never be a float on the way. Only rows whose raw bodies changed
since they were staged are made again.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from datetime import date
from typing import Any

from vs_st_pipeline.connectors.vinoshipper.kinds import CUSTOMER, LISTED_CUSTOMER
from vs_st_pipeline.connectors.vinoshipper.known_fields import KNOWN_CUSTOMER
from vs_st_pipeline.connectors.vinoshipper.names import VINOSHIPPER
from vs_st_pipeline.connectors.vinoshipper.parse import customer_from
from vs_st_pipeline.connectors.vinoshipper.staging_orders import stage_orders
from vs_st_pipeline.domain.codec import try_object
from vs_st_pipeline.domain.customer import Customer, club_names, club_status
from vs_st_pipeline.domain.formats import as_mapping
from vs_st_pipeline.domain.records import believed
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.platform.warehouse.schema_drift import unexpected_names
from vs_st_pipeline.platform.warehouse.staged_batches import (
    delete_staged,
    insert_staged,
    kept_of,
    moment_as_text,
    not_understood,
    replace_unusable,
    stale_rows,
    unread_as_json,
)
from vs_st_pipeline.platform.warehouse.state import record_drift

# The stored hashes stand for the bodies: to hash every body again cost more than all the rest of a stage without news.
_CUSTOMER_HASH = (
    "md5(concat_ws('|', coalesce(r.list_hash, ''), coalesce(r.detail_hash, ''), r.detail_leads, "
    "coalesce(r.list_kept, ''), coalesce(r.detail_kept, '')))"
)


def stage(run: Run) -> dict[str, int]:
    """Bring the staged tables in step with raw.

    Returns:
        How many customers and orders were made again, and how many raw records could not be used.
    """
    with run.open() as db:
        made = {"customers": _stage_customers(run, db), "orders": stage_orders(run, db)}
        made["unusable"] = int(db.value("select count(*) from staged.unusable"))
    return made


def _stage_customers(run: Run, db: Db) -> int:
    gone, unread, stale = db.rows(_OUT_OF_STEP)[0]
    if gone:
        db.execute(
            """delete from staged.customers where customer_id not in
               (select customer_id from raw.vinoshipper_customers where deleted_at is null)"""
        )
    count, drift = _stage_unread_customers(db) if unread else 0, Counter[str]()
    for rows in stale_rows(
        db,
        f"""select r.customer_id as key, {_CUSTOMER_HASH} as source_hash, s.source_hash as staged_hash
            from raw.vinoshipper_customers as r left join staged.customers as s using (customer_id)
            where r.deleted_at is null and not ({_UNREAD})""",
        """select r.customer_id, r.list_body, r.detail_body, r.detail_leads, r.list_kept, r.detail_kept,
                  stale.source_hash, stale.is_staged
           from raw.vinoshipper_customers as r join temp.stale on stale.key = r.customer_id
           where r.customer_id between $first and $last and stale.key between $first and $last""",
        stale,
    ):
        staged: list[tuple[Any, ...]] = []
        unusable: list[tuple[str, str]] = []
        for customer_id, list_body, detail_body, detail_leads, list_kept, detail_kept, source_hash, _ in rows:
            listed, detail = try_object(list_body), try_object(detail_body)
            drift.update(unexpected_names(KNOWN_CUSTOMER, detail))
            customer = raw_customer(listed, detail, detail_leads, list_kept, detail_kept, run.today())
            customer = customer or Customer(customer_id=customer_id)
            unusable += [(str(customer_id), not_understood(name)) for name in sorted(customer.unread)]
            if (
                customer.phone is None
                and "phone" not in customer.unread
                and as_mapping(as_mapping(listed).get("primaryPhone")).get("number")
            ):
                unusable.append(
                    (str(customer_id), "the phone is not a North American number, so nobody can be matched by it")
                )
            staged.append(_customer_row(customer, customer_id, source_hash))
        with db.transaction():
            delete_staged(db, "staged.customers", "customer_id", [row[0] for row in rows if row[-1]])
            insert_staged(db, "staged.customers", _CUSTOMER_COLUMNS, _CUSTOMER_TYPES, staged)
            replace_unusable(db, "customer", [str(row[0]) for row in rows], unusable)
        count += len(rows)
    record_drift(db, VINOSHIPPER, drift, run.now())
    return count


# The details of a customer that no contact may stand for are not requested, so there is nothing to make of them.
_UNREAD = "r.detail_at is null and r.phone is not null"

# In most syncs nothing of a table is out of step: one look tells that, in place of one for each way to be so.
_OUT_OF_STEP = f"""
select count(*) filter (is_staged and not there), count(*) filter (there and unread and stale),
       count(*) filter (there and not unread and stale)
from (select r.customer_id is not null and r.deleted_at is null as there, s.customer_id is not null as is_staged,
             {_UNREAD} as unread, s.source_hash is distinct from {_CUSTOMER_HASH} as stale
      from raw.vinoshipper_customers as r full join staged.customers as s using (customer_id))"""


def _stage_unread_customers(db: Db) -> int:
    """Stage customers that only the list shows, most of a shop's: their id and phone stand in `raw` already."""
    stale = f"""from raw.vinoshipper_customers as r left join staged.customers as s using (customer_id)
                where r.deleted_at is null and {_UNREAD} and s.source_hash is distinct from {_CUSTOMER_HASH}"""
    count = int(db.value(f"select count(*) {stale}"))
    if count:
        with db.transaction():
            db.execute(f"create or replace temp table unread as select r.customer_id {stale}")
            db.execute("delete from staged.customers where customer_id in (select customer_id from temp.unread)")
            db.execute(
                f"""insert into staged.customers by name
                    select r.customer_id, r.phone, false as has_detail, '[]' as memberships, '' as club_names,
                           '' as club_status, {_CUSTOMER_HASH} as source_hash
                    from raw.vinoshipper_customers as r semi join temp.unread using (customer_id)"""
            )
            db.execute(
                """delete from staged.unusable where kind = 'customer'
                   and id in (select cast(customer_id as varchar) from temp.unread)"""
            )
            db.execute("drop table temp.unread")
    return count


_CUSTOMER_COLUMNS = (
    "customer_id", "first_name", "last_name", "email", "phone", "birth_date", "has_detail", "city", "state",
    "memberships", "club_names", "club_status", "birth_year", "unread", "source_hash",
)  # fmt: skip
_CUSTOMER_TYPES = {"customer_id": "int", "has_detail": "bool", "birth_year": "int"}


def raw_customer(
    listed: Mapping[str, Any] | None,
    detail: Mapping[str, Any] | None,
    detail_leads: bool,
    list_kept: str | None,
    detail_kept: str | None,
    today: date,
) -> Customer | None:
    """Return the customer as the raw answers say, with values carried over where they are silent (routes.md R23).

    Args:
        detail_leads: the detail was read after the list, so its memberships are newer.
        list_kept, detail_kept: `raw.vinoshipper_customers`' columns of these names.
    """
    kept = kept_of(detail_kept)
    whole = believed(CUSTOMER, detail, kept) if detail is not None else None
    item = believed(LISTED_CUSTOMER, listed, kept_of(list_kept)) if listed is not None else None
    told_only_by_detail = "memberships" in as_mapping(detail) and "memberships" not in as_mapping(listed)
    if item is not None and (detail_leads or told_only_by_detail):
        item = {key: value for key, value in item.items() if key != "memberships"}
    return customer_from(item, whole, today, kept.get("dateOfBirth", {}).get("value"))


def _customer_row(customer: Customer, customer_id: int, source_hash: str) -> tuple[Any, ...]:
    memberships = [
        {"id": row.id, "club_name": row.club_name, "joined": moment_as_text(row.joined), "on_hold": row.on_hold}
        for row in customer.memberships
    ]
    return (
        customer_id,
        customer.first_name,
        customer.last_name,
        customer.email,
        customer.phone,
        customer.birth_date.isoformat() if customer.birth_date else None,
        customer.has_detail,
        customer.city,
        customer.state,
        json.dumps(memberships),
        ", ".join(club_names(customer.memberships)),
        club_status(customer.memberships),
        customer.birth_year,
        unread_as_json(customer.unread),
        source_hash,
    )
