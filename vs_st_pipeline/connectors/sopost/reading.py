"""Reads the orders that are due, and stores what came of each (consumers.md 3.8, 3.9; routes.md R22, R23, R40).

Data flow: due orders -> `GET /orders/{id}`, one after the other -> raw.sopost_orders, some hundreds at a time.

The last read wins, whatever order the events came in. A record's trouble is its own: what is known of it stands, and it
is tried again with growing gaps. Where it is the system's, what was read goes its way and nobody is put off for it.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from vs_st_pipeline.connectors.sopost.client import TOKEN, SoPostClient
from vs_st_pipeline.connectors.sopost.due import Due, due_orders
from vs_st_pipeline.connectors.sopost.events import next_change
from vs_st_pipeline.connectors.sopost.names import SOPOST
from vs_st_pipeline.connectors.sopost.orders import Order, believe, kept_text, understand
from vs_st_pipeline.connectors.sopost.settings import SoPostSettings
from vs_st_pipeline.connectors.sopost.statuses import APPROVED, PENDING, classify, wants_body
from vs_st_pipeline.connectors.sopost.streams import ORDERS
from vs_st_pipeline.connectors.sopost.traces import names_in
from vs_st_pipeline.connectors.sopost.words import loosely
from vs_st_pipeline.domain.errors import BadAnswer, Forbidden, PipelineError, Refused, TryLater
from vs_st_pipeline.domain.records import CLEARS_AFTER
from vs_st_pipeline.domain.single_reads import IN_A_ROW, SingleReads, is_of_one_record
from vs_st_pipeline.platform.http.client import NOT_THERE
from vs_st_pipeline.platform.run import RequestLogEntry, Run
from vs_st_pipeline.platform.warehouse.connection import Db, in_row_order
from vs_st_pipeline.platform.warehouse.suppression import filter_suppressed

NOT_FOUND, NOT_VISIBLE, UNREADABLE, GAVE_UP = "not_found", "not_visible", "unreadable", "gave_up"
OTHER_ACTIVITY, FORGOTTEN, READ = "other_activity", "forgotten", "read"
GAPS: Final = tuple(timedelta(seconds=seconds) for seconds in (15, 60, 5 * 60, 30 * 60, 2 * 3600, 6 * 3600, 24 * 3600))
"""Between the last try and the next one; the last gap from then on."""
TRIED_FOR: Final = timedelta(days=30)
_AT_ONCE: Final = 200  # orders that are stored together
_SECONDS: Final = 2.0  # after which fewer are


@dataclass(slots=True)
class OrdersRead:
    """What came of the orders that were due.

    Attributes:
        counts: orders by the words of the report that reading knows: `not_found`, `not_visible`, `unreadable`,
            `gave_up`, `other_activity`, `forgotten`, `pending`; each order once.
        read: ids of the orders that were read well and are in no count: staging says what they are.
        error: SoPost's trouble, after which no more were read; what was read goes its way. None: there was none.
        left: due orders that were not come to.
    """

    counts: Counter[str] = field(default_factory=Counter)
    read: list[str] = field(default_factory=list)
    error: PipelineError | None = None
    left: int = 0

    @property
    def tried(self) -> int:
        """Return how many orders were read or tried."""
        return len(self.read) + self.counts.total()


@dataclass(frozen=True, slots=True)
class _Tried:
    """One order after a try. `order`: what was read; None: nothing, and `word` says why."""

    due: Due
    left_at: datetime
    word: str
    order: Order | None = None


def read_orders(
    run: Run, client: SoPostClient, *, follow_status: bool, only: Collection[str] | None = None
) -> OrdersRead:
    """Read the orders that are due, each at most once, and store them; it waits for none that is pending.

    Args:
        follow_status: later statuses are read as well.
        only: ids that a targeted sync is about; None: all, as far as the run's budget goes.

    Raises:
        PipelineError: a key that is not accepted, or answers that are none: nothing is to be planned in this sync. What
            was read before that is stored.
    """
    settings = run.merchant.section(SoPostSettings)
    with run.open() as db:
        queue = due_orders(db, settings, run.now(), follow_status=follow_status, full=run.full, only=only)
        reader = _Reader(run, client, settings, len(queue), ever_read=_newest(db) is not None)
    if queue:
        try:
            reader.read(queue, to_the_end=only is not None)
        finally:
            found = reader.found
            run.request_log.append(
                RequestLogEntry(
                    "orders", "they are due", found.tried, f"{len(found.read)} read; {_words(found.counts)}"
                )
            )
    return reader.found


def newest_order(db: Db) -> str | None:
    """Return the id of the order that was read well last, or first seen last; None where none is known."""
    return _newest(db) or db.value(f"select asked_id from {ORDERS.table} order by first_seen_at desc, id desc limit 1")


def _newest(db: Db, but: Sequence[str] = ()) -> str | None:
    found: str | None = db.value(
        f"""select asked_id from {ORDERS.table} where read_at is not null and not list_contains($but::varchar[], id)
            order by read_at desc, id desc limit 1""",
        {"but": list(but)},
    )
    return found


class _Reader:
    """Reads one queue.

    Attributes:
        found: what came of it so far.
    """

    def __init__(
        self, run: Run, client: SoPostClient, settings: SoPostSettings, planned: int, *, ever_read: bool
    ) -> None:
        self._run, self._client, self._settings = run, client, settings
        self._reads = SingleReads(planned)
        self._ever_read = ever_read
        self._waits: list[_Tried] = []  # answers that are not stored yet
        self._failed: list[_Tried] = []  # kept until it is known that it is not the system's trouble
        self._stored_at = time.monotonic()
        self._tried = self._missing = 0
        self.found = OrdersRead()

    def read(self, queue: Sequence[Due], *, to_the_end: bool) -> None:
        try:
            self._read_all(queue, to_the_end)
            self._ask_a_known_one()
        except TryLater as error:
            if is_of_one_record(error):  # so many of them that it is about none: nobody is put off for it
                self._failed.clear()
            self.found.error = error
            self.found.left = len(queue) - self._tried
        except PipelineError:
            self._failed.clear()
            raise
        finally:
            self._store()
        self._store_failed()

    def _read_all(self, queue: Sequence[Due], to_the_end: bool) -> None:
        for number, due in enumerate(queue):
            if not to_the_end and self._run.over_budget(self._client.http.calls.total()):
                self.found.left = len(queue) - number
                return
            if number and number % 100 == 0:
                self._run.progress(f"{number} of {len(queue)} orders read")
            self._read_one(due)
            if len(self._waits) >= _AT_ONCE or time.monotonic() - self._stored_at >= _SECONDS:
                self._store()

    def _read_one(self, due: Due) -> None:
        left_at = self._run.now()
        try:
            order = understand(self._client.order(due.asked_id), due.id)
        except PipelineError as error:
            if isinstance(error, Refused) and error.http_status in NOT_THERE:
                self._is_missing(due, left_at)
                return
            if error.call == TOKEN:  # which is about no order
                raise
            self._reads.went_wrong(due.id, _clearer(error), known=due.last_try in (NOT_VISIBLE, UNREADABLE))
            self._tried += 1
            word = NOT_VISIBLE if isinstance(error, Forbidden) else UNREADABLE
            self._failed.append(_Tried(due, left_at, word))
            return
        self._reads.went_well()
        self._tried += 1
        self._ever_read = True
        self._waits.append(_Tried(due, left_at, READ, order))

    def _is_missing(self, due: Due, left_at: datetime) -> None:
        """Take 404 for an answer, unless no order was ever there: then it says that we ask in the wrong place."""
        self._reads.went_well()
        self._tried += 1
        self._missing += 1
        self._waits.append(_Tried(due, left_at, NOT_FOUND))
        if self._missing == self._tried == IN_A_ROW and not self._ever_read:
            raise BadAnswer(
                "SoPost knows none of the first orders that were asked for, and none was ever read: is base_url right?",
                system=SOPOST,
                call="order",
                http_status=404,
            )

    def _ask_a_known_one(self) -> None:
        """Ask once for an order that was read before, where all reads have failed: is it these, or SoPost (R40)?"""
        if not self._reads.all_failed:
            return
        with self._run.open() as db:
            known = _newest(db, but=list(self._reads.failed))
        if known is not None:
            try:
                understand(self._client.order(known), known.lower())
            except Refused as error:
                if error.http_status not in NOT_THERE:
                    raise

    # --- what is stored ---

    def _store(self) -> None:
        self._stored_at = time.monotonic()
        waits, self._waits = self._waits, []
        if waits:
            with self._run.open() as db, db.transaction():
                self._store_read(db, [one for one in waits if one.order is not None])
                self._store_tries(db, [one for one in waits if one.order is None])

    def _store_failed(self) -> None:
        failed, self._failed = self._failed, []
        if failed:
            with self._run.open() as db, db.transaction():
                self._store_tries(db, failed)

    def _store_tries(self, db: Db, tried: Iterable[_Tried]) -> None:
        """Note tries that brought nothing; what is known of these orders stands."""
        rows = []
        for one in tried:
            self.found.counts[one.word] += 1
            rows.append({**_common(one), "last_try": one.word, **_next_try(one)})
        _update(db, rows)

    def _store_read(self, db: Db, read: Sequence[_Tried]) -> None:
        now = self._run.now()
        admitted = {
            one.due.id for one in filter_suppressed(db, read, ORDERS, lambda one: names_in(one.due.id, one.order), now)
        }
        before = _stored(db, [one.due.id for one in read])
        number = next_change(db)
        rows = []
        for one in read:
            assert one.order is not None
            body, kept, activity = before.get(one.due.id, (None, None, None))
            wanted = self._settings.wants_activity(one.order.activity_id or activity)
            if one.due.id not in admitted:  # and its row is erased
                self.found.counts[FORGOTTEN if wanted else OTHER_ACTIVITY] += 1
                continue
            rows.append(self._row(one, one.order, wanted, (body, kept), number, now))
        _update(db, rows)

    def _row(
        self,
        one: _Tried,
        order: Order,
        wanted: bool,
        before: tuple[str | None, str | None],
        number: int,
        now: datetime,
    ) -> dict[str, Any]:
        kind = classify(self._settings, order.status)
        row = {
            **_common(one),
            "status": order.status,
            "status_word": loosely(order.status),
            "class": kind,
            "activity_id": order.activity_id,
            "read_at": now.isoformat(),
            "changed": str(number),
            "approved": "true" if kind == APPROVED and wanted else None,
            **_SETTLED,
        }
        if not wanted:
            self.found.counts[OTHER_ACTIVITY] += 1
            return {**row, "last_try": OTHER_ACTIVITY}
        if kind == PENDING:
            waits = _next_try(one)
            self.found.counts[GAVE_UP if waits["gave_up"] else PENDING] += 1
            return {**row, "last_try": PENDING, **waits}
        self.found.read.append(one.due.id)
        if not wants_body(kind):
            return row
        found = believe(order, *before, now)
        again = (one.left_at + CLEARS_AFTER).isoformat() if found.again else None
        kept = {"body": found.text, "body_sha256": found.sha256, "kept": kept_text(found.kept), "next_try_at": again}
        return {**row, **kept}


_SETTLED: Final[dict[str, Any]] = {
    "last_try": READ,
    "tries": "0",
    "next_try_at": None,
    "gave_up": None,
    "body": None,
    "body_sha256": None,
    "kept": None,
}


def _common(one: _Tried) -> dict[str, Any]:
    return {"id": one.due.id, "left_at": one.left_at.isoformat(), "seen_seq": str(one.due.last_seq)}


def _next_try(one: _Tried) -> dict[str, Any]:
    """Return when an order is tried again that this try did not settle: until thirty days after its first sight.

    What was read before and cannot be read now is tried for longer: somebody may have withdrawn a consent in it.
    """
    due = one.due
    tries, end = due.tries + 1, due.first_seen_at + TRIED_FOR
    at = one.left_at + GAPS[min(tries, len(GAPS)) - 1]
    if due.read_before and one.word == UNREADABLE:
        end = max(end, at + TRIED_FOR)
    gives_up = one.left_at >= end
    return {
        "tries": str(tries),
        "next_try_at": None if gives_up else min(at, end).isoformat(),
        "gave_up": "true" if gives_up else None,
    }


_READ_COLUMNS: Final = ("status", "status_word", "class", "read_at", "body", "body_sha256", "kept", "changed")


def _update(db: Db, rows: Sequence[dict[str, Any]]) -> None:
    """Write what came of tries; an order that was not read keeps all that is known of it."""
    if not rows:
        return
    names = ("id", "left_at", "seen_seq", "last_try", "tries", "next_try_at", "gave_up", "activity_id", "approved")
    columns = {name: [row.get(name) for row in rows] for name in (*names, *_READ_COLUMNS)}
    types = {"read_at": "::timestamp", "changed": "::bigint"}
    read = ", ".join(
        f"{name} = case when b.read_at is null then o.{name} else b.{name}{types.get(name, '')} end"
        for name in _READ_COLUMNS
    )
    with db.batch(columns) as batch:
        db.execute(
            f"""update {ORDERS.table} as o
                set left_at = b.left_at::timestamp, seen_seq = greatest(o.seen_seq, b.seen_seq::bigint),
                    last_try = b.last_try, tries = b.tries::integer, next_try_at = b.next_try_at::timestamp,
                    gave_up = b.gave_up is not null, activity_id = coalesce(b.activity_id, o.activity_id),
                    was_approved = o.was_approved or b.approved is not null, {read}
                from {in_row_order(ORDERS.table, batch, "id")} as b where o.rowid = b.rowid_"""
        )


def _stored(db: Db, ids: Sequence[str]) -> dict[str, tuple[str | None, str | None, str | None]]:
    """Return the stored body of these orders, what it carries over, and their activity."""
    with db.batch({"id": ids}) as batch:
        rows = db.rows(f"select id, body, kept, activity_id from {ORDERS.table} semi join {batch} using (id)")
    return {row[0]: (row[1], row[2], row[3]) for row in rows}


def _clearer(error: PipelineError) -> PipelineError:
    if isinstance(error, BadAnswer):
        return type(error)(
            f"{error.message}; is base_url right?",
            system=SOPOST,
            call="order",
            http_status=error.http_status,
            trace_id=error.trace_id,
        )
    return error


def _words(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {word}" for word, count in sorted(counts.items()) if count) or "nothing else"
