"""Walks the lists of orders that show what is new, what has changed, and what was overlooked (orders.md 3).

Data flow: watermarks -> `GET /order?orderPaidDate=gte:T` and so on -> rows, filtered here again ->
raw.commerce7_orders; a watermark moves when its walk is stored whole.

How Commerce7 understands a time of day in a filter is not known. Refused: days from then on. Understood as nothing: the
reconciling pass, which asks by days, finds what the others did not, and then all ask by days.

It is long because the forms of a filter, what each pass keeps, and when a watermark moves are one decision.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from vs_st_pipeline.connectors.commerce7 import landing, stored
from vs_st_pipeline.connectors.commerce7.client import Commerce7Client, bad_answer
from vs_st_pipeline.connectors.commerce7.names import COMMERCE7
from vs_st_pipeline.connectors.commerce7.order_record import Unreadable, as_text, moment, read_order
from vs_st_pipeline.connectors.commerce7.streams import STORED
from vs_st_pipeline.connectors.commerce7.walking import pages
from vs_st_pipeline.domain.errors import PipelineError, Refused
from vs_st_pipeline.domain.records import MANY, ONE_IN, id_text
from vs_st_pipeline.platform.clock import utc_now_naive
from vs_st_pipeline.platform.run import RequestLogEntry, Run
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.platform.warehouse.unreadable import record_unreadable

CALL: Final = "list_orders"
OVERLAP: Final = timedelta(minutes=10)
DAYS_BACK: Final = timedelta(days=2)
RECONCILED: Final = timedelta(days=14)
_AT_ONCE: Final = 500  # orders that are stored together
_REFUSED: Final = (400, 422)
_FEW: Final = 5
Believed = Callable[[tuple[int, int], Set[str]], bool]
_NO_DATE: Final = "an order has no readable date; what is known stands"


class Pass(StrEnum):
    """One pass over the orders."""

    PAID = "paid"
    UPDATED = "updated"
    RECONCILE = "reconcile"


FIELDS: Final = {Pass.PAID: "orderPaidDate", Pass.UPDATED: "updatedAt", Pass.RECONCILE: "orderPaidDate"}


class Form(StrEnum):
    """How a filter's time is written."""

    ANY = "any"
    DAY = "day"


@dataclass(slots=True)
class PassesRead:
    """What the passes of one sync found.

    Attributes:
        found: ids of orders that were stored or confirmed.
        read_at: by id, of the orders that were shown whole: monotonic seconds before the answer was asked for.
        late: ids of orders that only the reconciling pass found (`found_late`).
        unreadable: orders that could not be read: rows without an id, and all whose last read says nothing.
        window_share: orders held for the reconciling pass's window, and how many of them it found; (0, 0) where it was
            not made. window_missing: ids of those that it did not find.
        reconciled: the reconciling pass was made to its end.
        complete: no walk was broken off because a hint was due.
    """

    found: set[str] = field(default_factory=set)
    read_at: dict[str, float] = field(default_factory=dict)
    late: set[str] = field(default_factory=set)
    unreadable: int = 0
    window_share: tuple[int, int] = (0, 0)
    window_missing: Set[str] = frozenset()
    reconciled: bool = False
    complete: bool = True


@dataclass(frozen=True, slots=True)
class _Mark:
    """How far a pass has come; times are UTC without zone."""

    through: datetime | None = None
    since: datetime | None = None
    done_at_real: datetime | None = None
    form: Form = Form.ANY


class _Ignored(Exception):
    """The filter had no effect."""


def walk_all(
    run: Run,
    client: Commerce7Client,
    *,
    start: datetime,
    reconcile: timedelta,
    believed: Believed = lambda *_: True,
) -> PassesRead:
    """Make the passes that are due: paid and updated each time, the reconciling one each `reconcile` and at first.

    Args:
        start: paid before it (UTC without zone): kept only if it is known already.
        believed: says of `window_share` and `window_missing` whether the reconciling pass is done by it; else the next
            sync makes it anew.

    Raises:
        PipelineError: as the client does, and BadAnswer where a list cannot be believed; what was read is stored, and
            no watermark has moved that the list did not reach.
    """
    passes = _Passes(run, client, start, believed)
    whole = all(passes.walk(one) for one in (Pass.PAID, Pass.UPDATED))
    if whole and passes.is_reconcile_due(reconcile):
        passes.walk(Pass.RECONCILE)
    passes.told.unreadable = len(passes.nameless)
    return passes.told


class _Passes:
    """Makes the passes of one sync."""

    def __init__(self, run: Run, client: Commerce7Client, start: datetime, believed: Believed) -> None:
        self._run, self._client, self._start, self._believed = run, client, start, believed
        self._began = run.now()
        with run.open() as db:
            self._marks = _marks(db)
        self.told = PassesRead()
        self.nameless: set[str] = set()  # rows that are no orders, by their text: each pass may show them

    def is_reconcile_due(self, every: timedelta) -> bool:
        at = self._mark(Pass.RECONCILE).done_at_real
        if at is None or self._run.full:
            return True
        return utc_now_naive() - at >= every and not self._run.over_budget(self._client.http.calls.total())

    def walk(self, one: Pass) -> bool:
        """Walk one list to its end; returns whether it came there."""
        first = self._form(one)
        for form in (first, Form.DAY if first is Form.ANY else Form.ANY):
            walked = _Walked(self._run, self, one, form, self._bound(one, form))
            try:
                complete = self._try(walked)
            except _Ignored:
                continue
            except Refused as error:
                if form is Form.DAY or error.http_status not in _REFUSED or walked.pages:
                    raise
                continue
            self._end(walked, complete=complete)
            return complete
        raise bad_answer(f"the filter {FIELDS[one]} has no effect, so what it should show cannot be told apart", CALL)

    def _form(self, one: Pass) -> Form:
        return Form.DAY if one is Pass.RECONCILE else self._mark(one).form

    def _mark(self, one: Pass) -> _Mark:
        return self._marks.get(one, _Mark())

    def _bound(self, one: Pass, form: Form) -> datetime:
        """Return the moment from which on orders are asked for: T of orders.md 3."""
        now, mark = self._began, self._mark(one)
        if one is Pass.RECONCILE:
            at = max(now - RECONCILED, min(self._start, now))
        elif mark.through is None or self._run.full or (mark.since is not None and self._start < mark.since):
            at = min(self._start, now - OVERLAP)
        else:
            at = min(max(mark.through - OVERLAP, self._start), now - OVERLAP)
        if form is Form.ANY:
            return at.replace(microsecond=0)
        if one is not Pass.RECONCILE:
            at -= DAYS_BACK
        return at.replace(hour=0, minute=0, second=0, microsecond=0)

    def _try(self, walked: _Walked) -> bool:
        value = walked.bound.strftime("%Y-%m-%dT%H:%M:%S.000Z" if walked.form is Form.ANY else "%Y-%m-%d")
        wanted = {FIELDS[walked.one]: f"gte:{value}"}
        try:
            for page in pages(lambda cursor: self._client.orders(wanted, cursor), "orders", CALL):
                walked.take(page.rows, page.asked_at)
                if self._run.gives_way():
                    return False
        finally:
            walked.store()
        walked.settle()
        return True

    def _end(self, walked: _Walked, *, complete: bool) -> None:
        one, mark = walked.one, self._mark(walked.one)
        self._run.request_log.append(
            RequestLogEntry(
                "orders", f"{one} since {walked.bound:%Y-%m-%d %H:%M} UTC", walked.rows, f"{len(walked.found)} kept"
            )
        )
        if not complete:
            self.told.complete = False
            return
        marks: dict[Pass, _Mark] = {}
        if one is Pass.RECONCILE:
            self.told.window_share = (len(walked.held_before), len(walked.held_before & walked.shown))
            self.told.window_missing = walked.held_before - walked.shown
            self.told.late, self.told.reconciled = walked.late, True
            if self._believed(self.told.window_share, self.told.window_missing):
                marks[one] = _Mark(None, self._start, utc_now_naive())
        else:
            through = max((at for at in (mark.through, walked.newest) if at is not None), default=None)
            moved = _Mark(through, self._start, mark.done_at_real, walked.form)
            marks = {one: moved}
            if walked.form is not mark.form:  # it is the same understanding of dates, and the same merchant
                other = Pass.UPDATED if one is Pass.PAID else Pass.PAID
                marks[other] = _with_form(self._mark(other), walked.form)
        marks = {each: new for each, new in marks.items() if new != self._marks.get(each)}
        if marks:
            with self._run.open() as db, db.transaction():
                for each, new in marks.items():
                    _store_mark(db, each, new, self._run.now())
            self._marks |= marks

    def ask_by_days(self, db: Db) -> None:
        """Have both passes ask by days from the next sync on, inside the caller's transaction."""
        for one in (Pass.PAID, Pass.UPDATED):
            self._marks[one] = _with_form(self._mark(one), Form.DAY)
            _store_mark(db, one, self._marks[one], self._run.now())

    def started(self) -> datetime:
        return self._start

    def began(self) -> datetime:
        return self._began


class _Walked:
    """What one walk has shown so far.

    Attributes:
        rows, pages: how many. newest: the newest date of the filtered key that is not ahead of us.
        found: ids that are stored. shown: all ids in the window. late: ids that no other pass found.
        held_before: ids that were held for the window before the walk.
    """

    def __init__(self, run: Run, passes: _Passes, one: Pass, form: Form, bound: datetime) -> None:
        self.one, self.form, self.bound = one, form, bound
        self._run, self._passes = run, passes
        self._waits: dict[str, tuple[dict[str, Any], float]] = {}
        self.rows = self.pages = 0
        self.newest: datetime | None = None
        self.found: set[str] = set()
        self.shown: set[str] = set()
        self.late: set[str] = set()
        self._bad = 0
        self._failed: dict[str, PipelineError] = {}
        self.held_before: set[str] = set()
        if one is Pass.RECONCILE:
            with run.open() as db:
                self.held_before = _held_in(db, bound, passes.began())

    def take(self, rows: list[Any], asked_at: float) -> None:
        """Take the rows of a page that are in the window.

        Raises:
            _Ignored: one lies outside of it by more than two days.
        """
        self.pages += 1
        for row in rows:
            self.rows += 1
            if not isinstance(row, Mapping):
                self._refuse(row, None)
                continue
            at = moment(row.get(FIELDS[self.one]))
            if at is not None and at < self.bound - DAYS_BACK:
                raise _Ignored
            if (at is not None and at >= self.bound) or FIELDS[self.one] not in row:  # what is not shown was filtered
                self._keep(dict(row), at, asked_at)
            elif at is None and not _has_a_date(row):
                self._refuse(row, None)
        if len(self._waits) >= _AT_ONCE:
            self.store()

    def _keep(self, row: dict[str, Any], at: datetime | None, asked_at: float) -> None:
        order_id = id_text(row.get("id"))
        if at is not None and at <= self._run.now() and (self.newest is None or at > self.newest):
            self.newest = at
        if order_id is None:
            self._refuse(row, None)
            return
        other = self._waits.get(order_id)
        if other is None or not _is_newer(other[0], row):
            self._waits[order_id] = row, asked_at

    def store(self) -> None:
        """Store what was taken and not stored yet."""
        waits, self._waits = self._waits, {}
        seen, asked = [], dict[str, float]()
        real, start = datetime.now(UTC), self._passes.started()
        for order_id, (row, asked_at) in waits.items():
            try:
                order = read_order(row)
            except Unreadable as error:
                self._refuse(row, error)
                continue
            self.shown.add(order_id)
            asked[order_id] = asked_at
            by = self.one if self.one is not Pass.RECONCILE or order.paid_at < self._passes.began() else Pass.PAID
            seen.append(landing.Seen(row, order, by, False, order.paid_at >= start, real))
        if not seen:
            return
        with self._run.open() as db, db.transaction():
            known = {one.order.id for one in seen} - set(stored.unheld(db, [one.order.id for one in seen]))
            kept = [one for one in seen if one.keep or one.order.id in known]
            told = landing.store(db, self._run, kept)
            by_id = {one.order.id: one for one in kept}
            late = {id_ for id_, result in told.items() if result.new and by_id[id_].by == Pass.RECONCILE}
            if late:  # together with the orders: a run that dies here leaves them as held, and late no more
                self._passes.ask_by_days(db)
        self.late |= late
        for order_id, result in told.items():
            if result.kept_out:
                continue
            self.found.add(order_id)
            self._passes.told.found.add(order_id)
            if result.whole:
                self._passes.told.read_at[order_id] = asked[order_id]

    def settle(self) -> None:
        """Keep which orders could not be read, unless it is too many to believe the list (R40).

        Raises:
            BadAnswer: all of several rows, or over a fifth of many, are no orders.
        """
        if (self._bad >= _FEW and self._bad == self.rows) or (self.rows >= MANY and self._bad * ONE_IN > self.rows):
            raise bad_answer("too many of the listed orders cannot be read", CALL)
        if self._failed:
            with self._run.open() as db, db.transaction():
                record_unreadable(db, STORED, self._failed, self._run.now(), dry_run=self._run.dry_run)

    def _refuse(self, row: object, error: Unreadable | None) -> None:
        self._bad += 1
        order_id = id_text(row.get("id")) if isinstance(row, Mapping) else None
        if order_id is not None:
            self._failed[order_id] = error or Unreadable(_NO_DATE, system=COMMERCE7, call=CALL)
        else:
            self._passes.nameless.add(as_text(row))


def _has_a_date(row: Mapping[str, Any]) -> bool:
    """Say whether a row without the filtered date has any other one: then it is an order of no window."""
    return any(moment(row.get(key)) is not None for key in ("orderPaidDate", "orderSubmittedDate", "createdAt"))


def _is_newer(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Say whether a row is of a later version than another of the same order."""
    at, than = moment(one.get("updatedAt")), moment(other.get("updatedAt"))
    return at is not None and than is not None and at > than


def _held_in(db: Db, bound: datetime, until: datetime) -> set[str]:
    """Return the ids of orders that the reconciling pass has to show; what is a day in a filter is not known."""
    rows = db.rows(
        f"select id from {stored.TABLE} where own_paid_at >= ? and own_paid_at <= ? and gone_at is null",
        [bound + timedelta(days=1), until],
    )
    return {row[0] for row in rows}


def _marks(db: Db) -> dict[Pass, _Mark]:
    rows = db.rows("select pass, through, since, done_at_real, date_form from raw.commerce7_passes")
    return {Pass(row[0]): _Mark(row[1], row[2], row[3], Form(row[4])) for row in rows}


def _with_form(mark: _Mark, form: Form) -> _Mark:
    return _Mark(mark.through, mark.since, mark.done_at_real, form)


def _store_mark(db: Db, one: Pass, mark: _Mark, now: datetime) -> None:
    db.execute(
        """insert or replace into raw.commerce7_passes (pass, through, since, done_at, done_at_real, date_form)
           values (?, ?, ?, ?, ?, ?)""",
        [one, mark.through, mark.since, now, mark.done_at_real, mark.form],
    )


def note_reconciled(db: Db, run: Run, start: datetime) -> None:
    """Note that the reconciling pass is done, though it was not believed: a person has said that it is right."""
    _store_mark(db, Pass.RECONCILE, _Mark(None, start, utc_now_naive()), run.now())


def walked_since(db: Db) -> datetime | None:
    """Return the `start` from which paid orders were read whole; None before that (UTC without zone)."""
    found: datetime | None = db.value("select since from raw.commerce7_passes where pass = ?", [Pass.PAID])
    return found
