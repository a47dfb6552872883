"""Connects to Vinoshipper, where customers and orders come from."""

from __future__ import annotations

from vs_st_pipeline.connectors.vinoshipper.client import VinoshipperClient
from vs_st_pipeline.domain.errors import VINOSHIPPER
from vs_st_pipeline.platform.connector import Account, Connector
from vs_st_pipeline.platform.settings.merchants import Merchant
from vs_st_pipeline.platform.settings.secrets import Secret


def _account(merchant: Merchant) -> Account:
    settings = merchant.vinoshipper
    return Account(settings.base_url, settings.api_key, settings.requests_per_second)


def _keys(merchant: Merchant) -> tuple[Secret, ...]:
    settings = merchant.vinoshipper
    return settings.api_key, settings.api_secret


CONNECTOR = Connector(VINOSHIPPER, "Vinoshipper", _account, VinoshipperClient, _keys)
