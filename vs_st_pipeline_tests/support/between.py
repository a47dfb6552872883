"""A server between the pipeline and a stand-in, which hands everything on and lets a test change what is answered."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

_HOP_BY_HOP = {"connection", "content-length", "transfer-encoding", "date", "server", "keep-alive"}


@dataclass
class Told:
    """A request and its answer; a rule changes `status`, `body` and `headers`."""

    method: str
    path: str
    query: dict[str, str]
    sent: Any
    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @json.setter
    def json(self, value: Any) -> None:
        self.body = json.dumps(value).encode()

    def ends(self, *parts: str) -> bool:
        """Whether the path ends so."""
        return self.path.endswith("/".join(parts))

    def fails(self, status: int = 500) -> None:
        """Cloudflare's block (403), or an empty error."""
        self.status, self.body = status, b"<html>blocked</html>" if status == 403 else b""
        if status == 403:
            self.headers |= {"Content-Type": "text/html", "cf-ray": "8f00ba55ed00cafe-SJC"}


Rule = Callable[[Told], object]


class Between:
    """`before` rules see a request before it is handed on, and keep it from there where they set a status."""

    def __init__(self, target: str) -> None:
        self.rules: list[Rule] = []
        self.before: list[Rule] = []
        self.date: str | None = None
        netloc, between = urlsplit(target).netloc, self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, format: str, *args: Any) -> None:
                pass

            def _answer(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                payload = self.rfile.read(length) if length else None
                url = urlsplit(self.path)
                query = dict(parse_qsl(url.query))
                told = Told(self.command, url.path, query, json.loads(payload) if payload else None, 0, b"")
                for rule in between.before:
                    rule(told)
                if not told.status:
                    connection = http.client.HTTPConnection(netloc, timeout=30)
                    connection.request(self.command, self.path, payload, dict(self.headers))
                    response = connection.getresponse()
                    told.status, told.body = response.status, response.read()
                    told.headers = {k: v for k, v in response.getheaders() if k.lower() not in _HOP_BY_HOP}
                    connection.close()
                    for rule in between.rules:
                        rule(told)
                self.send_response_only(told.status)
                date = between.date if between.date is not None else self.date_time_string()
                for name, value in {"Date": date, **told.headers, "Content-Length": str(len(told.body))}.items():
                    if value:
                        self.send_header(name, value)
                self.end_headers()
                self.wfile.write(told.body)

            do_GET = do_POST = do_PUT = do_DELETE = _answer  # noqa: N815 (names of the standard library)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()


@contextmanager
def between(target: str) -> Iterator[Between]:
    """One, until the block ends."""
    server = Between(target)
    try:
        yield server
    finally:
        server.server.shutdown()
        server.server.server_close()
