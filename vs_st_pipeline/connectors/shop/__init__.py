"""Connects to any custom website, by files that it drops and events that it posts (audience.md 4.3, 4.4)."""

from __future__ import annotations

from importlib import resources

from vs_st_pipeline.connectors.shop.names import SHOP, TITLE
from vs_st_pipeline.connectors.shop.settings import ShopSettings
from vs_st_pipeline.platform.connector import Account, Connector
from vs_st_pipeline.platform.http.client import HttpClient, Pace
from vs_st_pipeline.platform.settings.merchants import Merchant


class ShopClient:
    """Stands where other systems have a client: a shop is never called."""

    http: HttpClient

    def __init__(self, merchant: Merchant, pace: Pace) -> None:
        raise NotImplementedError


def _account(merchant: Merchant) -> Account:
    raise NotImplementedError


CONNECTOR = Connector(SHOP, TITLE, _account, ShopClient, ShopSettings, migrations=resources.files(__name__) / "sql")
