"""Phones as shops write them: which may be written, and how they are shown (notices.md 5.7)."""

from __future__ import annotations

from typing import Any

import pytest

from vs_st_pipeline.routes.notices import phones
from vs_st_pipeline.routes.notices.settings import NoticesSettings
from vs_st_pipeline.routes.notices.words import Wait

GOOD = "+919810000001"


def read(raw: str | None, country: str | None = "IN", **settings: Any) -> phones.Phone:
    made = NoticesSettings.model_construct(**{"countries": ("IN", "US"), "default_country": None, **settings})
    return phones.read(raw, country, made)


@pytest.mark.parametrize(
    ("raw", "country", "number"),
    [
        ("9810000001", "IN", GOOD),
        ("09810000001", "IN", GOOD),
        ("+91 98100-00001", "US", GOOD),  # its own region, whatever the address says
        ("919810000001", "IN", GOOD),
        ("0091 98100 00001", "India", GOOD),
        ("\u202a+91 98100 00001\u202c", "IN", GOOD),  # copied from a page
        ("+91 98100\u201300001", "IN", GOOD),  # a dash as a word processor writes it
        ("(415) 555-2671", "United States", "+14155552671"),  # fixed or mobile: nobody can tell
    ],
)
def test_a_phone_is_read_as_e164(raw: str, country: str, number: str) -> None:
    assert read(raw, country) == phones.Phone(number, None)


@pytest.mark.parametrize(
    ("raw", "country", "fault"),
    [
        (None, "IN", Wait.PHONE_MISSING),
        ("  ", "IN", Wait.PHONE_MISSING),
        ("null", "IN", Wait.PHONE_MISSING),
        ("-", "IN", Wait.PHONE_MISSING),
        ("98100", "IN", Wait.PHONE_INVALID),
        ("9999999999", "IN", Wait.PHONE_INVALID),
        ("1234567890", "IN", Wait.PHONE_INVALID),
        ("0123456789", "IN", Wait.PHONE_INVALID),
        ("9876543210", "IN", Wait.PHONE_INVALID),
        ("+91 9876543210", "IN", Wait.PHONE_INVALID),
        ("98100*0001", "IN", Wait.PHONE_INVALID),
        ("981000000l", "IN", Wait.PHONE_INVALID),
        ("9810000001 ext 5", "IN", Wait.PHONE_INVALID),
        ("(415) 555-COLD", "US", Wait.PHONE_INVALID),  # letters could be dialed, and are a word all the same
        ("98100#00001", "IN", Wait.PHONE_INVALID),
        ("\u092b\u094b\u0928 9810000001", "IN", Wait.PHONE_INVALID),  # a word of another alphabet is one too
        ("9810000001", None, Wait.PHONE_INVALID),  # nobody knows what it means
        ("+91 11 2345 6789", "IN", Wait.PHONE_NOT_MOBILE),
        ("+447911123456", "IN", Wait.COUNTRY_NOT_ALLOWED),
    ],
)
def test_what_may_not_be_written_has_a_fault(raw: str | None, country: str | None, fault: Wait) -> None:
    assert read(raw, country) == phones.Phone(None, fault)


def test_a_made_up_number_is_none_even_where_it_could_be_one() -> None:
    assert read("0123456780", "MY", countries=("MY",)).number == "+60123456780"
    assert read("0123456789", "MY", countries=("MY",)).fault == Wait.PHONE_INVALID


def test_an_address_without_country_is_of_the_default_country() -> None:
    assert read("9810000001", None, default_country="IN").number == GOOD


def test_the_numbers_own_country_must_be_named() -> None:
    assert read(GOOD, "IN", countries=("US",)).fault == Wait.COUNTRY_NOT_ALLOWED


def test_a_phone_is_shown_by_its_last_three_digits() -> None:
    assert phones.masked("+919876543210") == "+91 •••••••210"
    assert phones.masked("+14155552671") == "+1 •••••••671"
