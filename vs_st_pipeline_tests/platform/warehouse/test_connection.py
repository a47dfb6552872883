"""How values reach DuckDB, and what that costs."""

from __future__ import annotations

import subprocess
import sys
import time

import duckdb
import pytest

from vs_st_pipeline.platform.warehouse.connection import Db, in_row_order

TEXTS = ["a", None, "", "é", "日本", "a\x00b", None]


@pytest.fixture
def db() -> Db:
    return Db(duckdb.connect())


@pytest.mark.parametrize("pandas_is_there", [False, True])
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
    ],
)
def test_a_batch_gives_its_values_as_they_are(
    db: Db, monkeypatch: pytest.MonkeyPatch, values: list[object], kind: str, pandas_is_there: bool
) -> None:
    if pandas_is_there:
        import pandas

        monkeypatch.setitem(sys.modules, "pandas", pandas)
    else:
        monkeypatch.delitem(sys.modules, "pandas", raising=False)
    with db.batch({"value": values}, {"value": kind} if kind != "text" else None) as batch:
        assert db.rows(f"select value from {batch}") == [(value,) for value in values]


def test_a_text_that_cannot_be_stored_is_an_error(db: Db, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "pandas", raising=False)
    with pytest.raises(UnicodeEncodeError), db.batch({"value": ["\ud800"]}):
        pass


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


def test_a_process_that_uses_a_file_does_not_import_pandas() -> None:
    code = """
import sys, duckdb
from vs_st_pipeline.platform.warehouse.connection import Db
db = Db(duckdb.connect())
with db.batch({"a": ["x", None], "b": [1, 2], "c": [True, None]}, {"b": "int", "c": "bool"}) as batch:
    assert len(db.rows(f"select * from {batch}")) == 2
print(sorted({"pandas"} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
