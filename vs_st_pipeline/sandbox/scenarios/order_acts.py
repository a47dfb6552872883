"""Makes what happens at Commerce7 and Vinoshipper between the acts of the demo of route `orders`, and in `make ui`."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from typing import Final

from vs_st_pipeline.sandbox.core.process import Sandbox

WINERY: Final = "hillside"
PLAIN, WRONG, PREFIX = 1204, 1205, "HILLSIDE"
DAY: Final = 86_400.0
TRACKING: Final = "1Z999AA10123456784"


def on(box: Sandbox) -> list[str]:
    """Let both systems call for whatever changes from now on."""
    for handle in (box.commerce7, box.vinoshipper):
        handle.control.set_switch("auto_webhooks", "on")
    count = len(box.commerce7.control.orders(WINERY))
    return [f"Hillside charges its club members: {count} orders wait at Commerce7."]


def buy(box: Sandbox) -> list[str]:
    """Let two people buy, of whom one types the ZIP of another state."""
    shop = box.commerce7.control
    shop.place(WINERY, lines=[{"sku": "PINOT22", "quantity": 2}], state="CA")
    shop.place(WINERY, lines=[{"sku": "ZIN21", "quantity": 1}], state="CA", shipTo={"zipCode": "10014"})
    _until_told(box)
    return [
        f"Order {PLAIN} is paid.",
        f"Order {WRONG} is paid, to California with a ZIP of New York.",
    ]


def mend(box: Sandbox) -> list[str]:
    """Let somebody put that address right."""
    box.commerce7.control.patch_order(str(WRONG), WINERY, shipTo={"zipCode": "95472"})
    _until_told(box)
    return [f"Somebody calls the customer, and puts the ZIP of order {WRONG} right at Commerce7."]


def parcel(box: Sandbox) -> list[str]:
    """Let a day pass, and a parcel leave."""
    for handle in box.running.values():
        handle.control.move_clock(DAY)
    number = f"{PREFIX}-{PLAIN}"
    box.vinoshipper.control.advance(number, WINERY, to="LABELS_GENERATED")
    box.vinoshipper.control.track(number, WINERY, TRACKING)
    box.vinoshipper.control.advance(number, WINERY, to="SHIPPED")
    _until_told(box)
    return [f"Vinoshipper packs {number}, and UPS scans the parcel."]


def mails(box: Sandbox) -> list[str]:
    """Say whom Commerce7 mailed."""
    sent = box.commerce7.control.mails(WINERY)
    if not sent:
        return ["Commerce7 has mailed nobody."]
    return [
        f"Commerce7 has mailed the buyer of order {one['order_number']} once: {', '.join(one['tracking'])}."
        for one in sent
    ]


ACTS: Final[Mapping[str, Callable[[Sandbox], list[str]]]] = {
    "orders_on": on,
    "orders_buy": buy,
    "orders_mend": mend,
    "orders_parcel": parcel,
    "orders_mails": mails,
}
"""By the word that the demo says."""


def _until_told(box: Sandbox, seconds: float = 8.0) -> None:
    """Wait until every call that is on its way was taken."""
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        calls = [one for handle in (box.commerce7, box.vinoshipper) for one in handle.control.deliveries()]
        if all(one.get("state") not in ("waiting", "sending") for one in calls):
            return
        time.sleep(0.02)


# --- `make ui` --------------------------------------------------------------------------------------------------------


def awkward(box: Sandbox) -> None:
    """Let some buy whose orders need a person, and let both systems call for what changes."""
    shop = box.commerce7.control
    shop.place(WINERY, lines=[{"sku": "PINOT22", "quantity": 1}], state="CA", shipTo={"zipCode": "10014"})
    shop.place(WINERY, lines=[{"sku": "LIBRARY", "quantity": 1}], state="CA")
    shop.place(WINERY, lines=[{"sku": "ZIN21", "quantity": 3}], state="TX", shipTo={"address": "PO Box 12"})
    shop.place(WINERY, lines=[{"sku": "ROSE24", "quantity": 2}], state="FL")
    for handle in (box.commerce7, box.vinoshipper):
        handle.control.set_switch("auto_webhooks", "on")


def life(box: Sandbox, chance: random.Random) -> None:
    """Let somebody buy, now and then to a state that was not chosen, and a parcel that is there go on."""
    states, there = ("CA", "NY", "TX", "CA", "FL"), box.vinoshipper.control
    lines = [{"sku": chance.choice(("PINOT22", "ZIN21", "CHARD23")), "quantity": chance.randint(1, 6)}]
    box.commerce7.control.place(WINERY, lines=lines, state=chance.choice(states))
    ours = [one for one in there.orders(WINERY) if str(one.get("orderNumber", "")).startswith(f"{PREFIX}-")]
    waiting = [one for one in ours if one.get("orderStatus") == "OPEN"]
    if waiting:
        number = chance.choice(waiting)["orderNumber"]
        there.track(number, WINERY, f"1Z999AA1{chance.randint(10**9, 10**10 - 1)}")
        there.advance(number, WINERY, to="SHIPPED")
