"""Onboards merchants, one row each: what one row waits for or fails with is nobody else's (H40).

Data flow: rows + what stands (merchants files, key files, onboarding.json) -> steps in their order -> `RowResult`s.

A row that is complete, and whose columns say what stands, costs no request (H43).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Final

from vs_st_pipeline import connectors
from vs_st_pipeline import routes as all_routes
from vs_st_pipeline.domain.errors import BadSettings, Internal, PipelineError
from vs_st_pipeline.operations.onboarding.keys import known_keys
from vs_st_pipeline.operations.onboarding.memory import FILE, Memory, read_content, read_memory
from vs_st_pipeline.operations.onboarding.steps import (
    NO_OVERLAP,
    SECRETS,
    SHARED_ACCOUNT,
    Take,
    differences,
    steps_of,
)
from vs_st_pipeline.operations.onboarding.table import ID, NAME, TIME_ZONE, Columns, Row
from vs_st_pipeline.operations.onboarding.walk import Place, RowResult, Walk, keys_in
from vs_st_pipeline.operations.settings import read_standing
from vs_st_pipeline.pipeline.onboarding import NOT_REACHED, WAITING, Candidate, StepResult, failed
from vs_st_pipeline.pipeline.route import Route
from vs_st_pipeline.pipeline.session import FolderlessSession, Session
from vs_st_pipeline.platform import crash_reports
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.settings.merchants import Merchant
from vs_st_pipeline.platform.settings.yaml_source import LACK, SettingsFault

STOPPED: Final = StepResult(NOT_REACHED)


def table_columns() -> Columns:
    """Return the columns of a table: those of the first route, for which tables are (R56)."""
    route = all_routes.ROUTES[0]
    keys = [key.column for connector in route.connectors if connector.setup for key in connector.setup.keys]
    return Columns((ID, NAME, TIME_ZONE, *keys, *route.setup.columns), frozenset(keys))


def accepted_words() -> tuple[str, ...]:
    """Return what `--accept` takes."""
    words = [word for connector in connectors.CONNECTORS if connector.setup for word in connector.setup.accept]
    return tuple(dict.fromkeys([*words, SHARED_ACCOUNT, NO_OVERLAP]))


def routes_of_row(row: Row, standing: Merchant | None) -> list[Route]:
    """Return the routes that a row is for: those of its entry, or those whose sections it names; else the first one."""
    if standing is not None:
        had = {*standing.routes, *standing.paused, *standing.off, *standing.faults}
        return [route for route in all_routes.ROUTES if route.name in had]
    first = all_routes.ROUTES[0]
    keys = {
        connector.name
        for connector in first.connectors
        for key in (connector.setup.keys if connector.setup else ())
        if key.column in row.columns
    }
    named = {*row.sections, *keys}
    found = [route for route in all_routes.ROUTES if all(need & named for need in route.needs)]
    wants_first = first in found or bool(keys) or not found
    return [route for route in all_routes.ROUTES if route in found or (route is first and wants_first)]


class Onboarding:
    """All rows of one command.

    Args:
        place: where, and how.
        rows: in the table's order.

    Raises:
        BadSettings: the merchants file cannot be read at all.
    """

    def __init__(self, place: Place, rows: Sequence[Row]) -> None:
        self.place, self.rows = place, rows
        self.file = read_standing(place.path, place.environ, all_secrets=True)
        self._lock = threading.Lock()
        self._owners = {key: [(-1, one) for one in ids] for key, ids in keys_in(self.file).items()}
        self._walks = [self._walk(number, row) for number, row in enumerate(rows)]

    def run(
        self,
        jobs: int,
        done: Callable[[RowResult], None] = lambda _result: None,
        interrupted: Callable[[], None] = lambda: None,
    ) -> list[RowResult]:
        """Onboard all, `jobs` at once; returns the results in the order of the rows.

        Args:
            done: told of each result. interrupted: called where a person pressed Ctrl-C; `place.stop` then says so.
        """
        if len(self._walks) == 1:
            return [self._told(self._walks[0], done)]
        with ThreadPoolExecutor(max_workers=jobs, thread_name_prefix="merchant") as pool:
            futures = [pool.submit(self._told, one, done) for one in self._walks]
            try:
                return [future.result() for future in futures]
            except KeyboardInterrupt:
                interrupted()
                return [future.result() for future in futures]

    def _told(self, walk: Walk | RowResult, done: Callable[[RowResult], None]) -> RowResult:
        result = walk if isinstance(walk, RowResult) else self._onboard(walk)
        done(result)
        return result

    # --- one row ---

    def _walk(self, number: int, row: Row) -> Walk | RowResult:
        """Return a row's walk, or its result where it cannot even begin."""
        standing = self.file.get(row.merchant_id)
        routes = routes_of_row(row, standing)
        try:
            memory = read_memory(self.place.warehouse, row.merchant_id, self.place.who, self.place.at)
        except BadSettings as error:
            return self._cannot_begin(row, routes, failed(error))
        entry = None if standing is not None else {"id": row.merchant_id, "enabled": False}
        candidate = Candidate(
            row.merchant_id,
            row.columns,
            row.sections,
            entry,
            self._session(standing or Merchant(row.merchant_id, row.merchant_id), routes[0]),
            memory,
            self.place.person,
            self.place.options.agreed,
            self.place.options.skip_fields,
        )
        owners = self._owners_but(row.merchant_id, number, memory)
        walk = Walk(self.place, row, routes, standing, memory, owners, self._lock, candidate)
        walk.planned = memory.content.planned
        if standing is None:
            for bad in self.file.bad_of(row.merchant_id):
                return self._cannot_begin(row, routes, _of_bad_entry(bad.error))
            for key in known_keys(walk):
                self._owners.setdefault(key, []).append((number, row.merchant_id))
        return walk

    def _session(self, merchant: Merchant, route: Route) -> Session:
        place = self.place
        run = Run(
            merchant, place.warehouse, place.clock, route=route.name, started_by=place.who, stop=place.stop,
            fleet_rates=place.fleet_rates,
        )  # fmt: skip
        return FolderlessSession(run, route.report(merchant.id, run.run_id))

    def _cannot_begin(self, row: Row, routes: Sequence[Route], why: StepResult) -> RowResult:
        steps = dict.fromkeys(steps_of(routes), STOPPED)
        return RowResult(row.merchant_id, {**steps, SECRETS: why})

    def _onboard(self, walk: Walk) -> RowResult:
        started = time.monotonic()
        try:
            if (complete := self._complete(walk)) is not None:
                return complete
            steps = self._take_all(walk)
        finally:
            walk.candidate.session.close()
        return replace(walk.result(steps), seconds=time.monotonic() - started)

    def _complete(self, walk: Walk) -> RowResult | None:
        """Return the result of a row for which there is nothing to do; no system is called for it."""
        content, options = walk.memory.content, walk.options
        if not content.complete or walk.standing is None or differences(walk):
            return None
        if options.plan and content.planned is None:
            return None
        if options.first_sync and any(not walk.synced_well(route.name) for route in walk.on_routes()):
            return None
        walk.candidate.missing_fields[:] = content.missing_fields
        steps = {one["step"]: StepResult(one["state"], one["says"], one["do"]) for one in content.steps}
        for name, one in steps.items():
            self.place.on_step(walk.id, name, one)
        return replace(walk.result(steps), again=True)

    def _take_all(self, walk: Walk) -> dict[str, StepResult]:
        takes = steps_of(walk.routes)
        steps = dict.fromkeys(takes, STOPPED)
        for name, take in takes.items():
            if self.place.stop():
                break
            steps[name] = self._take(name, take, walk)
            self.place.on_step(walk.id, name, steps[name])
            if (problem := _kept(walk, steps)) is not None and steps[name].goes_on:
                steps[name] = problem
            if not steps[name].goes_on:
                break
        return steps

    @staticmethod
    def _take(name: str, take: Take, walk: Walk) -> StepResult:
        """Take a step; an error ends this merchant's row and nobody else's."""
        try:
            return take(walk)
        except PipelineError as error:
            return failed(error)
        except OSError as error:
            return failed(BadSettings(f"a file cannot be used: {error.strerror or type(error).__name__}"))
        except Exception as error:  # its text may hold a person's data or a key
            return failed(Internal(crash_reports.describe(error)))

    def _owners_but(self, merchant_id: str, number: int, memory: Memory) -> Callable[[str, str, str], str | None]:
        """Return a function that names who else has a key and did not agree to it: an entry, or an earlier row."""

        def owner(system: str, setting: str, value: str) -> str | None:
            if SHARED_ACCOUNT in memory.accepted:
                return None
            found = self._owners.get((system, setting, value), [])
            others = [one for before, one in found if one != merchant_id and before < number]
            return next((one for one in others if not self._agreed(one)), None)

        return owner

    def _agreed(self, merchant_id: str) -> bool:
        path = self.place.warehouse.data_dir / "merchants" / merchant_id / FILE
        try:
            content = read_content(path)
        except BadSettings:
            return False
        return content is not None and SHARED_ACCOUNT in content.accepted


def _kept(walk: Walk, steps: dict[str, StepResult]) -> StepResult | None:
    """Keep how the steps ended; return why that is not possible."""
    content = walk.memory.content
    content.steps = [{"step": name, "state": one.state, "says": one.says, "do": one.do} for name, one in steps.items()]
    content.missing_fields = list(walk.candidate.missing_fields)
    content.complete = all(one.goes_on for one in steps.values())
    try:
        walk.memory.save()
    except OSError as error:
        return failed(BadSettings(f"{walk.memory.path} cannot be written: {error.strerror}"))
    return None


def _of_bad_entry(error: BadSettings) -> StepResult:
    """Return what a row comes to whose entry stands and cannot be used: a key that is not there is waited for."""
    if isinstance(error, SettingsFault) and error.rank == LACK:
        return StepResult(WAITING, error.message, "put it there, and run it again")
    return failed(error, "put the entry right, and run it again")
