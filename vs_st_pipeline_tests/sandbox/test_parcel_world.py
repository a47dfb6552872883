"""Scenarios `parcels`, `parcels:N` hold what notices.md 11 says, each order for a reason, and say it in settings."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import pytest
import yaml

from vs_st_pipeline.sandbox import Sandbox
from vs_st_pipeline.sandbox.core.parcel_sections import parcel_sections, shared_accounts
from vs_st_pipeline.sandbox.scenarios import parcels_acts
from vs_st_pipeline.sandbox.scenarios.fixtures import Merchant
from vs_st_pipeline.sandbox.scenarios.index import LATER_SYSTEMS, load, merchants_of
from vs_st_pipeline.sandbox.scenarios.parcels import reasons
from vs_st_pipeline.sandbox.scenarios.parcels_accounts import HOUSE, KAPASKRAFT, MITTI_HOME, OWN, SHARED, STATUSES

NOW = datetime(2026, 11, 30, 9, tzinfo=UTC)


@cache
def world() -> dict[str, Merchant]:
    return {merchant.id: merchant for merchant in load("parcels", NOW)}


@pytest.mark.parametrize("merchant", [KAPASKRAFT, MITTI_HOME])
def test_twelve_orders_are_there_each_for_a_reason_of_its_own(merchant: str) -> None:
    part = world()[merchant].parts["eshopbox"]
    assert len(part["orders"]) == 12
    assert part["reasons"] == reasons(NOW)[merchant]
    assert len(set(part["reasons"].values())) == 12
    assert all(one["updated_at"] <= "2026-11-30T09:00:00Z" for one in part["orders"])


def test_a_world_is_the_same_each_time() -> None:
    assert [one.parts for one in load("parcels", NOW)] == [one.parts for one in load("parcels", NOW)]


def test_each_account_has_a_template_for_each_status_and_some_that_may_not_be_sent() -> None:
    for merchant, sender in ((KAPASKRAFT, OWN), (MITTI_HOME, SHARED)):
        [account] = world()[merchant].parts["gupshup"]["accounts"]
        assert account["id"] == sender.id
        texts = {one["id"]: one["data"] for one in account["templates"]}
        assert {sender.template(status) for status in STATUSES} < set(texts)
        assert {one["status"] for one in account["templates"]} == {"APPROVED", "PENDING"}
        for status in STATUSES:
            wanted = sender.setting(status)
            places = [f"{{{{{n}}}}}" for n in range(1, len(wanted["params"]) + 1)]
            assert [one for one in places if one in texts[wanted["id"]]] == places
    assert [one["buttons"] for one in SHARED.templates if one["id"] == "house-failed_delivery"] == [
        ["Reattempt delivery", "Cancel order"]
    ]


def test_who_did_not_ask_for_whatsapp_is_no_one_whom_gupshup_may_be_told_to_write() -> None:
    part = world()[KAPASKRAFT].parts
    silent = {one["shippingAddress"]["contactPhone"] for one in part["eshopbox"]["orders"] if not one["whatsapp"]}
    assert silent
    assert not silent & set(part["gupshup"]["accounts"][0]["consents"])


def test_a_large_world_is_of_one_house_merchant() -> None:
    [merchant] = load("parcels:300", NOW)
    assert (merchant.id, len(merchant.parts["eshopbox"]["orders"])) == (MITTI_HOME, 300)
    phones = {one["shippingAddress"]["contactPhone"] for one in merchant.parts["eshopbox"]["orders"]}
    assert len(phones) == 300
    for system in ("eshopbox", "gupshup"):
        [slim] = load("parcels:2", NOW, tuple(one for one in LATER_SYSTEMS if one != system))
        assert list(slim.parts) == [system]
    with pytest.raises(ValueError, match="parcels:N"):
        load("parcels:0", NOW)


def test_the_settings_name_accounts_hooks_and_templates(tmp_path: Path) -> None:
    kept: dict[str, str] = {}

    def keep(name: str, text: str) -> str:
        kept[name] = text
        return f"file:keys/{name}"

    urls = {"eshopbox": "http://e", "gupshup": "http://g"}
    keys = {"workspace": "kapaskraft", "client_id": "i", "client_secret": "s", "refresh_token": "r"}
    keys |= {"header": "x-api-key", "header_value": "h"}
    entry = parcel_sections(KAPASKRAFT, urls, keys, keep)
    assert entry["eshopbox"]["workspace_url"] == "http://e/w/kapaskraft"
    assert entry["webhooks"] == {
        "eshopbox": {"header": "x-api-key", "header_value": "file:keys/kapaskraft.eb_hook_key"}
    }
    [account] = entry["notices"]["accounts"]
    assert (account["kind"], account["app_name"], account["base_url"]) == ("client", "KapasKraftApp", "http://g")
    assert [name for name, one in entry["notices"]["notifications"].items() if one["enabled"]] == ["failed_delivery"]
    assert "gupshup-key-of-kk-account" in kept.values()
    assert "&id" not in yaml.safe_dump(entry), "no alias: the reader of settings takes none"

    other = parcel_sections(MITTI_HOME, urls, keys, keep)
    assert other["notices"]["accounts"] == [
        {"kind": "house", "account": HOUSE, "charges_confirmed": {"by": "Asha Rao", "date": "2026-03-01"}}
    ]
    assert "template" not in other["notices"]["notifications"]["delivered"]
    assert shared_accounts([KAPASKRAFT], urls, keep) == {}
    top = shared_accounts([one.id for one in merchants_of("parcels")], urls, keep)
    assert set(top["gupshup_accounts"][HOUSE]["templates"]) == set(STATUSES)


@pytest.fixture(scope="module")
def whole() -> Iterator[Sandbox]:
    with Sandbox("parcels") as box:
        yield box


def test_the_world_starts_what_it_needs(whole: Sandbox, tmp_path: Path) -> None:
    assert set(whole.running) == {"eshopbox", "gupshup"}
    written = yaml.safe_load(whole.write_settings(tmp_path).read_text(encoding="utf-8"))
    assert list(written) == ["defaults", "gupshup_accounts", "merchants"]
    assert whole.gupshup.control.accounts() == [OWN.id, SHARED.id]


def test_the_acts_of_the_demo_happen(whole: Sandbox) -> None:
    whole.reset()
    said = {word: act(whole) for word, act in parcels_acts.ACTS.items()}
    assert all(lines and lines[-1].endswith(".") for lines in said.values())
    assert said["parcels_told"][-1] == "Eshopbox was asked nothing."
    assert whole.eshopbox.control.find("KK1001", KAPASKRAFT)["shipments"]["KK1001-S1"]["ndr"]
    parcels_acts.paste(whole, "eshopbox", KAPASKRAFT, "http://127.0.0.1:9/hooks")
    for merchant in (KAPASKRAFT, MITTI_HOME):
        parcels_acts.paste(whole, "gupshup", merchant, "http://127.0.0.1:9/hooks")
    assert whole.gupshup.control.keys(OWN.id)["callback_url"] == "http://127.0.0.1:9/hooks"
    assert whole.gupshup.control.keys(SHARED.id)["callback_url"] is None, "it is the house's, not a merchant's"


def test_wineries_tell_of_their_parcels_by_the_houses_account(tmp_path: Path) -> None:
    """Commerce7's and Vinoshipper's merchants of `shop_small`, where Gupshup runs as well."""
    [account] = load("shop_small", NOW)[0].parts["gupshup"]["accounts"]
    assert account["id"] == HOUSE
    assert account["consents"]
    with Sandbox("shop_small", ports={"gupshup": 0}) as box:
        written = yaml.safe_load(box.write_settings(tmp_path).read_text(encoding="utf-8"))
    assert [one["id"] for one in written["merchants"] if "notices" in one] == ["river-bend", "stone-mill"]
    assert list(written["gupshup_accounts"]) == [HOUSE]
    assert all(one["notices"]["countries"] == ["US"] for one in written["merchants"] if "notices" in one)
