"""One merchant's file while it is attached: SQL in, tuples out; the hand in the one door to DuckDB (`warehouse`).

Data flow: rows of plain Python values -> Arrow -> DuckDB, and tuples back.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

import duckdb
import pyarrow as pa

from vs_st_pipeline.platform.failpoints import failpoint

_BATCHES = itertools.count()
_READS = re.compile(r"\s*select\b", re.IGNORECASE)
T = TypeVar("T")


class Db:
    """One merchant's file while it is attached: SQL in, tuples out."""

    def __init__(self, cursor: duckdb.DuckDBPyConnection) -> None:
        self._cursor = cursor
        self._memo: dict[str, Any] = {}
        self._later: dict[str, Callable[[], None]] = {}
        self._in_transaction = self._begun = False
        self._left: list[str] = []  # batches of a transaction that failed

    def cached(self, name: str, read: Callable[[], T]) -> T:
        """What was read of a small table, once while the file is attached; nobody else can write to it meanwhile.

        Whoever writes to the table changes the memo, or lets it be read anew with `forget_memo`. A transaction that is
        rolled back takes all memos with it.
        """
        if name not in self._memo:
            self._memo[name] = read()
        found: T = self._memo[name]
        return found

    def uncache(self, name: str) -> None:
        self._memo.pop(name, None)

    def defer(self, name: str, write: Callable[[], None]) -> None:
        """Write something with the next transaction that writes anything, at the latest before the file is let go.

        For what may be lost: a crash before then loses it, and so does a transaction that is rolled back.
        """
        self._later[name] = write

    def flush(self) -> None:
        """Write what was to be written later."""
        if self._later:
            with self.transaction():
                self._write_what_waits()

    def execute(self, sql: str, params: Sequence[Any] | Mapping[str, Any] | None = None) -> None:
        self._run(sql, params)

    def rows(self, sql: str, params: Sequence[Any] | Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
        return self._run(sql, params).fetchall()

    def row(self, sql: str, params: Sequence[Any] | Mapping[str, Any] | None = None) -> tuple[Any, ...] | None:
        found = self._run(sql, params).fetchall()  # a result that is not fetched to its end blocks the next
        return found[0] if found else None

    def value(self, sql: str, params: Sequence[Any] | Mapping[str, Any] | None = None) -> Any:
        row = self.row(sql, params)
        return row[0] if row else None

    def script(self, sql: str) -> None:
        self._run(sql, None)

    def columns(self, sql: str, params: Sequence[Any] | None = None) -> tuple[list[str], list[tuple[Any, ...]]]:
        """Column names and rows, for tables that people look at."""
        result = self._run(sql, params)
        return [str(column[0]) for column in result.description or []], result.fetchall()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing; a file that lost power in between opens as it was before.

        It begins with the first statement that may write: a sync that finds nothing new need not pay for it. What is
        read before that is the same, because nobody else has the file.
        """
        if self._in_transaction:
            raise RuntimeError("a transaction inside of another one")
        self._in_transaction = True
        try:
            yield
            if self._begun:
                self._write_what_waits()
        except BaseException as error:
            begun, self._in_transaction, self._begun = self._begun, False, False
            self._forget()
            if begun:
                try:
                    self._cursor.execute("rollback")
                except duckdb.Error:
                    if not isinstance(error, duckdb.Error):  # else that is what is to be told: the file is damaged
                        raise
                self._unregister_left()
            raise
        begun, self._in_transaction, self._begun = self._begun, False, False
        if begun:
            try:
                self._cursor.execute("commit")
            except BaseException:
                self._forget()
                raise
            failpoint("committed")

    def _run(self, sql: str, params: Sequence[Any] | Mapping[str, Any] | None) -> duckdb.DuckDBPyConnection:
        if self._in_transaction and not self._begun and not _READS.match(sql):
            self._cursor.execute("begin transaction")
            self._begun = True
            failpoint("begun")
        return self._cursor.execute(sql, params)

    def _write_what_waits(self) -> None:
        while self._later:
            _, write = self._later.popitem()
            write()

    def _unregister_left(self) -> None:
        for name in self._left:
            with suppress(duckdb.Error):
                self._cursor.unregister(name)
        self._left.clear()

    def _forget(self) -> None:
        self._memo.clear()
        self._later.clear()

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
            if self._begun:  # it may take no more, and would bring back what it had taken away
                self._left.append(name)
            else:
                with suppress(duckdb.Error):  # what went wrong is to be told
                    self._cursor.unregister(name)
            raise
        self._cursor.unregister(name)
