"""What Gupshup's answer to a send means (notices.md 7.3), row by row and at the edges between rows."""

from __future__ import annotations

import json
from typing import Any

import pytest

from vs_st_pipeline.connectors.gupshup.answers import Outcome, judge
from vs_st_pipeline.platform.http.client import Heard

YES, BUSY, KEY, ACCOUNT, NO, UNKNOWN = (
    Outcome.ACCEPTED, Outcome.BUSY, Outcome.KEY, Outcome.ACCOUNT, Outcome.REJECTED, Outcome.UNKNOWN,
)  # fmt: skip
HTML = {"Content-Type": "text/html; charset=utf-8"}
LOGIN = b"<html><form><input type='password' name='p'></form></html>"
PAGE = b"<html><body>Gateway</body></html>"


def heard(status: int, body: Any = b"", headers: dict[str, str] | None = None, *, cut: bool = False) -> Heard:
    return Heard(status, headers or {}, body if isinstance(body, bytes) else json.dumps(body).encode(), cut)


def error(message: object, **more: Any) -> dict[str, Any]:
    return {"status": "error", "message": message, **more}


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        # accepted
        (heard(202, {"status": "submitted", "messageId": "m1"}), YES),
        (heard(200, {"status": "submitted", "messageId": "m1"}), YES),
        (heard(200, {"status": "success", "messageId": "m1"}), YES),
        (heard(200, {"status": "Submitted", "messageId": "m1"}), YES),
        (heard(200, {"status": "submitted", "messageId": "m1"}, HTML), YES),
        # 429, HTML 403 that is no log-in
        (heard(429, error("Too Many Requests")), BUSY),
        (heard(429), BUSY),
        (heard(429, LOGIN, HTML), BUSY),
        (heard(403, PAGE, HTML), BUSY),
        # the key
        (heard(401), KEY),
        (heard(401, error("Authentication Failed")), KEY),
        (heard(401, PAGE, HTML), KEY),
        (heard(403, error("Forbidden")), KEY),
        (heard(403, {"message": "Missing"}), KEY),
        (heard(200, error("Authentication Failed")), KEY),
        (heard(400, error("Unauthorized access")), KEY),
        (heard(400, {"message": "Invalid API Key"}), KEY),
        (heard(200, error("Portal User Not Found With APIKey")), KEY),
        (heard(200, LOGIN, HTML), KEY),
        (heard(403, LOGIN, HTML), KEY),
        (heard(402, LOGIN, HTML), KEY),
        (heard(404, LOGIN, HTML), KEY),
        (heard(302, headers={"Location": "https://www.gupshup.io/login"}), KEY),
        # the account
        (heard(402), ACCOUNT),
        (heard(402, error("pay")), ACCOUNT),
        (heard(404), ACCOUNT),
        (heard(404, PAGE, HTML), ACCOUNT),
        (heard(200, error("Insufficient WALLET funds")), ACCOUNT),
        (heard(400, error("Low balance")), ACCOUNT),
        (heard(400, error({"reason": "Invalid App Details"})), ACCOUNT),
        # rejected
        (heard(200, error("Invalid params")), NO),
        (heard(202, error("no such template")), NO),
        (heard(409, error("conflict")), NO),
        (heard(400, {"status": "submitted", "messageId": "m1"}), NO),
        *((heard(status), NO) for status in (400, 413, 415, 422)),
        *((heard(status, PAGE, HTML), NO) for status in (400, 413, 415, 422)),
        # anything else
        (heard(200, {"status": "submitted"}), UNKNOWN),
        (heard(200, {"status": "submitted", "messageId": "  "}), UNKNOWN),
        (heard(200, {"status": "submitted", "messageId": None}), UNKNOWN),
        (heard(200, {"status": "queued", "messageId": "m1"}), UNKNOWN),
        (heard(200, {"messageId": "m1"}), UNKNOWN),
        (heard(200, b'{"status":"submitted","messageId":"m'), UNKNOWN),
        (heard(200, {"status": "submitted", "messageId": "m1"}, cut=True), UNKNOWN),
        (heard(200, ["submitted"]), UNKNOWN),
        (heard(200, b"OK"), UNKNOWN),
        (heard(200), UNKNOWN),
        (heard(204), UNKNOWN),
        (heard(200, PAGE, HTML), UNKNOWN),
        (heard(302, headers={"Location": "https://example.com/elsewhere"}), UNKNOWN),
        (heard(403), UNKNOWN),
        (heard(403, b"no"), UNKNOWN),
        (heard(408), UNKNOWN),
        (heard(409, {"message": "conflict"}), UNKNOWN),
        (heard(200, {"status": "submitted", "messageId": "m" * 201}), UNKNOWN),
        (
            heard(200, b'{"n": 9e9, "i": 99999999999999999999999, "status": "submitted", "messageId": "\\ud800"}'),
            UNKNOWN,
        ),
        (heard(200, b'{"status": "error", "message": ' + b"[" * 700 + b"]" * 700 + b"}"), NO),
        (heard(200, b'{"status": "error", "message": ' + b"[" * 9_000 + b"]" * 9_000 + b"}"), UNKNOWN),
        *((heard(status), UNKNOWN) for status in (500, 502, 503, 504)),
        (heard(500, error("Authentication Failed")), UNKNOWN),
        (heard(500, error("wallet", code=1003)), UNKNOWN),
        (heard(502, PAGE, HTML), UNKNOWN),
        (heard(500, LOGIN, HTML), UNKNOWN),
        (heard(503, LOGIN, HTML), UNKNOWN),
    ],
)
def test_7_3_an_answer_means_what_the_first_row_that_fits_says(answer: Heard, outcome: Outcome) -> None:
    assert judge(answer).outcome is outcome


def test_7_3_an_accepted_message_has_its_id_and_no_other_has_one() -> None:
    assert judge(heard(202, {"status": "submitted", "messageId": " m1 "})).message_id == "m1"
    assert judge(heard(202, {"status": "queued", "messageId": "m1"})).message_id is None


def test_7_3_retry_after_is_told_of_what_is_busy_alone() -> None:
    assert judge(heard(429, headers={"Retry-After": "7"})).retry_after == 7
    assert judge(heard(429)).retry_after is None
    assert judge(heard(400, headers={"Retry-After": "7"})).retry_after is None


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (heard(400, error("low", code=1003)), "1003"),
        (heard(200, error("x", code="4003")), "4003"),
        (heard(500, error("x", code=1003)), None),  # it may be out all the same
        (heard(202, {"status": "submitted", "messageId": "m1", "code": 1003}), None),
    ],
)
def test_7_4_a_json_error_below_500_tells_its_code(answer: Heard, code: str | None) -> None:
    assert judge(answer).code == code
