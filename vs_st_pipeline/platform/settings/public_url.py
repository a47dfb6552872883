"""Reads where the world reaches the receiver of webhooks: `VS_ST_PUBLIC_URL`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit, urlunsplit

from vs_st_pipeline.domain.errors import BadSettings
from vs_st_pipeline.platform.settings.forms import url_fault

PUBLIC_URL: Final = "VS_ST_PUBLIC_URL"
_PORTS: Final = {"https": 443, "http": 80}


def public_url(environ: Mapping[str, str]) -> str | None:
    """Return the origin, and if any the path, under which the world reaches the receiver; None where it is not set.

    Raises:
        BadSettings: it is no https:// URL (http:// for loopback only), or has a query, a user, or a `/` at the end.
    """
    written = environ.get(PUBLIC_URL, "").strip()
    return read_public_url(written, PUBLIC_URL) if written else None


def read_public_url(written: str, name: str) -> str:
    """Return the same of what was written somewhere else, such as behind an option, which messages call `name`.

    Raises:
        BadSettings: as `public_url`. The message does not repeat it.
    """
    if (fault := url_fault(written)) is not None:
        raise BadSettings(f"{name}: {fault.replace('a base URL', 'it')}")
    if written.endswith("/"):
        raise BadSettings(f"{name}: it ends with a /; take that away")
    return written


def normalized(url: str) -> str:
    """Return a URL in a form that is the same for all URLs that mean the same: case and default port do not count.

    What is no URL is returned as it is.
    """
    try:
        parts = urlsplit(url.strip())
        scheme, port = parts.scheme.lower(), parts.port
        host = (parts.hostname or "").rstrip(".")
    except ValueError:
        return url
    host = f"[{host}]" if ":" in host else host
    place = host if port in (None, _PORTS.get(scheme)) else f"{host}:{port}"
    user = f"{parts.netloc.rpartition('@')[0]}@" if "@" in parts.netloc else ""
    return urlunsplit((scheme, user + place, parts.path, parts.query, ""))
