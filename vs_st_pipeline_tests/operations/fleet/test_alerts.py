"""Who is told what, and when: once per change, at every address, whatever fails; with a real webhook receiver."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from click.testing import CliRunner
from dagster import DagsterInstance, build_sensor_context

from vs_st_pipeline.cli.main import cli
from vs_st_pipeline.defs.fleet_health import KEY, refreshed
from vs_st_pipeline.defs.sensors import fleet_watch
from vs_st_pipeline.domain.hints import Outcome
from vs_st_pipeline.operations.fleet import alerts, inbox_troubles
from vs_st_pipeline.platform.settings.environment import alert_addresses
from vs_st_pipeline_tests.support.hints import Hints
from vs_st_pipeline_tests.support.statuses import MINUTE, NOW, Files
from vs_st_pipeline_tests.support.story import TEST, Story


class Receiver:
    """A webhook on loopback; `answers` is the status that it gives, 0: none for as long as it is so."""

    def __init__(self) -> None:
        self.messages: list[dict[str, str]] = []
        self.answers = 200
        self.heard, self._end = threading.Event(), threading.Event()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                message = json.loads(self.rfile.read(int(self.headers["content-length"])))
                receiver.heard.set()
                if receiver.answers == 0:
                    receiver._end.wait()
                    return
                if receiver.answers == 200:
                    receiver.messages.append(message)
                self.send_response(receiver.answers)
                self.end_headers()

            def log_message(self, *arguments: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    @property
    def url(self) -> str:
        return f"json://127.0.0.1:{self._server.server_port}/hidden-in-the-url"

    @property
    def titles(self) -> list[str]:
        return [message["title"] for message in self.messages]

    def close(self) -> None:
        self._end.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


@pytest.fixture
def files(tmp_path: Path, receiver: Receiver) -> Files:
    made = Files(tmp_path)
    made.environ |= {"VS_ST_ALERTS": "env:ALERT_URL", "ALERT_URL": receiver.url}
    return made


def tell(files: Files, **environ: str) -> alerts.DeliveryResult:
    return alerts.send_alerts({**files.environ, **environ})


def test_a_key_that_goes_bad_is_told_once_and_so_is_its_end(
    story: Story, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VS_ST_ALERTS", "env:ALERT_URL")
    monkeypatch.setenv("ALERT_URL", receiver.url)
    key = story.folder / "keys" / f"{TEST}.vs_key"
    good = key.read_text()
    key.write_text("wrong\n")
    assert story.sync(every=True).exit_code == 1
    (message,) = receiver.messages
    assert message["title"] == "Test Winery: failing (auth)"
    assert message["type"] == "failure"
    assert "What to do: Renew the key" in message["message"]
    assert story.sync(every=True).exit_code == 1
    assert len(receiver.messages) == 1
    key.write_text(good)
    done = story.sync(every=True)
    assert (done.exit_code, done.err.count("warning")) == (0, 0)
    assert receiver.titles[1:] == ["Test Winery: well again"]
    assert receiver.messages[1]["type"] == "success"


def test_one_address_that_is_down_is_told_later_and_the_other_hears_nothing_twice(
    files: Files, receiver: Receiver
) -> None:
    other = Receiver()
    both = {"VS_ST_ALERTS": "env:ALERT_URL env:OTHER_URL", "OTHER_URL": other.url}
    try:
        files.merchant("hill")
        files.synced("hill", MINUTE, "auth")
        other.answers = 503
        told = tell(files, **both)
        assert (told.sent, told.failed) == (1, 1)
        assert told.problem.startswith("env:OTHER_URL: the service did not take it")
        other.answers = 200
        assert tell(files, **both).sent == 1
        assert receiver.titles == other.titles == ["Hill: failing (auth)"]
        assert tell(files, **both) == alerts.DeliveryResult()
    finally:
        other.close()


def test_a_receiver_that_takes_the_message_and_says_nothing_holds_nobody_up(files: Files, receiver: Receiver) -> None:
    files.merchant("hill")
    files.synced("hill", MINUTE, "auth")
    receiver.answers = 0
    told = alerts.send_alerts({**files.environ, "ALERT_URL": f"{receiver.url}?rto=600"}, seconds=2)
    assert (told.sent, told.failed) == (0, 1)
    receiver.answers = 200
    assert tell(files).sent == 1


def test_what_was_sent_and_could_not_be_remembered_is_repeated_and_nothing_is_lost(
    files: Files, receiver: Receiver
) -> None:
    for name in ("hill", "oak", "vale"):
        files.merchant(name)
        files.synced(name, MINUTE, "auth")
    in_the_way = files.folder / "data" / "alerts.json.new"
    in_the_way.mkdir()
    assert "alerts are not sent" in tell(files).problem
    assert receiver.titles == ["Hill: failing (auth)"]
    in_the_way.rmdir()
    assert tell(files).sent == 3
    assert receiver.titles[1:] == [f"{name}: failing (auth)" for name in ("Hill", "Oak", "Vale")]
    assert tell(files) == alerts.DeliveryResult()


def test_many_at_once_are_one_message_and_so_is_their_end(files: Files, receiver: Receiver) -> None:
    names = [f"winery-{i}" for i in range(11)]
    for name in names:
        files.merchant(name)
        files.synced(name, 40 * MINUTE, "try_later")
    tell(files)
    assert receiver.titles == ["vs-st: 11 in trouble"]
    assert "0 of 11 fine; 11 late: " in receiver.messages[0]["message"]
    assert tell(files) == alerts.DeliveryResult()
    for name in names:
        files.synced(name, MINUTE)
    tell(files)
    assert receiver.titles[1:] == ["vs-st: 11 well again"]


def titles(files: Files, told: dict[str, list[str]]) -> list[str]:
    """What is told next; remembered in `told` as an address's memory is."""
    new = alerts.news(files.look(), told)
    for one in new:
        if one.trouble is None:
            told.pop(one.merchant, None)
        else:
            told.setdefault(one.merchant, []).append(one.trouble)
    return [one.title for one in new if one.title]


def test_a_trouble_is_an_episode_in_which_each_kind_is_told_once(files: Files) -> None:
    files.merchant("hill")
    told: dict[str, list[str]] = {}
    files.synced("hill", 50 * MINUTE)
    assert titles(files, told) == ["Hill: late"]
    files.synced("hill", 9 * MINUTE, "try_later")
    assert titles(files, told) == []
    files.synced("hill", 8 * MINUTE, "auth")
    assert titles(files, told) == ["Hill: failing (auth)"]
    files.synced("hill", 7 * MINUTE, "bad_answer")
    assert titles(files, told) == []
    files.synced("hill", 6 * MINUTE, "unsafe")
    assert titles(files, told) == ["Hill: failing (unsafe)"]
    files.synced("hill", 5 * MINUTE, status="partial", waiting=(1, 0))
    assert titles(files, told) == ["Hill: well again"]
    files.synced("hill", 4 * MINUTE, "try_later")
    assert titles(files, told) == []  # the next sync may mend it
    files.synced("hill", 3 * MINUTE, "auth")
    assert titles(files, told) == ["Hill: failing (auth)"]


def test_a_merchants_file_that_cannot_be_used_is_told_and_so_is_its_end(files: Files) -> None:
    files.merchant("hill")
    files.synced("hill", MINUTE, "auth")
    path = files.folder / "merchants.yaml"
    good = path.read_text()
    path.write_text("merchants: {")
    told = {"hill": ["failing (auth)"]}
    assert titles(files, told) == ["The merchants file cannot be used"]
    assert titles(files, told) == []
    path.write_text(good)
    assert titles(files, told) == ["The merchants file can be used again"]  # and of hill nothing that was told before


def test_who_is_disabled_or_gone_is_forgotten_without_a_word(files: Files) -> None:
    told = {"gone": ["late"], "left": ["failing (auth)"]}
    files.merchant("left", ", enabled: false")
    files.merchant("hill")
    assert titles(files, told) == []
    assert told == {}


def test_an_entry_that_is_put_right_is_told_before_its_first_sync(files: Files) -> None:
    files.merchant("hill")
    files.merchant("oak", ", colour: red")
    told: dict[str, list[str]] = {}
    assert titles(files, told) == ["Oak: broken settings"]
    assert titles(files, told) == []
    files.lines.pop()
    files.merchant("oak")
    assert titles(files, told) == ["Oak: well again"]


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ("json://127.0.0.1/hidden", "a secret in clear is refused"),
        ("env:NOT_SET", "the environment variable NOT_SET is not set"),
        ("env:ALERT_URL file:nowhere", "address 2: the secret file:nowhere cannot be read"),
    ],
)
def test_an_address_that_cannot_be_read_is_told_without_its_url(
    files: Files, receiver: Receiver, written: str, says: str
) -> None:
    (problem,) = alert_addresses({**files.environ, "VS_ST_ALERTS": written}).problems
    assert says in problem
    assert "hidden" not in problem
    assert says in tell(files, VS_ST_ALERTS=written).problem


def test_one_address_that_cannot_be_read_keeps_no_other_from_being_told(files: Files, receiver: Receiver) -> None:
    other = Receiver()
    both = {"VS_ST_ALERTS": "env:OTHER_URL env:ALERT_URL"}
    try:
        files.merchant("hill")
        files.synced("hill", MINUTE, "auth")
        assert tell(files, **both, OTHER_URL=other.url).sent == 2
        files.merchant("dale")
        files.synced("dale", MINUTE, "auth")
        told = tell(files, **both)
        assert (told.sent, told.failed) == (1, 1)
        assert "address 1: the environment variable OTHER_URL is not set" in told.problem
        assert tell(files, **both, OTHER_URL=other.url).sent == 1
        assert receiver.titles == other.titles == ["Hill: failing (auth)", "Dale: failing (auth)"]
    finally:
        other.close()


def test_a_process_that_lacks_an_address_forgets_nothing_of_it(files: Files, receiver: Receiver) -> None:
    """The daemon tells one address; a shell knows another one, or a moment later none at all."""
    other = Receiver()
    shell = {"VS_ST_ALERTS": "env:OTHER_URL", "OTHER_URL": other.url}
    try:
        files.merchant("hill")
        files.synced("hill", 3 * MINUTE, "auth")
        assert tell(files).sent == 1
        assert tell(files, **shell).sent == 1
        assert tell(files, VS_ST_ALERTS="") == alerts.DeliveryResult()
        assert tell(files) == alerts.DeliveryResult(), "the daemon says nothing twice"
        listed = CliRunner().invoke(cli, ["alerts"], env={**files.environ, **shell}).stdout
        assert "env:ALERT_URL, which VS_ST_ALERTS lacks here: told of hill\n" in listed
        nobody = CliRunner().invoke(cli, ["alerts"], env={**files.environ, "VS_ST_ALERTS": ""})
        assert nobody.exit_code == 2
        assert "another process tells env:ALERT_URL, env:OTHER_URL" in nobody.stderr
        files.synced("hill", MINUTE)
        assert tell(files).sent == 1, "and still tells whom it told of trouble that it is over"
        assert (receiver.titles, other.titles) == (
            ["Hill: failing (auth)", "Hill: well again"], ["Hill: failing (auth)"],
        )  # fmt: skip
    finally:
        other.close()


def test_an_address_that_nobody_has_known_for_thirty_days_is_let_go(files: Files, receiver: Receiver) -> None:
    memory = files.folder / "data" / "alerts.json"
    files.merchant("hill")
    files.synced("hill", MINUTE, "auth")
    tell(files)
    written = json.loads(memory.read_text())
    now = written["env:ALERT_URL"]["seen_at"]
    forgotten, remembered = ({"seen_at": now - days * 86_400, "told": {"hill": ["late"]}} for days in (31, 29))
    written["env:ALERT_URL"]["seen_at"] = now - 40 * 86_400
    memory.write_text(json.dumps({**written, "env:FORGOTTEN": forgotten, "env:REMEMBERED": remembered}))
    assert tell(files) == alerts.DeliveryResult(), "who is known here is not forgotten, however long nobody looked"
    kept = json.loads(memory.read_text())
    assert kept.keys() == {"env:ALERT_URL", "env:REMEMBERED"}
    assert kept["env:ALERT_URL"]["seen_at"] >= now


def test_nobody_to_tell_costs_no_look_at_anybody(files: Files) -> None:
    def look() -> None:
        raise AssertionError("asked for nothing")

    assert alerts.send_alerts({}, look) == alerts.DeliveryResult()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("about", "says"),
    [
        ("hill", "hill"),
        ("hill, orders", "hill, orders"),
        ("(of hill, consumers) quiet", "hill, consumers: quiet"),
        ("(of hill, notices) replies #reply 7", "hill, notices: replies (reply 7)"),
        (
            "(of hill, orders) orders #2026-12-01T04:11:30.535799",
            "hill, orders: somebody has to look (2026-12-01 04:11 UTC)",
        ),
    ],
)
def test_the_command_says_in_words_what_was_told(about: str, says: str) -> None:
    assert alerts.in_words(about) == says


def test_the_command_tries_the_addresses_and_says_what_comes_next(files: Files, receiver: Receiver) -> None:
    files.merchant("hill")
    files.synced("hill", MINUTE, "auth")
    environ = {**files.environ, "VS_ST_ALERTS": "env:ALERT_URL env:BAD", "BAD": "nonsense://hidden-in-the-url"}
    tried = CliRunner().invoke(cli, ["alerts", "--test"], env=environ)
    assert tried.exit_code == 1
    assert "env:ALERT_URL: taken" in tried.stdout
    assert "env:BAD: what stands there is no URL that apprise knows" in tried.stdout
    assert receiver.titles == ["vs-st: a test message"]
    tell(files)
    listed = CliRunner().invoke(cli, ["alerts"], env=environ).stdout
    assert listed == "env:ALERT_URL: told of hill\nenv:BAD: told of nobody\n  will be told  Hill: failing (auth)\n"
    written = (files.folder / "data" / "alerts.json").read_text()
    assert "hidden-in-the-url" not in tried.output + listed + written
    assert (files.folder / "data" / "alerts.json").stat().st_mode & 0o777 == 0o600


@pytest.mark.xdist_group("dagster")
def test_dagster_tells_it_at_the_end_of_a_tick_and_where_no_tick_comes(
    files: Files, receiver: Receiver, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    files.merchant("hill")
    files.synced("hill", MINUTE, "auth")
    for name, value in files.environ.items():
        monkeypatch.setenv(name, value)
    with DagsterInstance.ephemeral() as instance:
        asked = build_sensor_context(instance=instance)
        assert fleet_watch(asked).skip_message == "there are no merchants yet"
        instance.add_dynamic_partitions("merchants", ["hill"])
        assert fleet_watch(asked).skip_message == "fleet/health is refreshed: no run had done it"
        assert receiver.titles == ["Hill: failing (auth)"]
        assert "was refreshed" in str(fleet_watch(asked).skip_message)
        monkeypatch.setenv("VS_ST_NOW", (NOW + timedelta(minutes=5)).isoformat())
        files.synced("hill", -4 * MINUTE)
        with caplog.at_level(logging.INFO):
            for event in refreshed(logging.getLogger("tick")):
                instance.report_runless_asset_event(event)
        assert receiver.titles[1:] == ["Hill: well again"]
        assert "1 alerts sent" in caplog.text
        event = instance.get_latest_materialization_event(KEY)
        assert event.asset_materialization.metadata["in short"].value == "1 of 1 fine"


# --- what takes webhooks ------------------------------------------------------------------------------------------


@pytest.fixture
def hints(files: Files) -> Hints:
    files.merchant("hill")
    files.synced("hill", MINUTE)
    return Hints(files.folder / "data", at=time.time())


@pytest.mark.parametrize("who", ["receiver", "worker"])
def test_who_was_once_seen_and_is_down_for_three_minutes_is_told_once_and_when_it_is_well_again(
    files: Files, hints: Hints, receiver: Receiver, who: str
) -> None:
    assert tell(files).sent == 0, "one that was never seen is not missed"
    with hints.ago(170):
        hints.inbox.beat(who)
    assert tell(files).sent == 0
    with hints.inbox._write() as db:
        db.execute("update beats set at = at - 20")
    assert tell(files).sent == 1
    assert tell(files).sent == 0
    (message,) = receiver.messages
    assert (message["title"], message["type"]) == (f"{who}: down", "failure")
    assert f"The {who} was last alive 3 min ago." in message["message"]
    assert f"start `vs-st {who.replace('receiver', 'receive').replace('worker', 'work')}`" in message["message"]
    with hints.inbox._write() as db:
        db.execute("delete from beats")  # as it expires
    assert tell(files).sent == 0, "not seen any more is not well"
    hints.inbox.beat(who)
    assert tell(files).sent == 1
    assert tell(files).sent == 0
    assert (receiver.titles[-1], receiver.messages[-1]["type"]) == (f"{who}: well again", "success")


def test_a_worker_is_missed_also_while_the_merchants_file_cannot_be_read(
    files: Files, hints: Hints, receiver: Receiver
) -> None:
    with hints.ago(400):
        hints.inbox.beat("worker")
    (files.folder / "merchants.yaml").write_text("merchants: [")
    tell(files)
    assert receiver.titles == ["worker: down", "The merchants file cannot be used"]


def test_r10_ten_refusals_of_a_right_url_in_ten_minutes_are_an_alert_until_there_are_none(
    files: Files, hints: Hints, receiver: Receiver
) -> None:
    with hints.ago(700):
        hints.refuses("hill", "vinoshipper", 5)
    hints.refuses("hill", "vinoshipper", 9)
    assert tell(files).sent == 0
    hints.refuses("hill", "vinoshipper", 1)
    assert tell(files).sent == 1
    assert receiver.titles == ["webhook vinoshipper of hill: refuses calls"]
    assert receiver.messages[0]["message"].startswith("10 calls of hill's vinoshipper URL were refused")
    for left, sent in ((3, 0), (0, 1)):
        with hints.inbox._write() as db:
            db.execute("delete from refusals where rowid > ?", [left])
            db.execute("update refusals set at = ?", [hints.at])
        assert tell(files).sent == sent, "neither in trouble nor well while a few are left"
    assert receiver.titles[1:] == ["webhook vinoshipper of hill: well again"]


def test_r31_what_waits_for_a_day_and_cannot_be_asked_for_again_is_an_alert(hints: Hints) -> None:
    with hints.ago(86_500):
        hints.comes("1", system="shop")
        hints.comes("2", system="vinoshipper")
    found = inbox_troubles.concerns(hints.inbox, ["sopost", "gupshup", "shop"])
    assert found
    assert [(one.key, one.title) for one in found] == [("(hints of shop)", "hints of shop: waits for too long")]
    hints.settles(Outcome.WRITTEN)
    assert inbox_troubles.concerns(hints.inbox, ["shop"]) == ()


def test_while_nothing_is_known_of_the_inbox_nothing_is_told(files: Files, hints: Hints, receiver: Receiver) -> None:
    with hints.ago(400):
        hints.inbox.beat("receiver")
    tell(files)
    hints.inbox.close()
    hints.inbox.path.write_bytes(b"this is no database" * 100)
    assert tell(files) == alerts.DeliveryResult()
    assert files.one("hill").state == "fine"
