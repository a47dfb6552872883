"""What the toolkit for routes that keep state promises, by a toy route that is made of nothing else."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from vs_st_pipeline.domain.errors import Internal, Unsafe
from vs_st_pipeline.domain.plan import Change
from vs_st_pipeline.pipeline import delivery
from vs_st_pipeline.pipeline.targets import Plan
from vs_st_pipeline.platform.failpoints import VARIABLE, enable, reached
from vs_st_pipeline.platform.warehouse.outbox import OutboxEntry, enqueue
from vs_st_pipeline.platform.warehouse.outcomes import PushCounts
from vs_st_pipeline.platform.warehouse.suppression import erase, suppress
from vs_st_pipeline_tests.toys import state
from vs_st_pipeline_tests.toys.crm import Books

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
PEOPLE = 12  # below ten, the brake says nothing


@dataclass
class Toys:
    """A shop and a CRM with some people each, and the route between them."""

    folder: Path
    now: datetime = NOON
    count: int = PEOPLE

    def __post_init__(self) -> None:
        self.folder.mkdir(exist_ok=True)
        self.shop, self.crm = Books(self.folder / "shop.json"), Books(self.folder / "crm.json")
        for number in range(self.count):
            self.shop.person(f"p{number:02d}", name=f"Name {number}", city="Napa")
            self.crm.person(f"p{number:02d}")
        self.crm.person("p00", name="Known There")

    def run(self, **how: Any) -> Any:
        return state.run_in(self.folder, self.now, **how)

    def sync(self, **how: Any) -> tuple[Plan, PushCounts]:
        self.now += timedelta(minutes=1)
        return state.sync(self.run(**how), self.shop, state.Crm(self.crm))

    def written(self) -> list[Any]:
        """Who was written, with what, since the last time."""
        written = self.crm.read()["written"]
        self.crm.change(written=[])
        return list(written)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        with self.run().open() as db:
            return db.rows(sql)

    def remembered(self) -> dict[str, list[tuple[Any, ...]]]:
        """All that a later sync decides by."""
        tables = ("ledger", "history", "links", "rejects", "settled", "baseline", "writes", "allowed")
        return {table: self.rows(f"select * from synced.{table} order by all") for table in tables}


@pytest.fixture
def toys(tmp_path: Path) -> Toys:
    return Toys(tmp_path)


def test_the_first_sync_fills_what_is_empty_and_mirrors_what_is_ours(toys: Toys) -> None:
    toys.crm.person("p01", city="Elsewhere")
    plan, counts = toys.sync()
    assert (plan.targets, plan.fields, counts.accepted) == (PEOPLE, 2 * PEOPLE - 1, PEOPLE)
    people = toys.crm.read()["people"]
    assert {body["city"] for body in people.values()} == {"Napa"}
    assert people["p00"]["name"] == "Known There"
    assert toys.rows("select count(*) from synced.ledger") == [(2 * PEOPLE - 1,)]
    assert toys.rows("select distinct rule, sources from synced.history where id = 'p03' order by 1") == [
        ("fill", "people p03"), ("mirror", "people p03"),
    ]  # fmt: skip
    assert toys.rows("select distinct outcome from synced.writes") == [("accepted",)]


def test_a_quiet_sync_writes_nothing_and_then_compares_nothing(toys: Toys) -> None:
    toys.sync()
    toys.written()
    toys.sync()  # it reads how each value is stored
    assert toys.rows("select count(*) from synced.ledger where stored is null") == [(0,)]
    plan, counts = toys.sync()
    assert (plan.targets, counts.accepted, toys.written()) == (0, 0, [])
    settled = toys.rows("select count(*) from synced.settled semi join planned.targets using (system, object, id)")
    assert settled == [(PEOPLE,)]


def test_what_is_edited_there_is_put_back_where_it_is_ours_and_kept_where_it_is_theirs(toys: Toys) -> None:
    toys.sync()
    toys.sync()
    toys.written()
    toys.crm.person("p04", name="Theirs", city="Theirs")
    plan, _ = toys.sync()
    assert toys.written() == [["p04", {"city": "Napa"}]]
    assert plan.noted == Counter(edited_there=1)
    assert toys.crm.read()["people"]["p04"]["name"] == "Theirs"


def test_a_refused_record_stops_nobody_and_is_tried_after_growing_gaps(toys: Toys) -> None:
    toys.shop.person("p05", city="Nowhere")
    _, counts = toys.sync()
    assert (counts.accepted, counts.rejected) == (PEOPLE - 1, 1)
    tried = []
    for minutes in (0, 0, 5, 20, 5, 30):
        toys.now += timedelta(minutes=minutes)
        tried.append(toys.sync()[1].rejected)
    assert tried == [1, 0, 0, 1, 0, 1]
    assert toys.rows("select id, code, attempts from synced.rejects") == [("p05", "NO_SUCH_CITY", 4)]
    toys.shop.person("p05", city="Sonoma")  # another wish is tried at once
    assert toys.sync()[1].accepted == 1
    assert toys.rows("select * from synced.rejects") == []


def test_the_brake_refuses_a_plan_that_loses_much_until_it_is_allowed_by_name(toys: Toys) -> None:
    toys.sync()
    toys.written()
    for number in range(5):
        toys.shop.person(f"p{number:02d}", city="")
    before = toys.remembered()
    with pytest.raises(Unsafe, match="5 of 12"):
        toys.sync()
    assert (toys.written(), toys.remembered()) == ([], before)
    assert toys.sync(allow_unsafe=True)[1].accepted == 5
    assert toys.rows("select count(*) from synced.allowed") == [(1,)]


@pytest.mark.slow
def test_r38_another_rule_or_a_loss_more_than_a_tenth_greater_refuses_again(toys: Toys) -> None:
    toys.sync()
    toys.written()
    for number in range(5):
        toys.shop.person(f"p{number:02d}", city="")
    with pytest.raises(Unsafe, match="5 of 12"):  # nothing was stored before
        toys.sync(allow_unsafe=True)
    verdicts = "select part, rule, loss from synced.verdicts order by all"
    assert toys.rows(verdicts) == [("all", "losing", 5)]
    toys.shop.person("p05", city="")
    with pytest.raises(Unsafe, match="6 of 12"):  # more than a tenth more
        toys.sync(allow_unsafe=True)
    toys.crm.remove("p09", "p10", "p11")
    with pytest.raises(Unsafe, match="people shrank from 12 to 9 .* and 6 of 12"):  # another rule
        toys.sync(allow_unsafe=True)
    assert toys.rows(verdicts) == [("all", "losing", 6), ("people", "shrank", 3)]
    assert (toys.written(), toys.rows("select * from synced.allowed")) == ([], [])
    toys.sync(allow_unsafe=True, dry_run=True)
    assert toys.rows(verdicts) == [("all", "losing", 6), ("people", "shrank", 3)]
    assert toys.sync(allow_unsafe=True)[1].accepted == 6
    assert toys.rows(verdicts) == []
    assert len(toys.rows("select * from synced.allowed")) == 1


def test_a_list_that_shrank_trips_the_brake(toys: Toys) -> None:
    toys.sync()
    before = toys.remembered()
    for number in range(5):
        toys.crm.fault(f"p{number:02d}", "hollow")
    with pytest.raises(Unsafe, match="people shrank from 12 to 7"):
        toys.sync()
    assert toys.remembered() == before


@pytest.mark.slow
def test_a_dry_run_moves_nothing(toys: Toys) -> None:
    toys.sync()
    toys.shop.person("p06", city="Sonoma")
    toys.crm.person("p07", city="Theirs")
    toys.written()
    before = toys.remembered()
    plan, counts = toys.sync(dry_run=True)
    assert (plan.targets, counts) == (2, PushCounts())
    assert (toys.written(), toys.remembered()) == ([], before)
    assert toys.sync()[1].accepted == 2


def test_who_said_stop_is_held_back(toys: Toys) -> None:
    toys.crm.person("p08", stopped=True)
    plan, counts = toys.sync()
    assert (plan.held, counts.accepted) == (Counter(opted_out=1), PEOPLE - 1)
    assert "p08" not in {id_ for id_, _ in toys.written()}


@pytest.mark.parametrize("proved", ["unread", "stopped"])
def test_nothing_is_stored_for_whoever_this_run_has_not_read_as_writable(toys: Toys, proved: str) -> None:
    toys.sync()
    run, crm, ref = toys.run(), state.Crm(toys.crm), state.person("p09")
    if proved == "stopped":
        toys.crm.person("p09", stopped=True)
        crm.land(run, toys.crm.list())
    sent = OutboxEntry("s1", ref, run.run_id, "put", None, (Change("city", "city", "custom", "mirror", "", "X"),))
    before = toys.remembered()
    with pytest.raises(Internal, match="nothing was sent"), run.open() as db, db.transaction():
        enqueue(db, [sent], crm.proofs(db, run.run_id, [ref]), at=run.now())
    assert toys.remembered() == before


def test_an_answer_that_says_nothing_changes_nothing_of_that_record_alone(toys: Toys) -> None:
    toys.sync()
    toys.sync()
    toys.written()
    toys.shop.person("p10", city="Sonoma")
    toys.shop.person("p11", city="Sonoma")
    toys.crm.fault("p10", "hollow")
    toys.sync()
    assert toys.written() == [["p11", {"city": "Sonoma"}]]
    assert toys.rows("select sent from synced.ledger where id = 'p10' and field = 'city'") == [("Napa",)]
    toys.crm.fault("p10", None)
    toys.sync()
    assert toys.written() == [["p10", {"city": "Sonoma"}]]


@pytest.mark.parametrize(("kind", "writes"), [("down", 2), ("lost", 1)])
def test_a_write_without_an_answer_is_settled_by_reading(toys: Toys, kind: str, writes: int) -> None:
    toys.sync()
    toys.written()
    toys.shop.person("p02", city="Sonoma")
    toys.crm.fault("p02", kind)
    toys.sync()
    toys.crm.fault("p02", None)
    toys.sync()
    assert toys.written() == [["p02", {"city": "Sonoma"}]]
    assert len(toys.rows("select 1 from synced.writes where id = 'p02'")) == 1 + writes
    assert toys.rows("select sent from synced.ledger where id = 'p02' and field = 'city'") == [("Sonoma",)]


# --- a kill -------------------------------------------------------------------------------------------------------


def killed_at(toys: Toys, place: str) -> int:
    toys.now += timedelta(minutes=1)
    return subprocess.run(
        [sys.executable, "-m", "vs_st_pipeline_tests.toys.state", str(toys.folder), toys.now.isoformat()],
        env={**os.environ, VARIABLE: place}, check=False,
    ).returncode  # fmt: skip


@pytest.mark.parametrize(
    ("place", "done"), [("request:3", 2), ("answer:3", 3)], ids=["before it leaves", "before its answer is remembered"]
)
def test_a_run_that_dies_between_what_it_stored_and_its_answer_is_settled_by_the_next(
    toys: Toys, place: str, done: int
) -> None:
    assert killed_at(toys, place) == -signal.SIGKILL
    assert len(toys.crm.read()["written"]) == done
    assert toys.rows("select count(*) from synced.writes where outcome is null") == [(1,)]
    assert toys.rows("select count(distinct id) from synced.ledger") == [(2,)], "what was heard of is remembered"
    toys.sync()
    assert Counter(id_ for id_, _ in toys.written()) == Counter(f"p{number:02d}" for number in range(PEOPLE))
    assert toys.rows("select count(*) from synced.writes where outcome is null") == [(0,)]
    assert toys.rows("select count(distinct id) from synced.ledger") == [(PEOPLE,)]


@pytest.mark.slow
def test_a_run_that_dies_anywhere_is_followed_by_one_that_makes_all_good(tmp_path: Path) -> None:
    enable("any:0")
    Toys(tmp_path / "counted", count=3).sync()
    places = reached["any"]
    for place in range(1, places, places // 6):
        toys = Toys(tmp_path / str(place), count=3)
        killed_at(toys, f"any:{place}")
        toys.sync()
        plan, counts = toys.sync()
        assert (plan.targets, counts.accepted, counts.unknown) == (0, 0, 0), place
        assert Counter(id_ for id_, _ in toys.written()) == Counter(f"p{n:02d}" for n in range(3)), place


# --- forgetting ---------------------------------------------------------------------------------------------------


def test_who_is_forgotten_is_erased_from_every_table_and_stays_out(toys: Toys) -> None:
    toys.sync()
    run, names = toys.run(), [(state.PEOPLE, "p03")]
    with run.open() as db, db.transaction():
        suppress(db, names, run.now())
        erase(db, names, run.now())
    toys.shop.person("p03", city="Sonoma")
    toys.written()
    toys.sync()
    assert toys.written() == []
    for schema, table in toys.rows(
        "select schema_name, table_name from duckdb_tables() where database_name like 'm_%'"
    ):
        for row in toys.rows(f"select * from {schema}.{table}"):
            assert "p03" not in str(row), (schema, table)


def test_a_plan_without_a_plan_is_a_fault_of_ours(toys: Toys) -> None:
    with pytest.raises(Internal, match="no plan"):
        delivery.deliver(toys.run(), lambda refs: None)
