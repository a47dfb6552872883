"""Calls Gupshup's self-serve API for one account: one method per call that is used (notices.md 2.4, 5.9, 7.2, 8.5)."""

from __future__ import annotations

from vs_st_pipeline.connectors.gupshup.names import GUPSHUP
from vs_st_pipeline.connectors.gupshup.settings import GupshupAccount
from vs_st_pipeline.platform.http.client import HttpClient, NoKey, Pace


class GupshupClient:
    """One account's client."""

    def __init__(self, account: GupshupAccount, pace: Pace) -> None:
        self.account = account
        self.http = HttpClient(system=GUPSHUP, base_url=account.base_url, auth=NoKey(), pace=pace, give_up_after=60.0)
