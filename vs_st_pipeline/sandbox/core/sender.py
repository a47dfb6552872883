"""Sends webhook calls: real HTTP posts on threads of their own, in order for each registration; lists them all.

A stand-in puts calls here and goes on answering; nothing that a receiver does, or leaves undone, holds it up.
"""

from __future__ import annotations

import heapq
import http.client
import itertools
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import urlsplit

from vs_st_pipeline.sandbox.core.asgi import BadJson, Record, loads

MOST_THREADS = 16
IDLE_SECONDS = 20.0
FIRST_GAP, LONGEST_GAP = 0.1, 1.0  # seconds before a call that failed is sent again; the gap doubles
HELD_SECONDS = 0.3  # by so much a call comes late that another one is to overtake
ANSWERED_NOTHING = 0

Key = tuple[str, str]  # merchant id, registration id


@dataclass
class Call:
    """One webhook call to one registration.

    Attributes:
        about: what it is about, for people and tests: a subject, or a report's type.
        tries: how often it is sent at most; None: until an answer is 2xx.
        renewed: gives the body for the next try, where that is another one.
        late: held for a moment, so that the next call overtakes it.
        headers: gives headers besides, for a body; None: none.
        only_unanswered: an answer ends it, whatever its status.
    """

    merchant: str
    webhook: str
    url: str
    about: str
    body: bytes
    tries: int | None = 1
    renewed: Callable[[bytes], bytes] | None = None
    late: bool = False
    headers: Callable[[bytes], dict[str, str]] | None = None
    only_unanswered: bool = False
    log: list[Record] = field(default_factory=list)
    """Its sendings: {sentAt (epoch seconds), statusCode, body}."""
    state: str = "waiting"
    queued: float = 0.0


class Rules(Protocol):
    """What the stand-in says of sending: switches, and what is registered."""

    def switches_of(self, merchant: str) -> Record: ...

    def is_registered(self, merchant: str, webhook: str) -> bool: ...

    def most_per_second(self, merchant: str, webhook: str) -> float | None: ...

    def unregister(self, merchant: str, webhook: str) -> None: ...


@dataclass
class _Lane:
    """The calls of one registration, of which one is out at a time."""

    waiting: list[tuple[float, int, Call]] = field(default_factory=list)
    busy: bool = False
    failures: int = 0
    offered: int = 0
    not_before: float = 0.0


class Sender:
    """Sends the calls of all registrations of one stand-in; threads are started when there is something to send."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._calls: list[Call] = []
        self._lanes: dict[Key, _Lane] = {}
        self._agenda: list[tuple[float, int, Key]] = []
        self._numbers = itertools.count()
        self._changed = threading.Condition()
        self._threads, self._idle = 0, 0
        self._closed = False

    def put(self, calls: Sequence[Call]) -> int:
        """Take calls to be sent; return at once, with how many will be."""
        now, taken = time.time(), 0
        with self._changed:
            if self._closed:
                return 0
            for call in calls:
                switches = self._rules.switches_of(call.merchant)
                call.queued = now
                self._calls.append(call)
                key = (call.merchant, call.webhook)
                lane = self._lanes.setdefault(key, _Lane())
                lane.offered += 1
                share = float(switches["webhook_drop_share"])
                if int(lane.offered * share + 1e-9) > int((lane.offered - 1) * share + 1e-9):
                    call.state = "dropped"
                    continue
                at = now + float(switches["webhook_delay_seconds"]) + (HELD_SECONDS if call.late else 0)
                self._queue(key, lane, call, at)
                taken += 1
        return taken

    def deliveries(self, merchant: str | None = None, webhook: str | None = None) -> list[Record]:
        """Return all calls, oldest first: what was sent where, the last status (0: no answer) and the tries."""
        with self._changed:
            calls = [(number, call, list(call.log)) for number, call in enumerate(self._calls, 1)]
        return [
            {
                "delivery": number,
                "merchant": call.merchant,
                "webhook": call.webhook,
                "url": call.url,
                "about": call.about,
                "state": call.state,
                "status": log[-1]["statusCode"] if log else None,
                "tries": len(log),
                "queued": call.queued,
                "sent": [attempt["sentAt"] for attempt in log],
                "body": readable(log[-1]["body"] if log else call.body),
            }
            for number, call, log in calls
            if merchant in (None, call.merchant) and webhook in (None, call.webhook)
        ]

    def log_of(self, merchant: str, webhook: str) -> list[Record]:
        """Return every sending of one registration, newest first: {sentAt, statusCode, body}."""
        with self._changed:
            log = [
                attempt for call in self._calls if (call.merchant, call.webhook) == (merchant, webhook)
                for attempt in call.log
            ]  # fmt: skip
        return sorted(log, key=lambda attempt: attempt["sentAt"], reverse=True)

    def close(self) -> None:
        """Send nothing more; what is under way ends by itself, and nobody waits for it."""
        with self._changed:
            self._closed = True
            self._agenda.clear()
            self._lanes.clear()
            self._changed.notify_all()

    # With the lock held.

    def _queue(self, key: Key, lane: _Lane, call: Call, at: float) -> None:
        heapq.heappush(lane.waiting, (at, next(self._numbers), call))
        if not lane.busy:
            self._announce(key, lane)

    def _announce(self, key: Key, lane: _Lane) -> None:
        """Put the lane on the agenda; an older entry of it that comes later is passed over then."""
        if lane.waiting:
            heapq.heappush(self._agenda, (max(lane.waiting[0][0], lane.not_before), next(self._numbers), key))
            self._hire()
            self._changed.notify()

    def _hire(self) -> None:
        """See to it that somebody waits for the next call, so that a slow receiver holds up its own calls alone."""
        if self._agenda and self._idle == 0 and self._threads < MOST_THREADS:
            self._threads += 1
            threading.Thread(target=self._work, daemon=True).start()

    def _next(self) -> tuple[Key, _Lane, Call] | None:
        """Wait for the next call that is due; None ends the thread."""
        idle_until = time.time() + IDLE_SECONDS
        while not self._closed:
            now = time.time()
            while self._agenda and self._agenda[0][0] <= now:
                key = heapq.heappop(self._agenda)[2]
                lane = self._lanes[key]
                if lane.busy or not lane.waiting:
                    continue
                if max(lane.waiting[0][0], lane.not_before) > now:
                    self._announce(key, lane)
                    continue
                lane.busy = True
                self._hire()
                return key, lane, heapq.heappop(lane.waiting)[2]
            if now > idle_until and not self._agenda:
                return None
            self._idle += 1
            self._changed.wait(min(self._agenda[0][0] - now, IDLE_SECONDS) if self._agenda else IDLE_SECONDS)
            self._idle -= 1
        return None

    def _ended(self, key: Key, lane: _Lane, call: Call, status: int, began: float) -> None:
        good = 200 <= status < 300
        call.log.append({"sentAt": began, "statusCode": status, "body": call.body})
        lane.failures = 0 if good else lane.failures + 1
        most = self._rules.switches_of(call.merchant)["webhook_disable_after"]
        if most is not None and lane.failures >= int(most):
            call.state = "failed"
            self._rules.unregister(*key)
        elif good or (status and call.only_unanswered) or (call.tries is not None and len(call.log) >= call.tries):
            call.state = "sent" if good else "failed"
        else:
            if call.renewed:
                call.body = call.renewed(call.body)
            # The same place in the line: what comes after it waits, so that order is kept.
            gap = min(FIRST_GAP * 2 ** (len(call.log) - 1), LONGEST_GAP)
            heapq.heappush(lane.waiting, (0.0, next(self._numbers), call))
            lane.not_before = time.time() + gap
            return
        rate = self._rules.most_per_second(*key)
        lane.not_before = began + 1 / rate if rate else 0.0

    # The threads.

    def _work(self) -> None:
        with self._changed:
            while (found := self._next()) is not None:
                key, lane, call = found
                if self._rules.is_registered(*key):
                    timeout = float(self._rules.switches_of(call.merchant)["webhook_timeout_seconds"])
                    call.state, began = "sending", time.time()
                    self._changed.release()
                    try:
                        status = post(call.url, call.body, timeout, call.headers(call.body) if call.headers else {})
                    finally:
                        self._changed.acquire()
                    if self._closed:
                        break
                    self._ended(key, lane, call, status, began)
                else:
                    call.state = "dropped"  # nobody wants it any more
                lane.busy = False
                self._announce(key, lane)
            self._threads -= 1


def post(url: str, body: bytes, timeout: float, headers: dict[str, str]) -> int:
    """Send a body by POST, following nothing and by no proxy; return the status, 0 where none came."""
    place = urlsplit(url)
    kinds: dict[str, Any] = {"http": http.client.HTTPConnection, "https": http.client.HTTPSConnection}
    try:
        connection = kinds[place.scheme](place.netloc, timeout=timeout)
    except (KeyError, http.client.InvalidURL):
        return ANSWERED_NOTHING
    target = place.path + (f"?{place.query}" if place.query else "")
    try:
        usual = {"Content-Type": "application/json", "Connection": "close"}
        connection.request("POST", target or "/", body, {**usual, **headers})
        return int(connection.getresponse().status)
    except (OSError, http.client.HTTPException):
        return ANSWERED_NOTHING
    finally:
        connection.close()


def readable(body: bytes) -> Any:
    """Return a body as objects where it is JSON, else as text."""
    try:
        return loads(body)
    except (BadJson, ValueError):
        return body.decode("utf-8", "replace")
