"""Rules 5.4 and 5.5 of consumers.md: the default field maps, and what a merchant's own may not write."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import vs_st_pipeline
from vs_st_pipeline.domain.errors import BadSettings
from vs_st_pipeline.platform.settings.forms import DefaultOrFile, OwnFile
from vs_st_pipeline.platform.settings.merchants import Merchant
from vs_st_pipeline.platform.settings.model import SettingsModel
from vs_st_pipeline.routes.consumers import map_file
from vs_st_pipeline.routes.consumers.systems import CRM_NAMES


class Crm(SettingsModel):
    field_map: DefaultOrFile = OwnFile()
    external_id_field: str = "SoPost_Key__c"


SOURCES = [
    *("consumer.first_name", "consumer.last_name", "consumer.identity", "consumer.order_count"),
    *("newest_order.short_id", "newest_order.activity_id", "newest_order.ordered_at", "consents.names", "answers.all"),
]
TARGETS = {
    "hubspot": "firstname lastname sopost_identity sopost_order_count sopost_last_order sopost_last_activity "
    "sopost_last_order_date sopost_consents sopost_answers",
    "salesforce": "FirstName LastName SoPost_Identity__c SoPost_Order_Count__c SoPost_Last_Order__c "
    "SoPost_Last_Activity__c SoPost_Last_Order_Date__c SoPost_Consents__c SoPost_Answers__c",
}
KLAVIYO = [
    *("first_name", "last_name", "SoPost Identity", "SoPost Order Count", "SoPost Last Order"),
    *("SoPost Last Activity", "SoPost Last Order Date", "SoPost Consents", "SoPost Answers"),
]


def load(crm: str, own: OwnFile | None = None) -> Any:
    return map_file.load(Merchant("glow", "Glow", sections={crm: Crm(field_map=own or OwnFile())}), crm)


@pytest.mark.parametrize("crm", CRM_NAMES)
def test_c5_5_the_default_map_is_the_table(crm: str) -> None:
    fields = load(crm).fields
    assert [one.source for one in fields] == SOURCES
    assert [one.to for one in fields] == (KLAVIYO if crm == "klaviyo" else TARGETS[crm].split())
    assert [one.policy for one in fields] == ["fill"] * 2 + ["mirror"] * 7
    assert {one.source: one.form for one in fields}["newest_order.ordered_at"] == "iso_date"


@pytest.mark.parametrize("crm", CRM_NAMES)
def test_c5_4_the_default_map_lies_where_the_contract_says(crm: str) -> None:
    there = Path(vs_st_pipeline.__file__).parent / "destinations" / crm / "consumer_map.yaml"
    assert "version: 1" in there.read_text()
    assert there.is_symlink()


def own_map(tmp_path: Path, crm: str, row: str) -> Any:
    path = tmp_path / "own.yaml"
    path.write_text(f"version: 1\nfields:\n  - {{{row}}}\n")
    return load(crm, OwnFile(path))


@pytest.mark.parametrize(
    ("crm", "to"),
    [
        *(("hubspot", to) for to in ("email", "Email", "hs_email_optout", "hs_email_optout_123", "hs_legal_basis")),
        *(("hubspot", "hs_marketable_status"), ("klaviyo", "email"), ("klaviyo", "subscriptions")),
        *(("klaviyo", "$consent"), ("klaviyo", "$consent_method"), ("salesforce", "Email")),
        *(("salesforce", to) for to in ("HasOptedOutOfEmail", "hasoptedoutoffax", "DoNotCall", "IndividualId")),
        ("salesforce", "SoPost_Key__c"),
    ],
)
def test_c5_4_the_email_and_whatever_says_consent_is_refused_with_its_line(tmp_path: Path, crm: str, to: str) -> None:
    with pytest.raises(BadSettings, match=r"own\.yaml:3: .*no map may write it"):
        own_map(tmp_path, crm, f"to: '{to}', value: x, policy: mirror")


@pytest.mark.parametrize("name", ["answers.q-1.part", "answer_ids.q-1", "consumer.telephone", "newest_order.products"])
def test_c5_4_names_of_a_question_end_in_its_id(tmp_path: Path, name: str) -> None:
    assert own_map(tmp_path, "hubspot", f"to: x, from: {name}, policy: mirror").fields[0].source == name


@pytest.mark.parametrize(
    "name", ["answers.", "answer_ids.", "answers", "consumer.first-name", "customer.id", "consents"]
)
def test_c5_4_an_unknown_name_is_refused_and_the_known_ones_are_told(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadSettings, match=r"own\.yaml:3: unknown '.*' in 'from'; there are .*answers\.<id>"):
        own_map(tmp_path, "hubspot", f"to: x, from: {name}, policy: mirror")


def test_c5_4_a_form_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match="is a list and cannot be written as 'iso_date'"):
        own_map(tmp_path, "hubspot", "to: x, from: answers.q, as: iso_date, policy: mirror")


@pytest.mark.parametrize("kind", ["kind: builtin, ", "kind: custom, ", ""])
def test_rulings_builtins_are_known_by_name(tmp_path: Path, kind: str) -> None:
    (field,) = own_map(tmp_path, "hubspot", f"to: firstname, {kind}from: consumer.first_name, policy: fill").fields
    assert (field.to, field.kind) == ("firstname", "custom")


def test_c2_a_map_that_is_not_there_is_told_with_the_line_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match="merchants.yaml, line 9: field_map: the field map .* cannot be read"):
        load("hubspot", OwnFile(tmp_path / "none.yaml", "merchants.yaml, line 9: field_map"))
