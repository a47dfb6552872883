"""Gives a value the form of a CRM's field: choices by value or label, dates, numbers, texts cut at the field's length.

Data flow: what a name of the field map stands for + CrmField -> text as `CrmRecord.values`, or why there is none.

Texts of times are `2026-05-01T10:00:00Z`, of numbers plain digits (`7`, `1200.5`), of flags `true` and `false`, of
several choices `a;b`. A field that takes whatever it is given gets lists as JSON arrays.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Final, TypeAlias
from zoneinfo import ZoneInfo

import msgspec

from vs_st_pipeline.domain.crm import CrmField, FieldType
from vs_st_pipeline.domain.field_map import cut
from vs_st_pipeline.domain.formats import FORMATS, iso_date, local_date, parse_moment
from vs_st_pipeline.domain.loosely import loosely

# What may be wrong with a value and its field.
OPTION_MISSING, TYPE_MISMATCH, MISSING_FIELD = "option_missing", "type_mismatch", "missing_field"

Given: TypeAlias = str | int | Decimal | datetime | Sequence[str]
"""A value that is not empty; times are aware."""

_NUMBER: Final = re.compile(r"-?[0-9]{1,18}(\.[0-9]{1,12})?", re.ASCII)
_FLAGS: Final = ("true", "false")


def in_form(value: Given, form: str, field: CrmField | None, zone: ZoneInfo) -> tuple[str | None, str | None]:
    """Return the text that a field takes, and what is to be noted; None for the text where nothing is written.

    Args:
        form: `as` of the field map. field: one that can be written; None where the CRM takes any field.
        zone: in which a day begins.
    """
    if field is None or field.type is FieldType.ANY:
        if isinstance(value, list | tuple):
            return msgspec.json.encode(list(value)).decode(), None
        return _plain(value, form, zone), None
    if field.type is FieldType.CHOICE:
        return _choice(value, form, field, zone)
    if field.type is FieldType.CHOICES:
        return _choices(value, form, field, zone)
    if field.type is FieldType.TEXT:
        text = _plain(value, form, zone)
        return (text if field.length is None else cut(text, field.length)), None
    only = _only(value)
    if only is None:
        return None, TYPE_MISMATCH
    found = {FieldType.NUMBER: _number, FieldType.FLAG: _flag, FieldType.DATE: _date, FieldType.TIME: _time}[
        field.type
    ](only, form, zone)
    return found, None if found is not None else TYPE_MISMATCH


def _only(value: Given) -> Given | None:
    """Return the single value of a list (one answer to a question), or what is no list; None for several."""
    if isinstance(value, list | tuple):
        return value[0] if len(value) == 1 else None
    return value


def _plain(value: Given, form: str, zone: ZoneInfo) -> str:
    return FORMATS[form].write(list(value) if isinstance(value, tuple) else value, zone)


def _number(value: Given, form: str, zone: ZoneInfo) -> str | None:
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        return None
    text = _plain(value, _form_of(value, form), zone).strip()
    return text if _NUMBER.fullmatch(text) else None


def _flag(value: Given, form: str, zone: ZoneInfo) -> str | None:
    text = str(value).strip().lower()
    return text if text in _FLAGS else None


def _date(value: Given, form: str, zone: ZoneInfo) -> str | None:
    moment = value if isinstance(value, datetime) else parse_moment(value, zone)
    return None if moment is None else iso_date(local_date(moment, zone))


def _time(value: Given, form: str, zone: ZoneInfo) -> str | None:
    moment = value if isinstance(value, datetime) else parse_moment(value, zone)
    if moment is None:
        return None
    if not isinstance(moment, datetime):
        moment = _midnight(moment, zone)
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=zone)


def _choice(value: Given, form: str, field: CrmField, zone: ZoneInfo) -> tuple[str | None, str | None]:
    only = _only(value)
    if only is None:
        return None, TYPE_MISMATCH
    found = _option(_plain(only, _form_of(only, form), zone), field)
    return found, None if found is not None else OPTION_MISSING


def _form_of(value: Given, form: str) -> str:
    return "text" if form == "list" and isinstance(value, str) else form


def _choices(value: Given, form: str, field: CrmField, zone: ZoneInfo) -> tuple[str | None, str | None]:
    """Choose several: those that the field has not got are left out; where it has none of them, nothing is written."""
    texts = [str(one) for one in value] if isinstance(value, list | tuple) else [_plain(value, form, zone)]
    options = [_option(text, field) for text in texts]
    # A value with a separator in it would be taken for two.
    found = list(dict.fromkeys(one for one in options if one is not None and ";" not in one))
    note = OPTION_MISSING if len(found) < len({loosely(text) for text in texts}) else None
    # Sorted as connectors show what is stored: the order says nothing, and another one would look like an edit.
    return (";".join(sorted(found)) if found else None), note


def _option(text: str, field: CrmField) -> str | None:
    """Return the value of the choice that a text names, by value before label."""
    if field.choices is None:
        return text
    wanted = loosely(text)
    by_value = (value for value, _ in field.choices if loosely(value) == wanted)
    by_label = (value for value, label in field.choices if loosely(label) == wanted)
    return next(by_value, None) or next(by_label, None)
