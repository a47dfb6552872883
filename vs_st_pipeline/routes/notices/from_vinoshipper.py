"""Vinoshipper as a source: orders that route `contacts` or `audience` reads for all, or that are read here (R34, R37).

Data flow: the reader's raw.vinoshipper_orders, vinoshipper_customers -> `vinoshipper_rows` -> `others`.

Another route's file is looked at for a moment in each sync; an order is taken over where it, or its customer, is not
what was taken over last. Who cannot look goes on without news. An order that is one of Commerce7's joins that one's
journey; which it is also stands in route `orders`, if a person has linked it there.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, Final

from vs_st_pipeline.connectors import vinoshipper
from vs_st_pipeline.connectors.commerce7.settings import Commerce7Settings
from vs_st_pipeline.connectors.vinoshipper import landing, landing_orders, shop_reading
from vs_st_pipeline.connectors.vinoshipper.customers import fetch_customers
from vs_st_pipeline.connectors.vinoshipper.details import fetch_customer_details
from vs_st_pipeline.connectors.vinoshipper.kinds import CUSTOMER, LISTED_CUSTOMER, ORDER
from vs_st_pipeline.connectors.vinoshipper.orders import HISTORY
from vs_st_pipeline.connectors.vinoshipper.read_queue import HINTED, hint
from vs_st_pipeline.domain.codec import try_object
from vs_st_pipeline.domain.errors import Refused, TryLater
from vs_st_pipeline.domain.records import believed
from vs_st_pipeline.platform.run import RequestLogEntry, Run
from vs_st_pipeline.platform.settings.merchants import Merchant
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.platform.warehouse.staged_batches import kept_of
from vs_st_pipeline.platform.warehouse.state import get_state, set_state
from vs_st_pipeline.routes.notices import asking_readers, status_map, vinoshipper_rows
from vs_st_pipeline.routes.notices.other_readers import ORDERS as ROUTE_ORDERS
from vs_st_pipeline.routes.notices.other_readers import look, reader, reads_itself
from vs_st_pipeline.routes.notices.other_tables import note_reads
from vs_st_pipeline.routes.notices.others import Read, Staging
from vs_st_pipeline.routes.notices.session import NoticesSession
from vs_st_pipeline.routes.notices.sources import Seen
from vs_st_pipeline.routes.notices.systems import VINOSHIPPER
from vs_st_pipeline.routes.notices.vinoshipper_rows import Customer

VERSION: Final = 1  # raised when the same rows are staged as something else
RECENT: Final = timedelta(days=60)
"""Orders that are settled, and were bought longer ago, are not taken over: nobody is told of anything that old."""
SETTLED_FOR: Final = timedelta(days=8)  # more than the greatest `max_age`
_STATE: Final = "vinoshipper_taken"  # whether orders were taken over, and by which map of words
_AT_ONCE: Final = 500
_VERSION: Final = """md5(concat_ws('|', coalesce(o.detail_hash, ''), coalesce(o.detail_kept, ''), o.detail_status,
    coalesce(c.list_hash, ''), coalesce(c.detail_hash, ''), coalesce(c.detail_leads, false), coalesce(c.list_kept, ''),
    coalesce(c.detail_kept, '')))"""
_FROM: Final = "from raw.vinoshipper_orders as o left join raw.vinoshipper_customers as c using (customer_id)"


class VinoshipperSource:
    """A winery's account at Vinoshipper."""

    system = VINOSHIPPER

    def read(self, session: NoticesSession) -> Seen:
        run = session.run
        if session.only is not None:
            return Seen()
        if not reads_itself(run.merchant, VINOSHIPPER):
            self._count(session)
            return Seen()
        client, began = session.client(vinoshipper.CONNECTOR), run.now()
        shop_reading.read_orders(run, client)
        fetch_customers(run, client)
        with run.open() as db:
            read_now = "select count(*) from raw.vinoshipper_orders where detail_at >= ?"
            session.told.seen["orders"] += int(db.value(read_now, [began]))
            owners = [
                row[0]
                for row in db.rows(
                    """select distinct customer_id from raw.vinoshipper_orders
                       where customer_id is not null and purchased_on >= ? order by 1""",
                    [run.today() - RECENT],
                )
            ]
        fetch_customer_details(run, client, owners)
        return Seen()

    def _count(self, session: NoticesSession) -> None:
        """Count what the reader has read since the last look: whether there may be something to tell."""
        run, by_whom = session.run, reader(session.run.merchant, VINOSHIPPER)
        with run.open() as db:
            last = db.value("select max(read_at) from staged.source_orders where source = ?", [VINOSHIPPER])
        sql = "select count(*) from raw.vinoshipper_orders where detail_at > ?"
        with suppress(TryLater):  # staging says so
            session.told.seen["orders"] += int(
                look(run, by_whom, lambda db: db.value(sql, [last if last is not None else datetime.min]))
            )

    def stage(self, session: NoticesSession, only: Collection[str] | None) -> None:
        run = session.run
        named = None if only is None else self._named(run, only)
        if named is not None and not named:
            return
        by_whom = reader(run.merchant, VINOSHIPPER)
        statuses = status_map.read(session.settings.statuses)
        since, settled = run.today() - RECENT, run.now() - SETTLED_FOR
        try:
            rows = look(run, by_whom, lambda db: _versions(db, since, settled, named))
            wanted = self._stale(run, rows)
            for first in range(0, len(wanted), _AT_ONCE):
                reads = self._reads(session, by_whom, wanted[first : first + _AT_ONCE])
                with run.open() as db, db.transaction():
                    Staging(run, db, VINOSHIPPER, session.settings, statuses).take(reads)
        except TryLater as error:
            run.request_log.append(RequestLogEntry(VINOSHIPPER, f"read by route {by_whom}", 0, error.message))
            rows = []
        linked = self._linked_by_person(run)
        with run.open() as db, db.transaction():
            staging = Staging(run, db, VINOSHIPPER, session.settings, statuses)
            staging.resolve(linked)
            note_reads(db, VINOSHIPPER, ((own, read_at) for own, _, read_at in rows if read_at is not None))
            if only is None and rows:
                state = {"by": statuses.fingerprint, "version": VERSION}
                before = get_state(db, _STATE)
                if before is not None and before.get("by") != statuses.fingerprint:
                    staging.again()
                if before != state:
                    set_state(db, _STATE, state, run.now())

    def _named(self, run: Run, only: Collection[str]) -> list[str]:
        """Return the numbers of these orders, and of those that are these orders of Commerce7."""
        with run.open() as db, db.batch({"merchant_order": sorted(only)}) as batch:
            rows = db.rows(
                f"""select own from staged.source_orders
                    where source = ? and merchant_order in (select merchant_order from {batch})""",
                [VINOSHIPPER],
            )
        return sorted({*asking_readers.own_of(VINOSHIPPER, only), *(row[0] for row in rows)})

    def _stale(self, run: Run, rows: Sequence[tuple[str, str, datetime | None]]) -> list[str]:
        """Return the orders that are not what was taken over last."""
        with run.open() as db:
            by = get_state(db, _STATE) or {}
            known = dict(db.rows("select own, version from staged.source_orders where source = ?", [VINOSHIPPER]))
        if by.get("version", VERSION) != VERSION:
            known = {}
        return [own for own, version, _ in rows if known.get(own) != version]

    def _reads(self, session: NoticesSession, by_whom: str, numbers: Sequence[str]) -> list[Read]:
        run = session.run
        prefix, today, zone = prefix_of(run.merchant), run.today(), run.merchant.time_zone
        found = []
        for number, version, text, kept, status, read_at, customer in look(
            run, by_whom, lambda db: _bodies(db, numbers)
        ):
            body = try_object(text)
            if body is None:
                continue
            order = vinoshipper_rows.order_of(
                number, believed(ORDER, body, kept_of(kept)), customer, today, zone, prefix, gone=status == GONE
            )
            if order is not None:
                found.append(Read(order, version, read_at))
        return found

    def _linked_by_person(self, run: Run) -> dict[str, str]:
        """Return which orders route `orders` has linked, whatever their numbers are: number -> id at Commerce7."""
        if ROUTE_ORDERS not in run.merchant.routes:
            return {}
        with run.open() as db:
            numbers = [
                row[0]
                for row in db.rows(
                    """select own from staged.source_orders
                       where source = ? and linked_id is null and linked_number is null""",
                    [VINOSHIPPER],
                )
            ]
        if not numbers:
            return {}
        sql = "select vs_number, order_id from synced.orders where vs_number in (select unnest(?::varchar[]))"
        try:
            return dict(run.peek(ROUTE_ORDERS, lambda db: db.rows(sql, [numbers])))
        except TryLater:
            return {}

    def is_complete(self, session: NoticesSession) -> bool:
        run = session.run
        if not reads_itself(run.merchant, VINOSHIPPER):
            return True  # what is staged then is what was there at the start (5.1)
        with run.open() as db:
            return bool((get_state(db, HISTORY) or {}).get("complete"))

    def read_again(self, session: NoticesSession, own: str) -> bool:
        if not reads_itself(session.run.merchant, VINOSHIPPER):
            return False
        self.read_hinted(session, own)
        return True

    def hint(self, session: NoticesSession, own: Sequence[str]) -> None:
        run = session.run
        by_whom = reader(run.merchant, VINOSHIPPER)
        if reads_itself(run.merchant, VINOSHIPPER):
            if not run.dry_run:
                with run.open() as db, db.transaction():
                    hint(db, ORDER.name, own, HINTED, run.now())
            return
        asking_readers.ask(run, VINOSHIPPER, by_whom, own)

    def read_hinted(self, session: NoticesSession, record: str) -> bool | None:
        run = session.run
        if not reads_itself(run.merchant, VINOSHIPPER):
            raise KeyError(record)
        try:
            text = session.client(vinoshipper.CONNECTOR).order(record).text
        except Refused as error:
            if error.http_status != GONE:
                raise
            return None
        landed = landing_orders.land_hinted_order(run, record, text, run.now())
        with run.open() as db, db.transaction():
            db.execute("delete from raw.hints where kind = ? and id = ?", [ORDER.name, record])
        if landed.owner is not None:
            self._read_owner(session, landed.owner)
        self.stage(session, [f"{VINOSHIPPER}:{record}"])  # whose journey it is shows there
        return landed.news

    def _read_owner(self, session: NoticesSession, owner: int) -> None:
        """Read the customer of an order who was never read: it is that one's phone."""
        run = session.run
        with run.open() as db:
            if db.value("select 1 from raw.vinoshipper_customers where customer_id = ?", [owner]) is not None:
                return
        try:
            text = session.client(vinoshipper.CONNECTOR).customer(owner).text
        except Refused as error:
            if error.http_status != GONE:
                raise
            return
        landing.land_hinted_customer(run, owner, text)
        with run.open() as db, db.transaction():
            db.execute("delete from raw.hints where kind = ? and id = ?", [CUSTOMER.name, str(owner)])

    def merchant_order(self, session: NoticesSession, record: str) -> str | None:
        return asking_readers.merchant_order(session.run, VINOSHIPPER, record)


GONE: Final = 404


def prefix_of(merchant: Merchant) -> str | None:
    """Return what numbers of Commerce7's orders begin with at Vinoshipper, before a hyphen; None: there are none."""
    if not merchant.has(Commerce7Settings):
        return None
    named = getattr(merchant.sections.get(ROUTE_ORDERS), "number_prefix", None)  # another route's settings
    return str(named) if named else merchant.section(Commerce7Settings).tenant.upper()


# --- the reader's rows ----------------------------------------------------------------------------------------------


def _versions(
    db: Db, since: Any, settled: datetime, named: Sequence[str] | None
) -> list[tuple[str, str, datetime | None]]:
    """Return number, version and time of the last read of all orders of which somebody may be told."""
    recent = """(o.purchased_on is null or o.purchased_on >= $since or o.settled_at is null
                 or o.settled_at >= $settled)"""
    among = recent if named is None else "o.order_number in (select unnest($named::varchar[]))"
    values: dict[str, Any] = {"since": since, "settled": settled} if named is None else {"named": list(named)}
    return db.rows(
        f"""select o.order_number, {_VERSION}, o.detail_at {_FROM}
            where o.detail_status in (200, {GONE}) and o.detail_body is not null and {among}
            order by o.order_number""",
        values,
    )


def _bodies(db: Db, numbers: Sequence[str]) -> list[tuple[Any, ...]]:
    """Return number, version, body, what is carried over, status, time of the read, and customer."""
    rows = db.rows(
        f"""select o.order_number, {_VERSION}, o.detail_body, o.detail_kept, o.detail_status, o.detail_at,
                   c.customer_id, c.list_body, c.detail_body, c.list_kept, c.detail_kept, c.detail_leads
            {_FROM} where o.order_number in (select unnest(?::varchar[])) and o.detail_body is not null""",
        [list(numbers)],
    )
    return [(*row[:6], None if row[6] is None else _customer(*row[7:])) for row in rows]


def _customer(
    listed: str | None, detail: str | None, list_kept: str | None, detail_kept: str | None, leads: bool | None
) -> Customer:
    item, whole = try_object(listed), try_object(detail)
    return Customer(
        None if item is None else believed(LISTED_CUSTOMER, item, kept_of(list_kept)),
        None if whole is None else believed(CUSTOMER, whole, kept_of(detail_kept)),
        list_leads=not leads,
    )
