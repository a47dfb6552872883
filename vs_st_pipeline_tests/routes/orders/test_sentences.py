"""Each code and each note has its sentence: plain, whole with and without what it names, and of nobody."""

from __future__ import annotations

import re

import pytest

from vs_st_pipeline.routes.orders import rules, sentences
from vs_st_pipeline.routes.orders.sentences import note_sentence, sentence
from vs_st_pipeline.routes.orders.states import NOTES, ThereCode, Waits

CODES = sorted({*rules.CODES, *map(str, Waits), *map(str, ThereCode)})


def test_o8_every_code_and_note_has_one_and_there_are_no_others() -> None:
    assert set(CODES) == sentences.CODES
    assert set(NOTES) == sentences.NOTES


@pytest.mark.parametrize("code", CODES)
def test_o8_a_sentence_is_whole_without_what_it_names(code: str) -> None:
    text = sentence(code)
    assert text == sentence(code, {}) == sentence(code, {"another": 1})
    assert re.fullmatch(r"[A-Z][^{}*|]*\.", text), text
    assert "  " not in text
    assert " ," not in text


@pytest.mark.parametrize("note", NOTES)
def test_o8_notes_too(note: str) -> None:
    assert re.fullmatch(r"[A-Z][^{}*|]*\.", note_sentence(note))


@pytest.mark.parametrize(
    ("code", "says", "part"),
    [
        ("unknown_sku", {"skus": ["A", "B"]}, "does not have A, B;"),
        ("unknown_rate", {"carrier": "UPS", "code": "99"}, "way of shipping, carrier UPS, code 99 is"),
        ("unknown_rate", {"carrier": None, "code": "99"}, "way of shipping, code 99 is"),
        ("unknown_rate", {"carrier": "UPS", "code": "99"}, "table of rates; add it to `rates` in the settings."),
        (
            "unknown_rate",
            {"carrier": None, "code": None},
            "or Commerce7 names none; add it to `rates` in ",
        ),
        ("several_rates", {"rates": ["UPS 01", "UPS 03"]}, "(UPS 01, UPS 03)"),
        ("state_not_chosen", {"state": "FL"}, "a state (FL) that"),
        ("zip_state", {"zip": "100", "state": "CA", "states": ["NY"]}, "ZIP (100...) belongs to NY, not to CA;"),
        ("address", {"lacks": ["street", "ZIP"]}, "lacks a good street, ZIP;"),
        ("late", {"days": 21}, "(21 days)"),
        ("unknown_value", {"key": "paymentStatus", "value": "On Hold"}, "not known as paymentStatus: On Hold;"),
        ("no_destination", {"lacks": "state"}, "ship-to state is missing"),
        ("bad_money", {"amounts": ["shipTotal"]}, "(shipTotal)"),
        ("bad_quantity", {"skus": ["", "A"]}, "is no whole number"),
    ],
)
def test_o8_a_sentence_names_what_the_code_says(code: str, says: dict[str, object], part: str) -> None:
    assert part in sentence(code, says)


def test_o8_a_code_of_a_later_version_is_no_crash() -> None:
    assert sentence("no_such_code").endswith(".")
    assert note_sentence("no_such_note").endswith(".")


def test_o8_what_is_named_is_not_read_as_a_form() -> None:
    assert "{x:*}" in sentence("unknown_sku", {"skus": ["{x:*}"]})
