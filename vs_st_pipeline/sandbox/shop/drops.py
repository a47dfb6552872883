"""Writes a drop as a shop's export does: files of a format, `_READY.json` last; also as one that went wrong does."""

from __future__ import annotations

import csv
import gzip
import io
import json
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb  # noqa: TID251 (the shop is no part of the house, and keeps its own files)

from vs_st_pipeline.sandbox.core.asgi import Record
from vs_st_pipeline.sandbox.shop.tables import COLUMNS, KEYS, type_of

READY = "_READY.json"
BAD = {
    "birth_date": "31/31/1999",
    "opted_in": "maybe",
    "subscribed": "maybe",
    "price": "twelve",
    "discount_price": "1,2,3",
    "stock": "plenty",
    "in_stock": "sometimes",
    "added_at": "yesterday",
    "phone_mobile": "\x07call me",
}


def write_drop(
    folder: Path, tables: Mapping[str, Sequence[Record]], *, complete: bool, taken_at: str, format: str, style: str
) -> dict[str, int]:
    """Write a drop into a folder of its own.

    Args:
        style: a value of the switch `drop_style`; what it spoils of one table alone is of the first one.

    Returns:
        How many rows each table has in the file.
    """
    folder.mkdir(parents=True)
    counts: dict[str, int] = {}
    for number, (table, given) in enumerate(tables.items()):
        rows, columns = _spoilt(table, given, style, first=number == 0)
        path = folder / f"{table}.{format}"
        path.write_bytes(_encoded(rows, columns, format, bom=style == "bom"))
        if style == "half_file" and number == 0:
            whole = path.read_bytes()
            path.write_bytes(whole[: max(1, len(whole) // 2)])
        counts[table] = len(rows)
    if style != "no_ready":
        said = {table: {"rows": n + (style == "wrong_rows" and i == 0)} for i, (table, n) in enumerate(counts.items())}
        ready = {"taken_at": taken_at, "complete": complete, "tables": said}
        (folder / READY).write_text(json.dumps(ready), encoding="utf-8")
    return counts


def _spoilt(table: str, given: Iterable[Record], style: str, *, first: bool) -> tuple[list[Record], list[str]]:
    rows = [dict(row) for row in given]
    columns = [*COLUMNS[table], *sorted({name for row in rows for name in row} - set(COLUMNS[table]))]
    if style == "extra_column":
        columns.append("till_number")
        rows = [{**row, "till_number": "7"} for row in rows]
    if style == "bad_values" and rows:
        rows[0] |= {name: bad for name, bad in BAD.items() if name in columns}
    if style == "duplicate_ids" and rows:
        rows.append({**rows[0], **({"updated_at": "2001-01-01T00:00:00Z"} if "updated_at" in columns else {})})
    if first and style == "empty_table":
        rows = []
    if first and style == "missing_column":
        columns.remove(KEYS[table][0])
    return rows, columns


def _encoded(rows: Sequence[Record], columns: Sequence[str], format: str, *, bom: bool) -> bytes:
    if format == "parquet":
        return _parquet(rows, columns)
    kind, _, packed = format.partition(".")
    text = _csv(rows, columns) if kind == "csv" else _lines(rows, columns)
    whole = (b"\xef\xbb\xbf" if bom and kind == "csv" else b"") + text.encode()
    return gzip.compress(whole, mtime=0) if packed else whole


def _csv(rows: Iterable[Record], columns: Sequence[str]) -> str:
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_cell(row.get(name)) for name in columns] for row in rows)
    return file.getvalue()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, list | dict) else str(value)


def _lines(rows: Iterable[Record], columns: Sequence[str]) -> str:
    return "".join(
        json.dumps({name: row.get(name) for name in columns}, ensure_ascii=False, default=str) + "\n" for row in rows
    )


def _parquet(rows: Sequence[Record], columns: Sequence[str]) -> bytes:
    types = {name: type_of(name, rows) for name in columns}
    plain = [
        {name: json.dumps(value) if isinstance(value := row.get(name), dict) else value for name in columns}
        for row in rows
    ]
    with tempfile.TemporaryDirectory() as folder, duckdb.connect() as db:
        source, target = Path(folder) / "rows.jsonl", Path(folder) / "rows.parquet"
        source.write_text(_lines(plain, columns), encoding="utf-8")
        listed = ", ".join(f"'{name}': '{type}'" for name, type in types.items())
        db.execute(
            f"COPY (SELECT * FROM read_json('{source}', format = 'newline_delimited', columns = {{{listed}}})) "
            f"TO '{target}' (FORMAT parquet)"
        )
        return target.read_bytes()
