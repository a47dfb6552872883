"""Connects to WayMore (Routee), which runs a shop owner's automations on what it is told."""

from __future__ import annotations

from urllib.parse import urlsplit

from vs_st_pipeline.connectors.waymore.client import WaymoreClient
from vs_st_pipeline.connectors.waymore.names import TITLE, WAYMORE
from vs_st_pipeline.connectors.waymore.settings import WaymoreSettings, same_site
from vs_st_pipeline.platform.connector import Account, Connector
from vs_st_pipeline.platform.settings.merchants import Merchant


def _account(merchant: Merchant) -> Account:
    settings = merchant.section(WaymoreSettings)
    url = urlsplit(settings.endpoints.event)
    # A registration is one uuid and one domain; the uuid is in a file of its own, so the domain stands for it.
    return Account(
        f"{url.scheme}://{url.netloc}",
        settings.secret,
        settings.requests_per_second,
        limited_by=same_site(settings.domain),
    )


CONNECTOR = Connector(WAYMORE, TITLE, _account, WaymoreClient, WaymoreSettings)
