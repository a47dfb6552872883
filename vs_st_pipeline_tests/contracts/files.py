"""Files for the contracts: one with some layout, what stands in it, and what its catalog is."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.platform.warehouse.files import Warehouse
from vs_st_pipeline.platform.warehouse.migrations import Layout, Lineage

Rows = list[tuple[Any, ...]]


def warehouse_of(folder: Path, layout: Layout) -> Warehouse:
    return Warehouse(folder, {"contacts": layout})


def tables_of(db: Db, schemas: Collection[str] = ()) -> list[str]:
    rows = db.rows(
        "select schema_name, table_name from duckdb_tables() where database_name = current_database() order by all"
    )
    return [f"{schema}.{table}" for schema, table in rows if not schemas or schema in schemas]


def catalog(db: Db) -> tuple[Rows, Rows]:
    """All columns and constraints."""
    return (
        db.rows(
            """select schema_name, table_name, column_index, column_name, data_type, column_default, is_nullable
               from duckdb_columns() where database_name = current_database() order by all"""
        ),
        db.rows(
            """select schema_name, table_name, constraint_type, constraint_text from duckdb_constraints()
               where database_name = current_database() order by all"""
        ),
    )


def content(db: Db, tables: Collection[str]) -> dict[str, Rows]:
    """All rows of these tables, in an order of their own."""
    return {table: sorted(db.rows(f"select * from {table}"), key=repr) for table in tables}


def before(layout: Layout, owner: str, version: int) -> Layout:
    """The layout when its owner's lineage went so far; an owner without a step was not there yet."""
    lineages = []
    for lineage in layout.lineages:
        steps = tuple(step for step in lineage.steps if lineage.owner != owner or step[0] <= version)
        lineages += [Lineage(lineage.owner, steps)] if steps else []
    return replace(layout, lineages=tuple(lineages), legacy=None)
