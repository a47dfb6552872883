"""Makes a whole plan behind the back of a sync, and compares it row by row with the one that is stored."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
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
def kept(db: Db, name: str = "kept") -> Iterator[None]:
    """Bring back what `planned` held when the block ends."""
    for table in TABLES:
        db.execute(f"create or replace temp table {name}_{table} as from planned.{table}")
    try:
        yield
    finally:
        for table in TABLES:
            db.execute(f"delete from planned.{table}")
            db.execute(f"insert into planned.{table} from temp.{name}_{table}")
            db.execute(f"drop table temp.{name}_{table}")


@contextmanager
def put_aside(db: Db) -> Iterator[None]:
    """Empty `planned` while the block lasts, and bring back what it held."""
    with kept(db, "aside"):
        for table in TABLES:
            db.execute(f"delete from planned.{table}")
        yield


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


def some_are_right(run: Run, contact_ids: Collection[str], make_plan: Callable[[], Plan]) -> None:
    """Prove a plan of a few: they are planned as a plan of everybody would, and the next whole plan comes out right."""
    with run.open() as db, kept(db, "some"):
        found = rows(db)
        make_plan()
        after = rows(db)
        with put_aside(db):
            make_plan()
            expected = rows(db)
        shared = {row[0] for row in db.rows("select id from planned.inputs where share in (" + _SHARED + ")")}
    for table in TABLES:
        assert after[table] == expected[table], f"planned.{table} is not right after a plan of a few"
    for table in ("targets", "changes", "notes", "learned"):  # an e-mail that several want is a whole plan's to give
        own = [[row for row in one[table] if row[2] in set(contact_ids) - shared] for one in (found, expected)]
        assert own[0] == own[1], f"planned.{table} of a few is not what a plan of everybody says"


_SHARED = "select share from planned.inputs where share is not null group by 1 having count(*) > 1"
