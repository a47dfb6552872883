"""Connects to WayMore (Routee), which runs a shop owner's automations on what it is told."""

from __future__ import annotations

from vs_st_pipeline.connectors.waymore.client import WaymoreClient
from vs_st_pipeline.connectors.waymore.names import TITLE, WAYMORE
from vs_st_pipeline.connectors.waymore.settings import WaymoreSettings
from vs_st_pipeline.platform.connector import Account, Connector
from vs_st_pipeline.platform.settings.merchants import Merchant


def _account(merchant: Merchant) -> Account:
    raise NotImplementedError


CONNECTOR = Connector(WAYMORE, TITLE, _account, WaymoreClient, WaymoreSettings)
