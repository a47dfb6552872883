"""Resolves the account's custom fields: the key to write each field of a map under, and the names that reads use.

Data flow: FieldMap + the account's custom fields -> keys; live `customFields` -> values by key.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from vs_st_pipeline.domain.field_map import FieldMap, MapField
from vs_st_pipeline.domain.matching import carried_id

CUSTOMER_ID_LABEL: Final = "VScustomerID"
"""The custom field in which a contact carries its customer's id."""

_WIDEST = 40  # digits that are written out; nothing longer is a real number


@dataclass(frozen=True, slots=True)
class CustomField:
    """A custom field of the SimpleTexting account, as `GET /custom-fields` names it."""

    label: str
    merge_tag: str


@dataclass(frozen=True, slots=True)
class ResolvedMap:
    """A map resolved for an account: fields with the key to write each under, and those that the account lacks."""

    available: list[tuple[MapField, str]]
    missing: list[MapField]


def resolve_fields(field_map: FieldMap, custom_fields: Sequence[CustomField]) -> ResolvedMap:
    """Find each field in the account: by exact label, then label in any case, then merge tag in any case.

    The key is the merge tag, because reads are keyed by it; the label where the tag is blank. Where two rows of a map
    mean one field of the account (one by label, one by tag), the first has it and the second is missing.
    """
    keys = _Keys(custom_fields)
    resolved = ResolvedMap([], [])
    taken: set[tuple[str, str]] = set()
    for field in field_map.fields:
        key = field.to if field.kind == "builtin" else keys.of(field.to)
        if key is None or (field.kind, key) in taken:
            resolved.missing.append(field)
        else:
            taken.add((field.kind, key))
            resolved.available.append((field, key))
    return resolved


def customer_id_key(custom_fields: Sequence[CustomField]) -> str:
    """Return the key under which contacts carry `VScustomerID` in this account."""
    return _Keys(custom_fields).of(CUSTOMER_ID_LABEL) or CUSTOMER_ID_LABEL


def shows_customer_ids(custom_fields: Sequence[CustomField]) -> bool:
    """Say whether the account's list of custom fields has the one that carries the customer's id."""
    return _Keys(custom_fields).of(CUSTOMER_ID_LABEL) is not None


class _Keys:
    """The account's custom fields by the names that a map may use."""

    def __init__(self, custom_fields: Sequence[CustomField]) -> None:
        labels = [(field.label, _key(field)) for field in custom_fields]
        tags = [(field.merge_tag, _key(field)) for field in custom_fields if field.merge_tag.strip()]
        self._by_label = _first_wins(labels)
        self._by_folded_label = _first_wins((label.casefold(), key) for label, key in labels)
        self._by_folded_tag = _first_wins((tag.casefold(), key) for tag, key in tags)

    def of(self, name: str) -> str | None:
        """Return the key of a field by its label, its label in any case, or its merge tag in any case."""
        folded = name.casefold()
        return self._by_label.get(name) or self._by_folded_label.get(folded) or self._by_folded_tag.get(folded)


class FieldKeys:
    """The names that reads use for an account's custom fields, made once for all of its contacts.

    Reads are keyed by merge tag, seldom by label (not documented), so a value under the tag beats one under the label.
    """

    def __init__(self, custom_fields: Iterable[CustomField]) -> None:
        fields = list(custom_fields)
        tags = [(field.merge_tag, _key(field)) for field in fields if field.merge_tag.strip()]
        names = tags + [(field.label, _key(field)) for field in fields]
        self._exact = _first_wins(names)
        self._folded = _first_wins((name.casefold(), key) for name, key in names)
        self.customer_id_key = customer_id_key(fields)

    def key(self, name: str) -> str:
        """Return the key under which this name is written; an unknown name stays as it is."""
        return self._exact.get(name) or self._folded.get(name.casefold()) or name

    def values(self, live: Mapping[str, object]) -> dict[str, str]:
        """Return a contact's live `customFields` under the keys we write; null is `""`.

        A customer id reads as its digits, however it is stored (`700103.0`): otherwise every sync would correct it.
        """
        values: dict[str, str] = {}
        direct: set[str] = set()
        for name, value in live.items():
            key = self.key(name)
            if name == key:
                direct.add(key)
            elif key in direct:
                continue
            values[key] = live_text(value)
        if text := values.get(self.customer_id_key):
            values[self.customer_id_key] = _digits(text)
        return values

    def customer_id(self, live: Mapping[str, object]) -> str:
        """Return the customer id that a contact's live `customFields` carry, as `values` does; empty where none is."""
        found, direct = "", False
        for name, value in live.items():
            if self.key(name) == self.customer_id_key and (name == self.customer_id_key or not direct):
                found, direct = live_text(value), direct or name == self.customer_id_key
        return _digits(found) if found else ""


def _digits(text: str) -> str:
    number = carried_id(text)
    return text if number is None or text.strip().isdigit() else str(number)


def _key(field: CustomField) -> str:
    return field.merge_tag if field.merge_tag.strip() else field.label


def _first_wins(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, key in pairs:
        if name:
            found.setdefault(name, key)
    return found


def live_text(value: object) -> str:
    """Return a field's value as text for comparing; a whole number is the same as `7`, `7.0` or `7e0`."""
    if value is None or isinstance(value, str):
        return value or ""
    if isinstance(value, Decimal) and value.adjusted() < _WIDEST and value == value.to_integral_value():
        return f"{value:.0f}" if value else "0"
    return json.dumps(value, default=str) if isinstance(value, bool | list | dict) else str(value)
