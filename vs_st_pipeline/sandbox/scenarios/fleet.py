"""Makes what happens to the fifty wineries of scenario `fleet` after their first sync: trouble, and new orders."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from vs_st_pipeline.sandbox.core.process import Sandbox
from vs_st_pipeline.sandbox.scenarios.fifty import (
    BLOCKED,
    BROKEN,
    CUT,
    DRIFTING,
    EXPIRED,
    GONE,
    REFUSED,
    REVOKED,
    SHARED,
    SHRUNK,
    STORIES,
)


def settings(box: Sandbox, folder: Path, *, troubled: bool) -> Path:
    """Write the merchants file; `troubled`: with a typing error in one entry."""
    entries: dict[str, dict[str, Any]] = {GONE: {"enabled": False}, SHARED: {"on_ambiguous_phone": "hold"}}
    if troubled:
        entries[BROKEN] = {"vinoshipper": {"requests_per_second": "fast"}}
    return box.write_settings(folder, entries, give_up_after="2s")


def trouble(box: Sandbox) -> None:
    """Make what has happened to some wineries since their first sync; the cut answers come with `late_trouble`."""
    shop, texting = box.vinoshipper.control, box.simpletexting.control
    shop.set_fault("401", merchant=REVOKED)
    texting.set_fault("401", merchant=EXPIRED)
    shop.set_fault("cloudflare_403", merchant=BLOCKED)
    shop.set_switch("unknown_status", True, DRIFTING)
    refused = [contact["contactPhone"] for contact in texting.contacts(REFUSED)[:3]]
    texting.set_switch("reject", dict.fromkeys(refused, "CONTACT_UPDATE_FAILED"), REFUSED)
    for merchant in (REFUSED, DRIFTING):
        for customer in shop.customers(merchant)[:4]:  # those that are contacts
            for _ in range(3):
                _order(box, merchant, customer["id"])
    for customer in shop.customers(SHRUNK)[:10]:
        shop.delete_customer(customer["id"], SHRUNK)


TROUBLED = (REVOKED, EXPIRED, BLOCKED, SHRUNK, REFUSED, DRIFTING, CUT)
"""Wineries whose trouble is some time old, and that had a good sync after that of all the others."""


def late_trouble(box: Sandbox) -> None:
    """Make what has happened just now."""
    box.vinoshipper.control.set_fault("truncated", merchant=CUT)


def life(box: Sandbox, how_many: int, chance: random.Random) -> None:
    """Order something for `how_many` customers of quiet wineries."""
    quiet = [merchant.id for merchant in box.merchants if merchant.id not in STORIES]
    for merchant in chance.sample(quiet, how_many):
        _order(box, merchant, chance.choice(box.vinoshipper.control.customers(merchant)[:4])["id"])


def _order(box: Sandbox, merchant: str, customer_id: int) -> None:
    at = datetime.now(UTC).isoformat(timespec="seconds")
    box.vinoshipper.control.add_order(customer_id, merchant, purchasedAt=at, total="64.00", cartType="WEB")
