"""Reads a phone as a source writes it: whether WhatsApp may be tried there, and how it is shown (notices.md 5.7).

Data flow: a phone as written, the country of its address -> `Phone`. Pure: no clock, no file, no network.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumberType

from vs_st_pipeline.connectors.gupshup.variables import is_missing
from vs_st_pipeline.routes.notices.settings import NoticesSettings
from vs_st_pipeline.routes.notices.words import Wait
from vs_st_pipeline.routes.notices.zones import country_code

MADE_UP: Final = frozenset({"1234567890", "0123456789", "9876543210"})
"""What people and forms write who have no number to give."""

MOBILE: Final = frozenset({PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE})
_DIGITS = re.compile(r"\D")
_WRITTEN = re.compile(r"[0-9 +().\-/\t\r\n]*")
_HIDDEN = "•"


@dataclass(frozen=True, slots=True)
class Phone:
    """A phone as it was read.

    Attributes:
        number: E.164; None where it is none that may be written.
        fault: why; None where it may.
    """

    number: str | None
    fault: Wait | None


def read(raw: str | None, country: str | None, settings: NoticesSettings) -> Phone:
    """Return a phone as E.164, or the first fault that it has.

    Args:
        country: of the address, as ISO 3166 writes it or by its name; it says what a number without `+` means.
        settings: whose phones may be written, and the country of addresses that name none.
    """
    if raw is None or is_missing(raw):
        return Phone(None, Wait.PHONE_MISSING)
    written = _plain(raw)
    region = country_code(country) or country_code(settings.default_country)
    if written is None:
        return Phone(None, Wait.PHONE_INVALID)
    try:
        number = phonenumbers.parse(written, region)
    except NumberParseException:
        return Phone(None, Wait.PHONE_INVALID)
    national = phonenumbers.national_significant_number(number)
    if len(set(national)) == 1 or MADE_UP & {national, _DIGITS.sub("", written)} or number.extension:
        return Phone(None, Wait.PHONE_INVALID)
    kind = phonenumbers.number_type(number)  # of a number that is not valid it is unknown: no need to ask for both
    if kind == PhoneNumberType.UNKNOWN:
        return Phone(None, Wait.PHONE_INVALID)
    if kind not in MOBILE:
        return Phone(None, Wait.PHONE_NOT_MOBILE)
    if phonenumbers.region_code_for_number(number) not in _regions(tuple(settings.countries)):
        return Phone(None, Wait.COUNTRY_NOT_ALLOWED)
    return Phone(f"+{number.country_code}{national}", None)  # E.164


@lru_cache(maxsize=1024)
def _regions(countries: tuple[str, ...]) -> frozenset[str | None]:
    return frozenset(map(country_code, countries))


def _plain(raw: str) -> str | None:
    """Return a phone without invisible marks; None where anything stands there that no phone is written with.

    A letter or a `*` is a mask or a word; so is any other sign, and what is guessed from it could be somebody else.
    """
    if raw.isascii():
        return raw if _WRITTEN.fullmatch(raw) else None
    kept = []
    for sign in raw:
        kind = unicodedata.category(sign)
        if kind == "Cf":  # direction marks come along when a number is copied from a page
            continue
        if not (kind in ("Nd", "Zs", "Pd") or sign in "+＋.()/\t\r\n"):
            return None
        kept.append(sign)
    return "".join(kept)


def masked(phone: str) -> str:
    """Return an E.164 number with all but the last three digits of its national part hidden: `+91 •••••••210`."""
    try:
        number = phonenumbers.parse(phone, None)
    except NumberParseException:
        return _HIDDEN * 7 + phone[-3:]
    national = phonenumbers.national_significant_number(number)
    return f"+{number.country_code} {_HIDDEN * (len(national) - 3)}{national[-3:]}"
