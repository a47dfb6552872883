"""Onboards a workspace of Eshopbox: which secrets a person gives, and whether they open the workspace that is meant."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from vs_st_pipeline.connectors.eshopbox.client import EshopboxClient
from vs_st_pipeline.connectors.eshopbox.names import ESHOPBOX, TITLE
from vs_st_pipeline.domain.errors import BadAnswer
from vs_st_pipeline.platform.connector import AccountSeen, AccountSetup, Key
from vs_st_pipeline.platform.settings.merchants import Merchant


def look(client: EshopboxClient, merchant: Merchant) -> AccountSeen:
    """Ask for a token and a page of orders.

    Raises:
        BadAnswer: an error, or nothing, came in place of a list. PipelineError: as the client does.
    """
    answer = client.orders({"page": 1, "perPage": 1})
    rows = answer.get("orders") if isinstance(answer, Mapping) else None
    if not isinstance(rows, list):
        raise BadAnswer("the answer holds no list of orders, so it proves nothing", system=ESHOPBOX, call="list_orders")
    return AccountSeen(f"the secrets are good: they may read the orders of {client.settings.workspace}")


SETUP: Final = AccountSetup(
    keys=(
        Key("client_id", "eshopbox_client_id", "ESHOPBOX_CLIENT_ID", f"{TITLE} client id"),
        Key("client_secret", "eshopbox_client_secret", "ESHOPBOX_CLIENT_SECRET", f"{TITLE} client secret"),
        Key("refresh_token", "eshopbox_refresh_token", "ESHOPBOX_REFRESH_TOKEN", f"{TITLE} refresh token"),
    ),
    look=look,
)
