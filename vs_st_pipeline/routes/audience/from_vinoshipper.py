"""Vinoshipper as a source: everybody's details, all orders, the product feed (audience.md 4.2; routes.md R34).

Data flow: the winery -> raw.vinoshipper_* (or the rows of the route that reads it for all) -> raw.vinoshipper_mapped,
raw.vinoshipper_feed -> temporary tables -> `merging` -> staged.

Which of its keys become which column stands in the connector's `shop_rows`. Where route `contacts` is on for the
merchant, it reads customers and orders for both; here they are looked at for a moment, and without news if they cannot
be. The feed is read here.

It is long because a source is all that the route asks of a shop, kind by kind.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from typing import Any, Final, TypeVar

from vs_st_pipeline.connectors import vinoshipper
from vs_st_pipeline.connectors.vinoshipper import hinted, landing, landing_orders, shop_reading
from vs_st_pipeline.connectors.vinoshipper.limitations import newest_unseen, read_limitations
from vs_st_pipeline.connectors.vinoshipper.settings import VinoshipperSettings
from vs_st_pipeline.connectors.vinoshipper.shop_reading import MAPPED, Mapped
from vs_st_pipeline.domain.errors import BadAnswer, Forbidden, Interrupted, PipelineError, Refused, TryLater
from vs_st_pipeline.pipeline.readers import reader_of
from vs_st_pipeline.platform.run import RequestLogEntry, Run
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.platform.warehouse.files import DEFAULT_ROUTE
from vs_st_pipeline.platform.warehouse.state import get_state, set_state
from vs_st_pipeline.platform.warehouse.unreadable import read_unreadable
from vs_st_pipeline.routes.audience import arriving, merging
from vs_st_pipeline.routes.audience.session import AudienceSession
from vs_st_pipeline.routes.audience.sources import POSTED, Seen, Size, can_have, size_of
from vs_st_pipeline.routes.audience.systems import NAME, VINOSHIPPER
from vs_st_pipeline.routes.audience.words import Block, Event, Kind, Noted

T = TypeVar("T")

READERS: Final = (DEFAULT_ROUTE, NAME)
"""Who reads a winery for all routes: the first that is on (R34)."""

UNSEEN: Final = (
    "a customer who opts in or out at Vinoshipper shows when the detail is read again (refresh.customer_details), or "
    "at once after a webhook"
)
CUSTOMERS, ORDERS, PRODUCTS = "customers", "orders", "products"
_READ_ONCE: Final = "vinoshipper_read_once"  # the state: kinds that were read completely once
_STAGED: Final = "vinoshipper_staged"  # the state: up to which change each kind is staged
_LISTED: Final = "vinoshipper_listed"  # the state: the complete customer list that is staged
_NEEDS: Final = {
    Block.CUSTOMERS: CUSTOMERS,
    Block.SUBSCRIBERS: CUSTOMERS,
    Block.PRODUCTS: PRODUCTS,
    Block.ORDERS: ORDERS,
}
_PAGE: Final = 250  # customers of a page of the list
_PERSON: Final = arriving.PERSON
_ORDER: Final = {**arriving.ORDER, "own_at": arriving.TIME}


def reads_itself(run: Run) -> bool:
    """Say whether this route reads the merchant's winery, and no other one for it (R34)."""
    return reader_of(READERS, run.merchant.routes) == NAME


class VinoshipperSource:
    """A winery's account at Vinoshipper."""

    system = VINOSHIPPER
    lacks: Mapping[str, str] = {
        **POSTED,
        Event.CART_UPDATE: "Vinoshipper shows no carts: let the site post them (section shop)",
    }

    def read(self, session: AudienceSession, only: Collection[tuple[str, str]] | None = None) -> Seen:
        run, seen = session.run, Seen(unseen=[UNSEEN])
        if only is not None:  # they were read one by one
            named: dict[str, list[str]] = {}
            for kind, own in only:
                named.setdefault(kind, []).append(own)
            look = _own(run)
            seen.walked = {
                CUSTOMERS: shop_reading.map_customers(run, look, named.get(Kind.CUSTOMER, [])),
                ORDERS: shop_reading.map_orders(run, look, named.get(Kind.ORDER, [])),
            }
            return seen
        vs = session.client(vinoshipper.CONNECTOR)
        reads: dict[str, Callable[[], Any]] = {PRODUCTS: lambda: shop_reading.read_products(run, vs)}
        if reads_itself(run):
            reads = {
                CUSTOMERS: lambda: shop_reading.read_customers(run, vs),
                ORDERS: lambda: shop_reading.read_orders(run, vs),
                **reads,
            }
        for kind, read in reads.items():
            if any(not _is_of_one_kind(error) for error in seen.failed.values()):
                break  # the system's own trouble
            try:
                seen.walked[kind] = read()
            except Interrupted:
                raise
            except PipelineError as error:
                if run.stop():
                    raise
                seen.failed[kind] = error
        if len(seen.failed) == len(reads):
            raise next(iter(seen.failed.values()))
        self._map(session, seen)
        return seen

    def _map(self, session: AudienceSession, seen: Seen) -> None:
        """Make anew what changed, of our own rows or of those of the route that reads for all."""
        run, itself = session.run, reads_itself(session.run)
        look = _own(run) if itself else _others(run)
        try:
            for kind, make in ((CUSTOMERS, shop_reading.map_customers), (ORDERS, shop_reading.map_orders)):
                if kind in seen.failed:
                    continue
                told = make(run, look)
                if isinstance(seen.walked.get(kind), int):
                    seen.rows[kind] = seen.walked[kind]
                else:
                    seen.rows[kind] = told.rows
                seen.walked[kind] = told
            self._limits(session, seen, look)
        except TryLater as error:
            if itself:
                raise
            run.request_log.append(RequestLogEntry(VINOSHIPPER, "read by route contacts", 0, error.message))
            for kind in (CUSTOMERS, ORDERS):
                seen.walked.pop(kind, None)
        if isinstance(seen.walked.get(PRODUCTS), tuple):
            seen.rows[PRODUCTS] = seen.walked[PRODUCTS][0]
        with run.open() as db:
            seen.rows["subscribers"] = _subscribed(db)
            once = dict.fromkeys(get_state(db, _READ_ONCE) or [])
            for kind, told in seen.walked.items():
                if kind not in seen.failed and (kind == PRODUCTS or told.complete):
                    once[kind] = None
            if list(once) != (get_state(db, _READ_ONCE) or []):
                set_state(db, _READ_ONCE, list(once), run.now())

    def _limits(self, session: AudienceSession, seen: Seen, look: Callable[[Callable[[Db], Any]], Any]) -> None:
        def read(db: Db) -> Any:
            spots = [spot.sentence for spot, _ in read_limitations(db)]
            return spots, newest_unseen(db) is not None, len(read_unreadable(db))

        sentences, cut, unreadable = look(read)
        seen.unseen += sentences
        session.told.orders_unseen = cut  # R24: the sync is `partial`
        if unreadable:
            session.told.noted[Noted.UNREADABLE] += unreadable

    def stage(self, session: AudienceSession) -> None:
        run, walked = session.run, session.seen.walked
        with run.open() as db, db.transaction():
            staged: dict[str, int] = get_state(db, _STAGED) or {}
            if (feed := walked.get(PRODUCTS)) is not None and PRODUCTS not in session.seen.failed:
                self._products(session, db, whole=feed[1])
            for kind, stage in ((CUSTOMERS, self._customers), (ORDERS, self._orders)):
                told = walked.get(kind)
                if isinstance(told, Mapped):
                    stage(session, db, told, staged)
            if staged != (get_state(db, _STAGED) or {}):
                set_state(db, _STAGED, staged, run.now())

    # --- each kind --------------------------------------------------------------------------------------------------

    def _products(self, session: AudienceSession, db: Db, *, whole: bool) -> None:
        source = f"select id, mapped from {shop_reading.PRODUCTS.table} where mapped is not null"
        arriving.rows_of(db, "arrived_products", "product_id", source, arriving.PRODUCT, {})
        now = session.run.now()
        merging.merge(
            session,
            db,
            merging.Incoming("products", "arrived_products", now, {}, whole, now if whole else None),
        )
        arriving.note_bad_values(db, Kind.PRODUCT, source)

    def _customers(self, session: AudienceSession, db: Db, told: Mapped, staged: dict[str, int]) -> None:
        """Stage all customers with each complete list, else those that changed; none is gone but by such a list."""
        listed = told.listed_at.isoformat() if told.listed_at is not None else None
        complete = session.only is None and told.complete and listed is not None and listed != get_state(db, _LISTED)
        source = self._changed(session, db, "customer", told, staged, everything=complete)
        if source is None:
            return
        parts = arriving.rows_of(
            db, "arrived_customers", "customer_id", source, _PERSON, {"addresses": arriving.ADDRESS}
        )
        db.execute(f"alter table {parts['addresses']} add column position integer default 0")
        now = session.run.now()
        merging.merge(
            session,
            db,
            merging.Incoming(
                "customers",
                "arrived_customers",
                now,
                {"shop_addresses": parts["addresses"]},
                complete,
                now if complete else None,
            ),
        )
        arriving.note_bad_values(db, Kind.CUSTOMER, source)
        if complete:
            set_state(db, _LISTED, listed, now)

    def _orders(self, session: AudienceSession, db: Db, told: Mapped, staged: dict[str, int]) -> None:
        complete = session.only is None and told.complete and ORDERS not in (get_state(db, _STAGED) or {})
        source = self._changed(session, db, "order", told, staged, everything=complete)
        if source is None:
            return
        parts = arriving.rows_of(db, "arrived_orders", "order_id", source, _ORDER, {"lines": arriving.ORDER_LINE})
        now = session.run.now()
        merging.merge(
            session,
            db,
            merging.Incoming(
                "orders",
                "arrived_orders",
                now,
                {"shop_order_lines": parts["lines"]},
                complete,
                now if complete else None,
            ),
        )
        arriving.note_bad_values(db, Kind.ORDER, source)
        if complete:
            staged[ORDERS] = max(1, staged.get("order", 0))

    def _changed(
        self, session: AudienceSession, db: Db, kind: str, told: Mapped, staged: dict[str, int], *, everything: bool
    ) -> str | None:
        """Return the query for the records to stage now; None where there is none."""
        newest = int(db.value(f"select coalesce(max(changed), 0) from {MAPPED} where kind = ?", [kind]))
        through = staged.get(kind, 0)
        if not everything and newest <= through:
            return None
        among = f"changed > {0 if everything else through}"
        if session.only is None:
            staged[kind] = newest
        elif told.ids:  # a hint stages what it has brought, and leaves the rest to a whole sync
            quoted = ", ".join("'" + own.replace("'", "''") + "'" for own in told.ids)
            among += f" and id in ({quoted})"
        else:
            return None
        return f"select id, mapped from {MAPPED} where kind = '{kind}' and mapped is not null and {among}"

    # --- what stands ------------------------------------------------------------------------------------------------

    def is_complete(self, session: AudienceSession, block: str) -> bool:
        needed = _NEEDS.get(Block(block))
        with session.run.open() as db:
            return needed is None or needed in (get_state(db, _READ_ONCE) or [])

    def can_have(self, session: AudienceSession, block: str) -> bool:
        return can_have(session, block)

    def read_one(self, session: AudienceSession, kind: str, own: str) -> bool | None:
        run, vs = session.run, session.client(vinoshipper.CONNECTOR)
        if not reads_itself(run) or kind not in (Kind.CUSTOMER, Kind.ORDER):
            raise KeyError(kind)  # the reader settles its own hint first (R34); a feed cannot be asked for one product
        try:
            text = vs.customer(int(own)).text if kind == Kind.CUSTOMER else vs.order(own).text
        except Refused as error:
            if error.http_status != 404:
                raise
            return None
        if kind == Kind.CUSTOMER:
            news = landing.land_hinted_customer(run, int(own), text)
        else:
            news = landing_orders.land_hinted_order(run, own, text, run.now()).news
        with run.open() as db, db.transaction():  # what is not staged is known by its hash: no second read is needed
            db.execute("delete from raw.hints where kind = ? and id = ?", [kind, own])
        return news

    def owner_to_read(self, db: Db, order_id: str) -> str | None:
        owner: str | None = db.value(
            f"""select cast(customer_id as varchar) as owner from raw.vinoshipper_orders
                where order_number = ? and owner not in (select id from {MAPPED} where kind = 'customer')""",
            [order_id],
        )
        return owner

    def is_known(self, db: Db, kind: str, own: str) -> bool:
        return hinted.is_stored(db, kind, own)

    def first_walk(self, session: AudienceSession) -> Size | None:
        run = session.run
        with run.open() as db:
            if set(get_state(db, _READ_ONCE) or []) >= {CUSTOMERS, ORDERS}:
                return None
            known = db.rows(
                """select (select count(*) from raw.vinoshipper_customers where deleted_at is null),
                          (select count(*) from raw.vinoshipper_customers where detail_at is null),
                          (select count(*) from raw.vinoshipper_orders where detail_at is null)"""
            )[0]
        rate = run.merchant.section(VinoshipperSettings).requests_per_second
        people, unread, orders = known
        unknown = []
        if not people:
            with suppress(Refused, BadAnswer, Forbidden):
                people = unread = session.client(vinoshipper.CONNECTOR).list_customers(0, 1).total or 0
        if not orders:
            unknown.append("the order history (a request for each order)")
        return size_of(-(-people // _PAGE) + unread + orders, rate, unknown)


def _own(run: Run) -> Callable[[Callable[[Db], T]], T]:
    def look(read: Callable[[Db], T]) -> T:
        with run.open() as db:
            return read(db)

    return look


def _others(run: Run) -> Callable[[Callable[[Db], T]], T]:
    return lambda read: run.peek(DEFAULT_ROUTE, read)


def _is_of_one_kind(error: PipelineError) -> bool:
    return isinstance(error, Refused | BadAnswer | Forbidden)


def _subscribed(db: Db) -> int:
    return int(
        db.value(
            f"""select count(*) from {MAPPED} where kind = 'customer'
                and json_extract_string(mapped, '$.opted_in') = 'true'
                and json_extract_string(mapped, '$.email') is not null"""
        )
    )
