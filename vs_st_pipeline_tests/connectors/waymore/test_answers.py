"""What WayMore's answer to a part or an event means (audience.md 7.2-7.4), answer by answer."""

from __future__ import annotations

import json
from typing import Any

import pytest

from vs_st_pipeline.connectors.waymore.answers import Outcome, judge
from vs_st_pipeline.platform.http.client import Heard

YES, NO, LARGE, UNKNOWN, NOT = (
    Outcome.ACCEPTED, Outcome.REJECTED, Outcome.TOO_LARGE, Outcome.UNKNOWN, Outcome.NOT_SENT,
)  # fmt: skip
PAGE = {"Content-Type": "text/html"}
FORM = b"<html><form><input type='password'></form></html>"


def heard(status: int, body: Any = b"", headers: dict[str, str] | None = None, *, cut: bool = False) -> Heard:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Heard(status, headers or {}, raw, cut)


def told(one: Heard, ack: str = "message") -> tuple[Outcome, str | None]:
    answer = judge(one, "send_event", ack=ack)
    return answer.outcome, answer.stop.kind if answer.stop else None


@pytest.mark.parametrize(
    ("answer", "outcome", "stops"),
    [
        (heard(200, {"message": "ok"}), YES, None),
        (heard(201, {"message": "ok"}), YES, None),
        (heard(202, {"message": "ok", "success": 1, "error": None, "errors": []}), YES, None),
        (heard(200, {"message": "ok", "error": "no uuid"}), NO, None),
        (heard(200, {"message": "ok", "errors": ["x"]}), NO, None),
        *((heard(200, {"message": "ok", "error": mark}), YES, None) for mark in ("", False, 0, [], {})),
        *(
            (heard(200, {"message": "ok", "success": mark}), NO, None)
            for mark in (False, 0, "0", "false", "error", "fail")
        ),
        *((heard(200, {"message": "ok", "status": mark}), NO, None) for mark in (False, 0, "FALSE", "error", "fail")),
        (heard(200, {"message": "ok", "status": 200}), YES, None),
        (heard(200, {"message": ""}), UNKNOWN, "bad_answer"),
        (heard(200, {"message": 1}), UNKNOWN, "bad_answer"),
        (heard(200, {}), UNKNOWN, "bad_answer"),
        (heard(200, []), UNKNOWN, "bad_answer"),
        (heard(200), UNKNOWN, "bad_answer"),
        (heard(200, b"OK"), UNKNOWN, "bad_answer"),
        (heard(200, b"<html>parked</html>", PAGE), UNKNOWN, "bad_answer"),
        (heard(200, FORM, PAGE), NOT, "auth"),
        (heard(200, b'{"mess', cut=True), UNKNOWN, None),
        (heard(200, b'{"message": "o'), UNKNOWN, None),
        (heard(200, {"message": "ok"}, cut=True), UNKNOWN, None),  # what was cut off may say no
        (heard(200, b'{"message": "o', PAGE), UNKNOWN, "bad_answer"),
        (heard(200, {"message": "ok"}, PAGE), YES, None),  # PHP calls its JSON a page where nobody says otherwise
        (heard(200, {"error": "no uuid"}, PAGE), NO, None),
        (heard(200, {}, PAGE), UNKNOWN, "bad_answer"),
        (heard(404, {"message": "x"}, PAGE), NO, None),
        (heard(400, {"message": "invalid"}, PAGE), NO, None),
        (heard(400, {"message": "invalid"}), NO, None),
        (heard(400), NO, None),
        (heard(404, {"message": "x"}), NO, None),
        (heard(409, {}), NO, None),
        (heard(410, {}), NO, None),
        (heard(422, {}), NO, None),
        (heard(404, {}, cut=True), NOT, "bad_answer"),
        (heard(405, {}), NOT, "bad_answer"),
        (heard(408), UNKNOWN, None),
        (heard(425), UNKNOWN, None),
        (heard(413), LARGE, None),
        (heard(401, {}), NOT, "auth"),
        (heard(403, {}), NOT, "auth"),
        (heard(302, headers={"Location": "https://x.example/login"}), NOT, "auth"),
        (heard(302, headers={"Location": "https://x.example/api/event"}), NOT, "bad_answer"),
        (heard(300, {"message": "ok"}), NOT, "bad_answer"),
        (heard(404), NOT, "bad_answer"),
        (heard(410, b"gone"), NOT, "bad_answer"),
        (heard(400, b"<html>proxy</html>", PAGE), NOT, "bad_answer"),
        (heard(429), NOT, "try_later"),
        (heard(503), NOT, "try_later"),
        (heard(403, b"error code: 1020", {"cf-ray": "1"}), NOT, "try_later"),
        (heard(200, b"<html>wait</html>", {"cf-ray": "1", **PAGE}), NOT, "try_later"),
        (heard(500), UNKNOWN, None),
        (heard(502, b"<html></html>", PAGE), UNKNOWN, None),
    ],
)
def test_a7_2_to_7_4_what_an_answer_means(answer: Heard, outcome: Outcome, stops: str | None) -> None:
    assert told(answer) == (outcome, stops)


@pytest.mark.parametrize(
    ("answer", "outcome", "stops"),
    [
        (heard(200), YES, None),
        (heard(200, b"OK"), YES, None),
        (heard(204), YES, None),
        (heard(200, {}), YES, None),
        (heard(200, {"success": 0}), NO, None),
        (heard(200, b"<html>parked</html>", PAGE), UNKNOWN, "bad_answer"),
        (heard(200, FORM, PAGE), NOT, "auth"),
    ],
)
def test_a7_2_with_ack_status_a_2xx_without_error_marks_will_do_but_no_page(
    answer: Heard, outcome: Outcome, stops: str | None
) -> None:
    assert told(answer, "status") == (outcome, stops)


def test_a7_3_the_wait_that_is_asked_for_is_kept_and_who_has_moved_is_told() -> None:
    assert judge(heard(429, headers={"Retry-After": "7"}), "send_event", ack="message").retry_after == 7
    assert judge(heard(410), "send_event", ack="message").moved
    elsewhere = {"Location": "https://x.example/api/event"}
    assert judge(heard(302, headers=elsewhere), "send_event", ack="message").moved
    assert judge(heard(200), "send_event", ack="message").unmarked
    assert not judge(heard(404, {}), "send_event", ack="message").moved


def test_7_4_json_that_breaks_off_is_no_plain_text_that_acknowledges() -> None:
    """7.2, 7.4: with `ack: status` plain text is a yes; half of an answer that may go on to say no is none."""
    assert told(heard(200, b"OK"), ack="status") == (YES, None)
    assert told(heard(200, b'{"success": fal'), ack="status") == (UNKNOWN, None)
    assert told(heard(200, b'[{"error'), ack="status") == (UNKNOWN, None)
