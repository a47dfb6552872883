"""Understands Vinoshipper's webhooks: which order, customer or membership a call names (webhooks-onboarding.md H16).

What a call says besides is not believed, and its URLs are never opened: of `hrefV3` the path alone counts, where it
names a record.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from vs_st_pipeline.connectors.vinoshipper.registering import BY_HAND, VinoshipperRegistrar
from vs_st_pipeline.domain.hints import CUSTOMER, MEMBERSHIP, NOTHING, ORDER, Call
from vs_st_pipeline.platform.hooks import Hooks, calls_in, text_of, word_of

_KINDS: Final = {"ORDER": ORDER, "CUSTOMER": CUSTOMER, "CLUB_MEMBERSHIP": MEMBERSHIP}
_NO_RECORD: Final = frozenset({"PRODUCT", "CART"})
_NUMBER = re.compile(r"[0-9]{1,19}")
_LONGEST_PATH = 500
_PATHS: Final = (
    (MEMBERSHIP, re.compile(r"/customers/[0-9]{1,19}/memberships/([0-9]{1,19})/?$")),
    (CUSTOMER, re.compile(r"/customers/([0-9]{1,19})/?$")),
    (ORDER, re.compile(r"/orders/([^/]+)/?$")),
)


def read(body: bytes) -> Sequence[Call]:
    """Return the calls of a body; never raises."""
    return calls_in(body, _understand)


def _understand(said: Mapping[str, Any]) -> Call | None:
    subject, event, path = word_of(_at(said, "subject")), word_of(_at(said, "event")), _path(_at(said, "hrefV3"))
    identifier = text_of(_at(said, "identifier"))
    kept = {"identifier": identifier, "subject": subject, "event": event, "hrefV3": path}
    kept = {key: value for key, value in kept.items() if value is not None}
    name = (subject or "").strip().upper()
    if name in _NO_RECORD:
        return Call(NOTHING, event=event, kept=kept)
    if name in _KINDS and (record := _record(_KINDS[name], identifier)) is not None:
        return Call(_KINDS[name], record, event=event, kept=kept)
    shown = _named_by(path)
    if shown is not None and _KINDS.get(name, shown[0]) == shown[0]:
        # Without a subject the path says of what the identifier is, and without an identifier which one it is.
        kind, in_path = shown
        return Call(kind, (_record(kind, identifier) if not name else None) or in_path, event=event, kept=kept)
    # A subject that is none of these, and no path: there is nothing of ours that could be read.
    return Call(NOTHING, event=event, kept=kept) if name and name not in _KINDS else None


def _at(said: Mapping[str, Any], key: str) -> Any:
    """Return what stands under a key, which the vendor's own page once prints with a colon inside the quotes."""
    return said[key] if key in said else said.get(f"{key}:")


def _record(kind: str, identifier: str | None) -> str | None:
    if identifier is None:
        return None
    if kind == ORDER:
        return identifier if identifier.strip(".") else None
    return identifier if _NUMBER.fullmatch(identifier) else None


def _path(href: Any) -> str | None:
    if not isinstance(href, str):
        return None
    try:
        return text_of(urlsplit(href).path, _LONGEST_PATH)
    except ValueError:
        return None


def _named_by(path: str | None) -> tuple[str, str] | None:
    """Return the record that a path ends with: its kind and id."""
    for kind, form in _PATHS:
        if path is not None and (found := form.search(path)) is not None:
            record = _record(kind, text_of(unquote(found[1])))
            return None if record is None else (kind, record)
    return None


HOOKS = Hooks(read, frozenset({ORDER, CUSTOMER, MEMBERSHIP}), registrar=VinoshipperRegistrar, by_hand=BY_HAND)
