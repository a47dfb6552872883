"""The settings of Vinoshipper in a merchant's entry, section `vinoshipper`."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Annotated

from vs_st_pipeline.platform.settings.forms import BaseUrl, Interval, PastDate, Rate, SecretValue
from vs_st_pipeline.platform.settings.model import SettingsModel

USUAL_URL = "https://vinoshipper.com"


class Refresh(SettingsModel):
    """How often records are read again whose changes no list shows; zero means in every sync.

    Attributes:
        customer_list: the list of all customers.
        customer_details: one customer's details.
        open_orders: orders that may still change.
        settled_orders: orders that are delivered or over.
        reconcile: a day of the order history, compared with what is stored.
    """

    customer_list: Interval = timedelta(hours=1)
    customer_details: Interval = timedelta(hours=24)
    open_orders: Interval = timedelta(hours=1)
    settled_orders: Interval = timedelta(days=7)
    reconcile: Interval = timedelta(hours=24)


class VinoshipperSettings(SettingsModel):
    """How to speak to Vinoshipper for one merchant.

    Attributes:
        base_url: without a slash at the end; paths under it start `/api/v3/p`.
        requests_per_second: above 0; shared by all processes that speak with this key and share a data folder.
        history_from: how far back orders are looked for.
        api_key, api_secret: of the winery, from Account > Integrations > API Keys.
    """

    base_url: Annotated[str, BaseUrl("/api/v3/p", usual=USUAL_URL)] = USUAL_URL
    api_key: SecretValue
    api_secret: SecretValue
    requests_per_second: Rate = 1.0
    history_from: PastDate = date(2005, 1, 1)
    refresh: Refresh = Refresh()
