"""`vs-st webhooks test` posts to our own URLs and looks for the entry (H38); `secret` makes a secret."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from vs_st_pipeline.domain.hints import TEST as TEST_KIND
from vs_st_pipeline.domain.hints import Call
from vs_st_pipeline.operations.webhooks import testing
from vs_st_pipeline.platform.http.probe import NoAnswer, post
from vs_st_pipeline.platform.inbox.store import Arrival, Inbox
from vs_st_pipeline_tests.operations.webhooks.conftest import Hooked
from vs_st_pipeline_tests.support import tls
from vs_st_pipeline_tests.support.loopback import PostServer
from vs_st_pipeline_tests.support.story import TEST

SHOP, TEXTING = "vinoshipper", "simpletexting"


class Taker(PostServer):
    """Answers posts, and stores them as a receiver does."""

    more_headers: Mapping[str, str] = {"Location": "/elsewhere"}

    def __init__(self, inbox: Inbox) -> None:
        self.got: list[tuple[str, Mapping[str, str]]] = []
        self.status, self.stores, self._inbox = 204, True, inbox
        super().__init__()

    def answer(self, path: str, headers: Mapping[str, str], body: bytes) -> int:
        self.got.append((path, headers))
        if self.stores:
            call = Call(TEST_KIND, kept=json.loads(body))
            self._inbox.put([Arrival(TEST, path.split("/")[2], call, ("contacts",), "")])
        return self.status


@pytest.fixture
def taker(hooked: Hooked) -> Iterator[Taker]:
    taker = Taker(Inbox(hooked.story.data))
    hooked.set(VS_ST_PUBLIC_URL=taker.url)
    yield taker
    taker.close()


def told(hooked: Hooked, code: int) -> set[str]:
    return {row["test"] for row in hooked.webhooks("test", code=code)["hooks"]}


def test_h38_each_url_is_posted_to_once_and_the_entry_is_found(hooked: Hooked, taker: Taker) -> None:
    """H38: `ok`; it calls no vendor, and tests those in state `ok` (ruling 7)."""
    assert hooked.webhooks("test", code=1)["error"]["kind"] == "config"  # nothing is known to be registered
    hooked.story.shop.set_switch("webhooks_api", "refuses_membership")
    hooked.webhooks("register")
    hooked.story.clear_journals()
    entry = hooked.webhooks("test")
    assert {row["name"]: row["test"] for row in entry["hooks"]}["ORDER"] == "ok"
    assert {row["name"]: row["test"] for row in entry["hooks"]}["CLUB_MEMBERSHIP"] is None
    assert len(taker.got) == 2  # three webhooks of the shop have one URL
    assert (hooked.story.shop.journal(), hooked.story.texting.journal()) == ([], [])


def test_h38_a_url_whose_token_has_changed_since_is_not_tested(hooked: Hooked, taker: Taker) -> None:
    """Ruling 7: only those in state `ok`; the settings were changed by hand, and nothing was registered anew."""
    hooked.webhooks("register")
    hooked.story.settings({TEST: {"webhooks": {SHOP: {"generation": 2}}}})
    entry = hooked.webhooks("test")
    assert {(row["state"], row["test"]) for row in entry["hooks"]} == {("old_generation", None), ("ok", "ok")}
    assert [path.split("/")[2] for path, _ in taker.got] == [TEXTING]


@pytest.mark.parametrize("status", [200, 302, 307, 404, 500])
def test_h38_no_redirect_is_followed_and_only_204_is_right(hooked: Hooked, taker: Taker, status: int) -> None:
    """H38: `wrong_answer`."""
    hooked.webhooks("register")
    taker.status = status
    assert told(hooked, 1) == {"wrong_answer"}
    assert len(taker.got) == 2


def test_h38_not_stored_and_unreachable(hooked: Hooked, taker: Taker, monkeypatch: pytest.MonkeyPatch) -> None:
    """H38: a 204 without an entry; nobody there."""
    monkeypatch.setattr(testing, "SECONDS", 0.2)
    hooked.webhooks("register")
    taker.stores = False
    assert told(hooked, 1) == {"not_stored"}
    taker.close()
    assert told(hooked, 1) == {"unreachable"}


def test_h38_time_is_limited_and_a_certificate_is_told_apart(tmp_path: Path) -> None:
    """H38: who says nothing is unreachable when the time is up; a wrong certificate is `certificate`."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        assert post(url, b"{}", {}, 0.2) is NoAnswer.UNREACHABLE
        assert post(url.replace("http:", "https:"), b"{}", {}, 0.2) is NoAnswer.UNREACHABLE
    authority = tls.Authority.make(tmp_path / "authority")
    server = tls.TlsServer(authority.certificate("IP:127.0.0.1"))  # nobody here trusts its authority
    assert post(f"{server.url}/", b"{}", {}, 2.0) is NoAnswer.CERTIFICATE
    server.close()


def test_r10_a_test_proves_itself_as_the_settings_say(hooked: Hooked, taker: Taker) -> None:
    """R10: with the header that calls must have; the header's value is shown nowhere."""
    part = {"header": "X-Our-Key", "header_value": "env:OUR_KEY"}
    hooked.story.settings({TEST: {"webhooks": {SHOP: part}}})
    hooked.set(OUR_KEY="shibboleth")
    hooked.webhooks("register")
    done = hooked.run("webhooks", "test", "--merchant", TEST)
    assert done.exit_code == 0
    assert "shibboleth" not in done.out + done.err
    assert [headers.get("x-our-key") for _, headers in taker.got] == ["shibboleth", None]
    hooked.set(OUR_KEY="")
    assert hooked.webhooks("test", code=1)["error"]["kind"] == "config"


def test_h37_older_webhooks_stay_until_calls_to_the_new_url_are_taken(
    hooked: Hooked, taker: Taker, own_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """H14: a receiver knows a new token within ten seconds; until then the older URL stays registered."""
    hooked.webhooks("register")
    assert taker.got == []
    Inbox(hooked.story.data).beat("receiver")
    monkeypatch.setattr(testing, "_pause", lambda _: setattr(taker, "status", 204))
    taker.status = 404
    assert hooked.webhooks("rotate")["status"] == "ok"
    new = hooked.url(SHOP, 2, start=taker.url).removeprefix(taker.url)
    assert [path for path, _ in taker.got].count(new) == 2


def test_h37_older_webhooks_stay_where_the_new_url_is_answered_and_not_taken(
    hooked: Hooked, taker: Taker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """H37: a receiver that was not started anew with a second secret knows no URL of it."""
    hooked.webhooks("register")
    Inbox(hooked.story.data).beat("receiver")
    monkeypatch.setattr(testing.wait_until_taken, "__kwdefaults__", {"seconds": 0.0})
    hooked.set(VS_ST_HOOK_SECRET="env:NEW env:HOOK_SECRET", NEW="n" * 40)
    taker.status = 404
    entry = hooked.webhooks("register", code=1)
    assert (entry["status"], entry["error"]["kind"]) == ("failed", "try_later")
    assert (entry["done"]["made"], entry["done"]["removed"]) == (4, 0)
    taker.status = 204
    assert hooked.webhooks("register")["done"] == {"made": 0, "kept": 4, "changed": 0, "removed": 4}


def test_h38_a_url_that_was_registered_by_hand_is_tested_where_its_system_is_named(
    hooked: Hooked, taker: Taker
) -> None:
    """H35, H38: where the API is not enabled nobody can see what stands; the person who made it can have it tried."""
    hooked.story.shop.set_switch("webhooks_api", 403)
    hooked.webhooks("register", code=1)
    assert [row["test"] for row in hooked.webhooks("test", code=1)["hooks"]] == [None, None, None, "ok"]
    assert told_of(hooked, "--system", SHOP) == {"ok"}
    hooked.seen_file.unlink()
    assert told_of(hooked, "--system", SHOP) == {"ok"}
    assert hooked.run("webhooks", "test", "--merchant", TEST, "--system", "hubspot").exit_code == 2


def told_of(hooked: Hooked, *more: str) -> set[str]:
    return {row["test"] for row in hooked.webhooks("test", *more)["hooks"]}


def test_a_secret_is_made_for_its_owner_alone_and_never_over_a_file(hooked: Hooked, tmp_path: Path) -> None:
    """Section 2: `vs-st webhooks secret PATH`: 32 characters or more, 0600, never over a file."""
    path = tmp_path / "secret"
    done = hooked.run("webhooks", "secret", str(path))
    assert done.exit_code == 0
    written = path.read_text()
    assert (path.stat().st_mode & 0o777, len(written.strip()) >= 32, written.isascii()) == (0o600, True, True)
    assert written.strip() not in done.out + done.err
    assert hooked.run("webhooks", "secret", str(path)).exit_code == 2
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "nowhere")
    assert hooked.run("webhooks", "secret", str(link)).exit_code == 2
    assert path.read_text() == written
    hooked.set(VS_ST_HOOK_SECRET=f"file:{path}")
    assert hooked.webhooks("register")["status"] == "ok"


@pytest.fixture
def receiver(hooked: Hooked) -> Iterator[str]:
    """A receiver as a process of its own; its URL."""
    secret = hooked.story.folder / "hook_secret"
    hooked.run("webhooks", "secret", str(secret))
    hooked.set(VS_ST_HOOK_SECRET=f"file:{secret}")
    process = hooked.story.start("receive", "--port", "0", "--json")
    assert process.stdout is not None
    url = f"http://127.0.0.1:{json.loads(process.stdout.readline())['port']}"
    hooked.set(VS_ST_PUBLIC_URL=url)
    yield url
    process.terminate()
    process.communicate(timeout=20)


def test_h38_with_a_real_receiver_each_test_is_found_in_the_inbox(hooked: Hooked, receiver: str) -> None:
    """H38: register, test; a merchant whose webhooks are off is answered, and nothing is stored (H5)."""
    hooked.webhooks("register")
    assert told(hooked, 0) == {"ok"}
    rows = Inbox(hooked.story.data).ask("select system, kind from entries order by entry")
    assert rows == [(SHOP, "test"), (TEXTING, "test")]


@pytest.mark.slow  # a receiver looks at the settings every five seconds
def test_h37_with_a_real_receiver_no_call_falls_between_two_tokens(
    hooked: Hooked, own_file: Path, receiver: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """H37, H14: when the older URL is removed the receiver knows the new one, and it takes the older one for a day."""
    hooked.webhooks("register")
    older = [row["url"] for row in hooked.there(SHOP)]
    entry = hooked.webhooks("rotate")
    assert (entry["status"], entry["done"]["removed"]) == ("ok", 4)
    assert told(hooked, 0) == {"ok"}
    assert post(older[0], b'{"vs-st-test": "older"}', {}, 5.0) == 204
    assert hooked.webhooks("rotate", "--now")["status"] == "ok"
    assert told(hooked, 0) == {"ok"}
    assert post(older[0], b'{"vs-st-test": "older"}', {}, 5.0) == 404
