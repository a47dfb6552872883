"""Commerce7 as a source: its lists into raw, and raw into staged (audience.md 4.2; rulings, audience 7).

Data flow: products, customers, addresses, carts, orders -> raw.commerce7_* -> temporary tables -> `merging` -> staged.

Which of its keys become which column stands in the connector's `shop_rows`. All lists but the orders' are walked whole
in each whole sync, for none of them can be asked for what changed; a walk goes on where the last sync has left it.

It is long because a source is all that the route asks of a shop, list by list.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from vs_st_pipeline.connectors import commerce7
from vs_st_pipeline.connectors.commerce7 import reading, shop_rows, stored
from vs_st_pipeline.connectors.commerce7.client import LARGEST_PAGE, Commerce7Client
from vs_st_pipeline.connectors.commerce7.hooks import ALL
from vs_st_pipeline.connectors.commerce7.order_record import as_text
from vs_st_pipeline.connectors.commerce7.shop_lists import (
    ADDRESSES,
    BY_NAME,
    CARTS,
    CUSTOMERS,
    ORDERS,
    PRODUCTS,
)
from vs_st_pipeline.connectors.commerce7.shop_orders import walk_orders
from vs_st_pipeline.connectors.commerce7.shop_walks import Walked, note_unreadable, walk_list, walk_of
from vs_st_pipeline.domain.codec import try_object
from vs_st_pipeline.domain.errors import BadAnswer, Forbidden, Interrupted, PipelineError, Refused
from vs_st_pipeline.domain.records import prove
from vs_st_pipeline.platform.kept_records import Came, land_one, text_of
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.platform.warehouse.state import get_state, set_state
from vs_st_pipeline.routes.audience import arriving, merging
from vs_st_pipeline.routes.audience.session import AudienceSession
from vs_st_pipeline.routes.audience.sources import POSTED, Seen, Size, can_have, size_of
from vs_st_pipeline.routes.audience.systems import COMMERCE7
from vs_st_pipeline.routes.audience.words import Block, Kind, Noted

NEEDS: Final = {
    Block.CUSTOMERS: (CUSTOMERS, ADDRESSES),
    Block.SUBSCRIBERS: (CUSTOMERS,),
    Block.PRODUCTS: (PRODUCTS,),
    Block.WISHLIST: (),
    Block.ORDERS: (ORDERS,),
}
"""Which lists have to be read to their end before a block of the history begins (5.1.1)."""

_STAGED: Final = "commerce7_orders_staged"  # the state: up to which change orders are staged
_AT_ONCE: Final = 1000
_PATHS: Final = ("/customer", "/customer-address", "/product", "/cart", "/order")


class Commerce7Source:
    """A winery's shop at Commerce7."""

    system = COMMERCE7
    lacks: Mapping[str, str] = POSTED

    def read(self, session: AudienceSession, only: Collection[tuple[str, str]] | None = None) -> Seen:
        run, client, seen = session.run, session.client(commerce7.CONNECTOR), Seen()
        if only is not None:
            return seen  # hinted records are read one by one, before
        ended: dict[str, Walked] = {}
        # Customers after what names them: whoever ordered in between is in the list by then.
        for name in (PRODUCTS, CARTS, ORDERS, CUSTOMERS, ADDRESSES):
            if any(not _is_of_one_list(error) for error in seen.failed.values()):
                break  # the system's own trouble: the other lists would fail alike
            try:
                ended[name] = self._walk(session, client, name)
            except Interrupted:
                raise
            except PipelineError as error:
                if run.stop():
                    raise
                if name == CARTS and _is_of_one_list(error):  # noted, and the rest goes on (4.2)
                    note_unreadable(run, CARTS, unreadable=True)
                else:
                    seen.failed[name] = error
        if len(seen.failed) == len(NEEDS):
            raise next(iter(seen.failed.values()))
        if ORDERS in ended:
            self._read_again(session, client)
        seen.walked = dict(ended)
        with run.open() as db:
            seen.rows = {name: one.rows for name, one in ended.items() if name != ADDRESSES}
            if CUSTOMERS in ended:
                seen.rows["subscribers"] = _subscribed(db)
        return seen

    def _walk(self, session: AudienceSession, client: Commerce7Client, name: str) -> Walked:
        def may_go_on() -> bool:
            return not session.over_budget

        if name == ORDERS:
            return walk_orders(session.run, client, may_go_on)
        walked = walk_list(session.run, client, BY_NAME[name], may_go_on)
        if name == CARTS and walked.ended:
            note_unreadable(session.run, CARTS, unreadable=False)
        return walked

    def _read_again(self, session: AudienceSession, client: Commerce7Client) -> None:
        """Read orders singly whose last answer said too little, or nothing (routes.md R23, R40)."""
        found = reading.read_again(session.run, client)
        if found:
            session.told.noted[Noted.UNREADABLE] += found

    def stage(self, session: AudienceSession) -> None:
        run, walked = session.run, session.seen.walked
        if session.only is not None:
            self._stage_only(session, session.only)
            return
        with run.open() as db, db.transaction():
            if _ended(walked, PRODUCTS):
                self._products(session, db, walked[PRODUCTS])
            if _ended(walked, CUSTOMERS) or _ended(walked, ADDRESSES):
                self._customers(session, db, walked.get(CUSTOMERS))
            # The variants of lines are options or none: not before the products are known (`_only_options`).
            if _ended(walked, CARTS) and _are_known(db, PRODUCTS):
                self._carts(session, db, walked[CARTS])
            unreadable = walk_of(db, CARTS).unreadable
            arriving.note(db, Noted.CARTS_UNREADABLE, Kind.CART, [""] if unreadable else [])
            # An order goes with its customer, whose age and consent are looked at: not before these are known.
            if _are_known(db, ORDERS) and _are_known(db, PRODUCTS) and _ended(walked, CUSTOMERS):
                self._orders(session, db, walked.get(ORDERS))

    def _stage_only(self, session: AudienceSession, records: Collection[tuple[str, str]]) -> None:
        """Stage what hints have brought: these records (kind, id) alone, which were read one by one."""
        ids: dict[str, list[str]] = {}
        for kind, own in records:
            ids.setdefault(kind, []).append(own)
        with session.run.open() as db, db.transaction():
            if found := ids.get(Kind.PRODUCT):
                self._products(session, db, None, found)
            if found := ids.get(Kind.CUSTOMER):
                self._customers(session, db, None, found)
            if (found := ids.get(Kind.ORDER)) and _are_known(db, PRODUCTS):
                self._orders(session, db, None, found)

    # --- each kind --------------------------------------------------------------------------------------------------

    def _products(
        self, session: AudienceSession, db: Db, walked: Walked | None, only: Sequence[str] | None = None
    ) -> None:
        with _named(db, only) as among:
            source = f"select id, mapped from {BY_NAME[PRODUCTS].table} where mapped is not null {among}"
            parts = arriving.rows_of(
                db, "arrived_products", "product_id", source, arriving.PRODUCT, {"options": arriving.OPTION}
            )
            _merge(session, db, "products", "arrived_products", {"shop_options": parts["options"]}, walked)
            arriving.note_bad_values(db, Kind.PRODUCT, source)

    def _customers(
        self, session: AudienceSession, db: Db, walked: Walked | None, only: Sequence[str] | None = None
    ) -> None:
        with _named(db, only) as among:
            source = f"select id, mapped from {BY_NAME[CUSTOMERS].table} where true {among}"
            arriving.rows_of(db, "arrived_customers", "customer_id", source, arriving.PERSON, {})
            parts: dict[str, str] = {}
            if _are_known(db, ADDRESSES):
                spec = arriving.struct({**arriving.ADDRESS, "first": arriving.TEXT, "since": arriving.TEXT})
                db.execute(
                    f"""create or replace temp table arrived_addresses as
                        select customer_id, (row_number() over (partition by customer_id
                                   order by try_cast(m.first as boolean) desc nulls last,
                                            try_cast(m.since as timestamp) nulls last, id) - 1)::integer as position,
                               {arriving.typed(arriving.ADDRESS)}
                        from (select id, shop_customer_id as customer_id, json_transform(mapped, '{spec}') as m
                              from {BY_NAME[ADDRESSES].table})
                        where customer_id in (select customer_id from arrived_customers)"""
                )
                parts["shop_addresses"] = "arrived_addresses"
            _merge(session, db, "customers", "arrived_customers", parts, walked)
            arriving.note_bad_values(db, Kind.CUSTOMER, source)

    def _carts(self, session: AudienceSession, db: Db, walked: Walked) -> None:
        source = f"select id, mapped from {BY_NAME[CARTS].table}"
        parts = arriving.rows_of(db, "arrived_carts", "cart_id", source, arriving.CART, {"lines": arriving.CART_LINE})
        _only_options(db, parts["lines"])
        _merge(session, db, "carts", "arrived_carts", {"shop_cart_lines": parts["lines"]}, walked)
        arriving.note_bad_values(db, Kind.CART, source)

    def _orders(
        self, session: AudienceSession, db: Db, walked: Walked | None, only: Sequence[str] | None = None
    ) -> None:
        """Stage the orders that changed since they were staged last, with the roots of refunds among them."""
        through = int(get_state(db, _STAGED) or 0) if only is None else 0
        newest = int(db.value(f"select coalesce(max(changed), 0) from {stored.TABLE}"))
        complete = walked is not None and walked.complete
        if only is None and newest == through and not complete:
            return
        with _named(db, only) as among:
            changed = f"changed > {0 if complete else through} {among}"
            db.execute(
                f"""create or replace temp table arrived_ids as
                    select row_number() over () as n, id from (
                        select id from {stored.TABLE} where {changed}
                        union select previous_id from {stored.TABLE} where previous_id is not null and {changed})"""
            )
        db.execute("create or replace temp table arrived_mapped (id varchar, mapped varchar)")
        for ids, mapped in self._mapped(session, db):
            with db.batch({"id": ids, "mapped": mapped}) as batch:
                db.execute(f"insert into arrived_mapped select id, mapped from {batch}")
        source = "select id, mapped from arrived_mapped"
        parts = arriving.rows_of(
            db, "arrived_orders", "order_id", source, arriving.ORDER, {"lines": arriving.ORDER_LINE}
        )
        _only_options(db, parts["lines"])
        _merge(session, db, "orders", "arrived_orders", {"shop_order_lines": parts["lines"]}, walked)
        arriving.note_bad_values(db, Kind.ORDER, source)
        db.execute("drop table arrived_mapped")
        db.execute("drop table arrived_ids")
        if only is None:
            set_state(db, _STAGED, newest, session.run.now())

    def _mapped(self, session: AudienceSession, db: Db) -> Iterator[tuple[list[str], list[str]]]:
        today, count = session.run.today(), int(db.value("select count(*) from arrived_ids"))
        for first in range(0, count, _AT_ONCE):
            rows = db.rows(
                f"""select o.id, o.body, exists (
                        select 1 from {stored.TABLE} as r where r.previous_id = o.id
                          and lower(trim(json_extract_string(r.body, '$.purchaseType'))) in ('refund', 'exchange')
                          and lower(json_extract_string(r.body, '$.paymentStatus')) is distinct from 'cancelled')
                    from {stored.TABLE} as o semi join (select id from arrived_ids where n > ? and n <= ?) using (id)
                    where o.body is not null""",
                [first, first + _AT_ONCE],
            )
            found = [
                (own, as_text(mapped))
                for own, text, refunded in rows
                if (mapped := shop_rows.order(try_object(text) or {}, today, refunded=refunded)) is not None
            ]
            yield [one[0] for one in found], [one[1] for one in found]

    # --- what stands ------------------------------------------------------------------------------------------------

    def is_complete(self, session: AudienceSession, block: str) -> bool:
        with session.run.open() as db:
            return all(_are_known(db, name) for name in NEEDS[Block(block)])

    def can_have(self, session: AudienceSession, block: str) -> bool:
        return can_have(session, block)

    def read_one(self, session: AudienceSession, kind: str, own: str) -> bool | None:
        run, client = session.run, session.client(commerce7.CONNECTOR)
        if kind == Kind.ORDER:
            with run.open() as db:
                before = _changed(db, own)
            if reading.read_one(run, client, own, "hint") is None:
                return None
            with run.open() as db:
                return bool(_changed(db, own) != before)
        if own == ALL:
            raise KeyError(own)
        name, ask = {Kind.CUSTOMER: (CUSTOMERS, client.customer), Kind.PRODUCT: (PRODUCTS, client.product)}[Kind(kind)]
        kept = BY_NAME[name].kept
        try:
            body = ask(own)
            prove(kept.kind, body, own)
        except PipelineError as error:
            if reading.is_not_there(error):
                return None
            raise
        return land_one(run, kept, Came(own, text_of(kept, body), own if name == CUSTOMERS else None))

    def owner_to_read(self, db: Db, order_id: str) -> str | None:
        owner: str | None = db.value(
            f"""select json_extract_string(body, '$.customerId') as owner from {stored.TABLE}
                where id = ? and owner not in (select id from {BY_NAME[CUSTOMERS].table})""",
            [order_id],
        )
        return owner

    def is_known(self, db: Db, kind: str, own: str) -> bool:
        table = (
            stored.TABLE if kind == Kind.ORDER else BY_NAME[{Kind.CUSTOMER: CUSTOMERS}.get(Kind(kind), PRODUCTS)].table
        )
        return db.value(f"select 1 from {table} where id = ? limit 1", [own]) is not None

    def first_walk(self, session: AudienceSession) -> Size | None:
        run, client = session.run, session.client(commerce7.CONNECTOR)
        with run.open() as db:
            waiting = [
                path
                for path, name in zip(_PATHS, (CUSTOMERS, ADDRESSES, PRODUCTS, CARTS, ORDERS), strict=True)
                if not _are_known(db, name)
            ]
        if not waiting:
            return None
        requests, unknown = 0, []
        for path in waiting:
            try:
                total = client.count(path)
            except (Refused, BadAnswer, Forbidden):
                total = None
            if total is None:
                unknown.append(path)
            else:
                requests += max(1, -(-total // LARGEST_PAGE))
        return size_of(requests, client.settings.requests_per_minute / 60, unknown)


def _merge(
    session: AudienceSession, db: Db, kind: str, table: str, parts: dict[str, str], walked: Walked | None
) -> None:
    now = session.run.now()
    complete = walked is not None and walked.complete
    began: datetime = walked.began_at if walked is not None else now
    merging.merge(session, db, merging.Incoming(kind, table, began, parts, complete, now if complete else None))


def _only_options(db: Db, lines: str) -> None:
    """Take away the variant of a product that has no options: then it is the product itself (4.2)."""
    db.execute(
        f"""update {lines} as l set option_id = null where option_id is not null and not exists (
                select 1 from staged.shop_options as o
                where o.product_id = l.product_id and o.option_id = l.option_id)"""
    )


def _changed(db: Db, order_id: str) -> Any:
    return db.value(f"select changed from {stored.TABLE} where id = ?", [order_id])


def _ended(walked: dict[str, Walked], name: str) -> bool:
    return name in walked and walked[name].ended


def _are_known(db: Db, name: str) -> bool:
    """Say whether a list was ever read to its end."""
    return walk_of(db, name).done_at is not None


def _is_of_one_list(error: PipelineError) -> bool:
    return isinstance(error, Refused | BadAnswer | Forbidden)


def _subscribed(db: Db) -> int:
    return int(
        db.value(
            f"""select count(*) from {BY_NAME[CUSTOMERS].table}
                where json_extract_string(mapped, '$.opted_in') = 'true'
                  and json_extract_string(mapped, '$.email') is not null"""
        )
    )


class _named:  # noqa: N801 (it is used as a word of a sentence)
    """Gives the end of a `where` that names these ids; None names all."""

    def __init__(self, db: Db, ids: Sequence[str] | None) -> None:
        self._batch = None if ids is None else db.batch({"id": sorted(set(ids))})

    def __enter__(self) -> str:
        return "" if self._batch is None else f"and id in (select id from {self._batch.__enter__()})"

    def __exit__(self, *error: Any) -> None:
        if self._batch is not None:
            self._batch.__exit__(*error)
