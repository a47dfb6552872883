"""Builds the texting service's two error envelopes, which share neither fields nor the type of their timestamps."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from decimal import Decimal

from vs_st_pipeline.sandbox.core.asgi import JSON, PROBLEM, Answer, json_answer

NAMES = {
    400: "BAD_REQUEST",
    401: "UNAUTHORIZED",
    403: "FORBIDDEN",
    404: "NOT_FOUND",
    409: "CONFLICT",
    429: "TOO_MANY_REQUESTS",
}


class Refused(Exception):
    """A request that is answered by an error."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


class ItemFailed(Exception):
    """One contact that cannot be written; args are the item's code and text."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(code, text)
        self.code = code
        self.text = text


def envelope_a(status: int, code: str, message: str, path: str) -> Answer:
    """Return the envelope that calls itself problem+json; its timestamp is epoch seconds."""
    body = {
        "status": NAMES.get(status, "CONFLICT"),
        "errorCode": code,
        "code": code,
        "message": message,
        "errorDetails": [],
        "path": path,
        "timestamp": Decimal(time.time_ns()) / 10**9,
    }
    return json_answer(body, status, PROBLEM)


def envelope_b(status: int, code: str, message: str, details: str) -> Answer:
    """Return the gateway's envelope; its timestamp is ISO with nanoseconds, and `details` is one string."""
    nanoseconds = time.time_ns()
    at = datetime.fromtimestamp(nanoseconds // 10**9, UTC)
    body = {
        "code": code,
        "errorCode": "UNKNOWN_ERR",
        "timestamp": at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{nanoseconds % 10**9:09d}Z",
        "message": message,
        "details": details,
    }
    return json_answer(body, status, JSON)


def invalid(details: str, status: int = 409) -> Answer:
    """Return the error for a value that the service does not take."""
    return envelope_b(status, "INVALID_INPUT_VALUE", "Invalid Input Value", details)


def missing(what: str, path: str) -> Answer:
    """Return the error for something that does not exist."""
    return envelope_a(404, "ENTITY_NOT_FOUND", f"Entity not found: {what}", path)


def bad_body(details: str) -> Answer:
    """Return the error for a body that is missing, not JSON, or of another shape."""
    return envelope_b(400, "INTERNAL_ERROR", "Illegal JSON format or schema mismatch", details)
