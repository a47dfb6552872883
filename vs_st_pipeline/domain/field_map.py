"""Gives a contact's wanted values: the field map as data, and the value of each of its fields.

Data flow: FieldMap + CustomerProfile -> wanted values, and the records that they come from.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from dataclasses import field as attribute
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple
from zoneinfo import ZoneInfo

from vs_st_pipeline.domain.attributes import ATTRIBUTES, UNKNOWN, CustomerProfile, Evidence, view_of
from vs_st_pipeline.domain.formats import FORMATS, ValueType
from vs_st_pipeline.domain.plan import Kind, Policy

_JOINER = "\u200d"  # joins emoji into one, such as a family from its people


@dataclass(frozen=True, slots=True)
class Builtins:
    """A destination's own fields that a map may write.

    Attributes:
        system: name of the destination, for messages.
        names: the fields.
        longest: how many UTF-16 units a field may have, where it is limited.
        iso_dates: fields that are dates, written as `iso_date` only.
        by_name: a field's name says whether it is the destination's own, so `kind` may be left out and says nothing.
        refuses: returns why a map may not write a field of this name; None where it may.
    """

    system: str
    names: tuple[str, ...] = ()
    longest: Mapping[str, int] = attribute(default_factory=dict)
    iso_dates: frozenset[str] = frozenset()
    by_name: bool = False
    refuses: Callable[[str], str | None] = lambda _name: None


@dataclass(frozen=True, slots=True)
class Sources:
    """The names that a map may use in `from`, and what each one's value is.

    Attributes:
        types: by name.
        open: by how names begin that end in an id of the source, such as `answers.`.
    """

    types: Mapping[str, ValueType]
    open: Mapping[str, ValueType] = attribute(default_factory=dict)

    def type_of(self, name: str) -> ValueType | None:
        """Return what the value of this name is, None where there is no such name."""
        if (known := self.types.get(name)) is not None:
            return known
        return next((one for start, one in self.open.items() if name.startswith(start) and name != start), None)

    @property
    def shown(self) -> list[str]:
        """Return the names for a message."""
        return [*self.types, *(f"{start}<id>" for start in self.open)]


ATTRIBUTE_SOURCES = Sources({name: row.type for name, row in ATTRIBUTES.items()})


@dataclass(frozen=True, slots=True)
class MapField:
    """One row of a map; exactly one of `source` (a name of `Sources`) and `value` (a constant) is set.

    A value is cut after `longest` UTF-16 units, where the destination limits the field.
    """

    to: str
    kind: Kind
    policy: Policy
    source: str | None
    value: str | None
    form: str
    line: int
    longest: int | None = None


@dataclass(frozen=True, slots=True)
class FieldMap:
    """A checked map; `fingerprint` changes with what the map means, not with comments or the order of rows."""

    version: int
    fields: tuple[MapField, ...]
    name: str
    fingerprint: str


class WantedValue(NamedTuple):
    """The text that a field should have, empty where it is known to be nothing; a tuple, because there are millions."""

    map_field: MapField
    value: str


def wanted_values(field_map: FieldMap, facts: CustomerProfile, zone: ZoneInfo) -> list[WantedValue]:
    """Return the value of every field of the map that is known now, in the map's order.

    What is unknown now is left out, never blank: sums while the history is not complete (and the newest order while
    none was found in it), what only a customer detail says before one was read, a receipt that cannot be read.
    """
    view = view_of(facts)
    wanted = []
    for field in field_map.fields:
        if field.source is None:
            text = field.value or ""
        else:
            value = ATTRIBUTES[field.source].read(view)
            if value is UNKNOWN:
                continue
            text = "" if value is None else FORMATS[field.form].write(value, zone)
        if field.longest is not None:
            text = cut(text, field.longest)
        wanted.append(WantedValue(field, text))
    return wanted


def cut(text: str, longest: int) -> str:
    """Return the beginning of a text that has at most `longest` UTF-16 units, cut between visible characters.

    The cut never leaves half of a surrogate pair, a letter without its accent, or half of a joined emoji or flag. Only
    where the first character alone is too long (a letter under a hundred accents) is it cut between code points.
    """
    if len(text) * 2 <= longest:
        return text
    units = 0
    for whole, sign in enumerate(text):
        units += 2 if sign > "\uffff" else 1
        if units > longest:
            end = whole
            while end and _is_inside(text, end):
                end -= 1
            return text[: end or whole]
    return text


def _is_inside(text: str, at: int) -> bool:
    """Return whether the code point at a position belongs to the character before it."""
    sign, before = text[at], text[at - 1]
    if _JOINER in (sign, before) or unicodedata.category(sign) in ("Mn", "Mc", "Me") or _is_skin_or_tag(sign):
        return True
    if not _is_flag_letter(sign):
        return False
    letters = next((count for count in range(at) if not _is_flag_letter(text[at - 1 - count])), at)
    return letters % 2 == 1


def _is_skin_or_tag(sign: str) -> bool:
    return "\U0001f3fb" <= sign <= "\U0001f3ff" or "\U000e0020" <= sign <= "\U000e007f"


def _is_flag_letter(sign: str) -> bool:
    return "\U0001f1e6" <= sign <= "\U0001f1ff"


@dataclass(frozen=True, slots=True)
class LineageEntry:
    """A value in a source record: `kind` is customer, order, receipt or constant; `id` is that record's."""

    system: str
    kind: str
    id: str
    path: str
    value: str


def explain(map_field: MapField, facts: CustomerProfile) -> list[LineageEntry]:
    """Return the source records of the field's value, one entry per record for counts and sums; [] for none."""
    if map_field.source is None:
        return [LineageEntry("field_map", "constant", map_field.to, "value", map_field.value or "")]
    return [
        LineageEntry(facts.system, kind, str(record_id), path, _plain(value))
        for kind, record_id, path, value in ATTRIBUTES[map_field.source].origin(view_of(facts))
    ]


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:f}" if isinstance(value, Decimal) else str(value)


def records(fields: Iterable[MapField], facts: CustomerProfile) -> dict[str, str]:
    """Return by field the records that its value was made from, in short: `customer 700101; order 9000, 9001`."""
    view = view_of(facts)
    return {
        field.to: _in_short(ATTRIBUTES[field.source].origin(view)) if field.source is not None else ""
        for field in fields
    }


def _in_short(found: list[Evidence]) -> str:
    if len(found) == 1:  # as of most fields
        return f"{found[0].kind} {found[0].id}"
    ids: dict[str, list[str]] = {}
    for one in found:
        ids.setdefault(one.kind, []).append(str(one.id))
    return "; ".join(f"{kind} {', '.join(dict.fromkeys(some))}" for kind, some in ids.items())


def rule_of(field: MapField, field_map: FieldMap) -> str:
    """Return the line of the map that wants a field's value, in words."""
    what = f"from {field.source} as {field.form}" if field.source else f"constant '{field.value}'"
    return f"{what}, {field.policy} ({field_map.name}, line {field.line})"
