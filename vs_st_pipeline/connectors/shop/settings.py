"""The settings of the generic shop in a merchant's entry, section `shop` (audience.md 2; routes.md R9, R10)."""

from __future__ import annotations

from vs_st_pipeline.platform.settings.forms import OrNull, Text
from vs_st_pipeline.platform.settings.model import SettingsModel


class ShopSettings(SettingsModel):
    """Where a site leaves its data.

    Attributes:
        drop: a folder of drops (4.3); None: it only posts.
    """

    drop: OrNull[Text] = None
