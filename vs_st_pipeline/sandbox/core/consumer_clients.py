"""Calls the control API of the stand-ins of route `consumers`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from vs_st_pipeline.sandbox.core.clients import Control, Record
from vs_st_pipeline.sandbox.scenarios.consumer_accounts import ACCOUNTS, RECORDING


class AccountControl(Control):
    """What the controls of all four systems can do besides."""

    def act(self, name: str, merchant: str | None = None, **body: Any) -> Any:
        """Let a person or the system itself do something; the names are those of the stand-in's `acts`."""
        return self.call("POST", name, body, merchant=merchant or self.first_merchant)

    def move_clock(self, seconds: float = 0, now: str | None = None) -> Record:
        """Move the stand-in's present, for all merchants."""
        found: Record = self.act("clock", seconds=seconds, now=now)
        return found

    def keys(self, merchant: str | None = None) -> Record:
        """Return a merchant's keys here."""
        found: list[Record] = self.call("GET", "merchants")
        return next(one for one in found if one["id"] == (merchant or self.first_merchant))

    def report(self, name: str, merchant: str | None = None) -> Any:
        """Return counters and books, by name."""
        return self.call("GET", name, merchant=merchant)

    def books(self, merchant: str | None = None) -> list[Record]:
        """Return what the API did: {merchant, what, seq, at, ...}, oldest first."""
        found: list[Record] = self.report("books", merchant)
        return found

    def findings(self, merchant: str | None = None) -> list[Record]:
        """Return calls with another merchant's key."""
        found: list[Record] = self.report("findings", merchant)
        return found


class SoPostControl(AccountControl):
    """Control of SoPost's stand-in."""

    def orders(self, merchant: str | None = None) -> list[Record]:
        """Return all orders, with statuses as they are kept: in capitals."""
        return self.all("orders", merchant)

    def order(self, id: str, merchant: str | None = None) -> Record:
        """Return one order."""
        return self.one("orders", id, merchant)

    def create(self, merchant: str | None = None, **fields: Any) -> Record:
        """Add an order, which becomes what `status` says (APPROVED) when `approve_after` is over."""
        found: Record = self.act("orders/create", merchant, **fields)
        return found

    def set_status(self, order_id: str, status: str, merchant: str | None = None) -> Record:
        """Set an order's status, which is an event."""
        found: Record = self.act("orders/set_status", merchant, order_id=order_id, status=status)
        return found

    def advance(self, order_id: str, merchant: str | None = None) -> Record:
        """Let an order go on to its next status."""
        found: Record = self.act("orders/advance", merchant, order_id=order_id)
        return found

    def set_consents(self, order_id: str, consents: Any, merchant: str | None = None) -> Record:
        """Replace an order's consents, which is no event."""
        found: Record = self.act("orders/set_consents", merchant, order_id=order_id, consents=consents)
        return found

    def hide(self, order_id: str, merchant: str | None = None, hidden: bool = True) -> None:
        """Hide an order from the key, or show it again."""
        self.act("orders/hide", merchant, order_id=order_id, hidden=hidden)

    def send(self, *events: Record, merchant: str | None = None, **untold: Any) -> int:
        """Send events, or without any all that nobody was told of; `untold` may have `url`, `doubled_every`."""
        return self.send_webhooks(list(events) or [untold], merchant)

    def consents(self, merchant: str | None = None) -> list[Record]:
        """Return every consent that any version of an order ever showed."""
        found: list[Record] = self.report("consents", merchant)
        return found


class CrmControl(AccountControl):
    """Control of a CRM's stand-in; people are named by e-mail address or by id."""

    def unsubscribe(self, email: str, merchant: str | None = None, **target: Any) -> Any:
        """Unsubscribe somebody as they do it themselves: from `subscription`, `list` or `campaign`, else from all."""
        return self.act("unsubscribe", merchant, email=email, **target)

    def suppress(self, email: str, merchant: str | None = None, **details: Any) -> Any:
        """Suppress somebody: `reason` at Klaviyo, from all mail elsewhere."""
        return self.act("suppress", merchant, email=email, **details)

    def erase(self, email: str, merchant: str | None = None, for_good: bool = False) -> None:
        """Delete somebody, or erase them for good."""
        self.act("gdpr_delete" if for_good else "delete", merchant, email=email)

    def merge(self, email: str, loser: str, merchant: str | None = None) -> Record:
        """Merge the second address's record into the first one's."""
        found: Record = self.act("merge", merchant, email=email, loser_email=loser)
        return found

    def edit(self, email: str, fields: Record, merchant: str | None = None) -> Record:
        """Edit a record as a person in the web application does."""
        found: Record = self.act("edit", merchant, email=email, fields=fields)
        return found

    def confirm(self, email: str, merchant: str | None = None, **target: Any) -> Record:
        """Confirm a subscription as the person does who was asked to."""
        found: Record = self.act("confirm", merchant, email=email, **target)
        return found


class HubSpotControl(CrmControl):
    """Control of HubSpot's stand-in."""

    def contact(self, email_or_id: str, merchant: str | None = None) -> Record:
        """Return one contact."""
        return self.one("contacts", email_or_id, merchant)

    def status(self, email: str, merchant: str | None = None) -> Record:
        """Return the state of an address by subscription id, and `wide`."""
        return self.one("subscriptions", email, merchant)


class KlaviyoControl(CrmControl):
    """Control of Klaviyo's stand-in."""

    def profile(self, email_or_id: str, merchant: str | None = None) -> Record:
        """Return one profile with its `attributes` and `marketing`."""
        return self.one("profiles", email_or_id, merchant)


class SalesforceControl(CrmControl):
    """Control of Salesforce's stand-in."""

    def contact(self, email_or_id: str, merchant: str | None = None) -> Record:
        """Return one contact."""
        return self.one("contacts", email_or_id, merchant)

    def set_usage(self, used: int, merchant: str | None = None, limit: int = 100000) -> None:
        """Set how many calls of the day are used."""
        self.act("usage", merchant, used=used, limit=limit)

    def expire_tokens(self, merchant: str | None = None) -> None:
        """Let all access tokens of an org end."""
        self.act("expire", merchant)


def consumer_sections(
    merchant: str, urls: dict[str, str], keys: dict[str, Record], kept: Callable[[str, str], str]
) -> Record:
    """Return the sections of route `consumers` for a merchant of the scenario; `kept` stores a secret, by file name."""
    told = {
        name: kept(f"{merchant}.{name}", str(keys[system][key]))
        for name, system, key in (
            ("sopost_token", "sopost", "token"),
            ("hubspot_token", "hubspot", "token"),
            ("klaviyo_key", "klaviyo", "api_key"),
            ("salesforce_id", "salesforce", "client_id"),
            ("salesforce_secret", "salesforce", "client_secret"),
        )
    }
    names = ACCOUNTS[merchant]
    record = {"without_consent": "record"} if merchant in RECORDING else {}
    return {
        "sopost": {"base_url": urls["sopost"], "token": told["sopost_token"], "entity_ids": [names.organisation]},
        "consumers": {"consents": names.settings()},
        "hubspot": {"base_url": urls["hubspot"], "token": told["hubspot_token"], **record},
        "klaviyo": {"base_url": urls["klaviyo"], "api_key": told["klaviyo_key"]},
        "salesforce": {
            "login_url": urls["salesforce"],
            "client_id": told["salesforce_id"],
            "client_secret": told["salesforce_secret"],
            **record,
        },
    }
