"""Walks the list of orders, newest first, and notes which of them are new or changed (notices.md 3.2; W4).

Data flow: `GET /api/v1/orders/erp`, page by page -> raw.eshopbox_known (wanted), raw.eshopbox_passes.

What is asked for is checked (interface.md 5). A filter that is ignored costs pages and nothing else: the walk ends
where a page is older than what was asked for, if the list is in order. A page that comes again means that its number
was ignored: then the other ways to write it are tried, and if none works it is told, unless the first page reaches
back to where the last walk has been.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, Final
from zoneinfo import ZoneInfo

from vs_st_pipeline.connectors.eshopbox.client import EshopboxClient
from vs_st_pipeline.connectors.eshopbox.names import ESHOPBOX
from vs_st_pipeline.connectors.eshopbox.order_record import first
from vs_st_pipeline.connectors.eshopbox.stored import NEW, RECONCILE, hear_of
from vs_st_pipeline.connectors.eshopbox.streams import KNOWN, PASSES
from vs_st_pipeline.connectors.eshopbox.times import UnreadableTime, read_time
from vs_st_pipeline.domain.errors import BadAnswer
from vs_st_pipeline.domain.records import id_text, is_error
from vs_st_pipeline.platform.kept_records import as_json
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse.connection import Db

PAGE: Final = 100
OVERLAP: Final = timedelta(days=2)  # before the newest order of the last walk
RECONCILED: Final = timedelta(days=14)
GONE_FOR: Final = timedelta(hours=1)  # then an order that answered 404 and is listed still is asked for again
CHANGED: Final = "changed"
_CALL: Final = "list_orders"
_MOST_PAGES: Final = 10_000
_LISTS: Final = ("orders", "data", "rows")
_SIZES: Final = ("perPage", "per_page", "limit", "pageSize")

Way = Callable[[str, int], Mapping[str, str | int | bool]]
_WAYS: Final[Sequence[Way]] = (
    lambda filters, page: {"filters": filters, "page": page, "perPage": PAGE},
    lambda filters, page: {"filters": filters, "pageNo": page, "per_page": PAGE},
    lambda filters, page: {"filters": f"{filters}&page={page}&perPage={PAGE}"},
)
"""How a page is asked for: by which names, no source shows."""


@dataclass(slots=True)
class Listed:
    """What a walk has shown.

    Attributes:
        numbers: of orders. newest: newest orderDate (UTC without zone). faults: rows that cannot be used, by reason.
    """

    numbers: set[str] = field(default_factory=set)
    newest: datetime | None = None
    faults: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Row:
    number: str
    placed_at: datetime | None
    sha: str


def walk_due(
    run: Run, client: EshopboxClient, *, orders: timedelta, reconcile: timedelta, history_from: timedelta
) -> Listed:
    """Make the walk that is due, if one is: the longer one stands for the other.

    Args:
        orders, reconcile: how often each is made. history_from: how far back the first one goes.

    Raises:
        BadAnswer: the list cannot be walked to its end; what it showed is noted.
        PipelineError: as the client does.
    """
    now = run.now()
    with run.open() as db:
        marks = {row[0]: row[1:] for row in db.rows(f"select name, began_at, began_real, newest from {PASSES}")}
    due = {name for name, every in ((NEW, orders), (RECONCILE, reconcile)) if _is_due(marks.get(name), every, now)}
    if run.full:
        due.add(RECONCILE)
    if not due:
        return Listed()
    newest: datetime | None = marks[NEW][2] if NEW in marks else None
    if newest is None:
        since = now - history_from
    elif RECONCILE in due:
        since = min(now - RECONCILED, newest - OVERLAP)
    else:
        return _Walk(run, client, newest - OVERLAP, newest).make([NEW])
    return _Walk(run, client, since, newest).make([NEW, RECONCILE])


def _is_due(mark: tuple[Any, ...] | None, every: timedelta, now: datetime) -> bool:
    """Say whether a pass is as old as that, by either clock."""
    if mark is None or every <= timedelta(0):
        return True
    return not timedelta(0) <= now - mark[0] < every or not 0 <= time.time() - mark[1] < every.total_seconds()


class _Walk:
    """One walk over the list.

    Attributes:
        found: what it has shown so far.
    """

    def __init__(self, run: Run, client: EshopboxClient, since: datetime, newest: datetime | None) -> None:
        self._run, self._client, self._since, self._before = run, client, since, newest
        self._zone = client.settings.time_zone
        self._began, self._real = run.now(), time.time()
        self.found = Listed()

    def make(self, names: Sequence[str]) -> Listed:
        for rows in self._pages():
            with self._run.open() as db, db.transaction():
                self._note(db, rows)
        newest = max((at for at in (self.found.newest, self._before) if at is not None), default=None)
        with self._run.open() as db, db.transaction():
            for name in names:
                db.execute(
                    f"insert or replace into {PASSES} by name select ? as name, ?::timestamp as began_at, "
                    "?::double as began_real, ?::timestamp as since, ?::timestamp as newest",
                    [name, self._began, self._real, self._since, newest],
                )
        return self.found

    def _pages(self) -> Iterator[list[_Row]]:
        """Yield the rows of each page.

        A total is an upper hint alone: a full page is followed by another one, whatever it says. Where none is told, a
        page that is not full may be as many rows as the system gives at once, so the next one is asked for as well,
        unless it says of how many rows its pages are.
        """
        way, page, shown, in_order = 0, 1, 0, True
        last: list[Any] | None = None
        oldest: datetime | None = None
        while page <= _MOST_PAGES:
            raw, total, size = self._ask(way, page)
            if page > 1 and raw and raw == last:
                if page == 2 and way + 1 < len(_WAYS):
                    way += 1
                    continue
                if shown < total if total is not None else len(raw) >= PAGE:
                    self._give_up(oldest)
                return
            rows = [row for one in raw if (row := self._row(one)) is not None]
            dates = [row.placed_at for row in rows if row.placed_at is not None]
            for at in dates:
                in_order = in_order and (oldest is None or oldest >= at)
                oldest = at
            yield rows
            shown, last = shown + len(raw), raw
            if not raw:
                if total is not None and shown < total:
                    self._give_up(oldest)
                return
            if len(raw) < PAGE and (shown >= total if total is not None else size is not None and len(raw) < size):
                return
            if in_order and oldest is not None and oldest < self._since:
                return
            page += 1
        raise _bad("the list has no end")

    def _give_up(self, oldest: datetime | None) -> None:
        """End a walk whose further pages cannot be had; it is whole if it reached where the last one has been.

        Raises:
            BadAnswer: it did not.
        """
        reached = self._since if self._before is None else self._before
        if oldest is None or oldest >= reached:
            raise _bad("its pages have no effect, and there are more orders than the first one shows")

    def _ask(self, way: int, page: int) -> tuple[list[Any], int | None, int | None]:
        """Return the rows of a page, how many there are in all, and how many a page has; None: it does not say."""
        day = self._since.replace(tzinfo=UTC).astimezone(self._zone)
        answer = self._client.orders(_WAYS[way](f"orderDate>={day:%Y-%m-%d %H:%M:%S}", page))
        if not isinstance(answer, Mapping) or is_error(answer):
            raise _bad("the answer is no object, or calls itself an error")
        raw = next((answer[key] for key in _LISTS if isinstance(answer.get(key), list)), None)
        if raw is None:
            raise _bad("the answer holds no list of orders")
        return raw, _count(answer, ("total",)), _count(answer, _SIZES)

    def _row(self, one: Any) -> _Row | None:
        number = id_text(one.get("customerOrderNumber")) if isinstance(one, Mapping) else None
        if number is None:
            self.found.faults["order_without_number"] = self.found.faults.get("order_without_number", 0) + 1
            return None
        return _Row(number, _date(first(one, ("orderDate",)), self._zone), sha256(as_json(one).encode()).hexdigest())

    def _note(self, db: Db, rows: Sequence[_Row]) -> None:
        """Note which orders of a page are new, or say something else than before."""
        by_number = {row.number: row for row in rows}
        self.found.numbers |= by_number.keys()
        dates = [row.placed_at for row in rows if row.placed_at is not None and row.placed_at <= self._began + OVERLAP]
        self.found.newest = max([*dates, *([self.found.newest] if self.found.newest else [])], default=None)
        with db.batch({"id": sorted(by_number)}) as batch:
            known: dict[str, tuple[str | None, datetime | None, datetime | None]] = {
                row[0]: row[1:]
                for row in db.rows(
                    f"""select parcel_id, row_sha, read_at, gone_at from {KNOWN}
                        where parcel_id in (select id from {batch})"""
                )
            }
        now, since = self._run.now(), self._since
        new = {
            number: row.placed_at.isoformat() if row.placed_at is not None else None
            for number, row in by_number.items()
            if number not in known and (row.placed_at is None or row.placed_at >= since)
        }
        changed = [
            number for number, (sha, read_at, gone_at) in known.items()
            if (sha != by_number[number].sha and (sha is not None or read_at is None))
            or (gone_at is not None and not timedelta(0) <= now - gone_at < GONE_FOR)
        ]  # fmt: skip
        if new:
            hear_of(db, new, NEW, now)
        if changed:
            hear_of(db, dict.fromkeys(changed), CHANGED, now)
        with db.batch({"id": list(by_number), "sha": [row.sha for row in by_number.values()]}) as batch:
            db.execute(
                f"""update {KNOWN} as k set row_sha = b.sha,
                        gone_at = case when list_contains($changed::varchar[], b.id) then null else k.gone_at end
                    from {batch} as b
                    where k.parcel_id = b.id and (k.row_sha is distinct from b.sha or k.gone_at is not null)""",
                {"changed": changed},
            )


def _count(answer: Mapping[str, Any], keys: Sequence[str]) -> int | None:
    told = id_text(first(answer, keys))
    return int(told) if told is not None and told.isascii() and told.isdigit() and int(told) > 0 else None


def _date(value: Any, zone: ZoneInfo) -> datetime | None:
    try:
        return read_time(value, zone)
    except UnreadableTime:
        return None


def _bad(what: str) -> BadAnswer:
    return BadAnswer(f"the list of orders cannot be walked: {what}", system=ESHOPBOX, call=_CALL)
