"""Onboards an account at Klaviyo: which key a person gives, and whether it opens the account."""

from __future__ import annotations

from collections.abc import Mapping

from vs_st_pipeline.connectors.klaviyo.client import KlaviyoClient
from vs_st_pipeline.connectors.klaviyo.names import TITLE
from vs_st_pipeline.domain.errors import Forbidden
from vs_st_pipeline.platform.connector import AccountSeen, AccountSetup, Key
from vs_st_pipeline.platform.settings.merchants import Merchant


def look(client: KlaviyoClient, merchant: Merchant) -> AccountSeen:
    """Read the account: one request. Raises as the client does."""
    try:
        said = client.account()
    except Forbidden:
        return AccountSeen("the key is known; it may not ask whose account it opens")
    attributes = said.get("attributes")
    contact = attributes.get("contact_information") if isinstance(attributes, Mapping) else None
    name = contact.get("organization_name") if isinstance(contact, Mapping) else None
    return AccountSeen(f"the key is good: account {said['id']}", name=name if isinstance(name, str) else None)


SETUP = AccountSetup(keys=(Key("api_key", "klaviyo_api_key", "KLAVIYO_KEY", f"{TITLE} private API key"),), look=look)
