"""What a hostile reader would send (webhooks-onboarding.md, section 10), over real sockets.

Whatever comes, the receiver answers by the table or hangs up; it keeps taking good calls, stores nothing that it should
not, and prints nothing that somebody else chose.
"""

from __future__ import annotations

import contextlib
import json
import random
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from vs_st_pipeline.operations.receiver import processes, server
from vs_st_pipeline_tests.support.receiving import (
    HILLSIDE,
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

GOOD, PATH = "good", url("victim")


@pytest.fixture(scope="module")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Receiving]:
    with receiving(tmp_path_factory.mktemp("attacked"), [entry(HILLSIDE), entry("victim"), entry(GOOD)]) as running:
        yield running


@pytest.fixture(autouse=True)
def _still_well(attacked: Receiving) -> Iterator[None]:
    """After each attack a good call goes through, and no line has a token or what the attacker wrote."""
    yield
    assert attacked.call(url(GOOD), order()).status == 204
    printed = "\n".join(attacked.lines)
    for word in (PATH.rpartition("/")[2][:20], "evil", "fault of ours", "\x1b", "Traceback"):
        assert word not in printed


def statuses(told: bytes) -> list[int]:
    """The statuses of answers that came on one connection."""
    return [int(line.split()[1]) for line in told.split(b"\r\n") if line.startswith(b"HTTP/1.1 ")]


def sent(attacked: Receiving, head: str, body: bytes = b"", answers: int = 1) -> list[int]:
    whole = head.replace("\n", "\r\n").encode("latin-1") + b"\r\n" + body
    return statuses(attacked.raw(whole, 0.5, answers))


# --- paths ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        f"/hooks/../hooks{PATH.removeprefix('/hooks')}",
        f"/./{PATH[1:]}",
        f"//{PATH[1:]}",
        f"/x/..{PATH}",
        PATH.replace("/hooks", "/HOOKS"),
        PATH.replace("vinoshipper", "Vinoshipper"),
        PATH.replace("/hooks", "/%68ooks"),
        PATH.replace("/", "%2F"),
        PATH.replace("/", "\\"),
        PATH[:-1] + f"%{ord(PATH[-1]):02x}",
        PATH + "%0d%0aX-Evil:%201",
        PATH + "\x00",
        PATH + "/../../healthz",
        PATH.replace("vinoshipper", "vinoshipper%00"),
        PATH.lower(),
        PATH + "é",
        "*",
        "evil",
        "/hooks/" + "evil/" * 5000,
        f"/hooks/{SHOP}/" + "A" * 60_000,
        "/hooks/\x1b[31mevil/" + "A" * 43,
    ],
)
def test_path_tricks_find_nothing(attacked: Receiving, path: str) -> None:
    before = len(attacked.entries("victim"))
    found = sent(attacked, f"POST {path} HTTP/1.1\nHost: a\nConnection: close\nContent-Length: 2\n", b"{}")
    assert found in ([404], [400], [])
    assert len(attacked.entries("victim")) == before


@pytest.mark.parametrize("method", ["FOO", "post", "QUERY", "x-evil'", "PROPFIND"])
def test_h3_h4_a_method_that_nobody_knows_is_answered_as_any_other_than_post(attacked: Receiving, method: str) -> None:
    """H3: whatever the method; H4: a valid URL, not POST. It is so on a connection that has had calls, too."""
    tail = b"HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n"
    for path, status in ((PATH, 405), (PATH + "x", 404), (f"/hooks/{SHOP}/evil", 404), ("/healthz", 404)):
        assert sent(attacked, f"{method} {path} HTTP/1.1\nHost: a\nContent-Length: 2\n", b"{}") == [status]
    before = len(attacked.entries("victim"))
    with socket.create_connection(("127.0.0.1", attacked.port), 5) as connection:
        for name, status in ((b"POST", b"204"), (method.encode(), b"405"), (b"POST", b"204")):
            connection.sendall(name + b" " + PATH.encode() + b" " + tail + b"{}")
            assert connection.recv(4096).startswith(b"HTTP/1.1 " + status)
        # It is the first line alone that is looked at: a body that reads like one stays as it is.
        body = b"FOO /x HTTP/1.1\r\nA: b"
        connection.sendall(b"POST %b HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % (PATH.encode(), len(body)))
        time.sleep(0.1)
        for part in (body, b"POST " + PATH.encode() + b" " + tail + b"{}"):
            connection.sendall(part)
            assert connection.recv(4096).startswith(b"HTTP/1.1 204")
    assert len(attacked.entries("victim")) == before + 4


def test_a_whole_url_in_the_request_line_is_its_path_and_nothing_more(attacked: Receiving) -> None:
    head = f"POST http://evil.example:80{PATH} HTTP/1.1\nHost: evil.example\nContent-Length: 2\nConnection: close\n"
    assert sent(attacked, head, b"{}") == [204]


# --- heads ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "found"),
    [
        ("Content-Length: 2\nContent-Length: 2\n", ([400],)),
        ("Content-Length: 2\nContent-Length: 100\n", ([400],)),
        ("Content-Length: 2\nTransfer-Encoding: chunked\n", ([400],)),
        ("Content-Length: -1\n", ([400],)),
        ("Content-Length: 1e3\n", ([400],)),
        (f"Content-Length: {'9' * 30}\n", ([400],)),
        (f"Content-Length: {2**63}\n", ([413],)),
        ("Content-Length: 0x10\n", ([400],)),
        ("Transfer-Encoding: gzip, chunked\n", ([400], [], [204])),
        ("Transfer-Encoding: identity\n", ([400], [], [204])),
        ("Transfer-Encoding: xchunked\n", ([400], [])),
        ("Transfer-Encoding : chunked\n", ([400],)),
        (" Content-Length: 2\n", ([400],)),
        ("Content-Length: 2\nX-Evil: a\x00b\n", ([400],)),
        ("Content-Length: 2\nX-Evil: a\x0bb\n", ([400], [204])),
        ("Content-Length: 2\nX-E vil: a\n", ([400],)),
        ("Content-Length: 2\n: evil\n", ([400],)),
        ("Content-Length: 2\nUpgrade: websocket\nConnection: Upgrade\nSec-WebSocket-Key: AAAA\n", ([204],)),
        (
            "Content-Length: 2\nUpgrade: h2c\nConnection: Upgrade, HTTP2-Settings\nHTTP2-Settings: AAMAAABkAAQA\n",
            ([204],),
        ),
        ("Content-Length: 2\n" + "X-Evil: a\n" * 199, ([204], [])),
        ("Content-Length: 2\n" + "X-Evil: a\n" * 5000, ([],)),
        ("Content-Length: 2\nX-Evil: " + "a" * 2_000_000 + "\n", ([],)),
    ],
)
def test_header_games_end_in_an_answer_or_a_closed_connection(
    attacked: Receiving, more: str, found: tuple[list[int], ...]
) -> None:
    head = f"POST {PATH} HTTP/1.1\nHost: a\n{more}"
    assert sent(attacked, head, b"{}") in found


def test_what_is_not_http_is_400_without_a_word(attacked: Receiving) -> None:
    for junk in (b"\x16\x03\x01\x02\x00\x01\x00", b"evil\r\n\r\n", b"GET\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"):
        told = attacked.raw(junk, 5)
        assert told == b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n", junk
    assert attacked.raw(b"GET " + PATH.encode() + b"\r\n\r\n", 0.3).count(b"\r\n\r\n") <= 1, "HTTP/0.9"


def test_random_bytes_never_stop_it(attacked: Receiving) -> None:
    chance = random.Random(15)
    good = f"POST {PATH} HTTP/1.1\r\nHost: a\r\nContent-Length: 20\r\n\r\n".encode() + b" " * 20
    for _ in range(60):
        spoilt = bytearray(good)
        for _ in range(chance.randrange(1, 6)):
            spoilt[chance.randrange(len(spoilt))] = chance.randrange(256)
        assert set(statuses(attacked.raw(bytes(spoilt), 0.01))) <= {204, 400, 404, 405, 413, 408}


def test_http_1_0_and_expect_are_answered(attacked: Receiving) -> None:
    assert sent(attacked, f"POST {PATH} HTTP/1.0\nContent-Length: 2\n", b"{}") == [204]
    head = f"POST {PATH} HTTP/1.1\nHost: a\nExpect: 100-continue\nConnection: close\nContent-Length: "
    assert sent(attacked, f"{head}2\n", b"{}", 2) == [100, 204]
    assert sent(attacked, f"{head}70000\n") == [413], "the body is not asked for"
    head = head.replace(PATH, f"/hooks/{SHOP}/{'x' * 43}")
    assert sent(attacked, f"{head}2\n", b"{}") == [404]


def test_a_request_hidden_in_a_body_is_a_body(attacked: Receiving) -> None:
    inner = f"POST {url(HILLSIDE)} HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n".encode()
    for path in (PATH, f"/hooks/{SHOP}/{'x' * 43}"):
        head = f"POST {path} HTTP/1.1\nHost: a\nContent-Length: {len(inner)}\n"
        assert sent(attacked, head, inner) == [204 if path == PATH else 404]
    assert attacked.entries(HILLSIDE) == []


# --- bodies -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "chunks",
    [
        b"5\r\nab",
        b"zz\r\nab\r\n0\r\n\r\n",
        b"-1\r\n\r\n",
        b"ffffffffffffffff\r\nab\r\n",
        b"fffffffffffffffff\r\nab\r\n",
        b"2;" + b"evil=" * 30_000 + b"\r\n{}\r\n0\r\n\r\n",
        b"2\r\n{}\r\n0\r\n" + b"X-Evil: a\r\n" * 5000 + b"\r\n",
        b"1\r\n \r\n" * 70_000,
    ],
)
def test_chunked_bodies(attacked: Receiving, chunks: bytes) -> None:
    head = f"POST {PATH} HTTP/1.1\nHost: a\nTransfer-Encoding: chunked\n"
    assert sent(attacked, head, chunks) in ([], [400], [204], [413], [413, 400])


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 65_000,
        b'{"identifier": {"a": ' * 3000,
        b'{"identifier": ' + b"1" * 65_000 + b', "subject": "ORDER"}',
        b'{"identifier": 1e999999999, "subject": "ORDER"}',
        b'{"identifier": NaN, "subject": "ORDER"}',
        b'{"identifier": "1\\u0000", "subject": "ORDER"}',
        b'{"identifier": "\\ud800\\udc00\\ud800", "subject": "ORDER", "event": "\\udfff"}',
        b'{"identifier": "1", "identifier": [], "subject": "ORDER", "subject": {}}',
        b'{"identifier": "\\u001b[31mevil\\r\\nPOST", "subject": "ORDER"}',
        b'{"identifier": "1", "subject": "ORDER", "event": "evil\\nline"}',
        b'{"__class__": "evil", "$ref": "file:///etc/passwd"}',
        b"\xff\xfe{\x00}\x00",
        b"\xef\xbb\xbf{}",
        b"'; drop table entries; --",
        b'{"identifier": "\'; drop table entries; --", "subject": "ORDER"}',
    ],
    ids=range(15),
)
def test_whatever_a_body_holds_it_is_a_204_and_can_be_shown(attacked: Receiving, body: bytes) -> None:
    before = len(attacked.entries("victim"))
    assert attacked.call(PATH, body).status == 204
    shown = attacked.entries("victim")
    assert len(shown) == before + 1
    assert "evil" not in json.dumps(attacked.kept("victim"))
    assert json.dumps(shown).isascii()


def test_an_href_is_never_opened(attacked: Receiving) -> None:
    with socket.create_server(("127.0.0.1", 0)) as trap:
        trap.settimeout(0.3)
        href = f"http://127.0.0.1:{trap.getsockname()[1]}/orders/1"
        body = json.dumps({"identifier": "1", "subject": "ORDER", "href": href, "hrefV3": href}).encode()
        assert attacked.call(PATH, body).status == 204
        with pytest.raises(TimeoutError):
            trap.accept()


def test_an_array_of_many_is_bounded(attacked: Receiving) -> None:
    before = len(attacked.entries("victim"))
    assert attacked.call(PATH, b"[" + b"1," * 30_000 + b"1]").status == 204
    assert len(attacked.entries("victim")) == before + 101


# --- time and connections ---------------------------------------------------------------------------------------------


def test_connections_that_say_nothing_are_closed(attacked: Receiving, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "HEAD_SECONDS", 0.2)
    monkeypatch.setattr(server, "UNREAD_SECONDS", 0.2)
    quiet, slow, unread = (attacked.connected() for _ in range(3))
    slow.sendall(b"POST /hooks/vino")
    unread.sendall(f"POST /hooks/{SHOP}/x HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nabc".encode())
    for one in (quiet, slow, unread):
        one.settimeout(5)
    assert statuses(read_all(quiet)) == []
    assert statuses(read_all(slow)) == []
    assert statuses(read_all(unread)) == [404]
    for one in (quiet, slow, unread):
        one.close()


def test_many_connections_that_say_nothing_keep_no_call_back(attacked: Receiving) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(400):
            stack.enter_context(attacked.connected())
        began = time.monotonic()
        assert attacked.call(url(GOOD), order()).status == 204
        assert time.monotonic() - began < 1


def test_for_one_connection_more_a_quiet_one_goes_and_never_one_with_a_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "most_connections", lambda: 3)
    head = f"POST {url()} HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n".encode()
    with receiving(tmp_path) as running, contextlib.ExitStack() as stack:
        connected = [stack.enter_context(running.connected()) for _ in range(3)]
        time.sleep(0.1)
        assert running.call(url(), order()).status == 204
        connected[0].settimeout(1)
        assert read_all(connected[0]) == b"", "it was quiet for longest"
        for _ in range(3):
            busy = stack.enter_context(running.connected())
            busy.sendall(head)
            connected.append(busy)
        time.sleep(0.1)
        with pytest.raises(ConnectionError):
            running.call(url(), order())
        for busy in connected[3:]:
            busy.sendall(b"{}")
            assert busy.recv(100).startswith(b"HTTP/1.1 204 ")


def test_a_caller_who_hangs_up_costs_nothing(attacked: Receiving) -> None:
    before = len(attacked.entries("victim"))
    for part in (b"", b"POST ", f"POST {PATH} HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc".encode()):
        with attacked.connected() as one:
            one.sendall(part)
            one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")  # a reset
    time.sleep(0.1)
    assert len(attacked.entries("victim")) == before


def test_many_calls_on_one_connection_are_answered_in_their_order(attacked: Receiving) -> None:
    good = f"POST {url(HILLSIDE, TEXTING)} HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n".encode()
    bad = b"POST /evil HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"
    get = f"GET {url(HILLSIDE, TEXTING)} HTTP/1.1\r\nHost: a\r\n\r\n".encode()
    assert statuses(attacked.raw((good + bad + get) * 20, 5, 60)) == [204, 404, 405] * 20


def test_guessing_tokens_is_counted_by_the_minute_and_never_printed(attacked: Receiving) -> None:
    for number in range(30):
        assert attacked.call(f"/hooks/{SHOP}/evil{number}", b"evil").status == 404
    until(lambda: attacked.counted(SHOP, "404") >= 30)
    assert not any("404" in line for line in attacked.lines)
