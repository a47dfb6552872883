"""Connects to Gupshup, which sends WhatsApp messages and calls us with receipts and replies."""

from __future__ import annotations

from vs_st_pipeline.connectors.gupshup.client import GupshupClient
from vs_st_pipeline.connectors.gupshup.hooks import HOOKS
from vs_st_pipeline.connectors.gupshup.names import GUPSHUP, TITLE
from vs_st_pipeline.connectors.gupshup.settings import SHARED, URL, GupshupAccount, GupshupSettings
from vs_st_pipeline.domain.errors import BadSettings
from vs_st_pipeline.platform.connector import Account, Connector
from vs_st_pipeline.platform.http.client import Pace
from vs_st_pipeline.platform.settings.merchants import Merchant
from vs_st_pipeline.platform.settings.secrets import Secret


def account_of(account: GupshupAccount) -> Account:
    """Return an account as the house paces it."""
    return Account(account.base_url, account.api_key, account.requests_per_second)


def _selected(merchant: Merchant) -> GupshupAccount:
    selected = merchant.section(GupshupSettings).selected
    if selected is None:
        raise BadSettings("no Gupshup account is installed", system=GUPSHUP)
    return selected


def _connect(merchant: Merchant, pace: Pace) -> GupshupClient:
    return GupshupClient(_selected(merchant), pace, merchant.give_up_after.total_seconds())


def _account(merchant: Merchant) -> Account:
    """Return the account that messages go by; who has none calls nobody, and is paced by nothing real."""
    selected = merchant.section(GupshupSettings).selected
    return Account(URL, Secret("", "of no account"), 1.0) if selected is None else account_of(selected)


CONNECTOR = Connector(GUPSHUP, TITLE, _account, _connect, GupshupSettings, hooks=HOOKS, shared=SHARED)
