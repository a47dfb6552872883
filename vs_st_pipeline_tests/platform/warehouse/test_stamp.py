"""Whatever is written into a DuckDB file changes its stamp, and nothing else does."""

from __future__ import annotations

import os
from pathlib import Path

import duckdb

from vs_st_pipeline.platform.warehouse.stamp import file_stamp


def test_a_look_changes_nothing_and_any_write_does(tmp_path: Path) -> None:
    path = tmp_path / "w.duckdb"
    assert file_stamp(path) is None
    with duckdb.connect(str(path)) as db:
        db.execute("create table t as select 1 as a")
    before = file_stamp(path)
    assert before is not None
    with duckdb.connect(str(path)) as db:
        assert db.execute("select a from t").fetchall() == [(1,)]
    assert file_stamp(path) == before
    known = path.stat()
    with duckdb.connect(str(path)) as db:
        db.execute("update t set a = 2")
    os.utime(path, ns=(known.st_atime_ns, known.st_mtime_ns))  # a clock that stands still, or a backup put back with it
    assert file_stamp(path) != before


def test_a_file_with_a_log_says_nothing(tmp_path: Path) -> None:
    path = tmp_path / "w.duckdb"
    with duckdb.connect(str(path)) as db:
        db.execute("create table t as select 1 as a")
    path.with_name("w.duckdb.wal").write_bytes(b"x")
    assert file_stamp(path) is None


def test_another_file_in_its_place_is_another(tmp_path: Path) -> None:
    path = tmp_path / "w.duckdb"
    path.write_bytes(b"one" * 10_000)
    before = file_stamp(path)
    known = path.stat()
    (tmp_path / "new").write_bytes(b"one" * 10_000)
    (tmp_path / "new").replace(path)
    os.utime(path, ns=(known.st_atime_ns, known.st_mtime_ns))
    assert file_stamp(path) != before
