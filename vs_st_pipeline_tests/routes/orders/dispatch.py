"""A winery's dispatch: a shop and a shipper that do as a test says, one merchant's file in memory, a clock, power cuts.

What sending and settling do is tried here without sockets, hundreds of times; `sync` does of a sync what they need.
"""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import pytest

import vs_st_pipeline
from vs_st_pipeline.connectors.commerce7 import reading
from vs_st_pipeline.connectors.commerce7.settings import Commerce7Settings
from vs_st_pipeline.connectors.vinoshipper.settings import VinoshipperSettings
from vs_st_pipeline.domain.errors import BadKey, PipelineError, Refused, TryLater
from vs_st_pipeline.domain.order_desk import (
    Catalogue,
    Compliance,
    Conflict,
    Done,
    HeldOrder,
    NotReached,
    Problem,
    RefusedWrite,
    UnknownOutcome,
    WriteAnswer,
)
from vs_st_pipeline.platform import failpoints
from vs_st_pipeline.platform.failpoints import failpoint
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.settings.merchants import Merchant
from vs_st_pipeline.platform.settings.model import SettingsModel
from vs_st_pipeline.platform.settings.secrets import Secret
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.routes.orders import evidence, ledger, outbox, sending, settling, staging, standing
from vs_st_pipeline.routes.orders.ended import Ended
from vs_st_pipeline.routes.orders.ledger import OrderRow
from vs_st_pipeline.routes.orders.report import new_report
from vs_st_pipeline.routes.orders.session import OrdersSession, ReadingDesk
from vs_st_pipeline.routes.orders.settings import OrdersSettings
from vs_st_pipeline.routes.orders.stage_names import STAGES
from vs_st_pipeline.routes.orders.states import BY_SHIPPER, State
from vs_st_pipeline.routes.orders.systems import NAME

ROOT = Path(vs_st_pipeline.__file__).parent
NOON = datetime(2026, 12, 1, 20)
VIOLATION = "COMPLIANCE_VIOLATION"


class PowerCut(BaseException):
    """The process is gone here: nothing after this place was done."""


def shop_order(order_id: str = "a1", number: str = "1001", **changed: Any) -> dict[str, Any]:
    """Return a paid order to California of two bottles, as Commerce7 shows it; `...` leaves a key out."""
    who = {"firstName": "Ada", "lastName": "Vine", "birthDate": "1980-05-05", "phone": "7075550123"}
    to = {
        **who, "company": None, "address": "1 Sample Road", "address2": None, "city": "Napa", "stateCode": "CA",
        "zipCode": "94558", "countryCode": "US",
    }  # fmt: skip
    order = {
        "id": order_id, "orderNumber": number, "orderPaidDate": "2026-12-01T19:00:00.000Z",
        "orderSubmittedDate": "2026-12-01T19:00:00.000Z", "createdAt": "2026-12-01T19:00:00.000Z",
        "updatedAt": "2026-12-01T19:00:00.000Z", "purchaseType": "Regular", "orderDeliveryMethod": "Ship",
        "paymentStatus": "Paid", "fulfillmentStatus": "Not Fulfilled", "complianceStatus": "Compliant",
        "channel": "Web", "carrierPickupLocation": None, "previousOrderId": None, "linkedOrders": [],
        "customerId": f"c-{order_id}", "shipTo": to, "billTo": to,
        "customer": {"id": f"c-{order_id}", "firstName": "Ada", "lastName": "Vine", "birthDate": "1980-05-05",
                     "emails": [{"email": f"{order_id}@example.com"}], "phones": [{"phone": "7075550123"}]},
        "items": [{"sku": "CAB-2020", "quantity": 2, "price": 4000, "hasShipping": True, "type": "Wine", "tax": 0,
                   "bottleDeposit": 0, "quantityFulfilled": 0, "bundleItems": []}],
        "shipping": [{"carrier": "UPS", "code": "03", "title": "Ground", "price": 1500, "tax": 0}],
        "subTotal": 8000, "shipTotal": 1500, "taxTotal": 0, "total": 9500, "giftMessage": None,
        "shippingInstructions": None, "selectedShippingOptions": {"requestedShipDate": None}, "taxesAdjusted": None,
        "fulfillments": [],
    }  # fmt: skip
    return {key: value for key, value in {**order, **changed}.items() if value is not ...}


@dataclass
class Shop:
    """Commerce7: orders by id; `failing` errors come first, one a read."""

    orders: dict[str, dict[str, Any]] = field(default_factory=dict)
    failing: list[PipelineError] = field(default_factory=list)
    reads: list[str] = field(default_factory=list)

    def order(self, order_id: str) -> Any:
        self.reads.append(order_id)
        if self.failing:
            raise self.failing.pop(0)
        if order_id not in self.orders:
            raise Refused("not there", system="commerce7", call="order", http_status=404, said={"statusCode": 404})
        return json.loads(json.dumps(self.orders[order_id]), parse_float=Decimal)

    def customer(self, customer_id: str) -> Any:
        self.reads.append(customer_id)
        return {"id": customer_id, "firstName": "Ada", "lastName": "Vine", "birthDate": None,
                "emails": [{"email": "ada@example.com"}], "phones": []}  # fmt: skip


@dataclass
class Shipper:
    """Vinoshipper's order desk, with what it holds, its books, and what is to become of the next requests.

    Attributes:
        next: how the next writes go, first first: `done`, `lost_before`, `lost_after` (unknown: not taken, or taken),
            `not_reached`, `auth`, `conflict`, `hollow` (unknown, taken); or an answer. Then `done`.
        next_reads: the same for reads: an error; None: as it is.
        trouble: what stands against an order that is sent, by number. veils: reads that do not show a change yet.
        accepted: numbers by id at the shop. log: calls with the number. clock: now.
    """

    held: dict[str, HeldOrder] = field(default_factory=dict)
    next: list[Any] = field(default_factory=list)
    next_reads: list[PipelineError | None] = field(default_factory=list)
    trouble: dict[str, tuple[str, tuple[Problem, ...]]] = field(default_factory=dict)
    status_after_create: str = "SUCCESS"
    problem_answer: str = "200_pending"
    duplicate_number: str = "400_conflict"
    put_accepted: str = "400"
    meta_fields: str = "echoed"
    unknown_keys: tuple[str, ...] = ()
    late_commit: bool = False
    second_cancel: str = "400"
    cancel_late: bool = False
    restore_key: str = "restoreInventory"
    veils: dict[str, tuple[int, HeldOrder | None]] = field(default_factory=dict)
    accepted: dict[str, list[str]] = field(default_factory=dict)
    cancels: Counter[str] = field(default_factory=Counter)
    log: list[tuple[str, str]] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)
    bodies: list[Mapping[str, Any]] = field(default_factory=list)
    clock: Callable[[], datetime] = lambda: NOON
    _read: dict[str, tuple[float, HeldOrder | None]] = field(default_factory=dict)
    _sent_meta: dict[str, str] = field(default_factory=dict)
    _taken: dict[str, Mapping[str, Any]] = field(default_factory=dict)

    # --- reads ---

    def read(self, number: str) -> HeldOrder | None:
        failpoint("request")
        self.log.append(("read", number))
        trouble = self.next_reads.pop(0) if self.next_reads else None
        failpoint("answer")
        if trouble is not None:
            raise trouble
        shown = self._shown(number)
        self._read[number] = (time.monotonic(), shown)
        return shown

    def _shown(self, number: str) -> HeldOrder | None:
        if number in self.veils:
            left, before = self.veils[number]
            if left <= 1:
                del self.veils[number]
            else:
                self.veils[number] = (left - 1, before)
            return before
        return self.held.get(number)

    def _veil(self, number: str, before: HeldOrder | None) -> None:
        if number not in self.veils:
            self.veils[number] = (2, before)

    # --- writes ---

    def create(self, body: Mapping[str, Any]) -> WriteAnswer:
        return self._write("create", str(body["orderNumber"]), lambda: self._create(body), body)

    def update(self, number: str, body: Mapping[str, Any]) -> WriteAnswer:
        return self._write("update", number, lambda: self._update(number, body), body)

    def cancel(self, number: str, reason: str, *, restore_inventory: bool, with_key: bool = True) -> WriteAnswer:
        assert restore_inventory or not with_key
        return self._write("cancel", number, lambda: self._cancel(number, reason, with_key), {})

    def _write(self, call: str, number: str, take: Callable[[], WriteAnswer], body: Mapping[str, Any]) -> WriteAnswer:
        failpoint("request")
        self.log.append((call, number))
        self.bodies.append(body)
        at, seen = self._read.pop(number, (-100.0, None))
        if time.monotonic() - at > 30:
            self.findings.append(f"{call} {number} without reading")
        if call == "create" and seen is not None:
            self.findings.append(f"created {number} though known")
        if call == "update" and seen is not None and seen.status == "SUCCESS":
            self.findings.append(f"updated {number} though accepted")
        how = self.next.pop(0) if self.next else "done"
        if how == "auth":
            raise BadKey("no", system="vinoshipper", call=call, http_status=401)
        if how == "not_reached":
            return NotReached(TryLater("busy", system="vinoshipper", call=call, http_status=429))
        if how == "lost_before":
            return UnknownOutcome("try_later", 500)
        if not isinstance(how, str):
            return how  # type: ignore[no-any-return]
        answer = Conflict(400) if how == "conflict" else take()
        failpoint("answer")
        return UnknownOutcome("try_later" if how == "lost_after" else "bad_answer") if how != "done" else answer

    def _unknown(self, body: Mapping[str, Any]) -> RefusedWrite | None:
        found = tuple(key for key in body if key in self.unknown_keys)
        return RefusedWrite("VALIDATION", unknown_keys=found, http_status=400) if found else None

    def _create(self, body: Mapping[str, Any]) -> WriteAnswer:
        if (refused := self._unknown(body)) is not None:
            return refused
        number = str(body["orderNumber"])
        if number in self.held:
            if self.duplicate_number == "400_conflict":
                return Conflict(400)
            if self.duplicate_number == "returns_existing":
                return Done(self.held[number], 200)
            if self.duplicate_number == "second_order":
                number = f"9{len(self.held):06}"
        answer = self._keep(number, body)
        if isinstance(answer, Done) and number != body["orderNumber"]:
            return UnknownOutcome("another_record", 200)
        return answer

    def _update(self, number: str, body: Mapping[str, Any]) -> WriteAnswer:
        if (refused := self._unknown(body)) is not None:
            return refused
        there = self.held.get(number)
        if there is not None and there.status == "SUCCESS":
            if self.put_accepted == "ignored":
                return Done(there, 200)
            if self.put_accepted == "400":
                return Conflict(400)
            if body != self._taken.get(number):
                self.findings.append(f"altered {number}")
            return Done(there, 200)
        return self._keep(number, body)

    def _keep(self, number: str, body: Mapping[str, Any]) -> WriteAnswer:
        status, problems = self.trouble.get(number, (self.status_after_create, ()))
        if problems and self.problem_answer == "400_compliance":
            return RefusedWrite("COMPLIANCE", problems, True, http_status=400)
        before = self.held.get(number)
        made = self.order(number, body, status, problems)
        self._taken[number] = body
        self._sent_meta[number] = str(body.get("metaFields", {}).get("c7_order_id", number))
        self.held[number] = made
        if self.late_commit:
            self._veil(number, before)
        if status == "SUCCESS":
            self._accept(number)
        return Done(made, 200)

    def _accept(self, number: str) -> None:
        numbers = self.accepted.setdefault(self._sent_meta.get(number, number), [])
        if number not in numbers:
            numbers.append(number)

    def order(self, number: str, body: Mapping[str, Any], status: str, problems: Sequence[Problem] = ()) -> HeldOrder:
        """Return an order as the shipper shows it."""
        quantities: Counter[str] = Counter()
        for line in body["products"]:
            quantities[line["productId"]] += line["quantity"]
        lines = sum((Decimal(str(one["price"])) * one["quantity"] for one in body["products"]), Decimal(0))
        meta = body.get("metaFields", {}) if self.meta_fields == "echoed" else {}
        shipping = Decimal(str(body["shippingRate"]["price"]))
        compliant = Compliance.NOT_CHECKED if status != "SUCCESS" else Compliance.COMPLIANT
        if any(one.type == VIOLATION for one in problems):
            compliant = Compliance.NOT_COMPLIANT
        paid = body.get("paid") or body.get("isPaid") or body.get("Paid")
        return HeldOrder(
            number, status, ("OPEN" if paid else "UNPAID") if not problems else "PROBLEM",
            compliance=compliant, problems=tuple(problems), age_verified=False,
            shop_order_id=meta.get("c7_order_id"),
            zip5=body["shipToAddress"]["postalCode"][:5], state=body["shipToAddress"]["stateCode"],
            quantities=dict(quantities), total=lines + shipping + Decimal(str(body["taxes"])), body=f"[{number}]",
        )  # fmt: skip

    def _cancel(self, number: str, reason: str, with_key: bool) -> WriteAnswer:
        there = self.held[number]
        if with_key and self.restore_key == "400":
            return RefusedWrite("VALIDATION", unknown_keys=("restoreInventory",), http_status=400)
        if there.order_status in ("SHIPPED", "DELIVERED"):
            return RefusedWrite("VALIDATION", http_status=400)
        if there.order_status == "CANCELLED" and self.second_cancel == "400":
            return RefusedWrite("VALIDATION", http_status=400)
        if there.order_status != "CANCELLED" or self.second_cancel == "second_negative":
            self.cancels[number] += 1
        after = replace(there, order_status="CANCELLED", canceled_at=self.clock(), cancel_reason=reason)
        self.held[number] = after
        if self.cancel_late:
            self._veil(number, there)
            return Done(there, 200)
        return Done(after, 200)

    # --- what others do there ---

    def change(self, number: str, **changed: Any) -> None:
        """Let something become of an order."""
        self.held[number] = replace(self.held[number], **changed)
        if changed.get("status") == "SUCCESS":
            self._accept(number)

    def writes(self) -> list[tuple[str, str]]:
        """Return the calls that may have changed something."""
        return [one for one in self.log if one[0] != "read"]

    def check_compliance(self, body: Mapping[str, Any]) -> dict[str, Any]:
        raise AssertionError("not asked")

    def catalogue(self) -> Catalogue:
        raise AssertionError("not asked")

    def shipped(self, first: Any, last: Any) -> list[Any]:
        raise AssertionError("not asked")

    placed = shipped


class _Warehouse:
    def __init__(self, folder: Path, slot: int) -> None:
        self.data_dir, self.db = folder, new_db(slot)

    @contextmanager
    def use(self, merchant: str, route: str) -> Iterator[Db]:
        yield self.db
        self.db.flush()

    def folder(self, merchant: str) -> Path:
        (self.data_dir / "merchants" / merchant).mkdir(parents=True, exist_ok=True)
        return self.data_dir / "merchants" / merchant


_CURSORS: dict[int, duckdb.DuckDBPyConnection] = {}


def new_db(slot: int = 0) -> Db:
    """Return an empty file of the route, in memory; making one takes longer than emptying the last one of this slot."""
    if (cursor := _CURSORS.get(slot)) is None:
        cursor = _CURSORS[slot] = duckdb.connect(":memory:")
        cursor.execute("set threads = 1; pragma disable_optimizer")
        for schema in ("raw", "staged", "planned", "synced"):
            cursor.execute(f"create schema {schema}")
        for folder in ("platform/warehouse", "connectors/commerce7", "connectors/vinoshipper", "routes/orders"):
            for path in sorted((ROOT / folder / "sql").glob("*.sql")):
                cursor.execute(path.read_text())
    for (name,) in cursor.execute(_USED).fetchall():
        cursor.execute(f"delete from {name}")
    return Db(cursor, [])


_USED = "select schema_name || '.' || table_name from duckdb_tables() where estimated_size > 0"


@dataclass
class Dispatch:
    """One merchant. `at`: the clock, UTC without zone. slot: of its file; two at once need two."""

    folder: Path
    settings: dict[str, Any] = field(default_factory=dict)
    shop: Shop = field(default_factory=Shop)
    shipper: Shipper = field(default_factory=Shipper)
    at: datetime = NOON
    give_up_after: float = 0.0
    runs: int = 0
    slot: int = 0

    def __post_init__(self) -> None:
        self.warehouse = _Warehouse(self.folder, self.slot)
        self.shipper.clock = lambda: self.at
        self.reports: list[Any] = []

    @property
    def merchant(self) -> Merchant:
        given = {"start": datetime(2026, 11, 1, tzinfo=UTC), "states": frozenset({"CA", "TX"}), **self.settings}
        sections: dict[str, SettingsModel] = {
            "commerce7": Commerce7Settings(tenant="hillside", app_id=Secret("app", "f"), app_secret=Secret("s", "f")),
            "vinoshipper": VinoshipperSettings(api_key=Secret("342.k", "f"), api_secret=Secret("s", "f")),
            "orders": OrdersSettings(**given),
        }
        return Merchant(
            "hillside", "Hillside", time_zone=ZoneInfo("America/Los_Angeles"), routes=(NAME,), sections=sections,
            give_up_after=timedelta(seconds=self.give_up_after),
        )  # fmt: skip

    def session(self, **run: Any) -> OrdersSession:
        self.runs += 1
        warehouse: Any = self.warehouse
        one = Run(
            self.merchant,
            warehouse,
            lambda: self.at.replace(tzinfo=UTC),
            route=NAME,
            run_id=f"run{self.runs:05}",
            **run,
        )
        session = OrdersSession(one, new_report("hillside", one.run_id), STAGES)
        http = SimpleNamespace(guard=None, calls=Counter(), close=lambda: None)
        shop: Any = self.shop
        there: Any = SimpleNamespace(http=http)
        session._clients = {"commerce7": shop, "vinoshipper": there}
        session._desk = ReadingDesk(self.shipper)
        self.reports.append(session.report)
        return session

    @contextmanager
    def db(self) -> Iterator[Db]:
        yield self.warehouse.db

    def add(self, **changed: Any) -> str:
        """Put an order into the shop, or change the one that is there; returns its id."""
        order = shop_order(**changed)
        self.shop.orders[order["id"]] = order
        return str(order["id"])

    def take_in(self, order_id: str) -> None:
        """Read an order into the file, as the passes do, and enter it into the ledger as one that may be sent."""
        session = self.session()
        reading.read_one(session.run, session.shop, order_id, "paid")
        with self.db() as db, db.transaction():
            staging.stage_some(session.run, db, [order_id])
            if order_id not in ledger.find(db, [order_id]):
                staged = staging.find(db, [order_id])[order_id]
                ledger.store(db, staging.new_row(session.run, staged, State.WAITING, code="try_later"))

    def row(self, order_id: str = "a1") -> OrderRow:
        with self.db() as db:
            return ledger.find(db, [order_id])[order_id]

    def stands(self, order_id: str = "a1") -> tuple[str, str | None]:
        row = self.row(order_id)
        return str(row.state), row.code

    def notes(self, order_id: str = "a1") -> set[str]:
        with self.db() as db:
            return set(ledger.notes_of(db, [order_id]).get(order_id, {}))

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        with self.db() as db:
            return db.rows(sql)

    def outcomes(self) -> list[tuple[str, str | None]]:
        return self.rows("select call, outcome from synced.order_writes order by seq")

    def later(self, **by: float) -> None:
        self.at += timedelta(**by)

    # --- what happens ---

    def send(self, order_id: str = "a1", **how: Any) -> Ended:
        return sending.send(self.session(), order_id, **how)

    def sync(self, *, fails: type[PipelineError] | None = None) -> OrdersSession:
        """Do of a sync what sending is about: recover, take in, settle, watch, judge roughly, send."""
        session = self.session()
        if fails is not None:
            with pytest.raises(fails):
                self._sync(session)
        else:
            self._sync(session)
        return session

    def _sync(self, session: OrdersSession) -> None:
        run = session.run
        evidence.recover(run)
        for order_id in self.shop.orders:
            self.take_in(order_id)
        settling.settle(session)
        self._watch(session)
        with self.db() as db:
            going = []
            for row in ledger.read(db):
                content = staging.find(db, [row.order_id])[row.order_id].content_hash
                failed_by_rule = row.state is State.FAILED and row.code not in BY_SHIPPER
                again = row.state in (State.FAILED, State.NOT_REQUIRED) and row.judged_content != content
                if row.state is State.WAITING or failed_by_rule or again:
                    going.append(row.order_id)
        for _ in sending.each(session, [*settling.to_send_again(session), *going]):
            pass

    def _watch(self, session: OrdersSession) -> None:
        """Read what 4.2 wants to be read: pending orders in each sync, failed ones at their time, sent ones always."""
        with self.db() as db:
            open_ids = {one.order_id for one in outbox.open_writes(db, outbox.MAKING)}
            rows = [
                row
                for row in ledger.read(db, "vs_number is not null")
                if (row.state is not State.SENDING or row.order_id not in open_ids)
                and row.state in (State.SENDING, State.SENT, State.VOIDED)
                or (row.next_read_at is not None and row.next_read_at <= self.at)
            ]
        for row in rows:
            assert row.vs_number is not None
            held = session.desk.look(row.vs_number)
            with self.db() as db, db.transaction():
                standing.apply(session, db, ledger.find(db, [row.order_id])[row.order_id], held, by="watch")

    def void(self, order_id: str = "a1", **how: Any) -> Ended:
        return sending.void(self.session(), order_id, "wanted no more", **how)

    # --- losses ---

    def lose_file(self) -> None:
        """Lose the database; the evidence file stays."""
        self.warehouse.db = new_db(self.slot)

    def copy(self) -> dict[str, list[tuple[Any, ...]]]:
        """Return what the file holds."""
        with self.db() as db:
            names = [name for (name,) in db.rows("select schema_name || '.' || table_name from duckdb_tables()")]
            return {name: db.rows(f"select * from {name}") for name in names}

    def put_back(self, copy: Mapping[str, list[tuple[Any, ...]]]) -> None:
        """Put an older copy of the file back."""
        self.lose_file()
        with self.db() as db, db.transaction():
            for name, rows in copy.items():
                for row in rows:
                    db.execute(f"insert into {name} values ({', '.join('?' * len(row))})", list(row))


@contextmanager
def power(at: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Cut the power at a place (`any:17`): what runs ends there with `PowerCut`."""

    def kill(pid: int, signal: int) -> None:
        failpoints._armed = False
        raise PowerCut

    monkeypatch.setattr(os, "kill", kill)
    failpoints.enable(at)
    try:
        yield
    finally:
        failpoints._armed = False
        monkeypatch.undo()
