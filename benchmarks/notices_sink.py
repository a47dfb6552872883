"""Answers as Eshopbox and Gupshup do, and does nothing else: what two systems cost that cost nothing.

Run as `python -m benchmarks.notices_sink`; prints its port as a line of JSON. Messages are taken, and counted. `GET
/news/N` lets N orders be there, whose delivery failed at that moment (0: none); `GET /count` answers {reads, messages,
people} since then.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, cast
from urllib.parse import parse_qs, unquote

from benchmarks.notices_shop import STEPS, number_of, order, templates

PAGE = 100
TOKEN = {"access_token": "made up", "token_type": "Bearer", "expires_in": 86_400}


class World:
    """What is there, and what was asked for."""

    def __init__(self) -> None:
        self.orders, self.at = 0, datetime.now(UTC).replace(tzinfo=None)
        self.reads = self.messages = 0
        self.people: set[bytes] = set()

    def answer(self, path: str, query: str, body: bytes) -> tuple[int, Any]:
        """Return a status and what is answered."""
        if path.endswith("/template/msg"):
            self.messages += 1
            self.people.add(body.partition(b"destination=")[2].partition(b"&")[0])
            return 202, {"status": "submitted", "messageId": f"00000000-0000-0000-0000-{self.messages:012d}"}
        if path.startswith("/api/order/"):
            self.reads += 1
            return 200, self._order(unquote(path.removeprefix("/api/order/")))
        for end, made in ANSWERS.items():
            if path.endswith(end):
                return 200, made(self, query)
        if path.startswith("/news/"):
            self.__init__()  # type: ignore[misc]
            self.orders = int(path.removeprefix("/news/"))
        if path == "/count" or path.startswith("/news/"):
            return 200, {"reads": self.reads, "messages": self.messages, "people": len(self.people)}
        return 404, {"status": "error", "message": "no such path"}

    def _order(self, number: str) -> Any:
        return order(int(number[1:]), self.at, STEPS[1])

    def listed(self, query: str) -> Any:
        """Return a page of the list."""
        page = int(parse_qs(query).get("page", ["1"])[0])
        rows = [
            {"customerOrderNumber": number_of(one), "orderDate": self._order(number_of(one))["orderDate"]}
            for one in range((page - 1) * PAGE, min(page * PAGE, self.orders))
        ]
        return {"orders": rows, "total": self.orders}


ANSWERS: dict[str, Callable[[World, str], Any]] = {
    "/api/v1/generateToken": lambda world, query: TOKEN,
    "/api/v1/orders/erp": lambda world, query: world.listed(query),
    "/template": lambda world, query: {"status": "success", "templates": templates()},
    "/api/v1/shipping/trackingDetails": lambda world, query: {},
}


class Connection(asyncio.Protocol):
    """One connection; a request is a head and as many bytes as it says."""

    world = World()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin with nothing."""
        self.transport, self.waiting = cast(asyncio.Transport, transport), b""

    def data_received(self, data: bytes) -> None:
        """Take what came; answer each request that is whole."""
        self.waiting += data
        while True:
            head, found, rest = self.waiting.partition(b"\r\n\r\n")
            if not found:
                return
            said = head.lower().partition(b"content-length:")[2]
            size = int(said.split(b"\r\n", 1)[0]) if said else 0
            if len(rest) < size:
                return
            body, self.waiting = rest[:size], rest[size:]
            path, _, query = head.split(b" ", 2)[1].decode("ascii").partition("?")
            users = "/sm/api/v1/users/" in path
            status, told = (200, {"status": "success", "users": []}) if users else self.world.answer(path, query, body)
            text = json.dumps(told).encode()
            self.transport.write(
                b"HTTP/1.1 %d OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
                % (status, len(text), text)
            )


async def main() -> None:
    """Listen until standard input ends."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Connection, "127.0.0.1", 0)
    print(json.dumps({"port": server.sockets[0].getsockname()[1]}), flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    asyncio.run(main())
