"""Reads the orders that are due, and stores what came of each (consumers.md 3.8, 3.9; routes.md R22, R23, R40).

Data flow: due orders -> `GET /orders/{id}`, one after the other -> raw.sopost_orders, some hundreds at a time.

The last read wins, whatever order the events came in. A record's trouble is its own: what is known of it stands, and it
is tried again with growing gaps. Where it is the system's, what was read goes its way and nobody is put off for it.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from vs_st_pipeline.connectors.sopost.client import TOKEN, SoPostClient
from vs_st_pipeline.connectors.sopost.due import Due, due_orders
from vs_st_pipeline.connectors.sopost.names import SOPOST
from vs_st_pipeline.connectors.sopost.orders import understand
from vs_st_pipeline.connectors.sopost.settings import SoPostSettings
from vs_st_pipeline.connectors.sopost.stored_orders import (
    NOT_FOUND,
    NOT_VISIBLE,
    READ,
    UNREADABLE,
    Tried,
    newest_read,
    store_read,
    store_tries,
)
from vs_st_pipeline.domain.errors import BadAnswer, Forbidden, PipelineError, Refused, TryLater
from vs_st_pipeline.domain.single_reads import IN_A_ROW, SingleReads, is_of_one_record
from vs_st_pipeline.platform.http.client import NOT_THERE
from vs_st_pipeline.platform.run import RequestLogEntry, Run

_AT_ONCE: Final = 500  # orders that are stored together
_SECONDS: Final = 10.0  # after which fewer are


@dataclass(slots=True)
class OrdersRead:
    """What came of the orders that were due.

    Attributes:
        counts: orders by the words of the report that reading knows: `not_found`, `not_visible`, `unreadable`,
            `gave_up`, `other_activity`, `forgotten`, `pending`; each order once.
        read: ids of the orders that were read well and are in no count: staging says what they are.
        asked: ids of all orders that were read or tried, in small letters.
        error: SoPost's trouble, after which no more were read; what was read goes its way. None: there was none.
        left: due orders that were not come to.
    """

    counts: Counter[str] = field(default_factory=Counter)
    read: list[str] = field(default_factory=list)
    asked: set[str] = field(default_factory=set)
    error: PipelineError | None = None
    left: int = 0

    @property
    def tried(self) -> int:
        """Return how many orders were read or tried."""
        return len(self.read) + self.counts.total()


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
        reader = _Reader(run, client, settings, len(queue), ever_read=newest_read(db) is not None)
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
        self._waits: list[Tried] = []  # answers that are not stored yet
        self._failed: list[Tried] = []  # kept until it is known that it is not the system's trouble
        self._stored_at = time.monotonic()
        self._tried = self._missing = self._in_a_row = 0
        self._known_answers = False
        self.found = OrdersRead()

    def read(self, queue: Sequence[Due], *, to_the_end: bool) -> None:
        try:
            self._read_all(queue, to_the_end)
            if self._reads.all_failed:
                self._ask_a_known_one()
        except TryLater as error:
            self._put_nobody_off(error)
            self.found.error = error
            self.found.left = len(queue) - self._tried
        except PipelineError as error:
            self._put_nobody_off(error)
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
            if error.call == TOKEN or not is_of_one_record(error):
                raise
            word = NOT_VISIBLE if isinstance(error, Forbidden) else UNREADABLE
            self._failed.append(Tried(due, left_at, word))
            self._reads.went_wrong(due.id, _clearer(error), known=due.last_try in (NOT_VISIBLE, UNREADABLE))
            self._tried += 1
            self._in_a_row += 1
            if self._in_a_row == IN_A_ROW:  # some were known to fail, and say little about SoPost
                self._in_a_row = 0
                self._ask_a_known_one()
            return
        self._goes_on()
        self._ever_read = True
        self._waits.append(Tried(due, left_at, READ, order))

    def _is_missing(self, due: Due, left_at: datetime) -> None:
        """Take 404 for an answer, unless no order was ever there: then it says that we ask in the wrong place."""
        self._goes_on()
        self._missing += 1
        self._waits.append(Tried(due, left_at, NOT_FOUND))
        if self._missing == self._tried == IN_A_ROW and not self._ever_read:
            raise BadAnswer(
                "SoPost knows none of the first orders that were asked for, and none was ever read: is base_url right?",
                system=SOPOST,
                call="order",
                http_status=404,
            )

    def _goes_on(self) -> None:
        self._reads.went_well()
        self._tried += 1
        self._in_a_row = 0

    def _ask_a_known_one(self) -> None:
        """Ask for an order that was read before, where others have failed: is it these, or SoPost (R40)?

        Where none was ever read, and SoPost is busy, slow or down, it is SoPost.
        """
        if self._known_answers:
            return
        with self._run.open() as db:
            known = newest_read(db, but=list(self._reads.failed))
        if known is None:
            errors = list(self._reads.failed.values())
            if not self._ever_read and all(isinstance(error, TryLater) for error in errors):
                raise errors[-1]
            return
        try:
            understand(self._client.order(known), known.lower())
        except Refused as error:
            if error.http_status not in NOT_THERE:
                raise
        self._known_answers = True

    def _put_nobody_off(self, error: PipelineError) -> None:
        """Have orders tried again at once that failed with others, so that it is SoPost's trouble.

        Where SoPost has answered for any order, it is kept that they failed: if they do so again they say nothing new,
        and the orders behind them are read. Otherwise some that can never be read would stop all for ever.
        """
        if is_of_one_record(error):
            failed, self._failed = self._failed, []
            if failed and self._ever_read:
                self._store()
                with self._run.open() as db, db.transaction():
                    store_tries(db, failed, put_off=False)

    # --- what is stored ---

    def _store(self) -> None:
        self._stored_at = time.monotonic()
        waits, self._waits = self._waits, []
        if waits:
            with self._run.open() as db, db.transaction():
                self._count(store_read(db, self._settings, [one for one in waits if one.order], self._run.now()))
                self._count(store_tries(db, [one for one in waits if one.order is None]))

    def _store_failed(self) -> None:
        failed, self._failed = self._failed, []
        if failed:
            with self._run.open() as db, db.transaction():
                self._count(store_tries(db, failed))

    def _count(self, words: Mapping[str, str]) -> None:
        self.found.asked.update(words)
        for order_id, word in words.items():
            if word == READ:
                self.found.read.append(order_id)
            else:
                self.found.counts[word] += 1


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
