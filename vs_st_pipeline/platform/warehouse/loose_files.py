"""Reads files that somebody left (CSV, JSON lines, Parquet) into tables of texts, by DuckDB's own readers.

Data flow: files of one table, of whatever kinds -> one temporary table, every value a text or null.

Nothing is guessed: of a CSV we read the header and take all columns as texts, so that `007` stays `007`; JSON lines
give their values as they are written.
"""

from __future__ import annotations

import csv
import gzip
import zlib
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb

from vs_st_pipeline.domain.codec import without_lone_surrogates
from vs_st_pipeline.platform.warehouse.connection import Db


class Unreadable(Exception):
    """A file cannot be read; it repeats nothing of it."""


def read_texts(db: Db, files: Sequence[Path], into: str, *, as_spelt: str | None = None) -> set[str]:
    """Read files of one table, whatever their kinds, into a temporary table of texts; returns its columns.

    Columns are in small letters, without outer blanks; those that a file lacks are null in its rows.

    Args:
        as_spelt: the beginning of names that keep their spelling behind it, as the first file writes them.

    Raises:
        Unreadable: one of them cannot be read to its end.
    """
    try:
        with ExitStack() as aside:
            return _read(db, files, into, as_spelt, aside)
    except duckdb.Error:
        raise Unreadable from None


def _read(db: Db, files: Sequence[Path], into: str, as_spelt: str | None, aside: ExitStack) -> set[str]:
    parts: list[tuple[str, dict[str, str]]] = []
    for path in files:
        where = _text(str(path))
        if ".jsonl" in path.name:
            parts.append(_json(db, path, aside))
            continue
        source = (
            f"read_parquet({where})"
            if path.name.endswith(".parquet")
            else f"""read_csv({where}, all_varchar = true, header = true, delim = ',', quote = '"', escape = '"',
                              nullstr = '', auto_detect = false, columns = {_header(path)})"""
        )
        described = db.rows(f"describe select * from {source}")
        parts.append((source, {row[0]: _as_text(row[0], row[1]) for row in described}))
    columns: dict[str, str] = {}
    for _, named in parts:
        for one in map(str.strip, named):
            columns.setdefault(one.lower(), _spelt(one, as_spelt))
    selects = []
    for source, named in parts:
        own = {one.strip().lower(): text for one, text in named.items()}
        chosen = [f"{own.get(one, 'null::varchar')} as {_quoted(name)}" for one, name in columns.items()]
        selects.append(f"select {', '.join(chosen)} from {source}")
    if not columns:  # a file of no line of JSON
        db.execute(f"create or replace temp table {into} as select null::varchar as nothing where false")
        return set()
    db.execute(f"create or replace temp table {into} as {' union all '.join(selects)}")
    return set(columns.values())


def _spelt(name: str, as_spelt: str | None) -> str:
    small = name.lower()
    return as_spelt + name[len(as_spelt) :] if as_spelt and small.startswith(as_spelt) else small


def _header(path: Path) -> str:
    """Return the columns of a CSV, read by us: DuckDB would guess them, and guess otherwise for the next file."""
    try:
        with (gzip.open if path.name.endswith(".gz") else open)(path, "rt", encoding="utf-8-sig", newline="") as text:
            names = next(csv.reader(text), [])
    except (OSError, EOFError, UnicodeDecodeError, csv.Error):
        raise Unreadable from None
    if not names or len({one.strip().lower() for one in names}) < len(names) or not all(one.strip() for one in names):
        raise Unreadable
    return "{" + ", ".join(f"'{one.replace(chr(39), chr(39) * 2)}': 'VARCHAR'" for one in names) + "}"


def _json(db: Db, path: Path, aside: ExitStack) -> tuple[str, dict[str, str]]:
    try:
        return _json_of(db, path)
    except duckdb.Error:  # half an emoji, as a site cuts a text, and DuckDB reads none of the file
        return _json_of(db, _mended(path, aside))


def _mended(path: Path, aside: ExitStack) -> Path:
    """Return a copy of a file without lone surrogates, which stands as long as `aside` does."""
    copy = Path(aside.enter_context(TemporaryDirectory())) / "mended.jsonl"
    try:
        with (gzip.open if path.name.endswith(".gz") else open)(path, "rb") as lines, copy.open("wb") as mended:
            mended.writelines(map(without_lone_surrogates, lines))
    except (OSError, EOFError, zlib.error):
        raise Unreadable from None
    return copy


def _json_of(db: Db, path: Path) -> tuple[str, dict[str, str]]:
    where = _text(str(path))
    source = f"read_json_objects({where}, format = 'newline_delimited')"
    keys = db.rows(f"select distinct unnest(json_keys(json)) from {source}")
    return source, {
        row[0]: f"nullif(json_extract_string(json, '$.\"' || {_text(row[0])} || '\"'), '')"
        for row in sorted(keys)
        if '"' not in row[0]
    }


def _as_text(name: str, kind: str) -> str:
    quoted = _quoted(name)
    if kind.endswith("[]") or kind.startswith(("STRUCT", "MAP")):
        return f"to_json({quoted})::varchar"
    if kind == "TIMESTAMP WITH TIME ZONE":
        return f"({quoted} at time zone 'UTC')::varchar || 'Z'"
    return f"nullif({quoted}::varchar, '')"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
