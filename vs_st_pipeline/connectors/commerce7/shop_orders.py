"""Reads all orders of a shop once, and from then on those that changed (audience.md 4.2, `orders`).

Data flow: `GET /order?cursor=start`, later `updatedAt=gte:` the day before the last read -> raw.commerce7_orders.

Rows are stored as `passes` stores them (`landing`). The first walk goes on where a sync has left it. What was changed
while the clock of Commerce7 was behind ours is not missed: the day is counted from the older of our last read and the
newest change seen.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from vs_st_pipeline.connectors.commerce7 import landing
from vs_st_pipeline.connectors.commerce7.client import START, Commerce7Client, bad_answer
from vs_st_pipeline.connectors.commerce7.order_record import Unreadable, moment, read_order
from vs_st_pipeline.connectors.commerce7.shop_lists import ORDERS
from vs_st_pipeline.connectors.commerce7.shop_walks import GOES_ON_FOR, Walk, Walked, store_walk, walk_of
from vs_st_pipeline.connectors.commerce7.stored import TABLE
from vs_st_pipeline.connectors.commerce7.streams import STORED
from vs_st_pipeline.connectors.commerce7.walking import next_of
from vs_st_pipeline.domain.errors import BadAnswer, PipelineError, Refused
from vs_st_pipeline.domain.records import MANY, ONE_IN, id_text
from vs_st_pipeline.platform.failpoints import failpoint
from vs_st_pipeline.platform.run import RequestLogEntry, Run
from vs_st_pipeline.platform.warehouse.unreadable import record_unreadable

CALL: Final = "list_orders"
_BACK: Final = timedelta(days=1)
_FEW: Final = 5
_MOST_PAGES: Final = 100_000
_BAD_CURSOR: Final = (400, 404, 410, 422)


def walk_orders(run: Run, client: Commerce7Client, may_go_on: Callable[[], bool]) -> Walked:
    """Read all orders, or where that was done, those that changed since.

    Raises:
        BadAnswer: the list cannot be believed. PipelineError: as the client does. What was read is stored.
    """
    with run.open() as db:
        walk = walk_of(db, ORDERS)
    now = run.now()
    if walk.done_began_at is not None and not run.full:
        since = min(one for one in (walk.done_began_at, walk.newest, now) if one is not None) - _BACK
        wanted = {"updatedAt": f"gte:{since:%Y-%m-%d}"}
        return _Pass(run, client, wanted, replace(walk, began_at=now, cursor=START, pages=0)).go_on(lambda: True)
    if walk.cursor is not None and walk.began_at is not None and timedelta(0) <= now - walk.began_at < GOES_ON_FOR:
        try:
            return _Pass(run, client, {}, walk).go_on(may_go_on)
        except (Refused, BadAnswer) as error:
            if isinstance(error, Refused) and error.http_status not in _BAD_CURSOR:
                raise
    return _Pass(run, client, {}, replace(walk, began_at=now, cursor=START, pages=0)).go_on(may_go_on)


class _Pass:
    """One walk over the orders, all of them or those that changed."""

    def __init__(self, run: Run, client: Commerce7Client, wanted: Mapping[str, str], walk: Walk) -> None:
        self._run, self._client, self._wanted, self._walk = run, client, wanted, walk
        self._rows = self._bad = 0
        self._blind = walk.blind
        self._failed: dict[str, PipelineError] = {}
        self._shown: set[str] = set()
        self._changed = 0

    def go_on(self, may_go_on: Callable[[], bool]) -> Walked:
        began_at, met, last = self._walk.began_at, {self._walk.cursor}, None
        assert began_at is not None
        for _ in range(_MOST_PAGES):
            cursor = self._walk.cursor
            assert cursor is not None
            answer = self._client.orders(self._wanted, cursor)
            rows = answer.get("orders")
            if not isinstance(rows, list):
                raise bad_answer("the answer holds no list of records", CALL)
            if rows and rows == last:
                raise bad_answer("a page is equal to the one before it, so the cursor has no effect", CALL)
            following = next_of(answer, cursor, len(rows), CALL)
            if not rows and (last == [] or following in met):
                following = None
            if following in met:
                raise bad_answer("a cursor came twice, so the list goes in circles", CALL)
            met.add(following)
            last = rows
            self._store(rows, following)
            if following is None:
                return self._end(began_at)
            if not may_go_on():
                self._note_failed()
                self._log("it goes on next time")
                return Walked(len(self._shown), False, False, began_at, self._changed)
        raise bad_answer("the list has no end", CALL)

    def _store(self, rows: list[Any], following: str | None) -> None:
        seen, real, newest = [], datetime.now(UTC), self._walk.newest
        for row in rows:
            self._rows += 1
            own = id_text(row.get("id")) if isinstance(row, Mapping) else None
            try:
                order = read_order(row)
            except Unreadable as error:
                self._bad += 1
                if own is not None:
                    self._failed[own] = error
                self._blind |= own is None
                continue
            at = moment(row.get("updatedAt"))
            newest = at if at is not None and (newest is None or at > newest) else newest
            self._failed.pop(order.id, None)
            self._shown.add(order.id)
            seen.append(landing.Seen(row, order, "updated", False, True, real))
        if not self._rows - self._bad and self._bad >= _FEW:
            raise bad_answer("too many of the listed orders cannot be read", CALL)
        self._walk = replace(self._walk, cursor=following, pages=self._walk.pages + 1, newest=newest, blind=self._blind)
        with self._run.open() as db, db.transaction():
            if seen:
                told = landing.store(db, self._run, _newest_of_each(seen))
                self._changed += sum(one.new for one in told.values())
            if not self._wanted and following is not None:
                store_walk(db, ORDERS, self._walk)
        failpoint("commerce7 orders page")

    def _end(self, began_at: datetime) -> Walked:
        if self._rows >= MANY and self._bad * ONE_IN > self._rows:
            raise bad_answer("too many of the listed orders cannot be read", CALL)
        self._note_failed()
        done = replace(
            self._walk,
            began_at=None,
            cursor=None,
            pages=0,
            blind=False,
            done_began_at=began_at,
            done_at=self._run.now(),
        )
        with self._run.open() as db, db.transaction():
            done = replace(done, done_rows=int(db.value(f"select count(*) from {TABLE}")))
            store_walk(db, ORDERS, done)
        self._log(f"{self._walk.pages} pages")
        return Walked(len(self._shown), True, not self._wanted and not self._blind, began_at, self._changed)

    def _note_failed(self) -> None:
        if self._failed:
            with self._run.open() as db, db.transaction():
                record_unreadable(db, STORED, self._failed, self._run.now(), dry_run=self._run.dry_run)

    def _log(self, found: str) -> None:
        why = f"changed since {self._wanted['updatedAt'].removeprefix('gte:')}" if self._wanted else "all of them"
        self._run.request_log.append(RequestLogEntry(ORDERS, why, self._rows, found))


def _newest_of_each(seen: list[landing.Seen]) -> list[landing.Seen]:
    found: dict[str, landing.Seen] = {}
    for one in seen:
        other = found.get(one.order.id)
        if other is None or (one.order.updated_at or datetime.min) >= (other.order.updated_at or datetime.min):
            found[one.order.id] = one
    return list(found.values())
