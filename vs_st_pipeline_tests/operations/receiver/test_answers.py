"""What a call is answered, over real sockets: the first row of the table that fits (webhooks-onboarding.md, 3)."""

from __future__ import annotations

import dataclasses
import hashlib
import hmac
import json
import re
import shutil
import threading
import time
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from vs_st_pipeline.connectors import CONNECTORS
from vs_st_pipeline.domain.hints import Call
from vs_st_pipeline.operations.receiver import server
from vs_st_pipeline.operations.receiver.app import Limits
from vs_st_pipeline.operations.receiver.table import Bucket
from vs_st_pipeline.platform.connector import Connector
from vs_st_pipeline.platform.hooks import Hooks, calls_in, make_token
from vs_st_pipeline.platform.inbox.store import Arrival, Inbox
from vs_st_pipeline_tests.support.receiving import (
    HILLSIDE,
    OLDER,
    SECRET,
    SHOP,
    TEXTING,
    Receiving,
    entry,
    order,
    read_all,
    receiving,
    until,
    url,
)

IN_AN_HOUR = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
AN_HOUR_AGO = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
ENTRIES = [
    entry(HILLSIDE),
    *(entry(f"winery-{number}") for number in range(12)),
    entry("disabled", enabled=False),
    entry("without", webhooks={"enabled": False}),
    entry("paused", paused=["contacts"]),
    entry("rotated", webhooks={SHOP: {"generation": 3, "previous_until": IN_AN_HOUR}}),
    entry("rotated-long-ago", webhooks={SHOP: {"generation": 3, "previous_until": AN_HOUR_AGO}}),
    entry("header", webhooks={SHOP: {"header": "X-Api-Key", "header_value": "env:HEADER"}}),
    entry("no-header", webhooks={SHOP: {"header": "X-Api-Key", "header_value": "env:NOT_THERE"}}),
    entry("hex", webhooks={SHOP: {"signature": {"header": "X-Sign", "secret": "env:HEADER", "prefix": "sha256="}}}),
    entry(
        "stamped",
        webhooks={
            SHOP: {
                "signature": {
                    "header": "X-Sign",
                    "secret": "env:HEADER",
                    "encoding": "base64",
                    "prefix": "",  # as the default is written
                    "timestamp_header": "X-Time",
                }
            }
        },
    ),
]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Receiving]:
    """One receiver; each test has a merchant of its own."""
    folder = tmp_path_factory.mktemp("receiver")
    environ = {"HEADER": "the right value"}
    with receiving(folder, ENTRIES, secrets=(SECRET, OLDER), environ=environ, limits=Limits(body_seconds=0.4)) as found:
        yield found


# --- H1, H2 -----------------------------------------------------------------------------------------------------------


def test_h1_a_token_is_the_hmac_that_the_rule_says() -> None:
    digest = hmac.new(SECRET.encode(), b"vs-st hook v1|vinoshipper|hillside-cellars|1", hashlib.sha256).digest()
    assert make_token(f" {SECRET}\n", SHOP, HILLSIDE, 1) == urlsafe_b64encode(digest).decode().rstrip("=")
    assert len(make_token(SECRET, SHOP, HILLSIDE, 1)) == 43


def test_h1_one_slash_at_the_end_and_any_query_are_ignored(running: Receiving) -> None:
    for more in ("", "/", "?a=b", "/?a=b&c", "?"):
        assert running.call(url("winery-0") + more, order()).status == 204, more
    for more in ("//", "/x", "%2F", "/.", ";a=b", "%20", "=", "%00"):
        assert running.call(url("winery-0") + more, order()).status == 404, more
    assert len(running.entries("winery-0")) == 5


def test_h1_every_accepted_secret_makes_a_url_and_no_other_does(running: Receiving) -> None:
    for secret, status in ((SECRET, 204), (OLDER, 204), ("some other secret of 32 characters or more", 404)):
        assert running.call(url("winery-1", secret=secret), order()).status == status


def test_h1_a_token_is_of_one_merchant_system_and_generation(running: Receiving) -> None:
    token = url("winery-1").rpartition("/")[2]
    assert running.call(f"/hooks/{TEXTING}/{token}", order()).status == 404
    assert running.call(url("winery-1", generation=2), order()).status == 404
    assert running.call(url("winery-1", generation=0), order()).status == 404
    assert running.call(url("nobody"), order()).status == 404


def test_r36_the_generation_before_is_taken_until_previous_until(running: Receiving) -> None:
    taken = [running.call(url("rotated", generation=one), order()).status for one in (1, 2, 3, 4)]
    assert taken == [404, 204, 204, 404]
    taken = [running.call(url("rotated-long-ago", generation=one), order()).status for one in (1, 2, 3, 4)]
    assert taken == [404, 404, 204, 404]


def test_h2_a_line_shows_four_hex_digits_of_the_token_and_no_more(running: Receiving) -> None:
    token = url("winery-2").rpartition("/")[2]
    shown = hashlib.sha256(token.encode()).hexdigest()[:4]
    running.call(url("winery-2"), order())
    until(lambda: any("winery-2" in line for line in running.lines))
    [line] = [line for line in running.lines if "winery-2" in line]
    assert re.fullmatch(rf"POST vinoshipper \.\.\.\({shown}\) winery-2 204 [0-9]+ms", line)
    running.call(f"/hooks/{SHOP}/{token[:-1]}", order())
    running.call(f"/hooks/nothing/{token}", order())
    time.sleep(0.1)
    assert not any(token[:20] in line for line in running.lines)


# --- the rows ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "TRACE"])
@pytest.mark.parametrize(
    "path",
    ["/", "/hooks", f"/hooks/{SHOP}", f"/hooks/{SHOP}/", f"/hooks/{SHOP}/{'x' * 43}", "/healthz/", "/metrics", "/x"],
)
def test_h3_whatever_is_no_valid_hook_url_is_404(running: Receiving, method: str, path: str) -> None:
    answer = running.call(path, b"x" * 70_000 if method in ("POST", "PUT") else b"", method=method)
    assert (answer.status, answer.headers, answer.body) == (404, {"content-length": "0"}, b"")


def test_h3_all_404s_have_the_same_headers_whatever_is_wrong(running: Receiving) -> None:
    found = [
        running.call("/", order()),
        running.call(f"/hooks/{SHOP}/{'x' * 43}", order()),
        running.call(url("header"), order()),
        running.call(url("header"), order(), X_Api_Key="wrong"),
        running.call(url("header"), order(), method="GET", X_Api_Key="wrong"),
        running.call(url("no-header"), order(), X_Api_Key=""),
        running.call(url("hex"), order(), X_Sign="sha256=00"),
        running.call(url("nobody"), b"x" * 100_000),
    ]
    assert {(one.status, *one.headers.items(), one.body) for one in found} == {(404, ("content-length", "0"), b"")}


def test_h3_costs_no_disk(tmp_path: Path) -> None:
    class Counting(Inbox):
        writes = 0

        def put(self, arrivals: object) -> None:
            self.writes += 1
            raise AssertionError("nothing was to be stored")

    inbox = Counting(tmp_path / "data")
    with receiving(tmp_path, inbox=inbox) as running:
        for _ in range(50):
            assert running.call(f"/hooks/{SHOP}/{'y' * 43}", order()).status == 404
    assert inbox.writes == 0


def test_h3_r10_a_header_must_be_there_once_and_have_the_value(running: Receiving) -> None:
    assert running.call(url("header"), order(), X_Api_Key="the right value").status == 204
    assert running.call(url("header"), order(), x_api_key=" the right value ").status == 204
    assert running.call(url("header"), order(), X_Api_Key="the right valu").status == 404
    twice = f"POST {url('header')} HTTP/1.1\r\nHost: a\r\nX-Api-Key: the right value\r\nX-Api-Key: the right value\r\n"
    assert running.raw(f"{twice}Content-Length: 0\r\nConnection: close\r\n\r\n".encode()).startswith(b"HTTP/1.1 404 ")


def test_h14_a_header_value_that_cannot_be_read_makes_the_url_404_with_a_warning(running: Receiving) -> None:
    assert running.call(url("no-header"), order()).status == 404
    assert running.call(url("no-header"), order(), X_Api_Key="anything").status == 404
    assert running.call(url("no-header", TEXTING), b"").status == 204, "the other system has no header"
    assert any(line.startswith("warning: no-header: webhooks.vinoshipper: ") for line in running.lines)


def test_r10_a_signature_is_of_the_raw_body(running: Receiving) -> None:
    body = order()
    good = "sha256=" + hmac.new(b"the right value", body, hashlib.sha256).hexdigest()
    assert running.call(url("hex"), body, X_Sign=good).status == 204
    assert running.call(url("hex"), body, X_Sign=good.upper().replace("SHA", "sha")).status == 204
    assert running.call(url("hex"), body + b" ", X_Sign=good).status == 404
    assert running.call(url("hex"), body, X_Sign=good.removeprefix("sha256=")).status == 404
    assert running.call(url("hex"), body, X_Sign="sha256=zz").status == 404
    assert running.call(url("hex"), body).status == 404
    assert running.call(url("hex"), b"x" * 70_000, X_Sign=good).status == 404, "it proves nothing"
    assert running.call(url("hex"), b"", method="GET").status == 404


def test_r10_a_timestamp_is_signed_and_at_most_five_minutes_off(running: Receiving) -> None:
    def signed(stamp: str, body: bytes = order()) -> int:
        sign = b64encode(hmac.digest(b"the right value", f"{stamp}.".encode() + body, "sha256")).decode()
        return running.call(url("stamped"), body, X_Sign=sign, X_Time=stamp).status

    now = int(time.time())
    assert [signed(str(now + off)) for off in (0, -290, 290, -310, 310)] == [204, 204, 204, 404, 404]
    assert signed(str(now * 1000)) == 204
    assert [signed(odd) for odd in ("", "soon", "1e9", "-1", "9" * 30)] == [404] * 5


def test_r65_refusals_are_noted_with_the_next_beat(tmp_path: Path) -> None:
    entries = [entry(HILLSIDE, webhooks={SHOP: {"header": "X-Api-Key", "header_value": "env:HEADER"}})]
    with receiving(tmp_path, entries, environ={"HEADER": "right"}) as running:
        for _ in range(3):
            assert running.call(url(), order()).status == 404
    # Its end is a beat, too.
    assert running.inbox.ask("select merchant, system from refusals") == [(HILLSIDE, SHOP)] * 3
    running.inbox.close()


def test_h4_a_valid_url_takes_post_alone(running: Receiving) -> None:
    for method in ("GET", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH"):
        answer = running.call(url("winery-3"), b"x", method=method)
        assert (answer.status, answer.headers["allow"], answer.body) == (405, "POST", b""), method
    assert running.entries("winery-3") == []


@pytest.mark.parametrize("merchant", ["disabled", "without", "paused"])
def test_h5_a_pause_answers_204_and_stores_nothing(running: Receiving, merchant: str) -> None:
    before = running.counted(SHOP, "off")
    for body in (order(), b"x" * 100_000):
        assert running.call(url(merchant), body).status == 204
    assert running.call(url(merchant), b"", method="GET").status == 405
    assert running.entries(merchant) == []
    assert running.counted(SHOP, "off") == before + 2


def test_h6_50_a_second_after_500_at_once() -> None:
    hooks, now = Hooks(lambda _: [], frozenset()), 1000.0
    bucket = Bucket(float(hooks.burst), now)

    def taken(calls: int) -> int:
        return sum(bucket.take(hooks.rate, hooks.burst, now) for _ in range(calls))

    assert taken(700) == 500
    now += 1
    assert taken(700) == 50
    now += 0.1
    assert taken(700) == 5
    now += 3600
    assert taken(700) == 500


def test_h6_a_flood_of_one_url_is_its_own(tmp_path: Path) -> None:
    with receiving(tmp_path, [entry(HILLSIDE), entry("calm")], connectors=hooked(rate=1, burst=30)) as running:
        one = f"POST {url()} HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n".encode()
        told = running.raw(one * 100 + one.replace(b"Host: a", b"Connection: close"), 10)
        assert 30 <= told.count(b"HTTP/1.1 204 ") < 60
        assert told.count(b"HTTP/1.1 204 ") + told.count(b"HTTP/1.1 429 ") == 101
        answer = running.call(url(), order())
        assert (answer.status, answer.headers["retry-after"], answer.body) == (429, "5", b"")
        assert running.call(url("calm"), order()).status == 204
        assert running.call(url(system=TEXTING), b"").status == 204, "another URL of the same merchant"
        assert running.counted(SHOP, "429") > 40


def test_h7_a_body_over_65536_bytes_is_413_however_it_comes(running: Receiving) -> None:
    path = url("winery-4")
    assert running.call(path, b" " * 65_536).status == 204
    assert running.call(path, b" " * 65_537).status == 413
    chunks = (b" " * 1000 for _ in range(66))
    assert running.call(path, chunks).status == 413
    head = f"POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 65537\r\n\r\n".encode()
    assert running.raw(head, 5, 1).startswith(b"HTTP/1.1 413 "), "nothing of the body is waited for"
    assert len(running.entries("winery-4")) == 1


def test_h7_nothing_is_ever_unpacked(running: Receiving) -> None:
    import gzip

    packed = gzip.compress(order() * 1000)
    assert running.call(url("winery-5"), packed, Content_Encoding="gzip").status == 204
    [kept] = running.kept("winery-5")
    assert kept == {"size": len(packed), "sha256": hashlib.sha256(packed).hexdigest()}


def test_h8_a_body_that_does_not_come_is_408(running: Receiving) -> None:
    head = f"POST {url('winery-6')} HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nabc".encode()
    began = time.monotonic()
    assert running.raw(head, 5, 1).startswith(b"HTTP/1.1 408 ")
    assert time.monotonic() - began > 0.4
    assert running.entries("winery-6") == []


def test_h9_over_so_many_under_way_is_503(tmp_path: Path) -> None:
    limits = Limits(under_way=3, body_seconds=5)
    head = f"POST {url()} HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n".encode()
    with receiving(tmp_path, limits=limits) as running:
        slow = [running.connected() for _ in range(3)]
        for one in slow:
            one.sendall(head)
        until(lambda: running.call(url(), order()).status == 503)
        answer = running.call(url(), order())
        assert (answer.status, answer.headers["retry-after"], answer.body) == (503, "5", b"")
        assert running.call(f"/hooks/{SHOP}/x", order()).status == 404, "only good calls count"
        assert running.call("/healthz", b"", method="GET").status == 200
        for one in slow:
            one.sendall(b"{}")
            assert one.recv(100).startswith(b"HTTP/1.1 204 ")
            one.close()
        assert running.call(url(), order()).status == 204


class Stuck(Inbox):
    """A disk that takes nothing for a while."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.goes_on = threading.Event()
        self.goes_on.set()
        self.commits: list[int] = []
        self.begun = threading.Event()

    def put(self, arrivals: list[Arrival]) -> None:  # type: ignore[override]
        self.begun.set()
        self.goes_on.wait(10)
        self.commits.append(len(arrivals))
        super().put(arrivals)


def test_h9_so_many_entries_wait_for_the_disk_and_no_more(tmp_path: Path) -> None:
    inbox = Stuck(tmp_path / "data")
    with receiving(tmp_path, inbox=inbox, limits=Limits(waiting=150)) as running:
        inbox.goes_on.clear()
        hundred = json.dumps([json.loads(order(str(number))) for number in range(100)]).encode()
        statuses: list[int] = []
        callers = [threading.Thread(target=lambda: statuses.append(running.call(url(), hundred).status)) for _ in "12"]
        for one in callers:
            one.start()
            time.sleep(0.1)
        assert running.call(url(), order()).status == 503
        inbox.goes_on.set()
        for one in callers:
            one.join()
        assert statuses == [204, 204]
        assert running.call(url(), order()).status == 204
        assert len(running.entries()) == 201


def test_h9_a_commit_that_takes_too_long_is_503_and_leaves_nothing_behind_that_waited(tmp_path: Path) -> None:
    inbox = Stuck(tmp_path / "data")
    with receiving(tmp_path, inbox=inbox, limits=Limits(commit_seconds=0.2)) as running:
        inbox.goes_on.clear()
        assert running.call(url(), order("1")).status == 503
        assert running.call(url(), order("2")).status == 503
        inbox.goes_on.set()
        assert running.call(url(), order("3")).status == 204
        assert [one["id"] for one in running.entries()] == ["1", "3"], "the first one was on its way"


def test_h9_a_commit_that_fails_is_503_and_told_once(tmp_path: Path) -> None:
    import sqlite3

    class Full(Inbox):
        full = True

        def put(self, arrivals: list[Arrival]) -> None:  # type: ignore[override]
            if self.full:
                raise sqlite3.OperationalError("database or disk is full")
            super().put(arrivals)

    inbox = Full(tmp_path / "data")
    with receiving(tmp_path, inbox=inbox) as running:
        assert [running.call(url(), order()).status for _ in range(3)] == [503] * 3
        assert running.figures is not None
        assert "vs_st_hooks_store_seconds_count 0" in running.figures.text(), "nothing was stored (H13)"
        inbox.full = False
        assert running.call(url(), order()).status == 204
        assert len(running.entries()) == 1
        [line] = [line for line in running.lines if line.startswith("warning")]
        assert "database or disk is full" in line


def test_one_call_that_cannot_be_stored_keeps_no_other_back(tmp_path: Path) -> None:
    class Picky(Stuck):
        def put(self, arrivals: list[Arrival]) -> None:  # type: ignore[override]
            if any(one.call.id == "666" for one in arrivals):
                self.goes_on.wait(10)
                raise ValueError("a fault of ours")
            super().put(arrivals)

    inbox = Picky(tmp_path / "data")
    with receiving(tmp_path, inbox=inbox) as running:
        inbox.goes_on.clear()
        statuses: dict[str, int] = {}

        def send(number: str) -> None:
            statuses[number] = running.call(url(), order(number)).status

        callers = [threading.Thread(target=send, args=(number,)) for number in ("1", "666", "2")]
        for one in callers:
            one.start()
            time.sleep(0.05)
        inbox.goes_on.set()
        for one in callers:
            one.join()
        assert statuses == {"1": 204, "666": 503, "2": 204}


def test_h10_many_calls_are_one_commit(tmp_path: Path) -> None:
    inbox = Stuck(tmp_path / "data")
    with receiving(tmp_path, inbox=inbox) as running:
        inbox.goes_on.clear()
        callers = [threading.Thread(target=running.call, args=(url(), order(str(number)))) for number in range(20)]
        callers[0].start()
        assert inbox.begun.wait(10)
        for one in callers[1:]:
            one.start()
        time.sleep(0.5)
        inbox.goes_on.set()
        for one in callers:
            one.join()
        assert inbox.commits == [1, 19], "one was under way while the others gathered"


def test_h10_a_204_is_on_the_disk(running: Receiving) -> None:
    inbox = Inbox(running.inbox.path.parent)
    assert running.call(url("winery-7"), order("1")).status == 204
    assert inbox.ask("select id from entries where merchant = 'winery-7'") == [("1",)]
    assert inbox.ask("pragma synchronous") == [(2,)], "FULL"
    assert inbox.ask("pragma journal_mode") == [("wal",)]
    inbox.close()


def test_h10_a_204_is_in_the_file_that_is_there_also_where_somebody_took_the_old_one_away(tmp_path: Path) -> None:
    with receiving(tmp_path) as running:
        assert running.call(url(), order("1")).status == 204
        shutil.rmtree(tmp_path / "data")
        assert running.call(url(), order("2")).status == 204
        assert [one["id"] for one in running.entries()] == ["2"]


def test_h15_a_call_that_does_not_end_in_time_is_503(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "GRACE_SECONDS", 0)
    with receiving(tmp_path) as running:
        slow = running.connected()
        slow.sendall(f"POST {url()} HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc".encode())
        until(lambda: running.call(url(), order()).status == 204)
    told = read_all(slow)
    slow.close()
    assert told.startswith(b"HTTP/1.1 503 ")
    assert told.endswith(b"content-length: 0\r\nconnection: close\r\n\r\n")


def test_h17_the_same_event_id_is_the_same_entry_and_without_one_nothing_is_dropped(running: Receiving) -> None:
    report = {"reportId": "507f191e810c19729de860ea", "type": "INCOMING_MESSAGE", "values": {"phone": "7075550142"}}
    for _ in range(3):
        assert running.call(url("winery-8", TEXTING), json.dumps(report).encode()).status == 204
        assert running.call(url("winery-8"), order()).status == 204
    found = running.entries("winery-8")
    assert [(one["system"], one["times"]) for one in found].count((SHOP, 1)) == 3
    [texted] = [one for one in found if one["system"] == TEXTING]
    assert (texted["times"], texted["id"], texted["event_id"]) == (3, "***-***-0142", report["reportId"])


def test_h13_healthz_goes_by_the_last_write(tmp_path: Path) -> None:
    inbox = Stuck(tmp_path / "data")
    with receiving(tmp_path, inbox=inbox, limits=Limits(alive_seconds=0.3)) as running:
        answer = running.call("/healthz?x", b"", method="GET")
        assert (answer.status, answer.body) == (200, b"")
        time.sleep(0.4)
        assert running.call("/healthz", b"", method="GET").status == 503
        assert running.call(url(), order()).status == 204
        assert running.call("/healthz", b"", method="GET").status == 200
        assert running.call("/healthz", b"").status == 404


def test_r47_an_entry_has_the_real_time_and_that_of_vs_st_now(tmp_path: Path) -> None:
    with receiving(tmp_path, environ={"VS_ST_NOW": "2026-01-31T12:00:00Z"}) as running:
        assert running.call(url(), order()).status == 204
        [(at, stored_at)] = running.inbox.ask("select at, stored_at from entries")
        assert at == "2026-01-31T12:00:00+00:00"
        assert abs(stored_at - time.time()) < 10
        running.inbox.close()


def test_answers_have_no_body_and_the_same_headers_and_nothing_of_the_server(running: Receiving) -> None:
    answers = [
        running.call(url("winery-9"), order()),
        running.call(url("winery-9"), b"", method="GET"),
        running.call(url("winery-9"), b" " * 70_000),
        running.call("/healthz", b"", method="GET"),
    ]
    assert [one.status for one in answers] == [204, 405, 413, 200]
    assert all(one.body == b"" for one in answers)
    assert [set(one.headers) - {"content-length"} for one in answers] == [set(), {"allow"}, set(), set()]


def test_nothing_is_believed_of_addresses(running: Receiving) -> None:
    spoofed = {"Host": "evil.example", "X_Forwarded_For": "10.0.0.1", "X_Forwarded_Host": "evil.example"}
    assert running.call(url("winery-10"), order(), **spoofed, X_Original_URL="/", Forwarded="for=1").status == 204
    assert running.call("/", order(), X_Original_URL=url("winery-10"), X_Rewrite_URL=url("winery-10")).status == 404


# --- what a connector may ask for (routes.md R11, R30) ----------------------------------------------------------------


def _understand(said: Mapping[str, Any]) -> Call | None:
    return Call("order", str(said["id"]), kept=said) if "id" in said else None


def hooked(**how: Any) -> list[Connector[Any]]:
    """The systems, the first one with other hooks."""
    first, *others = CONNECTORS
    hooks = Hooks(lambda body: calls_in(body, _understand, 3), frozenset({"order"}), most_elements=3, **how)
    return [dataclasses.replace(first, hooks=hooks), *others]


def test_r30_what_cannot_be_asked_for_again_is_stored_whatever_is_off(tmp_path: Path) -> None:
    off = [entry("disabled", enabled=False), entry("without", webhooks={"enabled": False})]
    paused = entry("paused", paused=["contacts"])
    with receiving(tmp_path, [*off, paused], connectors=hooked(stores_when_off=True)) as running:
        for merchant in ("disabled", "without", "paused"):
            assert running.call(url(merchant), b'{"id": 1}').status == 204
            stored = [one["route"] for one in running.entries(merchant)]
            assert "contacts" in stored
            assert running.call(url(merchant, TEXTING), b"").status == 204
            assert len(running.entries(merchant)) == len(stored), "the other system's are not"
        assert running.counted(SHOP, "off") == 0


def test_r11_a_get_on_a_right_url_is_200_where_the_system_asks_so(tmp_path: Path) -> None:
    with receiving(tmp_path, connectors=hooked(answers_get=True)) as running:
        answer = running.call(url(), b"", method="GET")
        assert (answer.status, answer.body) == (200, b"")
        assert running.call(url(), b"", method="PUT").status == 405
        assert running.call(url(generation=2), b"", method="GET").status == 404
        assert running.call(url(system=TEXTING), b"", method="GET").status == 405
        assert running.entries() == []


def test_r11_limits_are_the_connectors(tmp_path: Path) -> None:
    with receiving(tmp_path, connectors=hooked(body_limit=100_000, rate=1, burst=3)) as running:
        statuses = [running.call(url(), b" " * size).status for size in (100_000, 100_001, 1, 1)]
        assert statuses == [204, 413, 204, 429]


def test_r11_a_sites_developer_is_told_how_many_were_stored_or_which_one_is_wrong(tmp_path: Path) -> None:
    with receiving(tmp_path, connectors=hooked(answers_counts=True)) as running:
        answer = running.call(url(), b'[{"id": 1}, {"id": 2}]')
        assert (answer.status, json.loads(answer.body)) == (200, {"stored": 2})
        answer = running.call(url(), b'[{"id": 1}, {"secret": 2}]')
        assert (answer.status, json.loads(answer.body)) == (400, {"index": 1})
        assert running.call(url(), b"no JSON").status == 400
        assert running.call(url(), b"[1, 2, 3, 4]").status == 413
        assert len(running.entries()) == 2
