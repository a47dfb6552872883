"""Finds fields, words and types in an answer that are not documented; by name, never by value, and never with a crash.

Data flow: a raw body against what is known of its kind -> names of what is new.

The names are the vendors' own and describe no person: a field's path, or a word of an enumeration in upper case.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from vs_st_pipeline.domain.formats import as_mapping

_WORD = re.compile(r"[A-Z][A-Z0-9_]{0,39}")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,49}")


@dataclass(frozen=True, slots=True)
class KnownFields:
    """What is documented of one kind of record, as its connector declares it.

    Attributes:
        kind: such as `customer`.
        names: its fields.
        objects: those of them that are objects.
        words: the words that a field may hold, by field.
        inspected: the fields whose values are inspected; of all others only the names are.
    """

    kind: str
    names: frozenset[str]
    objects: tuple[str, ...]
    words: Mapping[str, frozenset[str]]
    inspected: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "inspected", (*self.objects, *self.words))


def unexpected_names(known: KnownFields, body: object) -> list[str]:
    """Return what is new in one body of this kind, by name.

    It is a list for the sake of callers with many bodies: a Counter for each costs more than the inspection.
    """
    found: list[str] = []
    raw = as_mapping(body)
    if not raw.keys() <= known.names:
        for name in raw.keys() - known.names:
            found.append(f"unknown field {known.kind}.{name if _NAME.fullmatch(name) else '(odd name)'}")
    for name in known.objects:
        value = raw.get(name)
        if value is not None and value != "" and not isinstance(value, Mapping):
            found.append(f"wrong type {known.kind}.{name}: {type(value).__name__}")
    for name, words in known.words.items():
        value = raw.get(name)
        if value is not None and not (isinstance(value, str) and value in words):  # a list has no hash
            word = value if isinstance(value, str) and _WORD.fullmatch(value) else f"({type(value).__name__})"
            found.append(f"unknown word {known.kind}.{name}: {word}")
    return found
