"""Reads a table of merchants to onboard, and refuses it whole where it cannot be meant, before anybody is called.

Data flow: FILE (`.csv`, `.json`, `.yaml`) -> `Row`s in its order, or `BadSettings` with file, line and what to do.

What is wrong with one merchant's values is that merchant's trouble, and found in its steps. A file with a key in clear
is refused unless its owner alone can read it. No message repeats a value, since a value may be a key.
"""

from __future__ import annotations

import csv
import difflib
import io
import json
import os
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from vs_st_pipeline.domain.errors import BadSettings
from vs_st_pipeline.platform.settings.merchants import ID_FORM
from vs_st_pipeline.platform.settings.secrets import names_scheme
from vs_st_pipeline.platform.settings.yaml_source import load_with_lines

ID: Final = "id"
NAME: Final = "name"
TIME_ZONE: Final = "time_zone"
SECTIONS: Final = "sections"
OTHERS_CAN_READ = stat.S_IRWXG | stat.S_IRWXO


@dataclass(frozen=True, slots=True)
class Row:
    """What a table says of one merchant.

    Attributes:
        columns: what is given, by column; without the id, and without what is left blank.
        sections: parts of the entry as they are, secrets in them as references (R56).
        folder: where relative paths in its references start from; None: there is no table.
        place: file and line, for messages.
    """

    merchant_id: str
    columns: Mapping[str, str] = field(default_factory=dict, repr=False)
    sections: Mapping[str, Any] = field(default_factory=dict)
    folder: Path | None = None
    place: str = ""


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns that a table may have, in their order.

    Attributes:
        keys: those that hold a secret, or a reference to one.
    """

    names: tuple[str, ...]
    keys: frozenset[str]


def read_table(path: Path, columns: Columns) -> list[Row]:
    """Return the rows of a table, in its order.

    Raises:
        BadSettings: it cannot be read, has another column, a row without a good id, an id twice, or a key in clear
            though others than its owner can read it; or it is empty.
    """
    reader = {".csv": _csv, ".json": _json, ".yaml": _yaml}.get(path.suffix.casefold())
    if reader is None:
        raise BadSettings(f"{path.name}: a table of merchants is a file .csv, .json or .yaml")
    text, mode = _content(path)
    rows: list[Row] = []
    places: dict[str, str] = {}
    for place, found in reader(text, path.name, columns):
        row = _row(place, found, path)
        if (first := places.setdefault(row.merchant_id, place)) is not place:
            raise BadSettings(f"{place}: id {row.merchant_id} is that of {first} already; take one of them out")
        _check_keys(row, mode, columns)
        rows.append(row)
    if not rows:
        raise BadSettings(f"{path.name}: no merchant is listed")
    return rows


def _content(path: Path) -> tuple[str, int]:
    """Return the text and the mode of a regular file; a pipe would be waited for."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        with open(handle, "rb") as file:
            mode = os.fstat(handle).st_mode
            if not stat.S_ISREG(mode):
                raise BadSettings(f"{path} cannot be read: not a regular file")
            data = file.read()
    except (OSError, ValueError) as error:
        raise BadSettings(f"{path} cannot be read: {getattr(error, 'strerror', None) or 'not a path'}") from None
    try:
        return data.decode("utf-8-sig"), mode
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise BadSettings(f"{path.name}, line {line}: this is not UTF-8; save the file as UTF-8") from None


def _row(place: str, found: Mapping[str, Any], path: Path) -> Row:
    merchant_id = found.get(ID)
    if merchant_id is None:
        raise BadSettings(f"{place}: this row has no {ID}; add one of a-z, 0-9 and -, such as hillside-cellars")
    if not ID_FORM.fullmatch(merchant_id):
        raise BadSettings(f"{place}: an id is 1-63 of a-z, 0-9 and -, no - first, such as hillside-cellars")
    sections = found.get(SECTIONS) or {}
    if own := [key for key in (ID, NAME, "enabled", TIME_ZONE) if key in sections]:
        raise BadSettings(f"{place}: {SECTIONS} cannot say {own[0]}; it holds the sections of an entry")
    columns = {name: value for name, value in found.items() if name not in (ID, SECTIONS) and value is not None}
    return Row(merchant_id, columns, sections, path.absolute().parent, place)


def _check_keys(row: Row, mode: int, columns: Columns) -> None:
    clear = [name for name in columns.names if name in columns.keys and name in row.columns]
    clear = [name for name in clear if not names_scheme(row.columns[name])]
    if clear and mode & OTHERS_CAN_READ:
        raise BadSettings(
            f"{row.place}: {clear[0]} holds a key, and others than its owner can read the file: `chmod 600` it, or "
            "write a reference (env:NAME, file:PATH)"
        )


def _known(names: Iterable[str], columns: Columns, place: str, *more: str) -> None:
    """Refuse another column; it is not repeated, because of a table without a header it may be a key."""
    known = (*columns.names, *more)
    for number, name in enumerate(names, 1):
        if name not in known:
            near = difflib.get_close_matches(name.casefold(), known, n=1)
            meant = f"did you mean {near[0]}?" if near else f"known: {', '.join(known)}"
            raise BadSettings(f"{place}: column {number} is not known; {meant}")


# --- the three forms ----------------------------------------------------------------------------------------------

Found = Iterator[tuple[str, Mapping[str, Any]]]


def _csv(text: str, name: str, columns: Columns) -> Found:
    try:
        reader = csv.reader(io.StringIO(text, newline=""), strict=True)
        header = [cell.strip() for cell in next(reader, [])]
        _known(header, columns, f"{name}, line 1")
        if len(set(header)) < len(header):
            raise BadSettings(f"{name}, line 1: a column is here twice; delete one of them")
        line = reader.line_num + 1
        for cells in reader:
            place, line = f"{name}, line {line}", reader.line_num + 1
            if len(cells) > len(header):
                raise BadSettings(f"{place}: more cells than the header has; quote a cell that has a comma")
            if any(cell.strip() for cell in cells):
                yield place, {key: cell.strip() or None for key, cell in zip(header, cells, strict=False)}
    except csv.Error:
        raise BadSettings(f"{name}, line {reader.line_num}: this is not CSV; mind the quotes") from None


def _json(text: str, name: str, columns: Columns) -> Found:
    try:
        found = json.loads(text, object_pairs_hook=_once)
    except json.JSONDecodeError as error:
        raise BadSettings(f"{name}, line {error.lineno}: this is not JSON") from None
    except (_Twice, RecursionError, ValueError) as error:  # ValueError: a number of thousands of digits
        told = {_Twice: "a key is twice in one object", RecursionError: "it is nested too deeply"}
        raise BadSettings(f"{name}: {told.get(type(error), 'it holds a number that is too long')}") from None
    if not isinstance(found, list):
        raise BadSettings(f"{name}: a table is a list of merchants")
    for number, one in enumerate(found, 1):
        place = f"{name}, row {number}"
        if not isinstance(one, dict):
            raise BadSettings(f"{place}: a row is an object with the columns as keys")
        _known(one, columns, place, SECTIONS)
        yield place, {key: _cell(value, key, place) for key, value in one.items()}


def _cell(value: Any, key: str, place: str) -> Any:
    if key == SECTIONS:
        if not isinstance(value, dict | None):
            raise BadSettings(f"{place}: {SECTIONS} is an object with the sections of an entry")
        return value
    if value is not None and not isinstance(value, str):
        raise BadSettings(f"{place}: {key} is a text")
    return (value or "").strip() or None


class _Twice(Exception):
    """A key is twice in one object."""


def _once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise _Twice
    return found


def _yaml(text: str, name: str, columns: Columns) -> Found:
    top = load_with_lines(text, name)
    plain: Any = None
    for number, node in enumerate(top.items()):
        place = f"{name}, line {node.line}"
        cells = node.children()
        _known(cells, columns, place, SECTIONS)
        found: dict[str, Any] = {}
        for key, cell in cells.items():
            if key == SECTIONS:
                cell.children()  # a mapping, and no key in it twice
                plain = _plain(text, name) if plain is None else plain
                found[key] = plain[number][key]
            else:
                found[key] = None if cell.is_null() else cell.written("a text").strip() or None
        yield place, found


def _plain(text: str, name: str) -> Any:
    try:
        return yaml.load(text, Loader=yaml.CSafeLoader)
    except (yaml.YAMLError, ValueError, RecursionError):  # a tag, or a date that there is not
        raise BadSettings(f"{name}: {SECTIONS} hold a value that is no plain YAML, such as a tag or no date") from None
