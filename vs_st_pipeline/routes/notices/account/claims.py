"""Claims a message before it leaves, for good, whichever process or merchant asks (notices.md 7.1).

A claim outlives every merchant's database: no rebuild, no database put back, no second worker sends one again. Only a
refused one (7.3), a retryable one (7.4), or one that a person releases may be claimed anew.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from vs_st_pipeline.platform.inbox.store import Inbox
from vs_st_pipeline.routes.notices.account.store import AccountStore
from vs_st_pipeline.routes.notices.messages import Message
from vs_st_pipeline.routes.notices.settings import Cap

MOST_OPEN = 4  # of a number, over all processes
OPEN_SECONDS = 90.0


@dataclass(frozen=True, slots=True)
class Claim:
    """A claim as it stands. Times are UTC without zone."""

    notice_id: str
    kind: str
    merchant: str
    state: str
    tries: int
    claimed_at: datetime
    message_id: str | None = None
    wa_id: str | None = None
    accepted_at: datetime | None = None
    code: str | None = None
    reason: str | None = None
    evidence: str | None = None
    retries: int = 0
    retry_at: datetime | None = None
    is_mine: bool = False  # made just now, by this call


@dataclass(frozen=True, slots=True)
class Held:
    """Why a message could not be claimed now: words.Wait, and until when where that is known."""

    reason: str
    until: datetime | None = None


def claim(
    store: AccountStore,
    message: Message,
    *,
    now: datetime,
    cap: Cap,
    is_stop: Callable[[str], bool],
    inbox: Inbox | None,
) -> Claim | Held:
    """Claim a message in one transaction, with the cap, the tier, what is open, and a STOP that waits in the inbox.

    Returns:
        The claim, `is_mine` where it was made now; the one that stands where another call was first; or why not now.
    """
    raise NotImplementedError


def settle(store: AccountStore, notice_id: str, state: str, *, now: datetime, **columns: Any) -> Claim:
    """Note what became of a claim; a state never falls (7.5). Columns: message_id, code, reason, evidence, ..."""
    raise NotImplementedError
