"""Says what Gupshup's answer to a send means (notices.md 7.3): a pure function, no request, no clock.

The rows stand in the contract's order, and the first that fits counts. Only where Gupshup has certainly not taken the
message is it `refused` or `rejected`; whatever is in no row may be out, so it is `unknown`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from vs_st_pipeline.connectors.gupshup.codes import code_in
from vs_st_pipeline.domain.codec import epoch_seconds, retry_after, try_json
from vs_st_pipeline.platform.http import pages
from vs_st_pipeline.platform.http.client import Heard


class Outcome(StrEnum):
    """What became of a message that was sent once."""

    ACCEPTED = "accepted"
    NOT_SENT = "not_sent"  # the request did not leave us: refused, again in the next sync
    BUSY = "busy"  # refused; the account pauses
    KEY = "key"  # refused, `auth`; the account stops
    ACCOUNT = "account"  # refused, `config`; the account stops
    REJECTED = "rejected"  # for good
    UNKNOWN = "unknown"  # never sent again by itself


@dataclass(frozen=True, slots=True)
class Said:
    """An answer, read once.

    Attributes:
        json: its body where that is a whole JSON object; else None.
    """

    status: int
    json: Mapping[str, Any] | None
    is_page: bool
    is_login: bool

    @property
    def is_good(self) -> bool:
        """Say whether the status is of success."""
        return 200 <= self.status < 300

    @property
    def word(self) -> str:
        """Return the JSON's own `status`, in small letters."""
        return _text(self.json.get("status")).lower() if self.json else ""

    @property
    def message_id(self) -> str:
        """Return the message's id; `""`: none, or none that can be stored and told again by a receipt."""
        told = _text(self.json.get("messageId")) if self.json else ""
        return told if len(told) <= _LONGEST_ID and told.isprintable() else ""

    @property
    def is_error(self) -> bool:
        """Say whether it is a JSON error."""
        return self.json is not None and (self.word == "error" or self.status >= 400)

    def tells_of(self, *words: str) -> bool:
        """Say whether it is a JSON error that holds one of these words."""
        told = words_of(self.json) if self.is_error else ""
        return any(word in told for word in words)


@dataclass(frozen=True, slots=True)
class Answer:
    """What an answer means.

    Attributes:
        message_id: of an accepted one. retry_after: seconds that a `busy` one asks to wait; None: it says none.
        code: the code of a JSON error that is no 5xx (7.4); None: it has none.
    """

    outcome: Outcome
    http_status: int | None = None
    message_id: str | None = None
    code: str | None = None
    retry_after: float | None = None


_LONGEST_ID: Final = 200
_DEEPEST: Final = 32
KEY_WORDS: Final = ("authentication", "unauthorized", "api key", "apikey", "api-key")
ROWS: Final[tuple[tuple[Callable[[Said], bool], Outcome], ...]] = (
    (lambda it: it.is_good and it.word in ("submitted", "success") and it.message_id != "", Outcome.ACCEPTED),
    (lambda it: it.status == 429 or (it.status == 403 and it.is_page and not it.is_login), Outcome.BUSY),
    (lambda it: it.status == 401 or (it.status == 403 and it.json is not None), Outcome.KEY),
    (lambda it: it.status < 500 and it.tells_of(*KEY_WORDS), Outcome.KEY),
    (lambda it: it.status < 500 and it.is_login, Outcome.KEY),
    (lambda it: it.status in (402, 404), Outcome.ACCOUNT),
    (lambda it: it.status < 500 and it.tells_of("wallet", "balance", "app details"), Outcome.ACCOUNT),
    (lambda it: it.status < 500 and it.word == "error", Outcome.REJECTED),
    (lambda it: it.status in (400, 413, 415, 422), Outcome.REJECTED),
)
"""7.3, but for a request that did not leave us, which has no answer; what no row fits is unknown."""


def judge(heard: Heard) -> Answer:
    """Return what an answer means."""
    said = read(heard)
    outcome = next((row for fits, row in ROWS if fits(said)), Outcome.UNKNOWN)
    wait = None
    if outcome is Outcome.BUSY:
        wait = retry_after(heard.headers.get("Retry-After"), epoch_seconds(heard.headers.get("Date")))
    return Answer(
        outcome,
        said.status,
        message_id=said.message_id if outcome is Outcome.ACCEPTED else None,
        code=code_in(said.json) if said.json is not None and said.is_error and said.status < 500 else None,
        retry_after=wait,
    )


def read(heard: Heard) -> Said:
    """Read an answer; a body that was cut is no JSON, even where what came of it would be."""
    found = None if heard.cut else try_json(heard.body)
    is_json = isinstance(found, dict)
    is_page = not is_json and pages.is_page(heard.headers, heard.body)
    if 300 <= heard.status < 400:
        is_login = pages.is_login_place(heard.headers.get("Location", "").split("?")[0])
    else:
        is_login = is_page and pages.asks_for_password(heard.body)
    return Said(heard.status, found if is_json else None, is_page, is_login)


def words_of(said: object) -> str:
    """Return all texts of a JSON value in small letters; they are looked into, and told nowhere."""
    return " ".join(_texts(said)).lower()


def _text(value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value.strip() if isinstance(value, str) else ""


def _texts(value: object, depth: int = 0) -> list[str]:
    if isinstance(value, str):
        return [value]
    inner = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    return [text for one in inner for text in _texts(one, depth + 1)] if depth < _DEEPEST else []
