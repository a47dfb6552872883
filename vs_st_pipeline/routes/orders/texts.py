"""Writes texts as they are sent: without outer blanks and control characters, else as they are (orders.md 5.1)."""

from __future__ import annotations

import re
from typing import Final

_PLAIN: Final = re.compile(r"[A-Za-z0-9 _.&/+-]{1,40}", re.ASCII)
_BREAKS: Final = re.compile("\r\n|[\t\n\x0b\x0c\r\x85\u2028\u2029]")  # a tab parts words as a line break does
_BLANKS: Final = " \t\xa0\xad\u200b\u200c\u200d\u2060\ufeff"  # at the ends, where nobody sees them
_CONTROLS: Final = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")  # and halves of characters that no JSON can hold


def clean(text: str | None) -> str | None:
    """Return a text without control characters, a line break as a blank; None where nothing is left."""
    if text is None:
        return None
    if not text.isprintable():
        text = _CONTROLS.sub("", _BREAKS.sub(" ", text))
    return text.strip().strip(_BLANKS).strip() or None


def plain(text: str | None) -> str | None:
    """Return a word of the shop as it may be shown to anybody; `...` where it looks like no word but like a text."""
    found = clean(text)
    return found if found is None or _PLAIN.fullmatch(found) else "..."


def word(text: str | None) -> str:
    """Return a text as it is compared with a word of the shop: in any case, without outer blanks."""
    return " ".join((text or "").split()).casefold()
