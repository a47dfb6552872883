"""The settings of the generic shop in a merchant's entry, section `shop` (audience.md 2; routes.md R9, R10)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from vs_st_pipeline.platform.settings.forms import Form, OrNull, Reading
from vs_st_pipeline.platform.settings.model import SettingsModel
from vs_st_pipeline.platform.settings.yaml_source import Node


def _folder(node: Node, reading: Reading) -> Path:
    return reading.folder_of(node) / node.text()


class ShopSettings(SettingsModel):
    """Where a site leaves its data.

    Attributes:
        drop: a folder of drops (4.3), absolute; None: the site only posts.
    """

    drop: OrNull[Annotated[Path, Form(_folder, "the path of a folder")]] = None
