"""Gives the text that each field of a consumer's record should have at one CRM, and notes what cannot be written.

Data flow: Consumer + field map + the CRM's fields -> wanted values, notes (consumers.md 5.4-5.6).

A name that the consumer has no value for is left out, never blank: a blank would clear what is true. A value that is
known to be nothing is an empty text.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from vs_st_pipeline.domain.crm import CrmField
from vs_st_pipeline.domain.field_forms import MISSING_FIELD, TYPE_MISMATCH, Given, in_form
from vs_st_pipeline.domain.field_map import FieldMap, MapField
from vs_st_pipeline.domain.loosely import clean
from vs_st_pipeline.domain.plan import Wanted
from vs_st_pipeline.routes.consumers.consumers import Consumer, Value


def wanted(
    consumer: Consumer, field_map: FieldMap, fields: Mapping[str, CrmField] | None, zone: ZoneInfo
) -> tuple[list[Wanted], set[str]]:
    """Return what the record should say, in the map's order, and the words for what is left out.

    Args:
        fields: of the CRM, by name as the map must write it; None: it takes any field.
        zone: in which a day begins.
    """
    found: list[Wanted] = []
    notes: set[str] = set()
    for one in field_map.fields:
        field = None if fields is None else fields.get(one.to)
        if fields is not None and field is None:
            notes.add(MISSING_FIELD)
            continue
        known, value = _value(one, consumer.values)
        if not known:
            continue
        if field is not None and field.read_only:
            notes.add(TYPE_MISMATCH)
            continue
        text, note = ("", None) if value is None else in_form(value, one.form, field, zone)
        if note is not None:
            notes.add(note)
        if text is not None:
            found.append(Wanted(one.to, one.to, one.kind, one.policy, text))
    return found, notes


def _value(one: MapField, values: Mapping[str, Value]) -> tuple[bool, Given | None]:
    """Return whether a field's value is known, and it; None: it is known to be nothing."""
    if one.source is None:
        return True, clean(one.value or "") or None
    if one.source not in values:
        return False, None
    value = values[one.source]
    if isinstance(value, datetime):
        return True, value.replace(tzinfo=UTC)
    if value is None or value == "" or (not isinstance(value, str | int) and not value):
        return True, None
    return True, value
