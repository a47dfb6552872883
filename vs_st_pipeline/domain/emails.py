"""Says which e-mail address a text is: what one person is known by, whatever letters and blanks it was written with.

Data flow: a text of an answer -> (address as written, key, whether it can be used).
"""

from __future__ import annotations

import unicodedata
from hashlib import sha256
from typing import Literal, TypeAlias

LONGEST = 254  # characters of an address

EmailState: TypeAlias = Literal["ok", "no_email", "bad_email"]


def email_key(text: str) -> str:
    """Return what an address is known by: trimmed, NFC, lower case. Tags and dots stay: they may be somebody else's."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text.strip()).lower())


def spellings(text: str) -> set[str]:
    """Return the forms in which an address may have been hashed: in small or folded letters, composed or as it came."""
    key, plain = email_key(text), text.strip()
    return {one for one in (key, key.casefold(), plain.casefold(), plain.lower()) if one}


def is_usable(text: str) -> bool:
    """Say whether a text can be an address: one @, text before it, a dot in the domain, no blanks or controls."""
    text = text.strip()
    name, at, domain = text.partition("@")
    if not (at and name and "." in domain and "@" not in domain and len(text) <= LONGEST):
        return False
    if text.isascii() and text.isprintable():
        return " " not in text
    return not any(sign.isspace() or unicodedata.category(sign) == "Cc" for sign in text)


def read_email(value: object) -> tuple[str | None, str | None, EmailState]:
    """Return an answer's address as it is written (trimmed), its key, and whether it can be used; else None twice."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return None, None, "no_email"
    if not isinstance(value, str):
        return None, None, "bad_email"
    written = unicodedata.normalize("NFC", value.strip())
    key = email_key(written)
    if not is_usable(written) or len(key) > LONGEST:
        return None, None, "bad_email"
    return written, key, "ok"


def person_key(key: str) -> str:
    """Return a name for the person behind an address key that says nothing of it: `sp_` and 40 hex digits."""
    return f"sp_{sha256(key.encode()).hexdigest()[:40]}"
