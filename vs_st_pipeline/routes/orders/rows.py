"""Stores one row of a table, by its key, inside the caller's transaction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vs_st_pipeline.platform.warehouse.connection import Db


def put(db: Db, table: str, key: str, row: Mapping[str, Any]) -> None:
    """Store a row as it is, whether it is there or not.

    DuckDB plans `insert or replace` of thirty columns for three times as long as this takes.

    Args:
        key: the column of the primary key. row: column -> value.
    """
    if not change(db, table, key, row):
        add(db, table, row)


def add(db: Db, table: str, row: Mapping[str, Any]) -> None:
    """Add a row that is not there.

    Args:
        row: column -> value.
    """
    names = ", ".join(f'"{name}"' for name in row)
    db.execute(f"insert into {table} ({names}) values ({', '.join(f'${name}' for name in row)})", row)


def change(db: Db, table: str, key: str, row: Mapping[str, Any]) -> bool:
    """Change the row of a key; say whether it was there.

    Args:
        key: the column of the primary key. row: the key's value, and those to be changed.
    """
    sets = ", ".join(f'"{name}" = ${name}' for name in row if name != key)
    return bool(db.value(f"update {table} set {sets} where {key} = ${key}", row))
