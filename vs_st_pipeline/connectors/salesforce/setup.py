"""Onboards an org at Salesforce: which credentials a person gives, and whose org they open."""

from __future__ import annotations

from vs_st_pipeline.connectors.salesforce.client import SalesforceClient
from vs_st_pipeline.connectors.salesforce.names import TITLE
from vs_st_pipeline.platform.connector import AccountSeen, AccountSetup, Key
from vs_st_pipeline.platform.settings.merchants import Merchant


def look(client: SalesforceClient, merchant: Merchant) -> AccountSeen:
    """Log in, and read which fields contacts have, as the first sync does: two requests."""
    client.log_in()
    client.describe("Contact")
    return AccountSeen(f"the client id and secret are good: org {client.org or 'not named'}")


SETUP = AccountSetup(
    keys=(
        Key("client_id", "salesforce_client_id", "SALESFORCE_ID", f"{TITLE} client id of the External Client App"),
        Key("client_secret", "salesforce_client_secret", "SALESFORCE_SECRET", f"{TITLE} client secret of that app"),
    ),
    look=look,
)
