"""Makes what happens to parcels and customers between the acts of the demo of route `notices`, and in `make ui`."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from typing import Final

from vs_st_pipeline.sandbox.core.process import Sandbox
from vs_st_pipeline.sandbox.scenarios.parcels import ASHA
from vs_st_pipeline.sandbox.scenarios.parcels_accounts import KAPASKRAFT, MITTI_HOME, OWN, SHARED, TITLES, sender_of

BRAND, ORDER, CUSTOMER, PHONE = KAPASKRAFT, "KK1001", "Asha", ASHA
HALF_AN_HOUR, TEN_MINUTES = 1_800.0, 600.0
WORDS: Final = {
    "ACTF001": "to try again",
    "ACTF002": "to come on another day",
    "ACTF003": "to cancel the order",
    "ACTF004": "to try again, since the customer was there",
}
WAIT_SECONDS = 10.0


def paste(box: Sandbox, system: str, merchant: str, url: str) -> list[str]:
    """Tell a system where to call, as a person does who pastes the URL: of a workspace, or of its own account."""
    if system == "eshopbox":
        keys = box.eshopbox.control.keys(merchant)
        box.eshopbox.control.begin_hooks(url, keys["header_value"], merchant)
        return [f"The URL for Eshopbox is registered with the workspace {keys['workspace']}."]
    sender = sender_of(merchant)
    if sender is SHARED:  # its URL is the account's, not the merchant's
        return ["Gupshup calls by the house's own URL."]
    box.gupshup.control.set_callback_url(sender.id, url)
    return ["The URL for Gupshup is pasted into the app's settings."]


def fails(box: Sandbox) -> list[str]:
    """Let half an hour go by, and a delivery fail."""
    _later(box, HALF_AN_HOUR)
    box.eshopbox.control.advance(ORDER, "failed_delivery", BRAND, reason="Customer not available")
    _send_hooks(box)
    return [f"The courier rings at {CUSTOMER}'s door, and nobody opens: order {ORDER} is not delivered."]


def taps(box: Sandbox) -> list[str]:
    """Let the customer read what was sent, and tap its first button."""
    _later(box, TEN_MINUTES)
    sent = [one for one in box.gupshup.control.sends(OWN.id) if one["destination"] == PHONE.removeprefix("+")]
    if not sent:
        return [f"{CUSTOMER} has got no message."]
    if box.gupshup.control.keys(OWN.id)["callback_url"] is None:
        return ["Gupshup was not told whom to call."]
    box.gupshup.control.flush_callbacks(OWN.id)
    box.gupshup.control.reply(PHONE, "button", button=TITLES["reattempt"], account=OWN.id)
    box.gupshup.control.flush_callbacks(OWN.id)
    return [f'{CUSTOMER} reads "{sent[-1]["text"]}"', f'{CUSTOMER} taps "{TITLES["reattempt"]}".']


def told(box: Sandbox) -> list[str]:
    """Say what Gupshup sent for the brand, and what Eshopbox was asked to do."""
    sent = box.gupshup.control.sends(OWN.id)
    done = [one for one in box.eshopbox.control.resolutions(BRAND) if one["did"] == "submitted"]
    said = [f"Gupshup has taken {len(sent)} message{'' if len(sent) == 1 else 's'} of KapasKraft's."]
    for one in done:
        body = one["body"]
        said.append(f"Eshopbox was asked {WORDS[body['resolutionCode']]}: order {body['customerOrderNumber']}.")
    return said if done else [*said, "Eshopbox was asked nothing."]


ACTS: Final[Mapping[str, Callable[[Sandbox], list[str]]]] = {
    "parcel_fails": fails,
    "customer_taps": taps,
    "parcels_told": told,
}
"""By the word that the demo says."""


def _later(box: Sandbox, seconds: float) -> None:
    for handle in box.running.values():
        if hasattr(handle.control, "move_clock"):
            handle.control.move_clock(seconds)


def _send_hooks(box: Sandbox) -> None:
    """Send what waits, and wait until it has come."""
    control, until = box.eshopbox.control, time.monotonic() + WAIT_SECONDS
    control.send_hooks(None, BRAND)
    while any(one["state"] in ("waiting", "sending") for one in control.deliveries(BRAND)):
        if time.monotonic() > until:
            return
        time.sleep(0.02)


# --- `make ui` --------------------------------------------------------------------------------------------------------


def life(box: Sandbox, chance: random.Random) -> None:
    """Let somebody order at either brand, and a parcel go on; some deliveries fail."""
    for merchant, account in ((KAPASKRAFT, OWN.id), (MITTI_HOME, SHARED.id)):
        phone = f"+9197{chance.randint(10**7, 10**8 - 1)}"
        box.eshopbox.control.order(merchant, phone=phone, name=f"Guest {phone[-4:]}")
        box.gupshup.control.allow(phone, account)
        moving = [
            one["customerOrderNumber"]
            for one in box.eshopbox.control.orders(merchant)
            if one["shipments"] and next(iter(one["shipments"].values()))["timeline"][-1]["status"] not in _ENDED
        ]
        status = chance.choice(["packed", "dispatched", "out_for_delivery", "failed_delivery", "delivered"])
        box.eshopbox.control.advance(chance.choice(moving), status, merchant)


_ENDED = ("delivered", "cancelled_order", "rto_created")
