"""Connects to SimpleTexting, where contacts live and values are written."""

from __future__ import annotations

from vs_st_pipeline.connectors.simpletexting.client import SimpleTextingClient
from vs_st_pipeline.connectors.simpletexting.settings import SimpleTextingSettings
from vs_st_pipeline.domain.errors import SIMPLETEXTING
from vs_st_pipeline.platform.connector import Account, Connector
from vs_st_pipeline.platform.settings.merchants import Merchant


def _account(merchant: Merchant) -> Account:
    settings = merchant.section(SimpleTextingSettings)
    return Account(settings.base_url, settings.api_token, settings.requests_per_second)


CONNECTOR = Connector(SIMPLETEXTING, "SimpleTexting", _account, SimpleTextingClient, SimpleTextingSettings)
