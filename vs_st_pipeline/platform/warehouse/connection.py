"""Runs SQL on one merchant's file while it is attached, and returns tuples; `files` attaches it.

Data flow: rows of plain Python values -> Arrow -> DuckDB, and tuples back.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

import duckdb

from vs_st_pipeline.platform.failpoints import failpoint
from vs_st_pipeline.platform.warehouse.literals import BEGINS, as_literal
from vs_st_pipeline.platform.warehouse.streams import Stream

_BATCH = "batch_{}"
_PARSED: dict[str, duckdb.Statement] = {}  # by text, for the process
_MOST_PARSED = 1_000
_SEEN: set[int] = set()  # hashes of texts that were run
_MOST_SEEN = 20_000
_READS = re.compile(r"\s*select\b", re.IGNORECASE)
_WRITES = re.compile(
    r"\s*(?:insert (?:or \w+ )?into |update |delete from |create or replace (?=temp )|drop table (?:if exists )?)"
    r"((?:raw|staged|planned|synced|temp)\.\w+|temp(?= table ))"
)
T = TypeVar("T")


class Db:
    """One merchant's file while it is attached: SQL in, tuples out.

    Attributes:
        streams: the records that it holds as systems told them, each with its system.
        writes: statements that may have written, by the table that they name first; `""`: it is not known which.
        news: something was stored that is another one than before (said by who stores it).
    """

    def __init__(self, cursor: duckdb.DuckDBPyConnection, streams: Sequence[tuple[str, Stream]] = ()) -> None:
        self._cursor = cursor
        self.streams = tuple(streams)
        self.writes: Counter[str] = Counter()
        self.news = False
        self._memo: dict[str, Any] = {}
        self._later: dict[str, Callable[[], None]] = {}
        self._in_transaction = self._begun = False
        self._named: set[str] = set()  # names of batches: used again, so that a statement is the one that was parsed
        self._left: list[str] = []  # batches of a transaction that failed

    def cached(self, name: str, read: Callable[[], T]) -> T:
        """Return what `read` reads of a small table, once while the file is attached; no other process can write to it.

        Code that writes to the table changes the cached value, or has it read again with `uncache`. A transaction that
        is rolled back removes all cached values.
        """
        if name not in self._memo:
            self._memo[name] = read()
        found: T = self._memo[name]
        return found

    def cached_of(self, table: str, read: Callable[[], T]) -> T:
        """Return what `read` reads of one table (`raw.reads`), until a statement is run that may write to it."""
        name, written = f"of {table}", self.writes[table] + self.writes[""]
        if name not in self._memo or self._memo[name][0] != written:
            self._memo[name] = written, read()
        found: T = self._memo[name][1]
        return found

    def uncache(self, name: str) -> None:
        """Forget a cached value, so that it is read again."""
        self._memo.pop(name, None)

    def defer(self, name: str, write: Callable[[], None]) -> None:
        """Write something with the next transaction that writes anything, at the latest before the file is detached.

        For what may be lost: a crash before then loses it, and so does a transaction that is rolled back.
        """
        self._later[name] = write

    def flush(self) -> None:
        """Write what was deferred."""
        if self._later:
            with self.transaction():
                self._write_what_waits()

    def execute(self, sql: str, params: Sequence[Any] | Mapping[str, Any] | None = None) -> None:
        """Run a statement whose result is not read."""
        self._run(sql, params)

    def rows(self, sql: str, params: Sequence[Any] | Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
        """Run a statement, and return all rows."""
        return self._run(sql, params).fetchall()

    def row(self, sql: str, params: Sequence[Any] | Mapping[str, Any] | None = None) -> tuple[Any, ...] | None:
        """Run a statement, and return its first row, None where there is none."""
        found = self._run(sql, params).fetchall()  # a result that is not fetched to its end blocks the next
        return found[0] if found else None

    def value(self, sql: str, params: Sequence[Any] | Mapping[str, Any] | None = None) -> Any:
        """Run a statement, and return the first value of its first row, None where there is none."""
        row = self.row(sql, params)
        return row[0] if row else None

    def script(self, sql: str) -> None:
        """Run several statements, without parameters."""
        self._run(sql, None)

    def columns(self, sql: str, params: Sequence[Any] | None = None) -> tuple[list[str], list[tuple[Any, ...]]]:
        """Run a statement, and return column names and rows, for tables that people look at."""
        result = self._run(sql, params)
        return [str(column[0]) for column in result.description or []], result.fetchall()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Make all writes of the block or none; a file that lost power in between opens as it was before.

        It begins with the first statement that may write: a sync that finds nothing new need not pay for it. What is
        read before that is the same, because no other process has the file.
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
                    if not isinstance(error, duckdb.Error):  # else that error is reported: the file is damaged
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
        if not _READS.match(sql):
            named = _WRITES.match(sql) if ";" not in sql else None  # it may be several statements
            self.writes[named[1] if named else ""] += 1
            if self._in_transaction and not self._begun:
                self._cursor.execute("begin transaction")
                self._begun = True
                failpoint("begun")
        return self._cursor.execute(self._parsed(sql), params)

    def _parsed(self, sql: str) -> str | duckdb.Statement:
        """Return a statement as it was parsed before, from the second time on that this process runs it.

        Parsing is a sixth to a third of what a short statement costs. Text that holds values is not kept.
        """
        found = _PARSED.get(sql)
        if found is not None or BEGINS in sql:
            return found or sql
        if hash(sql) not in _SEEN:
            if len(_SEEN) >= _MOST_SEEN:
                _SEEN.clear()
            _SEEN.add(hash(sql))
            return sql
        statements = self._cursor.extract_statements(sql)
        if len(statements) != 1 or len(_PARSED) >= _MOST_PARSED:
            return sql
        _PARSED[sql] = statements[0]
        return statements[0]

    def _write_what_waits(self) -> None:
        while self._later:
            _, write = self._later.popitem()
            write()

    def _unregister_left(self) -> None:
        for name in self._left:
            with suppress(duckdb.Error):
                self._cursor.unregister(name)
                self._named.discard(name)
        self._left.clear()

    def _forget(self) -> None:
        self._memo.clear()
        self._later.clear()

    @contextmanager
    def batch(self, columns: Mapping[str, Sequence[Any]], types: Mapping[str, str] | None = None) -> Iterator[str]:
        """Give columns of values as a table that SQL can name while the block lasts (`from {name}`).

        A few short values are given as SQL itself: a name costs more than all that is then done with it.

        Args:
            columns: column name -> values, all of one length. Untyped columns are text.
            types: column name -> `int`, `bool` or `time` (UTC without zone) for those that are not text.
        """
        types = types or {}
        literal = as_literal(columns, types)
        if literal is not None:
            yield literal
            return
        from vs_st_pipeline.platform.warehouse.columns import Columns  # takes a while: only where a file is open

        table = Columns(columns, types)
        name = next(one for one in map(_BATCH.format, itertools.count()) if one not in self._named)
        self._named.add(name)
        self._cursor.register(name, table)
        try:
            yield name
        except BaseException:
            if self._begun:  # the transaction may accept nothing more, and its rollback would bring the table back
                self._left.append(name)
            else:
                with suppress(duckdb.Error):  # the first error is the one to report
                    self._cursor.unregister(name)
                    self._named.discard(name)
            raise
        self._cursor.unregister(name)
        self._named.discard(name)


def in_row_order(table: str, batch: str, using: str) -> str:
    """Return a subquery that gives a batch's rows with the `rowid` of the table's rows that they stand for, in order.

    For `update T as t ... from {in_row_order(...)} as b where t.rowid = b.rowid_`: DuckDB updates rows that come in
    another order one by one, which takes a hundred times as long where a batch is of most of a table.

    Args:
        using: the columns by which rows are found, separated by commas.
    """
    return f"(select t.rowid as rowid_, b.* from {batch} as b join {table} as t using ({using}) order by rowid_)"
