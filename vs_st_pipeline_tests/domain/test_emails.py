"""Rule 5.1 of consumers.md: what an e-mail address is, and what a person is known by."""

from __future__ import annotations

import hashlib

import pytest

from vs_st_pipeline.domain.emails import email_key, is_usable, person_key, read_email, spellings


def test_c5_1_a_consumer_is_an_address_in_any_letters_and_blanks() -> None:
    assert email_key("  Mixed.Case@Example.COM ") == "mixed.case@example.com"
    assert email_key("re\u0301my@example.com") == email_key("r\u00e9my@example.com") == "r\u00e9my@example.com"


def test_c5_1_tags_and_dots_are_kept() -> None:
    assert len({email_key(one) for one in ("joe+gift@example.com", "joe@example.com", "j.oe@example.com")}) == 3


@pytest.mark.parametrize("text", ["a@b.c", "o'neil@example.com", "joe+x@example.com", "r\u00e9my@ex\u00e4mple.com"])
def test_c5_1_usable(text: str) -> None:
    assert is_usable(text)


@pytest.mark.parametrize(
    "text",
    [
        *("not-an-address", "two@at@example.com", "@example.com", "joe@nodot", "jo e@example.com", "joe@exa mple.com"),
        *("jo\u00a0e@example.com", "jo\u0007e@example.com", "jo\ne@example.com", f"{'x' * 243}@example.com"),
    ],
)
def test_c5_1_not_usable(text: str) -> None:
    assert not is_usable(text)
    assert read_email(text) == (None, None, "bad_email")


def test_c5_1_the_longest_address_has_254_characters() -> None:
    assert is_usable(f"{'x' * 242}@example.com")


@pytest.mark.parametrize("value", [None, "", "  "])
def test_c5_1_no_address(value: object) -> None:
    assert read_email(value) == (None, None, "no_email")


@pytest.mark.parametrize("value", [5, True, ["a@b.c"], {"email": "a@b.c"}])
def test_c5_1_what_is_no_text_is_a_bad_address(value: object) -> None:
    assert read_email(value) == (None, None, "bad_email")


def test_c5_1_the_address_is_written_as_it_came_but_trimmed() -> None:
    assert read_email(" Joe@Example.com ") == ("Joe@Example.com", "joe@example.com", "ok")


def test_c6_1_the_key_is_sp_and_forty_hex_digits_of_the_address() -> None:
    assert person_key("joe@example.com") == "sp_" + hashlib.sha256(b"joe@example.com").hexdigest()[:40]


def test_an_address_is_found_by_whatever_form_was_hashed() -> None:
    assert spellings(" Jane@Example.com ") == {"jane@example.com"}
    assert spellings(" ") == set()
    composed, apart = "jos\u00e9@example.com", "jose\u0301@example.com"
    assert spellings("JOSE\u0301@example.com") == {composed, apart}
    assert spellings("Groß@example.com") == {"groß@example.com", "gross@example.com"}
