"""Names the accounts of the brands of scenario `consumers`, and what an account has before anybody is in it."""

from __future__ import annotations

from typing import Any, NamedTuple

from vs_st_pipeline.sandbox.core.asgi import Record
from vs_st_pipeline.sandbox.hubspot.portal import column as property_of
from vs_st_pipeline.sandbox.salesforce.org import column, long_id


class AccountNames(NamedTuple):
    """The ids of one brand in all four systems; no two brands share one.

    Attributes:
        consents: id, name and data handler, by a short word.
        subscriptions: ids at HubSpot for news and for the trial; the third is no longer active.
        klaviyo_trial: a list that says itself that people have to confirm.
        lacking: names that HubSpot and Salesforce have not got.
    """

    organisation: str
    campaigns: tuple[str, str]
    activities: tuple[str, str]
    consents: dict[str, tuple[str, str, str]]
    portal: int
    subscriptions: tuple[int, int, int]
    hubspot_list: str
    klaviyo: str
    klaviyo_list: str
    klaviyo_trial: str
    campaign: str
    ids: str
    lacking: tuple[str, ...] = ()

    def salesforce_id(self, prefix: str, number: int) -> str:
        """Return an id of the org."""
        return long_id(f"{prefix}{self.ids}{number:010d}")

    def settings(self) -> list[Record]:
        """Return the entries of `consents` in the merchant's settings."""
        news, trial, own = (self.consents[name] for name in ("news", "trial", "sopost"))
        return [
            {
                "consent_id": news[0],
                "data_handler": news[2],
                "text_version": "2026-05",
                "hubspot": {"subscription": self.subscriptions[0], "lists": [int(self.hubspot_list)]},
                "klaviyo": {"list": self.klaviyo_list},
                "salesforce": {"campaign": self.campaign},
            },
            {
                "consent_id": trial[0],
                "data_handler": trial[2],
                "hubspot": {"subscription": self.subscriptions[1]},
                "klaviyo": {"list": self.klaviyo_trial},
            },
            {"consent_id": own[0], "data_handler": own[2], "ignore": True},
        ]


ACCOUNTS = {
    "glow-skin": AccountNames(
        "61000000-0000-4000-9000-000000000001",
        ("61000000-0000-4000-9000-0000000000c1", "61000000-0000-4000-9000-0000000000c2"),
        ("61000000-0000-4000-9000-0000000000a1", "61000000-0000-4000-9000-0000000000a2"),
        {
            "news": ("d2271011-4d8a-47e7-9d4a-5045780fbce9", "Glow Skin news", "Glow Skin"),
            "trial": ("d2271011-4d8a-47e7-9d4a-5045780fbcea", "Glow Skin trials", "Glow Skin"),
            "sopost": ("9b1c0d7e-0000-4000-8000-000000000001", "SoPost offers", "SoPost"),
        },
        6100001,
        (123456, 123457, 123458),
        "42",
        "GlowAc",
        "X7aBcD",
        "Y8bCdE",
        long_id("701Gs0000000001"),
        "Gs",
    ),
    "bare-soap": AccountNames(
        "62000000-0000-4000-9000-000000000001",
        ("62000000-0000-4000-9000-0000000000c1", "62000000-0000-4000-9000-0000000000c2"),
        ("62000000-0000-4000-9000-0000000000a1", "62000000-0000-4000-9000-0000000000a2"),
        {
            "news": ("e3382122-4d8a-47e7-9d4a-5045780fbce9", "Bare Soap news", "Bare Soap"),
            "trial": ("e3382122-4d8a-47e7-9d4a-5045780fbcea", "Bare Soap trials", "Bare Soap"),
            "sopost": ("9b1c0d7e-0000-4000-8000-000000000001", "SoPost offers", "SoPost"),
        },
        6200001,
        (223456, 223457, 223458),
        "52",
        "SoapAc",
        "S7oApX",
        "S8oApY",
        long_id("701Bs0000000001"),
        "Bs",
        ("sopost_answers", "SoPost_Answers__c"),
    ),
}


RECORDING = ("bare-soap",)
"""Merchants that store people without consent too, save at Klaviyo."""


def sopost_part(names: AccountNames, account: int) -> Record:
    """Return a brand at SoPost without orders."""
    campaigns = {campaign: [activity] for campaign, activity in zip(names.campaigns, names.activities, strict=True)}
    blank: Record = {"orders": {}, "created": {}, "hidden": [], "reasons": []}
    return {"organisation": names.organisation, "campaigns": campaigns, **blank}


def hubspot_part(names: AccountNames, account: int) -> Record:
    """Return a portal with the properties that the default field map wants, and no contacts."""
    properties = [
        property_of("sopost_identity", "SoPost identity"),
        property_of("sopost_order_count", "SoPost orders", "number", "number"),
        property_of("sopost_last_order", "SoPost last order"),
        property_of("sopost_last_activity", "SoPost last activity"),
        property_of("sopost_last_order_date", "SoPost last order date", "date", "date"),
        property_of("sopost_consents", "SoPost consents"),
        property_of("sopost_answers", "SoPost answers", "string", "textarea"),
        property_of("sopost_skin", "SoPost skin", "enumeration", "checkbox", options=("dry", "oily", "mixed")),
    ]
    common = {"isInternal": False, "isDefault": False, "purpose": "Marketing", "communicationMethod": "Email"}
    titles = zip(names.subscriptions, ("News", "Trials", "Old news"), (True, True, False), strict=True)
    return {
        "portal": names.portal,
        "contacts": {},
        "properties": {one["name"]: one for one in properties if one["name"] not in names.lacking},
        "definitions": {str(id): {"id": str(id), "name": n, "isActive": a, **common} for id, n, a in titles},
        "lists": {names.hubspot_list: {"listId": names.hubspot_list, "name": "Newsletter"}},
        "members": {},
        "statuses": {},
        "wide": {},
        "blocklist": [],
        "bin": {},
    }


def klaviyo_part(names: AccountNames, account: int) -> Record:
    """Return an account with its lists, and no profiles."""
    lists: dict[str, Any] = {
        names.klaviyo_list: {"id": names.klaviyo_list, "name": "Newsletter", "opt_in_process": None},
        names.klaviyo_trial: {"id": names.klaviyo_trial, "name": "Trials", "opt_in_process": "double_opt_in"},
    }
    return {"account": names.klaviyo, "profiles": {}, "lists": lists, "members": {}, "deleted": []}


def salesforce_part(names: AccountNames, account: int) -> Record:
    """Return an org with the fields that the default field map wants and its campaigns, and no contacts."""
    fields = [
        column("SoPost_Key__c", "string", 80, external_id=True, unique=True),
        column("SoPost_Identity__c", "string", 80),
        column("SoPost_Order_Count__c", "double"),
        column("SoPost_Last_Order__c", "string", 30),
        column("SoPost_Last_Activity__c", "string", 40),
        column("SoPost_Last_Order_Date__c", "date"),
        column("SoPost_Consents__c", "string", 255),
        column("SoPost_Answers__c", "textarea", 32768),
        column("SoPost_Skin__c", "multipicklist", 255, values=("dry", "oily", "mixed")),
    ]
    campaigns = {
        id: {"Id": id, "IsDeleted": False, "Name": name, "IsActive": active, "Status": "In Progress"}
        for id, name, active in ((names.campaign, "Newsletter", True), (names.salesforce_id("701", 2), "Old", False))
    }
    return {
        "org": long_id(f"00D{names.ids}0000000001"),
        "fields": {"Contact": [one for one in fields if one["name"] not in names.lacking]},
        "rows": {"Contact": {}, "Campaign": campaigns, "CampaignMember": {}},
    }
