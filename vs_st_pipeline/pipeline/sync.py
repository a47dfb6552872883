"""The story: for one merchant, read both systems, put it in our words, plan the difference, push it.

    raw      what a system said           extract_contacts, extract_customers, extract_orders
    staged   one row per customer, order  stage
    planned  what must change over there  plan
    synced   what was accepted            push

`walk` makes the stops that it is asked for; `sync` all of them, `rehearse` all but the last. The command line, the
Dagster assets, a schedule and a backfill all call these functions: there is one way through the code, never two.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC
from typing import Any

from vs_st_pipeline.connectors.simpletexting import contacts as st_contacts
from vs_st_pipeline.connectors.simpletexting.client import SimpleTextingClient
from vs_st_pipeline.connectors.simpletexting.outcomes import Pushed
from vs_st_pipeline.connectors.simpletexting.push import push as push_contacts
from vs_st_pipeline.connectors.simpletexting.stored_contacts import read_custom_fields
from vs_st_pipeline.connectors.vinoshipper.client import VinoshipperClient
from vs_st_pipeline.connectors.vinoshipper.customers import fetch_customers, look_up_newcomers
from vs_st_pipeline.connectors.vinoshipper.details import fetch_customer_details, fetch_order_details, fetch_receipts
from vs_st_pipeline.connectors.vinoshipper.orders import search_orders
from vs_st_pipeline.domain.errors import (
    SIMPLETEXTING,
    VINOSHIPPER,
    BadSettings,
    Internal,
    Interrupted,
    PipelineError,
    TryLater,
    Unsafe,
)
from vs_st_pipeline.domain.field_map import FieldMap
from vs_st_pipeline.domain.plan import UNREADABLE
from vs_st_pipeline.domain.report import FAILED, OK, PARTIAL, Report
from vs_st_pipeline.pipeline import erasure, planning, raw_retention, staging
from vs_st_pipeline.pipeline.demand import Demand, demand_of, receipts_in_demand, wants_receipts
from vs_st_pipeline.pipeline.plan_cache import Standing, keep_standing, standing_plan
from vs_st_pipeline.pipeline.status_file import write_standing
from vs_st_pipeline.platform.crash_reports import told
from vs_st_pipeline.platform.http.rate_limit import Pace, account_file
from vs_st_pipeline.platform.run import Asked, Run, new_run_id
from vs_st_pipeline.platform.settings.secrets import Secret
from vs_st_pipeline.platform.warehouse.ledger import count_waiting
from vs_st_pipeline.platform.warehouse.limitations import newest_unseen, read_blind_spots
from vs_st_pipeline.routes.contacts.identity import Linked


@dataclass(frozen=True, slots=True)
class _Turns:
    """A pace that ends when the run is to stop."""

    pace: Pace
    stop: Callable[[], bool]

    def wait(self) -> float:
        if self.stop():
            raise TryLater("stopped by hand; the next sync goes on where this one was")
        return self.pace.wait(self.stop)


@dataclass(slots=True)
class Visit:
    """One merchant's run under way.

    Attributes:
        report: what it did so far.
        demand, links: whose records are worth asking for, and all links, as far as they were worked out in this run.
        staged: `staged` is in step with what this run has read.
    """

    run: Run
    report: Report
    demand: Demand | None = None
    links: Linked | None = None
    staged: bool = False
    _vinoshipper: VinoshipperClient | None = None
    _simpletexting: SimpleTextingClient | None = None
    _paces: list[Pace] = field(default_factory=list)

    def in_demand(self) -> Demand:
        """Whose records are worth asking for, by what is stored now."""
        self.demand, links = demand_of(self.run, self.demand)
        self.links = links or self.links
        return self.demand

    @property
    def vinoshipper(self) -> VinoshipperClient:
        if self._vinoshipper is None:
            settings = self.run.merchant.vinoshipper
            pace = self._pace(VINOSHIPPER, settings.base_url, settings.api_key, settings.requests_per_second)
            self._vinoshipper = VinoshipperClient(self.run.merchant, pace)
            self.report.vinoshipper_calls = self._vinoshipper.http.calls
        return self._vinoshipper

    @property
    def simpletexting(self) -> SimpleTextingClient:
        if self._simpletexting is None:
            settings = self.run.merchant.simpletexting
            pace = self._pace(SIMPLETEXTING, settings.base_url, settings.api_token, settings.requests_per_second)
            self._simpletexting = SimpleTextingClient(self.run.merchant, pace)
            self.report.simpletexting_calls = self._simpletexting.http.calls
        return self._simpletexting

    def _pace(self, system: str, base_url: str, key: Secret, rate: float) -> _Turns:
        """What all processes share that speak with this key, under whatever name; and the fleet's, if any."""
        self.run.warehouse.folder(self.run.merchant.id)  # makes the data folder, with its mode
        folder = self.run.warehouse.data_dir / "pace"
        fleet_rate = self.run.fleet_rates.get(system)
        fleet = Pace(folder / f"{system}-fleet", fleet_rate) if fleet_rate else None
        pace = Pace(account_file(folder, system, base_url, key.reveal()), rate, fleet=fleet)
        self._paces += [pace, *([fleet] if fleet else [])]
        return _Turns(pace, self.run.stop)

    @contextmanager
    def measured(self, name: str, on_stop: Callable[[StopDone], None]) -> Iterator[None]:
        """Tell what a stop took and asked, once it is done."""
        started, called, asked = time.monotonic(), Counter(self.report.calls_by_name()), len(self.run.asked)
        yield
        calls = Counter(self.report.calls_by_name()) - called
        on_stop(StopDone(name, time.monotonic() - started, dict(calls), self.run.asked[asked:]))

    def close(self) -> None:
        for client in (self._vinoshipper, self._simpletexting):
            if client is not None:
                client.http.close()
        for pace in self._paces:
            pace.close()


# --- the four stops -----------------------------------------------------------------------------------------------


def extract_contacts(visit: Visit) -> None:
    """raw: the account's custom fields and all its contacts."""
    st_contacts.fetch_custom_fields(visit.run, visit.simpletexting)
    visit.report.contacts = st_contacts.fetch_contacts(visit.run, visit.simpletexting)


def extract_customers(visit: Visit) -> None:
    """raw: all customers as the list shows them, and the details of those whom an opted-in contact may stand for."""
    visit.report.customers = fetch_customers(visit.run, visit.vinoshipper)
    wanted = visit.in_demand()
    if look_up_newcomers(visit.run, visit.vinoshipper, wanted.unknown_phones):
        wanted = visit.in_demand()
    read: set[int] = set()
    # A detail may prove a deletion, and the contact then falls to another customer, who is read before it is judged.
    while new := set(wanted.customer_ids) - read:
        if fetch_customer_details(visit.run, visit.vinoshipper, sorted(new)):
            wanted = visit.in_demand()
        read |= new


def extract_orders(visit: Visit) -> None:
    """raw: all orders as the search shows them, and the details of the orders of those same customers."""
    visit.report.orders = search_orders(visit.run, visit.vinoshipper)
    # Orders link nobody, so what was found with the customers stands.
    fetch_order_details(visit.run, visit.vinoshipper, (visit.demand or visit.in_demand()).customer_ids)


def receipts_to_read(visit: Visit, field_map: FieldMap) -> list[str]:
    """The orders whose receipts the map wants: the newest of each customer that a contact stands for, as staged."""
    with visit.run.open() as db:
        if not wants_receipts(field_map, read_custom_fields(db)):
            return []
    stage(visit)
    wanted = visit.demand or visit.in_demand()
    with visit.run.open() as db:
        visit.links = visit.links or planning.link_all(db)
        return receipts_in_demand(visit.run, db, visit.links, wanted.customer_ids, field_map)


def read_receipts(visit: Visit, numbers: Sequence[str]) -> bool:
    """raw: the receipts of these orders; whether any was asked for, so that they may say something new."""
    asked = fetch_receipts(visit.run, visit.vinoshipper, numbers)
    if asked:
        with visit.run.open() as db:
            staging.copy_receipts(db)
    return bool(asked)


def stage(visit: Visit) -> None:
    """staged: one row per customer and one per order, in our words."""
    staging.stage(visit.run)
    visit.staged = True


def plan(visit: Visit, field_map: FieldMap) -> planning.Plan:
    """planned: what must change at SimpleTexting, who is held back and why; the brake's verdict is part of it."""
    made = planning.make_plan(visit.run, field_map, visit.links)
    report = visit.report
    report.plan = visit.run.run_id
    report.planned_contacts, report.planned_fields = made.contacts, made.fields
    report.unmatched, report.held, report.noted = made.unmatched, made.held, made.noted
    return made


def push(visit: Visit) -> Pushed:
    """synced: write the difference, and remember only what was accepted."""
    pushed, report = Pushed(), visit.report
    try:
        push_contacts(visit.run, visit.simpletexting, pushed)
    finally:
        report.accepted, report.rejected, report.unknown = pushed.accepted, pushed.rejected, pushed.unknown
        report.noted, report.held = report.noted + pushed.noted, report.held + pushed.held
    return pushed


# --- the whole way ------------------------------------------------------------------------------------------------

CONTACTS, CUSTOMERS, ORDERS = "raw/simpletexting/contacts", "raw/vinoshipper/customers", "raw/vinoshipper/orders"
STAGED, PLANNED, SYNCED = "staged", "planned", "synced"
STOPS = (CONTACTS, CUSTOMERS, ORDERS, STAGED, PLANNED, SYNCED)
"""Every stop by name, in the order of the way."""


@dataclass(frozen=True, slots=True)
class StopDone:
    """A stop that has just been made.

    Attributes:
        seconds: how long it took.
        calls: requests sent for it, by system and call name.
        asked: what was asked for it, why, and what it found.
    """

    name: str
    seconds: float
    calls: dict[str, int]
    asked: list[Asked]


def walk(run: Run, stops: Collection[str], on_stop: Callable[[StopDone], None] = lambda _: None) -> Report:
    """Make these stops for one merchant, in the order of the way; never raises, what went wrong is in the report.

    Where something that is no part of his stopped him midway, he is run again at once, and once.

    Args:
        stops: names in `STOPS`. Without `synced` it is a rehearsal of the others if the run says so.
        on_stop: told of each stop as it is done.
    """
    report = _walk_once(run, stops, on_stop)
    if isinstance(report.error, Interrupted) and not run.stop():
        run = replace(run, run_id=new_run_id())
        report = _joined(report, _walk_once(run, stops, on_stop))
    if "synced" in stops:
        now = run.clock().astimezone(UTC)
        shown = {"run_id": run.run_id, **report.as_json()}
        with suppress(OSError):  # a view for `vs-st merchants`; a disk that is full is in the report already
            write_standing(
                run.warehouse.data_dir, run.merchant.id, now, shown,
                good=report.status != FAILED, waiting=report.waiting,
            )  # fmt: skip
    return report


def _joined(first: Report, second: Report) -> Report:
    """The report of a second try, with what the first one has done."""
    second.accepted += first.accepted
    second.vinoshipper_calls = first.vinoshipper_calls + second.vinoshipper_calls
    second.simpletexting_calls = first.simpletexting_calls + second.simpletexting_calls
    second.seconds += first.seconds
    return second


def _walk_once(run: Run, stops: Collection[str], on_stop: Callable[[StopDone], None]) -> Report:
    whole = set(stops) == set(STOPS)
    unchanged: Standing | None = None
    with visiting(run) as visit, run.warehouse.sync_lock(run.merchant.id):
        field_map = planning.load_field_map(run.merchant)  # a map that cannot be read should cost no request
        erasure.begin(run)
        receipts: list[str] = []
        for name in STOPS:
            if name not in stops:
                continue
            with visit.measured(name, on_stop):
                if name == CONTACTS:
                    extract_contacts(visit)
                elif name == CUSTOMERS:
                    extract_customers(visit)
                elif name == ORDERS:
                    extract_orders(visit)
                    # Nothing that the former plan was made of has changed, and it had nothing to write.
                    with run.open() as db:
                        unchanged = standing_plan(run, db, field_map) if whole else None
                    receipts = unchanged.receipts if unchanged else receipts_to_read(visit, field_map)
                    if read_receipts(visit, receipts):
                        unchanged = None
                elif unchanged is not None:
                    continue
                elif name == STAGED:
                    if not visit.staged:  # to know whose receipt to read, it was made already
                        stage(visit)
                elif name == PLANNED:
                    plan(visit, field_map)
                elif name == SYNCED:
                    push(visit)
        with run.open() as db:
            visit.report.unseen = [spot.sentence for spot, _ in read_blind_spots(db)]
            visit.report.orders_unseen = newest_unseen(db) is not None
            if unchanged is not None:
                unchanged.tell(visit.report)
            else:
                if whole:
                    keep_standing(run, db, field_map, visit.report, receipts)
                visit.report.waiting = count_waiting(db)
        raw_retention.let_go(run)
        erasure.finish(run)
    return visit.report


def sync(run: Run) -> Report:
    """The main job for one merchant: the whole way."""
    return walk(run, STOPS)


def rehearse(run: Run) -> tuple[Report, dict[str, list[dict[str, Any]]]]:
    """The same up to planned; a later sync does all that it would have done without it.

    Returns:
        The report, and the plan row by row (`contacts`, `held`, `noted`) with phones and values in full.
    """
    rows: dict[str, list[dict[str, Any]]] = {"contacts": [], "held": [], "noted": []}
    refused: list[str] = []

    def look(done: StopDone) -> None:  # while the lock is held, so that it is this plan and no later one
        if done.name == "planned":
            rows.update(planning.planned_rows(run))
            with run.open() as db:
                refused.extend(row[0] for row in db.rows("select unsafe from planned.plan where unsafe is not null"))

    report = walk(replace(run, dry_run=True), [name for name in STOPS if name != "synced"], look)
    if report.status != FAILED and refused and not run.allow_unsafe:
        report.status, report.error = FAILED, Unsafe(refused[0])
    return report, rows


@contextmanager
def visiting(run: Run) -> Iterator[Visit]:
    """A visit that turns whatever goes wrong inside into the report's error, and closes its clients."""
    visit = Visit(run, Report(run.merchant.id, run.run_id))
    started = time.monotonic()
    try:
        with run.warehouse.keeping(run.merchant.id):
            yield visit
        # A contact that our own batch made and that was deleted again was not accepted, whatever the counts say.
        visit.report.status = PARTIAL if _is_partial(visit.report) else OK
    except PipelineError as error:
        visit.report.status, visit.report.error = FAILED, error
    except OSError as error:
        visit.report.status = FAILED
        visit.report.error = BadSettings(
            f"the file {error.filename or f'below {run.warehouse.data_dir}'} cannot be used "
            f"({error.strerror or 'no reason told'}): is the disk full or the folder read-only? Make room or make it "
            "writable, and sync again"
        )
    except Exception as error:
        # The text of a foreign exception may hold a person's data; its type and place are enough to find it.
        visit.report.status, visit.report.error = (
            FAILED,
            Internal(told(error)),
        )
    finally:
        visit.close()
        visit.report.seconds = time.monotonic() - started


def _is_partial(report: Report) -> bool:
    return bool(report.rejected or report.unknown or report.noted[UNREADABLE] or report.orders_unseen)
