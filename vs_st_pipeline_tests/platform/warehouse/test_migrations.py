"""A file of any version before becomes what a new file is, row by row and whole or not at all; a newer one is left.

`files_of_before/` holds files that earlier commits made of the sandbox's people (made up, all of them), at the old
schema 11 and 12: refused contacts, edits there, somebody who was forgotten, a batch whose end nobody saw.
"""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from vs_st_pipeline.domain.errors import BadSettings
from vs_st_pipeline.operations.warehouse import layouts, warehouse_at
from vs_st_pipeline.platform.failpoints import VARIABLE
from vs_st_pipeline.platform.warehouse.files import Warehouse
from vs_st_pipeline.platform.warehouse.migrations import SHARED, Layout, Lineage
from vs_st_pipeline_tests.contracts.files import Rows, catalog

FOLDER = Path(__file__).parent / "files_of_before"
OLD_FILES = {"6b5c699": 11, "2d64d96": 12}  # commit -> the schema that its program made
LEGACY = layouts()["contacts"].legacy
ME = ("simpletexting", "contacts")


def shape_of_new(folder: Path) -> tuple[Rows, Rows]:
    with warehouse_at(folder).open("new") as db:
        return catalog(db)


def put(folder: Path, content: bytes) -> Warehouse:
    warehouse = warehouse_at(folder)
    (warehouse.folder("old") / "warehouse.duckdb").write_bytes(content)
    return warehouse


@pytest.fixture(params=OLD_FILES)
def old(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Warehouse, dict[str, Rows], int]:
    """A warehouse with an old file, what its tables held before anything opened it, and its schema."""
    warehouse = put(tmp_path, gzip.decompress((FOLDER / f"{request.param}.duckdb.gz").read_bytes()))
    return warehouse, all_rows(warehouse.file("old")), OLD_FILES[request.param]


def all_rows(path: Path) -> dict[str, Rows]:
    with duckdb.connect(str(path), read_only=True) as db:
        tables = db.execute("select schema_name || '.' || table_name from duckdb_tables()").fetchall()
        return {name: db.execute(f"select * from {name} order by rowid").fetchall() for (name,) in tables}


def test_lineages_are_numbered_without_gaps_and_owners_have_names_of_their_own() -> None:
    assert LEGACY is not None
    assert [number for number, _ in LEGACY.steps] == list(range(1, 13))
    assert SHARED.steps[0][0] == 13, "a program of the one lineage must see that a file is newer"
    for layout in layouts().values():
        assert len({lineage.owner for lineage in layout.lineages}) == len(layout.lineages)
        for lineage in layout.lineages:
            first = lineage.steps[0][0]
            assert first == (13 if lineage is SHARED else 1)
            assert [number for number, _ in lineage.steps] == list(range(first, first + len(lineage.steps)))


def test_a_file_of_before_becomes_what_a_new_file_is(old: tuple[Warehouse, Any, int], tmp_path: Path) -> None:
    warehouse, _, _ = old
    with warehouse.open("old") as db:
        assert catalog(db) == shape_of_new(tmp_path / "elsewhere")
        versions = dict(db.rows("select owner, max(version) from schema_version group by owner"))
    assert versions == {lineage.owner: lineage.newest for lineage in layouts()["contacts"].lineages}


def test_every_row_is_carried_over(old: tuple[Warehouse, dict[str, Rows], int]) -> None:
    warehouse, before, version = old
    with warehouse.open("old"):
        pass
    after = all_rows(warehouse.file("old"))
    changed: dict[str, Callable[[Rows], Rows]] = {
        "planned.changes": keyed,
        "planned.notes": keyed,
        "planned.learned": keyed,
        "synced.ledger": ledger_rows,
        "synced.rejects": keyed,
        "synced.settled": keyed,
        "synced.doubted": keyed,
        "synced.suspects": keyed,
        "synced.links": lambda rows: [(*ME, row[0], "vinoshipper", "customers", str(row[1]), *row[2:]) for row in rows],
        "synced.history": lambda rows: [
            # id, field, old, new, at, run, call, seq, event, stored, rule, sources, send
            (row[7], *ME, row[0], row[1], row[8], row[2], row[3], row[9], *row[4:7], *row[10:])
            for row in rows
        ],
        "planned.plan": lambda rows: [
            (*row[:7], json.dumps({"contacts": row[8], "customers": row[7]}, separators=(",", ":"))) for row in rows
        ],
    }
    for table, rows in before.items():
        if table in ("main.schema_version", "planned.contacts", "synced.writes"):
            continue
        if version < 12 and table in ("raw.simpletexting_contacts", "raw.marks"):  # that step changes them, as before
            assert len(after[table]) == len(rows) - (table == "raw.marks")
            continue
        assert after[table] == changed.get(table, lambda same: same)(rows), table
        assert rows or table in UNUSED, f"{table} shows nothing, so the files of before should have more in them"
    assert {name for name in after if "legacy" in name} == set()
    targets_are_the_same(before, after)
    writes_are_the_same(before, after)


UNUSED = {"raw.walked", "raw.unreadable", "raw.unseen_windows", "raw.blind_spots", "raw.lookups", "raw.hints",
          "raw.slices", "raw.drift"}  # fmt: skip


def keyed(rows: Rows) -> Rows:
    return [(*ME, *row) for row in rows]


def ledger_rows(rows: Rows) -> Rows:
    """Nobody knew of a value put back: field, sent, stored, before, resent, put back, at, run, call."""
    return [(*row[:8], False, *row[8:]) for row in keyed(rows)]


def targets_are_the_same(before: dict[str, Rows], after: dict[str, Rows]) -> None:
    born = {row[0]: row[5] for row in before["staged.customers"]}
    expected = []
    for contact_id, phone, customer_id, by, held, newest, wanted, fingerprint, *compared in before["planned.contacts"]:
        subject = ("vinoshipper", "customers", str(customer_id)) if customer_id else (None, None, None)
        day = born.get(customer_id)
        evidence = json.dumps({"birth_date": day.isoformat()}, separators=(",", ":")) if day else None
        rest = (by, held, newest, evidence, wanted, fingerprint, *(compared or [None]))
        expected.append((*ME, contact_id, phone, *subject, *rest))
    assert after["planned.targets"] == expected


def writes_are_the_same(before: dict[str, Rows], after: dict[str, Rows]) -> None:
    rows = []
    for send_id, *ref, run_id, call, phone, changes, evidence, sent_at, outcome, settled_at in after["synced.writes"]:
        known = json.loads(evidence)
        assert ref[:2] == list(ME)
        assert None not in known.values()
        rows.append(
            (
                *(send_id, ref[2], run_id, call, phone, changes, known["status"], known["read_at"]),
                *(known.get(name) for name in ("birth_date", "task_id", "heard_before", "heard_after")),
                *(sent_at, outcome, settled_at),
            )
        )
    assert rows == [
        (*row[:7], row[7].isoformat(timespec="microseconds"), row[8].isoformat() if row[8] else None, *row[9:])
        for row in before["synced.writes"]
    ]
    assert Counter(row[13] is None for row in rows)[True], "a batch whose end nobody saw"


@pytest.mark.parametrize("version", range(1, 12))
def test_a_file_at_any_version_of_the_one_lineage_becomes_what_a_new_file_is(version: int, tmp_path: Path) -> None:
    assert LEGACY is not None
    warehouse = warehouse_at(tmp_path)
    warehouse.folder("old")
    with duckdb.connect(str(warehouse.file("old"))) as db:
        db.execute("create table schema_version (version integer primary key, applied_at timestamp not null)")
        for number, sql in LEGACY.steps[:version]:
            db.execute(sql)
            db.execute("insert into schema_version values (?, now()::timestamp)", [number])
    with warehouse.open("old") as found:
        assert catalog(found) == shape_of_new(tmp_path)


def test_contacts_of_before_are_found_by_what_stands_in_their_bodies(tmp_path: Path) -> None:
    """Until the next sync lists all of them, which the migration makes due."""
    assert LEGACY is not None
    warehouse = warehouse_at(tmp_path)
    warehouse.folder("old")
    bodies = {
        "c1": {"contactPhone": "7075550142", "email": " Mari@Example.COM", "subscriptionStatus": "OPT_IN",
               "customFields": {"vs_id": "700101"}},
        "c2": {"contactPhone": "+44 20 7946 0958", "email": None, "customFields": None},
    }  # fmt: skip
    with duckdb.connect(str(warehouse.file("old"))) as db:
        db.execute("create table schema_version (version integer primary key, applied_at timestamp not null)")
        for number, sql in LEGACY.steps[:11]:
            db.execute(sql)
            db.execute("insert into schema_version values (?, now()::timestamp)", [number])
        db.execute("insert into raw.simpletexting_custom_fields values ('VScustomerID', 'vs_id')")
        db.execute("insert into raw.marks values ('contacts_full', '1', timestamp '2026-01-01')")
        for contact_id, body in bodies.items():
            db.execute(
                """insert into raw.simpletexting_contacts (contact_id, body, body_hash, read_at, read_run)
                   values (?, ?, 'h', timestamp '2026-01-01', 'r')""",
                [contact_id, json.dumps(body)],
            )
    with warehouse.open("old") as found:
        rows = found.rows(
            "select contact_id, phone, email, customer_id, status from raw.simpletexting_contacts order by 1"
        )
        assert rows == [("c1", "7075550142", "mari@example.com", "700101", "OPT_IN"), ("c2", None, None, None, "")]
        assert found.rows("select * from raw.marks where name = 'contacts_full'") == []


# --- whole or not at all ------------------------------------------------------------------------------------------

OPEN = """
import sys
from pathlib import Path
from vs_st_pipeline.operations.warehouse import warehouse_at

SAMPLE = 1  # cases of each test in `make test`; the others count as pytest.mark.slow
with warehouse_at(Path(sys.argv[1])).open(sys.argv[2]):
    pass
"""


def killed_at(folder: Path, merchant: str, place: str) -> int:
    return subprocess.run(
        [sys.executable, "-c", OPEN, str(folder), merchant], env={**os.environ, VARIABLE: place}, check=False
    ).returncode


@pytest.mark.parametrize(
    "place",
    [
        "begun:1",
        "migrated:3",
        *(pytest.param(p, marks=pytest.mark.slow) for p in ("migrated:1", "migrated:6", "committed:1")),
    ],
)
def test_a_kill_on_the_way_leaves_the_old_file_whole_or_the_new_one(place: str, tmp_path: Path) -> None:
    warehouse = put(tmp_path, gzip.decompress((FOLDER / "2d64d96.duckdb.gz").read_bytes()))
    path = warehouse.file("old")
    before = all_rows(path)
    assert killed_at(tmp_path, "old", place) == -signal.SIGKILL
    if place != "committed:1":  # of that one the log holds all, which this reading takes in as well
        assert all_rows(path) == before, "the old file stands as it was"
    with warehouse.open("old") as db:
        assert catalog(db) == shape_of_new(tmp_path)
    after = all_rows(path)
    assert len(after["synced.writes"]) == len(before["synced.writes"])
    assert after["synced.ledger"] == ledger_rows(before["synced.ledger"])


@pytest.mark.parametrize("place", ["begun:1", "migrated:2", "committed:1"])
def test_a_kill_while_a_file_is_made_leaves_one_that_the_next_opening_completes(place: str, tmp_path: Path) -> None:
    assert killed_at(tmp_path, "new", place) == -signal.SIGKILL
    with warehouse_at(tmp_path).open("new") as db:
        assert catalog(db) == shape_of_new(tmp_path / "elsewhere")


# --- newer ones, and owners ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("table", "row", "named"),
    [
        ("(version integer primary key, applied_at timestamp not null)", "(13, now()::timestamp)", "schema 13"),
        ("(owner varchar, version integer, applied_at timestamp)", "('shared', 99, now()::timestamp)", "schema 99"),
        ("(owner varchar, version integer, applied_at timestamp)", "('elsewhere', 1, now()::timestamp)", "elsewhere 1"),
    ],
    ids=["of the one lineage", "of an owner", "with an owner that nobody knows"],
)
def test_a_newer_file_is_left_alone(table: str, row: str, named: str, tmp_path: Path) -> None:
    warehouse = warehouse_at(tmp_path)
    warehouse.folder("one")
    with duckdb.connect(str(warehouse.file("one"))) as db:
        db.execute(f"create table schema_version {table}")
        db.execute(f"insert into schema_version values {row}")
    before = warehouse.file("one").read_bytes()
    with pytest.raises(BadSettings, match=f"{named}.*upgrade"), warehouse.open("one"):
        pass
    assert warehouse.file("one").read_bytes() == before


def test_a_program_of_before_sees_that_a_file_is_newer(tmp_path: Path) -> None:
    """This is the question that it asks, and it knows 12."""
    with warehouse_at(tmp_path).open("one") as db:
        assert db.value("select coalesce(max(version), 0) from schema_version") > 12


def test_a_step_that_an_owner_gains_is_made_and_no_other(tmp_path: Path) -> None:
    now = Layout((SHARED, Lineage("toy", ((1, "create table raw.toys (id varchar primary key)"),))))
    with Warehouse(tmp_path, {"contacts": now}).open("one") as db:
        db.execute("insert into raw.toys values ('ball')")
    toys = Lineage("toy", (*now.lineages[1].steps, (2, "alter table raw.toys add column color varchar")))
    games = Lineage("game", ((1, "create table raw.games (id varchar)"),))
    with Warehouse(tmp_path, {"contacts": Layout((SHARED, toys, games))}).open("one") as db:
        assert db.rows("select * from raw.toys") == [("ball", None)]
        assert db.rows("select * from raw.games") == []
        assert db.rows("select owner, version from schema_version order by applied_at") == [
            ("shared", 13), ("shared", 14), ("shared", 15), ("shared", 16), ("toy", 1), ("toy", 2), ("game", 1),
        ]  # fmt: skip


def test_a_step_that_fails_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    with Warehouse(tmp_path, {"contacts": Layout((SHARED,))}).open("one") as db:
        before = catalog(db)
    broken = Lineage("toy", ((1, "create table raw.toys (id varchar)"), (2, "insert into raw.nowhere values (1)")))
    with pytest.raises(duckdb.Error), Warehouse(tmp_path, {"contacts": Layout((SHARED, broken))}).open("one"):
        pass
    with Warehouse(tmp_path, {"contacts": Layout((SHARED,))}).open("one") as db:
        assert catalog(db) == before
