"""Takes posts on loopback, for tests of whoever calls out: the webhooks of the stand-ins, and our own test calls."""

from __future__ import annotations

import http.server
import threading
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any


class PostServer(ABC):
    """Answers each post as a subclass says.

    Attributes:
        url: without a slash at the end. more_headers: of every answer.
    """

    more_headers: Mapping[str, str] = {}

    def __init__(self) -> None:
        taker = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status = taker.answer(self.path, {name.lower(): value for name, value in self.headers.items()}, body)
                if status is None:
                    return
                self.send_response(status)
                for name, value in taker.more_headers.items():
                    self.send_header(name, value)
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    @abstractmethod
    def answer(self, path: str, headers: Mapping[str, str], body: bytes) -> int | None:
        """Take a post, and return the status of its answer; None: the connection is closed without one.

        Args:
            headers: by their names in small letters.
        """

    def close(self) -> None:
        """Listen no more."""
        self._server.shutdown()
        self._server.server_close()
