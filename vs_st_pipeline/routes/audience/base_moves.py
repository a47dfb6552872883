"""Moves the base to what is staged, for the records of a plan that is taken (audience.md 7.1).

Data flow: planned.audience_moves, planned.audience_news, staged.shop_* -> synced.base_*.

It is done inside the caller's transaction. A record that is new enters as `outbox`, or `silent` where its event is off;
of one that was told before, who told it stays as it was.
"""

from __future__ import annotations

from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.routes.audience import bases
from vs_st_pipeline.routes.audience.words import Block, Event, Rank

_BLOCKS = {"customer": Block.CUSTOMERS, "product": Block.PRODUCTS, "order": Block.ORDERS}
_ADDS = {"customer": Event.CUSTOMER_ADD, "product": Event.PRODUCT_ADD, "order": Event.ORDER_ADD}
_TOLD = "told, told_key, told_call, told_at"


def move(db: Db) -> None:
    """Move all of them."""
    kinds = {row[0] for row in db.rows("select distinct kind from planned.audience_moves")}
    events = {row[0] for row in db.rows("select distinct event from planned.audience_news where not late")}
    for kind, block in _BLOCKS.items():
        if kind in kinds:
            _records(db, kind, block)
    if "cart" in kinds:
        _carts(db)
    if events & {Event.WISHLIST_ADD, Event.WISHLIST_DELETE}:
        _wishes(db)
    if Event.NEWSLETTER in events:
        _addresses(db)


def _records(db: Db, kind: str, block: Block) -> None:
    table, column = bases.TABLES[block], bases.IDS[block]
    db.execute(
        f"create or replace temp table aud_ids as select distinct id from planned.audience_moves where kind = '{kind}'"
    )
    db.execute(
        f"""create or replace temp table aud_was as
            select {column} as id, {_TOLD} from {table} semi join temp.aud_ids as i on i.id = {column}"""
    )
    db.execute(f"delete from {table} where {column} in (select id from temp.aud_ids)")
    columns = ", ".join(f"n.{name}" for name in bases.COLUMNS[block])
    if kind == "product":  # what is gone is out of stock, whatever was last said of it
        columns = columns.replace("n.out_of_stock", "n.out_of_stock or n.gone_at is not null as out_of_stock")
    for ids in bases.shares(db, "temp.aud_ids"):
        db.execute(
            f"""insert into {table} by name
                select {columns}, coalesce(w.told, case when a.id is null then 'silent' else 'outbox' end) as told,
                    w.told_key, w.told_call, w.told_at
                from ({bases.ROWS[block](ids)}) as n left join temp.aud_was as w on w.id = n.{column}
                left join (select id from planned.audience_news
                           where event = '{_ADDS[kind]}' and not late and not silent) as a on a.id = n.{column}"""
        )


def _carts(db: Db) -> None:
    db.execute(
        "create or replace temp table aud_ids as select distinct id from planned.audience_moves where kind = 'cart'"
    )
    db.execute(
        f"""create or replace temp table aud_was as
            select customer_id as id, {_TOLD} from synced.base_carts
            semi join temp.aud_ids as i on i.id = customer_id"""
    )
    db.execute("delete from synced.base_carts where customer_id in (select id from temp.aud_ids)")
    db.execute(
        f"""insert into synced.base_carts by name
            select i.id as customer_id, n.cart.cart_id as cart_id, coalesce(c.lines, []) as lines,
                n.cart.cart_url as cart_url, coalesce(n.cart.digest, 0) as digest,
                coalesce(w.told, case when e.id is null then 'silent' else 'outbox' end) as told,
                w.told_key, w.told_call, w.told_at
            from temp.aud_ids as i left join ({bases.NEWEST_CARTS}) as n on n.customer_id = i.id
            left join ({bases.carts("temp.aud_ids")}) as c on c.customer_id = i.id
            left join temp.aud_was as w on w.id = i.id
            left join (select distinct id from planned.audience_news where kind = 'cart' and not silent) as e
                on e.id = i.id"""
    )


def _wishes(db: Db) -> None:
    pairs = """select about ->> '$.customer_id' as customer_id, about ->> '$.product_id' as product_id, silent
                from planned.audience_news where not late and event = '{}'"""
    db.execute(
        f"""delete from synced.base_wishes where (customer_id, product_id) in
            (select (customer_id, product_id) from ({pairs.format(Event.WISHLIST_DELETE)}))"""
    )
    db.execute(
        f"""insert into synced.base_wishes by name
            select customer_id, product_id, case when silent then 'silent' else 'outbox' end as told
            from ({pairs.format(Event.WISHLIST_ADD)})"""
    )


def _addresses(db: Db) -> None:
    """Move addresses; `maybe` remembers that a yes was told, or may have been, however often it changes."""
    db.execute(
        f"""create or replace temp table aud_said as
            select n.id as address, n.rank = '{Rank.SUBSCRIBE}' as yes, b.maybe, b.told, b.told_key, b.told_call,
                b.told_at, b.email as was_email, b.customer_id as was_customer, b.subscriber_id as was_subscriber
            from planned.audience_news as n left join synced.base_subscribers as b on b.address = n.id
            where n.event = '{Event.NEWSLETTER}' and not n.late"""
    )
    db.execute("delete from synced.base_subscribers where address in (select address from temp.aud_said)")
    db.execute(
        """insert into synced.base_subscribers by name
           select s.address, coalesce(a.email, s.was_email) as email,
               coalesce(a.customer_id, s.was_customer) as customer_id,
               coalesce(a.subscriber_id, s.was_subscriber) as subscriber_id, s.yes as subscribed,
               s.yes and coalesce(s.maybe or s.told in ('told', 'silent')
                              or (s.told = 'outbox' and s.told_key is not null), false)
                   as maybe,
               case when s.yes then a.evidence end as evidence,
               case when s.yes then 'outbox' else s.told end as told,
               case when s.yes then null else s.told_key end as told_key,
               case when s.yes then null else s.told_call end as told_call,
               case when s.yes then null else s.told_at end as told_at
           from temp.aud_said as s left join planned.audience_addresses as a using (address)"""
    )
