"""A shop's office without sockets: one merchant's file in memory, a WayMore that does as a test says, a clock.

What is faked is what others hold over real sockets: the client, the source, the judging of people. All else is the
route's own.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import pytest

import vs_st_pipeline
from vs_st_pipeline.connectors.waymore.answers import Answer, Outcome
from vs_st_pipeline.connectors.waymore.settings import WaymoreSettings
from vs_st_pipeline.domain.errors import PipelineError
from vs_st_pipeline.platform import failpoints
from vs_st_pipeline.platform.failpoints import failpoint
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.settings.merchants import Merchant
from vs_st_pipeline.platform.settings.secrets import Secret
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.routes.audience import blocks, calls, delivery, history, keys, people, registration, sources_table
from vs_st_pipeline.routes.audience.registration import Registration, State
from vs_st_pipeline.routes.audience.report import new_report
from vs_st_pipeline.routes.audience.session import AudienceSession
from vs_st_pipeline.routes.audience.systems import NAME

ROOT = Path(vs_st_pipeline.__file__).parent
NOON = datetime(2026, 5, 1, 19)
UUID = "u-1"
YES = Answer(Outcome.ACCEPTED, 200)
NO = Answer(Outcome.REJECTED, 400)
TOO_LARGE = Answer(Outcome.TOO_LARGE, 413)
LOST = Answer(Outcome.UNKNOWN)
OFF = Answer(Outcome.NOT_SENT)

Says = Callable[[dict[str, Any]], Answer]


class PowerCut(BaseException):
    """The process is gone here: nothing after this place was done."""


@dataclass
class Waymore:
    """WayMore: what it has taken, in order, and what it answers. `known`: ids by block, each time that they came."""

    says: Says = lambda said: YES
    heard: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)  # call, key, body
    bodies: list[bytes] = field(default_factory=list)

    def part(self, url: str, body: bytes, key: str, may_leave: Any = None) -> Answer:
        return self._hear("part", body, key)

    def event(self, url: str, body: bytes, key: str, may_leave: Any = None) -> Answer:
        return self._hear("event", body, key)

    def _hear(self, call: str, body: bytes, key: str) -> Answer:
        failpoint("request")
        said = json.loads(body)
        assert said["uuid"] == UUID
        answer = self.says(said)
        self.heard.append((call, key, said))
        self.bodies.append(body)
        failpoint("answer")
        return answer

    def parts(self) -> list[tuple[str, list[str]]]:
        """Return each part that came: the block's name and its records' ids."""
        return [(said["data"][0]["name"], ids_of(said)) for call, _, said in self.heard if call == "part"]

    def events(self) -> list[tuple[str, dict[str, Any]]]:
        return [(said["event"], said["data"]) for call, _, said in self.heard if call == "event"]


def ids_of(said: dict[str, Any]) -> list[str]:
    """Return the ids of a part's records."""
    [block] = said["data"]
    found = []
    for item in block["object"]:
        if "customer" in item:
            found.append(item["customer"]["id"])
        elif "subscriber" in item:
            found.append(item["subscriber"]["email"])
        elif "order_details" in item:
            found.append(item["order_details"]["order_id"])
        else:
            found.append(item["customer_id"] if block["name"] == "wishlist" else item["product_id"])
    return found


class _Warehouse:
    def __init__(self, db: Db, folder: Path) -> None:
        self.db, self.data_dir = db, folder

    @contextmanager
    def use(self, merchant: str, route: str) -> Iterator[Db]:
        yield self.db
        self.db.flush()

    @contextmanager
    def sync_lock(self, *_: Any, **__: Any) -> Iterator[None]:
        yield

    def folder(self, merchant: str) -> Path:
        found = self.data_dir / "merchants" / merchant
        found.mkdir(parents=True, exist_ok=True)
        return found


@dataclass
class Office:
    """One merchant. at: its clock. held: (kind, id). lacks: blocks not read completely. cannot: those never had."""

    path: Path
    settings: dict[str, Any] = field(default_factory=dict)
    waymore: Waymore = field(default_factory=Waymore)
    at: datetime = NOON
    held: set[tuple[str, str]] = field(default_factory=set)
    lacks: set[str] = field(default_factory=set)
    cannot: set[str] = field(default_factory=set)
    budget: int | None = None

    def __post_init__(self) -> None:
        self.cursor = duckdb.connect(":memory:")
        for schema in ("raw", "staged", "planned", "synced"):
            self.cursor.execute(f"create schema {schema}")
        for sql in sorted((ROOT / "routes/audience/sql").glob("*.sql")):
            self.cursor.execute(sql.read_text())
        self.db = Db(self.cursor)
        self.warehouse = _Warehouse(self.db, self.path)
        registration.write(self.run(), Registration(State.REGISTERED, uuid=UUID))

    def run(self, **more: Any) -> Run:
        section = WaymoreSettings(domain="https://shop.example", uuid=Secret(UUID, "env:WM"), **self.settings)
        merchant = Merchant("hillside", "Hillside", sections={"waymore": section}, give_up_after=timedelta(seconds=2))
        warehouse: Any = self.warehouse
        return Run(merchant, warehouse, lambda: self.at.replace(tzinfo=UTC), route=NAME, budget=self.budget, **more)

    def session(self, **more: Any) -> AudienceSession:
        run = self.run(**more)
        session = AudienceSession(run, new_report("hillside", run.run_id, "shop"), ("push",))
        session._clients["waymore"] = self.waymore  # type: ignore[assignment]
        session.registration, session.registered, session.planned = registration.read(run), True, True
        self.last = session
        return session

    def sync(self, *, fails: bool = False, **more: Any) -> AudienceSession:
        """Send what is to be sent, in the order of `stages.push`; `fails`: what went wrong is in `trouble`."""
        session = self.session(**more)
        try:
            delivery.unsubscribe(session)
            history.send(session)
            if history.is_done(session):
                history.send_late(session)
                delivery.send(session)
            if session.trouble is not None:
                raise session.trouble
        except PipelineError as error:
            session.trouble = error
            if not fails:
                raise
        else:
            assert not fails
        return session

    def later(self, **spent: float) -> None:
        self.at += timedelta(**spent)

    def rows(self, sql: str, *params: Any) -> list[Any]:
        found = self.db.rows(sql, list(params))
        return [row[0] for row in found] if found and len(found[0]) == 1 else found

    # --- what is staged ------------------------------------------------------------------------------------------

    def insert(self, table: str, **row: Any) -> None:
        names = ", ".join(row)
        self.cursor.execute(f"insert into {table} ({names}) values ({', '.join('?' * len(row))})", list(row.values()))

    def customer(self, id_: str, **more: Any) -> None:
        house = {"written_at": NOON, "seen_at": NOON, "digest": 1}
        self.insert("staged.shop_customers", customer_id=id_, last_name=f"Vine {id_}", **house, **more)

    def order(self, id_: str, **more: Any) -> None:
        row = {"status": "NEW", "total": Decimal("10.00"), "created_at": NOON, "customer_id": "1", "digest": 1}
        self.insert("staged.shop_orders", order_id=id_, written_at=NOON, seen_at=NOON, **{**row, **more})

    def product(self, id_: str, **more: Any) -> None:
        house = {"written_at": NOON, "seen_at": NOON, "digest": 1}
        self.insert("staged.shop_products", product_id=id_, name=f"Wine {id_}", **house, **more)

    def wish(self, customer_id: str, product_id: str) -> None:
        house = {"written_at": NOON, "seen_at": NOON}
        self.insert("staged.shop_wishlists", customer_id=customer_id, product_id=product_id, **house)

    def subscriber(self, address: str, *, subscribed: bool = True) -> None:
        self.cursor.execute("delete from planned.audience_addresses where address = ?", [address])
        self.insert(
            "planned.audience_addresses", address=address, email=address, subscribed=subscribed, says=subscribed,
            mixed=False, evidence='{"system":"shop","field":"subscribed","value":true}' if subscribed else None,
        )  # fmt: skip

    def event(self, event: str, kind: str, id_: str, **more: Any) -> str:
        """Put an event into the outbox."""
        number = int(self.db.value("select coalesce(max(number), 0) + 1 from synced.audience_outbox"))
        number = max(number, getattr(self, "_number", 0) + 1)
        self._number = number
        key = keys.key_of("salt", event, id_, number)
        row = {
            "rank": "6", "data": f'{{"id":"{id_}"}}', "changed": [], "seen_at": self.at, "entered_at": self.at,
            "run_id": "before", "about": None, **more,
        }  # fmt: skip
        self.insert("synced.audience_outbox", key=key, number=number, event=event, kind=kind, id=id_, **row)
        return key

    def newsletter(self, address: str, *, subscription: bool) -> str:
        about = {"email": address, "subscription": subscription, "customer_id": None}
        said = {"customer_id": 0, "email": address, "subscription": subscription}
        return self.event(
            "Newsletter", "subscriber", address, rank="2" if subscription else "0", about=json.dumps(about),
            data=json.dumps(said), evidence='{"system":"shop"}' if subscription else None,
        )  # fmt: skip

    # --- power ---------------------------------------------------------------------------------------------------

    def copy(self) -> dict[str, list[Any]]:
        tables = self.rows(
            """select table_schema || '.' || table_name from information_schema.tables
               where table_schema in ('staged', 'planned', 'synced')"""
        )
        return {table: self.db.rows(f"select * from {table}") for table in tables}

    def put_back(self, tables: dict[str, list[Any]]) -> None:
        for table, rows in tables.items():
            self.cursor.execute(f"delete from {table}")
            for row in rows:
                self.cursor.execute(f"insert into {table} values ({', '.join('?' * len(row))})", list(row))
        self.db._memo.clear()
        shutil.rmtree(self.path / "merchants", ignore_errors=True)
        registration.write(self.run(), Registration(State.REGISTERED, uuid=UUID))

    def places(self) -> int:
        """Return how many places a sync has where the power may go."""
        failpoints.enable("any:0")
        try:
            self.sync()
            return failpoints.reached[failpoints.ANY]
        finally:
            failpoints._armed = False

    def sync_until_cut(self, place: int) -> None:
        """Sync, and cut the power at a place; what was not committed is gone."""
        with pytest.MonkeyPatch.context() as patch:
            gone: list[int] = []

            def kill(pid: int, signal: int) -> None:
                failpoints._armed = False
                gone.append(pid)
                raise PowerCut

            def unless_gone(owner: Any, name: str) -> None:
                was = getattr(owner, name)
                patch.setattr(owner, name, lambda *given: None if gone else was(*given))

            patch.setattr(os, "kill", kill)
            unless_gone(history._Sender, "_store_answer")  # a process that is gone cleans nothing up
            unless_gone(blocks, "note_done")
            unless_gone(delivery._Delivery, "_end")
            unless_gone(blocks, "fill_report")
            failpoints.enable(f"any:{place}")
            try:
                with contextlib.suppress(PowerCut):
                    self.sync()
            finally:
                failpoints._armed = False
        self.db._in_transaction = self.db._begun = False
        self.db._memo.clear()
        with contextlib.suppress(duckdb.Error):
            self.cursor.execute("rollback")


def open_office(monkeypatch: pytest.MonkeyPatch, path: Path, **settings: Any) -> Office:
    """Return an office whose source, people and client are the test's own."""
    office = Office(path, {"source": "shop", **settings})
    source = SimpleNamespace(
        can_have=lambda session, block: block not in office.cannot,
        is_complete=lambda session, block: block not in office.lacks,
    )
    monkeypatch.setattr(sources_table, "source_of", lambda merchant: source)

    def subscribed(db: Db, addresses: Collection[str]) -> frozenset[str]:
        yes = {row[0] for row in db.rows("select address from planned.audience_addresses where subscribed")}
        return frozenset(one for one in addresses if one in yes and ("subscriber", one) not in office.held)

    def held(db: Db, kind: str, ids: Collection[str]) -> frozenset[str]:
        return frozenset(one for one in ids if (kind, one) in office.held)

    monkeypatch.setattr(people, "may_be_subscribed", subscribed)
    monkeypatch.setattr(people, "held_among", held)
    monkeypatch.setattr(calls, "_sleep", lambda seconds: None)
    return office
