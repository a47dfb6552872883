"""Holds what one merchant's onboarding knows on its way through the steps, and how they ended.

Who calls whom: `rows` makes a `Walk` for each row, `steps`, `keys` and `confirming` take its steps.
"""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from vs_st_pipeline import connectors
from vs_st_pipeline.domain.errors import BadSettings
from vs_st_pipeline.domain.report import Report
from vs_st_pipeline.operations.onboarding.key_files import KeyFiles
from vs_st_pipeline.operations.onboarding.memory import Memory
from vs_st_pipeline.operations.onboarding.table import Row
from vs_st_pipeline.operations.settings import read_draft
from vs_st_pipeline.pipeline.onboarding import FAILED, NOT_REACHED, WAITING, Candidate, Person, StepResult
from vs_st_pipeline.pipeline.route import Route
from vs_st_pipeline.pipeline.status_file import read_status
from vs_st_pipeline.platform.connector import Connector
from vs_st_pipeline.platform.inbox.store import inbox_in
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.settings.merchants import Merchant, MerchantsFile, more_files
from vs_st_pipeline.platform.settings.yaml_edit import dump
from vs_st_pipeline.platform.warehouse.files import Warehouse

COMPLETE: Final = "complete"
FILE, ENV = "file", "env"
FILE_SCHEME: Final = "file:"


@dataclass(frozen=True, slots=True)
class Options:
    """What the command was told.

    Attributes:
        secrets: `file` or `env`. agreed: words of `--accept`.
        plan: True, False, or None: nothing was said.
        from_table: rows come from a table, which changes what happens where nothing is said.
    """

    secrets: str = FILE
    agreed: frozenset[str] = frozenset()
    skip_fields: bool = False
    plan: bool | None = None
    enable: bool = False
    first_sync: bool = False
    from_table: bool = False


@dataclass(frozen=True, slots=True)
class Place:
    """Where merchants are onboarded.

    Attributes:
        path: the merchants file or folder. environ: as everywhere.
        clock: now, aware. who: who onboards. fleet_rates: as in `Run`.
        person: who is asked; None: nobody. on_step: told of each step as it ends.
        stop: asked before each request.
    """

    path: Path
    environ: Mapping[str, str] = field(repr=False)
    warehouse: Warehouse
    clock: Callable[[], datetime]
    who: str
    fleet_rates: Mapping[str, float]
    options: Options
    person: Person | None = None
    on_step: Callable[[str, str, StepResult], None] = lambda _merchant, _step, _result: None
    stop: Callable[[], bool] = lambda: False

    @property
    def at(self) -> str:
        """Return the time that is noted beside what people say: ISO, UTC."""
        return self.clock().astimezone(UTC).isoformat(timespec="seconds")


@dataclass(frozen=True, slots=True)
class RowResult:
    """What came of one row, as it is printed.

    Attributes:
        steps: by name, in their order; those that were not reached too.
        calls: requests by system.
        again: it was complete before, and nothing was done.
    """

    merchant: str
    steps: Mapping[str, StepResult]
    missing_fields: Sequence[Mapping[str, str]] = ()
    planned: Mapping[str, Any] | None = None
    calls: Mapping[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    again: bool = False

    @property
    def status(self) -> str:
        """Return `complete`: every step is done or skipped; else `failed` or `waiting`."""
        states = [one.state for one in self.steps.values()]
        return FAILED if FAILED in states else WAITING if {WAITING, NOT_REACHED} & set(states) else COMPLETE

    @property
    def stopped_at(self) -> tuple[str, StepResult] | None:
        """Return the step that ended the row, None where it is complete."""
        return next(((name, one) for name, one in self.steps.items() if not one.goes_on), None)

    def as_json(self) -> dict[str, Any]:
        """Return the object of a row."""
        error = next((one.error for one in self.steps.values() if one.error is not None), None)
        return {
            "merchant": self.merchant,
            "status": self.status,
            "error": error.as_report() if error else None,
            "steps": [
                {"step": name, "state": one.state, "says": one.says, "do": one.do} for name, one in self.steps.items()
            ],
            "missing_fields": [dict(one) for one in self.missing_fields],
            "planned": self.planned,
            "calls": dict(self.calls),
        }


@dataclass(slots=True)
class Walk:
    """One merchant on its way.

    Attributes:
        routes: those that it is onboarded for, in the table's order.
        standing: the entry that stood when it began; None: it is new.
        owners: who else speaks with a key: `(system, setting, key)` -> id.
        lock: held while the merchants' files are changed.
        calls: requests of what made clients of its own, by system.
    """

    place: Place
    row: Row
    routes: Sequence[Route]
    standing: Merchant | None
    memory: Memory
    owners: Callable[[str, str, str], str | None]
    lock: threading.Lock
    candidate: Candidate
    planned: dict[str, Any] | None = None
    calls: Counter[str] = field(default_factory=Counter)

    @property
    def id(self) -> str:
        return self.row.merchant_id

    @property
    def options(self) -> Options:
        return self.place.options

    @property
    def connectors(self) -> list[Connector[Any]]:
        """Return the systems of its routes."""
        return list(dict.fromkeys(one for route in self.routes for one in route.connectors))

    @property
    def key_files(self) -> KeyFiles:
        return KeyFiles(self.place.path, self.id)

    @property
    def file(self) -> Path:
        """Return the file that its entry is written to."""
        return more_files(self.place.path) / f"{self.id}.yaml"

    def draft(self) -> Merchant:
        """Return the merchant that the entry describes as far as it is made, its secrets read.

        Raises:
            BadSettings: our reader refuses it.
        """
        text = dump({"merchants": [anchored(self.place.path, self.candidate.entry)]})
        return _only(read_draft(self.place.path, self.place.environ, self.file, text, all_secrets=True))

    def reread(self) -> Merchant:
        """Return the merchant as its own file says now, its secrets read; and go on with that one.

        Raises:
            BadSettings: it cannot be read.
        """
        try:
            text = self.file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise BadSettings(f"{self.file} cannot be read: {getattr(error, 'strerror', None) or 'no UTF-8'}") from None
        found = _only(read_draft(self.place.path, self.place.environ, self.file, text, all_secrets=True))
        self.go_on_with(found)
        return found

    def go_on_with(self, merchant: Merchant) -> None:
        """Take this for what is known of the merchant from now on."""
        session = self.candidate.session
        session.run = replace(session.run, merchant=merchant)

    def run_of(self, route: Route, **options: Any) -> Run:
        """Return a run of one route of the merchant; its hints count, and who opted out by one is held (H23)."""
        run = self.candidate.run
        return Run(
            run.merchant, run.warehouse, run.clock, route=route.name, started_by=run.started_by, stop=run.stop,
            fleet_rates=run.fleet_rates, inbox=inbox_in(run.warehouse.data_dir), **options,
        )  # fmt: skip

    def count(self, report: Report) -> None:
        """Count the requests of a run that had clients of its own."""
        for system, calls in report.calls.items():
            self.calls[system] += calls.total()

    def on_routes(self) -> list[Route]:
        """Return the routes of the merchant that would be synced if it is enabled."""
        return [route for route in self.routes if route.name in self.candidate.merchant.routes]

    def synced_well(self, route: str) -> bool:
        """Say whether a sync of this route ever ended well."""
        return read_status(self.place.warehouse.data_dir, self.id, route).last_good_sync_at is not None

    def result(self, steps: Mapping[str, StepResult]) -> RowResult:
        """Return what came of it."""
        known = [one.name for one in connectors.CONNECTORS if one in self.connectors]
        calls = Counter(dict.fromkeys(known, 0))
        calls.update({system: one.total() for system, one in self.candidate.session.report.calls.items()})
        calls.update(self.calls)
        return RowResult(self.id, steps, self.candidate.missing_fields, self.planned, calls)


def anchored(path: Path, value: Any) -> Any:
    """Return a value of an entry with whole paths in its references: the folder that they start from may not be there.

    Args:
        path: the merchants file or folder.
    """
    if isinstance(value, dict):
        return {key: anchored(path, inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [anchored(path, inner) for inner in value]
    if isinstance(value, str) and value.startswith(FILE_SCHEME):
        return f"{FILE_SCHEME}{os.path.normpath(more_files(path).resolve() / value.removeprefix(FILE_SCHEME).strip())}"
    return value


def _only(merchants: Sequence[Merchant]) -> Merchant:
    if len(merchants) != 1:
        raise BadSettings("the merchant's own file holds another number of entries than one")
    return merchants[0]


def keys_in(file: MerchantsFile) -> dict[tuple[str, str, str], list[str]]:
    """Return who speaks with which key: `(system, setting, key)` -> ids, as far as the keys can be read."""
    owners: dict[tuple[str, str, str], list[str]] = {}
    for merchant in file.merchants:
        for connector in connectors.CONNECTORS:
            settings = merchant.sections.get(connector.name)
            for key in connector.setup.keys if connector.setup and settings else ():
                if (value := revealed(settings, key.setting)) is not None:
                    owners.setdefault((connector.name, key.setting, value), []).append(merchant.id)
    return owners


def revealed(settings: Any, setting: str) -> str | None:
    """Return the value of a key in a section's settings; None where it was not read."""
    try:
        return str(getattr(settings, setting).reveal())
    except (AttributeError, BadSettings):
        return None


def in_words(planned: Any) -> str:
    """Return the counts of a plan in words: `contacts 7, fields 93, unmatched 11, held: opted_out 1`."""
    told = []
    for name, count in planned.items():
        if isinstance(count, dict):
            inner = in_words(count)
            told += [f"{name}: {inner}"] if inner else []
        else:
            told.append(f"{name} {count}")
    return ", ".join(told)
