"""Reads a site's drops by DuckDB's own readers, each whole or not at all (audience.md 4.3).

Data flow: `drop/NAME/TABLE.csv` and the like -> temporary tables of texts, one per table that `_READY.json` names.

Nothing in the folder is changed. What does not fit (rows unlike `rows`, an unreadable file, a required column that is
missing) refuses the whole drop.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Final

from vs_st_pipeline.connectors.shop.names import SHOP
from vs_st_pipeline.domain.errors import BadAnswer
from vs_st_pipeline.domain.formats import counted
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.platform.warehouse.loose_files import Unreadable, read_texts

READY: Final = "_READY.json"
EXTRA: Final = "x_"
"""Columns whose name begins so go along as they are spelt (5.5)."""
_ENDINGS: Final = (".csv", ".csv.gz", ".parquet", ".jsonl", ".jsonl.gz")
REQUIRED: Final[Mapping[str, tuple[str, ...]]] = {
    "customers": ("customer_id",),
    "addresses": ("customer_id", "position"),
    "subscribers": (),
    "products": ("product_id",),
    "options": ("product_id", "option_id"),
    "wishlists": ("customer_id", "product_id"),
    "orders": ("order_id", "status", "total", "created_at"),
    "order_lines": ("order_id", "position", "quantity"),
    "carts": ("cart_id",),
    "cart_lines": ("cart_id", "product_id", "option_id", "quantity"),
}


@dataclass(frozen=True, slots=True)
class Drop:
    """A drop that is ready.

    Attributes:
        taken_at: UTC without zone. tables: rows of each, None where not told.
        fault: why it is refused; `""`: it is not.
    """

    name: str
    folder: Path
    taken_at: datetime = datetime.min
    complete: bool = False
    tables: Mapping[str, int | None] | None = None
    fault: str = ""


def refused(name: str, why: str) -> BadAnswer:
    """Return the error of a drop that is refused whole; it repeats nothing of a row."""
    return BadAnswer(f"drop {name} is refused whole: {why}", system=SHOP, call="read_drop")


def find(folder: Path, zone: tzinfo) -> list[Drop]:
    """Return the drops that are ready, in order of name. Raises BadAnswer where the folder cannot be read."""
    try:
        names = sorted(one.name for one in folder.iterdir() if one.is_dir() and (one / READY).is_file())
    except OSError:
        raise BadAnswer(
            "the folder of drops cannot be read: look at shop.drop", system=SHOP, call="read_drop"
        ) from None
    return [_drop(folder / name, name, zone) for name in names]


def _drop(folder: Path, name: str, zone: tzinfo) -> Drop:
    try:
        said = json.loads((folder / READY).read_bytes().decode("utf-8-sig"))
        taken = datetime.fromisoformat(said["taken_at"])
        taken = (taken if taken.tzinfo else taken.replace(tzinfo=zone)).astimezone(UTC).replace(tzinfo=None)
        complete, tables = said["complete"], said["tables"]
        if not isinstance(complete, bool) or not isinstance(tables, dict):
            raise TypeError
        rows = {table: (about or {}).get("rows") for table, about in tables.items()}
        if any(one is not None and (isinstance(one, bool) or not isinstance(one, int)) for one in rows.values()):
            raise TypeError
    except (OSError, ValueError, TypeError, KeyError, AttributeError, OverflowError):
        return Drop(name, folder, fault=f"{READY} cannot be read")
    if unknown := sorted(rows.keys() - REQUIRED.keys()):
        return Drop(name, folder, taken, complete, rows, f"{READY} names {len(unknown)} tables that do not exist")
    return Drop(name, folder, taken, complete, rows)


def load(db: Db, drop: Drop, table: str, into: str) -> set[str]:
    """Read one table of a drop into a temporary table of texts; returns its columns, in small letters but for extras'.

    Raises:
        BadAnswer: it refuses the drop.
    """
    if drop.fault:
        raise refused(drop.name, drop.fault)
    files = _files(drop.folder, table)
    if not files:
        raise refused(drop.name, f"{table} is named, and has no file")
    try:
        columns = read_texts(db, files, into, as_spelt=EXTRA)
        rows = int(db.value(f"select count(*) from {into}"))
    except Unreadable:
        raise refused(drop.name, f"a file of {table} cannot be read") from None
    wanted = (drop.tables or {}).get(table)
    if wanted is not None and wanted != rows:
        raise refused(drop.name, f"{table} has {counted(rows, 'rows')}, and {READY} says {wanted}")
    missing = [one for one in REQUIRED[table] if one not in columns]
    if table == "subscribers" and not columns & {"email", "address"}:
        missing = ["email"]
    if missing and (rows or columns):
        raise refused(drop.name, f"{table} has no column {missing[0]}")
    if not columns:  # lines of JSON name their columns themselves: where there is no line, it is an empty table
        columns = set(REQUIRED[table] or ("email",))
        db.execute(f"create or replace temp table {into} ({', '.join(f'{one} varchar' for one in sorted(columns))})")
    return columns


def _files(folder: Path, table: str) -> list[Path]:
    named = re.compile(rf"{re.escape(table)}(-\d+)?({'|'.join(re.escape(one) for one in _ENDINGS)})")
    found = [one for one in folder.iterdir() if named.fullmatch(one.name)]
    return sorted(found, key=lambda one: (len(one.name.split(".")[0]), one.name))


def next_to_read(drops: Sequence[Drop], taken: Collection[tuple[str, str]], table: str) -> list[Drop]:
    """Return the drops of one table that are to be read: the newest unread complete one, and what comes after it.

    Args:
        taken: name and table of what was read before; nothing before the last of them is read any more.
    """
    last = max((name for name, one in taken if one == table), default="")
    unread = [one for one in drops if one.name > last and (one.fault or table in (one.tables or {}))]
    complete = [number for number, one in enumerate(unread) if one.complete and not one.fault]
    return unread[complete[-1] :] if complete else unread
