"""Serves the application with uvicorn, which says nothing of itself, and closes connections that only take up room.

What is not HTTP is answered 400 without a word. A connection that has not sent its request's head after 10 seconds, or
goes on with a body that nobody reads, is closed. At the end a connection that is quiet may still have a call on its
way, so it is closed a moment later, and every answer till then says that it is the last one.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any, Final, cast

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from vs_st_pipeline.operations.receiver.app import Receiver

GRACE_SECONDS: Final = 5
LINGER_SECONDS: Final = 0.5
HEAD_SECONDS: Final = 10.0
UNREAD_SECONDS: Final = 15.0
QUIET_SECONDS: Final = 75  # longer than a proxy keeps a connection that it does not use
MOST_IN_HEAD: Final = 65_536
MOST_IN_CALL: Final = 4 * 1024 * 1024
MOST_HEADERS: Final = 200
# The parser knows some methods alone, and refuses a request of any other; by the table it has a 404 or a 405 (H3, H4).
_METHODS: Final = frozenset({b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"CONNECT", b"OPTIONS", b"TRACE", b"PATCH"})
_METHOD: Final = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]{1,40}) (?=[^ \r\n]+ HTTP/1\.[01]\r\n)")
_ANY_OTHER: Final = b"PATCH"
_BAD_REQUEST: Final = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class Protocol(HttpToolsProtocol):
    """One connection.

    Attributes:
        most_connections: of this process; for one more the one that has been quiet for longest is closed, or itself.
    """

    most_connections = 4096
    _heard = 0.0
    _head_since: float | None = None
    _body_since: float | None = None
    _bytes = 0
    _begins = True  # what comes next is the first line of a request

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        if len(self.connections) >= self.most_connections and not self._make_room():
            transport.abort()
        super().connection_made(transport)
        self._head_since = self._heard = time.monotonic()

    def data_received(self, data: bytes) -> None:
        if self.parser is None or self.transport.is_closing():
            return
        self._bytes += len(data)
        self._heard = time.monotonic()
        if self._begins and (found := _METHOD.match(data)) is not None and found[1] not in _METHODS:
            data = _ANY_OTHER + data[found.end(1) :]
        super().data_received(data)
        # What the parser holds back of a head, of trailers or of chunks' extensions shows nowhere else.
        most = MOST_IN_HEAD if self._head_since is not None else MOST_IN_CALL
        if self._bytes > most + len(data):
            self.transport.close()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._begins = False
        self._head_since, self._bytes = time.monotonic(), 0

    def on_header(self, name: bytes, value: bytes) -> None:
        if len(self.headers) < MOST_HEADERS:
            super().on_header(name, value)
        else:
            self.transport.close()

    def on_headers_complete(self) -> None:
        self._head_since, self._body_since = None, time.monotonic()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._body_since, self._bytes, self._begins = None, 0, True
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        self.transport.write(_BAD_REQUEST)
        self.transport.close()

    def _make_room(self) -> bool:
        """Close the connection that owes no answer and has been quiet for longest; False where all are owed one."""
        quiet = [one for one in cast("set[Protocol]", self.connections) if one.is_idle()]
        if quiet:
            oldest = min(quiet, key=lambda one: one._heard)
            oldest.transport.abort()
            self.connections.discard(oldest)
        return bool(quiet)

    def is_idle(self) -> bool:
        """Say whether no answer is owed."""
        return self.cycle is None or self.cycle.response_complete

    def sweep(self, now: float) -> None:
        """Close the connection if it only takes up room."""
        slow_head = self._head_since is not None and now - self._head_since > HEAD_SECONDS
        unread = self._body_since is not None and self.is_idle() and now - self._body_since > UNREAD_SECONDS
        if slow_head and self.is_idle() or unread:
            self.transport.close()

    def shutdown(self) -> None:
        if self.is_idle():
            self.loop.call_later(LINGER_SECONDS, self._leave)
        else:
            super().shutdown()

    def _leave(self) -> None:
        if self.is_idle() and not self.transport.is_closing():
            self.transport.close()


class Server(uvicorn.Server):
    """uvicorn's server, with signals that only ask for an end, so that the exit status is ours."""

    def __init__(self, config: uvicorn.Config, receiver: Receiver) -> None:
        super().__init__(config)
        self._receiver = receiver

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def on_tick(self, counter: int) -> bool:
        if counter % 20 == 0:
            now = time.monotonic()
            for connection in list(self.server_state.connections):
                cast(Protocol, connection).sweep(now)
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._receiver.leaving = True
        await super().shutdown(sockets)


def make_server(receiver: Receiver, most_connections: int) -> Server:
    """Return a server that listens as soon as `serve` is called with sockets."""
    for name in ("uvicorn.error", "uvicorn.access", "uvicorn.asgi", "asyncio"):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)  # a path or a header may be in what they say
    protocol = type("Connection", (Protocol,), {"most_connections": most_connections})
    config = uvicorn.Config(
        cast(Any, receiver),
        http=protocol,
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=False,
        timeout_keep_alive=QUIET_SECONDS,
        timeout_graceful_shutdown=GRACE_SECONDS,
        workers=1,
        backlog=2048,
    )
    return Server(config, receiver)


def serve(server: Server, listening: socket.socket, begin: Callable[[asyncio.AbstractEventLoop], None]) -> None:
    """Serve until `server.should_exit`.

    Args:
        begin: called in the event loop, before the first connection is accepted.
    """

    async def run() -> None:
        begin(asyncio.get_running_loop())
        await server.serve([listening])

    factory = server.config.get_loop_factory()
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(run())
