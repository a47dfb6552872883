"""Reads the properties of contacts: which values each takes, and what a stored value looks like as text.

Data flow: an answer about properties -> `CrmField` by name; a property's value -> the text that values are compared as.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from vs_st_pipeline.domain.crm import CrmField, FieldType
from vs_st_pipeline.domain.records import id_text

LONGEST: Final = 65_536  # characters of any text
_TYPES: Final = {
    "string": FieldType.TEXT,
    "phone_number": FieldType.TEXT,
    "number": FieldType.NUMBER,
    "bool": FieldType.FLAG,
    "date": FieldType.DATE,
    "datetime": FieldType.TIME,
    "enumeration": FieldType.CHOICE,
}
_SEVERAL: Final = "checkbox"
_MILLISECONDS: Final = re.compile(r"-?\d{9,15}")


def fields_in(rows: list[Any]) -> dict[str, CrmField]:
    """Return what can be written, and what cannot, by name; properties that were archived are not there any more."""
    found = {}
    for row in rows:
        name = row.get("name") if isinstance(row, Mapping) else None
        if isinstance(name, str) and name and row.get("archived") is not True:
            found[name] = _field(name, row)
    return found


def _field(name: str, row: Mapping[str, Any]) -> CrmField:
    word, control = str(row.get("type")), str(row.get("fieldType"))
    type_ = _TYPES.get(word)
    if type_ is FieldType.CHOICE and control == _SEVERAL:
        type_ = FieldType.CHOICES
    rules = row.get("modificationMetadata")
    fixed = isinstance(rules, Mapping) and rules.get("readOnlyValue") is True
    # Options of some properties (owners of records) are elsewhere; which values they take is not known here.
    listed = type_ in (FieldType.CHOICE, FieldType.CHOICES) and row.get("externalOptions") is not True
    return CrmField(
        name,
        type_ or FieldType.TEXT,
        length=LONGEST if type_ is FieldType.TEXT else None,
        choices=tuple(_choices(row.get("options"))) if listed else None,
        read_only=fixed or row.get("calculated") is True or type_ is None,
        what=f"{word} ({control})",
    )


def _choices(options: object) -> Iterator[tuple[str, str]]:
    for option in options if isinstance(options, list) else ():
        value = option.get("value") if isinstance(option, Mapping) else None
        if isinstance(value, str):
            label = option.get("label")
            yield value, label if isinstance(label, str) else value


def text_of(value: object, field: CrmField | None) -> str:
    """Return a value as it is written: a number, a day, a time or choices always in one form."""
    text = value if isinstance(value, str) else "" if value is None else _plain(value)
    if not text or field is None:
        return text
    match field.type:
        case FieldType.NUMBER:
            return _number(text)
        case FieldType.CHOICES:
            return ";".join(sorted({part for part in text.split(";") if part}))
        case FieldType.DATE if _MILLISECONDS.fullmatch(text):
            return datetime.fromtimestamp(int(text) / 1000, UTC).date().isoformat()
        case FieldType.TIME if (at := moment(text)) is not None:
            return f"{at:%Y-%m-%dT%H:%M:%SZ}"
        case FieldType.FLAG:
            return text.lower()
    return text


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return id_text(value) or str(value)


def _number(text: str) -> str:
    try:
        number = Decimal(text)
    except InvalidOperation:
        return text
    if not number.is_finite() or abs(number.adjusted()) > 40:
        return text
    plain = f"{number:f}"
    return plain.rstrip("0").rstrip(".") if "." in plain else plain


def moment(value: object) -> datetime | None:
    """Read a time: ISO with its zone, or milliseconds since 1970; None where it is none."""
    text = value if isinstance(value, str) else id_text(value) or ""
    try:
        if _MILLISECONDS.fullmatch(text):
            return datetime.fromtimestamp(int(text) / 1000, UTC)
        at = datetime.fromisoformat(text)
    except (ValueError, OverflowError, OSError):
        return None
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
