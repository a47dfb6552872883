"""Finds what is new of orders, and what posts brought that no state shows (audience.md 4.4, 6.2, 6.4).

Data flow: staged.shop_orders, shop_passed_on, synced.base_orders -> temp.aud_news, planned.audience_moves.
"""

from __future__ import annotations

from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.routes.audience import bases
from vs_st_pipeline.routes.audience.difference import Terms, held, held_shoppers, is_empty, left, note, released
from vs_st_pipeline.routes.audience.words import Block, Event, Noted, Rank

_OWN = "coalesce(s.own_at, s.posted_at)"


def orders(db: Db, by: Terms) -> None:
    """Find the three events of orders, and those that go as late history."""
    db.execute(
        f"""create or replace temp table aud_ids as
            select s.order_id as id, s.customer_id, b.order_id is null as fresh
            from staged.shop_orders as s left join synced.base_orders as b using (order_id)
            left join (select distinct id from staged.shop_passed_on where event = '{Event.ORDER_STATUS_UPDATE}') as p
                on p.id = s.order_id
            where s.gone_at is null and (b.digest is distinct from s.digest or p.id is not null)"""
    )
    if is_empty(db, "aud_ids"):
        return
    db.execute(
        f"""create or replace temp table aud_orders as
            select * from temp.aud_ids anti join {held("order")} as h using (id)
            anti join {held("customer")} as c on c.id = customer_id
            anti join {left("order")} as l using (id)"""
    )
    makes = "create or replace temp table aud_o as"
    for ids in bases.shares(db, "temp.aud_orders"):
        db.execute(
            f"""{makes}
                select n.order_id, n.customer_id, n.status, n.paid, n.others, b.status as was_status,
                    b.paid as was_paid, b.others as was_others, i.fresh, s.seen_at, {_OWN} as own_at,
                    i.fresh and (r.id is not null or q.id is not null
                                 or {by.is_old(Block.ORDERS, _OWN, "s.lacked_at")}) as late,
                    case when b.told_call in ('history', 'late') then b.told_at end as told_at
                from ({bases.orders(ids)}) as n join {ids} as i on i.id = n.order_id
                join staged.shop_orders as s using (order_id)
                left join synced.base_orders as b using (order_id)
                left join {released("order")} as r on r.id = n.order_id
                left join {released("customer")} as q on q.id = n.customer_id"""
        )
        makes = "insert into temp.aud_o"
    _statuses(db)
    _added(db, by)
    _changed(db, by)
    db.execute("insert into planned.audience_moves select 'order', order_id from temp.aud_o where not late")
    note(
        db, Noted.ORDER_CHANGED, "order",
        "select order_id from temp.aud_o where not fresh and others is distinct from was_others",
    )  # fmt: skip


def _statuses(db: Db) -> None:
    """Find which statuses of an order are told one by one: those that posts brought, then what is staged.

    A status that is the one before it is no change; what came before the history told the order is told by it. A new
    order begins with the status that it had before the first of them, where a post said so.
    """
    db.execute(
        f"""create or replace temp table aud_status as
            with posts as (
                select order_id, p.number, p.value, p.seen_at, o.fresh
                from staged.shop_passed_on as p join temp.aud_o as o on o.order_id = p.id
                where p.event = '{Event.ORDER_STATUS_UPDATE}' and not coalesce(p.seen_at <= o.told_at, false)),
            said as (
                select order_id, number, value ->> '$.status' as status, seen_at from posts
                union all select order_id, -1, arg_min(value ->> '$.before', number), min(seen_at) from posts
                    where fresh group by order_id having arg_min(value ->> '$.before', number) is not null
                union all select order_id, {2**62}, status, seen_at from temp.aud_o),
            turns as (
                select s.*, lag(s.status, 1, o.was_status) over (partition by order_id order by s.number) as before
                from said as s join temp.aud_o as o using (order_id) where not o.late)
            select *, row_number() over (partition by order_id order by number) as turn
            from turns where status is distinct from before"""
    )


def _added(db: Db, by: Terms) -> None:
    """Add new orders, each with its first status; right after it that it is paid."""
    db.execute(
        f"""insert into temp.aud_news by name
            select '{Rank.ORDER}' as rank, 0 as place, '' as sub, '{Event.ORDER_ADD}' as event, 'order' as kind,
                o.order_id as id, '' as part,
                case when f.status is not null then to_json(struct_pack(status := f.status))::varchar end as about,
                ['order_id'] as changed, o.late, not o.late and {by.is_off(Event.ORDER_ADD)} as silent,
                o.seen_at, o.own_at
            from temp.aud_o as o
            left join (select order_id, status from temp.aud_status where turn = 1) as f using (order_id)
            where o.fresh"""
    )


def _changed(db: Db, by: Terms) -> None:
    db.execute(
        f"""insert into temp.aud_news by name
            select '{Rank.ORDER}' as rank, 1 as place, '' as sub, '{Event.ORDER_PAYMENT_CONFIRMED}' as event,
                'order' as kind, order_id as id, '' as part, ['paid'] as changed, false as late,
                {by.is_off(Event.ORDER_PAYMENT_CONFIRMED)} or (fresh and {by.is_off(Event.ORDER_ADD)}) as silent,
                seen_at, own_at
            from temp.aud_o where paid and not coalesce(was_paid, false) and not late"""
    )
    db.execute(
        f"""insert into temp.aud_news by name
            select '{Rank.ORDER}' as rank, 2 as place, lpad(t.turn::varchar, 9, '0') as sub,
                '{Event.ORDER_STATUS_UPDATE}' as event, 'order' as kind, order_id as id, '' as part,
                to_json(struct_pack(status := t.status))::varchar as about, ['status'] as changed, false as late,
                {by.is_off(Event.ORDER_STATUS_UPDATE)} or (o.fresh and {by.is_off(Event.ORDER_ADD)}) as silent,
                t.seen_at, o.own_at
            from temp.aud_status as t join temp.aud_o as o using (order_id) where not o.fresh or t.turn > 1"""
    )


def searches(db: Db, by: Terms) -> None:
    """Find searches: each post once, but for blank ones and those of people who are held."""
    if Event.SEARCH in by.off:
        return
    of_whom = "p.value ->> '$.customer_id' is not null" if by.rehearses else "true"
    db.execute(
        f"""insert into temp.aud_news by name
            select '{Rank.SEARCH}' as rank, 0 as place, lpad(number::varchar, 20, '0') as sub, event, 'search' as kind,
                p.id, '' as part, value as about, ['search_string'] as changed, false as late, false as silent,
                seen_at, seen_at as own_at
            from staged.shop_passed_on as p
            anti join {held_shoppers()} as h on h.id = (p.value ->> '$.customer_id')
            where event = '{Event.SEARCH}' and {of_whom} and trim(coalesce(value ->> '$.search_string', '')) <> ''"""
    )


def gone(db: Db) -> None:
    """Note customers and orders that were told and that a complete read lacks: no event says so."""
    for kind, table in (("customer", "customers"), ("order", "orders")):
        note(
            db, Noted.GONE, kind,
            f"""select {kind}_id from staged.shop_{table} semi join synced.base_{table} using ({kind}_id)
                where gone_at is not null""",
        )  # fmt: skip
