"""Makes answers go wrong: blocks, resets, broken and foreign answers, at chosen requests."""

from __future__ import annotations

import asyncio
import re
import socket
import struct
import time
from collections import deque
from typing import Any

from starlette.types import Send

from vs_st_pipeline.sandbox.core.asgi import HTML, Answer, Record, Request, dumps
from vs_st_pipeline.sandbox.core.lies import LYING_FAULTS

FAULT_KINDS = (
    "cloudflare_403",
    "cloudflare_429",
    "cloudflare_503",
    "500_empty",
    "slow",
    "truncated",
    "html_other",
    "login_page",
    "redirect_login",
    "reset",
    "wrong_shape",
    *LYING_FAULTS,
    "400",
    "401",
    "402",
    "403",
    "404",
    "410",
    "422",
    "500",
)
# These are answered in the system's own words, so each stand-in writes them itself.
OWN_WORDS = ("400", "401", "402", "403", "404", "410", "422", "500", "429")
# What may become of a message that is to be sent once, in the words of route `notices`: the kind, and when it strikes.
# Of `timeout_after_accept` the answer comes after `seconds`, when nobody waits any more.
SENDING_FAULTS = {
    "timeout_after_accept": ("slow", "after"),
    "reset_after_accept": ("reset", "after"),
    "reset_before_accept": ("reset", "before"),
    "500_after_accept": ("500", "after"),
    "500_before_accept": ("500", "before"),
    "truncated_after_accept": ("truncated", "after"),
    "502_html": ("502_html", "before"),
}
FIELDS = {"kind", "path_regex", "method", "skip", "count", "seconds", "status", "retry_after", "when"}

LOGIN_PAGE = (
    b"<!doctype html><html><head><title>Sign in</title></head><body><form action='/login' method='post'>"
    b"<input name='username'><input name='password' type='password'><button>Sign in</button></form></body></html>"
)
BLOCK_PAGE = (
    b"<!doctype html><html><head><title>Attention Required! | Cloudflare</title></head>"
    b"<body><h1>Sorry, you have been blocked</h1><p>Ray ID: 8f00ba55ed00cafe</p></body></html>"
)
OTHER_PAGE = b"<!doctype html><html><body><h1>We will be back shortly</h1></body></html>"


class Fault:
    """One fault and its counters: `skip` matching requests pass, then `count` of them fail (None: all)."""

    def __init__(self, fields: Record) -> None:
        unknown = set(fields) - FIELDS
        self.name = str(fields.get("kind", ""))
        if unknown or self.name not in (*FAULT_KINDS, *OWN_WORDS, *SENDING_FAULTS):
            kinds = (*FAULT_KINDS, *SENDING_FAULTS)
            raise ValueError(f"bad fault {fields!r}: kinds are {kinds}, fields are {sorted(FIELDS)}")
        self.kind, when = SENDING_FAULTS.get(self.name, (self.name, fields.get("when", "before")))
        self.path = re.compile(fields.get("path_regex") or "")
        self.method: str | None = fields.get("method")
        self.skip = int(fields.get("skip") or 0)
        self.count: int | None = fields.get("count")
        self.seconds = float(fields.get("seconds") or 35)
        self.status: int | None = fields.get("status")
        self.retry_after: Any = fields.get("retry_after")
        # "after": the request has its effect, and only the answer is lost or spoiled.
        self.after = when == "after"

    def hits(self, request: Request) -> bool:
        """Say whether this request is the fault's; count it."""
        if self.count == 0 or (self.method and self.method != request.method) or not self.path.search(request.path):
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        if self.count is not None:
            self.count -= 1
        return True

    def answer(self, request: Request, good: Answer | None) -> Answer:
        """Return the spoiled answer in place of the good one; `good` may be None where the fault does not need it."""
        return self.marked(self._plain(request, good))

    def marked(self, answer: Answer) -> Answer:
        """Give an answer the status and the `Retry-After` that were asked for."""
        if self.status:
            answer.status = self.status
        if self.retry_after is not None:
            answer.headers.append((b"retry-after", str(self.retry_after).encode()))
        return answer

    def _plain(self, request: Request, good: Answer | None) -> Answer:
        if self.kind.startswith("cloudflare_"):
            return cloudflare_block(int(self.kind.removeprefix("cloudflare_")))
        if self.kind == "truncated" and good is not None:
            return Answer(good.status, good.body[: max(1, len(good.body) // 2)], good.content_type)
        if self.kind == "wrong_shape":
            return Answer(200, dumps({"unexpected": [1, 2, 3]}))
        if self.kind == "502_html":
            return Answer(502, OTHER_PAGE, HTML)
        if self.kind == "html_other":
            return Answer(200, OTHER_PAGE, HTML)
        if self.kind == "login_page":
            return Answer(200, LOGIN_PAGE, HTML)
        if self.kind == "redirect_login":
            return redirect_to_login()
        return Answer(500)


class Faults:
    """All faults in force, for all merchants and for single ones, and the Cloudflare-like gate."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Clear all faults."""
        self._faults: dict[str | None, list[Fault]] = {}
        self._calls: dict[str | None, deque[float]] = {}

    def set(self, value: Any, merchant: str | None) -> None:
        """Replace the faults of one merchant, or those for all (None): a fault, several, or none."""
        listed = [] if value is None else value if isinstance(value, list) else [value]
        self._faults[merchant] = [Fault(fields) for fields in listed]

    def of(self, request: Request, merchant: str | None) -> Fault | None:
        """Return the first fault that this request meets."""
        if not self._faults:
            return None
        for scope in (merchant, None) if merchant else (None,):
            for fault in self._faults.get(scope, ()):
                if fault.hits(request):
                    return fault
        return None

    def blocked(self, merchant: str | None, most: int) -> bool:
        """Say whether the merchant made more than `most` calls within the last second."""
        calls = self._calls.setdefault(merchant, deque())
        now = time.monotonic()
        while calls and calls[0] <= now - 1:
            calls.popleft()
        if len(calls) >= most:
            return True
        calls.append(now)
        return False


def cloudflare_block(status: int) -> Answer:
    """Return what Cloudflare answers in place of the shop."""
    return Answer(status, BLOCK_PAGE, HTML, [(b"server", b"cloudflare"), (b"cf-ray", b"8f00ba55ed00cafe-SJC")])


def redirect_to_login() -> Answer:
    """Return a redirect to the log-in page."""
    return Answer(302, b"", HTML, [(b"location", b"/login")])


async def cut_connection(send: Send) -> None:
    """Reset the TCP connection without an answer; ASGI has no word for it, so uvicorn's own cycle is asked."""
    cycle: Any = getattr(send, "__self__", None)
    if cycle is None:
        raise RuntimeError("cannot reach the connection")
    sock = cycle.transport.get_extra_info("socket")
    if sock is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    cycle.transport.abort()
    while not cycle.disconnected:
        await asyncio.sleep(0)
