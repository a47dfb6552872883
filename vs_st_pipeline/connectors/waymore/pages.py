"""Tells web pages from answers: a log-in, a block page of what stands in front of WayMore, any other page."""

from __future__ import annotations

import re
from typing import Final

from vs_st_pipeline.platform.http.client import Heard

_PASSWORD_FIELD: Final = re.compile(rb"""<input\b[^>]*\btype\s*=\s*["']?\s*password""", re.IGNORECASE)
_LOGIN_PLACE: Final = re.compile(
    r"log[-_]?in(?![a-z])|sign[-_]?in(?!g)|(?<![a-z])sso(?![a-z])|o?auth(?!or)", re.IGNORECASE
)
_CLOUDFLARE_TEXT: Final = re.compile(rb"\s*error code: 1\d{3}\b")


def is_page(heard: Heard) -> bool:
    """Say whether an answer is a web page."""
    is_html = "text/html" in heard.headers.get("Content-Type", "").lower()
    return bool(heard.body) and (is_html or heard.body.lstrip()[:1] == b"<")


def is_login(heard: Heard) -> bool:
    """Say whether an answer is a log-in page, or sends us to one."""
    if 300 <= heard.status < 400:
        return bool(_LOGIN_PLACE.search(heard.headers.get("Location", "").split("?")[0]))
    return is_page(heard) and bool(_PASSWORD_FIELD.search(heard.body))


def is_blocked(heard: Heard) -> bool:
    """Say whether Cloudflare has answered in place of WayMore: nothing was taken."""
    through = "cf-ray" in heard.headers or heard.headers.get("Server", "").lower().startswith("cloudflare")
    return through and (is_page(heard) or bool(heard.status == 403 and _CLOUDFLARE_TEXT.match(heard.body)))
