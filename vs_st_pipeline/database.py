"""One merchant's file while it is attached: SQL in, tuples out; the hand in the one door to DuckDB (`warehouse`).

Data flow: rows of plain Python values -> Arrow -> DuckDB, and tuples back.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

import duckdb
import pyarrow as pa

from vs_st_pipeline.fault_points import reach

_BATCHES = itertools.count()
T = TypeVar("T")


class Db:
    """One merchant's file while it is attached: SQL in, tuples out."""

    def __init__(self, cursor: duckdb.DuckDBPyConnection) -> None:
        self._cursor = cursor
        self._memo: dict[str, Any] = {}

    def memo(self, name: str, read: Callable[[], T]) -> T:
        """What was read of a small table, once while the file is attached; nobody else can write to it meanwhile.

        Whoever writes to the table changes the memo, or lets it be read anew with `forget_memo`. A transaction that is
        rolled back takes all memos with it.
        """
        if name not in self._memo:
            self._memo[name] = read()
        found: T = self._memo[name]
        return found

    def forget_memo(self, name: str) -> None:
        self._memo.pop(name, None)

    def execute(self, sql: str, params: Sequence[Any] | Mapping[str, Any] | None = None) -> None:
        self._cursor.execute(sql, params)

    def rows(self, sql: str, params: Sequence[Any] | Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
        return self._cursor.execute(sql, params).fetchall()

    def row(self, sql: str, params: Sequence[Any] | Mapping[str, Any] | None = None) -> tuple[Any, ...] | None:
        found = self._cursor.execute(sql, params).fetchall()  # a result that is not fetched to its end blocks the next
        return found[0] if found else None

    def value(self, sql: str, params: Sequence[Any] | Mapping[str, Any] | None = None) -> Any:
        row = self.row(sql, params)
        return row[0] if row else None

    def script(self, sql: str) -> None:
        self._cursor.execute(sql)

    def columns(self, sql: str, params: Sequence[Any] | None = None) -> tuple[list[str], list[tuple[Any, ...]]]:
        """Column names and rows, for tables that people look at."""
        result = self._cursor.execute(sql, params)
        return [str(column[0]) for column in result.description or []], result.fetchall()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing; a file that lost power in between opens as it was before."""
        self._cursor.execute("begin transaction")
        reach("begun")
        try:
            yield
        except BaseException:
            self._memo.clear()
            self._cursor.execute("rollback")
            raise
        try:
            self._cursor.execute("commit")
        except BaseException:
            self._memo.clear()
            raise
        reach("committed")

    @contextmanager
    def batch(self, columns: Mapping[str, Sequence[Any]], types: Mapping[str, str] | None = None) -> Iterator[str]:
        """Columns of values as a table that SQL can name while the block lasts (`from {name}`).

        Args:
            columns: column name -> values, all of one length. Untyped columns are text.
            types: column name -> `int` or `bool` for those that are not text.
        """
        arrow_types = {"int": pa.int64(), "bool": pa.bool_()}
        types = types or {}
        table = pa.table(
            {
                name: pa.array(values, type=arrow_types[types[name]] if name in types else pa.string())
                for name, values in columns.items()
            }
        )
        name = f"batch_{next(_BATCHES)}"
        self._cursor.register(name, table)
        try:
            yield name
        except BaseException:
            with suppress(duckdb.Error):  # a transaction that broke takes no more, and what broke it is to be told
                self._cursor.unregister(name)
            raise
        self._cursor.unregister(name)
