"""Reduces what people type as a phone number to ten North American digits, and masks phones and e-mails for logs.

Both systems are matched through this one function (interface 7.3), so that a number means the same on both sides.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

# A text that needs more characters is not one number. It also bounds the work of the patterns below.
_LONGEST = 64

# The countries that share calling code 1, as in ISO 3166: alpha-2, alpha-3, numeric, and other names that people write.
# In names, word order, accents, punctuation and the words of `_EMPTY_WORDS` are ignored.
_MEMBERS = (
    ("US", "USA", "840", "United States", "United States of America", "America", "US of A", "Estados Unidos"),
    ("CA", "CAN", "124", "Canada"),
    ("AG", "ATG", "028", "Antigua and Barbuda", "Antigua", "Barbuda"),
    ("AI", "AIA", "660", "Anguilla"),
    ("AS", "ASM", "016", "American Samoa"),
    ("BB", "BRB", "052", "Barbados"),
    ("BM", "BMU", "060", "Bermuda"),
    ("BS", "BHS", "044", "Bahamas", "Commonwealth Bahamas"),
    ("DM", "DMA", "212", "Dominica", "Commonwealth Dominica"),
    ("DO", "DOM", "214", "Dominican Republic", "Dominican Rep", "República Dominicana"),
    ("GD", "GRD", "308", "Grenada"),
    ("GU", "GUM", "316", "Guam"),
    ("JM", "JAM", "388", "Jamaica"),
    ("KN", "KNA", "659", "Saint Kitts and Nevis", "Saint Christopher and Nevis", "Saint Kitts", "Nevis"),
    ("KY", "CYM", "136", "Cayman Islands"),
    ("LC", "LCA", "662", "Saint Lucia"),
    ("MP", "MNP", "580", "Northern Mariana Islands", "Northern Marianas", "Commonwealth Northern Mariana", "CNMI"),
    ("MS", "MSR", "500", "Montserrat"),
    ("PR", "PRI", "630", "Puerto Rico", "Commonwealth Puerto Rico", "Porto Rico"),
    ("SX", "SXM", "534", "Sint Maarten", "Sint Maarten Dutch part", "Saint Maarten"),
    ("TC", "TCA", "796", "Turks and Caicos Islands"),
    ("TT", "TTO", "780", "Trinidad and Tobago", "Trinidad", "Tobago"),
    ("VC", "VCT", "670", "Saint Vincent and the Grenadines", "Saint Vincent", "Grenadines"),
    ("VG", "VGB", "092", "British Virgin Islands", "BVI", "UK Virgin Islands"),
    (
        "VI", "VIR", "850",
        "US Virgin Islands", "United States Virgin Islands", "USA Virgin Islands", "Virgin Islands", "USVI",
    ),
)  # fmt: skip
_EMPTY_WORDS = frozenset({"THE", "OF", "AND", "ISLAND", "ISLANDS", "IS"})
# These are calling codes of other countries too (44 is the United Kingdom), and the field mostly holds calling codes.
_OTHERS_CALLING_CODES = frozenset({"044", "052", "060", "092", "212", "500", "670", "850"})
# `1` and an area code; N11 and N9X are not area codes.
_CODE_AND_AREA = re.compile(r"1(?:[2-9](?!11)[0-8][0-9])?")
_LONGEST_COUNTRY = 100
_WORD = re.compile(r"[^\W\d_]+")
_INITIAL_DOT = re.compile(r"\b([A-Z])\.")

# Address books paste numbers with typographic blanks, dashes and invisible direction marks. They are ignored.
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


def parse_nanp(number: str | None, country: str | int | None = None, extension: object = None) -> str | None:
    """Return the ten digits of a North American Numbering Plan number, or None where the number is not one.

    Args:
        number: as typed or as an API gives it: punctuation, `+1`, a leading 1 of eleven and an extension are dropped.
        country: what is given as its country: a calling code, `1` with an area code, or a country by name or ISO
            code, as text or number; empty means 1, and so does every member of the plan.
        extension: accepted so that a phone object can be passed whole, and never used.

    Only ASCII digits count: a number with any other digit or with letters inside is not a number, and never cut to one.
    """
    del extension
    if not isinstance(number, str) or len(number) > _LONGEST or not _is_nanp_country(country):
        return None
    if len(number) == 10 and _NATIONAL.fullmatch(number):  # the usual form; this function is called very often
        return number
    text = number.translate(_TYPOGRAPHY).strip()
    if text[:4].lower() == "tel:":
        text = text[4:]
    found = _NUMBER.fullmatch(_EXTENSION.sub("", text, count=1))
    if found is None:
        return None
    digits = _NOT_DIGIT.sub("", found["rest"])
    if found["plus"] and len(digits) != 11:  # a country code follows a plus: +7 075... is Russia, not Iowa
        return None
    national = _NATIONAL.fullmatch(digits)
    return national[1] if national else None


def mask_phone(text: str | None) -> str:
    """Return `***-***-0142`: the last four digits, or none where there are fewer than ten to hide them among."""
    digits = parse_nanp(text) or _NOT_DIGIT.sub("", text or "")
    return f"***-***-{digits[-4:]}" if len(digits) >= 10 else "***-***-****"


def mask_email(text: str | None) -> str:
    """Return `m***@e***.com`: first letters and the top-level domain; `***` where it is not an e-mail address."""
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
    if isinstance(country, float) and country.is_integer():
        country = int(country)
    if isinstance(country, int) and not isinstance(country, bool) and 0 < country < 10_000:  # greater is not a code
        country = str(country)
    return isinstance(country, str) and _reads_as_nanp(country)


@lru_cache(maxsize=1024)  # there are few countries, and each phone asks for one
def _reads_as_nanp(country: str) -> bool:
    """Return whether a country as written is empty or shares code 1; its words and its digits must both say so."""
    if len(country) > _LONGEST_COUNTRY:
        return False
    words, parts = _words(country), re.split(r"[,;/&]|and", country.translate(_TYPOGRAPHY))
    codes = [code for part in parts if (code := _NOT_DIGIT.sub("", part))]
    if not words and not codes:
        return not country.translate(_TYPOGRAPHY).strip()
    if any(not sign.isascii() and sign.isnumeric() for sign in country):
        return False
    return (not words or words in _NAMES) and all(_is_nanp_code(code) for code in codes)


def _is_nanp_code(digits: str) -> bool:
    code = digits[2:] if digits.startswith("001") else digits  # 00: how most of the world dials out
    return _CODE_AND_AREA.fullmatch(code) is not None or digits.zfill(3) in _NUMERIC


def _words(text: str) -> frozenset[str]:
    """Return the words of a country's name, without order: `Virgin Islands, U.S.` is `US Virgin Islands`."""
    plain = "".join(sign for sign in unicodedata.normalize("NFKD", text) if not unicodedata.combining(sign))
    found = _WORD.findall(_INITIAL_DOT.sub(r"\1", plain.upper()))
    return frozenset("SAINT" if word == "ST" else word for word in found if word not in _EMPTY_WORDS)


_NAMES = frozenset(_words(name) for member in _MEMBERS for name in member if not name.isdecimal())
_NUMERIC = frozenset(member[2] for member in _MEMBERS) - _OTHERS_CALLING_CODES
