"""Onboards an account at Vinoshipper: which keys a person gives, and whether they open the account that is meant."""

from __future__ import annotations

from vs_st_pipeline.connectors.vinoshipper.client import VinoshipperClient, whole_number
from vs_st_pipeline.connectors.vinoshipper.names import TITLE, VINOSHIPPER
from vs_st_pipeline.connectors.vinoshipper.settings import VinoshipperSettings
from vs_st_pipeline.domain.errors import BadAnswer
from vs_st_pipeline.domain.records import is_error
from vs_st_pipeline.platform.connector import AccountSeen, AccountSetup, Key
from vs_st_pipeline.platform.settings.merchants import Merchant

NAME, ACCOUNT_ID = "name", "account_id"


def look(client: VinoshipperClient, merchant: Merchant) -> AccountSeen:
    """Read the profile: one request.

    Raises:
        BadAnswer: an error, or nothing, came in place of a profile.
    """
    profile = client.profile()
    if not profile or is_error(profile):
        raise BadAnswer("the answer is no profile, so it proves nothing", system=VINOSHIPPER, call="profile")
    told, name = whole_number(profile.get("id")), profile.get("name")
    name = name.strip() if isinstance(name, str) and name.strip() else None
    number, dot, _ = merchant.section(VinoshipperSettings).api_key.reveal().partition(".")
    disagrees = {} if name else {NAME: "the profile has no name"}
    if dot and number.isascii() and number.isdigit() and int(number) != told:
        account = "says no number" if told is None else "has another one"
        disagrees[ACCOUNT_ID] = f"the number before the dot of the key is an account's, and the profile {account}"
    return AccountSeen(f"the key is good: {name or 'an account without a name'}", name, disagrees)


SETUP = AccountSetup(
    keys=(
        Key("api_key", "vs_api_key", "VS_KEY", f"{TITLE} API key"),
        Key("api_secret", "vs_api_secret", "VS_SECRET", f"{TITLE} API secret"),
    ),
    look=look,
    accept=(NAME, ACCOUNT_ID),
)
