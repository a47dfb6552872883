"""Finds what is new of customers and of subscribed addresses (audience.md 6.2, 6.4, 8.2-8.4).

Data flow: staged.shop_customers, planned.audience_addresses, their bases -> temp.aud_news, planned.audience_moves.
"""

from __future__ import annotations

from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.routes.audience import bases
from vs_st_pipeline.routes.audience.difference import Terms, held, is_empty, left, note, released
from vs_st_pipeline.routes.audience.words import Block, Event, Held, Noted, Rank

COMPARED = ("first_name", "last_name", "birth_date", "email", "phone", "extra", "addresses")


def customers(db: Db, by: Terms) -> None:
    """Find CustomerAdd, CustomerUpdate, and customers that go as late history."""
    db.execute(
        """create or replace temp table aud_ids as
            select s.customer_id as id, b.customer_id is null as fresh
            from staged.shop_customers as s left join synced.base_customers as b using (customer_id)
            where s.gone_at is null and b.digest is distinct from s.digest"""
    )
    if is_empty(db, "aud_ids"):
        return
    db.execute(
        f"""create or replace temp table aud_customers as
            select * from temp.aud_ids anti join {held("customer")} as h using (id)
            anti join {left("customer")} as l using (id)"""
    )
    own = "coalesce(s.own_at, s.posted_at)"
    db.execute(
        f"""insert into temp.aud_news by name
            select '{Rank.CUSTOMER}' as rank, 0 as place, '' as sub, '{Event.CUSTOMER_ADD}' as event,
                'customer' as kind, id, '' as part, ['customer_id'] as changed,
                r.id is not null or {by.is_old(Block.CUSTOMERS, own, "s.lacked_at")} as late,
                not late and {by.is_off(Event.CUSTOMER_ADD)} as silent, s.seen_at, {own} as own_at
            from temp.aud_customers as i join staged.shop_customers as s on s.customer_id = i.id
            left join {released("customer")} as r using (id) where i.fresh"""
    )
    db.execute("create or replace temp table aud_known as select id from temp.aud_customers where not fresh")
    differing = ", ".join(f"case when n.{name} is distinct from b.{name} then '{name}' end" for name in COMPARED)
    for ids in bases.shares(db, "temp.aud_known"):
        db.execute(
            f"""insert into temp.aud_news by name
                select '{Rank.CUSTOMER}' as rank, 1 as place, '' as sub, '{Event.CUSTOMER_UPDATE}' as event,
                    'customer' as kind, n.customer_id as id, '' as part,
                    list_filter([{differing}], lambda name: name is not null) as changed,
                    false as late, {by.is_off(Event.CUSTOMER_UPDATE)} as silent, s.seen_at,
                    coalesce(s.own_at, s.posted_at) as own_at
                from ({bases.customers(ids)}) as n
                join synced.base_customers as b using (customer_id)
                join staged.shop_customers as s using (customer_id)
                where len(changed) > 0"""
        )
    db.execute(
        """insert into planned.audience_moves
           select 'customer', id from temp.aud_customers
           anti join (select id from temp.aud_news where kind = 'customer' and late) using (id)"""
    )


def unsubscribed(db: Db, by: Terms) -> None:
    """Find Newsletter false: of an address told, or maybe told, as subscribed that is so no more (8.2-8.4).

    Of an address that was only in the outbox, and never left it, nobody needs to be told.
    """
    db.execute(
        f"""insert into temp.aud_news by name
            select '{Rank.UNSUBSCRIBE}' as rank, 0 as place, '' as sub, '{Event.NEWSLETTER}' as event,
                'subscriber' as kind, b.address as id, '' as part,
                to_json(struct_pack(email := coalesce(b.email, b.address), subscription := false,
                    customer_id := coalesce(a.customer_id, b.customer_id)))::varchar as about,
                ['subscribed'] as changed, false as late,
                not (b.maybe or b.told in ('told', 'silent') or (b.told = 'outbox' and b.told_key is not null)
                     or o.id is not null)
                    as silent,
                case when h.id is null then coalesce(a.seen_at, timestamp '{by.now}') else timestamp '{by.now}' end
                    as seen_at, a.own_at
            from synced.base_subscribers as b
            left join planned.audience_addresses as a using (address)
            left join ({_held_addresses()}) as h on h.id = b.address
            left join ({_MAYBE_TOLD}) as o on o.id = b.address
            where b.subscribed and not (coalesce(a.subscribed, false) and h.id is null)"""
    )


def subscribed(db: Db, by: Terms) -> None:
    """Find Newsletter true, and addresses that go as late history.

    The time of a new address of a subscribed customer is that of the change (rulings, audience 1), where the address
    stands in the customer's record: one that a post names beside it has the time of the post.
    """
    db.execute(
        """create or replace temp table aud_yes as
            select a.address as id, a.customer_id, a.email, a.own_at, a.seen_at, a.lacked_at,
                b.address is not null as known
            from planned.audience_addresses as a left join synced.base_subscribers as b using (address)
            where a.subscribed and not coalesce(b.subscribed, false)"""
    )
    if is_empty(db, "aud_yes"):
        return
    db.execute(
        """create or replace temp table aud_moved as
            select y.id, any_value(c.seen_at) as seen_at
            from temp.aud_yes as y join synced.base_subscribers as b
                on b.customer_id = y.customer_id and b.address <> y.id
            join staged.shop_customers as c on c.customer_id = y.customer_id and lower(trim(c.email)) = y.id
            group by y.id"""
    )
    own = "coalesce(m.seen_at, y.own_at)"
    lacked = "coalesce(y.lacked_at, case when y.known then y.seen_at end)"
    db.execute(
        f"""insert into temp.aud_news by name
            select '{Rank.SUBSCRIBE}' as rank, 0 as place, '' as sub, '{Event.NEWSLETTER}' as event,
                'subscriber' as kind, y.id, '' as part,
                to_json(struct_pack(email := coalesce(y.email, y.id), subscription := true,
                    customer_id := y.customer_id))::varchar as about,
                ['subscribed'] as changed,
                r.id is not null or {by.is_old(Block.SUBSCRIBERS, own, lacked)} as late,
                false as silent, coalesce(m.seen_at, y.seen_at, timestamp '{by.now}') as seen_at, {own} as own_at
            from temp.aud_yes as y
            anti join ({_held_addresses()}) as h on h.id = y.id
            anti join {left("subscriber")} as l on l.id = y.id
            left join temp.aud_moved as m on m.id = y.id
            left join {released("subscriber")} as r on r.id = y.id"""
    )


def told_before(db: Db) -> None:
    """Note who is held and was told before: somebody erases them there (8.4)."""
    was_told = "(told not in ('rejected', 'outbox') or told_key is not null)"
    for kind, table, column in (
        ("customer", "synced.base_customers", "customer_id"),
        ("order", "synced.base_orders", "order_id"),
    ):
        told = f"select {column} as id from {table} where {was_told}"
        note(db, Noted.TOLD_BEFORE, kind, f"select id from {held(kind)} semi join ({told}) as b using (id)")
    # Whoever is held as a customer is one person, by whatever address.
    note(
        db, Noted.TOLD_BEFORE, "subscriber",
        f"""select h.id from {held("subscriber")} as h
            semi join (select address as id from synced.base_subscribers where {was_told}) as b using (id)
            anti join (select lower(trim(email)) as id from staged.shop_customers as c
                       semi join {held("customer")} as k on k.id = c.customer_id) as k using (id)""",
    )  # fmt: skip


def _held_addresses() -> str:
    """Return a query for addresses that are told a no; a rehearsal says nothing of whom it leaves out."""
    among = f"select id from planned.audience_held where reason <> '{Held.REHEARSAL}' and kind ="
    return f"""{among} 'subscriber'
               union select a.address from planned.audience_addresses as a
               join ({among} 'customer') as c on c.id = a.customer_id"""


# Addresses that a yes may have reached: one without outcome, or one that was acknowledged, by the ledger. A process
# that was killed right after an answer has not said so in the base yet.
_MAYBE_TOLD = f"""
    select id from synced.audience_outbox
    where event = '{Event.NEWSLETTER}' and rank = '{Rank.SUBSCRIBE}'
      and (state in ('unknown', 'asked') or (state in ('rejected', 'dead') and tries > refusals))
    union
    select id from synced.audience_told where event = '{Event.NEWSLETTER}' and state = 'accepted'"""
