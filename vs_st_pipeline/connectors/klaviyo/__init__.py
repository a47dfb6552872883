"""Connects to Klaviyo, a CRM: its profiles, what they consented to, and its lists."""

from __future__ import annotations

from importlib import resources

from vs_st_pipeline.connectors.klaviyo import retention, traces
from vs_st_pipeline.connectors.klaviyo.client import KlaviyoClient
from vs_st_pipeline.connectors.klaviyo.names import KLAVIYO, TITLE
from vs_st_pipeline.connectors.klaviyo.settings import KlaviyoSettings
from vs_st_pipeline.connectors.klaviyo.setup import SETUP
from vs_st_pipeline.connectors.klaviyo.streams import STREAMS
from vs_st_pipeline.platform.connector import Account, Connector
from vs_st_pipeline.platform.settings.merchants import Merchant


def _account(merchant: Merchant) -> Account:
    settings = merchant.section(KlaviyoSettings)
    return Account(settings.base_url, settings.api_key, settings.requests_per_second)


CONNECTOR = Connector(
    KLAVIYO,
    TITLE,
    _account,
    KlaviyoClient,
    KlaviyoSettings,
    streams=STREAMS,
    prune=retention.prune,
    find_named=traces.find_named,
    find_person=traces.find_person,
    find_suppressed=traces.find_suppressed,
    migrations=resources.files(__name__) / "sql",
    setup=SETUP,
)
