"""One CRM, a data folder, and people who are due there: what writing does without SoPost and without sockets.

`python -m vs_st_pipeline_tests.routes.consumers.office` forks a process for each sync that is to be killed.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from vs_st_pipeline.domain.errors import PipelineError
from vs_st_pipeline.domain.field_map import FieldMap, MapField
from vs_st_pipeline.domain.plan import Wanted
from vs_st_pipeline.pipeline.route import layout_of
from vs_st_pipeline.platform import failpoints
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.settings.merchants import Merchant
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.platform.warehouse.files import Warehouse
from vs_st_pipeline.platform.warehouse.streams import Stream
from vs_st_pipeline.routes.consumers import evidence
from vs_st_pipeline.routes.consumers.chunks import Chunks
from vs_st_pipeline.routes.consumers.consumers import Consumer
from vs_st_pipeline.routes.consumers.judging import Rules
from vs_st_pipeline.routes.consumers.looking import Desk
from vs_st_pipeline.routes.consumers.report import CrmPart
from vs_st_pipeline.routes.consumers.route import ROUTE
from vs_st_pipeline.routes.consumers.systems import NAME
from vs_st_pipeline_tests.routes.consumers.fake_crm import FakeCrm
from vs_st_pipeline_tests.routes.consumers.people import TRIAL, consumer, offer

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
MAP = FieldMap(1, (MapField("firstname", "builtin", "mirror", "consumer.first_name", None, "text", 1),), "map", "f")
JANE, JOHN = "jane@example.com", "john@example.com"


@dataclass
class Office:
    """A CRM, a data folder, and who is due."""

    folder: Path
    crm: FakeCrm
    empty: Path = Path("nowhere")
    people: dict[str, Consumer] = field(default_factory=dict)
    now: datetime = NOON
    monotonic: float = 0.0
    slept: list[float] = field(default_factory=list)
    on_sleep: Callable[[], None] = lambda: None
    runs: int = 0

    def __post_init__(self) -> None:
        data, made = self.folder / "data" / "merchants" / "one", self.empty / "merchants" / "one"
        if not data.exists() and made.exists():  # making a file takes longer than all the rest
            shutil.copytree(made, data)
        self.warehouse = Warehouse(self.folder / "data", {NAME: layout_of(ROUTE)})
        self.crm.clock = lambda: self.monotonic

    def due(self, *people: Consumer) -> None:
        self.people |= {one.person.email_key: one for one in people}
        run = self.run()
        with run.open() as db, db.transaction(), db.batch({"key": [one.person.email_key for one in people]}) as batch:
            db.execute(
                f"insert or replace into planned.consumers_due select 'hubspot', key, 'order', ? from {batch}",
                [self.now.replace(tzinfo=None)],
            )

    def run(self) -> Run:
        self.runs += 1
        return Run(Merchant("one", "One"), self.warehouse, lambda: self.now, route=NAME, run_id=f"run{self.runs:04}")

    def load(self, db: Db, email_keys: Collection[str]) -> Sequence[Consumer]:
        return [self.people[name] for name in email_keys if name in self.people]

    def desk(self, run: Run, **rules: Any) -> Desk:
        def wanted(one: Consumer) -> tuple[list[Wanted], set[str]]:
            return [
                Wanted("firstname", "firstname", "builtin", "mirror", str(one.values["consumer.first_name"]))
            ], set()

        def sleep(seconds: float) -> None:
            self.slept.append(seconds)
            self.monotonic += seconds
            self.on_sleep()

        with run.open() as db:
            rows = evidence.Book(run, db)
        targets = {one.target for who in self.people.values() for one in who.offers}
        return Desk(
            run=run,
            crm=self.crm,
            part=CrmPart("hubspot"),
            rules=Rules(shows_late=self.crm.shows_within > timedelta(0), **rules),
            setup=self.crm.begin(targets),
            stream=Stream("contacts", "hubspot_contact", "raw.hubspot_contacts", "id"),
            field_map=MAP,
            load=self.load,
            wanted=wanted,
            evidence=rows,
            monotonic=lambda: self.monotonic,
            sleep=sleep,
        )

    def sync(self, *, fails: type[PipelineError] | None = None, **rules: Any) -> CrmPart:
        run = self.run()
        with run.keeping():
            return self._sync(run, fails, **rules)

    def _sync(self, run: Run, fails: type[PipelineError] | None, **rules: Any) -> CrmPart:
        evidence.recover(run)
        desk = self.desk(run, **rules)
        self.last = desk
        if fails is not None:
            with pytest.raises(fails):
                Chunks(desk).run()
        else:
            Chunks(desk).run()
        evidence.note_read(run)
        return desk.part

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        with self.warehouse.open("one", NAME) as db:
            return db.rows(sql)

    def outcomes(self) -> list[tuple[str, str]]:
        return self.rows("select action, outcome from synced.consent_evidence order by seq")

    def waiting(self) -> dict[str, str]:
        return dict(self.rows("select email_key, why from planned.consumers_due order by 1"))

    def lines(self) -> list[Any]:
        path = self.folder / "data" / "merchants" / "one" / "consumers.evidence.jsonl"
        return list(evidence.EvidenceFile(path).read())

    def lose_database(self) -> None:
        for path in (self.folder / "data" / "merchants" / "one").glob("consumers.duckdb*"):
            path.unlink()
        self.warehouse = Warehouse(self.folder / "data", {NAME: layout_of(ROUTE)})


# --- kills ---


def two_people() -> tuple[Consumer, ...]:
    """One who is subscribed by one of two consents, and one at another target."""
    return consumer(offer("o1"), offer("o2")), consumer(offer("o3", TRIAL), email=JOHN)


@contextmanager
def killing() -> Iterator[Callable[[Path, str], bool]]:
    """Give what runs a folder's sync in a process of its own, which is killed at a place; it says whether it was."""
    root = str(Path(__file__).resolve().parents[3])
    path = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
    process = subprocess.Popen(
        [sys.executable, "-m", __name__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": path},
    )  # fmt: skip
    assert process.stdin is not None and process.stdout is not None  # noqa: PT018

    def kill(folder: Path, at: str) -> bool:
        assert process.stdin is not None and process.stdout is not None  # noqa: PT018
        process.stdin.write(json.dumps([str(folder), at]) + "\n")
        process.stdin.flush()
        code = int(process.stdout.readline())
        assert code in (0, -9), f"a sync ended with {code}"
        return code == -9

    try:
        yield kill
    finally:
        process.communicate()


def _serve() -> None:
    importlib.import_module("nanoarrow")
    gc.collect()
    gc.freeze()
    for line in sys.stdin:
        folder, at = json.loads(line)
        pid = os.fork()
        if pid == 0:
            try:
                office = Office(Path(folder), FakeCrm(Path(folder) / "crm.json"), runs=100)
                office.people = {one.person.email_key: one for one in two_people()}
                failpoints.enable(at)
                office.sync()
            except BaseException:
                os._exit(3)
            os._exit(0)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)


if __name__ == "__main__":
    _serve()
