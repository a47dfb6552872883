"""Vinoshipper as a source: orders, as the route that reads the winery for all has them (notices.md 3.5, 3.6; R34, R37).

Data flow: raw.vinoshipper_orders, raw.vinoshipper_customers of the reader's file -> `shop_said` -> `shop_staging`.

Where this route is the reader, it walks the customer list and the order search itself.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, Final

from vs_st_pipeline.connectors import vinoshipper
from vs_st_pipeline.connectors.vinoshipper import landing_orders, shop_reading
from vs_st_pipeline.connectors.vinoshipper.kinds import CUSTOMER, LISTED_CUSTOMER, ORDER
from vs_st_pipeline.connectors.vinoshipper.orders import HISTORY
from vs_st_pipeline.connectors.vinoshipper.read_queue import HINTED
from vs_st_pipeline.connectors.vinoshipper.read_queue import hint as put_first
from vs_st_pipeline.domain import hints
from vs_st_pipeline.domain.codec import try_object
from vs_st_pipeline.domain.errors import Refused, TryLater
from vs_st_pipeline.domain.records import believed
from vs_st_pipeline.pipeline.once.readers import reader_of
from vs_st_pipeline.platform.run import RequestLogEntry, Run
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.platform.warehouse.files import DEFAULT_ROUTE
from vs_st_pipeline.platform.warehouse.staged_batches import kept_of
from vs_st_pipeline.platform.warehouse.state import get_state, set_state
from vs_st_pipeline.routes.notices import shop_staging
from vs_st_pipeline.routes.notices.other_routes import hint_reader, look_at, prefix_of
from vs_st_pipeline.routes.notices.session import NoticesSession
from vs_st_pipeline.routes.notices.shop_said import of_vinoshipper
from vs_st_pipeline.routes.notices.shop_staging import Looked
from vs_st_pipeline.routes.notices.sources import Seen
from vs_st_pipeline.routes.notices.systems import NAME, VINOSHIPPER

READERS: Final = (DEFAULT_ROUTE, "audience", NAME)
"""Who reads a winery for all routes: the first that is on (R34)."""
_COMPLETE: Final = "notices_vinoshipper_complete"  # the state: all that was there once was looked at
_PREFIX: Final = f"{VINOSHIPPER}:"
_AT_ONCE: Final = 500


class VinoshipperSource:
    """A winery's account."""

    system = VINOSHIPPER

    def read(self, session: NoticesSession) -> Seen:
        run = session.run
        if session.only is None and _reads_itself(run):
            client = session.client(vinoshipper.CONNECTOR)
            shop_reading.read_customers(run, client)
            shop_reading.read_orders(run, client)
        return Seen()

    def stage(self, session: NoticesSession, only: Collection[str] | None) -> None:
        run = session.run
        own = None if only is None else {one.removeprefix(_PREFIX) for one in only if one.startswith(_PREFIX)}
        if own is not None and not own:
            return
        with run.open() as db:
            before = shop_staging.hashes(db, VINOSHIPPER)
        try:
            looked, read_at, complete = look_at(run, READERS, lambda db: _look(run, db, before, own))
        except TryLater as error:  # without news (R18)
            run.request_log.append(RequestLogEntry(VINOSHIPPER, "read by another route", 0, error.message))
            return
        shop_staging.stage(run, session.settings, looked, read_at)
        if only is None and complete:
            with run.open() as db:
                if not get_state(db, _COMPLETE):
                    set_state(db, _COMPLETE, True, run.now())

    def is_complete(self, session: NoticesSession) -> bool:
        """Say whether what another route had staged was looked at once; of what this route reads, all of it (5.1)."""
        with session.run.open() as db:
            return bool(get_state(db, _COMPLETE))

    def read_again(self, session: NoticesSession, own: str) -> bool:
        if not _reads_itself(session.run):
            return False
        self.read_hinted(session, own)
        self.stage(session, [_PREFIX + own])
        return True

    def hint(self, session: NoticesSession, own: Sequence[str]) -> None:
        run = session.run
        if _reads_itself(run):
            with run.open() as db, db.transaction():
                put_first(db, hints.ORDER, list(own), HINTED, run.now())
        else:
            hint_reader(run, READERS, VINOSHIPPER, own)

    def read_hinted(self, session: NoticesSession, record: str) -> bool | None:
        run = session.run
        if not _reads_itself(run):
            raise KeyError(record)
        try:
            text = session.client(vinoshipper.CONNECTOR).order(record).text
        except Refused as error:
            if error.http_status != 404:
                raise
            return None
        news = landing_orders.land_hinted_order(run, record, text, run.now()).news
        with run.open() as db, db.transaction():
            db.execute("delete from raw.hints where kind = 'order' and id = ?", [record])
        return bool(news)

    def merchant_order(self, session: NoticesSession, record: str) -> str | None:
        with session.run.open() as db:
            found: str | None = db.value(
                f"select merchant_order from {shop_staging.SEEN} where source = ? and own = ?", [VINOSHIPPER, record]
            )
        return found


def _reads_itself(run: Run) -> bool:
    return reader_of(READERS, run.merchant.routes) == NAME


_ORDERS: Final = """
    select o.order_number, o.detail_at, o.searched_at,
           md5(concat_ws('|', coalesce(o.detail_hash, ''), coalesce(o.detail_kept, ''), coalesce(c.detail_hash, ''),
                         coalesce(c.list_hash, ''))) as hash
    from raw.vinoshipper_orders as o left join raw.vinoshipper_customers as c using (customer_id)
    where o.detail_status = 200 and o.detail_body is not null"""
_BODIES: Final = """
    select o.order_number, o.detail_body, o.detail_kept, c.list_body, c.list_kept, c.detail_body, c.detail_kept
    from raw.vinoshipper_orders as o left join raw.vinoshipper_customers as c using (customer_id)
    where list_contains(?::varchar[], o.order_number)"""


def _look(
    run: Run, db: Db, before: dict[str, str], only: Collection[str] | None
) -> tuple[list[Looked], dict[str, datetime], bool]:
    """Return the orders that say something else, when each was read last, and whether all that there are were read."""
    today, zone, prefix = run.today(), run.merchant.time_zone, prefix_of(run.merchant)
    rows: dict[str, tuple[datetime, str]] = {}
    read_at: dict[str, datetime] = {}
    for number, detail_at, searched_at, hash_ in db.rows(_ORDERS):
        if only is None or number in only:
            rows[number] = (detail_at, hash_)
            # A search row shows the status too; where it had another one, the detail was read since.
            read_at[_PREFIX + number] = max(at for at in (detail_at, searched_at) if at is not None)
    stale = sorted(number for number, (_, hash_) in rows.items() if before.get(number) != hash_)
    looked: list[Looked] = []
    for first in range(0, len(stale), _AT_ONCE):
        for number, body, kept, listed, list_kept, person, person_kept in db.rows(
            _BODIES, [stale[first : first + _AT_ONCE]]
        ):
            told = try_object(body)
            if told is None:
                continue
            said = of_vinoshipper(
                {**believed(ORDER, told, kept_of(kept)), "orderNumber": number},
                _body(LISTED_CUSTOMER, listed, list_kept),
                _body(CUSTOMER, person, person_kept),
                today,
                zone,
                prefix,
            )
            if said is not None:
                looked.append(Looked(VINOSHIPPER, number, rows[number][1], rows[number][0], said))
    complete = bool((get_state(db, HISTORY) or {}).get("complete")) or run.route != NAME or not _reads_itself(run)
    return looked, read_at, complete


def _body(kind: Any, text: str | None, kept: str | None) -> dict[str, Any] | None:
    told = try_object(text)
    found: dict[str, Any] | None = None if told is None else believed(kind, told, kept_of(kept))
    return found
