"""Rule 5.6 of consumers.md: a value takes the form of the field, and what a field cannot take is left out and noted."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from vs_st_pipeline.domain.countries import two_letters
from vs_st_pipeline.domain.crm import CrmField, FieldType
from vs_st_pipeline.domain.field_forms import OPTION_MISSING, TYPE_MISMATCH, Given, in_form
from vs_st_pipeline.domain.loosely import clean, loosely

LONDON, PACIFIC = ZoneInfo("Europe/London"), ZoneInfo("America/Los_Angeles")
LATE = datetime(2026, 5, 1, 3, 4, 5, tzinfo=UTC)  # still 30 April in California
SKIN = (("dry", "Dry skin"), ("oily", "Oily"), ("mixed", "Mixed"))


def field(type: FieldType, **more: object) -> CrmField:
    return CrmField("x", type, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (" DRY ", "dry"),
        ("dry SKIN", "dry"),  # by its label
        (("oily",), "oily"),
    ],
)
def test_c5_6_a_choice_is_found_by_value_else_label_loosely(value: Given, text: str) -> None:
    assert in_form(value, "text", field(FieldType.CHOICE, choices=SKIN), LONDON) == (text, None)


def test_c5_6_a_value_comes_before_a_label() -> None:
    choices = (("a", "b"), ("b", "a"))
    assert in_form("b", "text", field(FieldType.CHOICE, choices=choices), LONDON) == ("b", None)


def test_c5_6_several_choices_are_separated_and_unknown_ones_left_out() -> None:
    several = field(FieldType.CHOICES, choices=SKIN)
    assert in_form(("Dry", "OILY"), "list", several, LONDON) == ("dry;oily", None)
    assert in_form(("Dry", "Bald"), "list", several, LONDON) == ("dry", OPTION_MISSING)


def test_c5_6_several_choices_stand_in_the_order_in_which_what_is_stored_is_shown() -> None:
    several = field(FieldType.CHOICES, choices=(("z_yes", "Apples"), ("a_no", "Pears")))
    assert in_form(("Apples", "Pears"), "list", several, LONDON) == ("a_no;z_yes", None)


@pytest.mark.parametrize("type", [FieldType.CHOICE, FieldType.CHOICES])
def test_c5_6_where_no_choice_is_known_nothing_is_written(type: FieldType) -> None:
    assert in_form("Bald", "text", field(type, choices=SKIN), LONDON) == (None, OPTION_MISSING)


def test_c5_6_several_answers_do_not_fit_a_single_choice() -> None:
    assert in_form(("dry", "oily"), "list", field(FieldType.CHOICE, choices=SKIN), LONDON) == (None, TYPE_MISMATCH)


def test_c10_3_an_answer_with_a_separator_in_it_does_not_become_two() -> None:
    free = field(FieldType.CHOICES)
    assert in_form(("Shampoo", "Mask; deep"), "list", free, LONDON) == ("Shampoo", OPTION_MISSING)
    listed = field(FieldType.CHOICES, choices=(("mask", "Mask; deep"),))
    assert in_form(("Mask; deep",), "list", listed, LONDON) == ("mask", None)


@pytest.mark.parametrize(("zone", "text"), [(LONDON, "2026-05-01"), (PACIFIC, "2026-04-30")])
@pytest.mark.parametrize("form", ["iso_date", "date", "text"])
def test_c5_6_a_date_is_the_day_in_the_merchants_zone(zone: ZoneInfo, text: str, form: str) -> None:
    assert in_form(LATE, form, field(FieldType.DATE), zone) == (text, None)


def test_c5_6_a_time_and_a_date_in_a_text() -> None:
    assert in_form(LATE, "text", field(FieldType.TIME), PACIFIC) == ("2026-05-01T03:04:05Z", None)
    assert in_form(LATE, "date", field(FieldType.TEXT), PACIFIC) == ("04/30/2026", None)
    assert in_form("2026-05-01", "text", field(FieldType.TIME), PACIFIC) == ("2026-05-01T07:00:00Z", None)


@pytest.mark.parametrize(
    ("value", "type", "text"),
    [
        (3, FieldType.NUMBER, "3"),
        ("12.5", FieldType.NUMBER, "12.5"),
        ("twelve", FieldType.NUMBER, None),
        ("1e5", FieldType.NUMBER, None),
        (("1",), FieldType.NUMBER, "1"),  # a question with one answer
        (("2026-05-01",), FieldType.DATE, "2026-05-01"),
        (("false",), FieldType.FLAG, "false"),
        (("1", "2"), FieldType.NUMBER, None),
        (("2026-05-01", "2026-05-02"), FieldType.DATE, None),
        (LATE, FieldType.NUMBER, None),
        ("True", FieldType.FLAG, "true"),
        ("yes", FieldType.FLAG, None),
        (1, FieldType.FLAG, None),
        ("someday", FieldType.DATE, None),
        (7, FieldType.DATE, None),
        ("someday", FieldType.TIME, None),
    ],
)
def test_c5_6_numbers_flags_and_dates_only_where_they_are(value: Given, type: FieldType, text: str | None) -> None:
    note = None if text is not None else TYPE_MISMATCH
    form = "text" if not isinstance(value, tuple) else "list"
    assert in_form(value, form, field(type), LONDON) == (text, note)


def test_c5_6_a_text_is_cut_at_the_fields_length() -> None:
    assert in_form("so " * 50, "text", field(FieldType.TEXT, length=10), LONDON) == ("so so so s", None)
    assert in_form("A\U0001f33fB", "text", field(FieldType.TEXT, length=2), LONDON) == ("A", None)


def test_c5_6_a_list_is_an_array_where_any_value_is_taken_and_joined_in_a_text() -> None:
    values = ("b, c", 'a"')
    assert in_form(values, "list", None, LONDON) == ('["b, c","a\\""]', None)
    assert in_form(values, "list", field(FieldType.ANY), LONDON) == ('["b, c","a\\""]', None)
    assert in_form(values, "list", field(FieldType.TEXT), LONDON) == ('b, c, a"', None)


def test_c4_a_country_has_two_letters_by_iso_3166() -> None:
    assert [two_letters(one) for one in ("GBR", "usa", " DEU ", "XKX", "", None, "GB")] == [
        *("GB", "US", "DE", "", "", "", "")
    ]


def test_c1_loosely_is_trimmed_casefolded_and_runs_of_blanks_as_one() -> None:
    assert loosely("  GLOW \t  Sk\u00edn ") == loosely("glow sk\u00edn") != loosely("glowsk\u00edn")


def test_c10_3_texts_are_nfc_without_controls_but_newline_and_tab() -> None:
    assert clean("Leo\u0007pold\u0000ine\r\n\tAsquith\u0085") == "Leopoldine\n\tAsquith"
    assert clean("e\u0301") == "\u00e9"
