"""Connects to SoPost, where samples are ordered and consents given."""

from __future__ import annotations

from importlib import resources

from vs_st_pipeline.connectors.sopost import traces
from vs_st_pipeline.connectors.sopost.client import SoPostClient
from vs_st_pipeline.connectors.sopost.hooks import HOOKS
from vs_st_pipeline.connectors.sopost.names import SOPOST, TITLE
from vs_st_pipeline.connectors.sopost.settings import SoPostSettings
from vs_st_pipeline.connectors.sopost.setup import SETUP
from vs_st_pipeline.connectors.sopost.streams import STREAMS
from vs_st_pipeline.platform.connector import Account, Connector
from vs_st_pipeline.platform.settings.merchants import Merchant


def _account(merchant: Merchant) -> Account:
    settings = merchant.section(SoPostSettings)
    return Account(settings.base_url, settings.secret, settings.requests_per_second)


CONNECTOR = Connector(
    SOPOST,
    TITLE,
    _account,
    SoPostClient,
    SoPostSettings,
    streams=STREAMS,
    find_named=traces.find_named,
    find_person=traces.find_person,
    find_suppressed=traces.find_suppressed,
    migrations=resources.files(__name__) / "sql",
    hooks=HOOKS,
    setup=SETUP,
)
