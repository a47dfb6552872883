"""Connects to HubSpot, a CRM: its contacts, what they are subscribed to, and its lists."""

from __future__ import annotations

from importlib import resources

from vs_st_pipeline.connectors.hubspot import retention, traces
from vs_st_pipeline.connectors.hubspot.client import HubSpotClient
from vs_st_pipeline.connectors.hubspot.names import HUBSPOT, TITLE
from vs_st_pipeline.connectors.hubspot.settings import HubSpotSettings
from vs_st_pipeline.connectors.hubspot.setup import SETUP
from vs_st_pipeline.connectors.hubspot.streams import STREAMS
from vs_st_pipeline.platform.connector import Account, Connector
from vs_st_pipeline.platform.settings.merchants import Merchant


def _account(merchant: Merchant) -> Account:
    settings = merchant.section(HubSpotSettings)
    return Account(settings.base_url, settings.token, settings.requests_per_second)


CONNECTOR = Connector(
    HUBSPOT,
    TITLE,
    _account,
    HubSpotClient,
    HubSpotSettings,
    streams=STREAMS,
    prune=retention.prune,
    find_named=traces.find_named,
    find_person=traces.find_person,
    find_suppressed=traces.find_suppressed,
    migrations=resources.files(__name__) / "sql",
    setup=SETUP,
)
