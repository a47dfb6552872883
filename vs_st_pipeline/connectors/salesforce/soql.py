"""Writes queries, so that no value can end one, and packs what is asked into as few as the limits allow."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar
from urllib.parse import quote_plus

T = TypeVar("T")

_ESCAPES: Final = str.maketrans(
    {"\\": "\\\\", "'": "\\'", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t", "\b": "\\b", "\f": "\\f"}
)


def literal(text: str) -> str:
    """Return a text as a string of SOQL, quotes included."""
    return f"'{text.translate(_ESCAPES)}'"


def one_of(field: str, values: Iterable[str]) -> str:
    """Return the condition that a field has one of these values."""
    return f"{field} IN ({','.join(map(literal, values))})"


def encoded(soql: str) -> str:
    """Return a query as the value of a URL's `q`."""
    return quote_plus(soql, safe="(),@")


@dataclass(frozen=True, slots=True)
class Unit:
    """One record that is looked for: `wanted` has the values by field, any one of which it is known by.

    Attributes:
        whose: names it to whoever asks.
    """

    whose: str
    wanted: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Query:
    """A query without the records that it looks for.

    Attributes:
        fields: what is selected; each row must have all of them.
        also: a condition for all rows, `""` for none.
        deleted: deleted rows are shown too.
    """

    object: str
    fields: tuple[str, ...]
    also: str = ""
    deleted: bool = False

    def text(self, units: Sequence[Unit]) -> str:
        """Return the query for these records."""
        values: dict[str, dict[str, None]] = {}
        for unit in units:
            for field, wanted in unit.wanted.items():
                values.setdefault(field, {}).update(dict.fromkeys(wanted))
        where = " OR ".join(one_of(field, found) for field, found in values.items() if found)
        if self.also:
            where = f"({where}) AND {self.also}"
        return f"SELECT {', '.join(self.fields)} FROM {self.object} WHERE {where}"

    def frame(self, units: Sequence[Unit]) -> str:
        """Return a query for these records without their values, at least as long as the real one without them."""
        fields = dict.fromkeys(field for unit in units for field in unit.wanted)
        return self.text([Unit("", dict.fromkeys(fields, ("",)))]) if fields else ""


def packed(units: Iterable[T], size: Callable[[T], int], most: int) -> Iterator[list[T]]:
    """Yield the units in order, as many together as `most` allows; one that is larger is yielded alone."""
    pack: list[T] = []
    filled = 0
    for unit in units:
        filled += size(unit)
        if pack and filled > most:
            yield pack
            pack, filled = [], size(unit)
        pack.append(unit)
    if pack:
        yield pack
