"""Connects to Salesforce, where contacts are written and added to campaigns."""

from __future__ import annotations

from importlib import resources

from vs_st_pipeline.connectors.salesforce import traces
from vs_st_pipeline.connectors.salesforce.client import SalesforceClient
from vs_st_pipeline.connectors.salesforce.names import SALESFORCE, TITLE
from vs_st_pipeline.connectors.salesforce.settings import SalesforceSettings
from vs_st_pipeline.connectors.salesforce.setup import SETUP
from vs_st_pipeline.connectors.salesforce.streams import STREAMS
from vs_st_pipeline.platform.connector import Account, Connector
from vs_st_pipeline.platform.settings.merchants import Merchant


def _account(merchant: Merchant) -> Account:
    settings = merchant.section(SalesforceSettings)
    return Account(settings.login_url, settings.client_id, settings.requests_per_second)


CONNECTOR = Connector(
    SALESFORCE,
    TITLE,
    _account,
    SalesforceClient,
    SalesforceSettings,
    streams=STREAMS,
    prune=traces.prune,
    find_named=traces.find_named,
    find_person=traces.find_person,
    find_suppressed=traces.find_suppressed,
    migrations=resources.files(__name__) / "sql",
    setup=SETUP,
)
