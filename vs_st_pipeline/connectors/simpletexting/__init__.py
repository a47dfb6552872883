"""Connects to SimpleTexting, where contacts live and values are written."""

from __future__ import annotations

from vs_st_pipeline.connectors.simpletexting.client import SimpleTextingClient
from vs_st_pipeline.domain.errors import SIMPLETEXTING
from vs_st_pipeline.platform.connector import Account, Connector
from vs_st_pipeline.platform.settings.merchants import Merchant
from vs_st_pipeline.platform.settings.secrets import Secret


def _account(merchant: Merchant) -> Account:
    settings = merchant.simpletexting
    return Account(settings.base_url, settings.api_token, settings.requests_per_second)


def _keys(merchant: Merchant) -> tuple[Secret, ...]:
    return (merchant.simpletexting.api_token,)


CONNECTOR = Connector(SIMPLETEXTING, "SimpleTexting", _account, SimpleTextingClient, _keys)
