"""Connects to Vinoshipper, where customers and orders come from."""

from __future__ import annotations

from vs_st_pipeline.connectors.vinoshipper import traces
from vs_st_pipeline.connectors.vinoshipper.client import VinoshipperClient
from vs_st_pipeline.connectors.vinoshipper.names import TITLE, VINOSHIPPER
from vs_st_pipeline.connectors.vinoshipper.streams import STREAMS
from vs_st_pipeline.platform.connector import Account, Connector
from vs_st_pipeline.platform.settings.merchants import Merchant


def _account(merchant: Merchant) -> Account:
    settings = merchant.vinoshipper
    return Account(settings.base_url, settings.api_key, settings.requests_per_second)


CONNECTOR = Connector(
    VINOSHIPPER,
    TITLE,
    _account,
    VinoshipperClient,
    streams=STREAMS,
    find_person=traces.find_person,
    find_suppressed=traces.find_suppressed,
)
