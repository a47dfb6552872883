"""Files as releases before have left them, and how they are kept and made again.

A file is kept as the SQL that makes it anew, packed: a DuckDB file is 8 MB for a few rows and stays over 60 kB packed,
its SQL packs to 10; and SQL can be read and compared. What a loaded file cannot show is DuckDB's own storage format: of
that, `platform/warehouse/files_of_before/` keeps two files as they were.

Each was made by the program of the commit that its name begins with, from the sandbox's people (made up, all of them).
But for those of `COMMIT-contacts`, tables that were empty then got two rows by hand, so that every table has some; and
so did all tables of the inbox and of an account's file, which were made by that commit's SQL.

To keep one more before a schema changes: `python -m vs_st_pipeline_tests.old_files FILE COMMIT-NAME`.
"""

from __future__ import annotations

import gzip
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb

FOLDER = Path(__file__).parent
Rows = list[tuple[Any, ...]]


def names(ending: str) -> list[str]:
    """Return the kept files of a kind, `duckdb` or `sqlite`, without the ending."""
    return sorted(path.name.removesuffix(f".{ending}.sql.gz") for path in FOLDER.glob(f"*.{ending}.sql.gz"))


def load_duckdb(name: str, path: Path) -> None:
    """Make a kept DuckDB file at a path where none is."""
    with duckdb.connect(str(path)) as db:
        db.execute(_text(name, "duckdb"))


def load_sqlite(name: str, path: Path) -> None:
    """Make a kept SQLite file at a path where none is."""
    with closing(sqlite3.connect(path)) as db:
        db.executescript(_text(name, "sqlite"))


def versions(name: str) -> dict[str, int]:
    """Return how far each owner's lineage was in a kept DuckDB file; `""`: of the one that there was before owners."""
    _, _, after = _text(name, "duckdb").partition("insert into main.schema_version values\n")
    found: dict[str, int] = {}
    for owner, version in re.findall(r"^\('(?:([a-z]\w*)', ')?(\d+)', ", after.partition(";")[0], re.MULTILINE):
        found[owner] = max(int(version), found.get(owner, 0))
    return found


def _text(name: str, ending: str) -> str:
    return gzip.decompress((FOLDER / f"{name}.{ending}.sql.gz").read_bytes()).decode()


def duckdb_rows(path: Path) -> dict[str, tuple[list[str], Rows]]:
    """Return the columns of each table and its rows, all values as text, in an order of their own."""
    with duckdb.connect(str(path), read_only=True) as db:
        return {table: _rows(db, table) for table, _ in _tables(db)}


def sqlite_rows(db: sqlite3.Connection) -> dict[str, tuple[list[str], Rows]]:
    """Return the same of a SQLite file."""
    found = {}
    for (table,) in db.execute("select name from sqlite_master where type = 'table' and name not like 'sqlite_%'"):
        cursor = db.execute(f"select * from {table}")
        found[table] = ([one[0] for one in cursor.description], sorted(map(tuple, cursor.fetchall()), key=repr))
    return found


def _tables(db: duckdb.DuckDBPyConnection) -> list[tuple[str, str]]:
    return db.execute(
        """select schema_name || '.' || table_name, sql from duckdb_tables() where not internal
           and database_name = current_database() order by 1"""
    ).fetchall()


def _rows(db: duckdb.DuckDBPyConnection, table: str) -> tuple[list[str], Rows]:
    cursor = db.execute(f"select columns(*)::varchar from {table}")
    return [one[0] for one in cursor.description], sorted(cursor.fetchall(), key=repr)


# --- how one is kept --------------------------------------------------------------------------------------------------


def keep(path: Path, name: str) -> Path:
    """Write the SQL that makes a file again; return where."""
    is_duckdb = path.suffix == ".duckdb"
    lines = _of_duckdb(path) if is_duckdb else _of_sqlite(path)
    kept = FOLDER / f"{name}.{'duckdb' if is_duckdb else 'sqlite'}.sql.gz"
    kept.write_bytes(gzip.compress("\n".join(lines).encode(), mtime=0))
    return kept


def _of_duckdb(path: Path) -> Iterator[str]:
    with duckdb.connect(str(path), read_only=True) as db:
        tables = _tables(db)
        yield "begin;"
        yield from (f"create schema if not exists {one};" for one in sorted({name.split(".")[0] for name, _ in tables}))
        yield from (sql.rstrip(";") + ";" for _, sql in tables)
        for (sql,) in db.execute("select sql from duckdb_indexes() where sql is not null order by 1").fetchall():
            yield sql.rstrip(";") + ";"
        for table, _ in tables:
            if rows := _rows(db, table)[1]:  # all at once: DuckDB takes a statement per row by the millisecond
                yield f"insert into {table} values"
                yield ",\n".join(f"({', '.join(map(_literal, row))})" for row in rows) + ";"
        yield "commit;"


def _of_sqlite(path: Path) -> Iterator[str]:
    with closing(sqlite3.connect(path)) as db:
        yield from db.iterdump()
        yield f"pragma user_version = {db.execute('pragma user_version').fetchone()[0]};"


def _literal(value: str | None) -> str:
    return "null" if value is None else "'" + value.replace("'", "''") + "'"
