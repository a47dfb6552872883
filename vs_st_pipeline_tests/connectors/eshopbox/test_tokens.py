"""The token of a workspace: one for all, kept in a file, asked for once in a minute (notices.md 3.1)."""

from __future__ import annotations

import stat
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from vs_st_pipeline.connectors.eshopbox.settings import EshopboxSettings
from vs_st_pipeline.connectors.eshopbox.tokens import EVERY, Tokens, used_for
from vs_st_pipeline.domain.errors import BadAnswer, BadKey, Interrupted, NotSent, PipelineError, TryLater
from vs_st_pipeline.platform.http.client import Heard
from vs_st_pipeline.platform.settings.secrets import Secret

NOON = datetime(2026, 11, 29, 12)
SETTINGS = EshopboxSettings(
    workspace="w",
    client_id=Secret("an-id", "env:A"),
    client_secret=Secret("a-secret", "env:B"),
    refresh_token=Secret("a-refresh", "env:C"),
    workspace_url="http://127.0.0.1:9",
    auth_url="http://127.0.0.1:9/token",
)


class Pace:
    def wait(self) -> float:
        return 0.0


class Process:
    """One process that needs a token; `answers`: what the endpoint says to each of its requests."""

    def __init__(self, folder: Path, *answers: Heard | PipelineError, real: list[float] | None = None) -> None:
        self.tokens = Tokens(SETTINGS, Pace(), 1)
        self.now = NOON
        self.answers, self.asked = list(answers), 0
        self.tokens.keep_in(folder / "tokens", lambda: self.now)
        self.tokens.http.post_once = self._post  # type: ignore[method-assign]

    def _post(self, call: str, url: str, body: bytes, **_: Any) -> Heard:
        assert (call, url) == ("token", SETTINGS.auth_url)
        assert msgspec.json.decode(body)["grant_type"] == "refresh_token"
        self.asked += 1
        answer = self.answers.pop(0)
        if isinstance(answer, PipelineError):
            raise answer
        return answer


def token(name: str, expires_in: Any = 86400) -> Heard:
    return Heard(200, {}, msgspec.json.encode({"access_token": name, "expires_in": expires_in}))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The machine's clock; its only element is now."""
    found = [1000.0]
    monkeypatch.setattr(time, "time", lambda: found[0])
    return found


@pytest.mark.parametrize(
    ("expires_in", "seconds"),
    [
        (86400, 86100),
        (600, 300),
        (599, 299.5),
        (130, 65),
        (90, 60),
        (0, 60),
        ("86400", 86100),
        (None, 60),
        ("soon", 60),
        (True, 60),
    ],
)
def test_how_long_a_token_is_used(expires_in: Any, seconds: float) -> None:
    assert used_for(expires_in) == timedelta(seconds=seconds)


def test_processes_share_one_token_and_nobody_else_may_read_it(tmp_path: Path) -> None:
    first, second = Process(tmp_path, token("one")), Process(tmp_path)
    assert (first.tokens.get(), second.tokens.get()) == ("one", "one")
    [path] = (tmp_path / "tokens").glob("*.json")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert "a-refresh" not in path.read_text()
    assert "secret" not in repr(first.tokens)


def test_a_token_is_asked_for_anew_at_its_end(tmp_path: Path, clock: list[float]) -> None:
    one = Process(tmp_path, token("one", 600), token("two"))
    assert one.tokens.get() == "one"
    clock[0] += 301
    one.now += timedelta(seconds=299)
    assert one.tokens.get() == "one"
    one.now += timedelta(seconds=1)
    assert (one.tokens.get(), one.asked) == ("two", 2)


def test_an_end_that_comes_within_the_minute_is_waited_out_with_the_old_one(tmp_path: Path, clock: list[float]) -> None:
    one = Process(tmp_path, token("one"))
    one.tokens.get()
    one.now += timedelta(days=2)
    clock[0] += EVERY - 1
    assert (one.tokens.get(), one.asked) == ("one", 1)


def test_a_refused_token_is_replaced_once_and_a_new_one_is_not(tmp_path: Path, clock: list[float]) -> None:
    one = Process(tmp_path, token("one"), token("two"))
    one.tokens.get()
    assert not one.tokens.renew()  # it was asked for just now: that it is refused says something about the secrets
    clock[0] += EVERY
    assert one.tokens.renew()
    assert one.tokens.get() == "two"


def test_3_1_a_refused_token_is_replaced_once_the_minute_is_over(
    tmp_path: Path, clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One new token, one repeat, and at most one request per 60 s: what is left of the minute is waited."""
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        clock[0] += seconds

    monkeypatch.setattr(time, "sleep", sleep)
    one = Process(tmp_path, token("one"), token("two"), token("three"))
    one.tokens.get()
    clock[0] += 20
    assert not one.tokens.renew(30), "longer than may be waited"
    assert not slept
    assert one.tokens.renew(60)
    assert sum(slept) == pytest.approx(40)
    assert (one.tokens.get(), one.asked) == ("two", 2)
    one.tokens.keep_in(tmp_path / "tokens", lambda: one.now, lambda: True)
    with pytest.raises(Interrupted):
        one.tokens.renew(60)


def test_3_1_a_minute_that_has_gone_by_for_everything_else_has_gone_by_for_the_token(
    tmp_path: Path, clock: list[float]
) -> None:
    """Where VS_ST_NOW was moved on, a token that is refused is replaced at once (rulings, notices 2)."""
    one = Process(tmp_path, token("one"), token("two"), TryLater("busy"), token("three"))
    one.tokens.get()
    one.now += timedelta(days=2)
    assert (one.tokens.get(), one.asked) == ("one", 1), "it is used until it is refused"
    assert one.tokens.renew()
    assert (one.tokens.get(), one.asked) == ("two", 2)
    one.now += timedelta(seconds=EVERY)
    with pytest.raises(TryLater):
        one.tokens.renew()
    one.now += timedelta(seconds=EVERY - 1)
    with pytest.raises(TryLater):
        one.tokens.get()
    assert one.asked == 3
    one.now += timedelta(seconds=1)
    assert (one.tokens.get(), one.asked) == ("three", 4)


def test_what_another_process_has_fetched_is_taken(tmp_path: Path, clock: list[float]) -> None:
    one, other = Process(tmp_path, token("one")), Process(tmp_path, token("two"))
    one.tokens.get()
    clock[0] += EVERY
    other.tokens.get()
    assert other.tokens.renew()
    assert one.tokens.renew()
    assert (one.tokens.get(), one.asked, other.asked) == ("two", 1, 1)


@pytest.mark.parametrize(
    ("heard", "kind"),
    [
        (Heard(400, {}, b'{"error": "invalid_grant"}'), BadKey),
        (Heard(401, {}, b"{}"), BadKey),
        (Heard(403, {}, b"{}"), BadKey),
        (Heard(200, {}, b"<html>Log in</html>"), BadKey),
        (Heard(404, {}, b"<html>"), BadKey),
        (Heard(302, {}, b""), BadKey),
        (Heard(429, {}, b"{}"), TryLater),
        (Heard(500, {}, b"<html>"), TryLater),
        (Heard(200, {}, b"{}"), BadAnswer),
        (Heard(200, {}, b'{"access_token": " "}'), BadAnswer),
        (Heard(200, {}, b'{"access_token": "a\\nb"}'), BadAnswer),
        (Heard(200, {}, b'{"access_token": "cut', cut=True), BadAnswer),
        (Heard(404, {}, b'{"access_token": "one"}'), BadAnswer),
        (NotSent("no way"), TryLater),
    ],
)
def test_what_an_answer_means_and_nobody_asks_again_within_the_minute(
    tmp_path: Path, clock: list[float], heard: Heard | PipelineError, kind: type[PipelineError]
) -> None:
    one, other = Process(tmp_path, heard), Process(tmp_path, token("one"))
    with pytest.raises(kind):
        one.tokens.get()
    with pytest.raises(BadKey if kind is BadKey else TryLater):
        other.tokens.get()
    assert other.asked == 0
    clock[0] += EVERY
    assert other.tokens.get() == "one"


def test_a_process_that_dies_while_it_asks_has_asked(tmp_path: Path, clock: list[float]) -> None:
    class Killed(BaseException):
        pass

    one, other = Process(tmp_path, Killed()), Process(tmp_path, token("one"))  # type: ignore[arg-type]
    one.tokens.http.post_once = lambda *_, **__: (_ for _ in ()).throw(Killed())  # type: ignore[method-assign]
    with pytest.raises(Killed):
        one.tokens.get()
    with pytest.raises(TryLater):
        other.tokens.get()


def test_a_damaged_file_is_none(tmp_path: Path) -> None:
    one, other = Process(tmp_path, token("one")), Process(tmp_path, token("two"))
    one.tokens.get()
    [path] = (tmp_path / "tokens").glob("*.json")
    path.write_text("{")
    assert other.tokens.get() == "two"


@pytest.mark.parametrize("told", [7_776_000, 1_764_500_000_000, 1e13])
def test_3_1_a_token_that_lives_for_very_long_is_used_for_a_month(told: float) -> None:
    """Whatever a number means that is no life of a token, such as the time of its end, it stops nobody."""
    assert used_for(told) == timedelta(days=31)
