"""Connects to Commerce7, where wineries sell."""

from __future__ import annotations

from importlib import resources

from vs_st_pipeline.connectors.commerce7 import retention, traces
from vs_st_pipeline.connectors.commerce7.client import Commerce7Client
from vs_st_pipeline.connectors.commerce7.hooks import HOOKS
from vs_st_pipeline.connectors.commerce7.names import COMMERCE7, TITLE
from vs_st_pipeline.connectors.commerce7.settings import Commerce7Settings
from vs_st_pipeline.connectors.commerce7.setup import SETUP
from vs_st_pipeline.connectors.commerce7.streams import STREAMS
from vs_st_pipeline.platform.connector import Account, Connector
from vs_st_pipeline.platform.http.rate_limit import MINUTE
from vs_st_pipeline.platform.settings.merchants import Merchant


def _account(merchant: Merchant) -> Account:
    settings = merchant.section(Commerce7Settings)
    most = settings.requests_per_minute
    return Account(settings.base_url, settings.app_secret, most / MINUTE, most, limited_by=settings.tenant)


CONNECTOR = Connector(
    COMMERCE7,
    TITLE,
    _account,
    Commerce7Client,
    Commerce7Settings,
    streams=STREAMS,
    prune=retention.prune,
    find_named=traces.find_named,
    find_person=traces.find_person,
    migrations=resources.files(__name__) / "sql",
    hooks=HOOKS,
    setup=SETUP,
    key_advice="let the winery install the app, or correct `tenant`",
)
