"""Gives columns of plain Python values to DuckDB as an Arrow table, without a copy of the text.

Data flow: lists of text, numbers, truth values, times -> Arrow's buffers -> DuckDB, which reads them where they are.

It is built of buffers, because a builder that takes value after value is several times as slow, and by nanoarrow,
because pyarrow, which brings numpy, takes 0.1 s and 40 MB in each process that writes anything.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cache, lru_cache
from itertools import accumulate
from typing import Any

import nanoarrow as na

_EPOCH = datetime(1970, 1, 1)
_MICROSECOND = timedelta(microseconds=1)
_LARGEST = 2**31 - 1  # bytes of text in one Arrow column with usual offsets
_LARGE_TEXT = "large text"
_TYPES: dict[str, Callable[[], Any]] = {
    "text": na.string,
    _LARGE_TEXT: na.large_string,
    "int": na.int64,
    "bool": na.bool_,
    "time": lambda: na.timestamp("us"),
}


class Columns:
    """Columns of values as a table that DuckDB can register, and read as often as a statement names it."""

    def __init__(self, values: Mapping[str, Sequence[Any]], types: Mapping[str, str]) -> None:
        """Build the columns.

        Args:
            values: column name -> values, all of one length.
            types: column name -> `int`, `bool` or `time` (UTC without zone) for those that are not text.

        Raises:
            ValueError: the columns are of several lengths, or a text holds half a surrogate pair.
            TypeError: a value is not of its column's type.
        """
        lengths = {len(column) for column in values.values()}
        if len(lengths) != 1:
            raise ValueError(f"columns of {len(lengths)} lengths: {', '.join(values)}")
        columns = [_column(column, types.get(name, "text")) for name, column in values.items()]
        schema = _table_of(tuple(values), tuple(kind for kind, _ in columns))
        self._table = _built(schema, lengths.pop(), [None], [column for _, column in columns])

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """Return the table as Arrow's C stream, anew for each one who reads."""
        return na.c_array_stream(self._table).__arrow_c_stream__(requested_schema)


def _column(values: Sequence[Any], kind: str) -> tuple[str, Any]:
    """Return values as an Arrow array, with the kind that it came to have."""
    nulls, validity = values.count(None), None
    if nulls:
        validity = na.c_buffer([value is not None for value in values], na.bool_())
    if kind == "text":
        parts = ["" if value is None else value for value in values] if nulls else values
        joined = "".join(parts)
        text = joined.encode()
        each = map(len, parts) if len(text) == len(joined) else (len(part.encode()) for part in parts)
        if len(text) > _LARGEST:
            kind = _LARGE_TEXT
        offsets = array("q" if kind == _LARGE_TEXT else "i", accumulate(each, initial=0))
        buffers = [validity, offsets, text]
    elif kind == "int":
        buffers = [validity, array("q", [0 if value is None else value for value in values])]
    elif kind == "time":
        since = [0 if value is None else (value - _EPOCH) // _MICROSECOND for value in values]
        buffers = [validity, array("q", since)]
    else:
        buffers = [validity, na.c_buffer([bool(value) for value in values], na.bool_())]
    return kind, _built(_type_of(kind), len(values), buffers, (), nulls)


def _built(schema: Any, length: int, buffers: Sequence[Any], children: Sequence[Any], nulls: int = 0) -> Any:
    # What is built here is not checked again: it is right by what stands above.
    return na.c_array_from_buffers(
        schema, length, buffers, nulls, children=children, validation_level="none", move=True
    )


@cache
def _type_of(kind: str) -> Any:
    return na.c_schema(_TYPES[kind]())


@lru_cache(maxsize=1_000)
def _table_of(names: tuple[str, ...], kinds: tuple[str, ...]) -> Any:
    return na.c_schema(na.struct({name: _TYPES[kind]() for name, kind in zip(names, kinds, strict=True)}))
