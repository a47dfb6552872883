"""Holds what the steps of one run of this route share: both clients, what was read, what the brake has yet to judge."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Final, cast

from vs_st_pipeline.connectors import commerce7, vinoshipper
from vs_st_pipeline.connectors.commerce7.client import Commerce7Client
from vs_st_pipeline.connectors.vinoshipper.order_desk import order_desk
from vs_st_pipeline.domain.brake import Verdict
from vs_st_pipeline.domain.errors import BadKey, Forbidden, Interrupted, PipelineError, TryLater, Unsafe
from vs_st_pipeline.domain.order_desk import Catalogue, HeldOrder, HeldRow, OrderDesk, WriteAnswer
from vs_st_pipeline.pipeline.session import Session, StageDone, opened
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.routes.orders.report import OrdersReport, Tally, new_report
from vs_st_pipeline.routes.orders.settings import OrdersSettings
from vs_st_pipeline.routes.orders.stage_names import PUSH
from vs_st_pipeline.routes.orders.states import Waits
from vs_st_pipeline.routes.orders.systems import SHIPPER

SYSTEMS: Final = (commerce7.CONNECTOR, vinoshipper.CONNECTOR)
FRESH_SECONDS: Final = 30.0  # 6.2: how old a read of Vinoshipper may be that a create or an update follows


@dataclass(frozen=True, slots=True)
class Look:
    """A read of one order at the shipper. held: None: it is not there. at: monotonic seconds, before it was asked."""

    held: HeldOrder | None
    at: float


@dataclass(slots=True)
class ReadingDesk:
    """The shipper's desk, which remembers what this run has read there, and whether it answers at all.

    Attributes:
        looks: the last good read of each number. numbers: of all orders that this run saw there.
        answered: it answered this run with something that says what was asked.
    """

    desk: OrderDesk
    looks: dict[str, Look] = field(default_factory=dict)
    numbers: set[str] = field(default_factory=set)
    answered: bool = False

    def read(self, number: str) -> HeldOrder | None:
        at = time.monotonic()
        self.looks.pop(number, None)
        held = self.desk.read(number)
        self.looks[number] = Look(held, at)
        self.answered = True
        if held is not None:
            self.numbers.add(number)
        return held

    def look(self, number: str, *, within: float = FRESH_SECONDS) -> HeldOrder | None:
        """Return an order as this run has read it at most so many seconds ago, else read it."""
        known = self.looks.get(number)
        if known is not None and time.monotonic() - known.at <= within:
            return known.held
        return self.read(number)

    def was_read(self, number: str, *, since: float) -> bool:
        """Say whether an order was read since a moment (monotonic seconds)."""
        known = self.looks.get(number)
        return known is not None and known.at >= since

    def create(self, body: Mapping[str, Any]) -> WriteAnswer:
        self.looks.pop(str(body.get("orderNumber")), None)
        return self.desk.create(body)

    def update(self, number: str, body: Mapping[str, Any]) -> WriteAnswer:
        self.looks.pop(number, None)
        return self.desk.update(number, body)

    def cancel(self, number: str, reason: str, *, restore_inventory: bool, with_key: bool = True) -> WriteAnswer:
        self.looks.pop(number, None)
        return self.desk.cancel(number, reason, restore_inventory=restore_inventory, with_key=with_key)

    def check_compliance(self, body: Mapping[str, Any]) -> dict[str, Any]:
        return self.desk.check_compliance(body)

    def catalogue(self) -> Catalogue:
        found = self.desk.catalogue()
        self.answered = True
        return found

    def shipped(self, first: date, last: date) -> list[HeldRow]:
        return self._rows(self.desk.shipped(first, last))

    def placed(self, first: date, last: date) -> list[HeldRow]:
        return self._rows(self.desk.placed(first, last))

    def _rows(self, rows: list[HeldRow]) -> list[HeldRow]:
        self.answered = True
        self.numbers.update(row.number for row in rows)
        return rows


@dataclass(frozen=True, slots=True)
class Turned:
    """What a read of the shipper showed of a sent order. held: None: nothing. why, row: for which it was read."""

    held: HeldOrder | None
    why: str
    row: HeldRow | None = None


@dataclass(frozen=True, slots=True)
class Ready:
    """An order that may be sent."""

    order_id: str
    paid_at: datetime
    first_seen_at: datetime
    looked_back: bool


@dataclass(slots=True)
class Judged:
    """What a run's judgement left to do.

    Attributes:
        ready: orders that may be sent, by id. looks: verdicts that wait for a read of the shipper (`judging.Case`), by
            order id. key: what they rest on besides. tried: ids of those that this run has tried to send.
        asks_back: ids of those of which the shop is asked, before they are sent, whether a person kept them back.
    """

    ready: dict[str, Ready] = field(default_factory=dict)
    looks: dict[str, Any] = field(default_factory=dict)
    key: str = ""
    tried: set[str] = field(default_factory=set)
    asks_back: set[str] = field(default_factory=set)

    def oldest_first(self) -> list[Ready]:
        """Return the orders that may be sent, oldest paid first."""
        return sorted(self.ready.values(), key=lambda one: (one.paid_at, one.order_id))


@dataclass(slots=True)
class OrdersSession(Session):
    """One merchant's run of this route under way.

    Attributes:
        reads: when this run read an order at the shop, by its id: monotonic seconds, before it was asked.
        only: ids of the orders that a targeted sync or a command is about; None: all.
        linked: ids of orders that those of `only` say something new of, such as that they are refunded.
        hinted: ids of orders with a hint that waited: their read before a send is younger (rulings, orders 2).
        judged: what may be sent, and what waits for a look, once that was judged.
        verdicts: what the brake (9) found so far; it is asked once, before the first write.
        window_judged: what reconcile found was judged by this run.
        refused: why the brake lets nothing be written; None: it does, or was not asked yet.
        turned: sent orders that seem to be gone by a read of this run, by id, until the brake has judged it.
        stands: ids of those that this run has read, and that are not gone.
        once_safe: what is recorded only once the brake has let this run pass, such as that orders were voided.
        there: why the shipper is not asked any more in this run: it is down, or the key is not good; None: it is asked.
        trouble: the first other error at the shipper; the run goes on where it can, and fails.
        learned: what an earlier run found that the shipper's search obeys; None: nothing is known of it.
        failed_parts: trouble of a part of this run, such as a catalogue, that the rest goes on without.
    """

    reads: dict[str, float] = field(default_factory=dict)
    only: frozenset[str] | None = None
    linked: frozenset[str] = frozenset()
    hinted: set[str] = field(default_factory=set)
    judged: Judged = field(default_factory=Judged)
    verdicts: list[Verdict] = field(default_factory=list)
    window_judged: bool = False
    refused: Unsafe | None = None
    turned: dict[str, Turned] = field(default_factory=dict)
    stands: set[str] = field(default_factory=set)
    once_safe: list[Callable[[], None]] = field(default_factory=list)
    there: PipelineError | None = None
    trouble: PipelineError | None = None
    failed_parts: dict[str, PipelineError] = field(default_factory=dict)
    learned: dict[str, Any] | None = None
    _desk: ReadingDesk | None = None

    @property
    def told(self) -> OrdersReport:
        """Return the report, as this route's."""
        return cast(OrdersReport, self.report)

    @property
    def counts(self) -> Tally:
        """Return what became of orders in this run so far."""
        return self.told.tally

    @property
    def settings(self) -> OrdersSettings:
        """Return the route's settings of this merchant."""
        return self.run.merchant.section(OrdersSettings)

    @property
    def shop(self) -> Commerce7Client:
        """Return the shop's client."""
        return self.client(commerce7.CONNECTOR)

    @property
    def desk(self) -> ReadingDesk:
        """Return the shipper's desk."""
        if self._desk is None:
            self._desk = ReadingDesk(order_desk(self.client(vinoshipper.CONNECTOR), self.learned))
        return self._desk

    @property
    def learned_by_now(self) -> dict[str, Any] | None:
        """Return what is known by now of the shipper's search; None: it was not asked for anything."""
        return None if self._desk is None else getattr(self._desk.desk, "learned", None)

    @property
    def seen_there(self) -> set[str]:
        """Return the numbers of all orders that this run saw at the shipper."""
        return set() if self._desk is None else self._desk.numbers

    @property
    def writes(self) -> bool:
        """Say whether this run may write: no dry run, no `shadow`, no part of a sync, and the brake lets it."""
        if self.run.dry_run or self.refused is not None:
            return False
        return PUSH in self.selected and self.settings.mode == "live"

    @property
    def waits_for(self) -> str:
        """Return the code of an order that is to be sent while the shipper cannot be asked (4.2)."""
        return str(Waits.AUTH if isinstance(self.there, BadKey) else Waits.TRY_LATER)

    @property
    def over_budget(self) -> bool:
        """Say whether what can wait is left for the next run (routes.md R54, R63); never a write that is due."""
        return self.run.over_budget(sum(calls.total() for calls in self.report.calls.values()))

    @contextmanager
    def asking_there(self) -> Iterator[None]:
        """Keep the shipper's trouble, so that the rest of the run goes on; the run fails with it at its end."""
        try:
            yield
        except PipelineError as error:
            if error.system != SHIPPER or isinstance(error, Interrupted) or self.run.stop():
                raise
            if is_down(error):
                self.there = self.there or error
            else:
                self.trouble = self.trouble or error

    def read_at(self, order_id: str, within: float) -> bool:
        """Say whether this run has read an order at the shop at most so many seconds ago."""
        at = self.reads.get(order_id)
        return at is not None and time.monotonic() - at <= within


def is_down(error: PipelineError) -> bool:
    """Say whether an error is of the system, whatever it is asked: a key that is not good, or nobody answers."""
    if isinstance(error, BadKey):
        return not isinstance(error, Forbidden)
    return isinstance(error, TryLater) and error.http_status != 500


def open_session(
    run: Run, selected: Collection[str] = (), on_stage: Callable[[StageDone], None] = lambda _: None
) -> AbstractContextManager[OrdersSession]:
    """Open a session; an error inside becomes its report's error, and its clients are closed."""
    session = OrdersSession(run, new_report(run.merchant.id, run.run_id), selected, on_stage)
    session.told.shadow = session.settings.mode == "shadow"
    return opened(session)
