"""A second route as small as can be: it reads three things, writes them, and can be put out of order.

It is all that a new route is: this value, and a line in the table. Nothing generic knows of it.
"""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pytest

from vs_st_pipeline import connectors, routes
from vs_st_pipeline.domain.errors import BadArguments, PipelineError
from vs_st_pipeline.domain.report import Report, Trouble
from vs_st_pipeline.operations.settings import house
from vs_st_pipeline.pipeline.check import CheckResult
from vs_st_pipeline.pipeline.checks import Check
from vs_st_pipeline.pipeline.metrics import Metric
from vs_st_pipeline.pipeline.pages import Page, Table
from vs_st_pipeline.pipeline.route import Again, Asset, DryRun, Forget, Person, Question, Retry, Route
from vs_st_pipeline.pipeline.session import Session, StageDone, opened
from vs_st_pipeline.pipeline.status_file import record_run
from vs_st_pipeline.platform.connector import Account, Connector
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.settings.merchants import Merchant
from vs_st_pipeline.platform.settings.model import SettingsModel
from vs_st_pipeline.platform.settings.secrets import Secret

THINGS, DONE = "toy/raw/toyshop/things", "toy/synced/toyshop/things"
READ, WRITE = "read", "write"
Record = dict[str, Any]


@dataclass
class Toy:
    """What a test may turn.

    Attributes:
        error: what reading the things fails with. part: what a part of the route fails with while the rest goes on.
        waits: what to meet before the things are read, so that a test sees who runs at the same time.
        due_at: when a merchant is due next.
        troubles: what it tells people besides its status. held_up: what it holds until a person does something.
        asked: what `retry` was asked for. erased: who was forgotten.
    """

    error: PipelineError | None = None
    part: PipelineError | None = None
    waiting: tuple[int, int] = (0, 0)
    under_way: list[str] = field(default_factory=list)
    waits: threading.Barrier | None = None
    due_at: datetime | None = None
    troubles: list[Trouble] | None = None
    held_up: str | None = None
    asked: list[Again] = field(default_factory=list)
    erased: list[Person] = field(default_factory=list)
    ran: list[str] = field(default_factory=list)

    def run_stages(
        self, run: Run, selected: Collection[str], on_stage: Callable[[StageDone], None] = lambda _: None
    ) -> Report:
        session = Session(run, new_report(run.merchant.id, run.run_id), selected, on_stage)
        with opened(session), run.sync_lock():  # like any route: it makes the merchant's folder, too
            self.ran.append(run.merchant.id)
            if self.waits is not None:
                self.waits.wait(10)
            if self.error is not None:
                raise self.error
            session.do(READ, _read)
            session.do(WRITE, _write)
            session.report.waiting, session.report.troubles = self.waiting, self.troubles
            session.report.held_up = self.held_up
            if self.part is not None:
                session.report.parts["annex"] = self.part
        if WRITE in selected:
            record_run(run, session.report)
        return session.report

    def dry_run(self, run: Run) -> tuple[Report, Record]:
        report = self.run_stages(dataclasses.replace(run, dry_run=True), (READ,))
        return report, {"things": [{"id": "t-1"}]}

    def retry(self, run: Run, again: Again) -> Report:
        self.asked.append(again)
        return self.run_stages(run, (READ, WRITE))

    def forget(self, run: Run, person: Person) -> dict[str, int]:
        if self.error is not None:
            raise self.error
        self.erased.append(person)
        return {"things": 1}


def _read(session: Session) -> None:
    with session.run.open():  # so that there is a file
        pass
    session.report.seen["things"], session.report.planned["things"] = 3, 2


def _write(session: Session) -> None:
    session.report.accepted = 2


def new_report(merchant_id: str, run_id: str = "") -> Report:
    return Report(merchant_id, run_id, route="toy", seen={"things": 0}, planned={"things": 0})


def _known(merchant: Merchant, words: Sequence[str]) -> None:
    if not words[0].startswith("t-"):
        raise BadArguments("this is no thing")


def _refused(*_: Any) -> Any:
    raise AssertionError("no test calls it")


def _account(merchant: Merchant) -> Account:
    return Account("http://127.0.0.1", Secret("k", "env:K"), 1.0)


class ToyShopSettings(SettingsModel):
    """Nothing to say: an entry that names the section has the route."""


SHOP: Connector[Any] = Connector("toyshop", "Toy Shop", _account, _refused, ToyShopSettings)


def _plan_lines(report: Report, rows: Record, name: str) -> list[str]:
    return [f"{name}: {len(rows['things'])} things"]


def route_of(toy: Toy) -> Route:
    return Route(
        "toy",
        (SHOP,),
        needs=(frozenset({SHOP.name}),),
        does="toys where they belong",
        records="things",
        stages=(READ, WRITE),
        writes=WRITE,
        assets=(
            Asset(THINGS, READ, "Things.", kinds=frozenset({"api"})),
            Asset(DONE, WRITE, "Things that were put where they belong.", (THINGS,)),
        ),
        checks=(Check(THINGS, "things_are_there", "things that are not there", "Look.", lambda run, db: Metric(0, 3)),),
        pages={
            THINGS: Page(in_short=lambda report, shown: ("three things", {"things": Table([{"thing": "t-1"}])})),
        },
        report=new_report,
        run_stages=toy.run_stages,
        dry_run=DryRun(toy.dry_run, {"things": []}, _plan_lines),
        check=lambda run: CheckResult(run.merchant.id, "toy", good="the key is good"),
        cannot_check=lambda merchant_id, error: CheckResult(merchant_id, "toy", errors=[error]),
        why=Question(
            ("THING",),
            lambda run, words: {"merchant": run.merchant.id, "route": run.route, "thing": words[0]},
            lambda answer, words, merchant: [f"{answer['thing']} is a thing"],
            _known,
        ),
        retry=Retry("[THING...]", lambda word: word.startswith("t-"), toy.retry, most=None),
        forget=Forget(
            ("things",), lambda person: person.phone is not None, lambda run, person: {"things": 1}, toy.forget
        ),
        next_due_at=lambda data_dir, merchant_id: toy.due_at,
        under_way=lambda warehouse, merchant_id: toy.under_way,
    )


@contextmanager
def in_the_table(toy: Toy, **changes: Any) -> Iterator[Route]:
    """The line in the table, while the block lasts; the route may be another one in some ways."""
    with added(dataclasses.replace(route_of(toy), **changes)) as route:
        yield route


@contextmanager
def added(route: Route) -> Iterator[Route]:
    """Any route over the toy shop in the table, while the block lasts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(connectors, "CONNECTORS", (*connectors.CONNECTORS, SHOP))
        patch.setattr(routes, "ROUTES", (*routes.ROUTES, route))
        house.cache_clear()
        try:
            yield route
        finally:
            house.cache_clear()
