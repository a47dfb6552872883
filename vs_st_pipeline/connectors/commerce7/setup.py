"""Onboards a tenant of Commerce7: which keys a person gives, and whether they open the shop that is meant."""

from __future__ import annotations

from vs_st_pipeline.connectors.commerce7.client import Commerce7Client, bad_answer
from vs_st_pipeline.connectors.commerce7.names import TITLE
from vs_st_pipeline.platform.connector import AccountSeen, AccountSetup, Key
from vs_st_pipeline.platform.settings.merchants import Merchant


def look(client: Commerce7Client, merchant: Merchant) -> AccountSeen:
    """Ask for a page of orders: one request.

    Raises:
        BadAnswer: an error, or nothing, came in place of a list. PipelineError: as the client does.
    """
    if not isinstance(client.orders({}).get("orders"), list):
        raise bad_answer("the answer holds no list of orders, so it proves nothing", "list_orders")
    return AccountSeen(f"the key is good: it may read the orders of {client.settings.tenant}", client.settings.tenant)


SETUP = AccountSetup(
    keys=(
        Key("app_id", "c7_app_id", "C7_APP_ID", f"{TITLE} app id"),
        Key("app_secret", "c7_app_secret", "C7_APP_SECRET", f"{TITLE} app secret key"),
    ),
    look=look,
)
