"""Writes the settings of route `audience`: a merchant's own shop, wherever it is kept, and its account at WayMore."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from vs_st_pipeline.sandbox.core.asgi import Record
from vs_st_pipeline.sandbox.scenarios.shop_worlds import (
    CORNER_SHOP,
    RIVER_BEND,
    SOURCE_OF,
    STONE_MILL,
    account_at_waymore,
)

NOWHERE = "http://127.0.0.1:9"


class _Keys(Protocol):
    @property
    def id(self) -> str: ...
    @property
    def vs_key(self) -> str: ...
    @property
    def vs_secret(self) -> str: ...
    @property
    def st_token(self) -> str: ...


def shop_sections(
    merchant: _Keys, urls: Mapping[str, str], keys: Mapping[str, Any], folder: Path, kept: Callable[[str, str], str]
) -> Record:
    """Return the sections of a merchant of scenarios `shop_small` and `shop:N`.

    A winery whose texting service runs as well has that section too, and so route `contacts`.

    Args:
        urls: of the stand-ins that run, by system. keys: those that a stand-in gave the merchant, by system.
        folder: where the merchants file lies; drops go into a folder beside it. kept: stores a secret, by file name.
    """
    id, found = merchant.id, waymore_section(merchant.id, urls.get("waymore", NOWHERE), kept)
    if id == RIVER_BEND:
        found["vinoshipper"] = {
            "base_url": urls.get("vinoshipper", NOWHERE),
            "api_key": kept(f"{id}.vs_key", merchant.vs_key),
            "api_secret": kept(f"{id}.vs_secret", merchant.vs_secret),
        }
        if "simpletexting" in urls:
            token = kept(f"{id}.st_token", merchant.st_token)
            found["simpletexting"] = {"base_url": urls["simpletexting"] + "/v2", "api_token": token}
    elif id == STONE_MILL:
        there = keys["commerce7"]
        found["commerce7"] = {
            "base_url": urls["commerce7"] + "/v1",
            "tenant": there["tenant"],
            "app_id": kept(f"{id}.c7_app_id", there["app_id"]),
            "app_secret": kept(f"{id}.c7_app_secret", there["app_secret"]),
            "requests_per_minute": 100,
        }
    elif id == CORNER_SHOP:
        found["shop"] = {"drop": str(drop_of(folder, id))}
    return found


def waymore_section(merchant: str, url: str, kept: Callable[[str, str], str]) -> Record:
    """Return the section `waymore`."""
    account = account_at_waymore(merchant)
    return {
        "waymore": {
            "source": SOURCE_OF[merchant],
            "username": kept(f"{merchant}.wm_username", account["username"]),
            "password": kept(f"{merchant}.wm_password", account["password"]),
            "domain": account["domain"],
            "endpoints": {
                "auth": f"{url}/api/authenticate",
                "data": f"{url}/api/data",
                "event": f"{url}/api/event",
            },
        }
    }


def drop_of(folder: Path, merchant: str) -> Path:
    """Return the folder into which a merchant's site drops, made where it is missing."""
    path = (folder / "drop" / merchant).resolve()
    path.mkdir(parents=True, exist_ok=True)
    return path
