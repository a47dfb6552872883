"""Makes the brand that `notices` measures: its settings, its orders at Eshopbox, its templates at Gupshup."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

Record = dict[str, Any]
BRAND = "brand"
INDIA = timedelta(hours=5, minutes=30)
TEMPLATES: dict[str, tuple[str, list[str], list[str]]] = {
    "created": ("Hi {{1}}, we have your order {{2}}.", ["customer_name", "customer_order_id"], []),
    "on_the_way": ("Your order {{1}} is on its way to {{2}}.", ["customer_order_id", "city"], []),
    "failed_delivery": (
        "Hi {{1}}, we could not deliver your order {{2}}. What shall we do?",
        ["customer_name", "customer_order_id"],
        ["reattempt", "cancel"],
    ),
}
"""By status: the text, what fills its placeholders, what its quick replies do."""
TITLES = {"reattempt": "Reattempt delivery", "cancel": "Cancel order"}
STEPS = (("created", "on_the_way"), ("created", "on_the_way", "failed_delivery"))
"""What has become of every other order: 100,000 events of 40,000 orders."""


def number_of(index: int) -> str:
    """An order's number."""
    return f"B{index:06d}"


def order(index: int, at: datetime, steps: tuple[str, ...], gap: timedelta = timedelta(minutes=20)) -> Record:
    """Return an order as Eshopbox answers.

    Args:
        at: of its last step, UTC without zone. steps: what became of its parcel, oldest first, so far apart.
    """
    times = [_text(at - gap * (len(steps) - 1 - place)) for place in range(len(steps))]
    address = {"customerName": "Asha Rao", "addressLine1": "12 MG Road", "addressLine2": "Near Park",
               "city": "Bengaluru", "state": "Karnataka", "postalCode": "560001", "countryCode": "IN",
               "contactPhone": str(9_000_000_000 + index), "email": "asha.rao@example.com"}  # fmt: skip
    item = {"lineItemSequenceNumber": 1, "orderItemID": f"{index}-1", "sku": "TS-M-01", "productName": "Cotton T-shirt",
            "quantity": 1, "customerPrice": 499.0, "lineItemTotal": 499.0, "externalShipmentID": f"S{index}",
            "courierName": "BlueDart", "trackingID": f"T{index}", "status": steps[-1], "statusUpdatedAt": times[-1],
            "timeline": [{"status": step, "time": time} for step, time in zip(steps, times, strict=True)]}  # fmt: skip
    return {"id": index, "customerOrderNumber": number_of(index), "vendorOrderNumber": f"V{index}",
            "orderDate": times[0], "paymentType": "Prepaid", "isCOD": 0, "orderTotal": 499.0, "brand": "Brand",
            "invoiceNumber": f"I{index}", "isWhatsAppEnabledForNotifications": 1, "shippingAddress": address,
            "billingAddress": address, "items": [item], "returns": []}  # fmt: skip


def _text(at: datetime) -> str:
    return f"{at + INDIA:%Y-%m-%d %H:%M:%S}"


def templates() -> list[Record]:
    """Return the list of templates as Gupshup answers."""
    found = []
    for status, (text, _, buttons) in TEMPLATES.items():
        meta = {"data": text, "buttons": [{"type": "QUICK_REPLY", "text": TITLES[one]} for one in buttons]}
        found.append(
            {"id": f"t-{status}", "elementName": status, "status": "APPROVED", "category": "UTILITY", "data": text,
             "languageCode": "en", "templateType": "TEXT", "containerMeta": json.dumps(meta)}
        )  # fmt: skip
    return found


def entry(merchant: str, url: str) -> Record:
    """Return a merchant's entry: all statuses that there are templates for, no rate, no brake."""
    base = {"base_url": url, "requests_per_second": 100_000}
    account = {"kind": "client", "api_key": "env:BENCH_KEY", "app_name": f"app-{merchant}", "app_id": f"id-{merchant}",
               "number": f"+9198{sum(map(ord, merchant)):08d}", "daily_recipients": "unlimited", **base}  # fmt: skip
    told = {
        status: {
            "enabled": True, "quiet_hours": "ignore",
            "template": {"id": f"t-{status}", "params": list(params), "buttons": list(buttons)},
        }
        for status, (_, params, buttons) in TEMPLATES.items()
    }  # fmt: skip
    return {
        "id": merchant,
        "name": merchant,
        "time_zone": "Asia/Kolkata",
        "eshopbox": {"workspace": merchant, "client_id": "env:BENCH_KEY", "client_secret": "env:BENCH_KEY",
                     "refresh_token": "env:BENCH_KEY", "workspace_url": f"{url}/w/{merchant}",
                     "auth_url": f"{url}/api/v1/generateToken", "refresh": {"open_orders": "7d"}, **base},
        "notices": {"accounts": [account], "countries": ["IN"], "quiet_hours": "none", "notifications": told,
                    "settle": "0s", "flood_limit": 1_000_000},
    }  # fmt: skip


def write_settings(folder: Path, url: str) -> Path:
    """Write the merchants file of the one brand; returns where it is."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "merchants.yaml"
    whole = {"defaults": {"time_zone": "Asia/Kolkata"}, "merchants": [entry(BRAND, url)]}
    path.write_text(yaml.safe_dump(whole, sort_keys=False), encoding="utf-8")
    return path
