"""Connects to Gupshup, which sends WhatsApp messages and calls us with receipts and replies."""

from __future__ import annotations

from vs_st_pipeline.connectors.gupshup.client import GupshupClient
from vs_st_pipeline.connectors.gupshup.names import GUPSHUP, TITLE
from vs_st_pipeline.connectors.gupshup.settings import GupshupAccount, GupshupSettings
from vs_st_pipeline.domain.errors import BadSettings
from vs_st_pipeline.platform.connector import Account, Connector
from vs_st_pipeline.platform.http.client import Pace
from vs_st_pipeline.platform.settings.merchants import Merchant


def account_of(account: GupshupAccount) -> Account:
    """Return an account as the house paces it."""
    return Account(account.base_url, account.api_key, account.requests_per_second)


def _selected(merchant: Merchant) -> GupshupAccount:
    selected = merchant.section(GupshupSettings).selected
    if selected is None:
        raise BadSettings("no Gupshup account is installed", system=GUPSHUP)
    return selected


def _connect(merchant: Merchant, pace: Pace) -> GupshupClient:
    return GupshupClient(_selected(merchant), pace)


CONNECTOR = Connector(GUPSHUP, TITLE, lambda merchant: account_of(_selected(merchant)), _connect, GupshupSettings)
