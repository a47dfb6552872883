"""The client against a real loopback server that answers with whatever bytes a test wants."""

from __future__ import annotations

import gzip
import logging
import re
import socket
import struct
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from decimal import Decimal
from email.utils import formatdate
from pathlib import Path
from typing import Any

import msgspec
import pytest

from vs_st_pipeline.domain.codec import JSON
from vs_st_pipeline.domain.errors import (
    BadAnswer,
    BadKey,
    BadSettings,
    Forbidden,
    Internal,
    NotSent,
    PipelineError,
    Refused,
    TryLater,
)
from vs_st_pipeline.platform.cpu_slots import CpuSlots, releasing
from vs_st_pipeline.platform.http import client, tape, waits
from vs_st_pipeline.platform.http.client import Basic, Bearer, HttpClient, NoBody
from vs_st_pipeline.platform.http.tape import Exchange

SECRET, PHONE, BODY = "canary-secret-5521", "7075550147", "canary-body-9034"
DATE = "Thu, 01 Jan 2026 00:00:00 GMT"
Act = bytes | Callable[[socket.socket], None]


class Contact(msgspec.Struct):
    id: str
    kind: str = ""


class Server:
    """Answers request n with act n, the last act for all that follow; keeps what it was asked."""

    def __init__(self) -> None:
        self.acts: list[Act] = []
        self.heads: list[str] = []
        self.bodies: list[bytes] = []
        self.connections = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                conn, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._open.append(conn)
            threading.Thread(target=self._serve, args=(conn,), daemon=True).start()

    def _serve(self, conn: socket.socket) -> None:
        try:
            with conn, conn.makefile("rb") as lines:
                while line := lines.readline():
                    head = line
                    while (line := lines.readline()) not in (b"\r\n", b""):
                        head += line
                    lengths = [h.split(b":")[1] for h in head.splitlines() if h.lower().startswith(b"content-length:")]
                    self.bodies.append(lines.read(int(lengths[0])) if lengths else b"")
                    self.heads.append(head.decode("latin-1"))
                    act = self.acts[min(len(self.heads), len(self.acts)) - 1]
                    if not isinstance(act, bytes):
                        act(conn)
                        return
                    conn.sendall(act)
                    if b"connection: close" in act.lower():
                        return
        except OSError:
            return  # the client went away, or the test is over

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for conn in self._open:
            conn.close()


def reply(status: int, body: str | bytes = b"", kind: str = "application/json", **headers: str) -> bytes:
    data = body.encode() if isinstance(body, str) else body
    fields = {"Date": DATE, "Content-Type": kind, "Content-Length": str(len(data)), "vs-trace-id": "trace-1"}
    fields |= {name.replace("_", "-"): value for name, value in headers.items()}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"HTTP/1.1 {status} Said\r\n{head}\r\n".encode() + data


def page(status: int, body: str = "<html>busy</html>", **headers: str) -> bytes:
    return reply(status, body, "text/html;charset=UTF-8", **headers)


def reset(conn: socket.socket) -> None:
    conn.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    conn.close()


def then_reset(data: bytes) -> Callable[[socket.socket], None]:
    def act(conn: socket.socket) -> None:
        conn.sendall(data)
        time.sleep(0.1)  # or the reset overtakes the data
        reset(conn)

    return act


class NoPace:
    def __init__(self) -> None:
        self.turns = 0

    def wait(self) -> float:
        self.turns += 1
        return 0.0


@pytest.fixture
def server() -> Iterator[Server]:
    found = Server()
    yield found
    found.close()


class Rig:
    def __init__(self, url: str, give_up_after: float = 8, auth: Basic | Bearer | None = None) -> None:
        self.slept: list[float] = []
        self.pace = NoPace()
        self.client = HttpClient(
            system="vinoshipper",
            base_url=url,
            auth=auth or Bearer(SECRET),
            pace=self.pace,
            give_up_after=give_up_after,
            trace_header="vs-trace-id",
            sleep=self.slept.append,
        )

    def ask(self, shape: Any = JSON, **more: Any) -> Any:
        try:
            return self.client.request("get_it", more.pop("method", "GET"), f"/p/{PHONE}", shape=shape, **more)
        finally:
            self.client.close()

    def fail(self, shape: Any = JSON, **more: Any) -> PipelineError:
        with pytest.raises(PipelineError) as caught:
            self.ask(shape, json={"note": BODY}, method="POST", **more)
        error = caught.value
        assert (error.system, error.call) == ("vinoshipper", "get_it")
        assert error.__cause__ is None
        assert error.__context__ is None
        shown = "".join(traceback.format_exception(error)) + repr(error) + str(error) + repr(error.as_report())
        for canary in (SECRET, PHONE, BODY):
            assert canary not in shown
        return error


LOGIN = f"<html>{BODY}<form><INPUT id=p  TYPE='Password' name=x></form></html>"
BLOCK = {"cf_ray": "8f-SEA", "Server": "cloudflare"}
CUT = reply(200, f'{{"a": "{BODY}"', Content_Length="900", Connection="close")
ONCE = [
    ("401", reply(401, f'{{"m": "{BODY}"}}'), BadKey),
    ("401_page", page(401, **BLOCK), BadKey),
    ("403_json", reply(403, f'{{"m": "{BODY}"}}', **BLOCK), Forbidden),
    ("403_empty", reply(403, kind="text/html"), Forbidden),
    ("403_text", reply(403, BODY, "text/plain"), Forbidden),
    ("403_login", page(403, LOGIN), BadKey),
    ("404_login", page(404, LOGIN), BadKey),
    ("200_login", page(200, LOGIN, **BLOCK), BadKey),
    ("200_login_said_to_be_json", reply(200, "\n " + LOGIN), BadKey),
    ("302_login", reply(302, Location=f"https://x.test/users/login?next=/{PHONE}"), BadKey),
    ("303_sso", reply(303, Location="https://sso.x.test/"), BadKey),
    ("302_sign_in", reply(302, Location="/account/sign-in?x=1"), BadKey),
    ("307_oauth", reply(307, Location="/oauth2/authorize"), BadKey),
    ("301_elsewhere", reply(301, Location=f"https://www.x.test/authors/{PHONE}"), BadAnswer),
    ("302_blog", reply(302, Location="/designing/blog-index"), BadAnswer),
    ("302_nowhere", reply(302), BadAnswer),
    ("302_senseless", reply(302, Location=f"http://[{PHONE}"), BadAnswer),
    ("400", reply(400, f'{{"details": "{BODY}"}}'), Refused),
    ("404_text", reply(404, BODY, "text/plain"), Refused),
    ("409", reply(409, "null"), Refused),
    ("wrong_shape", reply(200, f'{{"id": {PHONE}}}'), BadAnswer),
]
AGAIN = [
    ("408", reply(408), TryLater),
    ("425", reply(425), TryLater),
    ("429", reply(429, f'{{"m": "{BODY}"}}'), TryLater),
    ("500", reply(500, BODY), TryLater),
    ("503_login", page(503, LOGIN), TryLater),
    ("403_cloudflare", page(403, **BLOCK), TryLater),
    ("403_cloudflare_text", reply(403, "error code: 1020", "text/plain", **BLOCK), TryLater),
    ("403_page", page(403), TryLater),
    ("418_page", page(418), TryLater),
    ("405_page", page(405), TryLater),
    ("400_cloudflare", page(400, **BLOCK), TryLater),
    ("200_cloudflare", page(200, **BLOCK), TryLater),
    ("200_page", page(200, f"<html>{BODY}"), TryLater),
    ("reset", reset, TryLater),
    ("reset_in_body", then_reset(CUT), TryLater),
    ("not_http", lambda conn: conn.sendall(f"{BODY}\r\n\r\n".encode()), TryLater),
    ("odd_headers", reply(200, "{}", Content_Length="2, 3"), TryLater),
    ("cut", CUT, BadAnswer),
    (
        "cut_chunk",
        reply(200, "ff\r\n{", Transfer_Encoding="chunked", Content_Length="3", Connection="close"),
        BadAnswer,
    ),
    ("not_json", reply(200, BODY), BadAnswer),
    ("half_json", reply(200, f'{{"id": "{BODY}'), BadAnswer),
    ("nothing", reply(200), BadAnswer),
    ("204_where_data_was_wanted", b"HTTP/1.1 204 Said\r\n\r\n", BadAnswer),
    ("not_utf8", reply(200, b'{"id": "1", "kind": "\xe9"}'), BadAnswer),
    ("bad_gzip", reply(200, BODY, Content_Encoding="gzip"), BadAnswer),
]
RECOVERS = [row for row in AGAIN if row[0] in ("408", "503_login", "200_page", "reset", "cut", "cut_chunk", "nothing")]


@pytest.mark.parametrize(("name", "act", "kind"), ONCE, ids=[row[0] for row in ONCE])
def test_is_not_asked_again(server: Server, name: str, act: Act, kind: type[PipelineError]) -> None:
    server.acts = [act]
    rig = Rig(server.url)
    error = rig.fail(Contact)
    assert type(error) is kind
    assert str(error.http_status) == (name[:3] if name[:3].isdigit() else "200")
    assert error.trace_id == "trace-1"
    assert len(server.heads) == rig.client.calls["get_it"] == rig.pace.turns == 1
    assert rig.slept == []


@pytest.mark.parametrize(("name", "act", "kind"), AGAIN, ids=[row[0] for row in AGAIN])
def test_is_asked_again_until_time_is_up(server: Server, name: str, act: Act, kind: type[PipelineError]) -> None:
    server.acts = [act]
    rig = Rig(server.url)
    assert type(rig.fail(Contact)) is kind
    assert len(server.heads) == rig.client.calls["get_it"] == rig.pace.turns == len(rig.slept) + 1
    assert 3 <= len(server.heads) <= 5
    assert sum(rig.slept) < 8


@pytest.mark.parametrize(("name", "act", "kind"), RECOVERS, ids=[row[0] for row in RECOVERS])
def test_recovers(server: Server, name: str, act: Act, kind: type[PipelineError]) -> None:
    server.acts = [act, reply(200, '{"id": "1"}')]
    rig = Rig(server.url)
    assert rig.ask(Contact).value == Contact("1")
    assert rig.client.calls == {"get_it": 2}


def test_refused_connection_is_try_later() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    rig = Rig(url)
    assert type(rig.fail()) is TryLater
    assert rig.client.calls["get_it"] >= 3


def test_says_how_the_shape_is_wrong_without_the_value(server: Server) -> None:
    server.acts = [reply(200, f'{{"id": {PHONE}}}')]
    assert "Expected `str`, got `int` - at `$.id`" in str(Rig(server.url).fail(Contact))


def test_names_no_more_than_the_host_of_a_redirect(server: Server) -> None:
    server.acts = [reply(301, Location=f"https://www.x.test/{PHONE}"), reply(200, "{}")]
    assert "(www.x.test); base_url may be wrong" in str(Rig(server.url).fail())
    assert len(server.heads) == 1


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ('{"code": "LOCAL_OPT_OUT"}', "LOCAL_OPT_OUT"),
        ('{"code": "a sentence, perhaps about a person"}', None),
        ("[1]", None),
        ("no json", None),
    ],
)
def test_code_of_a_refusal(server: Server, body: str, code: str | None) -> None:
    server.acts = [reply(409, body)]
    error = Rig(server.url).fail()
    assert isinstance(error, Refused)
    assert (error.code, error.http_status, error.server_time) == (code, 409, 1767225600.0)


def test_answer(server: Server) -> None:
    server.acts = [reply(200, b'\xef\xbb\xbf{"a": 0.10, "b": [1]}')]
    answer = Rig(server.url).ask()
    assert str(answer.value["a"]) == "0.10"
    assert answer.value == {"a": Decimal("0.10"), "b": [1]}
    assert (answer.status, answer.server_time, answer.trace_id) == (200, 1767225600.0, "trace-1")
    assert "0.10" not in repr(answer)


def test_odd_date_and_trace_are_unknown(server: Server) -> None:
    server.acts = [reply(200, "{}", Date="yesterday", vs_trace_id="a b")]
    answer = Rig(server.url).ask()
    assert (answer.server_time, answer.trace_id) == (None, None)


@pytest.mark.parametrize("act", [reply(200, "{}"), reply(202, "ok", "text/plain"), b"HTTP/1.1 204 Said\r\n\r\n"])
def test_no_body_wanted(server: Server, act: bytes) -> None:
    server.acts = [act]
    assert Rig(server.url).ask(NoBody).value is None


def test_body_that_is_packed_and_in_chunks(server: Server) -> None:
    packed = gzip.compress(b'{"id": "1"}')
    chunks = b"%x\r\n%s\r\n0\r\n\r\n" % (len(packed), packed)
    head = b"HTTP/1.1 200 Said\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n"
    server.acts = [head + chunks]
    assert Rig(server.url).ask(Contact).value == Contact("1")


def test_body_that_unpacks_to_too_much(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "MAX_BODY", 2**17)
    server.acts = [reply(200, gzip.compress(b"1" * 2**22), Content_Encoding="gzip")]
    assert "longer than" in str(Rig(server.url).fail())
    assert len(server.heads) == 1


def test_what_is_sent(server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login other password other\n", encoding="ascii")
    monkeypatch.setenv("NETRC", str(netrc))
    server.acts = [reply(200, "{}", Set_Cookie="session=1")]
    rig = Rig(server.url + "/base/", auth=Basic("user", "s\u00e9cret"))
    path = "/orders/A%2F1%20b%2e%2E/.."
    for _ in range(2):
        rig.client.request("c", "PUT", path, shape=JSON, params={"a": True, "b": 2, "c": "x y&"}, json={"x": "é"})
    rig.client.close()
    for head in server.heads:
        assert head.startswith("PUT /base/orders/A%2F1%20b%2E%2E/..?a=true&b=2&c=x%20y%26 HTTP/1.1\r\n")
        assert "Authorization: Basic dXNlcjpz6WNyZXQ=\r\n" in head
        assert "Content-Type: application/json\r\n" in head
        assert "cookie" not in head.lower()
    assert server.bodies == ['{"x":"é"}'.encode()] * 2
    assert server.connections == 1


def test_proxy_of_the_environment(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", server.url)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    server.acts = [reply(200, "{}")]
    Rig("http://shop.test").ask()
    assert server.heads[0].startswith(f"GET http://shop.test/p/{PHONE} HTTP/1.1\r\n")


@pytest.mark.parametrize("secret", ["a\nb", "a\x00", "a\u2019", "a\x85"])
def test_secret_that_cannot_be_sent(secret: str) -> None:
    for make in (
        lambda: Bearer(secret),
        lambda: Basic("u", secret),
        lambda: Basic(secret, "p"),
        lambda: Basic("a:b", ""),
    ):
        with pytest.raises(BadSettings, match="The key holds a character that cannot be sent$"):
            make()


def test_auth_shows_nothing() -> None:
    assert SECRET not in repr(Bearer(SECRET)) + str(Basic("u", SECRET))


def test_text_that_cannot_be_sent(server: Server) -> None:
    with pytest.raises(Internal) as caught:
        Rig(server.url).ask(json={"x": f"{BODY}\ud800"})
    assert caught.value.__context__ is None


@pytest.mark.parametrize("url", ["ftp://x.test", "http://", "http://[::1", "x.test/v2", "http://a..b.test"])
def test_base_url_that_cannot_be_used(url: str) -> None:
    with pytest.raises(BadSettings, match="^base_url"):
        Rig(url).ask()


def test_the_log_holds_no_path(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    server.acts = [reply(200, "{}", Odd="1\r\nno colon here")]
    Rig(server.url).ask()
    assert PHONE not in caplog.text


@pytest.mark.parametrize(
    ("value", "slept"),
    [
        ("3", [3.0, 3.0]),
        ("2.5", [2.5] * 3),
        ("Thu, 01 Jan 2026 00:00:05 GMT", [5.0]),
        ("8", []),
        ("3600", []),
        ("9" * 400, []),
    ],
)
def test_retry_after(server: Server, value: str, slept: list[float]) -> None:
    server.acts = [reply(429, Retry_After=value)]
    rig = Rig(server.url)
    assert type(rig.fail()) is TryLater
    assert rig.slept == slept


@pytest.mark.parametrize("value", ["0", "soon", "-5", DATE, "²"])
def test_retry_after_that_says_nothing(server: Server, value: str) -> None:
    server.acts = [reply(503, Retry_After=value)]
    rig = Rig(server.url)
    rig.fail()
    assert all(0.5 * 2**n <= seconds <= 0.5 * 2**n + 0.5 for n, seconds in enumerate(rig.slept))


def test_one_try_is_always_made(server: Server) -> None:
    server.acts = [reply(503)]
    rig = Rig(server.url, give_up_after=0)
    rig.fail()
    assert rig.client.calls["get_it"] == 1


@pytest.mark.parametrize("dripped", ["head", "body", "nothing"])
def test_dripping_does_not_stretch_a_try(server: Server, dripped: str) -> None:
    ended = threading.Event()
    whole = reply(200, " " * 600)

    def drip(conn: socket.socket) -> None:
        start = {"head": 0, "body": len(whole) - 600, "nothing": len(whole)}[dripped]
        conn.sendall(whole[:start] if dripped == "body" else b"")
        for at in range(start, len(whole) + 600 * (dripped == "nothing")):
            time.sleep(0.05)
            conn.sendall(whole[at : at + 1])
        ended.set()

    server.acts = [drip]
    rig = Rig(server.url, give_up_after=0.3)
    assert type(rig.fail()) is TryLater
    assert rig.client.calls["get_it"] == 1
    assert not ended.is_set()


def test_waiting_for_our_own_pace_does_not_count(server: Server) -> None:
    server.acts = [reply(503, Retry_After="0.1"), reply(200, "{}")]
    rig = Rig(server.url, give_up_after=0.5)
    rig.pace.wait = lambda: time.sleep(0.3) or 0.3  # type: ignore[method-assign, func-returns-value]
    assert rig.ask().status == 200


def test_a_request_whose_turn_it_is_leaves_whoever_computes(server: Server) -> None:
    """Turns are given evenly. If who has one had to wait for a seat, many would leave at once when seats are free."""
    seats, seated, asked = CpuSlots(1), threading.Event(), threading.Event()

    def answer(conn: socket.socket) -> None:
        asked.set()
        conn.sendall(reply(200, "{}", Connection="close"))

    def compute() -> bool:
        with seats.taken():
            seated.set()
            return asked.wait(5)

    server.acts = [answer]
    rig = Rig(server.url)
    rig.pace.wait = releasing(lambda: 0.0 * seated.wait(20))  # type: ignore[method-assign]
    with ThreadPoolExecutor(1) as threads, seats.taken():
        computed = threads.submit(compute)
        assert rig.ask().status == 200
        assert computed.result()


def test_threads_share_a_client(server: Server) -> None:
    server.acts = [reply(200, "{}")]
    rig = Rig(server.url)
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda _: rig.client.request("c", "GET", "/", shape=JSON), range(100)))
    rig.client.close()
    assert rig.client.calls["c"] == len(server.heads) == 100
    assert server.connections <= 4


def test_a_host_name_unknown_to_dns_is_try_later(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*args: object, **more: object) -> object:
        raise socket.gaierror(-2, f"Name or service not known {PHONE}")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    failed = Rig("http://shop.test").fail()
    assert type(failed) is TryLater
    assert failed.message.startswith("No connection to shop.test could be made: ")


def test_a_connection_that_nobody_takes_is_told_with_where_it_led_to() -> None:
    failed = Rig("http://user:pass@127.0.0.1:9").fail()
    assert failed.message.startswith("No connection to 127.0.0.1:9 could be made: ")
    assert failed.message.endswith("or base_url is wrong")
    assert "pass" not in failed.message


def test_a_wait_for_a_host_is_told_after_some_seconds_and_seldom_without_a_secret(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(waits._WAITS, "said_at", {})
    said: list[str] = []
    rig = Rig("http://user:pass@127.0.0.1:9", give_up_after=60)
    with waits.told_to(said.append):
        rig.fail()
    assert len(said) == 1, "no time passes here: of one host it is said once in ten seconds"
    assert re.fullmatch(r"waiting for 127\.0\.0\.1:9, next try in [1-4] s", said[0])
    assert len(rig.slept) > 5
    assert sum(rig.slept[:1]) < waits.AFTER


@pytest.mark.parametrize("give_up_after", [2, 60])
def test_a_short_wait_and_one_that_nobody_asked_about_is_not_told(give_up_after: float) -> None:
    said: list[str] = []
    with waits.told_to(said.append):
        if give_up_after == 2:
            Rig("http://127.0.0.1:9", give_up_after).fail()
    if give_up_after == 60:
        Rig("http://127.0.0.1:9", give_up_after).fail()
    assert said == []


def test_a_write_that_is_asked_once_is_not_repeated_and_tells_what_cannot_have_left(server: Server) -> None:
    server.acts = [reply(503), reply(200, "{}")]
    rig = Rig(server.url)
    with pytest.raises(TryLater) as told:
        rig.client.request("c", "POST", "/", shape=JSON, json={}, headers={"Idempotency-Key": "k"}, once=True)
    assert (len(server.heads), type(told.value)) == (1, TryLater)
    assert "idempotency-key: k" in str(server.heads[0]).lower()
    rig.client.close()
    nobody = Rig("http://127.0.0.1:9")
    with pytest.raises(NotSent):
        nobody.client.request("c", "POST", "/", shape=JSON, json={}, once=True)
    assert nobody.client.calls["c"] == 1


def test_a_connection_that_was_idle_for_too_long_is_not_used_again(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.acts = [reply(200, "{}")]
    now = time.monotonic()
    monkeypatch.setattr("vs_st_pipeline.platform.http.deadline.time.monotonic", lambda: now)
    asking = HttpClient(
        system="shop", base_url=server.url, auth=Bearer("k"), pace=NoPace(), give_up_after=60, most_idle=5
    )
    for later, connections in ((0.0, 1), (5.0, 1), (10.1, 2)):
        now += later
        asking.request("c", "GET", "/", shape=JSON)
        assert server.connections == connections
    asking.close()


def test_retry_after_date_is_read_by_the_server_s_clock(server: Server) -> None:
    server.acts = [reply(429, Retry_After=formatdate(time.time() + 3, usegmt=True), Date="")]
    rig = Rig(server.url)
    rig.fail()
    assert 0 < rig.slept[0] <= 3


# --- the same question once more ----------------------------------------------------------------------------------


def recorded(http: HttpClient, **arguments: Any) -> Exchange:
    """Ask something while it is recorded; what was kept of it."""
    http.tape.recording = True
    with suppress(PipelineError):
        http.request("list", "GET", "/things", shape=JSON, **arguments)
    [(_, _, exchange)] = http.tape.exchanges
    return exchange


@pytest.mark.parametrize(
    ("later", "same"),
    [
        (reply(200, '{"a": 1}'), True),
        (reply(200, '{"a": 2}'), False),
        (reply(200, '{"a": 1} '), False),
        (reply(404, '{"code": "gone"}'), False),
        (reply(200, '{"a": 1}', Date="Thu, 01 Jan 2026 00:00:30 GMT"), True),
        (reply(200, '{"a": 1}', Date="Wed, 31 Dec 2025 23:59:30 GMT"), True),  # within what a system's clocks differ
        (reply(200, '{"a": 1}', Date="Wed, 31 Dec 2025 23:00:00 GMT"), False),
        (reply(200, '{"a": 1}').replace(b"Date: ", b"No-Date: "), False),
        (page(200), False),
        (page(200, '<input type="password">'), False),
        (reply(401), False),
    ],
)
def test_an_answer_is_the_same_by_its_bytes_and_its_clock(server: Server, later: bytes, same: bool) -> None:
    server.acts = [reply(200, '{"a": 1}'), later]
    http = Rig(server.url).client
    exchange = recorded(http, params={"q": "a b", "deep": True})
    assert http.ask_again(exchange) is same
    assert server.heads[0].splitlines()[0] == server.heads[1].splitlines()[0]


def test_a_refusal_is_the_same_by_its_status_and_code_whatever_its_trace(server: Server) -> None:
    server.acts = [
        reply(404, '{"code": "no_feed", "trace": 1}'),
        reply(404, '{"code": "no_feed", "trace": 2}'),
        reply(404, '{"code": "other"}'),
        reply(200, "[]"),
    ]
    http = Rig(server.url).client
    exchange = recorded(http)
    assert [http.ask_again(exchange) for _ in range(3)] == [True, False, False]


def test_what_was_heard_is_taken_over_once_and_sent_with_its_body(server: Server) -> None:
    server.acts = [reply(200, '{"a": 1}'), reply(200, '{"a": 2}'), reply(200, '{"a": 3}')]
    http = Rig(server.url).client
    exchange = recorded(http, json={"page": 0})
    assert not http.ask_again(exchange)
    assert server.bodies[0] == server.bodies[1] == b'{"page":0}'

    def asked(page: int) -> Any:
        return http.request("list", "GET", "/things", shape=JSON, json={"page": page}).value

    assert asked(0) == {"a": 2}  # taken over
    assert len(server.heads) == 2
    assert asked(0) == {"a": 3}  # asked anew
    assert len(server.heads) == 3
    assert http.calls["list"] == 3


def test_a_failure_is_taken_over_without_trying_it_all_again(server: Server) -> None:
    server.acts = [reply(200, "{}"), reply(503)]
    http = Rig(server.url, give_up_after=0.5).client
    exchange = recorded(http)
    assert not http.ask_again(exchange)
    tries = len(server.heads)
    with pytest.raises(TryLater):
        http.request("list", "GET", "/things", shape=JSON)
    assert len(server.heads) == tries
    assert http.tape.void is not None  # such a sync is no pattern for the next one


def test_a_write_that_is_tried_once_is_never_answered_by_what_was_heard_before(server: Server) -> None:
    server.acts = [reply(200, '{"a": 1}'), reply(200, '{"a": 2}'), reply(200, '{"a": 3}')]
    http = Rig(server.url).client
    exchange = recorded(http)
    http.ask_again(exchange)
    assert http.request("list", "GET", "/things", shape=JSON, once=True).value == {"a": 3}


def test_nothing_is_recorded_of_what_is_asked_once_or_where_nobody_records(server: Server) -> None:
    server.acts = [reply(200, "{}")]
    http = Rig(server.url).client
    http.request("list", "GET", "/things", shape=JSON)
    http.tape.recording = True
    with http.tape.asking_for(tape.ONCE):
        http.request("one", "GET", "/things/1", shape=JSON)
    assert http.tape.exchanges == []
    with http.tape.asking_for("days", "2026-01-02"):
        http.request("list", "GET", "/things", shape=JSON)
    assert [one.path for one in http.tape.of_turn("days", "2026-01-02")] == ["/things"]
    http.tape.drop("days", "2026-01-02")
    assert http.tape.exchanges == []
