"""A toy system over a real socket: parcels to read, messages to send, and every way of answering badly.

Its own books say what it has taken, whatever it answered.
"""

from __future__ import annotations

import json
import socket
import struct
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

Record = dict[str, Any]


@dataclass
class Message:
    """A message that was taken."""

    key: str
    body: str
    route: str


@dataclass
class Shop:
    """The system: a context manager; `url` is where it listens.

    Attributes:
        parcels: by id; `journey` is what has become of each so far.
        messages: taken, in order.
        faults: each is used up by the next `count` requests of its method and path; `kind` is one of `reset_before`,
            `reset_after`, `500_before`, `500_after`, `429`, `400`, `401`, `hollow` (taken, and 200 with nothing in it).
        shown_after: reads of a key that do not show its message yet.
        asked: method and path of every request.
    """

    parcels: dict[str, Record] = field(default_factory=dict)
    messages: list[Message] = field(default_factory=list)
    faults: list[Record] = field(default_factory=list)
    shown_after: int = 0
    asked: list[str] = field(default_factory=list)
    url: str = ""
    _reads: dict[str, int] = field(default_factory=dict)
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def __enter__(self) -> Shop:
        shop = self

        class Handler(_Handler):
            pass

        Handler.shop = shop
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=[0.02], daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def reset(self) -> None:
        """Be as at the start."""
        self.parcels.clear()
        self.messages.clear()
        self.faults.clear()
        self.asked.clear()
        self._reads.clear()
        self.shown_after = 0

    def taken(self) -> tuple[list[Message], dict[str, Record], list[Record]]:
        """What it has taken, shows and does wrong, to be put back."""
        return list(self.messages), dict(self.parcels), [dict(fault) for fault in self.faults]

    def put_back(self, taken: tuple[list[Message], dict[str, Record], list[Record]]) -> None:
        """Be as at that time."""
        self.reset()
        messages, parcels, faults = taken
        self.messages.extend(messages)
        self.parcels.update(parcels)
        self.faults.extend(dict(fault) for fault in faults)

    def parcel(self, parcel: str, *journey: str, phone: str = "7075550100", **more: Any) -> None:
        """Have a parcel go so far."""
        self.parcels[parcel] = {"id": parcel, "journey": list(journey), "phone": phone, **more}

    def keys(self, route: str | None = None) -> list[str]:
        """The keys of what was taken, in order."""
        return [message.key for message in self.messages if route in (None, message.route)]

    def texts(self, route: str | None = None) -> list[str]:
        """The texts of what was taken, in order."""
        return [json.loads(message.body)["text"] for message in self.messages if route in (None, message.route)]

    def fault(self, kind: str, method: str = "POST", path: str = "/messages", *, count: int = 1) -> None:
        """Answer badly."""
        self.faults.append({"kind": kind, "method": method, "path": path, "count": count})

    def fault_of(self, method: str, path: str) -> str | None:
        """The fault of this request, which is used up by it."""
        with self._guard:
            self.asked.append(f"{method} {path}")
            for fault in self.faults:
                if fault["count"] and fault["method"] == method and path.startswith(fault["path"]):
                    fault["count"] -= 1
                    return str(fault["kind"])
        return None

    def take(self, message: Message) -> None:
        """Take a message."""
        with self._guard:
            self.messages.append(message)

    def shown(self, key: str) -> list[Message]:
        """The messages of a key, if they show by now."""
        with self._guard:
            self._reads[key] = self._reads.get(key, 0) + 1
            if self._reads[key] <= self.shown_after:
                return []
            return [message for message in self.messages if message.key == key]


class _Handler(BaseHTTPRequestHandler):
    shop: Shop
    protocol_version = "HTTP/1.1"
    wbufsize = 2**16  # headers and body in one packet

    def log_message(self, *_: object) -> None:
        return

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        fault = self.shop.fault_of("GET", parts.path)
        if self._spoilt(fault):
            return
        if parts.path == "/parcels":
            self._answer(200, {"parcels": list(self.shop.parcels)})
        elif parts.path.startswith("/parcels/"):
            found = self.shop.parcels.get(parts.path.rpartition("/")[2])
            self._answer(200, {} if fault == "hollow" else found) if found else self._answer(404, {"code": "NOT_FOUND"})
        else:
            key = parse_qs(parts.query)["key"][0]
            self._answer(200, {"messages": [message.key for message in self.shop.shown(key)]})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        fault = self.shop.fault_of("POST", urlsplit(self.path).path)
        if self._spoilt(fault):
            return
        message = Message(self.headers["Idempotency-Key"], body, self.headers["X-Route"])
        self.shop.take(message)
        if fault == "reset_after":
            self._reset()
        elif fault == "500_after":
            self._answer(500, {})
        else:
            self._answer(200, {} if fault == "hollow" else {"message_id": f"m{len(self.shop.messages)}"})

    def _spoilt(self, fault: str | None) -> bool:
        """Answer by a fault for which nothing is taken."""
        if fault == "reset_before":
            self._reset()
        elif fault in ("400", "401", "429", "500_before"):
            self._answer(int(fault[:3]), {"code": f"CODE_{fault[:3]}"})
        else:
            return False
        return True

    def _reset(self) -> None:
        self.close_connection = True
        with suppress(OSError):
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()

    def _answer(self, status: int, value: Record) -> None:
        data = json.dumps(value).encode()
        with suppress(OSError):  # who asked may have been killed
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)
