"""One pair of stand-ins per test process; every test finds them as they were at their start."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from vs_st_pipeline.cli import sync as cli_sync
from vs_st_pipeline.connectors.vinoshipper import staging
from vs_st_pipeline.domain.field_map import FieldMap
from vs_st_pipeline.pipeline.plan_cache import CachedPlan, PlanInputs, load_cached_plan
from vs_st_pipeline.pipeline.quiet import QuietPath
from vs_st_pipeline.pipeline.targets import Plan
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.routes.contacts import planning
from vs_st_pipeline.routes.contacts import sync as pipeline
from vs_st_pipeline.routes.contacts.identity import Linked
from vs_st_pipeline.routes.contacts.map_file import load_field_map
from vs_st_pipeline.sandbox import Sandbox
from vs_st_pipeline_tests.support import long_tests, made_files, proved_quiet, scratch
from vs_st_pipeline_tests.support.fresh_plan import same_as_fresh, some_are_right
from vs_st_pipeline_tests.support.story import Story

scratch.use()


@pytest.hookimpl(tryfirst=True)  # before `-m "not slow"` is looked at
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Where a module says `SAMPLE = n`, `make test` runs n cases of each of its tests, and `make proof` all of them.

    So it is with the tests of `long_tests.txt`.
    """
    seen: Counter[str] = Counter()
    for item in items:
        sample = getattr(getattr(item, "module", None), "SAMPLE", None)
        if sample is not None and isinstance(item, pytest.Function):
            test = item.nodeid.split("[")[0]
            seen[test] += 1
            if seen[test] > sample:
                item.add_marker(pytest.mark.slow)
        if long_tests.is_long(item.nodeid):
            item.add_marker(pytest.mark.slow)


@pytest.fixture(autouse=True)
def _new_files_are_copies(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each new file of a merchant is a copy of one that was made before; tests about the making make their own."""
    if not any(part in request.node.nodeid for part in made_files.OWN):
        made_files.use(monkeypatch)


@pytest.fixture(scope="session")
def small_world() -> Iterator[Sandbox]:
    """Scenario `small`, running; starting it costs a second, a reset a few milliseconds."""
    with Sandbox(scenario="small") as box:
        yield box


@pytest.fixture
def story(small_world: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Story]:
    """A fresh world, a merchants file and an empty data folder of its own."""
    small_world.reset()
    # The command keeps the data folder that it met first, for the process; each test has another one.
    monkeypatch.setattr(cli_sync, "_warehouse", None)
    yield Story(small_world, tmp_path)
    small_world.reset()


@pytest.fixture(autouse=True)
def _every_plan_is_proved(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """In all stories: wherever a plan is brought in step or stands, everybody is planned anew and comes out the same.

    What was there is put back, so that the next plan builds on it and not on the fresh one.
    """
    make_plan, make_plan_of = planning.make_plan, planning.make_plan_of

    def in_step(run: Run, field_map: FieldMap, linked: Linked | None = None) -> Plan:
        made = make_plan(run, field_map, linked)
        fresh = same_as_fresh(run, lambda: make_plan(run, field_map))
        made.looked_at = fresh.looked_at
        assert made == fresh
        return made

    def standing(run: Run, db: Db, inputs: PlanInputs) -> CachedPlan | None:
        kept = load_cached_plan(run, db, inputs)
        if kept is not None:
            for table, body in (("customers", "detail"), ("orders", "detail"), ("orders", "search")):
                odd = f"raw.vinoshipper_{table} where {body}_hash is distinct from md5({body}_body)"
                assert db.value(f"select count(*) from {odd}") == 0, f"a {body} body was set without its hash"
            staging.stage(run)
            plan = same_as_fresh(run, lambda: make_plan(run, load_field_map(run.merchant)))
            assert (plan.targets, plan.unsafe) == (0, None), "there is something to write"
            assert (plan.unmatched, dict(plan.held), dict(plan.noted)) == (
                kept.planned["unmatched"],
                kept.held,
                kept.noted,
            )
        return kept

    def of_some(run: Run, field_map: FieldMap, contact_ids: Sequence[str]) -> Plan:
        made = make_plan_of(run, field_map, contact_ids)
        some_are_right(run, contact_ids, lambda: make_plan(run, field_map))
        return made

    if "unproved" not in request.keywords:
        monkeypatch.setattr(planning, "make_plan", in_step)
        monkeypatch.setattr(planning, "make_plan_of", of_some)
        monkeypatch.setattr(pipeline, "load_cached_plan", standing)


@pytest.fixture(autouse=True)
def _every_quiet_sync_is_proved(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """In all stories: wherever a sync takes the quiet path, the ordinary one must come to the same."""
    if "unproved" not in request.keywords:
        monkeypatch.setattr(QuietPath, "nothing_changed", proved_quiet.proved)
