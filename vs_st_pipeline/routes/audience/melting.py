"""Says what of the news melts into rows of the outbox that were never sent (audience.md 6.3).

Data flow: planned.audience_news, synced.audience_outbox -> temp.aud_todo: what is rendered, anew or in place of a row.

    CustomerUpdate, ProductUpdate, CartUpdate     take the place of the one that waits; ProductStockUpdate of the same
                                                  option
    any change of a customer, product             melts into the Add that waits
    WishlistAdd and the Delete after it           vanish together
    Newsletter true before a false                vanishes, even one without outcome
    ProductOutOfStock, in stock again             vanishes
    OrderStatusUpdate and all others              do not melt

A row that was refused was not taken, so it is replaced likewise, by new bytes and a new key, and tried at once. A row
that may have been sent keeps its bytes, and what is new goes after it.
"""

from __future__ import annotations

from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.routes.audience import bases
from vs_st_pipeline.routes.audience.words import Event, Rank

_REPLACED = "('waiting', 'rejected', 'dead')"
_TO_ADD = {
    Event.CUSTOMER_UPDATE: Event.CUSTOMER_ADD,
    Event.PRODUCT_UPDATE: Event.PRODUCT_ADD,
    Event.PRODUCT_STOCK_UPDATE: Event.PRODUCT_ADD,
}
_TO_ITSELF = (Event.CUSTOMER_UPDATE, Event.PRODUCT_UPDATE, Event.PRODUCT_STOCK_UPDATE, Event.CART_UPDATE)


def melt(db: Db, run: Run) -> None:
    """Take away what vanishes, and make `temp.aud_todo`: one row per event that is rendered, in order.

    Its `key` names the row of the outbox whose place is taken, `again` says that it was refused and gets a new key.
    """
    db.execute(
        """create or replace temp table aud_going as
           select * from planned.audience_news where not late and not silent"""
    )
    events = {row[0] for row in db.rows("select distinct event from planned.audience_news")}
    if Event.WISHLIST_DELETE in events:
        _vanish_wishes(db, run)
    if Event.NEWSLETTER in events:
        _vanish_subscriptions(db, run)
    if db.row("select 1 from planned.audience_moves where kind = 'product' limit 1") is not None:
        _vanish_out_of_stock(db, run)
    adds = " ".join(f"when '{event}' then '{add}'" for event, add in _TO_ADD.items())
    itself = ", ".join(f"'{event}'" for event in _TO_ITSELF)
    db.execute(
        f"""create or replace temp table aud_melting as
            with rows as (select key, number, event, kind, id, part, state from synced.audience_outbox
                          where state in {_REPLACED})
            select g.number, coalesce(a.key, o.key) as key, coalesce(a.event, o.event) as event,
                coalesce(a.state, o.state) <> 'waiting' as again, coalesce(a.key, '') <> '' as to_add
            from temp.aud_going as g
            left join (select event, kind, id, any_value(key) as key, any_value(state) as state from rows group by all)
                as a on a.event = case g.event {adds} end and a.kind = g.kind and a.id = g.id
            left join (select event, kind, id, part, arg_max(key, number) as key, arg_max(state, number) as state
                       from rows group by all) as o
                on g.event in ({itself}) and o.event = g.event and o.kind = g.kind and o.id = g.id and o.part = g.part
            where a.key is not null or o.key is not null"""
    )
    db.execute(
        """create or replace temp table aud_todo as
           with places as (
               select m.key, any_value(m.again) as again, any_value(m.event) as event, g.kind, g.id,
                   any_value(g.rank) as rank, any_value(g.part) as part, bool_or(m.to_add) as to_add,
                   arg_max(g.about, g.number) as about, list_distinct(flatten(list(g.changed))) as changed,
                   max(g.seen_at) as seen_at, any_value(g.own_at) as own_at, min(g.number) as number
               from temp.aud_melting as m join temp.aud_going as g using (number) group by m.key, g.kind, g.id),
           all_of_it as (
               select key, again, event, kind, id, rank, part, case when not to_add then about end as about, changed,
                   seen_at, own_at, number from places
               union all
               select null, false, event, kind, id, rank, part, about, changed, seen_at, own_at, number
               from temp.aud_going anti join temp.aud_melting using (number))
           select *, row_number() over (order by number) as turn from all_of_it"""
    )


def _vanish_wishes(db: Db, run: Run) -> None:
    """Take away wishes that came and went before anybody was told."""
    db.execute(
        f"""create or replace temp table aud_vanishing as
            select g.number, o.key from planned.audience_news as g
            join synced.audience_outbox as o on o.id = g.id and o.kind = g.kind
            where g.event = '{Event.WISHLIST_DELETE}' and o.event = '{Event.WISHLIST_ADD}' and o.state in {_REPLACED}
              and (o.state = 'waiting' or o.tries <= o.refusals)"""
    )
    db.execute("delete from temp.aud_going where number in (select number from temp.aud_vanishing)")
    _melted(db, run)


def _vanish_subscriptions(db: Db, run: Run) -> None:
    """Take away each yes that waits before a no; one that may have arrived too, for it must never be sent again."""
    db.execute(
        f"""create or replace temp table aud_vanishing as
            select o.key from synced.audience_outbox as o
            where o.event = '{Event.NEWSLETTER}' and o.rank = '{Rank.SUBSCRIBE}' and o.id in (
                select id from planned.audience_news
                where event = '{Event.NEWSLETTER}' and rank = '{Rank.UNSUBSCRIBE}' and not late)"""
    )
    _melted(db, run)


def _vanish_out_of_stock(db: Db, run: Run) -> None:
    """Take away a ProductOutOfStock that was never sent, of a product that is in stock again."""
    db.execute(
        "create or replace temp table aud_ids as select distinct id from planned.audience_moves where kind = 'product'"
    )
    db.execute(
        f"""create or replace temp table aud_vanishing as
            select o.key from synced.audience_outbox as o
            join ({bases.products("temp.aud_ids")}) as n on n.product_id = o.id
            where o.event = '{Event.PRODUCT_OUT_OF_STOCK}' and o.state in {_REPLACED}
              and (o.state = 'waiting' or o.tries <= o.refusals) and not n.out_of_stock and n.gone_at is null"""
    )
    _melted(db, run)


def _melted(db: Db, run: Run) -> None:
    db.execute(
        """insert into synced.audience_told by name
           select key, 'event' as call, event, kind, id, data, evidence, 'melted' as state, tries, http_status,
               ?::timestamp as "at", ? as run_id
           from synced.audience_outbox where key in (select key from temp.aud_vanishing)""",
        [run.now(), run.run_id],
    )
    db.execute("delete from synced.audience_outbox where key in (select key from temp.aud_vanishing)")
