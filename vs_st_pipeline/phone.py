"""Reduces what people type as a phone number to ten North American digits, and masks phones and e-mails for logs.

Both systems are matched through this one function (interface 7.3), so that a number means the same on both sides.
"""

from __future__ import annotations

import re

# A number that needs more than this is not one number. It also bounds the work of the patterns below.
_LONGEST = 64

_NANP_COUNTRIES = frozenset({"", "1", "+1", "001", "US", "USA", "CA", "CAN", "UNITED STATES", "CANADA"})

# Address books paste numbers with typographic blanks, dashes and invisible direction marks. They mean nothing.
_TYPOGRAPHY = (
    dict.fromkeys((0x00A0, *range(0x2000, 0x200B), 0x202F, 0x3000), " ")
    | dict.fromkeys((*range(0x2010, 0x2016), 0x2212), "-")
    | dict.fromkeys((0x200B, *range(0x200C, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x206A), 0xFEFF), "")
)

# ASCII: without it `\s` and the case rules would let other alphabets in (a long s for an s).
_EXTENSION = re.compile(
    r"[\s,;]*(?:(?:extension|extn|ext|x)[\s.:=#]*|#\s*)[0-9]{0,10}[\s.]*$", re.IGNORECASE | re.ASCII
)
_NUMBER = re.compile(r"(?P<plus>[\s(]*\+)?(?P<rest>[0-9\s().\-/]*)", re.ASCII)
_NOT_DIGIT = re.compile(r"[^0-9]")
_NATIONAL = re.compile(r"1?([2-9][0-9]{2}[2-9][0-9]{6})")


def nanp(number: str | None, country: str | int | None = None, extension: object = None) -> str | None:
    """Ten digits of the North American Numbering Plan, or None where the number is not one.

    Args:
        number: as typed or as an API says it: punctuation, `+1`, a leading 1 of eleven and an extension are dropped.
        country: Vinoshipper's `country` of a phone: a calling code or a country, text or number; empty means 1.
        extension: Vinoshipper's `extension`; taken so that a phone object can be passed whole, and never used.

    Only ASCII digits count: a number with any other digit or with letters inside is no number, not a shorter one.
    """
    del extension
    if not isinstance(number, str) or len(number) > _LONGEST or not _is_nanp_country(country):
        return None
    if len(number) == 10 and _NATIONAL.fullmatch(number):  # as most are kept, and they are looked at often
        return number
    text = number.translate(_TYPOGRAPHY).strip()
    if text[:4].lower() == "tel:":
        text = text[4:]
    found = _NUMBER.fullmatch(_EXTENSION.sub("", text, count=1))
    if found is None:
        return None
    digits = _NOT_DIGIT.sub("", found["rest"])
    if found["plus"] and len(digits) != 11:  # after a plus stands a country code: +7 075... is Russia, not Iowa
        return None
    national = _NATIONAL.fullmatch(digits)
    return national[1] if national else None


def mask_phone(text: str | None) -> str:
    """`***-***-0142`: the last four digits, or none of them where there are fewer than ten to hide them among."""
    digits = nanp(text) or _NOT_DIGIT.sub("", text or "")
    return f"***-***-{digits[-4:]}" if len(digits) >= 10 else "***-***-****"


def mask_email(text: str | None) -> str:
    """`m***@e***.com`: first letters and the top-level domain; `***` where it is no e-mail."""
    local, at, domain = (text or "").strip().rpartition("@")
    if not at or not local or not domain:
        return "***"
    host, dot, top = domain.rpartition(".")
    # A long or odd last label may be a person's or a company's name, so it is hidden like the rest.
    ending = f".{top}" if dot and top.isascii() and top.isalpha() and len(top) <= 6 else ""
    return f"{_initial(local)}***@{_initial(host or domain)}***{ending}"


def _initial(word: str) -> str:
    return word[0] if word[0].isalnum() else "*"


def _is_nanp_country(country: object) -> bool:
    if country is None:
        return True
    if isinstance(country, str):
        return country.strip().upper() in _NANP_COUNTRIES
    return isinstance(country, int) and not isinstance(country, bool) and country == 1
