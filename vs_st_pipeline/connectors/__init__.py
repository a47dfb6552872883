"""Connects to the systems: one folder per system; each knows its own API and nothing of its neighbors.

A new system is a folder here and a line in `CONNECTORS`.
"""

from __future__ import annotations

from typing import Any

from vs_st_pipeline.connectors import (
    commerce7,
    eshopbox,
    gupshup,
    hubspot,
    klaviyo,
    salesforce,
    shop,
    simpletexting,
    sopost,
    vinoshipper,
    waymore,
)
from vs_st_pipeline.platform.connector import Connector

CONNECTORS: tuple[Connector[Any], ...] = (
    vinoshipper.CONNECTOR,
    simpletexting.CONNECTOR,
    commerce7.CONNECTOR,
    sopost.CONNECTOR,
    hubspot.CONNECTOR,
    klaviyo.CONNECTOR,
    salesforce.CONNECTOR,
    waymore.CONNECTOR,
    shop.CONNECTOR,
    eshopbox.CONNECTOR,
    gupshup.CONNECTOR,
)


def key_advice(system: str | None) -> str:
    """Return what else a person does where a system refuses a key that is right, `""` where there is nothing."""
    return next((one.key_advice for one in CONNECTORS if one.name == system), "")
