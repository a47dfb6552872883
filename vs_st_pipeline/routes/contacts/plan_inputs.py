"""Declares what a plan of this route depends on, besides what is stored of its systems; of all, and of each contact.

Of the clock three things matter: which customers are under age (or may be, where only a year is told), which dates of
orders are further ahead than any clock (`without_what_is_to_come`), and whose next try is due: who waits for one is
always planned.

A contact's plan is made from what `planning` reads, and each of these is in its hash (`_CONTACT`) or in that of all:

- the contact: its body, phone, carried id and status; whether a single read of it failed and no listing of this run
  had it; whether it is doubted that it is not of our making;
- whom it may stand for: customers with its phone, the one it carries the id of, the one whose id we wrote there. Of
  each: whether it exists, its phone, the staged row (which `source_hash` names, with what the day decides), whether its
  detail was read, whether an order of it waits to be read, whether one of these cannot be read now;
- their orders as staged, with receipts, and birth dates in them;
- who has the e-mail that it wants; who else wants it is planned with it (`Target.share`);
- its ledger, by the history; whether it is settled, and was read in this run; its rejects (`pipeline.incremental`);
- of all: versions, settings, the map, the account's custom fields, whether all of the order history was searched, the
  newest day with orders that cannot be seen, and e-mails of contacts that cannot be understood.

What is forgotten, gone or deleted is no row any more. What only decides what is asked (when something was read, whether
it is to be read again) is no input, but for an order's `detail_wanted`, which is in its `source_hash`.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Final

from vs_st_pipeline.connectors.simpletexting.custom_fields import CUSTOMER_ID_LABEL
from vs_st_pipeline.connectors.simpletexting.names import SIMPLETEXTING
from vs_st_pipeline.connectors.simpletexting.refs import contact_ref
from vs_st_pipeline.connectors.vinoshipper.staging_orders import latest_date
from vs_st_pipeline.domain.birth import LEGAL_AGE, last_birth_date
from vs_st_pipeline.domain.field_map import FieldMap
from vs_st_pipeline.pipeline.incremental import InputsQuery
from vs_st_pipeline.pipeline.plan_cache import PlanInputs
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.platform.warehouse.state import UNREAD_EMAILS, get_state
from vs_st_pipeline.routes.contacts.settings import ContactsSettings
from vs_st_pipeline.routes.contacts.systems import SYSTEMS

PLAN_VERSION: Final = 1
"""Raised when the same contacts, customers and orders are linked, held, planned or judged otherwise."""

VERSIONS: Final = PlanInputs(SYSTEMS, PLAN_VERSION, ()).versions

# The day, and with a year alone: certainly under age, in doubt, or neither.
_AGE = "birth_date > $born, sign(birth_year - $of_age)"
_NEWEST_DATE = "greatest(purchased_at, shipped_at, delivered_at, customer_since)"
# By the day; what is ahead by less than a day of what may be is another one each time.
_AHEAD = """case when left(greatest(purchased_at, shipped_at, delivered_at, customer_since), 10) >= $latest then hash(
    left(purchased_at, 10) > $latest, left(shipped_at, 10) > $latest, left(delivered_at, 10) > $latest,
    left(customer_since, 10) > $latest,
    case when list_contains([left(purchased_at, 10), left(shipped_at, 10), left(delivered_at, 10),
                             left(customer_since, 10)], $latest) then $now end) end"""

_OF_THE_DAY = (
    "count(*), sum(hash(customer_id)) from staged.customers where birth_date > $born",
    "count(*), sum(hash(order_number)) from staged.orders where birth_date > $born",
    """count(*), $of_age
       from (select birth_year from staged.customers union all select birth_year from staged.orders)
       where birth_year is not null""",
    f"""count(*), sum(hash(order_number, {_AHEAD})) from staged.orders
        where left({_NEWEST_DATE}, 10) >= $latest""",
)
_UNSETTLED = (
    "count(*) from raw.unreadable where kind = 'contact'",
    # A contact that was never found settled, and was read in this run and not by its plan, or the other way round.
    """count(*) from raw.simpletexting_contacts as c
       join planned.targets as p on p.id = c.contact_id
       left join synced.settled as s using (system, object, id)
       where p.fingerprint is not null and s.fingerprint is distinct from p.fingerprint
         and (c.read_run = $run) <> (p.compared is not null)""",
    # Another customer's id was written since (by a run that died): even a settled contact may stand for another one.
    """count(*) from synced.history
       where seq > (select coalesce(max(history), -1) from planned.basis)
         and field = $id_field and event = 'accepted'""",
)


def plan_inputs(run: Run, db: Db, field_map: FieldMap) -> PlanInputs:
    """Return all that a plan made now depends on."""
    merchant = run.merchant
    wanted = merchant.section(ContactsSettings)
    return PlanInputs(
        connectors=SYSTEMS,
        version=PLAN_VERSION,
        settings=(
            wanted.on_ambiguous_phone,
            wanted.require_age_evidence,
            str(merchant.time_zone),
            field_map,  # not its fingerprint: of two rows that mean one field of the account the first has it
            get_state(db, UNREAD_EMAILS) or {},
        ),
        stored=_OF_THE_DAY,
        unsettled=_UNSETTLED,
        values={**_clock(run), "id_field": CUSTOMER_ID_LABEL},
        of_the_moment=frozenset({"now"}),
    )


def _clock(run: Run) -> dict[str, object]:
    today, latest = run.today(), latest_date(run)
    return {
        "born": last_birth_date(today),
        "of_age": today.year - LEGAL_AGE,
        "latest": latest.date().isoformat(),
        "now": latest.isoformat(),
    }


def contact_inputs(run: Run) -> InputsQuery:
    """Return what each contact's plan is made from."""
    return InputsQuery(
        query=_CONTACT,
        prepare=(_CUSTOMERS, _PHONES, _EMAILS),
        tables=("plan_customers", "plan_phones", "plan_emails"),
        values={
            **_clock(run),
            "run": run.run_id,
            "system": SIMPLETEXTING,
            "object": contact_ref("").object,
        },
        links=(CUSTOMER_ID_LABEL,),
    )


# A customer and its orders, as far as a plan looks at them. `hash` of several values depends on their order.
_CUSTOMERS: Final = f"""
create or replace temp table plan_customers as
with orders as (
    select customer_id, count(*) as count, sum(hash(order_number, source_hash, receipt_url, receipt_known,
                                                    birth_date, birth_year, {_AGE}, {_AHEAD})) as hash
    from staged.orders where customer_id is not null group by customer_id),
unread as (
    select distinct customer_id from raw.vinoshipper_orders
    where (detail_at is null or owner_unknown is true) and customer_id is not null),
unreadable as (
    select distinct case u.kind when 'order' then o.customer_id else try_cast(u.id as bigint) end as customer_id
    from raw.unreadable as u left join raw.vinoshipper_orders as o on u.kind = 'order' and o.order_number = u.id
    where u.kind in ('customer', 'order'))
select r.customer_id, r.phone,
       hash(r.customer_id, r.phone, s.source_hash, s.birth_date, s.birth_year, {_AGE}, r.detail_at is null,
            u.customer_id is not null, b.customer_id is not null, o.count, o.hash) as hash
from raw.vinoshipper_customers as r
left join staged.customers as s using (customer_id)
left join orders as o using (customer_id)
left join unread as u using (customer_id)
left join unreadable as b using (customer_id)
where r.deleted_at is null"""

_PHONES: Final = """
create or replace temp table plan_phones as
select phone, count(*) as count, sum(hash) as hash from temp.plan_customers where phone is not null group by phone"""

_EMAILS: Final = """
create or replace temp table plan_emails as
select email, count(*) as count, sum(hash(contact_id)) as hash from raw.simpletexting_contacts
where email is not null and not gone group by email"""

_CONTACT: Final = """
select $system as system, $object as object, c.contact_id as id, c.read_run = $run as read_now, k.inputs as before,
       hash($basis, c.body_hash, c.phone, c.customer_id, c.status, d.id is not null,
            u.id is not null and c.read_run <> $run, p.count, p.hash, n.hash, w.hash, e.count, e.hash) as inputs
from raw.simpletexting_contacts as c
{join} {known} as k on k.id = c.contact_id
left join temp.plan_phones as p on p.phone = c.phone
left join temp.plan_customers as n on n.customer_id = try_cast(k.named as bigint)
left join temp.plan_customers as w on w.customer_id = try_cast(k.written as bigint)
left join temp.plan_emails as e on e.email = k.share
left join synced.doubted as d on d.id = c.contact_id
left join (select id from raw.unreadable where kind = 'contact') as u on u.id = c.contact_id
where not c.gone"""


def changes_at(run: Run, db: Db) -> datetime | None:
    """Return when time alone may next change the plan of somebody (UTC without zone), None if it cannot.

    A plan that stands (`load_cached_plan`) stands until then: the next day on which a customer comes of age, the new
    year where only years are told, or a date of an order that is still ahead of all clocks. Nothing else waits for a
    time: a plan with a refused contact, or one that cannot be read, does not stand.
    """
    today, zone = run.today(), run.merchant.time_zone
    values = _clock(run)
    sql = f"""
        select min(birth_date), max(birth_year),
               (select min(left({_NEWEST_DATE}, 10)) from staged.orders where left({_NEWEST_DATE}, 10) >= $latest)
        from (select birth_date, birth_year from staged.customers where birth_date > $born or birth_year >= $of_age
              union all
              select birth_date, birth_year from staged.orders where birth_date > $born or birth_year >= $of_age)"""
    youngest, year, ahead = db.rows(sql, {key: value for key, value in values.items() if f"${key}" in sql})[0]
    found = []
    if youngest is not None:
        found.append(_comes_of_age(youngest))
    if year is not None:
        found.append(date(today.year + 1, 1, 1))
    moments = [datetime(day.year, day.month, day.day, tzinfo=zone) for day in found]
    if ahead is not None:
        moments.append(run.clock())  # rare: such an order is looked at in every sync
    return min(moments).astimezone(UTC).replace(tzinfo=None) if moments else None


def _comes_of_age(born: date) -> date:
    try:
        return born.replace(year=born.year + LEGAL_AGE)
    except ValueError:  # born on 29 February: on 1 March of a common year
        return date(born.year + LEGAL_AGE, 3, 1)
