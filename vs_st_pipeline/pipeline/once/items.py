"""Names what a route says once: kinds, items, the answer to a send, and what an unknown outcome becomes.

Pure: no clock, no file, no network.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from vs_st_pipeline.domain.errors import NotSent as NoConnection
from vs_st_pipeline.domain.errors import PipelineError, Refused

Person = tuple[str, str]
"""What names a person: a kind such as `phone`, `email`, `customer`, and the value as `suppression` hashes it."""


class OnUnknown(StrEnum):
    """What becomes of an item whose send may or may not have been taken (routes.md R19)."""

    RESEND = "resend"  # sent again with the same bytes and key: at least once
    HOLD = "hold"  # not sent again until a person says so
    READ = "read"  # settled by reading; sent again only after several reads that do not show it
    NEVER = "never"  # never sent again: settled by a receipt, a reply or a person


class State(StrEnum):
    """How an item stands. An open one is neither accepted nor dropped."""

    WAITING = "waiting"  # nothing of it is out
    SENDING = "sending"  # stored as about to leave; after a crash the claims say whether it did
    UNKNOWN = "unknown"
    HELD = "held"
    REJECTED = "rejected"
    ACCEPTED = "accepted"
    DROPPED = "dropped"


FORGOTTEN = "forgotten"  # the reason of what was dropped with a person


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of thing that a route says.

    Attributes:
        on_unknown: what an unknown outcome becomes.
        reads: of READ: reads in a row without it before it is sent again.
        settle_wait: of READ: the last of these reads is at least so long after the try.
        phase: items of a phase go only when nothing of an earlier one is open.
        melts: a newer item of the same kind and entity takes the place of one that nothing is out of.
        dead_after: refused for so long, it is not tried by itself any more; None: tried for good.
    """

    name: str
    on_unknown: OnUnknown
    reads: int = 3
    settle_wait: timedelta = timedelta(minutes=10)
    phase: int = 0
    melts: bool = False
    dead_after: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Item:
    """Something to be said once.

    Attributes:
        key: made of what it is about (`stable_key`), never of the attempt.
        entity: whose items go in order; an id, never a person's own data.
        body: the very text to send, without secrets.
        evidence: why it may be sent.
        people: whom it names; a forgotten person's items are not stored, and dropped.
    """

    kind: str
    entity: str
    key: str
    body: str = field(repr=False)
    evidence: Mapping[str, Any] = field(default_factory=dict, repr=False)
    people: tuple[Person, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Row:
    """An item as the outbox holds it; times are UTC without zone.

    Attributes:
        may_be_out: an earlier try may have been taken.
        forgotten: it was about a person who was forgotten since; its text is gone.
        has_body: its text is there; it was not lost with a database.
    """

    key: str
    seq: int
    kind: str
    entity: str
    state: State
    reason: str | None
    tries: int
    reads: int
    refusals: int
    tried_at: datetime | None
    refused_at: datetime | None
    next_at: datetime | None
    may_be_out: bool
    forgotten: bool
    has_body: bool


# --- answers ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Accepted:
    """The destination has taken it; `detail` is its own words, such as a message id."""

    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Rejected:
    """The destination has certainly not taken it, and says why."""

    code: str
    http_status: int | None = None
    trace_id: str | None = None


@dataclass(frozen=True, slots=True)
class NotSent:
    """It certainly was not taken, for a reason that has nothing to do with it: no connection, too many requests."""

    error: PipelineError


@dataclass(frozen=True, slots=True)
class Unknown:
    """It may have been taken."""

    code: str = "no answer"
    http_status: int | None = None
    trace_id: str | None = None


Answer = Accepted | Rejected | NotSent | Unknown


@dataclass(frozen=True, slots=True)
class Missing:
    """A read that would show it does not."""


@dataclass(frozen=True, slots=True)
class Unsaid:
    """The read said nothing about it, so nothing changes."""


Look = Accepted | Missing | Unsaid
"""What a read at the destination shows of an item."""


# --- what a route says right before each send ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Go:
    """It may be sent now."""


@dataclass(frozen=True, slots=True)
class Wait:
    """It may not be sent yet; `until` is None where that is looked at in every sync."""

    reason: str
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Drop:
    """It is not to be said any more."""

    reason: str


Gate = Go | Wait | Drop | Accepted
"""Accepted: a read right before the send shows that it is there already."""


def stable_key(*about: object) -> str:
    """Return 32 hex digits that are the same whenever they are made of the same things, on any machine."""
    text = json.dumps([str(part) for part in about], ensure_ascii=False)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def answer_of(error: PipelineError) -> Answer:
    """Return what an error of a write means where the route's chapter says nothing else; what is not sure is unknown.

    A key that is not accepted and a busy system have certainly not taken it.
    """
    status, trace = error.http_status, error.trace_id
    if isinstance(error, NoConnection) or error.kind in ("auth", "config") or status == 429:
        return NotSent(error)
    if isinstance(error, Refused) and status in (400, 409, 413, 422):
        return Rejected(error.code or f"http_{status}", status, trace)
    return Unknown(error.kind, status, trace)
