"""Rows that are stored by their key, whether they are there or not."""

from __future__ import annotations

import duckdb

from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.routes.orders import rows


def test_a_row_is_added_or_changed_and_only_what_is_named_is_changed() -> None:
    db = Db(duckdb.connect())
    db.script("""create table t (id varchar primary key, "at" integer, word varchar default 'usual')""")
    rows.put(db, "t", "id", {"id": "a", "at": 1})
    rows.put(db, "t", "id", {"id": "b", "at": 1, "word": "other"})
    rows.put(db, "t", "id", {"id": "a", "at": None})
    assert not rows.change(db, "t", "id", {"id": "c", "at": 2})
    assert rows.change(db, "t", "id", {"id": "b", "at": 3})
    assert db.rows("select * from t order by id") == [("a", None, "usual"), ("b", 3, "other")]
