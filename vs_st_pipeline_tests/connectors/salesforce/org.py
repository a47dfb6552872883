"""Connects to the stand-in's org for tests, and says people and items in few words."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Collection
from datetime import timedelta
from typing import Any

from vs_st_pipeline.connectors.salesforce.client import SalesforceClient
from vs_st_pipeline.connectors.salesforce.crm import connect_crm
from vs_st_pipeline.connectors.salesforce.settings import SalesforceSettings
from vs_st_pipeline.domain.crm import Consent, Crm, Item, Result, Seen, Setup, Sought, Step, Target
from vs_st_pipeline.platform.settings.merchants import Merchant
from vs_st_pipeline.platform.settings.secrets import Secret
from vs_st_pipeline.sandbox.salesforce.org import long_id
from vs_st_pipeline_tests.sandbox.served import GLOW, Served

KEY = "SoPost_Key__c"
CAMPAIGN = long_id("701Gs0000000001")
NEWS = Target(CAMPAIGN)
FIELDS = ("FirstName", "LastName", "SoPost_Identity__c", "SoPost_Order_Count__c")
GIVEN = Consent("SoPost consent 1 (News) for Glow Skin", "SoPost consent 1 (News) for Glow Skin, order SP1")


class NoPace:
    """Lets every request leave at once."""

    def wait(self) -> float:
        return 0.0


def merchant(box: Served, id: str = GLOW, **settings: Any) -> Merchant:
    """A merchant whose org the stand-in has."""
    keys = {"client_id": Secret(f"sf-client-of-{id}", "env:ID"), "client_secret": Secret(f"sf-secret-of-{id}", "env:S")}
    section = SalesforceSettings(**{"login_url": box.url, **keys, **settings})
    return Merchant(id, id, give_up_after=timedelta(seconds=2), sections={"salesforce": section})


class Org:
    """The connector at work for one merchant; `pauses` are the waits that it asked for."""

    def __init__(self, box: Served, id: str = GLOW, **settings: Any) -> None:
        self.merchant = merchant(box, id, **settings)
        self.client = SalesforceClient(self.merchant, NoPace())
        self.pauses: list[float] = []
        self.client.sleep = self.pauses.append
        self.crm: Crm = connect_crm(self.client, self.merchant)
        self.box = box

    def begin(self, *targets: Target) -> Setup:
        return self.crm.begin(targets or (NEWS,))

    def look(
        self, *people: Sought, targets: Collection[Target] = (NEWS,), fields: Collection[str] = FIELDS
    ) -> dict[str, Seen]:
        """What is seen, by address."""
        seen = self.crm.look(people, targets, fields)
        return {one.email_key: seen[one.key] for one in people if one.key in seen}

    def see(self, person: Sought, **asked: Any) -> Seen:
        return self.look(person, **asked)[person.email_key]

    def send(self, step: Step, *items: Item) -> dict[str, Result]:
        """What became of the items, in as many requests as it takes."""
        found: dict[str, Result] = {}
        for request in self.crm.requests(step, items):
            found |= self.crm.send(step, request)
        return found

    def write(self, person: Sought, record_id: str | None = None, **values: str) -> Result:
        return self.send(Step.FIELDS, Item("i", person, record_id, values))["i"]

    def add(self, person: Sought, record_id: str | None, target: Target = NEWS) -> Result:
        return self.send(Step.CONSENT, Item("i", person, record_id, target=target, consent=GIVEN))["i"]

    def withdraw(self, person: Sought, record_id: str | None, target: Target = NEWS) -> dict[str, Result]:
        return self.send(Step.WITHDRAW, Item("i", person, record_id, target=target, consent=GIVEN))

    def routes(self, since: int = 0) -> list[str]:
        """What was asked, token calls left out."""
        cut = len("/services/data/{v}")
        return [
            f"{method} {path[cut:]}"
            for entry in self.box.control.journal(since=since)
            for method, path in [entry["route"].split(" ", 1)]
            if path.startswith("/services/data")
        ]


def person(email: str, record_id: str | None = None) -> Sought:
    """Somebody, by the address as an order writes it."""
    key = unicodedata.normalize("NFC", email).strip().lower()
    return Sought("sp_" + hashlib.sha256(key.encode()).hexdigest()[:40], email.strip(), key, record_id)
