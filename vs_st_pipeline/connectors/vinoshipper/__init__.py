"""Connects to Vinoshipper, where customers and orders come from."""

from __future__ import annotations

from vs_st_pipeline.connectors.vinoshipper.client import VinoshipperClient
from vs_st_pipeline.connectors.vinoshipper.settings import VinoshipperSettings
from vs_st_pipeline.domain.errors import VINOSHIPPER
from vs_st_pipeline.platform.connector import Account, Connector
from vs_st_pipeline.platform.settings.merchants import Merchant


def _account(merchant: Merchant) -> Account:
    settings = merchant.section(VinoshipperSettings)
    return Account(settings.base_url, settings.api_key, settings.requests_per_second)


CONNECTOR = Connector(VINOSHIPPER, "Vinoshipper", _account, VinoshipperClient, VinoshipperSettings)
