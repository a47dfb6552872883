"""Tells web pages from answers: any page, a log-in, what Cloudflare says in place of the system behind it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

_PASSWORD_FIELD: Final = re.compile(rb"""<input\b[^>]*\btype\s*=\s*["']?\s*password""", re.IGNORECASE)
_LOGIN_PLACE: Final = re.compile(
    r"login|(?<![a-z])(log[-_]in(?![a-z])|sign[-_]?in(?!g)|sso(?![a-z])|o?auth(?!or))", re.IGNORECASE
)
_CLOUDFLARE_TEXT: Final = re.compile(rb"\s*error code: 1\d{3}\b")  # its block page for clients that do not ask for HTML


def is_page(headers: Mapping[str, str], body: bytes) -> bool:
    """Say whether an answer is a web page."""
    return bool(body) and ("text/html" in headers.get("Content-Type", "").lower() or body.lstrip()[:1] == b"<")


def asks_for_password(body: bytes) -> bool:
    """Say whether a page has a field for a password: it is a log-in."""
    return bool(_PASSWORD_FIELD.search(body))


def is_login_place(location: str) -> bool:
    """Say whether a redirect leads to a log-in."""
    return bool(_LOGIN_PLACE.search(location))


def is_through_cloudflare(headers: Mapping[str, str]) -> bool:
    """Say whether an answer came through Cloudflare, or from it."""
    return "cf-ray" in headers or headers.get("Server", "").lower().startswith("cloudflare")


def is_cloudflares_text(status: int, body: bytes) -> bool:
    """Say whether an answer is Cloudflare's own refusal in plain text."""
    return status == 403 and bool(_CLOUDFLARE_TEXT.match(body))
