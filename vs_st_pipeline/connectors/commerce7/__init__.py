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
from vs_st_pipeline.platform.settings.merchants import Merchant

_WINDOW = 61.0
"""Seconds over which a minute's requests are spread, so that any 60 s as Commerce7 counts them hold no more: of two
requests that leave so far apart the later one may be up to a second quicker on its way."""


def _account(merchant: Merchant) -> Account:
    settings = merchant.section(Commerce7Settings)
    rate = settings.requests_per_minute / _WINDOW
    return Account(settings.base_url, settings.app_secret, rate, limited_by=settings.tenant)


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
)
