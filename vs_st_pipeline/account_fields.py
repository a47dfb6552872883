"""The account's custom fields: under which key each field of a map is written, and how it is named in what is read.

Data flow: FieldMap + the account's custom fields -> keys; live `customFields` -> values by key.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from vs_st_pipeline.field_map import FieldMap, MapField


@dataclass(frozen=True, slots=True)
class CustomField:
    """A custom field of the SimpleTexting account, as `GET /custom-fields` names it."""

    label: str
    merge_tag: str


@dataclass(frozen=True, slots=True)
class ResolvedMap:
    """A map against an account: fields with the key to write each under, and those that the account lacks."""

    available: list[tuple[MapField, str]]
    missing: list[MapField]


def resolve(field_map: FieldMap, custom_fields: Sequence[CustomField]) -> ResolvedMap:
    """Finds each field in the account: by exact label, then label in any case, then merge tag in any case.

    The key is the merge tag, because reads are keyed by it; the label where the tag is blank. Where two rows of a map
    mean one field of the account (one by label, one by tag), the first has it and the second is missing.
    """
    labels = [(field.label, _key(field)) for field in custom_fields]
    ways = (
        _first_wins(labels),
        _first_wins((label.casefold(), key) for label, key in labels),
        _first_wins((field.merge_tag.casefold(), _key(field)) for field in custom_fields if field.merge_tag.strip()),
    )
    resolved = ResolvedMap([], [])
    taken: set[tuple[str, str]] = set()
    for field in field_map.fields:
        tries = zip(ways, (field.to, field.to.casefold(), field.to.casefold()), strict=True)
        key = field.to if field.kind == "builtin" else next((way[name] for way, name in tries if name in way), None)
        if key is None or (field.kind, key) in taken:
            resolved.missing.append(field)
        else:
            taken.add((field.kind, key))
            resolved.available.append((field, key))
    return resolved


class ReadNames:
    """How an account's custom fields are named in what is read, made once for all of its contacts.

    Reads are keyed by merge tag, seldom by label (not documented), so a value under the tag beats one under the label.
    """

    def __init__(self, custom_fields: Iterable[CustomField]) -> None:
        fields = list(custom_fields)
        tags = [(field.merge_tag, _key(field)) for field in fields if field.merge_tag.strip()]
        names = tags + [(field.label, _key(field)) for field in fields]
        self._exact = _first_wins(names)
        self._folded = _first_wins((name.casefold(), key) for name, key in names)

    def key(self, name: str) -> str:
        """The key under which this name is written; an unknown name stays as it is."""
        return self._exact.get(name) or self._folded.get(name.casefold()) or name

    def values(self, live: Mapping[str, object]) -> dict[str, str]:
        """A contact's live `customFields` under the keys we write; null is `""`."""
        values: dict[str, str] = {}
        direct: set[str] = set()
        for name, value in live.items():
            key = self.key(name)
            if name == key:
                direct.add(key)
            elif key in direct:
                continue
            values[key] = _live_text(value)
        return values


def _key(field: CustomField) -> str:
    return field.merge_tag if field.merge_tag.strip() else field.label


def _first_wins(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, key in pairs:
        if name:
            found.setdefault(name, key)
    return found


def _live_text(value: object) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    return json.dumps(value) if isinstance(value, bool | list | dict) else str(value)
