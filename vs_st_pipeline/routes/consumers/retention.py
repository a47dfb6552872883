"""Reduces orders that led to no write and wait for nothing to ids, statuses and times (consumers.md 10.6).

Data flow: raw.sopost_orders, staged.*, planned.* -> the same, without bodies, names, e-mails, phones, addresses and
answers.

An order may have led to a write where it was ever to be told to a CRM and its person was written, or where evidence
names it. It waits where it is to be read again, or where it may be told and its person is to be planned, is held, was
refused, or may have been written. In doubt it is kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from vs_st_pipeline.connectors.sopost import due
from vs_st_pipeline.connectors.sopost import retention as raw
from vs_st_pipeline.connectors.sopost.settings import SoPostSettings
from vs_st_pipeline.domain.emails import person_key
from vs_st_pipeline.domain.loosely import loosely
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.routes.consumers.bodies import ADDRESS
from vs_st_pipeline.routes.consumers.map_file import follows_status
from vs_st_pipeline.routes.consumers.settings import ConsumersSettings, records_all
from vs_st_pipeline.routes.consumers.staging import crms_of, refresh_consumers
from vs_st_pipeline.routes.consumers.systems import CRM_NAMES

_PERSONAL: Final = ("email_key", "email", "identity", "full_name", "name_key", "telephone", *ADDRESS)


def prune(run: Run) -> int:
    """Reduce what is due, in one transaction; a dry run reduces nothing.

    Returns:
        How many orders were reduced.
    """
    if run.dry_run:
        return 0
    keep = run.merchant.section(ConsumersSettings).keep_unconsented
    activities = sorted(map(loosely, run.merchant.section(SoPostSettings).activities))
    with run.open() as db:
        unwanted = raw.of_other_activities(db, activities)
        found = [] if keep is None else _useless(run, db, run.now() - keep)
        if not (unwanted or found):
            return 0
        with db.transaction():
            raw.reduce_orders(db, sorted({*unwanted, *found}))
            _reduce_staged(db, found)
    return len(found)


def _useless(run: Run, db: Db, read_before: datetime) -> list[str]:
    """Return whole orders that led to no write and wait for nothing.

    Args:
        read_before: only those that were read last before this moment (UTC without zone).
    """
    if not db.value("select 1 from staged.sopost_orders where not reduced and read_at < ? limit 1", [read_before]):
        return []
    told_anyway = any(records_all(run.merchant, crm) for crm in crms_of(run.merchant))
    held = " union all ".join(
        f"select email_key from planned.{crm}_consumers where held is not null" for crm in crms_of(run.merchant)
    )
    settings = run.merchant.section(SoPostSettings)
    # An event alone, such as that it was delivered, has nobody read an order again.
    to_read = due.waiting_ids(db, settings, run.now(), follow_status=follows_status(run.merchant))
    rows = db.rows(
        f"""with orders as (
                select order_id, email_key, counted and ($told_anyway or order_id in (
                           select order_id from staged.consents where ever_given)) as may_be_told
                from staged.sopost_orders where not reduced and read_at < $read_before
            ),
            people as (
                select email_key from synced.consumers union all select email_key from planned.consumers_due
                union all {held}
            ),
            keys as (
                select key from synced.subscription_rejects union all select id from synced.rejects
                union all select id from synced.writes where outcome is null
            ),
            kept as (
                select order_id from synced.consent_evidence
                union all select unnest($to_read::varchar[])
            )
            select order_id from orders
            where order_id not in (select order_id from kept)
              and not (may_be_told and email_key is not null and (
                  email_key in (select email_key from people)
                  or 'sp_' || left(sha256(email_key), 40) in (select key from keys)))
            order by order_id""",
        {"told_anyway": told_anyway, "read_before": read_before, "to_read": to_read},
    )
    return [row[0] for row in rows]


def _reduce_staged(db: Db, ids: Sequence[str]) -> None:
    if not ids:
        return
    nothing = ", ".join(f"{name} = null" for name in _PERSONAL)
    with db.batch({"order_id": ids}) as batch:
        theirs = f"order_id in (select order_id from {batch})"
        people = [
            row[0]
            for row in db.rows(f"select distinct email_key from staged.sopost_orders where {theirs} and email_key > ''")
        ]
        db.execute(f"update staged.sopost_orders set {nothing}, counts = false, reduced = true where {theirs}")
        db.execute(f"delete from staged.answers where {theirs}")
    refresh_consumers(db, people)
    with db.batch({"email_key": sorted(people)}) as batch:
        gone = db.rows(
            f"""select email_key from {batch} where email_key not in
                (select email_key from staged.sopost_orders where email_key is not null)"""
        )
    _delete_plans(db, [row[0] for row in gone])


def _delete_plans(db: Db, people: Sequence[str]) -> None:
    """Delete what was planned for people of whom no order is whole any more."""
    if people:
        with db.batch({"email_key": people, "key": [person_key(one) for one in people]}) as batch:
            db.execute(f"delete from planned.consumers_due where email_key in (select email_key from {batch})")
            for crm in CRM_NAMES:
                for table in (f"planned.{crm}_consumers", f"planned.{crm}_subscriptions"):
                    db.execute(f"delete from {table} where key in (select key from {batch})")
