"""Makes the tables of the say-once toolkit in a route's file, each step in a transaction that says so."""

from __future__ import annotations

from importlib import resources

from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.platform.warehouse.migrations import utc_now_naive


def _steps() -> list[tuple[int, str]]:
    folder = resources.files("vs_st_pipeline.pipeline.once") / "sql"
    names = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".sql"))
    return [(int(name.split("_", 1)[0]), (folder / name).read_text(encoding="utf-8")) for name in names]


STEPS = _steps()


def ensure_tables(db: Db) -> None:
    """Bring the toolkit's tables in this file to this version's form."""
    is_there = """select 1 from duckdb_tables() where database_name = current_database() and schema_name = 'once'
                  and table_name = 'schema_version'"""
    version = int(db.value("select max(version) from once.schema_version")) if db.row(is_there) else 0
    for number, sql in STEPS:
        if number > version:
            with db.transaction():
                db.execute("create schema if not exists once")
                db.execute("create table if not exists once.schema_version (version integer, applied_at timestamp)")
                db.script(sql)
                db.execute("insert into once.schema_version values (?, ?)", [number, utc_now_naive()])
