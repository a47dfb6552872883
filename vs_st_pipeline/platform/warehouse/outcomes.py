"""Says what became of each write, and records it in one transaction with all that it changes.

Data flow: Outcome -> synced.* (ledger, history, rejects, outbox) and PushCounts.

A destination sends and yields outcomes; whoever asks it for them records each before asking for the next, so a run that
dies has remembered all that it had heard. What it had sent and not heard of is in the outbox.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Protocol, TypeAlias

from vs_st_pipeline.domain.plan import GONE, Change
from vs_st_pipeline.domain.refs import Ref
from vs_st_pipeline.platform.warehouse import ledger, outbox, retries
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.platform.warehouse.outbox import OutboxEntry

Result: TypeAlias = Literal["accepted", "rejected", "gone", "not_applied", "unknown"]
"""`unknown`: no answer says what became of it; it stays in the outbox, and the next run settles it by reading."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one record's part of a request.

    Attributes:
        code, http_status: of a refusal.
    """

    sent: OutboxEntry
    result: Result
    code: str | None = None
    http_status: int | None = None


@dataclass(slots=True)
class PushCounts:
    """What became of the plan, in targets."""

    accepted: int = 0
    rejected: int = 0
    unknown: int = 0
    held: Counter[str] = field(default_factory=Counter)  # found to be held back at the fresh read
    noted: Counter[str] = field(default_factory=Counter)


class Outbox(Protocol):
    """What a destination is given to write by: nothing leaves that was not stored with it before."""

    def still_wanted(self, ref: Ref, live: ReadValue) -> list[Change]:
        """Return what a record lacks by the plan, as it stands now."""

    def store(
        self, items: Sequence[tuple[Ref, Sequence[Change]]], *, call: str, evidence: Mapping[str, Any] | None = None
    ) -> list[OutboxEntry]:
        """Store what is about to be sent in one request; refuses whoever this run has not read as writable."""

    def acknowledged(self, sent: Sequence[OutboxEntry], evidence: Mapping[str, Any]) -> None:
        """Record what a request was acknowledged with."""


class ReadValue(Protocol):
    """Returns the text that stands under (kind, key) now; empty for none."""

    def __call__(self, kind: str, key: str, /) -> str: ...


def record(db: Db, outcome: Outcome, counts: PushCounts, *, at: datetime) -> None:
    """Record an outcome, inside the caller's transaction, and count it."""
    sent = outcome.sent
    if outcome.result == "accepted":
        ledger.record_accepted(db, [sent], at=at)
        counts.accepted += 1
    elif outcome.result == "rejected":
        retries.record_rejected(db, sent, code=outcome.code, http_status=outcome.http_status, at=at)
        retries.record_refused(db, sent, at=at)
        counts.rejected += 1
    elif outcome.result == "gone":
        outbox.record_without_effect(db, [sent], "gone", at=at)
        counts.noted[GONE] += 1
    elif outcome.result == "not_applied":
        if outcome.code is not None:  # it was said to be done: the same again would end the same way
            retries.record_rejected(db, sent, code=outcome.code, http_status=outcome.http_status, at=at)
        outbox.record_without_effect(db, [sent], "not applied", at=at)
    else:
        counts.unknown += 1
