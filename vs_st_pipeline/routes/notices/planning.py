"""Judges every notice by the sixteen rules (notices.md 5), and says which messages are due, in which order.

Data flow: staged.journey_events, notice_orders, recipients, consents, templates; the accounts' claims and pauses
-> rules -> planned.notices; what is dropped for good -> synced.notices.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from vs_st_pipeline.routes.notices.messages import Message

if TYPE_CHECKING:
    from vs_st_pipeline.routes.notices.session import NoticesSession


@dataclass(frozen=True, slots=True)
class Verdict:
    """Why a notice does not go: the first rule that applies.

    Attributes:
        reason: words.Drop or words.Wait. rule: its number, 1 to 16. until: when a wait ends by time alone.
        drops: for good. detail: what `why` says besides, such as the name of a missing variable.
    """

    reason: str
    rule: int
    drops: bool
    until: datetime | None = None
    detail: str = ""


def plan(session: NoticesSession) -> None:
    """Judge all notices; store `started_at`, the baseline and `enabled_since` where this is no dry run (5.1, 2.3)."""
    raise NotImplementedError


def due(session: NoticesSession) -> list[str]:
    """Return ids of the notices that are due, in the order of sending: failed deliveries, then the oldest."""
    raise NotImplementedError


def again(session: NoticesSession, notice_id: str) -> Message | Verdict:
    """Judge one notice again, by all rules as of now, right before its claim; reads its order anew where 5.6 asks.

    Raises:
        PipelineError: the order could not be read.
    """
    raise NotImplementedError
