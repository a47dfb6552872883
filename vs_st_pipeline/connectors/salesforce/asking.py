"""Asks for many records in few requests, and believes an answer only where each row is one that was asked for.

Data flow: units -> queries of 200, five to a composite request, or small ones where the org takes no such request ->
(units, their rows).

A row that is nobody's stands in the place of another one, and whose that is cannot be told. So that one odd row
does not hide others, such a query is asked again in halves, down to the odd one; where most are odd, the system lies.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Final

from vs_st_pipeline.connectors.salesforce.client import TOO_LONG, Row, SalesforceClient, raise_for
from vs_st_pipeline.connectors.salesforce.fields import EMAIL
from vs_st_pipeline.connectors.salesforce.ids import core
from vs_st_pipeline.connectors.salesforce.soql import Query, Unit, encoded, literal, packed
from vs_st_pipeline.domain.errors import Refused

VALUES, QUERIES, URL_LENGTH = 200, 5, 2000
MOST_HALVES: Final = 40
_NO_COMPOSITE: Final = (400, 404)

Pack = Sequence[Unit]


def folded_value(field: str, value: object) -> str:
    """Return a value as it is compared: addresses composed and in small letters, ids by fifteen characters."""
    if not isinstance(value, str):
        return ""
    if field == EMAIL:
        return unicodedata.normalize("NFC", value).strip().lower()
    return core(value) or "" if field.endswith("Id") else value.strip().lower()


class Asking:
    """Asks one org; remembers whether it takes composite requests (`composite`: they are tried)."""

    def __init__(self, client: SalesforceClient, *, composite: bool = True) -> None:
        self._client = client
        self._composite = composite

    def read(self, call: str, query: Query, units: Sequence[Unit]) -> Iterator[tuple[Pack, list[Row] | None]]:
        """Yield the units, some together, with the rows that are theirs; None: no answer about them can be believed."""
        packs: list[Pack] = list(packed(units, _most_values, VALUES))
        while packs:
            odd: list[Pack] = []
            for pack, rows in self._answers(call, query, packs):
                if rows is None or _all_theirs(rows, query, pack):
                    yield pack, rows
                else:
                    odd.append(pack)
            yield from ((pack, None) for pack in odd if len(pack) == 1)
            divisible = [pack for pack in odd if len(pack) > 1]
            packs = [half for pack in divisible for half in (pack[: len(pack) // 2], pack[len(pack) // 2 :])]
            if len(packs) > MOST_HALVES:
                yield from ((pack, None) for pack in divisible)
                return

    def _answers(self, call: str, query: Query, packs: Sequence[Pack]) -> Iterator[tuple[Pack, list[Row] | None]]:
        left = iter(packs)
        while self._composite and (group := list(islice(left, QUERIES))):
            yield from self._by_composite(call, query, group)
        for pack in left:
            yield from self._singly(call, query, pack)

    def _by_composite(self, call: str, query: Query, packs: list[Pack]) -> Iterator[tuple[Pack, list[Row] | None]]:
        try:
            parts = self._client.composite(call, [(encoded(query.text(pack)), query.deleted) for pack in packs])
        except Refused as error:
            if error.http_status not in (*_NO_COMPOSITE, *TOO_LONG):
                raise
            parts = [(error.http_status, None)] * len(packs)
        for pack, (status, body) in zip(packs, parts, strict=True):
            if status in (*_NO_COMPOSITE, *TOO_LONG):
                self._composite = False
                yield from self._singly(call, query, pack)
            elif 200 <= status < 300:
                yield pack, self._client.rows(call, body)
            else:
                raise_for(status, body, call)
                yield pack, None

    def _singly(self, call: str, query: Query, pack: Pack) -> Iterator[tuple[Pack, list[Row] | None]]:
        frame = self._client.url_length(encoded(query.frame(pack)), deleted=query.deleted)
        for some in packed(pack, _length, URL_LENGTH - 1 - frame):
            try:
                yield some, self._client.query(call, encoded(query.text(some)), deleted=query.deleted)
            except Refused as error:
                if error.http_status not in TOO_LONG:
                    raise
                yield some, None


def _most_values(unit: Unit) -> int:
    return max(map(len, unit.wanted.values()))


def _length(unit: Unit) -> int:
    """Return what a unit adds to a URL: its values and the commas between them."""
    return sum(len(encoded(literal(value))) + 1 for values in unit.wanted.values() for value in values)


def _all_theirs(rows: Sequence[Row], query: Query, pack: Pack) -> bool:
    wanted = {(name, folded_value(name, v)) for unit in pack for name, values in unit.wanted.items() for v in values}
    names = {name for name, _ in wanted}
    whole = (row for row in rows if all(name in row for name in query.fields))
    return sum(any((name, folded_value(name, row[name])) in wanted for name in names) for row in whole) == len(rows)
