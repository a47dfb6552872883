"""Sends posts as a site does: event JSON to a hook's URL, signed where the shop has a key for it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import time
from typing import Any
from urllib.parse import urlsplit

from vs_st_pipeline.sandbox.core.asgi import Record, dumps
from vs_st_pipeline.sandbox.core.sender import readable

AN_HOUR = 3600


def send(posts: list[Record], hook: Record, style: str, *, apart: bool) -> list[Record]:
    """Send posts, in one call or each in a call of its own; return status and answer of each call.

    Args:
        hook: `url`, and of the signature `secret`, `header`, `timestamp_header`, `prefix`, `encoding`.
        style: a value of the switch `post_style`.
    """
    if style == "reordered":
        posts = posts[::-1]
    bodies = [dumps(one) for one in posts] if apart or len(posts) == 1 else [dumps(posts)]
    times = 2 if style == "duplicated" else 1
    return [_call(str(hook["url"]), body, _headers(body, hook, style)) for body in bodies for _ in range(times)]


def _headers(body: bytes, hook: Record, style: str) -> dict[str, str]:
    found = {"Content-Type": "application/json", "Connection": "close"}
    secret = hook.get("secret")
    if not secret or style == "unsigned":
        return found
    signed, at = body, str(int(time.time()) - (AN_HOUR if style == "replayed" else 0))
    if hook.get("timestamp_header"):
        found[str(hook["timestamp_header"])] = at
        signed = f"{at}.".encode() + body
    digest = hmac.new(str(secret).encode(), signed, hashlib.sha256).digest()
    text = base64.b64encode(digest).decode() if hook.get("encoding") == "base64" else digest.hex()
    return {**found, str(hook.get("header") or "X-Shop-Signature"): str(hook.get("prefix") or "") + text}


def _call(url: str, body: bytes, headers: dict[str, str]) -> Record:
    place = urlsplit(url)
    kind: Any = http.client.HTTPSConnection if place.scheme == "https" else http.client.HTTPConnection
    connection = kind(place.netloc, timeout=10)
    try:
        connection.request("POST", place.path or "/", body, headers)
        response = connection.getresponse()
        return {"status": response.status, "answer": readable(response.read())}
    except (OSError, http.client.HTTPException) as error:
        return {"status": 0, "answer": type(error).__name__}
    finally:
        connection.close()
