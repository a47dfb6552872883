"""Calls WayMore: one method per call that is used, and what an answer means (audience.md 3, 5.1.4, 7.2-7.4).

No write is sent again here: whoever calls decides, by the route's outbox.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from vs_st_pipeline.domain.errors import PipelineError
from vs_st_pipeline.platform.http.client import HttpClient, Pace
from vs_st_pipeline.platform.settings.merchants import Merchant


class Outcome(StrEnum):
    """What became of a part or an event that was sent once."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"  # 2xx JSON with an error mark, 400, 404 in JSON, 409, 422
    TOO_LARGE = "too_large"  # 413
    UNKNOWN = "unknown"  # it may have arrived: time-out or reset after sending, other 5xx, an answer cut short
    NOT_SENT = "not_sent"  # no connection, 429, 503: nothing was taken


@dataclass(frozen=True, slots=True)
class Answer:
    """What WayMore's answer to one call means.

    Attributes:
        stop: the error with which the run stops here: `auth`, `bad_answer`, `try_later`; None: it goes on.
        unmarked: a 2xx that neither says yes nor no; outcome is `unknown` then, and `stop` says what to do (7.3).
        retry_after: seconds that a 429 or 503 asks us to wait; None: it does not say.
    """

    outcome: Outcome
    http_status: int | None = None
    stop: PipelineError | None = None
    unmarked: bool = False
    retry_after: float | None = None


class WaymoreClient:
    """Calls WayMore for one merchant."""

    http: HttpClient

    def __init__(self, merchant: Merchant, pace: Pace) -> None:
        raise NotImplementedError

    def part(self, url: str, body: bytes, key: str) -> Answer:
        """Send one part of the history, once."""
        raise NotImplementedError

    def event(self, url: str, body: bytes, key: str) -> Answer:
        """Send one event, once."""
        raise NotImplementedError

    def authenticate(self, url: str, said: dict[str, str]) -> Any:
        """Ask for a uuid, once."""
        raise NotImplementedError
