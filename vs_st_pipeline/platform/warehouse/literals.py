"""Writes a few short values as SQL, which takes less than to give DuckDB a table of them.

Data flow: rows of plain Python values -> text of a subquery, for `connection`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

BEGINS: Final = "(select * from (values "
"""What each such text begins with."""

_MOST = 24, 4_000  # rows, characters: above that a table takes less


def as_literal(columns: Mapping[str, Sequence[Any]], types: Mapping[str, str]) -> str | None:
    """Return columns as a subquery that says their values; None where they are many or long.

    Args:
        columns, types: as in `Db.batch`.
    """
    most_rows, most_chars = _MOST
    count = len(next(iter(columns.values()), ()))
    if count > most_rows:
        return None
    if not count and not any(map(len, columns.values())):
        nulls = ", ".join(f'cast(null as {_SQL_TYPES[types.get(name, "text")]}) as "{name}"' for name in columns)
        return f"(select {nulls} where false)"
    written = []
    for name, values in columns.items():
        kind = types.get(name, "text")
        if len(values) != count or any(not _is_writable(value, kind) for value in values):
            return None  # the other way says what is wrong with it
        texts = ["null" if value is None else _WRITE[kind](value) for value in values]
        texts[0] = f"cast({texts[0]} as {_SQL_TYPES[kind]})"
        written.append(texts)
    text = ", ".join(f"({', '.join(row)})" for row in zip(*written, strict=True))
    names = ", ".join(f'"{name}"' for name in columns)
    return f"{BEGINS}{text}) as _({names}))" if len(text) <= most_chars else None


def _is_writable(value: object, kind: str) -> bool:
    if value is None or kind == "bool":
        return True
    if kind == "text":
        return isinstance(value, str) and (value.isascii() or not _SURROGATE.search(value))
    if kind == "int":
        return isinstance(value, int) and -_LARGEST_INT <= value <= _LARGEST_INT
    return isinstance(value, datetime) and value.tzinfo is None


_SQL_TYPES = {"int": "bigint", "bool": "boolean", "text": "varchar", "time": "timestamp"}
_WRITE: dict[str, Callable[[Any], str]] = {
    "int": lambda value: str(int(value)),
    "bool": lambda value: "true" if value else "false",
    "text": lambda value: "'" + value.replace("'", "''") + "'",
    "time": lambda value: f"timestamp '{value.isoformat(' ')}'",
}
_SURROGATE = re.compile("[\ud800-\udfff]")
_LARGEST_INT = 2**63 - 1
