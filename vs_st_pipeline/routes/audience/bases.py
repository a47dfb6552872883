"""Says in SQL what the base keeps of a staged record, in one place for the history and for events (audience.md 5, 6.2).

Data flow: staged.shop_* -> rows with the columns of synced.base_*, and those that rendering needs besides.

Each query gives the records of a table of ids (`id`), gone ones too. Its first columns are those of the base, by name;
`COLUMNS` names them, so that `insert into ... by name` takes no other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.routes.audience.words import Block

TABLES: Final = {
    Block.CUSTOMERS: "synced.base_customers",
    Block.SUBSCRIBERS: "synced.base_subscribers",
    Block.PRODUCTS: "synced.base_products",
    Block.WISHLIST: "synced.base_wishes",
    Block.ORDERS: "synced.base_orders",
}
IDS: Final = {  # the column of the base, and of the record, by which a block's ids are told
    Block.CUSTOMERS: "customer_id",
    Block.SUBSCRIBERS: "address",
    Block.PRODUCTS: "product_id",
    Block.WISHLIST: "customer_id",
    Block.ORDERS: "order_id",
}
COLUMNS: Final = {
    Block.CUSTOMERS: (
        "customer_id", "first_name", "last_name", "birth_date", "email", "phone", "extra", "addresses", "digest",
        "gone_at",
    ),
    Block.SUBSCRIBERS: ("address", "email", "customer_id", "subscriber_id", "subscribed", "evidence"),
    Block.PRODUCTS: (
        "product_id", "sku", "slug", "name", "description", "short_description", "categories", "stock", "in_stock",
        "price", "discount_price", "discount_start", "discount_end", "discount_quantity", "image_link", "product_link",
        "extra", "options", "out_of_stock", "digest", "gone_at",
    ),
    Block.WISHLIST: ("customer_id", "product_id"),
    Block.ORDERS: (
        "order_id", "customer_id", "status", "paid", "total", "created_at", "others", "digest", "gone_at",
    ),
}  # fmt: skip

_SHARE: Final = 100_000

# Of several carts of a customer the newest counts (4.2); whoever is nobody's are all guests together.
NEWEST_CARTS: Final = """
    select coalesce(customer_id, '') as customer_id,
        arg_max(struct_pack(cart_id, cart_url, digest, updated_at),
                (coalesce(updated_at, '-infinity'::timestamp), cart_id)) as cart
    from staged.shop_carts where gone_at is null group by 1"""

OUT_OF_STOCK: Final = "coalesce(total_stock <= 0, in_stock is false)"


def customers(ids: str) -> str:
    """Return the query of customers, with `cart` (null: none that has a line) for the history and base_carts."""
    return f"""
        select c.customer_id, c.first_name, c.last_name, c.birth_date, c.email, c.phone, c.extra, a.addresses,
            c.digest, c.gone_at, b.cart_id, b.lines, b.cart_url, b.cart_digest
        from staged.shop_customers as c semi join {ids} as i on i.id = c.customer_id
        left join ({addresses(ids)}) as a using (customer_id)
        left join ({carts(ids)}) as b using (customer_id)"""


def addresses(ids: str) -> str:
    """Return the query of customers' addresses, a list for each customer that has any.

    Nearly everybody has one: to make a list of that takes a ninth of what it takes to sort and gather it.
    """
    return f"""
        with theirs as materialized (
            select customer_id, position,
                struct_pack(country, city, address1, address2, postcode, company, extra) as address
            from staged.shop_addresses semi join {ids} as i on i.id = customer_id
        ), several as (select customer_id from theirs group by customer_id having count(*) > 1)
        select customer_id, [address] as addresses from theirs anti join several using (customer_id)
        union all
        select customer_id, list(address order by position) as addresses
        from theirs semi join several using (customer_id) group by customer_id"""


def carts(ids: str) -> str:
    """Return the query of customers' carts that have a line, the newest of each; `''`: all guests together."""
    return f"""
        select n.customer_id, any_value(n.cart.cart_id) as cart_id, any_value(n.cart.cart_url) as cart_url,
            any_value(n.cart.digest) as cart_digest,
            list(struct_pack(product_id := l.product_id, option_id := l.option_id, quantity := l.quantity)
                order by l.product_id, l.option_id nulls first) as lines
        from ({NEWEST_CARTS}) as n semi join {ids} as i on i.id = n.customer_id
        join staged.shop_cart_lines as l on l.cart_id = n.cart.cart_id
        group by n.customer_id"""


def subscribers(ids: str) -> str:
    """Return the query of addresses, as they were judged."""
    return f"""
        select address, email, customer_id, subscriber_id, subscribed, evidence, since
        from planned.audience_addresses semi join {ids} as i on i.id = address"""


def products(ids: str) -> str:
    """Return the query of products with their options."""
    return f"""
        select p.* exclude (own_at, posted_at, written_at, seen_at, lacked_at, created_at, updated_at), o.options,
            {OUT_OF_STOCK.replace("total_stock", "coalesce(o.total, p.stock)")} as out_of_stock
        from staged.shop_products as p semi join {ids} as i on i.id = p.product_id
        left join ({options(ids)}) as o using (product_id)"""


def options(ids: str) -> str:
    """Return the query of products' options, a list for each product that has any; `total`: null if one is unknown."""
    return f"""
        select product_id, list(struct_pack(option_id, stock, in_stock, price, discount_price, discount_start,
                discount_end, discount_quantity, attributes) order by position nulls last, option_id) as options,
            case when count(*) = count(stock) then sum(stock) end as total
        from staged.shop_options semi join {ids} as i on i.id = product_id group by product_id"""


def wishes(ids: str) -> str:
    """Return the query of customers' wishlists, one row per wish."""
    return f"""
        select customer_id, product_id from staged.shop_wishlists semi join {ids} as i on i.id = customer_id
        where gone_at is null"""


def orders(ids: str) -> str:
    """Return the query of orders with their lines; `others` is a hash of what no event tells (6.2)."""
    return f"""
        select o.order_id, o.customer_id, o.status, o.paid, o.total, o.created_at, o.digest, o.gone_at,
            o.shipping_method, o.payment_method, o.extra, l.lines,
            hash(struct_pack(l.lines, o.total, o.customer_id, o.address1, o.address2, o.postcode, o.city, o.country))
                as others
        from staged.shop_orders as o semi join {ids} as i on i.id = o.order_id
        left join ({lines(ids)}) as l using (order_id)"""


def lines(ids: str) -> str:
    """Return the query of orders' lines, a list for each order that has any; no two of an order have one position."""
    return f"""
        select order_id,
            list_transform(
                list_sort(list(struct_pack(position, product_id, option_id, quantity))),
                lambda l: struct_pack(product_id := l.product_id, option_id := l.option_id, quantity := l.quantity)
            ) as lines
        from staged.shop_order_lines semi join {ids} as i on i.id = order_id group by order_id"""


ROWS: Final = {
    Block.CUSTOMERS: customers,
    Block.SUBSCRIBERS: subscribers,
    Block.PRODUCTS: products,
    Block.WISHLIST: wishes,
    Block.ORDERS: orders,
}


def shares(db: Db, ids: str) -> Iterator[str]:
    """Give a temporary table of ids in tables of so many that lists of their parts fit into memory, one by one.

    A list that is being gathered can neither be put on disk nor is it let go of: of all orders of a large shop they
    would be more than DuckDB may take.
    """
    count = 1 + int(db.value(f"select count(*) from {ids}")) // _SHARE
    if count == 1:
        yield ids
        return
    for share in range(count):
        db.execute(f"create or replace temp table aud_share as select * from {ids} where hash(id) % {count} = {share}")
        yield "temp.aud_share"


def add(
    db: Db,
    block: Block,
    rows: str,
    told: str,
    key: str | None,
    call: str | None,
    at: object,
    *,
    params: Sequence[Any] = (),
    carts: bool = True,
) -> None:
    """Add records to the base, inside the caller's transaction; of a customer the cart too.

    Args:
        rows: a query with the columns of `ROWS`, without records that the base has.
        told, key, call, at: what told them: see synced.base_*.
        params: of the query: a text that is the same each time is parsed once.
        carts: whether any of these customers has one.
    """
    columns, given = ", ".join(COLUMNS[block]), [told, key, call, at, *params]
    db.execute(
        f"""insert into {TABLES[block]} ({columns}, told, told_key, told_call, told_at)
            select {columns}, ?, ?, ?, ?::timestamp from ({rows})""",
        given,
    )
    if block is Block.CUSTOMERS and carts:
        db.execute(
            f"""insert into synced.base_carts
                    (customer_id, cart_id, lines, cart_url, digest, told, told_key, told_call, told_at)
                select customer_id, cart_id, lines, cart_url, cart_digest, ?, ?, ?, ?::timestamp
                from ({rows}) where lines is not null""",
            given,
        )


def remove(db: Db, block: Block, ids: str) -> None:
    """Take records out of the base, inside the caller's transaction; of a customer the cart too."""
    column = IDS[block]
    db.execute(f"delete from {TABLES[block]} where {column} in (select id from {ids})")
    if block is Block.CUSTOMERS:
        db.execute(f"delete from synced.base_carts where customer_id in (select id from {ids})")
