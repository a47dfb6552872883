"""Scenario `consumers` is what its chapter says, starts what it needs, and tells what no client may have done."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from vs_st_pipeline.sandbox import SWITCHES, Sandbox
from vs_st_pipeline.sandbox.core.consumer_findings import overridden
from vs_st_pipeline.sandbox.core.consumer_switches import CONSUMER_SWITCHES
from vs_st_pipeline.sandbox.core.foreground import welcome
from vs_st_pipeline.sandbox.scenarios.consumer_accounts import ACCOUNTS
from vs_st_pipeline.sandbox.scenarios.index import CONSUMER_SYSTEMS, load
from vs_st_pipeline_tests.sandbox.served import GLOW, SOAP, Api

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    with Sandbox("consumers", {"klaviyo": {"subscribe_lag_polls": 0}}) as box:
        yield box


@pytest.fixture(autouse=True)
def _closed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    opened: list[Api] = []
    make = Api.__init__

    def kept(self: Api, url: str, **headers: str) -> None:
        make(self, url, **headers)
        opened.append(self)

    monkeypatch.setattr(Api, "__init__", kept)
    yield
    for api in opened:
        api.connection.close()


def test_sixty_people_are_there_each_for_a_reason(box: Sandbox) -> None:
    reasons = box.sopost.control.report("reasons")
    assert len(reasons[GLOW]) == len(set(reasons[GLOW])) == 60
    assert len(reasons[SOAP]) == 4


def test_a_world_is_the_same_each_time_and_shares_no_id_between_brands() -> None:
    first, again = load("consumers", NOW), load("consumers", NOW)
    assert [merchant.parts for merchant in first] == [merchant.parts for merchant in again]
    glow, soap = (merchant.parts for merchant in first)
    for system, table in (("sopost", "orders"), ("hubspot", "contacts"), ("hubspot", "lists"), ("klaviyo", "profiles")):
        assert not set(glow[system][table]) & set(soap[system][table])
    assert not set(glow["salesforce"]["rows"]["Contact"]) & set(soap["salesforce"]["rows"]["Contact"])


def test_a_stand_in_gets_its_own_part_alone() -> None:
    (merchant,) = load("consumers:50", NOW, without=("hubspot", "klaviyo", "salesforce"))
    assert list(merchant.parts) == ["sopost"]
    orders = merchant.parts["sopost"]["orders"].values()
    assert (len(orders), sum(bool(order["consents"]) for order in orders)) == (50, 30)


def test_only_systems_with_records_start_or_those_whose_port_is_given(box: Sandbox) -> None:
    assert tuple(box.running) == CONSUMER_SYSTEMS
    with Sandbox("small", ports={"hubspot": 0}) as small:
        assert list(small.running) == ["vinoshipper", "simpletexting", "hubspot"]
        assert [one["id"] for one in small.hubspot.control.call("GET", "merchants")] == ["test-winery", "other-winery"]
        assert small.hubspot.control.all("contacts") == []
        assert "HubSpot stand-in:" in welcome(small, Path("x"))
    assert not small.running


def test_settings_name_all_four_systems_and_every_target(box: Sandbox, tmp_path: Path) -> None:
    whole = yaml.safe_load(box.write_settings(tmp_path).read_text())
    glow, soap = whole["merchants"]
    assert set(CONSUMER_SYSTEMS) | {"id", "name", "consumers"} == set(glow)
    assert "without_consent" not in glow["hubspot"]
    assert soap["hubspot"]["without_consent"] == soap["salesforce"]["without_consent"] == "record"
    assert "without_consent" not in soap["klaviyo"]
    names = ACCOUNTS[GLOW]
    assert glow["consumers"]["consents"][0]["hubspot"] == {"subscription": names.subscriptions[0], "lists": [42]}
    assert (tmp_path / "keys" / "glow-skin.hubspot_token").read_text() == "hubspot-token-of-glow-skin\n"


def klaviyo_subscribes(box: Sandbox, email: str) -> None:
    api = Api(box.klaviyo.url, Authorization=f"Klaviyo-API-Key pk_of_{GLOW}", revision="2026-07-15")
    consent = {"email": {"marketing": {"consent": "SUBSCRIBED"}}}
    profiles = [{"type": "profile", "attributes": {"email": email, "subscriptions": consent}}]
    data: dict[str, Any] = {"type": "profile-subscription-bulk-create-job"}
    data |= {"attributes": {"profiles": {"data": profiles}}}
    data["relationships"] = {"list": {"data": {"type": "list", "id": ACCOUNTS[GLOW].klaviyo_list}}}
    assert api("POST", "/api/profile-subscription-bulk-create-jobs", {"data": data}).status == 202


def hubspot_creates(box: Sandbox, email: str, merchant: str = GLOW) -> None:
    api = Api(box.hubspot.url, Authorization=f"Bearer hubspot-token-of-{merchant}")
    inputs = [{"properties": {"email": email}, "objectWriteTraceId": "t"}]
    assert api("POST", "/crm/objects/2026-03/contacts/batch/create", {"inputs": inputs}).status == 201


def hubspot_lists(box: Sandbox, email: str) -> None:
    api = Api(box.hubspot.url, Authorization=f"Bearer hubspot-token-of-{GLOW}")
    id = box.hubspot.control.contact(email)["id"]
    assert api("PUT", "/crm/lists/2026-03/42/memberships/add", [id]).status == 200


def test_what_consents_cover_is_no_finding(box: Sandbox) -> None:
    box.reset()
    for email in ("plain@example.com", "loose@example.com", "twice@example.com"):
        klaviyo_subscribes(box, email)
        hubspot_creates(box, email)
        hubspot_lists(box, email)
    hubspot_creates(box, "noconsent@example.com", SOAP)  # that brand stores everybody
    id = next(o["id"] for o in box.sopost.control.orders() if o["email"] == "statusless@example.com")
    box.sopost.control.set_consents(id, [{**box.sopost.control.order(id)["consents"][0], "status": "APPROVED"}])
    box.sopost.control.set_consents(id, [])
    klaviyo_subscribes(box, "statusless@example.com")
    assert box.findings() == []


@pytest.mark.parametrize(
    "email", ["noconsent", "handler", "unmapped", "halfgiven", "sopostonly", "order.pending", "order.onhold", "nobody"]
)
def test_what_they_do_not_cover_is_one(box: Sandbox, email: str) -> None:
    box.reset()
    klaviyo_subscribes(box, f"{email}@example.com")
    hubspot_creates(box, f"{email}@example.com")
    hubspot_lists(box, f"{email}@example.com")
    assert [(f["system"], f["what"]) for f in box.findings()] == [
        ("hubspot", "created_without_consent"),
        ("hubspot", "list_added_without_consent"),
        ("klaviyo", "subscribe_asked_without_consent"),
        ("klaviyo", "created_without_consent"),
    ]


def test_whom_a_consent_does_not_bring_back_is_told(box: Sandbox) -> None:
    box.reset()
    klaviyo_subscribes(box, "optedout400@example.com")  # the order is newer than the opt-out
    klaviyo_subscribes(box, "optedout0@example.com")
    klaviyo_subscribes(box, "hard_bounce@example.com")
    api = Api(box.hubspot.url, Authorization=f"Bearer hubspot-token-of-{GLOW}")
    path, emails = "/communication-preferences/2026-03/statuses/batch", ["wide@example.com", "known@example.com"]
    api("POST", f"{path}/read", {"inputs": emails}, channel="EMAIL")
    api("POST", f"{path}/unsubscribe-all/read", {"inputs": emails}, channel="EMAIL")
    box.hubspot.control.unsubscribe("known@example.com", subscription=123456)  # after it was looked at
    basis = {"legalBasis": "CONSENT_WITH_NOTICE", "legalBasisExplanation": "SoPost consent"}
    wish = {"channel": "EMAIL", "subscriptionId": 123456, "statusState": "SUBSCRIBED", **basis}
    api("POST", f"{path}/write", {"inputs": [{"subscriberIdString": email, **wish} for email in emails]})
    token = Api(box.salesforce.url)(
        "POST",
        "/services/oauth2/token",
        f"grant_type=client_credentials&client_id=sf-client-of-{GLOW}&client_secret=sf-secret-of-{GLOW}",
    ).json["access_token"]
    id = box.salesforce.control.contact("optedout0@example.com")["Id"]
    record = {"attributes": {"type": "CampaignMember"}, "CampaignId": ACCOUNTS[GLOW].campaign, "ContactId": id}
    api = Api(box.salesforce.url, Authorization=f"Bearer {token}")
    assert api("POST", "/services/data/v67.0/composite/sobjects", {"records": [record]}).json[0]["success"]
    assert [(f["system"], f["email"]) for f in overridden(box.running)] == [
        ("hubspot", "wide@example.com"),
        ("klaviyo", "optedout0@example.com"),
        ("klaviyo", "hard_bounce@example.com"),
        ("salesforce", "optedout0@example.com"),
    ]
    assert box.findings() == []


def test_another_brands_key_is_one(box: Sandbox) -> None:
    box.reset()
    id = box.sopost.control.orders(GLOW)[0]["id"]
    Api(box.sopost.url, Authorization="Bearer sopost-key-of-bare-soap")("GET", f"/orders/{id}")
    assert [(f["system"], f["what"]) for f in box.findings()] == [("sopost", "other_merchants_record")]


def test_the_command_starts_the_scenario(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "vs_st_pipeline.sandbox", "--scenario", "consumers:3", "--on-stdin"]
    done = subprocess.run(
        [*command, "--data-dir", str(tmp_path), "--port-sopost", "0"],
        input="",
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "[]\n", "one line, and nothing that whoever tells it what to do would take for an answer"
    assert (tmp_path / "merchants.yaml").exists()


@pytest.mark.parametrize("system", CONSUMER_SYSTEMS)
def test_every_switch_value_is_taken(box: Sandbox, system: str) -> None:
    control = box.running[system].control
    control.reset()
    for name, values in SWITCHES[system].items():
        for value in values:
            control.set_switch(name, value)
            assert control.switches()[name] == value
    assert set(CONSUMER_SWITCHES[system]) < set(SWITCHES[system])
    with pytest.raises(Exception, match="no switch"):
        control.set_switch("envelop", "x")
    with pytest.raises(Exception, match="404"):
        control.act("nonsense")
