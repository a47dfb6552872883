"""Makes the headers of SoPost's webhook calls: signed in one way or another, and one whose value never changes."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from collections.abc import Callable

from vs_st_pipeline.sandbox.core.asgi import Record

SIGNATURE_HEADER, TIMESTAMP_HEADER, FIXED_HEADER = "X-Signature", "X-Timestamp", "X-SoPost-Key"


def headers_of(switches: Record, secret: str, fixed: str) -> Callable[[bytes], dict[str, str]]:
    """Return what makes the headers of a body."""
    encoding, form = switches["signature"], switches["signature_form"]

    def made(body: bytes) -> dict[str, str]:
        headers = {FIXED_HEADER: fixed} if switches["webhook_header"] == "fixed" else {}
        if encoding == "none":
            return headers
        stamp = str(int(time.time()))
        signed = stamp.encode() + b"." + body if form == "timestamped" else body
        digest = hmac.new(secret.encode(), signed, hashlib.sha256).digest()
        text = digest.hex() if encoding == "hex" else base64.b64encode(digest).decode()
        headers[SIGNATURE_HEADER] = f"sha256={text}" if form == "prefixed" else text
        if form == "timestamped":
            headers[TIMESTAMP_HEADER] = stamp
        return headers

    return made
