"""Connects to Vinoshipper, where customers and orders come from."""

from __future__ import annotations

from importlib import resources

from vs_st_pipeline.connectors.vinoshipper import retention, traces
from vs_st_pipeline.connectors.vinoshipper.client import VinoshipperClient
from vs_st_pipeline.connectors.vinoshipper.hooks import HOOKS
from vs_st_pipeline.connectors.vinoshipper.limitations import read_limitations
from vs_st_pipeline.connectors.vinoshipper.names import TITLE, VINOSHIPPER
from vs_st_pipeline.connectors.vinoshipper.plan_inputs import PLAN_INPUTS, PLAN_VERSION
from vs_st_pipeline.connectors.vinoshipper.rereads import REREADING
from vs_st_pipeline.connectors.vinoshipper.settings import VinoshipperSettings
from vs_st_pipeline.connectors.vinoshipper.setup import SETUP
from vs_st_pipeline.connectors.vinoshipper.streams import STREAMS
from vs_st_pipeline.platform.connector import Account, Connector
from vs_st_pipeline.platform.settings.merchants import Merchant


def _account(merchant: Merchant) -> Account:
    settings = merchant.section(VinoshipperSettings)
    return Account(settings.base_url, settings.api_key, settings.requests_per_second)


CONNECTOR = Connector(
    VINOSHIPPER,
    TITLE,
    _account,
    VinoshipperClient,
    VinoshipperSettings,
    streams=STREAMS,
    plan_inputs=PLAN_INPUTS,
    plan_version=PLAN_VERSION,
    limitations=read_limitations,
    prune=retention.prune,
    find_named=traces.find_named,
    find_person=traces.find_person,
    find_suppressed=traces.find_suppressed,
    migrations=resources.files(__name__) / "sql",
    rereading=REREADING,
    hooks=HOOKS,
    setup=SETUP,
)
