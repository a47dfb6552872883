"""Answers calls, row by row of the table in webhooks-onboarding.md, section 3: the first row that fits is the answer.

Data flow: path -> hook (H3) -> method, pause, rate (H4 to H6) -> body (H7, H8) -> calls -> the disk (H9) -> 204 (H10).

All answers have the same headers and no body, but for what a row asks for. Nothing is believed of a request but its
path, the headers that its merchant's settings name, and its body: no address, no `Host`, no `X-Forwarded-*`.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from vs_st_pipeline.domain.hints import TEST, WHOLE
from vs_st_pipeline.operations.receiver.figures import OFF, OTHER, Figures
from vs_st_pipeline.operations.receiver.lines import Lines
from vs_st_pipeline.operations.receiver.proofs import Headers, only
from vs_st_pipeline.operations.receiver.table import Hook, Table
from vs_st_pipeline.operations.receiver.writer import MOST_WAITING, Writer
from vs_st_pipeline.platform import crash_reports
from vs_st_pipeline.platform.inbox.store import Arrival

MOST_UNDER_WAY: Final = 512
BODY_SECONDS: Final = 10.0
MOST_SIGNED: Final = 16  # times what a body may be: so far a signature is looked at, to say that it is too long (H7)
COMMIT_SECONDS: Final = 5.0
ALIVE_SECONDS: Final = 30.0
_RETRY: Final = ((b"retry-after", b"5"),)
_ALLOW: Final = ((b"allow", b"POST"),)

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class _Gone(Exception):
    """Who called has hung up."""


class _TooBig(Exception):
    """The body is longer than it may be."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A status, and what its row adds to the headers.

    Attributes:
        counted: its label in the figures, where that is not the status.
    """

    status: int
    headers: tuple[tuple[bytes, bytes], ...] = ()
    counted: str = ""
    body: bytes = b""


NOT_FOUND: Final = Answer(404)
NOT_ALLOWED: Final = Answer(405, _ALLOW)
PAUSED: Final = Answer(204, counted=OFF)
TOO_MANY: Final = Answer(429, _RETRY)
TOO_BIG: Final = Answer(413)
TOO_SLOW: Final = Answer(408)
BUSY: Final = Answer(503, _RETRY)
STORED: Final = Answer(204)
WELL: Final = Answer(200)


@dataclass(slots=True)
class Limits:
    """What one process takes; tests make them small."""

    under_way: int = MOST_UNDER_WAY
    waiting: int = MOST_WAITING
    body_seconds: float = BODY_SECONDS
    commit_seconds: float = COMMIT_SECONDS
    alive_seconds: float = ALIVE_SECONDS


class Receiver:
    """The ASGI application.

    Attributes:
        leaving: connections are closed with the next answer.
    """

    def __init__(
        self,
        table: Callable[[], Table],
        writer: Writer,
        figures: Figures,
        lines: Lines,
        now: Callable[[], datetime],
        limits: Limits | None = None,
    ) -> None:
        self._table, self._writer, self._figures, self._lines, self._now = table, writer, figures, lines, now
        self._limits = limits or Limits()
        self._systems = {name.encode(): name for name in figures.systems}
        self._under_way = 0
        self.leaving = False

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        began = time.monotonic()
        try:
            answer, hook, system = await self._answer(scope, receive)
        except _Gone:
            return
        except asyncio.CancelledError:  # the time that calls under way have at the end is over
            answer, hook, system = BUSY, None, OTHER
        except Exception as error:
            self._lines.add(f"warning: {crash_reports.describe(error)}")
            answer, hook, system = BUSY, None, OTHER
        if system:
            self._figures.count(system, answer.counted or str(answer.status))
        if hook is not None:
            spent = int((time.monotonic() - began) * 1000)
            self._lines.add(f"{scope['method']} {hook.system} {hook.shown} {hook.merchant} {answer.status} {spent}ms")
        elif answer is NOT_FOUND:
            self._lines.count_unknown()
        headers = list(answer.headers)
        if answer.status != 204:  # which has none by the rules of HTTP
            headers += ((b"content-length", str(len(answer.body)).encode()),)
        if self.leaving:
            headers.append((b"connection", b"close"))
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": answer.body})

    async def _answer(self, scope: Mapping[str, Any], receive: Receive) -> tuple[Answer, Hook | None, str]:
        """Return the answer, whose hook it is of, and the label of its system; `""` counts nothing."""
        path: bytes = scope["raw_path"]
        method: str = scope["method"]
        if path == b"/healthz" and method == "GET":
            return (WELL if self._writer.is_alive(self._limits.alive_seconds) else BUSY), None, ""
        parts = path.split(b"/")  # as it was sent: nothing is decoded, so no two paths are one
        named = self._systems.get(parts[2], OTHER) if len(parts) > 2 and parts[1] == b"hooks" else OTHER
        hook = self._find(parts)
        if hook is None:
            return NOT_FOUND, None, named
        headers: Headers = scope["headers"]
        if (hook.header is not None and not hook.header.proves(headers)) or (
            hook.signature is not None and not hook.signature.is_there(headers)
        ):
            self._writer.refuse(hook.merchant, hook.system)
            return NOT_FOUND, None, named
        body: bytes | Answer | None = None
        if hook.signature is not None:
            body = await self._signed(hook, headers, receive)
            if body is None:
                self._writer.refuse(hook.merchant, hook.system)
                return NOT_FOUND, None, named
        return await self._proved(hook, method, headers, receive, body), hook, named

    def _find(self, parts: list[bytes]) -> Hook | None:
        if len(parts) == 5 and not parts[4]:  # one slash at the end
            parts = parts[:4]
        if len(parts) != 4 or parts[0] or parts[1] != b"hooks":
            return None
        return self._table().find(parts[2], parts[3], time.time())

    async def _signed(self, hook: Hook, headers: Headers, receive: Receive) -> bytes | Answer | None:
        """Return a body that is signed, or that it is too long; None for any other: it may be anybody's.

        One that is too long is signed by who may be told so (H7, audience 4.4); of it nothing is kept.
        """
        assert hook.signature is not None
        most = MOST_SIGNED * hook.hooks.body_limit
        if self._under_way >= self._limits.under_way or _length(headers) > most:
            return None
        made, chunks, size = hook.signature.begin(headers), list[bytes](), 0
        self._under_way += 1
        try:
            async with asyncio.timeout(self._limits.body_seconds):
                async for chunk in _chunks(receive):
                    size += len(chunk)
                    if size > most:
                        return None
                    made.update(chunk)
                    chunks.append(chunk)
                    if size > hook.hooks.body_limit:
                        chunks.clear()
        except TimeoutError:
            return None
        finally:
            self._under_way -= 1
        if not hook.signature.proves(headers, made):
            return None
        return b"".join(chunks) if size <= hook.hooks.body_limit else TOO_BIG

    async def _proved(
        self, hook: Hook, method: str, headers: Headers, receive: Receive, body: bytes | Answer | None
    ) -> Answer:
        """Return the answer to a call of a valid URL.

        Args:
            body: where it had to be signed; TOO_BIG: it was too long.
        """
        if method != "POST":
            return WELL if hook.hooks.answers_get and method == "GET" else NOT_ALLOWED
        if hook.off:
            return PAUSED
        if not hook.bucket.take(hook.hooks.rate, hook.hooks.burst, time.monotonic()):
            return TOO_MANY
        if isinstance(body, Answer):
            return body
        if _length(headers) > hook.hooks.body_limit:
            return TOO_BIG
        if self._under_way >= self._limits.under_way:
            return BUSY
        self._under_way += 1
        try:
            body = await self._body(hook, receive) if body is None else body
            return await self._store(hook, body)
        except _TooBig:
            return TOO_BIG
        except TimeoutError:
            return TOO_SLOW
        finally:
            self._under_way -= 1

    async def _body(self, hook: Hook, receive: Receive) -> bytes:
        """Return a whole body.

        Raises:
            _TooBig, TimeoutError, _Gone: it has grown too long, has not all come, or will not come.
        """
        chunks, size = list[bytes](), 0
        async with asyncio.timeout(self._limits.body_seconds):
            async for chunk in _chunks(receive):
                size += len(chunk)
                if size > hook.hooks.body_limit:
                    raise _TooBig
                chunks.append(chunk)
        return b"".join(chunks)

    async def _store(self, hook: Hook, body: bytes) -> Answer:
        if self._writer.waiting >= self._limits.waiting:
            return BUSY
        calls, at = hook.hooks.read(body), self._now().isoformat()
        if hook.hooks.answers_counts:
            if len(calls) > hook.hooks.most_elements:
                return TOO_BIG
            for index, call in enumerate(calls):
                if call.kind == WHOLE:  # who made the call can mend it, and sends it again
                    return _told(400, {"index": index})
        arrivals = []
        for call in map(hook.about_us, calls):
            routes, wanted = hook.routes_of(call.kind)
            proves = hook.proves if call.kind != TEST else None
            arrivals.append(Arrival(hook.merchant, hook.system, call, routes, at, wanted, proves))
        done = self._writer.put(arrivals)
        try:
            async with asyncio.timeout(self._limits.commit_seconds):
                if not await done:
                    return BUSY
                return _told(200, {"stored": len(calls)}) if hook.hooks.answers_counts else STORED
        except TimeoutError:
            return BUSY


async def _chunks(receive: Receive) -> AsyncIterator[bytes]:
    """Yield a body as it comes. Raises _Gone: who called has hung up."""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _Gone
        yield message.get("body", b"")
        if not message.get("more_body", False):
            return


def _told(status: int, what: Mapping[str, int]) -> Answer:
    """Return an answer with a body, for a site's developer."""
    return Answer(status, ((b"content-type", b"application/json"),), body=json.dumps(what).encode())


def _length(headers: Headers) -> int:
    """Return how long the body is said to be, 0 where nothing is said; the parser refuses what is no number."""
    said = only(headers, b"content-length")
    return int(said) if said is not None and said.isdigit() and len(said) <= 20 else 0
