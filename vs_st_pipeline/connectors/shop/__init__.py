"""Connects to any custom website, by files that it drops and events that it posts (audience.md 4.3, 4.4)."""

from __future__ import annotations

from importlib import resources

from vs_st_pipeline.connectors.shop.hooks import HOOKS
from vs_st_pipeline.connectors.shop.names import SHOP, TITLE
from vs_st_pipeline.connectors.shop.settings import ShopSettings
from vs_st_pipeline.domain.errors import BadSettings
from vs_st_pipeline.platform.connector import Account, Connector
from vs_st_pipeline.platform.http.client import HttpClient, Pace
from vs_st_pipeline.platform.settings.merchants import Merchant
from vs_st_pipeline.platform.settings.secrets import Secret

_NEVER_CALLED = "a custom website is never called: it drops files and posts events"


class ShopClient:
    """Stands where other systems have a client: a shop is never called."""

    http: HttpClient

    def __init__(self, merchant: Merchant, pace: Pace) -> None:
        raise BadSettings(_NEVER_CALLED, system=SHOP)


def _account(merchant: Merchant) -> Account:
    return Account("https://shop.invalid", Secret(merchant.id, "of the merchants file"), 1.0)


CONNECTOR = Connector(
    SHOP, TITLE, _account, ShopClient, ShopSettings, migrations=resources.files(__name__) / "sql", hooks=HOOKS
)
