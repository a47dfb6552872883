"""How values reach DuckDB, and what that costs."""

from __future__ import annotations

import subprocess
import sys
import time
from datetime import datetime

import duckdb
import pytest

from vs_st_pipeline.platform.warehouse import columns as columns_module
from vs_st_pipeline.platform.warehouse import connection
from vs_st_pipeline.platform.warehouse.connection import Db, in_row_order

TEXTS = ["a", None, "", "é", "日本", "a\x00b", None]


@pytest.fixture
def db() -> Db:
    return Db(duckdb.connect())


@pytest.mark.parametrize("times", [1, 30])  # a few are said as SQL, many are given as a table
@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (TEXTS, "text"),
        (["plain", "ascii"], "text"),
        ([], "text"),
        ([None], "text"),
        ([1, None, -(2**63), 2**63 - 1, 0], "int"),
        ([1] * 20, "int"),
        ([True, None, False] * 7, "bool"),
        ([True] * 9, "bool"),
        ([], "int"),
        (["it's", "'; drop table t; --", "a\nb", "\\", "$1 ?", "%s {x}"], "text"),
        ([datetime(2026, 1, 2, 3, 4, 5, 678), None, datetime(1969, 12, 31)], "time"),
    ],
)
def test_a_batch_gives_its_values_as_they_are(db: Db, values: list[object], kind: str, times: int) -> None:
    values = values * times
    with db.batch({"value": values}, {"value": kind} if kind != "text" else None) as batch:
        assert db.rows(f"select value from {batch}") == [(value,) for value in values]


def test_a_text_that_cannot_be_stored_is_an_error(db: Db) -> None:
    with pytest.raises(UnicodeEncodeError), db.batch({"value": ["\ud800"]}):
        pass


def test_columns_are_named_as_they_are_and_typed_also_where_there_is_no_row(db: Db) -> None:
    for rows in (0, 1, 40):
        columns = {"order": ["x"] * rows, "at": [datetime(2026, 1, 2)] * rows, "n": [None] * rows, "is": [None] * rows}
        with db.batch(columns, {"at": "time", "n": "int", "is": "bool"}) as batch:
            names, _ = db.columns(f"select * from {batch}")
            types = db.rows(f"select column_type from (describe select * from {batch})")
        assert names == ["order", "at", "n", "is"]
        assert types == [("VARCHAR",), ("TIMESTAMP",), ("BIGINT",), ("BOOLEAN",)]


def test_columns_of_different_lengths_and_numbers_beyond_64_bits_are_errors(db: Db) -> None:
    with pytest.raises(Exception, match="length"), db.batch({"a": ["x"], "b": ["x", "y"]}):
        pass
    with pytest.raises(OverflowError), db.batch({"n": [2**63]}, {"n": "int"}):
        pass
    for kind, value in (("int", "1"), ("int", ""), ("time", "2026-01-02"), ("text", 1)):
        with pytest.raises(TypeError), db.batch({"value": [value] * 40}, {"value": kind}):
            pass


def test_a_batch_is_read_as_often_as_a_statement_names_it_and_from_other_threads(db: Db) -> None:
    columns = {"id": [f"{number:05}" for number in range(20_000)], "part": [number % 7 for number in range(20_000)]}
    with db.batch(columns, {"part": "int"}) as batch:
        for _ in range(2):
            assert db.rows(
                f"""select count(*), count(distinct b.part), min(a.id), max(b.id)
                    from {batch} as a join {batch} as b using (id)"""
            ) == [(20_000, 7, "00000", "19999")]


def test_more_text_than_usual_offsets_reach_is_given_whole(db: Db, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(columns_module, "_LARGEST", 10)
    values = ["é" * number if number % 3 else None for number in range(40)]
    with db.batch({"short": ["x"] * 40, "long": values}) as batch:
        assert db.rows(f"select short, long from {batch}") == [("x", value) for value in values]


def test_a_statement_that_is_run_again_is_not_parsed_again_and_says_what_is_true_by_then(db: Db) -> None:
    db.script("create table t (a integer); insert into t values (1)")
    for _ in range(4):
        assert db.rows("select a from t where a >= ?", [1]) == [(1,)]
        assert db.rows("select a from t where a >= $least", {"least": 1}) == [(1,)]
    db.script("drop table t; create table t (a varchar); insert into t values ('2')")
    assert db.rows("select a from t") == db.rows("select a from t") == db.rows("select a from t") == [("2",)]
    assert connection._PARSED.keys() >= {"select a from t", "select a from t where a >= ?"}
    with db.batch({"phone": ["7075550188"]}) as batch:
        for _ in range(3):
            db.rows(f"select * from {batch}")
    assert not any("7075550188" in text for text in connection._PARSED), "what names a person is kept nowhere"


def test_what_was_written_is_counted_by_table(db: Db) -> None:
    db.script("create schema raw; create table raw.t (a integer)")
    db.writes.clear()
    for sql in ("insert into raw.t values (1)", "\n  update raw.t set a = 2", "delete from raw.t where a = 2"):
        db.execute(sql)
    db.execute("create or replace temp table x as select * from raw.t")
    db.execute("drop table if exists temp.x")
    db.execute("alter table raw.t add column b integer")
    assert db.rows("select * from raw.t") == []
    assert db.writes == {"raw.t": 3, "temp": 1, "temp.x": 1, "": 1}


def test_what_was_read_of_a_table_stands_until_something_may_have_been_written_to_it(db: Db) -> None:
    db.script("create schema raw; create table raw.t (a integer); create table raw.u (a integer)")
    reads: list[int] = []

    def count() -> int:
        def read() -> int:
            reads.append(1)
            return int(db.value("select count(*) from raw.t"))

        return db.cached_of("raw.t", read)

    assert (count(), count(), len(reads)) == (0, 0, 1)
    db.execute("insert into raw.u values (1)")
    assert (count(), len(reads)) == (0, 1)
    db.execute("insert into raw.t values (1)")
    assert (count(), count(), len(reads)) == (1, 1, 2)

    def fail() -> None:
        with db.transaction():
            db.execute("delete from raw.t")
            assert count() == 0
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert count() == 1
    db.script("insert into raw.u values (1); delete from raw.t")
    assert count() == 0


COUNT = 10_000


def test_an_update_of_most_of_a_table_costs_no_more_than_its_share(db: Db) -> None:
    db.execute("create table t (id varchar primary key, body varchar, seen integer)")
    with db.batch({"id": [f"{number * 7919 % COUNT:06}" for number in range(COUNT)]}) as batch:
        db.execute(f"insert into t select id, repeat(id, 20), 0 from {batch}")

    def cost(count: int) -> float:
        with db.batch({"id": [f"{number:06}" for number in range(count)]}) as batch:
            began = time.thread_time()
            db.execute(
                f"update t set seen = seen + 1 from {in_row_order('t', batch, 'id')} as b where t.rowid = b.rowid_"
            )
            return time.thread_time() - began

    cost(10)
    half = min(cost(COUNT // 2) for _ in range(3))
    most = min(cost(COUNT * 9 // 10) for _ in range(3))
    assert most < 10 * half, "rows that come out of order take a hundred times as long"
    assert db.rows("select seen, count(*) from t group by all order by all") == [
        (0, 1000),
        (3, 4000),
        (6, 4990),
        (7, 10),
    ]


def test_a_process_that_uses_a_file_does_not_import_pandas_or_numpy() -> None:
    code = """
import sys, duckdb
from vs_st_pipeline.platform.warehouse.connection import Db
db = Db(duckdb.connect())
values = {"a": ["x", None] * 50, "b": [1, 2] * 50, "c": [True, None] * 50}
with db.batch(values, {"b": "int", "c": "bool"}) as batch:
    assert len(db.rows(f"select * from {batch}")) == 100
print(sorted({"numpy", "pandas", "pyarrow"} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
