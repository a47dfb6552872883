"""URLs of accounts at Gupshup: the house's that several merchants share, and a merchant's own (R9, R10, R30, R36)."""

from __future__ import annotations

import base64
import hmac
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from vs_st_pipeline import routes
from vs_st_pipeline.operations.fleet.inbox_troubles import MOST_REFUSED, concerns
from vs_st_pipeline.operations.settings import house
from vs_st_pipeline.platform.hooks import make_token
from vs_st_pipeline.routes.notices.route import ROUTE
from vs_st_pipeline_tests.support import receiving as support
from vs_st_pipeline_tests.support.receiving import SECRET, Receiving, Record, receiving, url, write_settings

HOUSE: Record = {
    "api_key": "env:NO_KEY", "app_name": "OurHouse", "app_id": "1f0c", "number": "+919810000001",
}  # fmt: skip
OURS, OWN = "account:our-house", {"kind": "client", "api_key": "env:NO", "app_name": "Kapas", "app_id": "77aa",
                                  "number": "+919810000002"}  # fmt: skip
USES: Record = {"kind": "house", "account": "our-house"}
CALL = json.dumps({"app": "OurHouse", "type": "message", "payload": {"id": "r-1", "type": "text"}}).encode()


@pytest.fixture(autouse=True)
def _notices(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The route stands in the table of routes."""
    table = routes.ROUTES if ROUTE in routes.ROUTES else (*routes.ROUTES, ROUTE)
    monkeypatch.setattr(routes, "ROUTES", table)
    monkeypatch.setattr(support, "ROUTES", table)
    house.cache_clear()
    yield
    house.cache_clear()


def brand(merchant: str, *accounts: Record, **more: Any) -> Record:
    keys = dict.fromkeys(("client_id", "client_secret", "refresh_token"), "env:NO")
    eshopbox = {"workspace": merchant, "workspace_url": f"https://{merchant}.myeshopbox.com", **keys}
    return {"id": merchant, "eshopbox": eshopbox, "notices": {"countries": ["IN"], "accounts": list(accounts)}, **more}


def path(name: str, generation: int = 1) -> str:
    return url(name, "gupshup", generation=generation)


def test_r9_each_account_has_a_url_and_whoever_has_no_own_account_has_none(tmp_path: Path) -> None:
    entries = [brand("mitti", USES), brand("kapas", OWN, USES), brand("none")]
    with receiving(tmp_path, entries, gupshup_accounts={"our-house": HOUSE}) as box:
        assert box.call(path(OURS), CALL).status == 204
        assert box.call(path("kapas"), CALL).status == 204
        assert [box.call(path(name), CALL).status for name in ("mitti", "none", "our-house")] == [404] * 3
        [shared], [own] = box.entries(OURS), box.entries("kapas")
        assert (shared["route"], shared["kind"], shared["state"]) == ("notices", "reply", "waiting")
        assert (own["route"], own["kind"], own["state"]) == ("notices", "reply", "waiting")
        assert box.call(path(OURS), method="GET").status == box.call(path("kapas"), method="GET").status == 200
        assert box.call(path(OURS), b"x" * 262_145).status == 413


def test_the_message_of_an_accounts_token_is_the_contracts() -> None:
    """R9: `vs-st hook v1|gupshup|account:{id}|{generation}`."""
    digest = hmac.digest(SECRET.encode(), b"vs-st hook v1|gupshup|account:our-house|3", "sha256")
    assert make_token(SECRET, "gupshup", OURS, 3) == base64.urlsafe_b64encode(digest).decode().rstrip("=")


WHATEVER: list[Record] = [
    {"enabled": False}, {"paused": ["notices"]}, {"webhooks": {"enabled": False}}, {"settle": "wrong"},
]  # fmt: skip


@pytest.mark.parametrize("off", WHATEVER, ids=lambda one: str(*one))
def test_r30_callbacks_are_stored_whatever_is_off(tmp_path: Path, off: Record) -> None:
    entry = brand("kapas", OWN, USES, **{key: value for key, value in off.items() if key != "settle"})
    entry["notices"] |= {key: value for key, value in off.items() if key == "settle"}
    with receiving(tmp_path, [entry, brand("other")], gupshup_accounts={"our-house": HOUSE}) as box:
        assert [box.call(path(name), CALL).status for name in (OURS, "kapas")] == [204, 204]
        assert [len(box.entries(name)) for name in (OURS, "kapas")] == [1, 1]
        eshopbox = box.call(
            url("kapas", "eshopbox"), json.dumps({"response_data": {"customerOrderNumber": "1"}}).encode()
        )
        assert eshopbox.status == 204  # H5: answered, and stored only while the route is on
        stored = [one for one in box.entries("kapas") if one["system"] == "eshopbox"]
        assert len(stored) == (1 if "settle" in off else 0)


def test_an_account_that_nobody_uses_is_stored_for_as_long_as_it_stands(tmp_path: Path) -> None:
    entries = [brand("none")]
    with receiving(tmp_path, entries, gupshup_accounts={"our-house": HOUSE}) as box:
        assert box.call(path(OURS), CALL).status == 204
        write_settings(tmp_path, entries)
        _until(lambda: box.call(path(OURS), CALL).status == 404)


def test_a_bad_account_keeps_its_url_and_an_unreadable_one_what_it_was(tmp_path: Path) -> None:
    entries, bad = [brand("none")], {**HOUSE, "number": "12", "generation": 2}
    with receiving(tmp_path, entries, gupshup_accounts={"our-house": bad}) as box:
        assert [box.call(path(OURS, one), CALL).status for one in (1, 2)] == [404, 204]
        assert any("number: expected a number in E.164" in line for line in box.lines)
        write_settings(tmp_path, entries, gupshup_accounts={"our-house": {**HOUSE, "generation": "three"}})
        time.sleep(0.3)
        assert box.call(path(OURS, 2), CALL).status == 204
        write_settings(tmp_path, entries, gupshup_accounts=["our-house"])
        time.sleep(0.3)
        assert box.call(path(OURS, 2), CALL).status == 204


def test_r10_what_an_account_asks_for_besides_stands_under_it(tmp_path: Path) -> None:
    account = {**HOUSE, "header": "X-Proof", "header_value": "env:PROOF"}
    with receiving(
        tmp_path, [brand("none")], environ={"PROOF": "only ours"}, gupshup_accounts={"our-house": account}
    ) as box:
        assert box.call(path(OURS), CALL, X_Proof="only ours").status == 204
        assert [box.call(path(OURS), CALL, X_Proof="else").status for _ in range(MOST_REFUSED)] == [404] * MOST_REFUSED
    [says] = _refusals(box)  # they are noted with the next beat, or at the end
    assert "under the account" in says


def test_r36_the_older_token_of_an_account_holds_until_a_call_has_come_by_the_new_one(tmp_path: Path) -> None:
    account = {**HOUSE, "generation": 2, "previous_until": "2026-01-01T00:00:00Z"}
    with receiving(tmp_path, [brand("none")], gupshup_accounts={"our-house": account}) as box:
        assert box.call(path(OURS, 1), CALL).status == 204
        assert box.call(path(OURS, 2), CALL).status == 204
        _until(lambda: box.call(path(OURS, 1), CALL).status == 404)


def _refusals(box: Receiving) -> list[str]:
    found = concerns(box.inbox, ["gupshup"]) or ()
    box.inbox.close()
    return [one.says for one in found if OURS in one.key and one.trouble]


def _until(true: Any, seconds: float = 5.0) -> None:
    ends_at = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < ends_at
        time.sleep(0.02)
