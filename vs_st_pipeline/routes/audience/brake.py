"""Refuses a plan that a broken source would make (audience.md 9, "Brake"; routes.md R38).

    shrank       a complete read with under 80 % of the rows of the last one that passed
    other_shop   under 20 % of the base's ids are in a complete read that is not smaller
    prices       over 30 % of the products with a price would lose it, or have 0
    stock        over 30 % of those in stock would be out of it, or gone
    losing       over 30 % of the customers would lose e-mail, phone or name
    unsubscribed over 30 % of the subscribers would be unsubscribed
    no_prices    before a first history: over 30 % of the products have price 0

Data flow: staged.shop_reads, planned.audience_news, staged.*, synced.base_* -> verdicts -> `pipeline.verdicts`.

Each with 10 or more in the base of the kind (the last: 10 or more products). Loss trips the brake, change does not: new
orders, other prices, statuses pass in any number. A plan goes whole or not at all.
"""

from __future__ import annotations

from typing import Final

from vs_st_pipeline.domain.brake import FEWEST, LOSING_ABOVE, SHRANK, SHRUNK_BELOW, Verdict, refusal
from vs_st_pipeline.domain.errors import Unsafe
from vs_st_pipeline.pipeline import verdicts
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.routes.audience.session import AudienceSession
from vs_st_pipeline.routes.audience.systems import DESTINATION
from vs_st_pipeline.routes.audience.words import Event, Rank

OTHER_SHOP, PRICES, STOCK, LOSING, UNSUBSCRIBED, NO_PRICES = (
    "other_shop", "prices", "stock", "losing", "unsubscribed", "no_prices",
)  # fmt: skip
SAME_AT_LEAST: Final = 20  # per cent of the base's ids, in a read of the same shop
_BASES: Final = {  # kind of a read -> staged, base, columns of the id
    "customers": ("shop_customers", "base_customers", "customer_id"),
    "subscribers": ("shop_subscribers", "base_subscribers", "address"),
    "products": ("shop_products", "base_products", "product_id"),
    "wishlists": ("shop_wishlists", "base_wishes", "customer_id, product_id"),
    "orders": ("shop_orders", "base_orders", "order_id"),
}


def ask(session: AudienceSession) -> None:
    """Judge the plan; notes that the complete reads passed where it lets it pass.

    Raises:
        Unsafe: nothing of this plan is sent, the base does not move; `session.refused` says so too.
    """
    run = session.run
    with run.open() as db:
        found = [*_reads(db), *_losses(db), *_first_history(db)]
        if run.trigger == "hint":  # a few records trip nothing by themselves, and are bound by what stands
            known = {(one.part, one.rule) for one in found}
            rows = db.rows("select part, rule, loss, sentence from synced.verdicts")
            found += [Verdict(*row) for row in rows if (row[0], row[1]) not in known]
        session.verdicts = found
        says = refusal(found)
        if verdicts.is_refused(run, db, found, says):
            session.refused = Unsafe(says or "", system=DESTINATION)
            raise session.refused
        with db.transaction():
            db.execute("update planned.audience_made set passed = true where not passed")
            db.execute("update staged.shop_reads set passed = true where not passed")


def _reads(db: Db) -> list[Verdict]:
    """Judge the newest complete read of each kind by the last one that passed."""
    found = []
    for kind in _BASES:
        newest = db.row(
            "select rows, passed from staged.shop_reads where kind = ? order by ended_at desc, rowid desc limit 1",
            [kind],
        )
        if newest is None or newest[1]:
            continue
        known, same = _still_there(db, kind)
        before = db.value(
            "select rows from staged.shop_reads where kind = ? and passed order by ended_at desc, rowid desc limit 1",
            [kind],
        )
        if known < FEWEST or before is None:
            continue
        rows = newest[0]
        if rows * 100 < before * SHRUNK_BELOW:
            says = f"{kind} shrank from {before} to {rows} (less than {SHRUNK_BELOW} %)"
            found.append(Verdict(kind, SHRANK, before - rows, says))
        elif rows >= before and same * 100 < known * SAME_AT_LEAST:
            says = f"only {same} of the {known} {kind} that were told are in what was read: is this another shop?"
            found.append(Verdict(kind, OTHER_SHOP, known - same, says))
    return found


def _still_there(db: Db, kind: str) -> tuple[int, int]:
    """Return how many of the base's ids could be in a read of a kind, and how many of them are in the newest.

    Of addresses only those could be that stood there once: customers carry consents, too.
    """
    staged, base, ids = _BASES[kind]
    once = f"select {ids} from staged.{staged}"
    there = f"synced.{base} semi join ({once} where gone_at is null) using ({ids})"
    known = f"synced.{base} semi join ({once}) using ({ids})" if kind == "subscribers" else f"synced.{base}"
    return _count(db, known), _count(db, there)


def _losses(db: Db) -> list[Verdict]:
    """Count who would lose something by this plan; what did not change loses nothing."""
    found: list[Verdict] = []

    def judge(part: str, rule: str, total: str, losing: str, says: str) -> None:
        lost = int(db.value(losing))
        if not lost:
            return
        of = int(db.value(total))
        if of >= FEWEST and lost * 100 > of * LOSING_ABOVE:
            found.append(Verdict(part, rule, lost, f"{lost} of {of} {says} (more than {LOSING_ABOVE} %)"))

    changed = "(select distinct id from planned.audience_moves where kind = '{}')"
    judge(
        "products", PRICES, f"select count(*) from synced.base_products as b where {_priced('b.price', 'b.options')}",
        f"""select count(*) from synced.base_products as b semi join {changed.format("product")} as m
                on m.id = b.product_id
            join staged.shop_products as s using (product_id)
            left join (select product_id, list(struct_pack(price)) as options from staged.shop_options
                       semi join {changed.format("product")} as m on m.id = product_id group by all) as o
                using (product_id)
            where {_priced("b.price", "b.options")} and s.gone_at is null and not {_priced("s.price", "o.options")}""",
        "products with a price would lose it",
    )  # fmt: skip
    judge(
        "products", STOCK, "select count(*) from synced.base_products where not out_of_stock and gone_at is null",
        f"""select count(distinct n.id) from planned.audience_news as n
            join synced.base_products as b on b.product_id = n.id
            where n.event = '{Event.PRODUCT_OUT_OF_STOCK}' and not b.out_of_stock and b.gone_at is null""",
        "products in stock would be out of it or gone",
    )  # fmt: skip
    loses = " or ".join(
        f"(trim(coalesce(b.{name}, '')) <> '' and trim(coalesce(s.{name}, '')) = '')"
        for name in ("email", "phone", "first_name", "last_name")
    )
    judge(
        "customers", LOSING, "select count(*) from synced.base_customers",
        f"""select count(*) from synced.base_customers as b semi join {changed.format("customer")} as m
                on m.id = b.customer_id
            join staged.shop_customers as s using (customer_id) where {loses}""",
        "customers would lose e-mail, phone or name",
    )  # fmt: skip
    # Who was taken over as maybe told, since the source said no then (5.1.7), is no subscriber who would be lost.
    judge(
        "subscribers", UNSUBSCRIBED,
        "select count(*) from synced.base_subscribers where subscribed and not (told = 'silent' and maybe)",
        f"""select count(distinct n.id) from planned.audience_news as n
            join synced.base_subscribers as b on b.address = n.id
            where n.event = '{Event.NEWSLETTER}' and n.rank = '{Rank.UNSUBSCRIBE}'
              and not (b.told = 'silent' and b.maybe)""",
        "subscribers would be unsubscribed",
    )  # fmt: skip
    return found


def _priced(price: str, options: str) -> str:
    """Return the SQL that says whether a product has a price above 0: its options', where one of them has any."""
    return f"(coalesce(list_max(list_transform({options}, lambda o: o.price)), {price}, 0) > 0)"


def _first_history(db: Db) -> list[Verdict]:
    """Judge prices before the first products are told: a shop that is half set up."""
    if db.value("select count(*) from synced.audience_blocks where block = 'products' and state <> 'waiting'"):
        return []
    total, free = db.row(
        """select count(*), count(*) filter (where coalesce(o.price, p.price) = 0)
           from staged.shop_products as p
           left join (select product_id, max(price) as price from staged.shop_options group by all) as o
               using (product_id)
           where gone_at is null"""
    ) or (0, 0)
    if total < FEWEST or free * 100 <= total * LOSING_ABOVE:
        return []
    says = f"{free} of {total} products have price 0 (more than {LOSING_ABOVE} %), and nothing was told yet"
    return [Verdict("products", NO_PRICES, free, says)]


def _count(db: Db, table: str) -> int:
    return int(db.value(f"select count(*) from {table}"))
