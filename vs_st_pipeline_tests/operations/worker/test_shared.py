"""Calls about an account that several merchants share: a worker has them taken once, with the run of any (R13, R46)."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterator

import pytest

from vs_st_pipeline import routes
from vs_st_pipeline.domain.errors import BadKey, PipelineError
from vs_st_pipeline.domain.hints import WHOLE, Call, Outcome, is_account, name_of_account
from vs_st_pipeline.domain.report import FAILED, OK, Report
from vs_st_pipeline.operations.fleet.hints import look
from vs_st_pipeline.operations.settings import read_merchants
from vs_st_pipeline.operations.worker.roster import pairs_of, timed_of
from vs_st_pipeline.pipeline.hinted import HintDesk, SharedHints
from vs_st_pipeline.platform.inbox.store import Arrival
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.settings.merchants import Merchant
from vs_st_pipeline_tests.toys import hinted
from vs_st_pipeline_tests.toys.hinted import KEPT, NOON, PEOPLE, PERSON, World
from vs_st_pipeline_tests.toys.shop import Shop

OURS = name_of_account("ours")


class Account:
    """An account that the toy's merchants share: what was taken, by whose run, and what goes wrong."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, list[str]]] = []
        self.error: PipelineError | None = None

    def of(self, merchant: Merchant) -> Collection[str]:
        return ["ours"] if PEOPLE.name in merchant.sections else []

    def take(self, run: Run, desk: HintDesk) -> Report:
        report = Report(desk.merchant, run.run_id, route="kept", status=OK)
        claimed = desk.claim(run)
        if self.error is not None:
            report.status, report.error = FAILED, self.error
            return report
        self.taken.append((run.merchant.id, [one.kind for one in claimed]))
        desk.settle(claimed, Outcome.WRITTEN)
        desk.finish(report)
        return report


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Account:
    return Account()


@pytest.fixture
def world(shop: Shop, tmp_path_factory: pytest.TempPathFactory, account: Account) -> Iterator[World]:
    with hinted.in_the_table(), pytest.MonkeyPatch.context() as patch:
        assert KEPT.hinted is not None
        shared = dataclasses.replace(KEPT.hinted, shared=SharedHints(account.of, account.take))
        route = dataclasses.replace(KEPT, hinted=shared)
        patch.setattr(routes, "ROUTES", tuple(route if one is KEPT else one for one in routes.ROUTES))
        yield World(shop, tmp_path_factory.mktemp("shared"), ("one", "two"))


def call(world: World, *kinds: str) -> None:
    world.inbox.put([Arrival(OURS, PEOPLE.name, Call(kind), (KEPT.name,), NOON.isoformat()) for kind in kinds])


def test_an_account_is_no_merchant() -> None:
    assert is_account(OURS)
    assert not is_account("ours")


def test_the_first_of_its_merchants_takes_an_accounts_calls_before_any_whole_sync(
    world: World, account: Account
) -> None:
    """Also what was not understood: of content nothing is handed over to a whole sync."""
    call(world, PERSON, WHOLE)
    [report] = world.work()
    assert (report.merchant, report.status, report.trigger) == (OURS, OK, "hint")
    assert [(who, sorted(kinds)) for who, kinds in account.taken] == [("one", [PERSON, WHOLE])]
    assert world.hints() == [("done", "written", None)] * 2
    assert world.inbox.wholes_due(KEPT.name) == set()
    assert world.work() == []


def test_an_error_is_no_rest_but_another_try(world: World, account: Account) -> None:
    account.error = BadKey("no", system=PEOPLE.name)
    call(world, PERSON)
    [report] = world.work()
    assert (report.status, world.inbox.resting()) == (FAILED, {})
    assert world.hints() == [("waiting", None, "auth")]
    account.error = None
    assert world.work(5) == []  # the gap after a try that failed
    assert [one.status for one in world.work(30)] == [OK]


def test_an_account_is_worked_on_while_one_of_its_merchants_is_on(world: World) -> None:
    merchants = read_merchants(world.settings, {}).merchants
    assert pairs_of(merchants)[OURS, KEPT.name][0].id == "one"
    off = [dataclasses.replace(merchants[0], enabled=False), merchants[1]]
    assert pairs_of(off)[OURS, KEPT.name][0].id == "two"
    assert (OURS, KEPT.name) not in pairs_of([dataclasses.replace(one, routes=()) for one in merchants])
    assert not any(is_account(name) for name, _ in timed_of(merchants))


def test_a_worker_of_one_merchant_takes_its_account_alone(world: World) -> None:
    merchants = read_merchants(world.settings, {}).merchants
    assert pairs_of(merchants, ["two"])[OURS, KEPT.name][0].id == "two"


def test_where_no_worker_is_a_run_is_started_for_an_account(world: World) -> None:
    """R13: `inbox_watch` is the fallback for accounts, too, although they have had no whole sync."""
    call(world, PERSON)
    world.clock.now += 30
    environ = {"VS_ST_MERCHANTS": str(world.settings), "VS_ST_DATA_DIR": str(world.data)}
    assert (OURS, KEPT.name) in look(environ, routes.ROUTES, world.inbox).due
    world.settings.write_text(world.settings.read_text().replace('"name"', '"enabled": false, "name"'))
    assert (OURS, KEPT.name) not in look(environ, routes.ROUTES, world.inbox).due
