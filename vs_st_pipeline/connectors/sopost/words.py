"""Compares words as SoPost and people write them: in any case, and with any blanks."""

from __future__ import annotations


def loosely(text: str) -> str:
    """Return a text trimmed, casefolded, and with runs of blanks as one: two texts that mean the same are equal."""
    return " ".join(text.split()).casefold()
