"""Writes the settings of route `notices`: a workspace at Eshopbox, and the account at Gupshup that a merchant sends by.

In a written world nobody waits for the morning: quiet hours are off.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from vs_st_pipeline.sandbox.core.asgi import Record
from vs_st_pipeline.sandbox.scenarios.parcels_accounts import (
    CONFIRMED,
    HOUSE,
    SHARED,
    STATUSES,
    Sender,
    sender_of,
)

ENABLED = ("failed_delivery",)
"""What is announced from the start: the seed's first phase."""
NOWHERE = "http://127.0.0.1:9"


def parcel_sections(
    merchant: str, urls: Mapping[str, str], keys: Mapping[str, Any], kept: Callable[[str, str], str]
) -> Record:
    """Return the sections of a merchant of scenarios `parcels` and `parcels:N`.

    Args:
        urls: of the stand-ins that run, by system. keys: those that Eshopbox gave the merchant; {}: it does not run.
        kept: stores a secret, by file name.
    """
    url, own = urls.get("eshopbox", NOWHERE), dict(keys)
    told = {
        name: kept(f"{merchant}.eb_{name}", str(own.get(name, name)))
        for name in ("client_id", "client_secret", "refresh_token")
    }
    slug = str(own.get("workspace", merchant))
    return {
        "time_zone": "Asia/Kolkata",
        "eshopbox": {
            "workspace": slug,
            **told,
            "base_url": url,
            "workspace_url": f"{url}/w/{slug}",
            "auth_url": f"{url}/api/v1/generateToken",
            "requests_per_second": 500,
        },
        "webhooks": {
            "eshopbox": {
                "header": str(own.get("header", "x-api-key")),
                "header_value": kept(f"{merchant}.eb_hook_key", str(own.get("header_value", "hook-key"))),
            }
        },
        "notices": _notices(merchant, urls, kept, "IN"),
    }


def winery_notices(merchant: str, urls: Mapping[str, str], kept: Callable[[str, str], str]) -> Record:
    """Return section `notices` of a winery: by the house's account, to customers who opt in as they order.

    Args:
        urls, kept: as `parcel_sections` takes them.
    """
    attested = {"text": "Tell me of my order on WhatsApp.", "by": "Asha Rao", "from": "2020-01-01"}
    chosen = {"opt_in": ["gupshup_event", "gupshup_list", "attestation"], "attestation": attested}
    return {"notices": {**_notices(merchant, urls, kept, "US"), **chosen}}


def _notices(merchant: str, urls: Mapping[str, str], kept: Callable[[str, str], str], country: str) -> Record:
    sender = sender_of(merchant)
    return {
        "accounts": [_installed(merchant, sender, urls, kept)],
        "countries": [country],
        "quiet_hours": "none",
        "notifications": {status: _notification(merchant, sender, status) for status in STATUSES},
    }


def shared_accounts(merchants: Iterable[str], urls: Mapping[str, str], kept: Callable[[str, str], str]) -> Record:
    """Return what stands at the top of the file: `gupshup_accounts`, where a merchant sends by the house's."""
    if all(sender_of(one) is not SHARED for one in merchants):
        return {}
    templates = {status: SHARED.setting(status) for status in STATUSES}
    return {"gupshup_accounts": {HOUSE: {**_account(SHARED, urls, kept), "templates": templates}}}


def _installed(merchant: str, sender: Sender, urls: Mapping[str, str], kept: Callable[[str, str], str]) -> Record:
    if sender is SHARED:
        return {"kind": "house", "account": HOUSE, "charges_confirmed": dict(CONFIRMED)}
    return {"kind": "client", **_account(sender, urls, kept)}


def _account(sender: Sender, urls: Mapping[str, str], kept: Callable[[str, str], str]) -> Record:
    return {
        "base_url": urls.get("gupshup", NOWHERE),
        "api_key": kept(f"{sender.prefix}.gs_key", sender.api_key),
        "app_name": sender.app_name,
        "app_id": sender.app_id,
        "number": sender.number,
        "requests_per_second": 500,
    }


def _notification(merchant: str, sender: Sender, status: str) -> Record:
    own: Record = {"enabled": status in ENABLED}
    return own if sender is SHARED else {**own, "template": sender.setting(status)}
