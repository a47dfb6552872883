"""Reads texts that people and programs write in several ways: how they are compared, and what no field takes."""

from __future__ import annotations

import re
import unicodedata

_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")  # all of Unicode's category Cc but tab and newline


def loosely(text: str) -> str:
    """Return a text as it is compared loosely: trimmed, casefolded, runs of blanks as one."""
    return " ".join(text.split()).casefold()


def clean(text: str) -> str:
    """Return a text in NFC, without control characters but newline and tab."""
    if text.isascii() and text.isprintable():
        return text
    return unicodedata.normalize("NFC", _CONTROLS.sub("", text))
