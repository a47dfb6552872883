"""Rules 5.4-5.6 of consumers.md: what a record should say, and that what is not known is left out and never cleared."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from vs_st_pipeline.domain.crm import CrmField, FieldType, Sought
from vs_st_pipeline.domain.field_map import Builtins, FieldMap
from vs_st_pipeline.platform.settings.field_map_yaml import read_field_map
from vs_st_pipeline.routes.consumers.consumers import Consumer, Value
from vs_st_pipeline.routes.consumers.values import wanted
from vs_st_pipeline.routes.consumers.words import SOURCES

ZONE = ZoneInfo("America/Los_Angeles")
FIELDS = {
    "name": CrmField("name", FieldType.TEXT, length=8),
    "count": CrmField("count", FieldType.NUMBER),
    "skin": CrmField("skin", FieldType.CHOICES, choices=(("dry", "Dry"), ("oily", "Oily"))),
    "day": CrmField("day", FieldType.DATE),
    "sum": CrmField("sum", FieldType.TEXT, read_only=True),
}


def field_map(*rows: str) -> FieldMap:
    text = "version: 1\nfields:\n" + "".join(f"  - {{{row}, policy: mirror}}\n" for row in rows)
    return read_field_map(text, "m.yaml", Builtins("crm", by_name=True), SOURCES)


def said(
    values: Mapping[str, Value], *rows: str, fields: Mapping[str, CrmField] | None = FIELDS
) -> tuple[dict[str, str], set[str]]:
    person = Consumer(Sought("sp_1", "a@b.c", "a@b.c"), values)
    found, notes = wanted(person, field_map(*rows), fields, ZONE)
    assert all(one.key == one.field for one in found)
    return {one.field: one.value for one in found}, notes


def test_c5_6_values_take_the_form_of_the_field() -> None:
    values: dict[str, Value] = {
        "consumer.full_name": "Maximiliane",
        "consumer.order_count": 3,
        "answers.q": ("Dry", "OILY"),
        "newest_order.ordered_at": datetime(2026, 5, 1, 3),
    }
    rows = (
        *("to: name, from: consumer.full_name", "to: count, from: consumer.order_count", "to: skin, from: answers.q"),
        "to: day, from: newest_order.ordered_at, as: iso_date",
    )
    assert said(values, *rows) == (
        {"name": "Maximili", "count": "3", "skin": "dry;oily", "day": "2026-04-30"},
        set(),
    )


@pytest.mark.parametrize(
    ("row", "note"),
    [
        ("to: none, from: consumer.full_name", "missing_field"),
        ("to: sum, from: consumer.full_name", "type_mismatch"),
        ("to: day, from: consumer.full_name", "type_mismatch"),
        ("to: skin, from: consumer.full_name", "option_missing"),
        ("to: Name, from: consumer.full_name", "missing_field"),  # as the map must write it
    ],
)
def test_c5_6_what_cannot_be_written_is_left_out_and_noted_and_the_rest_goes_on(row: str, note: str) -> None:
    values: dict[str, Value] = {"consumer.full_name": "Ada", "consumer.order_count": 1}
    assert said(values, row, "to: count, from: consumer.order_count") == ({"count": "1"}, {note})


def test_c5_5_what_is_not_known_is_left_out_and_what_is_known_to_be_nothing_is_cleared() -> None:
    values: dict[str, Value] = {"consumer.telephone": None, "consents.names": (), "consumer.country_2": ""}
    rows = ("to: a, from: consumer.telephone", "to: b, from: consents.names", "to: c, from: consumer.country_2")
    assert said(values, *rows, "to: d, from: answers.q", fields=None) == ({"a": "", "b": "", "c": ""}, set())
    assert said(values, "to: day, from: consumer.telephone") == ({"day": ""}, set())


def test_c5_6_a_crm_that_takes_any_field_gets_lists_as_arrays() -> None:
    values: dict[str, Value] = {"consents.names": ("News", "Trial"), "consumer.order_count": 2}
    assert said(values, "to: A, from: consents.names", "to: B, from: consumer.order_count", fields=None)[0] == {
        "A": '["News","Trial"]',
        "B": "2",
    }


def test_c5_4_a_constant_is_written_as_it_stands() -> None:
    assert said({}, "to: name, value: SoPost") == ({"name": "SoPost"}, set())
