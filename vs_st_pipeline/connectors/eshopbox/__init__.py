"""Connects to Eshopbox, which ships a brand's orders and knows where each is."""

from __future__ import annotations

from importlib import resources

from vs_st_pipeline.connectors.eshopbox import retention, traces
from vs_st_pipeline.connectors.eshopbox.client import EshopboxClient
from vs_st_pipeline.connectors.eshopbox.hooks import HOOKS
from vs_st_pipeline.connectors.eshopbox.names import ESHOPBOX, TITLE
from vs_st_pipeline.connectors.eshopbox.settings import EshopboxSettings
from vs_st_pipeline.connectors.eshopbox.setup import SETUP
from vs_st_pipeline.connectors.eshopbox.streams import STREAMS
from vs_st_pipeline.platform.connector import Account, Connector
from vs_st_pipeline.platform.settings.merchants import Merchant


def _account(merchant: Merchant) -> Account:
    settings = merchant.section(EshopboxSettings)
    return Account(settings.base_url, settings.refresh_token, settings.requests_per_second)


CONNECTOR = Connector(
    ESHOPBOX,
    TITLE,
    _account,
    EshopboxClient,
    EshopboxSettings,
    streams=STREAMS,
    prune=retention.prune,
    find_named=traces.find_named,
    find_person=traces.find_person,
    find_suppressed=traces.find_suppressed,
    migrations=resources.files(__name__) / "sql",
    hooks=HOOKS,
    setup=SETUP,
)
