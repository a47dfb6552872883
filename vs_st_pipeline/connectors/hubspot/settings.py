"""The settings of HubSpot in a merchant's entry, section `hubspot`."""

from __future__ import annotations

from typing import Annotated, Literal

from vs_st_pipeline.platform.settings.forms import BaseUrl, Choice, DefaultOrFile, OwnFile, Rate, SecretValue, Text
from vs_st_pipeline.platform.settings.model import SettingsModel

USUAL_URL = "https://api.hubapi.com"


class HubSpotSettings(SettingsModel):
    """How to speak to HubSpot for one merchant.

    Attributes:
        base_url: without a slash at the end; paths under it start `/crm` and the like.
        api_version: the date that stands in every path; HubSpot brings out one each March and September.
        token: of a private app or a service key.
        requests_per_second: above 0; shared by all processes that speak with this key and share a data folder.
        without_consent: what becomes of people without a consent: nothing is written, or their fields are.
        field_map: which property gets what.
    """

    base_url: Annotated[str, BaseUrl("/crm", usual=USUAL_URL)] = USUAL_URL
    api_version: Text = "2026-03"
    token: SecretValue
    requests_per_second: Rate = 5.0
    without_consent: Choice[Literal["skip", "record"]] = "skip"
    field_map: DefaultOrFile = OwnFile()
