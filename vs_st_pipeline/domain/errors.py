"""Names what can go wrong by what to do next: come back later, give up, or skip one record.

A message is one fixed sentence plus fields (system, call, status, trace id). It never carries a body,
a phone, a name or a key, because messages end up in logs, reports and the Dagster UI.
"""

from __future__ import annotations

from typing import ClassVar


class PipelineError(Exception):
    """Base of every error that the pipeline raises on purpose.

    Attributes:
        kind: the word of the report (`auth`, `try_later`, `bad_answer`, `unsafe`, `config`, `internal`).
        message: a fixed sentence for people; it says what to do where that is known.
        system: name of the connector, or None.
        call: name of the API call, e.g. `list_customers`, or None.
        http_status: status of the answer, or None where none came.
        trace_id: the vendor's id of the request, or None.
    """

    kind: ClassVar[str] = "internal"

    def __init__(
        self,
        message: str,
        *,
        system: str | None = None,
        call: str | None = None,
        http_status: int | None = None,
        trace_id: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.system = system
        self.call = call
        self.http_status = http_status
        self.trace_id = trace_id

    def __str__(self) -> str:
        fields = [
            f"{name}={value}"
            for name, value in (
                ("system", self.system),
                ("call", self.call),
                ("http_status", self.http_status),
                ("trace_id", self.trace_id),
            )
            if value is not None
        ]
        return f"{self.message} [{' '.join(fields)}]" if fields else self.message

    def as_report(self) -> dict[str, str | int | None]:
        """Return the `error` object of a report (interface.md, section 3)."""
        message = f"{self.message} (call {self.call})" if self.call else self.message
        return {
            "kind": self.kind,
            "system": self.system,
            "message": message,
            "http_status": self.http_status,
            "trace_id": self.trace_id,
        }


class TryLater(PipelineError):
    """The other side (or another sync) is busy, slow or down; the same sync may pass later."""

    kind = "try_later"


class NotSent(TryLater):
    """The request has certainly done nothing: no connection was made, or it was turned away unread."""


class Blocked(TryLater):
    """A block page of what stands in front of the system came in place of an answer: the request was not let through.

    Only a request that is asked once is told so; others are tried again.
    """


class LockHeld(TryLater):
    """Another sync of the merchant and route is running; nothing was begun."""


class KeptBack(TryLater):
    """A write did not leave, because right before that something forbade it.

    Attributes:
        tried: an earlier try of the same request had left, and no answer says what became of it.
    """

    tried = False


class Interrupted(TryLater):
    """Something unrelated to this merchant ended its run midway; the merchant can be run again at once."""


class GiveUp(PipelineError):
    """Trying again changes nothing until a person does something."""


class BadKey(GiveUp):
    """The system does not accept the merchant's key: 401, 403, or a log-in page instead of an answer."""

    kind = "auth"


class Forbidden(BadKey):
    """A 403 in the system's own words: on a read of one record it may be about that record alone (routes.md R40)."""


class BadAnswer(GiveUp):
    """The answer is not JSON, cut short, of the wrong shape, or a filter or page step had no effect."""

    kind = "bad_answer"


class BadRecord(BadAnswer):
    """The answer to a read of one record is another record, or too little of one to be believed (routes.md R22)."""


class Unsafe(GiveUp):
    """The brake refused this sync: many contacts would lose something, so nothing is written."""

    kind = "unsafe"


class BadSettings(GiveUp):
    """A setting is missing, unknown or unusable; the message names the file, the line and the fix."""

    kind = "config"


class Internal(GiveUp):
    """A fault in this program."""

    kind = "internal"


class Refused(PipelineError):
    """A 4xx that is about this one request only (400, 404, 409, ...); the caller knows what it means.

    Attributes:
        code: the error code of the body (`CONTACT_UPDATE_FAILED`, `VALIDATION`, ...), or None.
        server_time: the answer's `Date` header as epoch seconds (UTC), or None.
        said: the answer's JSON, for its connector to find the items that it is about; it may hold personal data, so it
            is in no message.
    """

    kind = "bad_answer"

    def __init__(
        self,
        message: str,
        *,
        system: str | None = None,
        call: str | None = None,
        http_status: int | None = None,
        trace_id: str | None = None,
        code: str | None = None,
        server_time: float | None = None,
        said: object = None,
    ) -> None:
        super().__init__(message, system=system, call=call, http_status=http_status, trace_id=trace_id)
        self.code = code
        self.server_time = server_time
        self.said = said


class BadArguments(Exception):
    """What was typed after a command means nothing here; the text says why, and repeats nothing that may be personal.

    It is no `PipelineError`: nothing went wrong but what was asked, so no report counts it (exit status 2).
    """
