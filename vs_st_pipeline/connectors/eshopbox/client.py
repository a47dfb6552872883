"""Calls Eshopbox for one workspace: one method per call that is used (notices.md 3.1, 3.2, 8.4)."""

from __future__ import annotations

from vs_st_pipeline.connectors.eshopbox.names import ESHOPBOX
from vs_st_pipeline.connectors.eshopbox.settings import EshopboxSettings
from vs_st_pipeline.platform.http.client import HttpClient, NoKey, Pace
from vs_st_pipeline.platform.settings.merchants import Merchant


class EshopboxClient:
    """One workspace's client."""

    def __init__(self, merchant: Merchant, pace: Pace) -> None:
        settings = merchant.section(EshopboxSettings)
        self.http = HttpClient(
            system=ESHOPBOX,
            base_url=settings.base_url,
            auth=NoKey(),
            pace=pace,
            give_up_after=merchant.give_up_after.total_seconds(),
        )
