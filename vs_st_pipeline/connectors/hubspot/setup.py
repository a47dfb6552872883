"""Onboards an account at HubSpot: which token a person gives, and whose account it opens."""

from __future__ import annotations

from collections.abc import Mapping

from vs_st_pipeline.connectors.hubspot.client import HubSpotClient
from vs_st_pipeline.connectors.hubspot.names import TITLE
from vs_st_pipeline.domain.errors import Forbidden, Refused
from vs_st_pipeline.domain.records import id_text
from vs_st_pipeline.platform.connector import AccountSeen, AccountSetup, Key
from vs_st_pipeline.platform.settings.merchants import Merchant


def look(client: HubSpotClient, merchant: Merchant) -> AccountSeen:
    """Read which account it is, or its properties where the token may not ask: one request or two."""
    try:
        answer = client.details()
    except (Forbidden, Refused):
        answer = None
    portal = id_text(answer.get("portalId")) if isinstance(answer, Mapping) else None
    if portal is None:
        client.properties()
        return AccountSeen("the token is good; it may not read which account it belongs to")
    return AccountSeen(f"the token is good: account {portal}")


SETUP = AccountSetup(keys=(Key("token", "hubspot_token", "HUBSPOT_TOKEN", f"{TITLE} access token"),), look=look)
