"""Posts SoPost's webhooks: to whom, in which disorder, signed or not, tried again or not; keeps a log of every try."""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import queue
import secrets
import select
import threading
import time
from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import urlsplit

from vs_st_pipeline.sandbox.core.asgi import Record, dumps

MOST_TRIES = 3
SIGNATURE_HEADER, TIMESTAMP_HEADER, FIXED_HEADER = "X-Signature", "X-Timestamp", "X-SoPost-Key"


class Call(NamedTuple):
    """One post to one URL."""

    merchant: str
    url: str
    body: Record
    headers: Callable[[bytes], dict[str, str]]
    retry: str


def headers_of(switches: Record, secret: str, fixed: str) -> Callable[[bytes], dict[str, str]]:
    """Return what makes the headers of a body: its signature, and the one that never changes."""
    encoding, form = switches["signature"], switches["signature_form"]

    def made(body: bytes) -> dict[str, str]:
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if switches["webhook_header"] == "fixed":
            headers[FIXED_HEADER] = fixed
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


class Poster:
    """Posts calls one after the other on a thread of its own, over connections that are kept."""

    def __init__(self) -> None:
        self.log: list[Record] = []
        self._calls: queue.SimpleQueue[Call | None] = queue.SimpleQueue()
        self._kept: dict[str, http.client.HTTPConnection] = {}
        self._thread: threading.Thread | None = None
        self._closed = False

    def put(self, calls: list[Call]) -> None:
        """Take calls to be posted; return at once."""
        if calls and self._thread is None:
            self._thread = threading.Thread(target=self._work, daemon=True)
            self._thread.start()
        for call in calls:
            self._calls.put(call)

    def close(self) -> None:
        """Post nothing more."""
        self._closed = True
        if self._thread is not None:
            self._calls.put(None)

    def _work(self) -> None:
        while (call := self._calls.get()) is not None and not self._closed:
            self._deliver(call)
        for connection in self._kept.values():
            connection.close()

    def _deliver(self, call: Call) -> None:
        body = call.body
        for attempt in range(1, MOST_TRIES + 1):
            status = self._post(call.url, dumps(body), call.headers)
            entry = {"url": call.url, "body": body, "status": status, "attempt": attempt, "at": time.time()}
            self.log.append({"merchant": call.merchant, **entry})
            again = status == 0 if call.retry == "on_timeout" else not 200 <= status < 300
            if call.retry == "none" or not again or self._closed:
                return
            if call.retry == "new_event_id" and "event_id" in body:
                body = {**body, "event_id": secrets.token_hex(20)}

    def _post(self, url: str, body: bytes, headers: Callable[[bytes], dict[str, str]]) -> int:
        """Return the status; 0 where no server answered."""
        place = urlsplit(url)
        kind = http.client.HTTPSConnection if place.scheme == "https" else http.client.HTTPConnection
        connection = self._kept.get(place.netloc)
        if connection is None or _was_closed(connection):
            connection = self._kept[place.netloc] = kind(place.netloc, timeout=10)
        try:
            connection.request("POST", place.path, body, headers(body))
            response = connection.getresponse()
            response.read()
            return int(response.status)
        except (OSError, http.client.HTTPException):
            connection.close()
            del self._kept[place.netloc]
            return 0


def _was_closed(connection: http.client.HTTPConnection) -> bool:
    """Say whether the other side closed a kept connection, so that no post is lost on it, nor sent twice."""
    if connection.sock is None or select.select([connection.sock], [], [], 0)[0]:
        connection.close()
        return True
    return False
