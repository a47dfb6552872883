"""Tries a key: on the newest known order, else on an order that cannot be (consumers.md 8); onboards an account."""

from __future__ import annotations

from dataclasses import dataclass

from vs_st_pipeline.connectors.sopost.client import NIL_ORDER, SoPostClient
from vs_st_pipeline.connectors.sopost.names import TITLE
from vs_st_pipeline.connectors.sopost.orders import understand
from vs_st_pipeline.domain.errors import BadAnswer, Forbidden, Refused
from vs_st_pipeline.platform.connector import AccountSeen, AccountSetup, Key
from vs_st_pipeline.platform.http.client import NOT_THERE
from vs_st_pipeline.platform.settings.merchants import Merchant

ACCESS = "access"


@dataclass(frozen=True, slots=True)
class KeyTried:
    """What a try of the key says: that it is good, in words for people, or why that is doubtful."""

    says: str
    doubt: str | None = None


def check_key(client: SoPostClient, newest_order: str | None = None) -> KeyTried:
    """Try the key: one request.

    Args:
        newest_order: an id that is known; None: none is.

    Raises:
        BadKey: 401, or a log-in.
        PipelineError: as the client does, where an answer says nothing of the key.
    """
    try:
        order = client.order(newest_order or NIL_ORDER)
    except Forbidden:
        return KeyTried("", "the key may not see this order (403): it may be a key of somebody else, or have no rights")
    except Refused as error:
        if error.http_status in NOT_THERE:
            return KeyTried("the key is good: SoPost looked for an order")
        raise
    if newest_order is not None:
        try:
            understand(order, newest_order.lower())
        except BadAnswer as error:
            return KeyTried("", f"{error.message}; is base_url right?")
    return KeyTried("the key is good: an order could be read")


def look(client: SoPostClient, merchant: Merchant) -> AccountSeen:
    """Try the key of a merchant of whom no order is known: one request."""
    found = check_key(client)
    return AccountSeen(found.says or "the key is doubtful", disagrees={ACCESS: found.doubt} if found.doubt else {})


SETUP = AccountSetup(
    keys=(Key("token", "sopost_token", "SOPOST_TOKEN", f"{TITLE} API token"),), look=look, accept=(ACCESS,)
)
