"""Commerce7 as a source: orders that route `audience` or `orders` reads for all, or that are read here (R34; 3.5-3.7).

Data flow: the reader's raw.commerce7_orders, commerce7_people, commerce7_customers -> `commerce7_rows` -> `others`.

Another route's file is looked at for a moment in each sync, for what changed since the last look; who cannot look goes
on without news. How old a read is goes by the reader's last complete walk over what was changed: an order that it did
not show is as it was.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from vs_st_pipeline.connectors import commerce7
from vs_st_pipeline.connectors.commerce7 import reading, stored
from vs_st_pipeline.connectors.commerce7.shop_lists import BY_NAME, CUSTOMERS, ORDERS
from vs_st_pipeline.connectors.commerce7.shop_orders import walk_orders
from vs_st_pipeline.connectors.commerce7.shop_walks import walk_of
from vs_st_pipeline.connectors.commerce7.streams import CUSTOMERS as READ_SINGLY
from vs_st_pipeline.domain.codec import try_object
from vs_st_pipeline.domain.errors import PipelineError, TryLater
from vs_st_pipeline.platform.run import RequestLogEntry, Run
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.platform.warehouse.state import get_state, set_state
from vs_st_pipeline.platform.warehouse.streams import REDUCED
from vs_st_pipeline.routes.notices import asking_readers, commerce7_rows, status_map
from vs_st_pipeline.routes.notices.other_readers import ORDERS as ROUTE_ORDERS
from vs_st_pipeline.routes.notices.other_readers import look, reader, reads_itself
from vs_st_pipeline.routes.notices.other_tables import note_reads
from vs_st_pipeline.routes.notices.others import Read, Staging
from vs_st_pipeline.routes.notices.session import NoticesSession
from vs_st_pipeline.routes.notices.sources import Seen
from vs_st_pipeline.routes.notices.systems import COMMERCE7
from vs_st_pipeline.routes.notices.words import Noted

VERSION: Final = 1  # raised when the same rows are staged as something else
RECENT: Final = timedelta(days=60)
"""Orders that were neither paid nor changed for longer are not taken over: nobody is told of anything that old."""
TOLD_FOR: Final = timedelta(days=8)  # more than the greatest `max_age`: older events need no fresh read
_STATE: Final = "commerce7_taken"  # up to which change of which reader orders are taken over, and by which map
_PEOPLE: Final = BY_NAME[CUSTOMERS].table
_AT_ONCE: Final = 500
_MOST_CUSTOMERS: Final = 50  # read singly in a sync, for orders that come without theirs


@dataclass(slots=True)
class _News:
    """What one look has found.

    Attributes:
        orders: ids of orders that changed. people: ids of customers that did.
        newest, newest_person: up to which changes this look goes.
        complete_at: when the reader last knew every order as it was; None: it never did.
    """

    orders: list[str]
    people: list[str]
    newest: int
    newest_person: int
    complete_at: datetime | None


class Commerce7Source:
    """A winery's shop at Commerce7."""

    system = COMMERCE7

    def read(self, session: NoticesSession) -> Seen:
        run = session.run
        if session.only is not None:
            return Seen()
        if not reads_itself(run.merchant, COMMERCE7):
            self._count(session)
            return Seen()
        client = session.client(commerce7.CONNECTOR)
        with run.open() as db:
            before = db.value(f"select coalesce(max(changed), 0) from {stored.TABLE}")
        walk_orders(run, client, lambda: not asking_readers.is_over(session))
        with run.open() as db:
            session.told.seen["orders"] += int(
                db.value(f"select count(*) from {stored.TABLE} where changed > ?", [before])
            )
        session.told.noted[Noted.UNREADABLE] += reading.read_again(run, client)
        return Seen(self._read_customers(session))

    def _count(self, session: NoticesSession) -> None:
        """Count what the reader has read since the last look: whether there may be something to tell."""
        run, by_whom = session.run, reader(session.run.merchant, COMMERCE7)
        with run.open() as db:
            state = get_state(db, _STATE) or {}
        through = int(state.get("orders") or 0) if state.get("reader") == by_whom else 0
        sql = f"select count(*) from {stored.TABLE} where changed > ?"
        with suppress(TryLater):  # staging says so
            session.told.seen["orders"] += int(look(run, by_whom, lambda db: db.value(sql, [through])))

    def _read_customers(self, session: NoticesSession) -> PipelineError | None:
        """Read the customers of new orders that came without theirs."""
        run, client = session.run, session.client(commerce7.CONNECTOR)
        with run.open() as db:
            rows = db.rows(
                f"""select distinct json_extract_string(body, '$.customerId') as owner from {stored.TABLE}
                    where body is not null and paid_at >= ? and json_extract_string(body, '$.customer.id') is null
                      and owner is not null and owner not in (select id from {READ_SINGLY.table})
                    order by 1 limit ?""",
                [run.now() - TOLD_FOR, _MOST_CUSTOMERS],
            )
        for (owner,) in rows:
            if asking_readers.is_over(session):
                break
            try:
                reading.read_customer(run, client, owner)
            except PipelineError as error:
                return error
        return None

    def stage(self, session: NoticesSession, only: Collection[str] | None) -> None:
        run = session.run
        named = None if only is None else asking_readers.own_of(COMMERCE7, only)
        if named is not None and not named:
            return
        by_whom = reader(run.merchant, COMMERCE7)
        statuses = status_map.read(session.settings.statuses)
        with run.open() as db:
            state: dict[str, Any] = get_state(db, _STATE) or {}
        if state.get("reader") != by_whom or state.get("version") != VERSION:
            state = {"by": state.get("by")}  # another file has numbers of its own
        since = run.now() - RECENT
        news: _News | None = None
        try:
            if named is None:
                news = look(run, by_whom, lambda db: _news(db, by_whom, state, since))
            wanted = self._wanted(run, news) if news is not None else named or []
            for first in range(0, len(wanted), _AT_ONCE):
                reads = self._reads(session, by_whom, wanted[first : first + _AT_ONCE])
                with run.open() as db, db.transaction():
                    less_at = state.get("complete_at")
                    Staging(run, db, COMMERCE7, session.settings, statuses).take(
                        reads, less_at=None if less_at is None else datetime.fromisoformat(less_at)
                    )
        except TryLater as error:
            run.request_log.append(RequestLogEntry(COMMERCE7, f"read by route {by_whom}", 0, error.message))
            return
        if news is not None:
            with run.open() as db, db.transaction():
                if state.get("by") not in (None, statuses.fingerprint):
                    Staging(run, db, COMMERCE7, session.settings, statuses).again()
                self._end(db, state, news, {"reader": by_whom, "version": VERSION, "by": statuses.fingerprint}, run)

    def _wanted(self, run: Run, news: _News) -> list[str]:
        """Return the orders to take over: those that changed, or whose customer did, or that lacked something."""
        with run.open() as db, db.batch({"id": news.people}) as batch:
            rows = db.rows(
                f"""select own from staged.source_orders where source = ?
                    and (version is null or buyer in (select id from {batch})) order by own""",
                [COMMERCE7],
            )
        return list(dict.fromkeys([*news.orders, *(row[0] for row in rows)]))

    def _end(self, db: Db, before: Mapping[str, Any], news: _News, state: dict[str, Any], run: Run) -> None:
        if news.complete_at is not None:
            _note_complete(db, news.complete_at, run.now())
            state["complete_at"] = news.complete_at.isoformat()
        state |= {"orders": news.newest, "people": news.newest_person}
        if state != dict(before):
            set_state(db, _STATE, state, run.now())

    def _reads(self, session: NoticesSession, by_whom: str, ids: Sequence[str]) -> list[Read]:
        zone = session.run.merchant.time_zone
        rows, people = look(session.run, by_whom, lambda db: _bodies(db, by_whom, ids))
        found = []
        for changed, text, read_at, gone_at, owner, _ in rows:
            body = try_object(text)
            if body is None:
                continue
            try:
                order = commerce7_rows.order_of(body, people.get(owner), zone, gone=gone_at is not None)
            except PipelineError:  # nothing of the kind is ever stored: a file that somebody edited
                continue
            found.append(Read(order, str(changed), read_at))
        return found

    def is_complete(self, session: NoticesSession) -> bool:
        run = session.run
        if not reads_itself(run.merchant, COMMERCE7):
            return True  # what is staged then is what was there at the start (5.1)
        with run.open() as db:
            return walk_of(db, ORDERS).done_at is not None

    def read_again(self, session: NoticesSession, own: str) -> bool:
        if not reads_itself(session.run.merchant, COMMERCE7):
            return False
        self.read_hinted(session, own)
        return True

    def hint(self, session: NoticesSession, own: Sequence[str]) -> None:
        # What this route reads itself it walks whole in each sync: only another route has to be asked.
        asking_readers.ask(session.run, COMMERCE7, reader(session.run.merchant, COMMERCE7), own)

    def read_hinted(self, session: NoticesSession, record: str) -> bool | None:
        run = session.run
        if not reads_itself(run.merchant, COMMERCE7):
            raise KeyError(record)
        with run.open() as db:
            before = db.value(f"select changed from {stored.TABLE} where id = ?", [record])
        if reading.read_one(run, session.client(commerce7.CONNECTOR), record, "hint") is None:
            return None
        self.stage(session, [f"{COMMERCE7}:{record}"])  # whether it has a journey shows there
        with run.open() as db:
            return bool(db.value(f"select changed from {stored.TABLE} where id = ?", [record]) != before)

    def merchant_order(self, session: NoticesSession, record: str) -> str | None:
        return asking_readers.merchant_order(session.run, COMMERCE7, record)


# --- the reader's rows ----------------------------------------------------------------------------------------------


def _news(db: Db, by_whom: str, state: Mapping[str, Any], since: datetime) -> _News:
    """Return which orders changed since the last look, and up to when the reader knows them all."""
    orders = db.rows(
        f"""select id from {stored.TABLE} where changed > ? and body is not null and body_sha256 <> ?
              and (paid_at >= ? or coalesce(updated_at, paid_at) >= ? or gone_at >= ?) order by changed, id""",
        [int(state.get("orders") or 0), REDUCED, since, since, since],
    )
    people: list[Any] = []
    if (through := state.get("people")) is not None:  # at the first look all orders are taken over anyway
        people = db.rows(f"select id from {_PEOPLE} where changed > ?", [int(through)])
    return _News(
        [row[0] for row in orders],
        [row[0] for row in people],
        int(db.value(f"select coalesce(max(changed), 0) from {stored.TABLE}")),
        int(db.value(f"select coalesce(max(changed), 0) from {_PEOPLE}")),
        _complete_at(db, by_whom),
    )


def _complete_at(db: Db, by_whom: str) -> datetime | None:
    if by_whom != ROUTE_ORDERS:
        return walk_of(db, ORDERS).done_began_at
    found: datetime | None = db.value(
        """select if(count(done_at) = 2, min(done_at), null) from raw.commerce7_passes
           where pass in ('paid', 'updated')"""
    )
    return found


def _bodies(db: Db, by_whom: str, ids: Sequence[str]) -> tuple[list[Any], dict[str, Mapping[str, Any]]]:
    """Return orders, and records of their customers by id: the list's, else one that was read for an order alone."""
    rows = db.rows(
        f"""select changed, body, read_at, gone_at, json_extract_string(body, '$.customerId'),
                   json_extract_string(body, '$.customer.id') is not null
            from {stored.TABLE} where id in (select unnest(?::varchar[])) and body is not null and body_sha256 <> ?""",
        [list(ids), REDUCED],
    )
    people = _people(db, _PEOPLE, [row[4] for row in rows]) if by_whom != ROUTE_ORDERS else {}
    without = [row[4] for row in rows if row[4] not in people and not row[5]]
    return rows, people | _people(db, READ_SINGLY.table, without)


def _people(db: Db, table: str, ids: Sequence[str | None]) -> dict[str, Mapping[str, Any]]:
    named = sorted({one for one in ids if one is not None})
    if not named:
        return {}
    rows = db.rows(f"select id, body from {table} where id in (select unnest(?::varchar[]))", [named])
    return {own: body for own, text in rows if (body := try_object(text)) is not None}


def _note_complete(db: Db, at: datetime, now: datetime) -> None:
    """Note that the reader knew all orders at a time, for those of which anybody may still be told."""
    rows = db.rows(
        """select own from staged.source_orders where source = $source and read_at < $at and merchant_order in (
               select merchant_order from staged.journey_events
               where coalesce(last_at, first_seen_at) >= $since or first_seen_at >= $since)""",
        {"source": COMMERCE7, "at": at, "since": now - TOLD_FOR},
    )
    note_reads(db, COMMERCE7, ((row[0], at) for row in rows))
