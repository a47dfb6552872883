"""Connects to SimpleTexting, where contacts live and values are written."""

from __future__ import annotations

from importlib import resources

from vs_st_pipeline.connectors.simpletexting import retention, traces
from vs_st_pipeline.connectors.simpletexting.client import SimpleTextingClient
from vs_st_pipeline.connectors.simpletexting.hooks import HOOKS
from vs_st_pipeline.connectors.simpletexting.looks import LOOKING
from vs_st_pipeline.connectors.simpletexting.names import SIMPLETEXTING, TITLE
from vs_st_pipeline.connectors.simpletexting.plan_inputs import PLAN_INPUTS, PLAN_VERSION
from vs_st_pipeline.connectors.simpletexting.rereads import REREADING
from vs_st_pipeline.connectors.simpletexting.settings import SimpleTextingSettings
from vs_st_pipeline.connectors.simpletexting.setup import SETUP
from vs_st_pipeline.connectors.simpletexting.streams import STREAMS
from vs_st_pipeline.platform.connector import Account, Connector
from vs_st_pipeline.platform.settings.merchants import Merchant


def _account(merchant: Merchant) -> Account:
    settings = merchant.section(SimpleTextingSettings)
    return Account(settings.base_url, settings.api_token, settings.requests_per_second)


CONNECTOR = Connector(
    SIMPLETEXTING,
    TITLE,
    _account,
    SimpleTextingClient,
    SimpleTextingSettings,
    streams=STREAMS,
    plan_inputs=PLAN_INPUTS,
    plan_version=PLAN_VERSION,
    prune=retention.prune,
    find_named=traces.find_named,
    find_person=traces.find_person,
    find_suppressed=traces.find_suppressed,
    migrations=resources.files(__name__) / "sql",
    rereading=REREADING,
    looking=LOOKING,
    hooks=HOOKS,
    setup=SETUP,
)
