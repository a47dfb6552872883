"""A file of every schema that ever landed is opened by today's code: all its rows are there, and a sync of it works.

`old_files` says how the files came to be. What `platform/warehouse/test_migrations.py` compares value by value is the
carrying over to lineages; here nothing may be lost on any way to today, whatever kind of file it is.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import duckdb
import pytest

from vs_st_pipeline import __version__
from vs_st_pipeline.domain.errors import BadSettings
from vs_st_pipeline.operations.warehouse import layouts, warehouse_at
from vs_st_pipeline.platform.inbox.schema import STEPS as INBOX_STEPS
from vs_st_pipeline.platform.inbox.store import Inbox
from vs_st_pipeline.routes import ROUTES
from vs_st_pipeline.routes.notices.account.schema import STEPS as ACCOUNT_STEPS
from vs_st_pipeline.routes.notices.account.store import AccountStore
from vs_st_pipeline_tests import old_files
from vs_st_pipeline_tests.contracts.files import catalog
from vs_st_pipeline_tests.routes.notices.account_office import account
from vs_st_pipeline_tests.support.story import TEST, Story

FILES = old_files.names("duckdb")
MOVED = {"planned.contacts": "planned.targets"}
"""Where the rows of a table went that is not there any more."""
MADE_ANEW = {"main.schema_version", "raw.marks"}
"""What a migration may take rows from: how far the schema is, and marks of reading that it makes due again."""


def route_of(name: str) -> str:
    return name.split("-")[1]


AT_ONCE = ("e712cc7-contacts", "a3faf2f-contacts-everything")  # others by `make proof`
"""Of contacts; every other route has one file."""


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(one, marks=[] if one in AT_ONCE or route_of(one) != "contacts" else pytest.mark.slow)
        for one in FILES
    ],
)
def test_all_rows_of_an_old_file_are_there_when_todays_code_has_opened_it(name: str, tmp_path: Path) -> None:
    route, warehouse = route_of(name), warehouse_at(tmp_path)
    path = warehouse.file(warehouse.folder("old").name, route)
    old_files.load_duckdb(name, path)
    before = old_files.duckdb_rows(path)
    with warehouse.open("old", route) as db:
        found = catalog(db)
    with warehouse_at(tmp_path / "elsewhere").open("new", route) as db:
        assert found == catalog(db), "it is what a new file is"
    stored = next(one for one in ROUTES if one.name == route).count_stored(warehouse, "old")
    warehouse.release("old", route)
    assert stored > 0, "what `vs-st offboard` counts"
    after = old_files.duckdb_rows(path)
    assert sum(len(rows) for _, rows in before.values()) > 20
    for table, (columns, rows) in before.items():
        now_columns, now_rows = after[MOVED.get(table, table)]
        if table in MADE_ANEW:
            continue
        assert len(now_rows) == len(rows), table
        shared = [one for one in columns if one in now_columns and (table, one) not in CHANGED]
        assert only(shared, columns, rows) == only(shared, now_columns, now_rows), table


def test_the_ids_of_old_parts_are_the_same_as_text(tmp_path: Path) -> None:
    warehouse = warehouse_at(tmp_path)
    path = warehouse.file(warehouse.folder("old").name, "audience")
    old_files.load_duckdb("f64e4e7-audience", path)
    before = old_files.duckdb_rows(path)
    with warehouse.open("old", "audience"):
        pass
    warehouse.release("old", "audience")
    after = old_files.duckdb_rows(path)
    for table in ("synced.audience_told", "synced.audience_parts"):
        were, are = (_ids(*one[table]) for one in (before, after))
        assert any(were.values()), table
        assert {key: text and f"[{', '.join(json.loads(text))}]" for key, text in are.items()} == were


def _ids(columns: list[str], rows: old_files.Rows) -> dict[str, str | None]:
    return {row[columns.index("key")]: row[columns.index("ids")] for row in rows}


CHANGED = {
    ("staged.orders", "source_hash"),
    ("staged.orders", "total"),
    ("synced.writes", "evidence"),
    ("synced.audience_told", "ids"),
    ("synced.audience_parts", "ids"),
}
"""Columns that a migration may write: `0004_order_totals`, evidence whose times are written in another form, and lists
of ids that became text."""


def only(wanted: list[str], columns: list[str], rows: old_files.Rows) -> list[tuple[str, ...]]:
    places = [columns.index(one) for one in wanted]
    return sorted(tuple(str(row[place]) for place in places) for row in rows)


def test_there_is_an_old_file_of_each_route_and_of_an_earlier_step_of_each_owner_that_has_one() -> None:
    assert {route_of(name) for name in FILES} == set(layouts())
    kept: dict[str, set[int]] = {}
    for name in FILES:
        for owner, version in old_files.versions(name).items():
            kept.setdefault(owner, set()).add(version)
    assert {1, 8, 11, 12} <= kept[""], "before there were owners"
    for layout in layouts().values():
        for lineage in layout.lineages:
            older = {version for version in kept[lineage.owner] if version < lineage.newest}
            assert older or len(lineage.steps) == 1, f"keep a file of {lineage.owner} as it was: see old_files"


SYNCED = ("e712cc7-contacts", "4137769-contacts")  # the oldest, and one of the middle
REAL = [name for name in FILES if name.endswith("-contacts")]  # others also have rows that no system ever told


@pytest.mark.parametrize("name", [pytest.param(one, marks=[] if one in SYNCED else pytest.mark.slow) for one in REAL])
def test_a_sync_of_an_old_file_goes_on_where_that_file_was(name: str, story: Story) -> None:
    story.begin_synced()  # the account holds what that file says was written
    story.forget()
    folder = warehouse_at(story.data).folder(TEST)
    old_files.load_duckdb(name, folder / "warehouse.duckdb")
    assert story.synced()["synced"]["rejected"] == 0
    assert story.synced()["synced"]["accepted"] == 0, "nothing is written again and again"
    story.as_run().warehouse.release(TEST)
    with duckdb.connect(str(folder / "warehouse.duckdb"), read_only=True) as db:
        totals = db.execute("select total from staged.orders where total is not null").fetchall()
    assert totals
    assert not [total for (total,) in totals if total.endswith("0" * 10)], "as it came, and in no decimal's form"


# --- SQLite -----------------------------------------------------------------------------------------------------------


def inbox_in(folder: Path) -> sqlite3.Connection:
    return Inbox(folder)._db()


def account_in(folder: Path) -> sqlite3.Connection:
    return AccountStore(folder, account(), "one")._open()


KINDS: dict[str, tuple[str, Callable[[Path], sqlite3.Connection], int]] = {
    "inbox": ("inbox.sqlite", inbox_in, len(INBOX_STEPS)),
    "account": ("account.sqlite", account_in, len(ACCOUNT_STEPS)),
}
EMPTIED = {("inbox", "records")}
"""`_BY_ROUTE` made it anew: it says what was read within the hour."""


@pytest.mark.parametrize("name", old_files.names("sqlite"))
def test_all_rows_of_an_old_inbox_and_account_are_there(name: str, tmp_path: Path) -> None:
    kind = name.split("-")[1]
    file, opened, newest = KINDS[kind]
    old_files.load_sqlite(name, tmp_path / file)
    with closing(sqlite3.connect(tmp_path / file)) as db:
        before = old_files.sqlite_rows(db)
        version = db.execute("pragma user_version").fetchone()[0]
    assert all(rows for _, rows in before.values()), "every table has rows"
    now = opened(tmp_path)
    now.row_factory = None
    after = old_files.sqlite_rows(now)
    assert now.execute("pragma user_version").fetchone() == (newest,)
    for table, (columns, rows) in before.items():
        now_columns, now_rows = after[table]
        if version < newest and (kind, table) in EMPTIED:
            continue
        assert set(columns) <= set(now_columns)
        assert only(columns, columns, rows) == only(columns, now_columns, now_rows), table


@pytest.mark.parametrize("kind", KINDS)
def test_each_version_of_a_sqlite_file_is_kept_and_a_newer_one_is_refused_and_left_alone(
    kind: str, tmp_path: Path
) -> None:
    file, opened, newest = KINDS[kind]
    kept = set()
    for name in old_files.names("sqlite"):
        if name.split("-")[1] == kind:
            old_files.load_sqlite(name, tmp_path / name)
            with closing(sqlite3.connect(tmp_path / name)) as db:
                kept.add(db.execute("pragma user_version").fetchone()[0])
    assert kept >= set(range(1, newest)), "keep a file before its schema changes: see old_files"
    with closing(sqlite3.connect(tmp_path / file)) as db:
        db.execute("create table theirs (what text)")
        db.execute(f"pragma user_version = {newest + 1}")
    content = (tmp_path / file).read_bytes()
    with pytest.raises(BadSettings) as refused:
        opened(tmp_path)
    told = refused.value.message
    assert f"is at schema {newest + 1}, this version ({__version__}) knows {newest}: upgrade vs-st-pipeline" in told
    assert (tmp_path / file).read_bytes() == content


def test_a_sync_beside_a_newer_inbox_fails_and_says_what_to_do(story: Story) -> None:
    warehouse_at(story.data).folder(TEST)
    with closing(sqlite3.connect(story.data / "inbox.sqlite")) as db:
        db.execute("pragma user_version = 99")
        db.execute("create table theirs (what text)")
    assert "inbox.sqlite is at schema 99" in story.failed("config")["error"]["message"]
