"""What an org must have, which fields and campaigns it has, and how values are written (5.6, 6.1, 6.5, 7.5)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from vs_st_pipeline.connectors.salesforce import campaigns
from vs_st_pipeline.connectors.salesforce.client import SalesforceClient
from vs_st_pipeline.connectors.salesforce.fields import as_text, as_written, crm_field, described
from vs_st_pipeline.connectors.salesforce.ids import core
from vs_st_pipeline.connectors.salesforce.soql import Query
from vs_st_pipeline.domain.crm import CrmField, FieldType, Target, TargetInfo
from vs_st_pipeline.domain.errors import BadAnswer, BadSettings
from vs_st_pipeline_tests.connectors.salesforce.org import CAMPAIGN, KEY, NEWS, Org
from vs_st_pipeline_tests.sandbox.served import GLOW, SOAP, Served


@pytest.mark.parametrize(
    ("switch", "value", "told"),
    [
        ("external_id", "missing", "no field SoPost_Key__c"),
        ("external_id", "not_unique", "not unique"),
        ("opted_out_field", "hidden", "HasOptedOutOfEmail"),
    ],
)
def test_c6_1_and_c7_5_an_org_that_cannot_be_used_is_config(box: Served, switch: str, value: str, told: str) -> None:
    box.control.set_switch(switch, value)
    with pytest.raises(BadSettings, match=told) as fault:
        Org(box).begin()
    assert (fault.value.kind, fault.value.system) == ("config", "salesforce")


def test_a_version_that_the_org_does_not_serve_is_config(box: Served) -> None:
    for status in ("404", "410"):
        box.control.set_fault(status, path_regex="describe")
        with pytest.raises(BadSettings, match="api_version"):
            Org(box).begin()


def test_a_status_that_means_two_things_is_config(box: Served) -> None:
    with pytest.raises(BadSettings, match="withdrawn_status"):
        Org(box, member_status="Left", withdrawn_status=" left").begin()


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"externalId": False}, "no external id"),
        ({"length": 42}, "43 characters"),
        ({"type": "double"}, "43 characters"),
        ({"createable": False}, "may not write"),
    ],
)
def test_c6_1_the_field_must_take_our_key(box: Served, changed: dict[str, Any], told: str) -> None:
    box.control.patch("fields", KEY, changed)
    with pytest.raises(BadSettings, match=told):
        Org(box).begin()


def test_c6_1_another_field_may_hold_the_key(box: Served) -> None:
    box.control.add("fields", {"name": "Their_Key__c", "length": 60, "externalId": True, "unique": True})
    fields = Org(box, external_id_field="Their_Key__c").begin().fields
    assert fields is not None
    assert (fields["Their_Key__c"].read_only, fields[KEY].read_only) == (True, False)


def test_c6_5_campaigns_are_there_and_active(org: Org) -> None:
    old, none = (next(c["Id"] for c in org.box.control.all("campaigns") if c["Name"] == "Old"), "701000000000001AAA")
    targets = [NEWS, Target(CAMPAIGN[:15]), Target(old), Target(none), Target("newsletter")]
    infos = org.begin(*targets).targets
    assert infos[NEWS] == infos[Target(CAMPAIGN[:15])] == TargetInfo(name="Newsletter")
    assert [infos[target].missing for target in targets[2:]] == [
        "the campaign is not active",
        "there is no such campaign, or it cannot be seen by the user that the app runs as",
        "this is no id of a campaign; one has 15 or 18 letters and digits",
    ]


def test_without_targets_no_campaign_is_asked_for(org: Org) -> None:
    since = org.box.control.journal()[-1]["seq"]
    assert org.crm.begin(()).targets == {}
    assert org.routes(since) == ["GET /sobjects/{object}/describe"]


def test_campaigns_that_cannot_be_seen_are_missing(org: Org, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(campaigns, "Query", lambda _object, fields: Query("Nothing", fields))
    assert "cannot be seen" in str(org.begin(NEWS).targets[NEWS].missing)


def test_an_answer_about_campaigns_that_says_nothing_is_bad(org: Org) -> None:
    for kind in ("hollow", "other_record", "two_keys"):
        org.box.control.set_fault(kind, path_regex="query")
        with pytest.raises(BadAnswer):
            org.begin(NEWS)


def test_fields_are_described_as_they_must_be_written(box: Served) -> None:
    box.control.add("fields", {"name": "Calc__c", "type": "double", "createable": False, "updateable": False})
    box.control.add("fields", {"name": "Place__c", "type": "location"})
    open_list = {"name": "Open__c", "type": "picklist", "restrictedPicklist": False, "picklistValues": []}
    box.control.add("fields", open_list)
    fields = Org(box).begin().fields
    assert fields is not None
    assert fields["FirstName"] == CrmField("FirstName", FieldType.TEXT, 40, what="string")
    assert fields["SoPost_Order_Count__c"] == CrmField("SoPost_Order_Count__c", FieldType.NUMBER, what="double")
    assert fields["SoPost_Last_Order_Date__c"].type is FieldType.DATE
    assert fields["SoPost_Answers__c"].length == 32768
    skin = fields["SoPost_Skin__c"]
    assert (skin.type, skin.choices) == (FieldType.CHOICES, (("dry", "dry"), ("oily", "oily"), ("mixed", "mixed")))
    assert fields["LeadSource"].type is FieldType.CHOICE
    assert (fields["Open__c"].type, fields["Open__c"].choices) == (FieldType.CHOICE, None)
    assert fields["HasOptedOutOfEmail"].type is FieldType.FLAG
    assert fields["CreatedDate"].type is FieldType.TIME
    assert [fields[name].read_only for name in ("Id", "Calc__c", "Place__c", KEY, "Email")] == [True] * 4 + [False]


def test_only_active_choices_are_taken_and_by_their_labels() -> None:
    values = [{"value": "a", "label": "A b"}, {"value": "old", "active": False}, {"value": "n", "label": None}, None]
    row = {"name": "F", "type": "picklist", "createable": True, "updateable": True, "length": 255}
    row |= {"restrictedPicklist": True, "picklistValues": values}
    assert crm_field(row, KEY).choices == (("a", "A b"), ("n", "n"))


@pytest.mark.parametrize("spoilt", ["hollow", "error_body", "two_keys", "other_record"])
def test_r22_a_describe_that_is_not_whole_proves_nothing(box: Served, spoilt: str) -> None:
    box.control.set_fault(spoilt, path_regex="describe")
    with pytest.raises(BadAnswer):
        Org(box).begin()


def test_r22_a_describe_that_answers_null_is_no_missing_object(box: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """`config` would tell a person to mend what is right; the next sync asks again."""
    monkeypatch.setattr(SalesforceClient, "describe", lambda _self, _object: None)
    with pytest.raises(BadAnswer):
        Org(box).begin()


def test_r22_fields_that_are_cut_off_are_not_missed() -> None:
    field = {"type": "string", "createable": True, "updateable": True}
    good = {"name": "Contact", "fields": [{"name": name, **field} for name in ("Id", "Email", "LastName")]}
    assert list(described("Contact", good)) == ["Id", "Email", "LastName"]
    sparse = {"fields": good["fields"][1:]}  # without what is the system's own
    assert list(described("Contact", sparse)) == ["Email", "LastName"]
    for bad in (
        {**good, "name": "Lead"},
        {**good, "fields": good["fields"][:2]},
        {**good, "fields": [*good["fields"], {"name": "x"}]},
    ):
        with pytest.raises(BadAnswer):
            described("Contact", bad)


@pytest.mark.parametrize(
    ("value", "type", "text"),
    [
        (None, FieldType.TEXT, ""),
        ("[not provided]", FieldType.TEXT, ""),
        (Decimal("3.0"), FieldType.NUMBER, "3"),
        (Decimal("1200.50"), FieldType.NUMBER, "1200.5"),
        (Decimal("1E+3"), FieldType.NUMBER, "1000"),
        (30, FieldType.NUMBER, "30"),
        (True, FieldType.FLAG, "true"),
        ("wet;dry", FieldType.CHOICES, "dry;wet"),
        ("2026-05-01T12:00:00.000+0200", FieldType.TIME, "2026-05-01T10:00:00Z"),
        ("someday", FieldType.TIME, "someday"),
        ("a\r\nb", FieldType.TEXT, "a\nb"),
    ],
)
def test_values_are_read_as_texts(value: object, type: FieldType, text: str) -> None:
    assert as_text(value, type) == text


@pytest.mark.parametrize(
    ("text", "type", "written"),
    [
        ("", FieldType.TEXT, None),
        ("3", FieldType.NUMBER, 3),
        ("1200.5", FieldType.NUMBER, 1200.5),
        ("none", FieldType.NUMBER, "none"),
        ("false", FieldType.FLAG, False),
        ("a;b", FieldType.CHOICES, "a;b"),
        ("3", FieldType.TEXT, "3"),
    ],
)
def test_texts_are_written_as_their_fields_take_them(text: str, type: FieldType, written: object) -> None:
    found = as_written(text, type)
    assert (found, isinstance(found, bool)) == (written, isinstance(written, bool))


@pytest.mark.parametrize(
    ("id", "known_as"),
    [("701Qy00000AbCdE", "701Qy00000AbCdE"), ("701Qy00000AbCdEIAZ", "701Qy00000AbCdE")]
    + [(bad, None) for bad in ("701", "701Qy00000AbCdEI", "701Qy00000AbCd'", None, 7)],
)
def test_r4_an_id_is_known_by_fifteen_characters(id: object, known_as: str | None) -> None:
    assert core(id) == known_as


def test_what_check_says_of_the_org(box: Served) -> None:
    assert list(Org(box).begin().doubts) == []
    box.control.set_switch("limit_info", "absent")
    assert ["daily_share" in doubt for doubt in Org(box).begin().doubts] == [True]
    for id, recorded in ((GLOW, "skip"), (SOAP, "record")):
        org = Org(box, id, without_consent=recorded)
        told = " ".join(org.crm.begin(()).doubts)
        assert (org.crm.records_all, "without_consent: record" in told) == (recorded == "record", recorded == "record")
