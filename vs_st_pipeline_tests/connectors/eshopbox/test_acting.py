"""Holds what is told to Eshopbox about a failed delivery, and what each answer means (notices.md 8.4)."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

import pytest

from vs_st_pipeline.connectors.eshopbox import acting
from vs_st_pipeline.connectors.eshopbox.acting import Outcome, Resolution
from vs_st_pipeline.connectors.eshopbox.settings import EshopboxSettings
from vs_st_pipeline.domain.errors import BadKey, BadSettings, Internal, KeptBack, NotSent, PipelineError, TryLater
from vs_st_pipeline.platform.http.client import Heard
from vs_st_pipeline.platform.settings.secrets import Secret

JSON = {"Content-Type": "application/json"}
HTML = {"Content-Type": "text/html"}
PAGE = b"<html><body>Sorry</body></html>"
RESOLUTION = Resolution("#A/1", "ACTF002", "T1", "98100 00001", "WhatsApp n_x", date(2026, 3, 9))


def settings(**more: Any) -> EshopboxSettings:
    secrets: dict[str, Any] = dict.fromkeys(("client_id", "client_secret", "refresh_token"), Secret("s", "env:S"))
    return EshopboxSettings(workspace="kk", workspace_url="https://kk.example", **secrets, **more)


class Client:
    """Answers what it is told to, one after the other."""

    def __init__(self, *answers: Heard | PipelineError, renews: bool = True, **more: Any) -> None:
        self.settings = settings(**more)
        self.answers, self.renews = list(answers), renews
        self.said: list[dict[str, Any]] = []
        self.tokens: list[str] = []
        self.http = self

    def token(self) -> str:
        return f"t{len(self.tokens)}"

    def renew(self) -> bool:
        return self.renews

    def post_once(
        self, call: str, url: str, body: bytes, *, headers: Mapping[str, str] | None = None,
        may_leave: Callable[[], bool] | None = None,
    ) -> Heard:  # fmt: skip
        assert url == "https://wms.eshopbox.com/api/v2/ndrResolution"
        self.said.append(json.loads(body))
        self.tokens.append((headers or {})["Authorization"])
        answer = self.answers.pop(0)
        if isinstance(answer, PipelineError):
            raise answer
        return answer


@pytest.mark.parametrize(
    ("heard", "outcome"),
    [
        (Heard(200, JSON, b'{"status": "success"}'), Outcome.DONE),
        (Heard(202, JSON, b'{"message": "accepted", "error": null, "errors": []}'), Outcome.DONE),
        (Heard(204, {}, b""), Outcome.DONE),
        (Heard(200, JSON, b"{}"), Outcome.DONE),
        (Heard(200, HTML, b'{"status": "success"}'), Outcome.DONE),
        (Heard(200, {}, b"OK"), Outcome.DONE),
        (Heard(200, JSON, b'"Resolution submitted"'), Outcome.DONE),
        (Heard(201, {}, b"Resolution submitted successfully"), Outcome.DONE),
        (Heard(200, JSON, b"true"), Outcome.DONE),
        (Heard(200, JSON, b'[{"status": "success"}]'), Outcome.DONE),
        (Heard(200, JSON, b"false"), Outcome.UNKNOWN),
        (Heard(200, {}, b"Order could not be found"), Outcome.UNKNOWN),
        (Heard(200, {}, b"Please try again later"), Outcome.UNKNOWN),
        (Heard(200, JSON, b'[{"status": "error"}]'), Outcome.REFUSED),
        (Heard(200, JSON, b'{"data": {"status": "error"}}'), Outcome.REFUSED),
        (Heard(200, JSON, b'{"status": "success", "data": {"status": "failed_delivery"}}'), Outcome.DONE),
        (Heard(200, JSON, b'{"status": "error", "message": "no"}'), Outcome.REFUSED),
        (Heard(200, JSON, b'{"status": "Failed"}'), Outcome.REFUSED),
        (Heard(200, JSON, b'{"success": false}'), Outcome.REFUSED),
        (Heard(200, JSON, b'{"statusCode": 400}'), Outcome.REFUSED),
        (Heard(200, JSON, b'{"status": "422"}'), Outcome.REFUSED),
        (Heard(200, JSON, b'{"errors": [{"x": 1}]}'), Outcome.REFUSED),
        (Heard(400, JSON, b'{"message": "no"}'), Outcome.REFUSED),
        (Heard(403, HTML, PAGE), Outcome.REFUSED),
        (Heard(404, JSON, b""), Outcome.REFUSED),
        (Heard(409, JSON, b"{}"), Outcome.REFUSED),
        (Heard(422, JSON, b"{}"), Outcome.REFUSED),
        (Heard(429, JSON, b"{}"), Outcome.NOT_TAKEN),
        (Heard(500, JSON, b'{"status": "error"}'), Outcome.UNKNOWN),
        (Heard(502, HTML, PAGE), Outcome.UNKNOWN),
        (Heard(302, {"Location": "/login"}, b""), Outcome.UNKNOWN),
        (Heard(200, HTML, PAGE), Outcome.UNKNOWN),
        (Heard(200, JSON, b'{"status": "succ', cut=True), Outcome.UNKNOWN),
        (Heard(200, JSON, b'{"status": "succ'), Outcome.UNKNOWN),
        (Heard(200, JSON, b"[]"), Outcome.UNKNOWN),
        (NotSent("no"), Outcome.NOT_TAKEN),
        (KeptBack("no"), Outcome.NOT_TAKEN),
        (BadSettings("no"), Outcome.NOT_TAKEN),
        (Internal("no"), Outcome.UNKNOWN),
        (TryLater("no"), Outcome.UNKNOWN),
    ],
)
def test_what_an_answer_means(heard: Heard | PipelineError, outcome: Outcome) -> None:
    client = Client(heard)
    assert acting.resolve(client, RESOLUTION).outcome is outcome
    assert len(client.said) == 1


def test_after_a_401_it_is_told_once_more_with_a_new_token() -> None:
    client = Client(Heard(401, JSON, b"{}"), Heard(200, JSON, b"{}"))
    assert acting.resolve(client, RESOLUTION).outcome is Outcome.DONE
    assert client.tokens == ["Bearer t0", "Bearer t1"]
    assert client.said[0] == client.said[1]


@pytest.mark.parametrize(("renews", "calls"), [(True, 2), (False, 1)])
def test_a_token_that_is_refused_for_good_has_done_nothing(renews: bool, calls: int) -> None:
    client = Client(*[Heard(401, JSON, b"{}")] * 2, renews=renews)
    taken = acting.resolve(client, RESOLUTION)
    assert taken.outcome is Outcome.NOT_TAKEN
    assert isinstance(taken.error, BadKey)
    assert len(client.said) == calls


def test_without_a_token_nothing_leaves() -> None:
    client = Client()
    client.token = _no_token  # type: ignore[method-assign]
    assert acting.resolve(client, RESOLUTION).outcome is Outcome.NOT_TAKEN
    assert client.said == []


def _no_token() -> str:
    raise BadKey("no")


WHOLE = {
    "customerOrderNumber": "#A/1",
    "resolutionCode": "ACTF002",
    "trackingId": "T1",
    "contactPhoneNumber": "98100 00001",
    "actionSource": "whatsapp",
    "deferredDate": "2026-03-09",
    "remarks": "WhatsApp n_x",
}


@pytest.mark.parametrize(
    ("more", "changed"),
    [
        ({}, {}),
        ({"deferred_date_format": "dd-mm-yyyy"}, {"deferredDate": "09-03-2026"}),
        ({"action_source": "support"}, {"actionSource": "support"}),
        ({"action_source": "none"}, {"actionSource": None}),
    ],
)
def test_what_is_told(more: dict[str, Any], changed: dict[str, str | None]) -> None:
    client = Client(Heard(200, JSON, b"{}"), **more)
    acting.resolve(client, RESOLUTION)
    assert client.said == [{key: value for key, value in (WHOLE | changed).items() if value is not None}]


def test_only_a_new_date_has_a_date() -> None:
    client = Client(Heard(200, JSON, b"{}"))
    acting.resolve(client, Resolution("A", "ACTF001", "T", "9", "r"))
    assert "deferredDate" not in client.said[0]


def test_an_answers_words_are_not_kept() -> None:
    taken = acting.judge(Heard(400, JSON, b'{"code": "NDR_9", "message": "call 98100 00001"}'))
    assert taken.code == "NDR_9"
    assert "98100" not in repr(taken)
