"""One account at Klaviyo's stand-in, and our connector to it, over a real socket."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from vs_st_pipeline.connectors.klaviyo.client import KlaviyoClient
from vs_st_pipeline.connectors.klaviyo.consent import SUBSCRIBED
from vs_st_pipeline.connectors.klaviyo.crm import KlaviyoCrm
from vs_st_pipeline.connectors.klaviyo.profile import email_key_of
from vs_st_pipeline.connectors.klaviyo.settings import KlaviyoSettings
from vs_st_pipeline.domain.crm import Consent, Item, Result, Seen, Sought, Standing, Step, Target
from vs_st_pipeline.platform.settings.merchants import Merchant
from vs_st_pipeline.platform.settings.secrets import Secret
from vs_st_pipeline_tests.sandbox.served import GLOW, Record, Served

NEWS, TRIAL = Target("X7aBcD"), Target("Y8bCdE")  # the second says itself that people must confirm
SOURCE = "SoPost consent c-1 (News) for Glow Skin"
LONG_AGO = "2025-01-02T03:04:05.000006+00:00"


class NoPace:
    """Lets every request leave at once."""

    def wait(self) -> float:
        return 0.0


def sleep(seconds: float) -> None:
    time.sleep(min(seconds, 0.01))


class World:
    """The account of a merchant, as a route sees it (`crm`) and as it is (`box.control`)."""

    def __init__(self, box: Served, **settings: Any) -> None:
        self.box = box
        self.control = box.control
        key = Secret(f"pk_of_{GLOW}", "env:KEY")
        settings = {"base_url": box.url, "api_key": key, "batch_wait": timedelta(seconds=0.3), **settings}
        sections = {"klaviyo": KlaviyoSettings(**settings)}
        self.merchant = Merchant(GLOW, "Glow Skin", give_up_after=timedelta(seconds=3), sections=sections)
        self.client = KlaviyoClient(self.merchant, NoPace(), sleep=sleep)
        self.crm = KlaviyoCrm(self.client, self.merchant)
        self.crm.begin([NEWS, TRIAL])
        self.control.clear_journal()

    def add(self, email: str, consent: str = "NEVER_SUBSCRIBED", listed: Target | None = None, **more: Any) -> str:
        """Add a profile; return its id. `marketing` changes its consent."""
        told = LONG_AGO if consent != "NEVER_SUBSCRIBED" else None
        marketing = {"consent": consent, "consent_timestamp": told, "last_updated": told, **more.pop("marketing", {})}
        id_ = str(self.control.add("profiles", {"attributes": {"email": email, **more}, "marketing": marketing})["id"])
        if listed:
            self.box.app.accounts[GLOW].join(listed.id, id_)  # type: ignore[attr-defined]
        return id_

    def look(self, *people: Sought | str, fields: tuple[str, ...] = (), targets: tuple[Target, ...] = (NEWS,)) -> Any:
        """Look for people, by address or as they are sought; the answers by address in lower case."""
        asked = [one if isinstance(one, Sought) else sought(one) for one in people]
        seen = self.crm.look(asked, targets, fields)
        return {one.email_key: seen[one.key] for one in asked if one.key in seen}

    def one(self, person: Sought | str, **more: Any) -> Seen:
        """Look for one."""
        seen = self.look(person, **more)
        found: Seen = seen[person.email_key if isinstance(person, Sought) else email_key_of(person)]
        return found

    def standing(self, email: str, target: Target = NEWS) -> Standing:
        """How one stands to a list."""
        return self.one(email, targets=(target,)).standings[target]

    def send(self, step: Step, *items: Item) -> dict[str, Result]:
        """Send items as the connector forms requests of them."""
        results: dict[str, Result] = {}
        for request in self.crm.requests(step, items):
            results |= self.crm.send(step, request)
        return results

    def subscribe(self, *emails: str, **more: Any) -> dict[str, Result]:
        """Look for people, and subscribe them."""
        self.look(*emails)
        return self.send(Step.CONSENT, *(consenting(email, **more) for email in emails))

    def settled(self, email: str, target: Target = NEWS, looks: int = 8) -> Standing:
        """Look until a subscription shows, as the route does for so long."""
        for _ in range(looks):
            found = self.standing(email, target)
            if found.state.name == SUBSCRIBED:
                break
        return found

    def asked(self, part: str) -> list[Record]:
        """The requests whose path has this in it."""
        return [one for one in self.control.journal() if part in one["path"]]

    def books(self, *what: str) -> list[Record]:
        """What the API did."""
        return [one for one in self.control.books(GLOW) if one["what"] in what]

    def profile(self, email: str) -> Record:
        """A profile as it is."""
        found: Record = self.control.profile(email)
        return found


def sought(email: str, record_id: str | None = None) -> Sought:
    """Somebody to look for."""
    key = email_key_of(email)
    return Sought(f"sp_{hashlib.sha256(key.encode()).hexdigest()[:40]}", email, key, record_id)


def consenting(
    email: str, target: Target = NEWS, source: str = SOURCE, at: datetime | None = None, **more: Any
) -> Item:
    """Somebody to subscribe."""
    return Item(f"{email}/{target.id}", sought(email), target=target, consent=Consent(source, source, at), **more)


def writing(email: str, values: Mapping[str, str], record_id: str | None = None, **more: Any) -> Item:
    """Somebody whose fields are to be written."""
    return Item(email, sought(email), record_id, values, **more)


def days_ago(days: float) -> datetime:
    """A moment in the past."""
    return datetime.now(UTC) - timedelta(days=days)
