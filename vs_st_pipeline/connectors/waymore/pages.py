"""Says of an answer of WayMore whether it is a page, a log-in, or Cloudflare's instead."""

from __future__ import annotations

from vs_st_pipeline.domain.codec import try_json
from vs_st_pipeline.platform.http import pages
from vs_st_pipeline.platform.http.client import Heard


def is_page(heard: Heard) -> bool:
    """Say whether an answer is a web page. JSON is none, whatever its header calls it: PHP calls it HTML by itself."""
    return pages.is_page(heard.headers, heard.body) and not isinstance(try_json(heard.body), dict | list)


def is_login(heard: Heard) -> bool:
    """Say whether an answer is a log-in page, or sends us to one."""
    if 300 <= heard.status < 400:
        return pages.is_login_place(heard.headers.get("Location", "").split("?")[0])
    return is_page(heard) and pages.asks_for_password(heard.body)


def is_blocked(heard: Heard) -> bool:
    """Say whether Cloudflare has answered in place of WayMore: nothing was taken."""
    instead = is_page(heard) or pages.is_cloudflares_text(heard.status, heard.body)
    return pages.is_through_cloudflare(heard.headers) and instead
