"""Bodies are stored compressed, in new files and in those of before, which keep every row in its place."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from vs_st_pipeline.operations.warehouse import layouts
from vs_st_pipeline.platform.failpoints import VARIABLE
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.platform.warehouse.files import Warehouse
from vs_st_pipeline.platform.warehouse.migrations import SHARED, Layout

BODIES = {
    ("simpletexting_contacts", "body"),
    ("vinoshipper_customers", "list_body"),
    ("vinoshipper_customers", "detail_body"),
    ("vinoshipper_orders", "search_body"),
    ("vinoshipper_orders", "detail_body"),
}
LATER = {("vinoshipper_feed", "body")}
"""Of tables that were never without compression."""
BEFORE = 1  # the step of both connectors that knew no compression
ROWS = 5_000

OPEN = """
import sys
from pathlib import Path
from vs_st_pipeline.operations.warehouse import warehouse_at

SAMPLE = 1  # cases of each test in `make test`; the others count as pytest.mark.slow
with warehouse_at(Path(sys.argv[1])).open("one"):
    pass
"""


def compressed(db: Db) -> set[tuple[str, str]]:
    """Return the columns that are declared to be compressed by zstd."""
    found: set[tuple[str, str]] = set()
    for table, sql in db.rows("select table_name, sql from duckdb_tables() where database_name = current_database()"):
        found.update((table, column) for column in re.findall(r"(\w+) VARCHAR USING COMPRESSION ZSTD", sql))
    return found


def of_before() -> dict[str, Layout]:
    """Return what a file of the contacts' route was before."""
    layout = layouts()["contacts"]
    lineages = tuple(
        one if one is SHARED else replace(one, steps=tuple(step for step in one.steps if step[0] <= BEFORE))
        for one in layout.lineages
    )
    return {"contacts": replace(layout, lineages=lineages)}


def content(db: Db) -> dict[str, list[tuple[Any, ...]]]:
    return {table: db.rows(f"select * from raw.{table} order by rowid") for table in {table for table, _ in BODIES}}


def fill(folder: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Make a file of before, with rows that were changed and deleted since."""
    with Warehouse(folder, of_before()).open("one") as db:
        assert compressed(db) == set()
        db.execute(
            f"""insert into raw.vinoshipper_customers (customer_id, phone, list_body, list_hash, detail_body, missing)
                select 900000 - i, '7075550142', '{{"id":' || i || ',"firstName":"Zoë"}}', md5(i::varchar),
                       case when i % 3 = 0 then repeat('{{"lastName":"Vine 🍷"}}', 40) end, i % 2
                from range({ROWS}) as r(i)"""
        )
        db.execute(
            f"""insert into raw.vinoshipper_orders (order_number, search_body, detail_body, purchased_on)
                select 'A-' || i, '{{}}', case when i % 2 = 0 then repeat('{{"total":10.50}}', 100) end, '2026-01-02'
                from range({ROWS}) as r(i)"""
        )
        db.execute(
            f"""insert into raw.simpletexting_contacts (contact_id, body, body_hash, read_at, read_run, gone)
                select 'c' || i, '{{"contactPhone":"7075550142"}}', 'h', '2026-01-02', 'run', i % 5 = 0
                from range({ROWS}) as r(i)"""
        )
        db.execute("update raw.vinoshipper_customers set detail_body = '{}' where customer_id % 7 = 0")
        db.execute("delete from raw.vinoshipper_orders where order_number like '%9'")
        return content(db)


def test_bodies_of_a_new_file_are_compressed(tmp_path: Path) -> None:
    with Warehouse(tmp_path, layouts()).open("one") as db:
        assert compressed(db) == BODIES | LATER


def test_a_file_of_before_keeps_its_rows_in_a_fraction_of_the_room(tmp_path: Path) -> None:
    before = fill(tmp_path)
    warehouse = Warehouse(tmp_path, layouts())
    with warehouse.open("one") as db:
        assert content(db) == before
        assert compressed(db) == BODIES | LATER
        db.execute("insert into raw.vinoshipper_customers (customer_id) values (7)")
        usual = db.row(
            "select missing, detail_wanted, detail_leads from raw.vinoshipper_customers where customer_id = 7"
        )
        assert usual == (0, True, False)
        db.execute("delete from raw.vinoshipper_customers where customer_id = 7")
    warehouse.rewrite("one")  # as forgetting somebody does
    with warehouse.open("one") as db:
        assert content(db) == before
        assert compressed(db) == BODIES | LATER
        stored = "select compression from pragma_storage_info('raw.{}') where column_name = ?"
        used = {row[0] for table, column in BODIES for row in db.rows(stored.format(table), [column])}
    assert "ZSTD" in used


@pytest.mark.parametrize("place", ["begun:1", "migrated:1", "migrated:2", "committed:1"])
def test_a_kill_on_the_way_leaves_all_rows(place: str, tmp_path: Path) -> None:
    before = fill(tmp_path)
    died = subprocess.run(
        [sys.executable, "-c", OPEN, str(tmp_path)], env={**os.environ, VARIABLE: place}, check=False
    ).returncode
    assert died == -signal.SIGKILL
    if place != "committed:1":
        with Warehouse(tmp_path, of_before()).open("one") as db:
            assert content(db) == before
            assert compressed(db) == set()
    with Warehouse(tmp_path, layouts()).open("one") as db:
        assert content(db) == before
        assert compressed(db) == BODIES | LATER
