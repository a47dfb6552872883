"""Reads of an account, over a socket: lists with and without pages, what each refusal means (notices.md 2.4, 5.9)."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest

from vs_st_pipeline.connectors.gupshup.client import GupshupClient
from vs_st_pipeline.connectors.gupshup.settings import GupshupAccount
from vs_st_pipeline.connectors.gupshup.templates import OptIn
from vs_st_pipeline.domain.errors import BadAnswer, BadKey, BadSettings, PipelineError, TryLater
from vs_st_pipeline.platform.settings.secrets import Secret
from vs_st_pipeline_tests.support.sending import Act, Gupshup, Unpaced, cut, reply

LIST, WALLET, USERS = "/template", "/balance", "/users/Kapas%20App"


@pytest.fixture
def gupshup() -> Iterator[Gupshup]:
    made = Gupshup()
    yield made
    made.close()


@pytest.fixture
def client(gupshup: Gupshup) -> Iterator[GupshupClient]:
    account = GupshupAccount(
        id="client:kapaskraft", kind="client", base_url=gupshup.url, api_key=Secret("key-canary", "env:KEY"),
        app_name="Kapas App", app_id="77/aa", number="+919810000002",
    )  # fmt: skip
    made = GupshupClient(account, Unpaced())
    yield made
    made.http.close()


def listed(*ids: str) -> bytes:
    return reply(200, {"status": "success", "templates": [{"id": one, "status": "APPROVED"} for one in ids]})


def ids(count: int, first: int = 1) -> list[str]:
    return [f"t{number}" for number in range(first, first + count)]


def test_2_4_a_list_that_is_no_full_page_is_whole(gupshup: Gupshup, client: GupshupClient) -> None:
    gupshup.lists = {LIST: listed("a", "b")}
    assert [one.id for one in client.templates()] == ["a", "b"]
    assert gupshup.asked == ["/wa/app/77%2Faa/template"]


def test_2_4_pages_are_asked_for_until_one_is_short(gupshup: Gupshup, client: GupshupClient) -> None:
    gupshup.lists = {
        "pageNo=2&pageSize=10": listed(*ids(10, 11)),
        "pageNo=3&pageSize=10": listed(*ids(3, 21)),
        LIST: listed(*ids(10)),
    }
    assert [one.id for one in client.templates()] == ids(23)
    assert len(gupshup.asked) == 4, "three pages, and the one of number 1, which might have been the second"


def test_2_4_pages_may_be_counted_from_0(gupshup: Gupshup, client: GupshupClient) -> None:
    """No source says where pages begin: what a list of eleven templates has second is not lost."""
    gupshup.lists = {
        "pageNo=1&pageSize=10": listed(*ids(10, 11)),
        "pageNo=2&pageSize=10": listed(*ids(3, 21)),
        LIST: listed(*ids(10)),
    }
    assert {one.id for one in client.templates()} == set(ids(23))
    gupshup.lists = {
        "pageNo=1&pageSize=10": listed("t11"),
        "pageNo=2&pageSize=10": listed(),
        LIST: listed(*ids(10)),
    }
    assert [one.id for one in client.templates()] == ids(11)


def test_2_4_a_list_without_pages_is_whole_though_it_has_ten(gupshup: Gupshup, client: GupshupClient) -> None:
    gupshup.lists = {"pageNo=2&pageSize=10": listed(*ids(10)), LIST: listed(*ids(10))}
    assert [one.id for one in client.templates()] == ids(10)
    assert len(gupshup.asked) == 2


@pytest.mark.parametrize(
    "second",
    [
        listed(),
        reply(400, {"status": "error", "message": "page"}),
        reply(404, {"status": "error", "message": "no such page"}),
        reply(200, {"status": "error", "message": "no such page"}),
    ],
)
def test_2_4_a_page_behind_the_last_one_is_none_however_it_is_refused(
    gupshup: Gupshup, client: GupshupClient, second: Act
) -> None:
    gupshup.lists = {"pageNo=2&pageSize=10": second, LIST: listed(*ids(10))}
    assert [one.id for one in client.templates()] == ids(10)
    assert len(gupshup.asked) == 3


def test_2_4_a_page_that_is_cut_is_no_end(gupshup: Gupshup, client: GupshupClient) -> None:
    gupshup.lists = {"pageNo=2&pageSize=10": reply(200, {"status": "success"}), LIST: listed(*ids(10))}
    with pytest.raises(BadAnswer):
        client.templates()


@pytest.mark.parametrize(
    ("act", "kind"),
    [
        (listed(), BadAnswer),
        (reply(200, {"status": "success", "templates": None}), BadAnswer),
        (reply(200, {"status": "success"}), BadAnswer),
        (reply(200, []), BadAnswer),
        (reply(200, {"status": "error", "message": "something"}), BadAnswer),
        (reply(200, {"status": "error", "message": "Authentication Failed"}), BadKey),
        (reply(401, {"status": "error", "message": "Authentication Failed"}), BadKey),
        (reply(403, {"status": "error", "message": "Forbidden"}), BadKey),
        (reply(400, {"status": "error", "message": "Invalid API key"}), BadKey),
        (reply(200, b"<form><input type=password></form>", "text/html"), BadKey),
        (reply(404), BadSettings),
    ],
)
def test_10_a_list_that_says_nothing_is_an_error_named_by_what_to_do(
    gupshup: Gupshup, client: GupshupClient, act: Act, kind: type[PipelineError]
) -> None:
    gupshup.lists = {LIST: act}
    with pytest.raises(kind) as told:
        client.templates()
    assert told.value.system == "gupshup"
    assert "key-canary" not in str(told.value)


def test_10_a_list_that_is_cut_is_asked_for_again_then_an_error(gupshup: Gupshup, client: GupshupClient) -> None:
    client.http._give_up_after = 0.0
    gupshup.lists = {LIST: cut(listed("a"))}
    with pytest.raises((BadAnswer, TryLater)):
        client.templates()


def test_5_9_users_are_read_and_may_be_none(gupshup: Gupshup, client: GupshupClient) -> None:
    rows: list[dict[str, Any]] = [{"countryCode": "91", "phoneCode": "9810000001", "optinStatus": "OPT_IN"}]
    gupshup.lists = {USERS: reply(200, {"status": "success", "users": rows})}
    assert client.users() == [OptIn("+919810000001", "in")]
    gupshup.lists = {USERS: reply(200, {"status": "success", "users": []})}
    assert client.users() == []
    gupshup.lists = {}
    with pytest.raises(BadSettings):
        client.users()


def test_13_6_the_wallet_says_whether_the_key_is_good(gupshup: Gupshup, client: GupshupClient) -> None:
    gupshup.lists = {WALLET: reply(200, {"status": "success", "walletResponse": {"currentBalance": 7}})}
    assert client.wallet()["walletResponse"] == {"currentBalance": 7}
    gupshup.lists = {WALLET: reply(401)}
    with pytest.raises(BadKey):
        client.wallet()


def test_a_permit_that_was_taken_ahead_is_used_by_the_next_request(gupshup: Gupshup, client: GupshupClient) -> None:
    taken: list[float] = []

    class Counting:
        def wait(self) -> float:
            taken.append(0.0)
            return 0.0

    counting = GupshupClient(client.account, Counting())
    counting.take_permit()
    counting.take_permit()
    assert len(taken) == 1
    gupshup.lists = {WALLET: reply(200, {"status": "success"})}
    counting.wallet()
    assert len(taken) == 1
    counting.wallet()
    assert len(taken) == 2
    counting.waste_permit()
    assert len(taken) == 3
    counting.http.close()


def test_7_2_what_cannot_be_encoded_is_sent_with_a_mark_in_its_place(gupshup: Gupshup, client: GupshupClient) -> None:
    client.send_template("+919810000001", "t", ["half \ud83d of it", "क"])
    assert gupshup.sent[0]["template"] == '{"id":"t","params":["half ? of it","क"]}'


def test_7_2_a_message_has_its_time_whatever_a_read_may_take(gupshup: Gupshup, client: GupshupClient) -> None:
    """`give_up_after` of the entry ends the tries of a read; a message whose answer is slow is no unknown one."""

    def slow(conn: socket.socket) -> None:
        time.sleep(0.5)
        conn.sendall(reply(202, {"status": "submitted", "messageId": "m1"}))

    hasty = GupshupClient(client.account, Unpaced(), 0.2)
    gupshup.lists, gupshup.acts = {LIST: reply(500)}, [slow]
    with pytest.raises(TryLater):
        hasty.templates()
    assert len(gupshup.asked) == 1
    assert hasty.send_template("+919810000001", "t", []).outcome == "accepted"
    hasty.http.close()


def test_7_2_no_redirect_is_followed(gupshup: Gupshup, client: GupshupClient) -> None:
    gupshup.acts = [reply(307, Location=f"{gupshup.url}/wa/api/v1/template/msg")]
    assert client.send_template("+919810000001", "t", []).outcome == "unknown"
    assert len(gupshup.sent) == 1
