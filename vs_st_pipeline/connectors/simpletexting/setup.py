"""Onboards an account at SimpleTexting: which token a person gives, and whether texting is set up there."""

from __future__ import annotations

from collections.abc import Mapping

from vs_st_pipeline.connectors.simpletexting.client import SimpleTextingClient
from vs_st_pipeline.connectors.simpletexting.names import SIMPLETEXTING, TITLE
from vs_st_pipeline.domain.codec import try_json
from vs_st_pipeline.domain.errors import BadAnswer
from vs_st_pipeline.domain.records import is_error
from vs_st_pipeline.platform.connector import AccountSeen, AccountSetup, Key
from vs_st_pipeline.platform.settings.merchants import Merchant

NO_PHONE = "the account has no phone number, so texting is not set up there"


def look(client: SimpleTextingClient, merchant: Merchant) -> AccountSeen:
    """Read the tenant and the account's phone numbers: two requests.

    Raises:
        BadAnswer: an error, or nothing, came in place of the tenant.
    """
    tenant = client.tenant()
    if not tenant or is_error(tenant):
        raise BadAnswer("the answer is no tenant, so it proves nothing", system=SIMPLETEXTING, call="tenant")
    rows = [try_json(row) for row in client.list_phones().rows]
    numbers = sum(bool(row.get("number")) for row in rows if isinstance(row, Mapping))
    said = f"{numbers} phone number{'s' if numbers > 1 else ''}"
    return AccountSeen(f"the token is good: {said}", lacks="" if numbers else NO_PHONE)


SETUP = AccountSetup(keys=(Key("api_token", "st_api_token", "ST_TOKEN", f"{TITLE} API token"),), look=look)
