"""Makes what happens at the shop and on people's phones between the acts of the demo."""

from __future__ import annotations

import re
import time
from datetime import datetime

from vs_st_pipeline.sandbox.core.clients import Record
from vs_st_pipeline.sandbox.core.process import Sandbox
from vs_st_pipeline.sandbox.scenarios.fixtures import PACIFIC

BRAM = 700103


def shop_changes(box: Sandbox) -> list[str]:
    """Change five things at the first merchant and say in plain sentences what changed for which customer (masked)."""
    merchant = box.merchants[0]
    shop, texting = box.vinoshipper.control, box.simpletexting.control
    now = box.now.astimezone(PACIFIC)
    said = []

    renske = shop.customer(700108)
    shop.patch_order(
        "TW 2026/0007",
        orderStatus="SHIPPED",
        shippedAt=now.isoformat(timespec="seconds"),
        shipping={"packages": [{"carrier": "UPS", "trackingNumber": "1ZEXAMPLE0000000021"}]},
    )
    said.append(f"At {merchant.name} the parcel of {masked(renske)} leaves with UPS.")

    bram = shop.customer(BRAM)
    order = shop.add_order(BRAM, purchasedAt=now.isoformat(timespec="seconds"), total="88.40", cartType="WEB")
    said.append(f"{masked(bram)} orders for ${order['total']:.2f}.")

    marisol = shop.customer(700101)
    membership = marisol["memberships"][0]
    shop.patch_membership(membership["id"], hold=True, holdReason="travelling")
    said.append(f"{masked(marisol)} puts her membership of {membership['clubName']} on hold.")

    newcomer, phone = _without_contact(shop.customers(), texting.contacts())
    texting.add_contact(phone)
    said.append(f"{masked(newcomer)} joins by text.")

    texting.opt_out("7075550149")
    said.append(f"{masked(shop.customer(700110))} texts STOP.")
    return said


def ship(box: Sandbox) -> str:
    """Ship the newest order of Bram at the first merchant, whose shop tells of it by webhook, and say so."""
    merchant, shop = box.merchants[0], box.vinoshipper.control
    shop.set_switch("auto_webhooks", "on")
    orders = [order for order in shop.orders() if (order["customer"] or {}).get("id") == BRAM]
    number = max(orders, key=lambda order: str(order["purchasedAt"]))["orderNumber"]
    shop.patch_order(
        number,
        orderStatus="SHIPPED",
        shippedAt=datetime.now(PACIFIC).isoformat(timespec="seconds"),
        shipping={"packages": [{"carrier": "FedEx", "trackingNumber": "EXAMPLE0000000077"}]},
    )
    return f"The new order of {masked(shop.customer(BRAM))} leaves {merchant.name} with FedEx."


def told(box: Sandbox, seconds: float = 30.0) -> list[str]:
    """Wait until Bram's contact says what `ship` did, and say it; nothing where it does not come in time."""
    texting, began = box.simpletexting.control, time.monotonic()
    while time.monotonic() - began < seconds:
        for contact in texting.contacts():
            says = contact["customFields"]
            if str(says.get("vscustomerid")).strip() == str(BRAM) and says.get("order_status") == "Shipped":
                after = time.monotonic() - began
                return [
                    f"{after:.1f} seconds later the contact ***-***-{contact['contactPhone'][-4:]} says:",
                    f"Order Status {says['order_status']}, Tracking Number ***{str(says.get('tracking_number'))[-4:]}.",
                ]
        time.sleep(0.05)
    return []


def masked(customer: Record) -> str:
    """Return a person's first name, initial and the last two digits of the phone."""
    number = re.sub(r"\D", "", (customer.get("primaryPhone") or {}).get("number") or "")
    return f"{customer['firstName'] or '?'} {customer['lastName'][:1]}. (***{number[-2:] or '--'})"


def _without_contact(customers: list[Record], contacts: list[Record]) -> tuple[Record, str]:
    known = {contact["contactPhone"] for contact in contacts}
    # From the back: ordinary people come after the awkward ones.
    for customer in reversed(customers):
        digits = re.sub(r"\D", "", (customer["primaryPhone"] or {}).get("number") or "")
        phone = digits[1:] if len(digits) == 11 and digits.startswith("1") else digits
        if len(phone) == 10 and phone[0] not in "01" and phone not in known:
            return customer, phone
    raise LookupError("every customer has a contact already")
