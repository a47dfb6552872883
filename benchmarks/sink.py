"""Takes whatever is posted and counts it: what a destination costs when it does nothing, `python -m benchmarks.sink`.

Prints its port as a line of JSON. `GET /count` answers {requests, bytes, parts, events} since the last `GET /clear`;
everything else is acknowledged as WayMore does, and what asks for a uuid gets one.
"""

from __future__ import annotations

import asyncio
import json
import sys

ACKNOWLEDGED = json.dumps({"message": "The data was received.", "uuid": "0123456789abcdef"}).encode()


class Counting(asyncio.Protocol):
    """One connection; a request is a head and as many bytes as it says."""

    counts = dict.fromkeys(("requests", "bytes", "parts", "events"), 0)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin with nothing."""
        assert isinstance(transport, asyncio.Transport)
        self.transport, self.waiting, self.head = transport, bytearray(), b""
        self.missing = 0

    def data_received(self, data: bytes) -> None:
        """Take what came; answer each request that is whole."""
        self.waiting += data
        while True:
            if not self.head:
                end = self.waiting.find(b"\r\n\r\n")
                if end < 0:
                    return
                self.head = bytes(self.waiting[:end]).lower()
                del self.waiting[: end + 4]
                at = self.head.find(b"content-length:")
                self.missing = int(self.head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
            if len(self.waiting) < self.missing:
                return
            del self.waiting[: self.missing]
            self._answer(self.head.split(b" ", 2)[1], self.missing)
            self.head = b""

    def _answer(self, path: bytes, size: int) -> None:
        body = ACKNOWLEDGED
        if path in (b"/count", b"/clear"):
            body = json.dumps(self.counts).encode()
            if path == b"/clear":
                self.counts.update(dict.fromkeys(self.counts, 0))
        else:
            self.counts["requests"] += 1
            self.counts["bytes"] += size
            self.counts["parts"] += path.endswith(b"/data")
            self.counts["events"] += path.endswith(b"/event")
        self.transport.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
        )


async def main() -> None:
    """Listen until standard input ends."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Counting, "127.0.0.1", 0)
    print(json.dumps({"port": server.sockets[0].getsockname()[1]}), flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    asyncio.run(main())
