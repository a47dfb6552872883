"""Toy routes that take hints, in the table of routes for a while: one that says things once, and one that keeps state.

Each is all that a new route with hints is: what it wants, and how one record is read.
"""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from vs_st_pipeline import connectors, routes
from vs_st_pipeline.domain.errors import Refused
from vs_st_pipeline.domain.hints import Call, Hint, Outcome
from vs_st_pipeline.domain.report import Report
from vs_st_pipeline.operations.settings import house, read_merchants
from vs_st_pipeline.operations.warehouse import warehouse_at
from vs_st_pipeline.operations.worker.roster import pairs_of
from vs_st_pipeline.operations.worker.rounds import Worker
from vs_st_pipeline.pipeline.hinted import HintDesk, Hinted
from vs_st_pipeline.pipeline.once import hints as once_hints
from vs_st_pipeline.pipeline.once.hinted import HintedReads, Looked
from vs_st_pipeline.pipeline.once.items import Item, Kind, OnUnknown
from vs_st_pipeline.pipeline.once.schema import ONCE
from vs_st_pipeline.pipeline.once.story import Story
from vs_st_pipeline.pipeline.route import Route
from vs_st_pipeline.pipeline.session import Session, StageDone, opened
from vs_st_pipeline.pipeline.status_file import record_run
from vs_st_pipeline.platform import failpoints
from vs_st_pipeline.platform.connector import Account, Connector
from vs_st_pipeline.platform.hooks import Hooks
from vs_st_pipeline.platform.inbox.store import Arrival, Inbox
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.settings.forms import Rate, Text
from vs_st_pipeline.platform.settings.merchants import Merchant
from vs_st_pipeline.platform.settings.model import SettingsModel
from vs_st_pipeline.platform.settings.secrets import Secret
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.platform.warehouse.migrations import Lineage
from vs_st_pipeline.platform.warehouse.outcomes import PushCounts
from vs_st_pipeline_tests.support.toy_route import Toy, route_of
from vs_st_pipeline_tests.toys import client, parcels, state
from vs_st_pipeline_tests.toys.crm import Books
from vs_st_pipeline_tests.toys.shop import Shop

PARCEL, PERSON = "parcels", "person"
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
BEGAN = 1_772_000_000.0


class ToySettings(SettingsModel):
    """Where the toy system is: a URL, or a folder."""

    at: Text
    requests_per_second: Rate = 100.0


def _account(system: str) -> Callable[[Merchant], Account]:
    def account(merchant: Merchant) -> Account:
        settings: Any = merchant.sections[system]
        return Account(settings.at, Secret("toy", "env:TOY"), settings.requests_per_second)

    return account


def _read(body: bytes) -> list[Call]:
    return [Call(**json.loads(body))] if body else [Call("ping")]


# --- the one that says things once ---


class _Where(client.Merchant):
    """As much of a merchant as the toy's client asks for."""


def _shop_client(merchant: Merchant, pace: Any) -> client.Client:
    settings: Any = merchant.sections["shop"]
    return client.Client(_Where(merchant.id, settings.at), "said", pace)


SHOP: Connector[client.Client] = Connector(
    "shop", "the toy shop", _account("shop"), _shop_client, ToySettings, hooks=Hooks(_read, frozenset({PARCEL}))
)


def _of(session: Session) -> client.Client:
    return session.client(SHOP)


def _store(run: Run, body: dict[str, Any]) -> bool:
    with run.open() as db, db.transaction():
        before = db.value("select body from toy.parcels where id = ?", [body["id"]])
        db.execute("insert or replace into toy.parcels values (?, ?)", [body["id"], json.dumps(body)])
    return before != json.dumps(body)


def _read_list(session: Session) -> None:
    for parcel in _of(session).ids():
        _store(session.run, _of(session).parcel(parcel))


def _read_one(session: Session, hint: once_hints.Hint) -> Looked:
    try:
        body = _of(session).parcel(hint.id)
    except Refused as refused:
        if refused.http_status != 404:
            raise
        return Looked(None, news=False, gone=True)
    return Looked(hint.id, news=_store(session.run, body))


def _items(run: Run, db: Db) -> Iterator[Item]:
    yield from parcels._planned(run.merchant.id, parcels.staged(db))


class _Sender:
    def __init__(self, of: client.Client) -> None:
        self._client = of

    def gate(self, item: Item, row: Any) -> Any:
        return parcels.Go()

    def send(self, item: Item, row: Any) -> Any:
        return self._client.post(item)

    def look(self, item: Item | None, row: Any) -> Any:
        return self._client.look(row.key)


SAID = Story(
    "said",
    "messages",
    (SHOP,),
    read=_read_list,
    ask=lambda session: _of(session).ids(),
    items=_items,
    sender=lambda session: _Sender(_of(session)),
    kinds=tuple(Kind(step, OnUnknown.READ) for step in ("created", "shipped", "delivered")),
    every=timedelta(minutes=15),
    is_record=lambda word: word.startswith("p"),
    hinted=HintedReads({SHOP.name: frozenset({PARCEL})}, _read_one),
).route(needs=(frozenset({SHOP.name}),), does="parcels told", toolkits=(ONCE, parcels.TABLES))


# --- the one that keeps state ---


class _Nobody:
    """A client of files, which sends nothing over any wire."""

    def __init__(self) -> None:
        self.http: Any = self
        self.calls: Any = {}
        self.tape: Any = None

    def close(self) -> None:
        return


PEOPLE: Connector[Any] = Connector(
    "people", "the toy's people", _account("people"), lambda merchant, pace: _Nobody(), ToySettings,
    hooks=Hooks(_read, frozenset({PERSON})),
)  # fmt: skip


def _books(run: Run) -> tuple[Books, state.Crm]:
    settings: Any = run.merchant.sections["people"]
    folder = Path(settings.at)
    return Books(folder / "shop.json"), state.Crm(Books(folder / "crm.json"))


def _new_report(merchant_id: str, run_id: str = "") -> Report:
    return Report(merchant_id, run_id, route="kept", seen={"people": 0}, planned={"people": 0})


def _run_stages(run: Run, selected: Collection[str], on_stage: Callable[[StageDone], None] = lambda _: None) -> Report:
    session = Session(run, _new_report(run.merchant.id, run.run_id), selected, on_stage)
    with opened(session):
        plan, counts = state.sync(run, *_books(run))
        _fill(session.report, plan, counts)
    record_run(run, session.report)
    return session.report


def _fill(report: Report, plan: Any, counts: PushCounts) -> None:
    report.planned["people"] = plan.targets
    report.accepted, report.rejected, report.unknown = counts.accepted, counts.rejected, counts.unknown


def _run_hinted(run: Run, desk: HintDesk) -> Report:
    session = Session(run, _new_report(run.merchant.id, run.run_id))
    report, counts = session.report, PushCounts()
    shop, crm = _books(run)
    with opened(session), run.sync_lock():
        claimed = desk.claim(run)
        read: dict[str, list[Hint]] = {}
        for hint in claimed:
            read.setdefault(hint.record[2], []).append(hint)
        for id_, hints in list(read.items()):
            if not desk.may_ask(PEOPLE.name):
                desk.settle(read.pop(id_), Outcome.HANDED_OVER)
                continue
            news = state.read_one(run, shop, crm, id_)
            desk.note_read(hints[0], news=bool(news), gone=news is None)
        written = state.sync_some(run, crm, sorted(read), counts) if read else set()
        report.accepted, report.rejected, report.unknown = counts.accepted, counts.rejected, counts.unknown
        for id_, hints in read.items():
            desk.settle(hints, Outcome.WRITTEN if id_ in written else Outcome.UNCHANGED)
        desk.finish(report)
    return report


KEPT = dataclasses.replace(
    route_of(Toy()),
    name="kept",
    connectors=(PEOPLE,),
    needs=(frozenset({PEOPLE.name}),),
    records="people",
    report=_new_report,
    run_stages=_run_stages,
    hinted=Hinted({PEOPLE.name: frozenset({PERSON})}, _run_hinted, lambda run, hints: None),
    toolkits=(Lineage("crm", ((1, state.CRM_SQL),)), Lineage("people", ((1, state.SHOP_SQL),))),
    next_due_at=None,
)


# --- a world with both ---


@contextmanager
def in_the_table() -> Iterator[None]:
    """Both routes and their systems, beside the real ones, while the block lasts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(connectors, "CONNECTORS", (*connectors.CONNECTORS, SHOP, PEOPLE))
        patch.setattr(routes, "ROUTES", (*routes.ROUTES, SAID, KEPT))
        house.cache_clear()
        try:
            yield
        finally:
            house.cache_clear()


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = BEGAN

    def __call__(self) -> float:
        return self.now


class World:
    """Merchants with both routes, their systems, an inbox whose clock a test moves, and a worker.

    Args:
        shop: the toy shop, which all merchants share.
        fresh: begin anew; else the folder is of a world that another process has begun.
    """

    def __init__(self, shop: Shop, folder: Path, merchants: Sequence[str] = ("one",), *, fresh: bool = True) -> None:
        self.shop, self.folder, self.data, self.clock = shop, folder, folder / "data", Clock()
        self.inbox, self.warehouse = Inbox(self.data, self.clock), warehouse_at(self.data)
        entries = [
            {"id": one, "name": one, "shop": {"at": shop.url}, "people": {"at": str(folder / one)}} for one in merchants
        ]
        self.settings = folder / "merchants.yaml"
        if not fresh:
            return
        shop.reset()
        self.settings.write_text(json.dumps({"merchants": entries}))
        for one in merchants:
            (folder / one).mkdir(exist_ok=True)
            Books(folder / one / "shop.json").change()
            Books(folder / one / "crm.json").change()

    def books(self, merchant: str = "one") -> tuple[Books, Books]:
        """The shop's and the CRM's books of a merchant's state route."""
        return Books(self.folder / merchant / "shop.json"), Books(self.folder / merchant / "crm.json")

    def pairs(self, *ids: str) -> Any:
        return pairs_of(read_merchants(self.settings, {}).merchants, ids)

    def run(self, route: Route = SAID, merchant: str = "one", **how: Any) -> Run:
        found = read_merchants(self.settings, {}).get(merchant)
        assert found is not None
        how = {"inbox": self.inbox, **how}
        now = NOON + timedelta(seconds=self.clock.now - BEGAN)
        return Run(found, self.warehouse, lambda: now, route=route.name, **how)

    def sync(self, route: Route = SAID, merchant: str = "one", **how: Any) -> Report:
        """A whole sync."""
        return route.sync(self.run(route, merchant, **how))

    def hint(self, *ids: str, route: Route = SAID, merchant: str = "one", **more: Any) -> None:
        """Webhooks say that these records may have changed."""
        system, kind = (SHOP.name, PARCEL) if route is SAID else (PEOPLE.name, PERSON)
        calls = [Call(more.get("kind", kind), id_ or None, event="MOVED") for id_ in ids]
        self.inbox.put([Arrival(merchant, system, call, (route.name,), NOON.isoformat()) for call in calls])

    def worker(self, **how: Any) -> Worker:
        def make_run(merchant: Merchant, route: Route) -> Run:
            return self.run(route, merchant.id, trigger="hint", lock_wait=0.0, stop=worker.stop.is_set)

        worker = Worker(self.inbox, self.data, self.pairs, make_run, **how)
        return worker

    def work(self, seconds: float = 3.0, **how: Any) -> list[Report]:
        """Time goes by, and what is due then is worked once."""
        self.clock.now += seconds
        return self.worker().once(within=0.0, **how)

    def hints(self) -> list[tuple[Any, ...]]:
        """State, outcome and error of all hints, in their order."""
        return self.inbox.ask("select state, outcome, error from hints order by hint")

    def said(self) -> Mapping[str, int]:
        return {text: self.shop.texts().count(text) for text in self.shop.texts()}


def begun(world: World) -> World:
    """Have one parcel and two people, and a good whole sync of both routes behind it."""
    world.shop.parcel("p1", "created", phone="7075550111")
    shop, crm = world.books()
    for one in ("a", "b"):
        shop.person(one, name="Ann", city="Napa")
        crm.person(one)
    for route in (SAID, KEPT):
        assert world.sync(route).status == "ok"
    world.shop.asked.clear()
    return world


def killed_at(world: World, place: str, route: Route = SAID) -> int:
    """A worker in a process of its own, which may be killed at a place between two effects; its exit code."""
    order = {"folder": str(world.folder), "url": world.shop.url, "now": world.clock.now, "route": route.name}
    command = [sys.executable, "-m", "vs_st_pipeline_tests.toys.hinted", json.dumps(order)]
    return subprocess.run(command, env={**os.environ, failpoints.VARIABLE: place}, check=False).returncode


def _in_a_process(order: dict[str, Any]) -> None:
    shop = Shop(url=order["url"])
    with in_the_table():
        world = World(shop, Path(order["folder"]), fresh=False)
        world.clock.now = order["now"]
        world.worker(jobs=2).once(within=0.0)


if __name__ == "__main__":
    _in_a_process(json.loads(sys.argv[1]))
