"""Registration and the uuid (audience.md 3), rule by rule, with the power cut at each place."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from vs_st_pipeline.connectors.waymore.client import RegisteredBefore
from vs_st_pipeline.connectors.waymore.settings import WaymoreSettings
from vs_st_pipeline.domain.errors import BadAnswer, BadKey, BadSettings, NotSent, PipelineError, TryLater
from vs_st_pipeline.platform import failpoints
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.settings.merchants import Merchant
from vs_st_pipeline.platform.settings.secrets import Secret
from vs_st_pipeline.platform.warehouse.files import Warehouse
from vs_st_pipeline.routes.audience import registering, registration
from vs_st_pipeline.routes.audience.registration import Registration, State
from vs_st_pipeline.routes.audience.report import new_report
from vs_st_pipeline.routes.audience.session import AudienceSession
from vs_st_pipeline.routes.audience.stage_names import STAGES
from vs_st_pipeline.routes.audience.systems import NAME

SAMPLE = 3  # cases of each test in `make test`; the others count as pytest.mark.slow

UUID = "a-uuid-of-any-form {1}"


class PowerCut(BaseException):
    """The process is gone."""


class FakeWaymore:
    """Answers as it is told to; notes what it was asked, and what the file said then."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.answers: list[str | Exception] = []
        self.asked: list[Mapping[str, str]] = []
        self.discovered = 0
        self.moved = False
        self.tells: dict[str, str] | Exception = {"auth": "https://eu.routee.net/a"}

    def authenticate(self, url: str, said: Mapping[str, str]) -> str:
        assert self.shop.kept().state is State.ASKING  # stored before the call (3.2)
        self.asked.append({**said, "url": url})
        answer = self.answers.pop(0) if self.answers else UUID
        if isinstance(answer, Exception):
            raise answer
        return answer

    def discover(self, url: str, said: Mapping[str, str]) -> dict[str, str]:
        self.discovered += 1
        if isinstance(self.tells, Exception):
            raise self.tells
        return self.tells


class Shop:
    """One merchant; `at` is its clock."""

    def __init__(self, folder: Path) -> None:
        self.warehouse = Warehouse(folder, {})
        self.at = datetime(2026, 5, 20, 12)
        self.settings: dict[str, Any] = {
            "domain": "https://www.hillside.example", "username": Secret(" ann ", "env:U"),
            "password": Secret(" pw ", "env:P"),
        }  # fmt: skip
        self.waymore = FakeWaymore(self)
        self.said: list[str] = []

    @property
    def file(self) -> Path:
        return self.warehouse.data_dir / "merchants" / "hillside" / "waymore.json"

    def kept(self) -> Registration:
        return registration.read_in(self.file.parent)

    def session(self, **run: Any) -> AudienceSession:
        sections: dict[str, Any] = {"waymore": WaymoreSettings(**self.settings), "shop": SimpleNamespace()}
        merchant = Merchant("hillside", "Hillside", sections=sections)
        made = Run(merchant, self.warehouse, lambda: self.at.replace(tzinfo=UTC), route=NAME, **run)
        session = AudienceSession(made, new_report("hillside"), STAGES)
        session._clients["waymore"] = self.waymore  # type: ignore[assignment]
        session.registration = registration.read(made)
        return session

    def sync(self, **run: Any) -> str:
        """Begin a sync; return the kind of its error, or `registered`."""
        session = self.session(**run)
        try:
            registering.begin(session)
        except PipelineError as error:
            self.said.append(str(error))
            return error.kind
        finally:
            registering.end(session)
        return str(session.registration.state)


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


def refusal() -> BadKey:
    return BadKey("refused", system="waymore")


class TestOnce:
    """3.1, 3.2: one registration, in a file of its own."""

    def test_what_is_asked_and_kept(self, shop: Shop) -> None:
        assert shop.sync() == "registered"
        (asked,) = shop.waymore.asked
        assert asked == {
            "url": "https://waymore.routee.net/api/authenticate", "username": "ann", "password": "pw",
            "source": "Custom", "type": "E-Commerce", "version": "1.0", "plugin_version": "1.0",
            "domain": "https://www.hillside.example",
        }  # fmt: skip
        assert shop.kept().uuid == UUID
        assert stat.S_IMODE(shop.file.stat().st_mode) == 0o600
        text = shop.file.read_text()
        assert "pw" not in text
        assert "ann" not in json.loads(text).values()

    def test_no_later_sync_asks_again(self, shop: Shop) -> None:
        assert [shop.sync(), shop.sync(full=True), shop.sync()] == ["registered"] * 3
        assert len(shop.waymore.asked) == 1

    def test_the_uuid_is_not_in_repr(self, shop: Shop) -> None:
        shop.sync()
        assert UUID not in repr(shop.kept())

    def test_a_dry_run_asks_nobody_and_writes_nothing(self, shop: Shop) -> None:
        assert shop.sync(dry_run=True) == "none"
        assert not shop.waymore.asked
        assert not shop.file.exists()

    @pytest.mark.parametrize("bytes_", [b"", b"{", b"[]", b'{"state": "lost"}', b'{"state": "none", "endpoints": 3}'])
    def test_a_damaged_file_stops_all_and_stands(self, shop: Shop, bytes_: bytes) -> None:
        shop.file.parent.mkdir(parents=True)
        shop.file.write_bytes(bytes_)
        with pytest.raises(BadSettings, match="cannot be read"):
            shop.session()
        assert shop.file.read_bytes() == bytes_

    def test_what_a_newer_version_keeps_stays(self, shop: Shop) -> None:
        shop.sync()
        held = json.loads(shop.file.read_text())
        shop.file.write_text(json.dumps({**held, "later": {"a": 1}}))
        registration.mark_accepted(shop.session().run)
        assert json.loads(shop.file.read_text())["later"] == {"a": 1}
        assert shop.kept().uuid == UUID

    def test_a_uuid_that_was_given_out_is_never_stored_nor_asked_for(self, shop: Shop) -> None:
        shop.settings |= {"uuid": Secret(UUID, "env:W"), "username": None, "password": None}
        assert shop.sync() == "registered"
        assert not shop.waymore.asked
        assert UUID not in shop.file.read_text()
        assert registering.uuid_of(shop.session()) == UUID
        assert shop.kept().salt  # two shops' Uninstall must not have one key


class TestRefused:
    """3.3: one try a sync, growing gaps, and what ends them."""

    def test_the_gaps_grow_from_an_hour_to_a_day(self, shop: Shop) -> None:
        shop.waymore.answers = [refusal() for _ in range(8)]
        gaps = []
        for _ in range(7):
            assert shop.sync() == "auth"
            until = shop.kept().next_try_at
            assert until is not None
            assert shop.kept().state is State.NONE
            gaps.append((until - shop.at) // timedelta(hours=1))
            shop.at = until - timedelta(seconds=1)
            asked = len(shop.waymore.asked)
            assert shop.sync() == "auth"
            assert len(shop.waymore.asked) == asked  # a sync in between calls nobody
            shop.at = until
        assert gaps == [1, 2, 4, 8, 16, 24, 24]

    @pytest.mark.parametrize("key", ["username", "password"])
    def test_another_key_is_tried_at_once(self, shop: Shop, key: str) -> None:
        shop.waymore.answers = [refusal()]
        shop.sync()
        shop.settings[key] = Secret("other", "env:O")
        assert shop.sync() == "registered"

    def test_no_answer_leaves_it_asking_and_it_is_asked_again(self, shop: Shop) -> None:
        shop.waymore.answers = [TryLater("busy", system="waymore")]
        assert shop.sync() == "try_later"
        assert shop.kept().state is State.ASKING
        assert shop.sync() == "registered"

    def test_no_connection_is_no_try(self, shop: Shop) -> None:
        shop.waymore.answers = [NotSent("no connection", system="waymore")]
        assert shop.sync() == "try_later"
        assert shop.kept().state is State.NONE

    def test_an_answer_that_says_nothing_is_asked_again(self, shop: Shop) -> None:
        shop.waymore.answers = [BadAnswer("cut", system="waymore")]
        assert shop.sync() == "bad_answer"
        assert shop.sync() == "registered"

    def test_409_is_asked_once_more_then_a_person_is_needed(self, shop: Shop) -> None:
        """Rulings, audience 6."""
        shop.waymore.answers = [RegisteredBefore("before", system="waymore") for _ in range(3)]
        assert [shop.sync(), shop.sync(), shop.sync()] == ["auth"] * 3
        assert len(shop.waymore.asked) == 2
        assert shop.kept().state is State.NONE


def test_an_error_shows_no_key(shop: Shop) -> None:
    shop.waymore.answers = [refusal(), refusal()]
    shop.sync()
    shop.sync()
    assert len(shop.said) == 2
    assert not any(" ann " in said or " pw " in said for said in shop.said)


class TestRegistered:
    """3.4: what was registered is compared, and no error deletes the uuid."""

    @pytest.mark.parametrize(
        ("changed", "result"),
        [
            ({"username": Secret("eve", "env:E")}, "config"),
            ({"domain": "https://other.example"}, "config"),
            ({"domain": "https://WWW.hillside.example/"}, "registered"),
            ({"password": Secret("new", "env:N")}, "registered"),
            ({"username": Secret("ann", "env:E")}, "registered"),  # blanks around it are none of it
        ],
    )
    def test_what_may_change(self, shop: Shop, changed: dict[str, Any], result: str) -> None:
        shop.sync()
        shop.settings |= changed
        assert shop.sync() == result
        assert shop.kept().uuid == UUID
        assert len(shop.waymore.asked) == 1

    def test_with_a_uuid_only_domain_and_source_are_compared(self, shop: Shop) -> None:
        shop.sync()
        shop.settings |= {"uuid": Secret("given", "env:W"), "username": Secret("eve", "env:E")}
        assert shop.sync() == "registered"
        shop.settings["domain"] = "https://other.example"
        assert shop.sync() == "config"

    def test_disconnected_calls_nobody(self, shop: Shop) -> None:
        registration.write(shop.session().run, Registration(State.DISCONNECTED))
        assert shop.sync() == "disconnected"
        assert not shop.waymore.asked


class TestDiscover:
    """3.6: asked once, and again only after an endpoint was nobody's; the settings win."""

    @pytest.fixture(autouse=True)
    def on(self, shop: Shop) -> None:
        shop.settings["discover"] = "https://eu.api.wm.amdtelecom.net/api/endpoints/get"

    def test_asked_once_and_used(self, shop: Shop) -> None:
        shop.sync()
        shop.sync()
        assert shop.waymore.discovered == 1
        assert shop.waymore.asked[0]["url"] == "https://eu.routee.net/a"

    def test_asked_again_once_after_a_move(self, shop: Shop) -> None:
        shop.sync()
        shop.waymore.moved = True
        shop.sync()
        shop.waymore.moved = False
        shop.sync()
        shop.sync()
        assert shop.waymore.discovered == 2

    def test_what_the_settings_write_wins(self, shop: Shop) -> None:
        shop.settings["endpoints"] = {"auth": "https://mine.example/a"}
        shop.sync()
        assert shop.waymore.asked[0]["url"] == "https://mine.example/a"

    def test_an_answer_that_says_nothing_leaves_what_was_told(self, shop: Shop) -> None:
        shop.sync()
        shop.waymore.moved = True
        shop.sync()
        shop.waymore.tells = BadAnswer("nothing", system="waymore")
        assert shop.sync() == "registered"
        assert shop.kept().endpoints == {"auth": "https://eu.routee.net/a"}


@pytest.fixture
def cuts(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    def kill(*_: Any) -> None:
        raise PowerCut

    monkeypatch.setattr("os.kill", kill)
    yield
    failpoints._armed = False


def test_wherever_the_power_goes_one_registration_counts(tmp_path: Path, cuts: None) -> None:
    """3.1, 3.2: a uuid that is kept is never asked for again; until one is, the next sync asks."""
    for turn in range(1, 30):
        shop = Shop(tmp_path / str(turn))
        failpoints.enable(f"any:{turn}")
        try:
            shop.sync()
        except PowerCut:
            failpoints.enable("any:0")
        else:
            assert turn > 4, "no place was cut"
            return
        before, asked = shop.kept(), len(shop.waymore.asked)
        assert before.state in (State.NONE, State.ASKING, State.REGISTERED)
        assert (before.uuid is not None) == (before.state is State.REGISTERED)
        assert shop.sync() == "registered"
        assert len(shop.waymore.asked) == asked + (before.state is not State.REGISTERED)
    raise AssertionError
