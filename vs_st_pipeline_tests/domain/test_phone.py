"""Phones are reduced to ten NANP digits or to nothing, and masked wherever they are only mentioned."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vs_st_pipeline.domain.phone import mask_email, mask_phone, parse_nanp

national = st.from_regex(r"[2-9][0-9]{2}[2-9][0-9]{6}", fullmatch=True)
glue = st.text(alphabet=" -.()/\t\u00a0\u2011", max_size=3)


@pytest.mark.parametrize(
    "number",
    [
        "7075550142",
        "17075550142",
        "+17075550142",
        "+1 (707) 555-0142",
        "(+1) 707 555 0142",
        "1-707-555-0142",
        "707.555.0142",
        " 707/555/0142 ",
        "(707)555-0142",
        "\u202a+1 707\u2011555\u20110142\u202c",  # pasted from an address book: direction marks, no-break hyphens
        "707\u00a0555\u00a00142",
        "tel:+1-707-555-0142;ext=12",
        "707-555-0142 x12",
        "707-555-0142X12",
        "7075550142x",
        "707-555-0142, ext. 12",
        "707-555-0142 Ext 12",
        "707-555-0142 extension 12",
        "707-555-0142 #12",
        "7075550142;ext=4455",
    ],
)
def test_one_number_however_it_is_written(number: str) -> None:
    assert parse_nanp(number) == "7075550142"


@pytest.mark.parametrize(
    "number",
    [
        None,
        "",
        "   ",
        "x12",
        "555-0142",
        "707555014",
        "70755501420",
        "27075550142",  # eleven digits, but no leading 1
        "1070755501421",
        "0075550142",  # area code
        "1075550142",
        "7070550142",  # exchange
        "7071550142",
        "+7075550142",  # Russia
        "+447075550142",
        "+44 20 7946 0958",
        "011 44 20 7946 0958",
        "011 1 707 555 0142",
        "00 1 707 555 0142",
        "++17075550142",
        "1+7075550142",
        "707-555-0142 / 707-555-0143",
        "707-555-O142",  # the letter O
        "707-KLM-0142",
        "x12 7075550142",
        "707-555-0142 x12 x13",
        "707-555-0142 exten\u017fion 12",  # a long s is no s
        "\uff17\uff10\uff17\uff15\uff15\uff15\uff10\uff11\uff14\uff12",  # full-width digits
        "\u0667\u0660\u0667\u0665\u0665\u0665\u0660\u0661\u0664\u0662",  # Arabic-Indic digits
        "707555\uff100142",  # ten ASCII digits and a full-width one: leaving it out would be another person's number
        "7075550142\u00b2",
        "7075550142" + " " * 100_000 + "x",
        7075550142,
        ["7075550142"],
    ],
)
def test_what_is_no_north_american_number(number: str) -> None:
    assert parse_nanp(number) is None


@pytest.mark.parametrize("country", [None, "", "  ", "1", "+1", "001", 1, "US", "us", "USA", "CA", "Canada"])
def test_countries_of_the_numbering_plan(country: str | int | None) -> None:
    assert parse_nanp("7075550142", country, "12") == "7075550142"


@pytest.mark.parametrize("country", ["44", 44, "+44", "GB", "MX", "011", "0", 0, "11", "Deutschland", True])
def test_a_number_of_another_country_matches_nothing(country: str | int) -> None:
    assert parse_nanp("7075550142", country) is None
    assert parse_nanp("+17075550142", country) is None


ISO_CODES = """
US CA AG AI AS BB BM BS DM DO GD GU JM KN KY LC MP MS PR SX TC TT VC VG VI
USA CAN ATG AIA ASM BRB BMU BHS DMA DOM GRD GUM JAM KNA CYM LCA MNP MSR PRI SXM TCA TTO VCT VGB VIR
840 124 660 028 016 136 214 308 316 388 630 659 662 534 580 780 796
"""


@pytest.mark.parametrize(
    "country",
    [
        *ISO_CODES.split(), 840, 630, 124, 28, 840.0,
        "1787", "+1787", "+1-787", "1 787", "1-787", "+1 (787)", 1787, 1787.0, "001787", "1-809, 1-829 and 1-849",
        "Puerto Rico", "puerto rico ", "PUERTO RICO (+1-787)", "U.S.", "U.S.A.", "United States of America",
        "The United States", "United States (+1)", "U.S. Virgin Islands", "Virgin Islands, U.S.",
        "Virgin Islands (British)", "St. Lucia", "St.Lucia", "Saint Kitts & Nevis", "Bahamas, The", "The Bahamas",
        "Rep\u00fablica Dominicana", "Turks & Caicos", "Sint Maarten (Dutch part)", "Trinidad and Tobago",
        "Guam", "Jamaica", "Grenada", "Saint Kitts and Nevis +1-869",
        "Northern Mariana Islands", "American Samoa", "Cayman Islands", "Bermuda", "Montserrat", "Antigua & Barbuda",
        "St. Vincent and the Grenadines", "\u200e+1", "\u00a0",
    ],
)  # fmt: skip
def test_ruling_1_every_member_of_the_plan_counts_as_1(country: str | float) -> None:
    assert parse_nanp("7875550142", country) == "7875550142"
    assert parse_nanp("+1 787 555 0142", country) == "7875550142"


@pytest.mark.parametrize(
    "country",
    [
        # Codes of the plan's members in ISO 3166 that are somebody else's calling codes: a calling code is what it is.
        "44", "044", 44, "52", "60", "92", "212", 212, "500", "670", "850", "0044",
        "1911", "1199", "1099", "178", "17875", "1 787 555 0142", 10, 1.5, float("nan"), float("inf"), 10**4000,
        "MF", "Saint Martin", "UM", "United Mexican States", "Estados Unidos Mexicanos", "United Arab Emirates",
        "United Kingdom", "Cuba", "CU", "Samoa", "WS", "Haiti", "Mexico", "MEX", "Georgia", "Canada 44", "UK +1",
        "\u0661", "1\u0661", "\u00b2", "?", "n/a", "-", "1" * 1000, ["1"], {"code": "1"}, False,
    ],
)  # fmt: skip
def test_ruling_1_another_country_still_matches_nothing(country: str | float) -> None:
    assert parse_nanp("7875550142", country) is None


@given(digits=national, pieces=st.lists(glue, min_size=11, max_size=11), lead=st.sampled_from(["", "1", "+1"]))
def test_punctuation_means_nothing(digits: str, pieces: list[str], lead: str) -> None:
    written = lead + "".join(piece + digit for piece, digit in zip(pieces, digits, strict=False)) + pieces[-1]
    assert parse_nanp(written) == digits


@given(
    digits=national, extension=st.from_regex(r"[0-9]{1,6}", fullmatch=True), word=st.sampled_from(["x", " ext. ", "#"])
)
def test_an_extension_is_dropped(digits: str, extension: str, word: str) -> None:
    assert parse_nanp(f"{digits}{word}{extension}") == digits


@given(st.text(alphabet="0123456789+()-. x#\uff11\u0661abc", max_size=24))
def test_the_answer_is_ten_digits_found_in_the_text_or_nothing(text: str) -> None:
    answer = parse_nanp(text)
    if answer is None:
        return
    assert len(answer) == 10
    assert answer.isascii()
    assert answer.isdigit()
    assert answer in "".join(sign for sign in text if sign in "0123456789")
    assert parse_nanp(answer) == answer
    assert parse_nanp(f"+1{answer}") == answer


@given(digits=national, more=st.from_regex(r"[0-9]{1,5}", fullmatch=True))
def test_a_longer_number_is_never_cut(digits: str, more: str) -> None:
    assert parse_nanp(digits + more) is None


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("7075550142", "***-***-0142"),
        ("+1 (707) 555-0142 x99", "***-***-0142"),
        ("+44 20 7946 0958", "***-***-0958"),
        ("555-0142", "***-***-****"),
        ("0142", "***-***-****"),
        ("", "***-***-****"),
        (None, "***-***-****"),
    ],
)
def test_masked_phones(text: str | None, masked: str) -> None:
    assert mask_phone(text) == masked


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("marisol.vantongeren@example.com", "m***@e***.com"),
        (" Marisol@mail.example.wine ", "M***@m***.wine"),
        ("m@e.com", "m***@e***.com"),
        ("marisol@localhost", "m***@l***"),
        ("marisol@mail.vantongeren", "m***@m***"),  # the last label may be a name too
        ('"marisol x"@example.com', "****@e***.com"),
        ("a@b@example.com", "a***@e***.com"),
        ("marisol", "***"),
        ("@example.com", "***"),
        ("marisol@", "***"),
        ("", "***"),
        (None, "***"),
    ],
)
def test_masked_emails(text: str | None, masked: str) -> None:
    assert mask_email(text) == masked


@given(name=st.from_regex(r"[a-z]{4,20}", fullmatch=True), host=st.from_regex(r"[a-z]{4,20}", fullmatch=True))
def test_a_masked_email_shows_one_letter_of_each_name(name: str, host: str) -> None:
    masked = mask_email(f"{name}@{host}.com")
    assert masked == f"{name[0]}***@{host[0]}***.com"
