"""Says what WayMore's answer to a part or an event means (audience.md 7.2-7.4): a pure function, no request.

WayMore publishes no list of answers. The only sign of success ever seen is a non-empty `message` in a JSON object; a
parked host's 200 must not pass for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from vs_st_pipeline.connectors.waymore.names import WAYMORE
from vs_st_pipeline.connectors.waymore.pages import is_blocked, is_login, is_page
from vs_st_pipeline.domain.codec import epoch_seconds, retry_after, try_json
from vs_st_pipeline.domain.errors import BadAnswer, BadKey, PipelineError, TryLater
from vs_st_pipeline.platform.http.client import Heard

SAYS_NOTHING: Final = "no message in the answer; if that is right, set waymore.ack: status"
MOVED: Final = "the endpoint has moved; set waymore.endpoints, or waymore.discover"
NO_KEY: Final = "WayMore does not accept the uuid; ask Routee, and set waymore.uuid if it gives out another one"
BUSY: Final = "WayMore takes no more requests for now"
_NO: Final = (0, "0", "false", "error", "fail")  # false is 0 as well
_NOTHING: Final[tuple[object, ...]] = (None, "", 0, [], {})


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
        retry_after: seconds that WayMore asks to wait, of a 429 or 503; None: it says none.
        moved: nobody is at this URL any more: `discover` is asked again (3.6).
    """

    outcome: Outcome
    http_status: int | None = None
    stop: PipelineError | None = None
    unmarked: bool = False
    retry_after: float | None = None
    moved: bool = False


def judge(heard: Heard, call: str, *, ack: str) -> Answer:
    """Return what an answer means.

    Args:
        ack: `message`, or `status`: then a 2xx without an error mark is an acknowledgement too, unless it is a page.
    """
    status = heard.status

    def stopped(outcome: Outcome, kind: type[PipelineError], says: str, **more: Any) -> Answer:
        return Answer(outcome, status, kind(says, system=WAYMORE, call=call, http_status=status), **more)

    page = is_page(heard)
    if is_login(heard):
        return stopped(Outcome.NOT_SENT, BadKey, NO_KEY)
    if is_blocked(heard):
        return stopped(Outcome.NOT_SENT, TryLater, BUSY, retry_after=_wait(heard))
    if 200 <= status < 300:
        if heard.cut or (not page and _breaks_off(heard.body)):
            return Answer(Outcome.UNKNOWN, status)
        return _good(heard, page=page, ack=ack) or stopped(Outcome.UNKNOWN, BadAnswer, SAYS_NOTHING, unmarked=True)
    said = None if heard.cut else try_json(heard.body)
    if status in (401, 403):
        return stopped(Outcome.NOT_SENT, BadKey, NO_KEY)
    if status < 400 or (status in (404, 410) and not isinstance(said, dict | list)):
        return stopped(Outcome.NOT_SENT, BadAnswer, MOVED, moved=True)
    if status == 413:
        return Answer(Outcome.TOO_LARGE, status)
    if status in (429, 503):
        return stopped(Outcome.NOT_SENT, TryLater, BUSY, retry_after=_wait(heard))
    if status >= 500 or status in (408, 425):
        return Answer(Outcome.UNKNOWN, status)
    if status in (400, 404, 409, 410, 422) and not page:
        return Answer(Outcome.REJECTED, status)
    # Something else than WayMore has answered, or WayMore in a way that says nothing about what was sent.
    return stopped(Outcome.NOT_SENT, BadAnswer, "the answer is none that WayMore gives; is the endpoint right?")


def _breaks_off(body: bytes) -> bool:
    """Say whether an answer is JSON that has no end: cut short on its way, and no plain text either (7.2, 7.4)."""
    return body.lstrip()[:1] in (b"{", b"[") and try_json(body) is None


def _good(heard: Heard, *, page: bool, ack: str) -> Answer | None:
    """Return what a 2xx says; None: neither yes nor no."""
    if page:
        return None
    said = try_json(heard.body)
    if isinstance(said, dict):
        if has_error(said):
            return Answer(Outcome.REJECTED, heard.status)
        message = said.get("message")
        if isinstance(message, str) and message:
            return Answer(Outcome.ACCEPTED, heard.status)
    return Answer(Outcome.ACCEPTED, heard.status) if ack == "status" else None


def has_error(said: Mapping[str, Any]) -> bool:
    """Say whether a JSON object has a mark that something went wrong (7.2)."""
    if said.get("error") not in _NOTHING or said.get("errors"):
        return True
    return any(_is_no(said[key]) for key in ("success", "status") if key in said)


def _is_no(value: object) -> bool:
    return (value.strip().lower() if isinstance(value, str) else value) in _NO


def _wait(heard: Heard) -> float | None:
    return retry_after(heard.headers.get("Retry-After"), epoch_seconds(heard.headers.get("Date")))
