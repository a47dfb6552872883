"""What may stand under `salesforce` (consumers.md 2)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from vs_st_pipeline.connectors.salesforce import CONNECTOR
from vs_st_pipeline.connectors.salesforce.settings import SalesforceSettings
from vs_st_pipeline.domain.errors import BadSettings
from vs_st_pipeline.platform.settings.merchants import House, Merchant, RouteNeeds, Section, read_merchants

LEAST = {"login_url": "https://glow.my.salesforce.com/", "client_id": "env:ID", "client_secret": "env:SECRET"}


def read(folder: Path, section: dict[str, Any]) -> Merchant:
    path = folder / "merchants.yaml"
    path.write_text(yaml.safe_dump({"merchants": [{"id": "glow", "salesforce": section}]}, sort_keys=False))
    house = House((Section("salesforce", SalesforceSettings),), (RouteNeeds("r", (frozenset({"salesforce"}),)),))
    [merchant] = read_merchants(path, {"ID": "the id", "SECRET": "the secret"}, house).merchants
    return merchant


def test_c2_the_defaults_are_those_of_the_contract(tmp_path: Path) -> None:
    found = read(tmp_path, LEAST)
    settings = found.section(SalesforceSettings)
    assert settings.login_url == "https://glow.my.salesforce.com"
    assert (settings.api_version, settings.requests_per_second, settings.daily_share) == ("67.0", 5.0, 80)
    assert (settings.external_id_field, settings.without_consent) == ("SoPost_Key__c", "skip")
    assert (settings.member_status, settings.withdrawn_status, settings.field_map.path) == (None, None, None)
    account = CONNECTOR.account(found)
    assert (account.base_url, account.key.reveal(), account.requests_per_second) == (settings.login_url, "the id", 5.0)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"api_version": 67}, "67.0"),
        ({"api_version": "v67.0"}, "67.0"),
        ({"external_id_field": "Key__c FROM Lead"}, "SoPost_Key__c"),
        ({"daily_share": 0}, "1 or more"),
        ({"daily_share": 101}, "at most 100"),
        ({"login_url": "https://glow.my.salesforce.com/services/oauth2/token"}, "/services"),
        ({"without_consent": "both"}, "skip, record"),
        ({"consent_objects": True}, "consent_objects"),
    ],
)
def test_c2_what_is_wrong_is_told_with_file_and_line(tmp_path: Path, changed: dict[str, Any], told: str) -> None:
    with pytest.raises(BadSettings, match="merchants.yaml, line") as fault:
        read(tmp_path, {**LEAST, **changed})
    assert told in fault.value.message


def test_a_version_may_be_written_without_quotes(tmp_path: Path) -> None:
    assert read(tmp_path, {**LEAST, "api_version": 66.0}).section(SalesforceSettings).api_version == "66.0"
