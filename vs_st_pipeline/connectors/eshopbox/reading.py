"""Reads what is due of a workspace: hinted orders, the list, new and changed orders, open ones (notices.md 3.2, 3.4).

Data flow: raw.eshopbox_known -> `GET /api/order/{number}`, tracking where it is needed -> `landing`, some at a time.

An answer that says nothing changes nothing: what was read before stands, the order is kept as unreadable and asked for
again with growing gaps, and it stops nobody (routes.md R22, R40). Where it is the system's trouble nobody is put off.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from vs_st_pipeline.connectors.eshopbox import landing, listing, stored, tracking
from vs_st_pipeline.connectors.eshopbox.client import EshopboxClient
from vs_st_pipeline.connectors.eshopbox.hook_queue import ORDER_MISMATCH
from vs_st_pipeline.connectors.eshopbox.landing import Read
from vs_st_pipeline.connectors.eshopbox.order_record import ORDER, read_order
from vs_st_pipeline.connectors.eshopbox.streams import HOOKS, KNOWN, STORED
from vs_st_pipeline.domain.errors import BadAnswer, Interrupted, PipelineError, Refused, TryLater
from vs_st_pipeline.domain.records import id_text, prove
from vs_st_pipeline.domain.single_reads import IN_A_ROW, SingleReads, is_of_one_record
from vs_st_pipeline.platform.http.client import NOT_THERE
from vs_st_pipeline.platform.run import RequestLogEntry, Run
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.platform.warehouse.unreadable import record_unreadable, unreadable_ids

_AT_ONCE: Final = 60  # orders that are stored together; three questions for tracking, at most
_SECONDS: Final = 5.0  # after which fewer are
_OPEN_AT_ONCE: Final = 300.0  # seconds that a sync takes for open orders, at most; the others' turn comes next


@dataclass(slots=True)
class OrdersRead:
    """What came of reading.

    Attributes:
        read: numbers of orders that were read well. news: those of them that say something new.
        gone: numbers that answered 404. unreadable: those that could not be read.
        mismatched: numbers whose answer was another order's, or another one than a hook meant.
        faults: parts that cannot be used, number -> reasons.
        listed: rows of the list. error: the system's trouble, after which no more was read; None: there was none.
    """

    read: set[str] = field(default_factory=set)
    news: set[str] = field(default_factory=set)
    gone: set[str] = field(default_factory=set)
    unreadable: set[str] = field(default_factory=set)
    mismatched: set[str] = field(default_factory=set)
    faults: dict[str, list[str]] = field(default_factory=dict)
    listed: listing.Listed = field(default_factory=listing.Listed)
    error: PipelineError | None = None


def read_due(run: Run, client: EshopboxClient, *, also: Collection[str] = ()) -> OrdersRead:
    """Read what is due: hinted orders first, then the list, and what it shows to be new, then open orders.

    Args:
        also: numbers that are to be read besides, such as those whose hook no read has confirmed yet.

    Raises:
        PipelineError: a key that is not accepted, before anything was read.
    """
    settings = client.settings
    reader = _Reader(run, client)
    try:
        reader.read(lambda db: [one for one in _due(db, run, client, also) if one.hinted], to_the_end=True)
        reader.found.listed = listing.walk_due(
            run,
            client,
            orders=settings.refresh.orders,
            reconcile=settings.refresh.reconcile,
            history_from=settings.history_from,
        )
    except PipelineError as error:
        _keep(run, reader.found, error)
        if not isinstance(error, BadAnswer):  # a list that cannot be walked keeps nobody from being read
            return reader.found
    try:
        reader.read(lambda db: _due(db, run, client, also), to_the_end=False)
    except PipelineError as error:
        _keep(run, reader.found, error)
    found = reader.found
    run.request_log.append(
        RequestLogEntry(
            "orders", "they are due", len(found.read), f"{len(found.news)} with news, {len(found.gone)} gone"
        )
    )
    return found


def read_some(run: Run, client: EshopboxClient, numbers: Sequence[str]) -> OrdersRead:
    """Read these orders now, whatever is known of them.

    Raises:
        PipelineError: one of them could not be read, and is not gone; what was read is stored.
    """
    reader = _Reader(run, client)
    reader.read(lambda _db: [stored.Due(number, True) for number in numbers], to_the_end=True, alone=True)
    return reader.found


def _due(db: Db, run: Run, client: EshopboxClient, also: Collection[str]) -> list[stored.Due]:
    return stored.due(db, run.now(), client.settings.refresh.open_orders, also=also)


def _keep(run: Run, found: OrdersRead, error: PipelineError) -> None:
    if isinstance(error, Interrupted) or run.stop():
        raise error
    found.error = found.error or error


class _Reader:
    """Reads orders, each at most once.

    Attributes:
        found: what came of it so far.
    """

    def __init__(self, run: Run, client: EshopboxClient) -> None:
        self._run, self._client = run, client
        self.found = OrdersRead()
        self._waits: list[Read] = []
        self._gone: list[str] = []
        self._late: dict[str, PipelineError] = {}  # listed, and not there when they are asked for
        self._stored_at = time.monotonic()
        self._tried: set[str] = set()
        self._failed: dict[str, PipelineError] = {}
        self._known_answers = False

    def read(self, due: Any, *, to_the_end: bool, alone: bool = False) -> None:
        """Read what is due.

        Args:
            to_the_end: whatever the budget says. alone: an order's trouble is raised.
        """
        with self._run.open() as db:
            queue: list[stored.Due] = [one for one in due(db) if one.number not in self._tried]
            unreadable = unreadable_ids(db, STORED)
        reads, in_a_row, failed = SingleReads(len(queue)), 0, dict[str, PipelineError]()
        began = time.monotonic()
        try:
            for one in queue:
                if not to_the_end and not one.hinted:
                    spent = time.monotonic() - began
                    if self._run.over_budget(self._client.http.calls.total()) or spent > _OPEN_AT_ONCE:
                        break
                try:
                    self._read_one(one.number)
                except PipelineError as error:
                    if alone or not is_of_one_record(error):
                        raise
                    failed[one.number] = error
                    in_a_row += 1
                    if in_a_row == IN_A_ROW:
                        in_a_row = 0
                        self._ask_a_known_one(failed)
                    reads.went_wrong(one.number, error, known=one.number in unreadable)
                else:
                    in_a_row = 0
                    reads.went_well()
                if len(self._waits) >= _AT_ONCE or time.monotonic() - self._stored_at >= _SECONDS:
                    self._store()
            if reads.all_failed:
                self._ask_a_known_one(failed)
        finally:
            self._store()
        failed |= self._late
        self._late = {}  # the next pass of this run counts them no second time
        if failed:
            self.found.unreadable |= failed.keys()
            with self._run.open() as db, db.transaction():
                record_unreadable(db, STORED, failed, self._run.now(), dry_run=self._run.dry_run)

    def _read_one(self, number: str) -> None:
        self._tried.add(number)
        at, real = self._run.now(), time.time()
        try:
            body = _unwrapped(self._client.order(number))
        except Refused as error:
            if error.http_status not in NOT_THERE:
                raise
            with self._run.open() as db:
                is_late = stored.is_listed_and_unread(db, number)
            if is_late:  # the list is ahead of it: it is asked for again, with growing gaps (R40)
                self._late[number] = error
            else:
                self._gone.append(number)
            return
        own = id_text(body.get("customerOrderNumber")) if isinstance(body, Mapping) else None
        if own is not None and own != number.strip():
            self.found.mismatched.add(number)
        prove(ORDER, body, number)
        with self._run.open() as db:
            key = landing.keys_of(db, [number]).get(number)
        said = read_order(body, number, self._client.settings.time_zone, key)
        if said.faults:
            self.found.faults[number] = said.faults
        self._waits.append(Read(body, said, at, real))

    def _ask_a_known_one(self, failed: Mapping[str, PipelineError]) -> None:
        """Ask for an order that was read before, where others have failed: is it these, or Eshopbox (R40)?

        Where none was ever read, and it is busy, slow or down, it is Eshopbox.
        """
        if self._known_answers:
            return
        with self._run.open() as db:
            known = stored.newest_read(db, but=list(failed))
        if known is None:
            errors = list(failed.values())
            if errors and not self.found.read and all(isinstance(error, TryLater) for error in errors):
                raise errors[-1]
            return
        try:
            prove(ORDER, _unwrapped(self._client.order(known)), known)
        except Refused as error:
            if error.http_status not in NOT_THERE:
                raise
        self._known_answers = True

    def _store(self) -> None:
        self._stored_at = time.monotonic()
        waits, gone = self._waits, self._gone
        self._waits, self._gone = [], []
        if not waits and not gone:
            return
        trouble: PipelineError | None = None
        try:
            tracking.complete(self._client, [one.said for one in waits])
        except PipelineError as error:  # the details stand without it; nothing is taken for shown
            trouble = error
        with self._run.open() as db, db.transaction():
            usable = self._meant(db, waits)
            news = landing.land(self._run, db, usable)
            for number in gone:
                landing.note_gone(db, number, self._run.now())
        self.found.read |= {one.number for one in usable}
        self.found.news |= news
        self.found.gone |= set(gone)
        if trouble is not None:
            raise trouble

    def _meant(self, db: Db, reads: Sequence[Read]) -> list[Read]:
        """Return the reads that may be used: an order that a hook alone asked for has that hook's id (3.2).

        The hooks are done with, whatever they were; one about an order of another id never counts.
        """
        with db.batch({"id": [one.number for one in reads]}) as batch:
            rows: list[Any] = db.rows(
                f"""select key, parcel_id, order_id from {HOOKS}
                    where read_at is null and bad is null and parcel_id in (select id from {batch})"""
            )
        own = {one.number: one for one in reads}
        other = {
            key: number for key, number, order_id in rows
            if order_id is not None and own[number].said.own_id not in (None, order_id)
        }  # fmt: skip
        right = {number for key, number, _ in rows if key not in other}
        by_hook_alone = set(other.values()) - right - stored.wanted_otherwise(db, sorted(set(other.values())))
        self.found.mismatched |= set(other.values())
        settled = {one.number for one in reads if self._settle_hooks(db, one)}
        with db.batch({"id": sorted(settled)}) as batch:  # what their hooks say may count from now on
            db.execute(
                f"update {KNOWN} set changed = ? where parcel_id in (select id from {batch})", [landing.next_change(db)]
            )
        for key in other:
            db.execute(
                f"update {HOOKS} set bad = '{ORDER_MISMATCH}', read_at = coalesce(read_at, ?) where key = ?",
                [self._run.now(), key],
            )
        return [one for one in reads if one.number not in by_hook_alone]

    @staticmethod
    def _settle_hooks(db: Db, read: Read) -> bool:
        """Note that an order was read after its hooks; says whether any had waited for that."""
        return bool(
            db.rows(
                f"""update {HOOKS} set read_at = $at
                    where parcel_id = $id and read_at is null and received_at <= $at returning 1""",
                {"at": read.at, "id": read.number},
            )
        )


def _unwrapped(answer: Any) -> Any:
    if isinstance(answer, Mapping) and "customerOrderNumber" not in answer:
        return next((answer[key] for key in ("order", "data") if isinstance(answer.get(key), Mapping)), answer)
    return answer
