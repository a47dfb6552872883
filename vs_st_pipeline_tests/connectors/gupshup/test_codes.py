"""What each code of a failed message means (notices.md 7.4), row by row."""

from __future__ import annotations

import pytest

from vs_st_pipeline.connectors.gupshup.codes import (
    CODES,
    ForAccount,
    ForPhone,
    ForTemplate,
    code_in,
    code_of,
    meaning,
)

MEANS: dict[str, tuple[ForPhone | None, ForAccount | None, ForTemplate | None, bool]] = {
    **dict.fromkeys(("1002", "131026"), (ForPhone.NOT_ON_WHATSAPP, None, None, False)),
    **dict.fromkeys(("1012", "131050"), (ForPhone.OUT, None, None, False)),
    **dict.fromkeys(("1006", "1007", "1008"), (ForPhone.VOID_IN, None, None, False)),
    "1003": (None, ForAccount.STOP, None, True),
    **dict.fromkeys(("4001", "130429"), (None, ForAccount.SLOW, None, True)),
    **dict.fromkeys(("1001", "1004", "4004", "368", "131031"), (None, ForAccount.STOP, None, False)),
    **dict.fromkeys(("1005", "4003", "132000", "132001", "132012"), (None, None, ForTemplate.REFUSED, False)),
    **dict.fromkeys(("4005", "132015"), (None, None, ForTemplate.PAUSED, False)),
    "132016": (None, None, ForTemplate.DISABLED, False),
    **dict.fromkeys(("500", "4002", "1010", "1011", "131047", "131049", "131056", "130472"), (None, None, None, False)),
}


@pytest.mark.parametrize("code", MEANS)
def test_7_4_each_code_means_what_its_row_says(code: str) -> None:
    found = meaning(code)
    assert (found.phone, found.account, found.template, found.retryable, found.known) == (*MEANS[code], True)


def test_7_4_the_table_has_no_other_row() -> None:
    assert set(CODES) == set(MEANS)


@pytest.mark.parametrize("code", ["999999", None, "131027"])
def test_7_4_any_other_code_means_nothing_more_and_is_counted(code: str | None) -> None:
    found = meaning(code)
    assert (found.phone, found.account, found.template, found.retryable, found.known) == (None,) * 3 + (False, False)


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (1002, "1002"),
        ("1002", "1002"),
        (" 1002 ", "1002"),
        (True, None),
        (None, None),
        ("+91987", None),
        ("", None),
        ("123456789", "123456789"),
        ("1234567890", None),
        ("\uff11\uff10\uff10\uff12", None),
        (1002.0, None),
    ],
)
def test_a_code_is_text_or_a_number(value: object, code: str | None) -> None:
    assert code_of(value) == code


@pytest.mark.parametrize(
    "error",
    [
        {"code": 1003},
        {"payload": {"code": "1003"}},
        {"error": {"code": 1003}},
        {"message": {"errorCode": 1003}},
        {"error_code": "1003"},
    ],
)
def test_7_4_a_json_error_holds_a_code_at_any_of_these_places(error: dict[str, object]) -> None:
    assert code_in(error) == "1003"


def test_7_4_a_sentence_is_no_code() -> None:
    assert code_in({"status": "error", "message": "1003 apples"}) is None
