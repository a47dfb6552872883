"""Makes a whole plan behind the back of a sync, and compares it row by row with the one that is stored."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from vs_st_pipeline.pipeline.targets import Plan
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse.connection import Db

TABLES = ("targets", "changes", "notes", "learned", "verdicts", "plan", "inputs", "basis")
NOT_COMPARED = {
    # Of one that is settled nobody asks whether the run that planned it had read it.
    "targets": "* exclude (compared)",
    "plan": "* exclude (run_id, made_at)",
    # How far the history went: whoever is settled since is planned the same.
    "basis": "fingerprint",
}


def rows(db: Db) -> dict[str, list[tuple[Any, ...]]]:
    """All that is planned."""
    return {
        table: db.rows(f"select {NOT_COMPARED.get(table, '*')} from planned.{table} order by all") for table in TABLES
    }


@contextmanager
def put_aside(db: Db) -> Iterator[None]:
    """Empty `planned` while the block lasts, and bring back what it held."""
    for table in TABLES:
        db.execute(f"create or replace temp table kept_{table} as from planned.{table}")
    try:
        for table in TABLES:
            db.execute(f"delete from planned.{table}")
        yield
    finally:
        for table in TABLES:
            db.execute(f"delete from planned.{table}")
            db.execute(f"insert into planned.{table} from temp.kept_{table}")
            db.execute(f"drop table temp.kept_{table}")


def same_as_fresh(run: Run, make_plan: Callable[[], Plan]) -> Plan:
    """Make everything that is planned anew, compare it with what is there, and leave that; returns the fresh plan."""
    with run.open() as db:
        found = rows(db)
        with put_aside(db):
            fresh = make_plan()
            expected = rows(db)
    for table in TABLES:
        assert found[table] == expected[table], f"planned.{table} is not what a plan of everybody says"
    return fresh
