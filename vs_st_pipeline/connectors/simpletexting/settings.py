"""The settings of SimpleTexting in a merchant's entry, section `simpletexting`."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from vs_st_pipeline.platform.settings.forms import BaseUrl, Interval, Rate, SecretValue, Wait, Whole
from vs_st_pipeline.platform.settings.model import SettingsModel

USUAL_URL = "https://api-app2.simpletexting.com/v2"


class SimpleTextingSettings(SettingsModel):
    """How to speak to SimpleTexting for one merchant.

    Attributes:
        base_url: without a slash at the end; paths under it start `/api`.
        requests_per_second: above 0; shared by all processes that speak with this key and share a data folder.
        full_read: how often all contacts are read instead of those updated since; zero means in every sync.
        write_one_by_one_up_to: more changed contacts than this go by batch; 0 or more.
        batch_wait: how long a batch may take to be done; above zero.
        api_token: of the account, from its settings (API).
    """

    base_url: Annotated[str, BaseUrl("/api", after="/v2", usual=USUAL_URL)] = USUAL_URL
    api_token: SecretValue
    requests_per_second: Rate = 2.0
    full_read: Interval = timedelta(hours=24)
    write_one_by_one_up_to: Annotated[int, Whole(0, 1_000_000)] = 100
    batch_wait: Wait = timedelta(seconds=120)
