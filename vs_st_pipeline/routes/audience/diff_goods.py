"""Finds what is new of products, wishes and carts (audience.md 6.2, 6.4; rulings, audience 2-4).

Data flow: staged.shop_products, shop_wishlists, shop_carts, their bases -> temp.aud_news, planned.audience_moves.
"""

from __future__ import annotations

from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.routes.audience import bases
from vs_st_pipeline.routes.audience.difference import Terms, held_shoppers, is_empty, left, note, released_shoppers
from vs_st_pipeline.routes.audience.words import Block, Event, Noted, Rank

# Stock has events of its own; what a shop calls a product, and in which order it shows options, has none.
COMPARED = (
    "slug", "name", "description", "short_description", "price", "discount_price", "discount_start", "discount_end",
    "discount_quantity", "image_link", "product_link", "extra",
)  # fmt: skip
_OWN = "coalesce(s.own_at, s.posted_at)"
_ABOUT_WISH = "to_json(struct_pack(customer_id, product_id))::varchar as about"
_WISH = "to_json([customer_id, product_id])::varchar"


def products(db: Db, by: Terms) -> None:
    """Find the four events of products, and those that go as late history."""
    db.execute(
        """create or replace temp table aud_ids as
            select s.product_id as id, b.product_id is null as fresh
            from staged.shop_products as s left join synced.base_products as b using (product_id)
            where case when b.product_id is null then s.gone_at is null
                  else b.digest <> s.digest or (b.gone_at is null) <> (s.gone_at is null) end"""
    )
    if not is_empty(db, "aud_ids"):
        _differing(db, by)
    _passed_on_stock(db, by)
    note(
        db, Noted.PRODUCT_GONE, "product",
        """select product_id from staged.shop_products semi join synced.base_products using (product_id)
           where gone_at is not null""",
    )  # fmt: skip


def _differing(db: Db, by: Terms) -> None:
    db.execute(
        f"create or replace temp table aud_products as "
        f"select * from temp.aud_ids anti join {left('product')} as l using (id)"
    )
    # One query knows what is staged of all of them; what was told stands beside it.
    db.execute(
        f"""create or replace temp table aud_p as
            select n.* replace (n.out_of_stock or n.gone_at is not null as out_of_stock),
                i.fresh, s.seen_at, s.lacked_at,
                {_OWN} as own_at
            from ({bases.products("temp.aud_products")}) as n
            join temp.aud_products as i on i.id = n.product_id join staged.shop_products as s using (product_id)"""
    )
    _added(db, by)
    _changed(db, by)
    _stock(db, by)
    _out_of_stock(db, by)
    db.execute(
        """insert into planned.audience_moves
           select 'product', product_id from temp.aud_p
           anti join (select id from temp.aud_news where kind = 'product' and late) as n on n.id = product_id"""
    )


def _added(db: Db, by: Terms) -> None:
    db.execute(
        f"""insert into temp.aud_news by name
            select '{Rank.PRODUCT}' as rank, 0 as place, '' as sub, '{Event.PRODUCT_ADD}' as event,
                'product' as kind, product_id as id, '' as part, ['product_id'] as changed,
                {by.is_old(Block.PRODUCTS, "own_at", "lacked_at")} as late,
                not late and {by.is_off(Event.PRODUCT_ADD)} as silent, seen_at, own_at
            from temp.aud_p where fresh"""
    )


def _changed(db: Db, by: Terms) -> None:
    differing = ", ".join(f"case when n.{name} is distinct from b.{name} then '{name}' end" for name in COMPARED)
    options = """list_sort(list_transform({0}.options, lambda o: struct_pack(option_id := o.option_id, price := o.price,
        discount_price := o.discount_price, discount_start := o.discount_start, discount_end := o.discount_end,
        discount_quantity := o.discount_quantity, attributes := o.attributes)))"""
    db.execute(
        f"""insert into temp.aud_news by name
            select '{Rank.PRODUCT}' as rank, 1 as place, '' as sub, '{Event.PRODUCT_UPDATE}' as event,
                'product' as kind, product_id as id, '' as part,
                list_filter([{differing},
                    case when list_sort(list_distinct(n.categories))
                              is distinct from list_sort(list_distinct(b.categories))
                         then 'categories' end,
                    case when {options.format("n")} is distinct from {options.format("b")} then 'options' end,
                    case when b.gone_at is not null then 'gone_at' end], lambda name: name is not null) as changed,
                false as late, {by.is_off(Event.PRODUCT_UPDATE)} as silent, n.seen_at, n.own_at
            from temp.aud_p as n join synced.base_products as b using (product_id)
            where n.gone_at is null and len(changed) > 0"""
    )


def _stock(db: Db, by: Terms) -> None:
    """Find stock that differs, once per option that stood before and now; of the product itself where none counts."""
    differs = """{0}.stock is distinct from {1}.stock
                 or ({0}.stock is null and {0}.in_stock is distinct from {1}.in_stock)"""
    changed = "[case when {0}.stock is distinct from {1}.stock then 'stock' else 'in_stock' end]"
    db.execute(
        f"""insert into temp.aud_news by name
            with now as (select product_id, seen_at, own_at, unnest(options) as o from temp.aud_p
                         where not fresh and gone_at is null),
                 was as (select product_id, unnest(options) as o from synced.base_products
                         semi join temp.aud_p using (product_id))
            select '{Rank.PRODUCT}' as rank, 2 as place, n.o.option_id as sub, '{Event.PRODUCT_STOCK_UPDATE}' as event,
                'product' as kind, product_id as id, n.o.option_id as part,
                to_json(struct_pack(option_id := n.o.option_id))::varchar as about,
                {changed.format("n.o", "w.o")} as changed,
                false as late, {by.is_off(Event.PRODUCT_STOCK_UPDATE)} as silent, n.seen_at, n.own_at
            from now as n join was as w using (product_id)
            where n.o.option_id = w.o.option_id and ({differs.format("n.o", "w.o")})"""
    )
    db.execute(
        f"""insert into temp.aud_news by name
            select '{Rank.PRODUCT}' as rank, 2 as place, '' as sub, '{Event.PRODUCT_STOCK_UPDATE}' as event,
                'product' as kind, product_id as id, '' as part, '{{"option_id":null}}' as about,
                {changed.format("n", "b")} as changed, false as late,
                {by.is_off(Event.PRODUCT_STOCK_UPDATE)} as silent, n.seen_at, n.own_at
            from temp.aud_p as n join synced.base_products as b using (product_id)
            where n.gone_at is null and ({differs.format("n", "b")})
              and len(list_filter(coalesce(n.options, []), lambda o: o.stock is not null)) = 0"""
    )


def _passed_on_stock(db: Db, by: Terms) -> None:
    """Pass on a post that brought no number as it came; the column stays as it is (rulings, audience 4)."""
    posts = "select 1 from staged.shop_passed_on where event = ? limit 1"
    if db.row(posts, [str(Event.PRODUCT_STOCK_UPDATE)]) is None:
        return
    db.execute(
        f"""insert into temp.aud_news by name
            select '{Rank.PRODUCT}' as rank, 2 as place, p.part as sub, p.event, 'product' as kind, p.id, p.part,
                to_json(struct_pack(option_id := p.option_id, numberless := true))::varchar as about,
                ['in_stock'] as changed, false as late, {by.is_off(Event.PRODUCT_STOCK_UPDATE)} as silent,
                p.seen_at, {_OWN} as own_at
            from (select event, id, value ->> '$.option_id' as option_id, coalesce(option_id, '') as part,
                      max(seen_at) as seen_at
                  from staged.shop_passed_on where event = '{Event.PRODUCT_STOCK_UPDATE}' group by all) as p
            join staged.shop_products as s on s.product_id = p.id and s.gone_at is null
            join synced.base_products as b on b.product_id = p.id
            anti join {left("product")} as l on l.id = p.id
            anti join (select id, part from temp.aud_news where event = '{Event.PRODUCT_STOCK_UPDATE}') as n
                on n.id = p.id and n.part = p.part
            where not coalesce(b.told_call in ('history', 'late') and p.seen_at <= b.told_at, false)"""
    )


def _out_of_stock(db: Db, by: Terms) -> None:
    """Find products that are out of stock and were not; also new ones, once they were added (rulings, audience 4)."""
    db.execute(
        f"""insert into temp.aud_news by name
            select '{Rank.PRODUCT}' as rank, 3 as place, '' as sub, '{Event.PRODUCT_OUT_OF_STOCK}' as event,
                'product' as kind, n.product_id as id, '' as part,
                [case when n.gone_at is null then 'stock' else 'gone_at' end] as changed,
                false as late, {by.is_off(Event.PRODUCT_OUT_OF_STOCK)} as silent,
                coalesce(n.gone_at, n.seen_at) as seen_at, n.own_at
            from temp.aud_p as n left join synced.base_products as b using (product_id)
            left join (select id from temp.aud_news
                       where event = '{Event.PRODUCT_ADD}' and not late and not silent) as a
                on a.id = n.product_id
            where n.out_of_stock and case when n.fresh then a.id is not null else not b.out_of_stock end"""
    )


def wishes(db: Db, by: Terms) -> None:
    """Find wishes that came and went; where one of a customer's is old, the whole list goes as late history."""
    db.execute(
        f"""create or replace temp table aud_came as
            select s.customer_id, s.product_id, s.seen_at, {_OWN} as own_at,
                c.id is not null or {by.is_old(Block.WISHLIST, _OWN, "s.lacked_at")} as late
            from (select * from staged.shop_wishlists where gone_at is null) as s
            anti join synced.base_wishes as b using (customer_id, product_id)
            anti join {held_shoppers()} as h on h.id = s.customer_id
            anti join {left("wish")} as l on l.id = s.customer_id
            left join {released_shoppers()} as c on c.id = s.customer_id"""
    )
    if not is_empty(db, "aud_came"):
        _came(db, by)
    db.execute(
        f"""insert into temp.aud_news by name
            select '{Rank.WISH}' as rank, 0 as place, '' as sub, '{Event.WISHLIST_DELETE}' as event, 'wish' as kind,
                {_WISH} as id, '' as part, {_ABOUT_WISH}, ['product_id'] as changed, false as late,
                {by.is_off(Event.WISHLIST_DELETE)} as silent,
                coalesce(s.gone_at, timestamp '{by.now}') as seen_at, {_OWN} as own_at
            from synced.base_wishes as b left join staged.shop_wishlists as s using (customer_id, product_id)
            anti join {held_shoppers()} as h on h.id = customer_id
            anti join (select id from temp.aud_open where kind = 'wish') as l on l.id = customer_id
            anti join (select customer_id as id from staged.shop_customers where gone_at is not null) as g
                on g.id = customer_id
            where s.product_id is null or s.gone_at is not null"""
    )


def _came(db: Db, by: Terms) -> None:
    db.execute(
        f"""insert into temp.aud_news by name
            select '{Rank.WISH}' as rank, 0 as place, '' as sub, '{Event.WISHLIST_ADD}' as event, 'wish' as kind,
                customer_id as id, '' as part, ['product_id'] as changed, true as late, false as silent,
                max(seen_at) as seen_at, min(own_at) as own_at
            from temp.aud_came group by customer_id having bool_or(late)"""
    )
    db.execute(
        f"""insert into temp.aud_news by name
            select '{Rank.WISH}' as rank, 1 as place, '' as sub, '{Event.WISHLIST_ADD}' as event, 'wish' as kind,
                {_WISH} as id, '' as part, {_ABOUT_WISH}, ['product_id'] as changed, false as late,
                {by.is_off(Event.WISHLIST_ADD)} as silent, seen_at, own_at
            from temp.aud_came
            anti join (select customer_id from temp.aud_came where late) as l using (customer_id)"""
    )


def carts(db: Db, by: Terms) -> None:
    """Find carts whose lines differ; a customer's first cart that is empty is nothing.

    The history tells a customer's cart with the customer, so an old cart without base goes as late history of its
    customer, and never as an event.
    """
    db.execute(
        f"""create or replace temp table aud_ids as
            select coalesce(n.customer_id, b.customer_id) as id, n.cart.cart_id as cart_id,
                b.customer_id is null as fresh
            from ({bases.NEWEST_CARTS}) as n full join synced.base_carts as b using (customer_id)
            where case when n.customer_id is null then len(coalesce(b.lines, [])) > 0
                  else n.cart.digest is distinct from b.digest end"""
    )
    if not is_empty(db, "aud_ids"):
        _differing_carts(db, by)
    if not by.guest_carts:
        note(
            db, Noted.GUEST_CART, "cart",
            """select cart_id from staged.shop_carts semi join staged.shop_cart_lines using (cart_id)
               where customer_id is null and gone_at is null""",
        )  # fmt: skip


def _differing_carts(db: Db, by: Terms) -> None:
    guests = "" if by.guest_carts else "where id <> ''"
    db.execute(
        f"""create or replace temp table aud_carts as
            select * from (select * from temp.aud_ids {guests}) anti join {held_shoppers()} as h using (id)
            anti join {left("customer")} as l using (id)
            anti join (select id from temp.aud_news where kind = 'customer' and late) as n using (id)"""
    )
    db.execute(
        f"""create or replace temp table aud_c as
            select i.id, i.fresh, coalesce(n.lines, []) as lines, c.seen_at, coalesce(c.own_at, c.posted_at) as own_at,
                c.lacked_at, k.customer_id is not null as known,
                a.id is not null or not i.fresh as told
            from temp.aud_carts as i left join staged.shop_carts as c on c.cart_id = i.cart_id
            left join ({bases.carts("temp.aud_carts")}) as n on n.customer_id = i.id
            left join synced.base_customers as k on k.customer_id = i.id
            left join (select id from temp.aud_news where event = '{Event.CUSTOMER_ADD}') as a on a.id = i.id"""
    )
    db.execute(
        f"""create or replace temp table aud_old_carts as
            select id, known, seen_at, own_at from temp.aud_c
            where len(lines) > 0 and not told and {by.is_old(Block.CUSTOMERS, "own_at", "lacked_at")}"""
    )
    db.execute(
        f"""insert into temp.aud_news by name
            select '{Rank.CUSTOMER}' as rank, 0 as place, '' as sub, '{Event.CUSTOMER_ADD}' as event,
                'customer' as kind, id, '' as part, ['cart'] as changed, true as late, false as silent, seen_at, own_at
            from temp.aud_old_carts where known"""
    )
    db.execute(
        f"""insert into temp.aud_news by name
            select '{Rank.CART}' as rank, 0 as place, '' as sub, '{Event.CART_UPDATE}' as event, 'cart' as kind,
                c.id, '' as part, ['lines'] as changed, false as late,
                {by.is_off(Event.CART_UPDATE)} as silent, coalesce(c.seen_at, timestamp '{by.now}') as seen_at, c.own_at
            from temp.aud_c as c left join synced.base_carts as b on b.customer_id = c.id
            anti join temp.aud_old_carts as o on o.id = c.id
            where c.lines is distinct from coalesce(b.lines, [])"""
    )
    db.execute(
        """insert into planned.audience_moves select 'cart', id from temp.aud_c
           anti join (select id from temp.aud_old_carts where known) as o using (id)"""
    )
