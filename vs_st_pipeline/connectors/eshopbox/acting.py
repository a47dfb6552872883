"""Tells Eshopbox what a customer wants done about a failed delivery, once, and judges the answer (notices.md 8.4).

Data flow: a resolution -> POST /api/v2/ndrResolution, these bytes once -> `Taken`, by the table `ANSWERS`.

Nothing is sent again here but after a 401, which certainly did nothing. An answer that does not say what became of the
call is `UNKNOWN`: only a read, or a person, settles it. The answer's text is not kept: it may hold a phone.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Any, Final, Protocol

from vs_st_pipeline.connectors.eshopbox.names import ESHOPBOX
from vs_st_pipeline.connectors.eshopbox.settings import EshopboxSettings
from vs_st_pipeline.domain.codec import plain_code, try_json
from vs_st_pipeline.domain.errors import BadKey, BadSettings, KeptBack, NotSent, PipelineError, TryLater
from vs_st_pipeline.platform.http import pages
from vs_st_pipeline.platform.http.client import Heard

CALL: Final = "ndr_resolution"
PATH: Final = "/api/v2/ndrResolution"
NO_SOURCE: Final = "none"  # `action_source`: the key is left out
_WRAPPERS: Final = ("data", "result", "response")  # of an answer that says inside how it went
_LONGEST_TEXT: Final = 500
_TROUBLE: Final = re.compile(
    rb"err|fail|invalid|denied|refus|reject|exception|unable|unavail|not\b|n't\b|cannot|\bno\b|again|later|maintenance|limit",
    re.IGNORECASE,
)
_DATE_FORMS: Final = {"yyyy-mm-dd": "%Y-%m-%d", "dd-mm-yyyy": "%d-%m-%Y"}


class Outcome(StrEnum):
    """What became of a call."""

    DONE = "done"
    REFUSED = "refused"  # for good: it did nothing
    NOT_TAKEN = "not_taken"  # it certainly did nothing, and may be made again
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Taken:
    """What an answer means. `code`: Eshopbox's, where it is a safe word. `error`: why it was not taken."""

    outcome: Outcome
    http_status: int | None = None
    code: str | None = None
    error: PipelineError | None = None


@dataclass(frozen=True, slots=True)
class Resolution:
    """What is told. `phone`: exactly as the order has it. `deferred`: of a new date alone."""

    order_number: str
    code: str
    tracking_id: str
    phone: str = field(repr=False)
    remarks: str
    deferred: date | None = None

    def body(self, settings: EshopboxSettings) -> bytes:
        """Return the bytes of the request."""
        said = {
            "customerOrderNumber": self.order_number,
            "resolutionCode": self.code,
            "trackingId": self.tracking_id,
            "contactPhoneNumber": self.phone,
        }
        if settings.action_source != NO_SOURCE:
            said["actionSource"] = settings.action_source
        if self.deferred is not None:
            said["deferredDate"] = self.deferred.strftime(_DATE_FORMS[settings.deferred_date_format])
        said["remarks"] = self.remarks
        return json.dumps(said).encode()


class Poster(Protocol):
    """The part of `HttpClient` that is used here."""

    def post_once(
        self,
        call: str,
        url: str,
        body: bytes,
        *,
        headers: Mapping[str, str] | None = None,
        may_leave: Callable[[], bool] | None = None,
    ) -> Heard:
        """Post these bytes once."""
        ...


class Caller(Protocol):
    """The part of `EshopboxClient` that is used here."""

    @property
    def http(self) -> Poster:
        """Return what posts."""
        ...

    @property
    def settings(self) -> EshopboxSettings:
        """Return the workspace's settings."""
        ...

    def token(self) -> str:
        """Return the present token; raises PipelineError."""
        ...

    def renew(self) -> bool:
        """Get a new token in place of a refused one; False: one was asked for just now. Raises PipelineError."""
        ...


def resolve(client: Caller, resolution: Resolution) -> Taken:
    """Tell a resolution, once; after a 401, which certainly did nothing, once more with a new token."""
    url, body = client.settings.base_url.rstrip("/") + PATH, resolution.body(client.settings)
    for _ in range(2):
        try:
            headers = {"Authorization": f"Bearer {client.token()}"}
        except PipelineError as error:  # no call was made
            return Taken(Outcome.NOT_TAKEN, error=error)
        try:
            heard = client.http.post_once(CALL, url, body, headers=headers)
        except (NotSent, KeptBack, BadSettings) as error:
            return Taken(Outcome.NOT_TAKEN, error=error)
        except PipelineError as error:
            return Taken(Outcome.UNKNOWN, error=error)
        if heard.status != 401:
            return judge(heard)
        try:
            if not client.renew():
                break
        except PipelineError as error:
            return Taken(Outcome.NOT_TAKEN, 401, error=error)
    refused = BadKey("Eshopbox does not accept the token", system=ESHOPBOX, call=CALL, http_status=401)
    return Taken(Outcome.NOT_TAKEN, 401, error=refused)


def judge(heard: Heard) -> Taken:
    """Say what an answer means: the first row of `ANSWERS` that fits."""
    said = None if heard.cut else try_json(heard.body)
    told = _object_in(said)
    outcome = next(outcome for fits, outcome in ANSWERS if fits(heard, told))
    code = plain_code(told)
    error: PipelineError | None = None
    if outcome is Outcome.NOT_TAKEN:
        error = TryLater("Eshopbox is busy", system=ESHOPBOX, call=CALL, http_status=heard.status)
    return Taken(outcome, heard.status, code, error)


def says_error(told: Mapping[str, Any]) -> bool:
    """Say whether a JSON answer tells of an error."""
    for key in ("status", "statusCode", "code"):
        value = told.get(key)
        if isinstance(value, str) and value.strip().casefold() in ("error", "failed", "failure", "fail"):
            return True
        if (number := _number(value)) is not None and 400 <= number < 600:
            return True
    if any(told.get(key) is False for key in ("success", "status")):
        return True
    if any(bool(told.get(key)) for key in ("error", "errors")):
        return True
    return any(says_error(inner) for key in _WRAPPERS if isinstance(inner := told.get(key), Mapping))


def _object_in(said: object) -> Mapping[str, Any]:
    """Return the object that an answer is, or that it is a list of alone; an empty one where it is something else."""
    if isinstance(said, list) and len(said) == 1:
        said = said[0]
    return said if isinstance(said, dict) else {}


def _number(value: object) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    return int(value) if isinstance(value, str) and value.strip().isdecimal() else None


def _is_ok(heard: Heard) -> bool:
    return 200 <= heard.status < 300


def _is_readable(heard: Heard, told: Mapping[str, Any]) -> bool:
    """Say whether a body may be Eshopbox's own: a JSON object, a few words that speak of no trouble, or none at all."""
    body = heard.body.strip()
    if told or (not heard.cut and body in (b"", b"{}", b"null")):
        return True
    if heard.cut or pages.is_page(heard.headers, body):
        return False
    is_text = body[:1] not in (b"{", b"[") and body.strip(b'"').lower() not in (b"", b"false")
    return is_text and len(body) <= _LONGEST_TEXT and not _TROUBLE.search(body)


Fits = Callable[[Heard, Mapping[str, Any]], bool]
ANSWERS: Final[tuple[tuple[Fits, Outcome], ...]] = (
    (lambda heard, _: heard.status == 429, Outcome.NOT_TAKEN),
    (lambda heard, _: 400 <= heard.status < 500, Outcome.REFUSED),
    (lambda heard, told: _is_ok(heard) and says_error(told), Outcome.REFUSED),
    (lambda heard, told: _is_ok(heard) and _is_readable(heard, told), Outcome.DONE),
    (lambda _heard, _told: True, Outcome.UNKNOWN),
)
"""8.4, first that fits. A 5xx is unknown whatever its body says: it may have been taken before it broke."""
