"""Says how a claim stands, and what moves it (notices.md 7.1, 7.3, 7.5). Pure: no clock, no file, no network."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final


class Claimed(StrEnum):
    """How a claim stands."""

    OPEN = "open"  # about to leave, or left, and no answer is known
    REFUSED = "refused"  # certainly not taken (7.3): it may be claimed anew
    RELEASED = "released"  # a person's word, or nothing left us: it may be claimed anew
    REJECTED = "rejected"  # for good, until `vs-st retry`
    ACCEPTED = "accepted"
    ENQUEUED = "enqueued"
    SENT = "sent"
    DELIVERED = "delivered"
    READ = "read"
    FAILED = "failed"  # by a receipt; with a time for another try, it may be claimed anew then
    UNKNOWN = "unknown"  # never sent again by itself


FREE: Final = frozenset({Claimed.REFUSED, Claimed.RELEASED})
COUNTS_NOT: Final = frozenset({Claimed.REFUSED, Claimed.RELEASED, Claimed.REJECTED})
"""States in which a claim is no message: not in a cap, not in a tier, not in rule 5."""
_RISING: Final = (Claimed.ACCEPTED, Claimed.ENQUEUED, Claimed.SENT, Claimed.DELIVERED, Claimed.READ)
_ARRIVED: Final = frozenset({Claimed.SENT, Claimed.DELIVERED, Claimed.READ})
_OF_OPEN: Final = frozenset(Claimed) - {Claimed.OPEN}

MOVES: Final[dict[Claimed, frozenset[Claimed]]] = {
    Claimed.OPEN: _OF_OPEN,
    Claimed.UNKNOWN: _OF_OPEN - {Claimed.UNKNOWN},
    # A receipt or a reply that names it proves an answer, or a person, wrong; or it is of a try before (7.4).
    Claimed.REFUSED: frozenset({Claimed.RELEASED, *_ARRIVED}),
    Claimed.RELEASED: _ARRIVED,
    Claimed.REJECTED: frozenset({Claimed.RELEASED, *_ARRIVED}),
    Claimed.FAILED: frozenset({Claimed.DELIVERED, Claimed.READ}),
    **{
        state: frozenset(_RISING[place + 1 :]) | (frozenset({Claimed.FAILED}) if place < 3 else frozenset())
        for place, state in enumerate(_RISING)
    },
}
"""What may follow each state without a new claim: it never falls, and `failed` counts unless delivered or read came."""


def may_move(before: str, after: str) -> bool:
    """Say whether a claim in one state may come to be in another."""
    return Claimed(after) in MOVES[Claimed(before)]


@dataclass(frozen=True, slots=True)
class Claim:
    """A claim as it stands. Times are UTC without zone.

    Attributes:
        tries: number of the newest try, from 1. claimed_at: of that try.
        occurred_at, occurred_to: what it tells of occurred not before and not after; None: not known.
        buttons: JSON array {action, title}, as the message had them.
        evidence: what says how it stands: `answer`, `receipt`, `reply`, `phone_window`, `person`.
        retry_at: it failed, and may be claimed anew from then on.
        is_mine: made just now, by this call: who has it sends it.
    """

    notice_id: str
    kind: str
    merchant: str
    state: str
    tries: int
    claimed_at: datetime
    phone_hash: str = ""
    exempt: bool = False
    message_id: str | None = None
    wa_id: str | None = None
    accepted_at: datetime | None = None
    unit_key: str | None = None
    status: str | None = None
    occurrence: int | None = None
    occurred_at: datetime | None = None
    occurred_to: datetime | None = None
    merchant_order: str | None = None
    order_number: str | None = None
    reply_id: str | None = None
    template_id: str | None = None
    category: str | None = None
    form: str | None = None
    buttons: str | None = None
    code: str | None = None
    reason: str | None = None
    evidence: str | None = None
    retries: int = 0
    retry_at: datetime | None = None
    real: float = 0.0
    pid: int = 0
    changed: int = 0
    is_mine: bool = False


@dataclass(frozen=True, slots=True)
class Held:
    """Why a message could not be claimed now: words.Wait, and until when where that is known.

    Attributes:
        crowded: only because as many claims are open as may be: one of them ends soon.
    """

    reason: str
    until: datetime | None = None
    rule: int | None = None
    crowded: bool = False
