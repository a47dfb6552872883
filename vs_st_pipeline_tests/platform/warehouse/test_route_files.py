"""Each route of a merchant has a file of its own, and may look into another's for a moment (routes.md R18)."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path

import duckdb
import pytest

from vs_st_pipeline.domain.errors import BadSettings, TryLater
from vs_st_pipeline.platform.warehouse.files import log_of
from vs_st_pipeline_tests.toys.world import warehouse_at

HOLDER = """
import sys, duckdb
db = duckdb.connect(sys.argv[1])
print("held", flush=True)
sys.stdin.readline()
"""
SET = "insert or replace into synced.baseline values (?, 7, now()::timestamp)"
GET = "select what from synced.baseline order by counted_at desc"


def test_r18_each_route_of_a_merchant_has_its_own_file_and_lock(tmp_path: Path) -> None:
    warehouse = warehouse_at(tmp_path, wait_seconds=0.2)
    for route in ("contacts", "parcels", "letters"):
        with warehouse.open("one", route) as db, db.transaction():
            db.execute(SET, [route])
    for route in ("contacts", "parcels", "letters"):
        with warehouse.open("one", route) as db:
            assert db.value(GET) == route
    assert [(route, path.name) for route, path in warehouse.files("one").items()] == [
        ("contacts", "warehouse.duckdb"),
        ("letters", "letters.duckdb"),
        ("parcels", "parcels.duckdb"),
    ]
    with warehouse.sync_lock("one", "parcels"):
        with warehouse.sync_lock("one"), warehouse.sync_lock("one", "letters"):
            pass
        with pytest.raises(TryLater), warehouse.sync_lock("one", "parcels"):
            pass
        with pytest.raises(TryLater), warehouse.all_sync_locks("one"):
            pass
    with warehouse.all_sync_locks("one"), pytest.raises(TryLater), warehouse.sync_lock("one", "parcels"):
        pass


def test_r18_a_damaged_file_of_one_route_is_its_own_trouble_and_names_the_command_for_it(tmp_path: Path) -> None:
    warehouse = warehouse_at(tmp_path)
    with warehouse.open("one"):
        pass
    warehouse.file("one", "parcels").write_bytes(b"rubbish" * 4096)
    with pytest.raises(BadSettings, match="rebuild --merchant one --route parcels"), warehouse.open("one", "parcels"):
        pass
    with pytest.raises(TryLater):
        warehouse.peek("one", "parcels", lambda db: db.rows("select 1"))
    with warehouse.open("one") as db:
        assert db.value("select count(*) from synced.ledger") == 0


@pytest.mark.parametrize("kept", [False, True])
def test_r18_a_route_reads_anothers_rows_and_can_write_nothing_there(tmp_path: Path, kept: bool) -> None:
    warehouse = warehouse_at(tmp_path)
    with warehouse.open("one", "parcels") as db, db.transaction():
        db.execute(SET, ["parcels"])
    with warehouse.keeping("one", "parcels") if kept else nullcontext():
        if kept:
            with warehouse.open("one", "parcels"):
                pass
        assert warehouse.peek("one", "parcels", lambda db: db.value(GET)) == "parcels"
        with pytest.raises(duckdb.Error, match="read-only"):
            warehouse.peek("one", "parcels", lambda db: db.execute("delete from synced.baseline"))
        with warehouse.open("one", "parcels") as db, db.transaction():
            assert db.value(GET) == "parcels"
            db.execute(SET, ["still"])
        assert warehouse.peek("one", "parcels", lambda db: db.value(GET)) == "still"


def test_r18_a_dry_run_looks_at_the_other_routes_own_file(tmp_path: Path) -> None:
    warehouse = warehouse_at(tmp_path)
    with warehouse.open("one"), warehouse.open("one", "parcels") as db, db.transaction():
        db.execute(SET, ["parcels"])
    with warehouse.trial("one") as aside:
        assert aside.peek("one", "parcels", lambda db: db.value(GET)) == "parcels"


def test_r18_a_peek_never_makes_or_migrates_a_file(tmp_path: Path) -> None:
    warehouse = warehouse_at(tmp_path)
    with pytest.raises(TryLater, match="no file yet"):
        warehouse.peek("one", "parcels", lambda db: db.rows("select 1"))
    assert not warehouse.file("one", "parcels").exists()
    warehouse.folder("one")
    with duckdb.connect(str(warehouse.file("one", "parcels"))) as other:
        other.execute("create table old_shape (x integer)")
    with pytest.raises(TryLater, match="does not have"):
        warehouse.peek("one", "parcels", lambda db: db.value(GET))
    with duckdb.connect(str(warehouse.file("one", "parcels"))) as other:
        assert [row[0] for row in other.execute("select table_name from duckdb_tables()").fetchall()] == ["old_shape"]


def test_r18_a_peek_sees_what_a_killed_process_has_left_in_the_log(tmp_path: Path) -> None:
    warehouse = warehouse_at(tmp_path)
    with warehouse.open("one", "parcels"):
        pass
    killed = """
import os, signal, sys, pathlib
from vs_st_pipeline_tests.toys.world import warehouse_at
with warehouse_at(pathlib.Path(sys.argv[1])).open("one", "parcels") as db:
    with db.transaction():
        db.execute("insert or replace into synced.baseline values ('logged', 7, now()::timestamp)")
    os.kill(os.getpid(), signal.SIGKILL)
"""
    subprocess.run([sys.executable, "-c", killed, str(tmp_path)], check=False)
    assert log_of(warehouse.file("one", "parcels")).exists()
    assert warehouse.peek("one", "parcels", lambda db: db.value(GET)) == "logged"


def test_r18_a_route_does_without_news_where_the_file_cannot_be_had_in_time(tmp_path: Path) -> None:
    warehouse = warehouse_at(tmp_path)
    with warehouse.open("one", "parcels"):
        pass
    held = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(warehouse.file("one", "parcels"))],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert held.stdout is not None
    held.stdout.readline()
    try:
        with pytest.raises(TryLater, match="held by another process"):
            warehouse.peek("one", "parcels", lambda db: db.value(GET), wait_seconds=0.2)
    finally:
        held.communicate("\n")
    assert warehouse.peek("one", "parcels", lambda db: db.value(GET)) is None
    with ThreadPoolExecutor(1) as pool, warehouse.open("one", "parcels"):  # another thread of this process uses it
        peek = pool.submit(warehouse.peek, "one", "parcels", lambda db: db.value(GET), wait_seconds=0.1)
        with pytest.raises(TryLater, match="has been using its file"):
            peek.result()


def test_r18_rewriting_one_routes_file_leaves_the_others_alone(tmp_path: Path) -> None:
    warehouse = warehouse_at(tmp_path)
    for route in ("contacts", "parcels"):
        with warehouse.open("one", route) as db, db.transaction():
            db.execute(SET, [route])
    before = warehouse.file("one").stat().st_ino
    warehouse.rewrite("one", "parcels")
    assert warehouse.file("one").stat().st_ino == before
    with warehouse.open("one", "parcels") as db:
        assert db.value(GET) == "parcels"
