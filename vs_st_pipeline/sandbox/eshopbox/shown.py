"""Shows orders as Eshopbox's API does: an order's detail, a row of the list, tracking; each as the switches say."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from vs_st_pipeline.sandbox.core.asgi import Record
from vs_st_pipeline.sandbox.eshopbox.workspace import COMPLETE, Workspace, status_at, status_of

NO_DATE = "0000-00-00 00:00:00"
OPEN_DATES = ("expectedShipDate", "cancelledAt")
"""Dates of an order that it has not reached."""
_INDIAN = re.compile(r"\+91(\d{10})")


def local(text: str, switches: Record) -> str:
    """Return a kept time as Eshopbox writes it: `YYYY-MM-DD hh:mm:ss`, without a zone."""
    at = datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone(ZoneInfo(str(switches["clock_zone"])))
    return at.strftime("%Y-%m-%d %H:%M:%S")


def from_local(text: str, switches: Record) -> datetime | None:
    """Read a day or a time as Eshopbox writes it; None where it is none."""
    try:
        at = datetime.fromisoformat(text.replace("T", " "))
    except ValueError:
        return None
    return (at if at.tzinfo else at.replace(tzinfo=ZoneInfo(str(switches["clock_zone"])))).astimezone(UTC)


def phone(kept: str | None, switches: Record) -> str | None:
    """Return a phone as the order shows it; one that is no Indian number is shown as it was typed."""
    found = _INDIAN.fullmatch(kept or "")
    if not found:
        return kept
    digits = found[1]
    match switches["phone_form"]:
        case "plus91":
            return f"+91{digits}"
        case "leading_zero":
            return f"0{digits}"
        case "masked":
            return f"{digits[:2]}******{digits[-2:]}"
    return digits


def detail(space: Workspace, order: Record, switches: Record) -> Record:
    """Return an order as `GET /api/order/{customerOrderNumber}` answers it (W1-W3)."""
    address = {**order["shippingAddress"], "contactPhone": phone(order["shippingAddress"]["contactPhone"], switches)}
    hidden = {"shipments", "returns", "items", "shippingAddress", "billingAddress", "whatsapp", "orderDate"}
    shown: Record = {name: value for name, value in order.items() if name not in hidden}
    for name in ("created_at", "updated_at"):
        shown[name] = local(order[name], switches)
    shown["orderDate"] = local(order["orderDate"], switches) if order["orderDate"] else order["orderDate"]
    shown |= _open_dates(switches)
    shown |= {"shippingAddress": address, "billingAddress": {**order["billingAddress"], "contactPhone": None}}
    if switches["opt_in_flag"] == "always_1":
        shown["isWhatsAppEnabledForNotifications"] = 1
    elif switches["opt_in_flag"] == "present" and order["whatsapp"] is not None:
        shown["isWhatsAppEnabledForNotifications"] = int(bool(order["whatsapp"]))
    shipments = order["shipments"]
    shown["items"] = [_item(one, shipments.get(str(one.get("shipment"))), switches) for one in order["items"]]
    shown["returns"] = [_return(one, order, switches) for one in order["returns"].values()]
    failed = next((one["ndr"] for one in shipments.values() if one["ndr"]), None)
    if switches["ndr_details"] == "present":
        shown["ndrDetails"] = _ndr(failed, switches)
    return shown


def row(space: Workspace, order: Record, switches: Record) -> Record:
    """Return a row of `GET /api/v1/orders/erp` (W4)."""
    knows = switches["status_in_detail"] == "item"
    forward = next(iter(order["shipments"].values()), None)
    back = next(iter(order["returns"].values()), None)
    return {
        "objectID": str(order["id"]),
        "account": space.slug,
        "customerOrderNumber": order["customerOrderNumber"],
        "vendorOrderNumber": order["vendorOrderNumber"],
        "orderStatus": status_of(forward) if forward and knows else None,
        "returnStatus": status_of(back) if back and knows else None,
        "transactionStatus": "Invoiced" if order.get("invoiceNumber") else "Open",
        "orderDate": local(order["orderDate"], switches) if order["orderDate"] else order["orderDate"],
        "updatedAt": local(order["updated_at"], switches),
    }


def tracking(parcel: Record, switches: Record) -> Record:
    """Return a row of `GET /api/v1/shipping/trackingDetails` (W5)."""
    shown: Record = {"trackingId": parcel["trackingId"], "courierName": parcel.get("courierName")}
    return shown if switches["status_in_detail"] == "none" else shown | _status(parcel, switches)


def tracking_key(parcel: Record | None, switches: Record) -> Record:
    """Return a parcel's tracking id under the key that the switch names; nothing where it is `none`."""
    how = str(switches["tracking_key"])
    return {} if how == "none" else {how: parcel.get("trackingId") if parcel else None}


def _item(item: Record, parcel: Record | None, switches: Record) -> Record:
    shown: Record = {name: value for name, value in item.items() if name != "shipment"}
    if parcel is None:
        return shown
    shown |= {"externalShipmentID": parcel.get("externalShipmentID"), "courierName": parcel.get("courierName")}
    shown |= tracking_key(parcel, switches)
    if switches["status_in_detail"] == "item":
        shown |= _status(parcel, switches)
    if switches["ndr_details"] == "present":
        shown["ndrDetails"] = _ndr(parcel["ndr"], switches)
    return shown


def _return(parcel: Record, order: Record, switches: Record) -> Record:
    shown: Record = {
        "externalShipmentID": parcel.get("externalShipmentID"),
        "customerReturnNumber": parcel["customerReturnNumber"],
        "refundAmount": parcel["refundAmount"],
        "return_request_date": local(parcel["requested"], switches),
    }
    shown |= tracking_key(parcel, switches)
    if switches["status_in_detail"] == "item":
        shown |= _status(parcel, switches)
    if switches["return_items"] == "absent":
        return shown
    complete = status_of(parcel) == COMPLETE
    shown["items"] = []
    for number, item in enumerate(parcel["items"]):
        became = "damaged" if switches["return_items"] == "mixed" and number == 0 else item["returnStatus"]
        shown["items"].append({**item, "returnStatus": became if complete else None})
    return shown


def _status(parcel: Record, switches: Record) -> Record:
    """Return the keys that say where a parcel is: its status, and since when, as far as the switch shows it."""
    shown: Record = {"status": status_of(parcel)}
    how, at = switches["status_time"], status_at(parcel)
    if how == "none":
        return shown
    shown["statusUpdatedAt"] = local(at, switches) if at else NO_DATE
    if how == "timeline":
        shown["timeline"] = [
            {"status": one["status"], "time": local(one["time"], switches) if one["time"] else NO_DATE}
            for one in parcel["timeline"]
        ]
    return shown


def _ndr(ndr: Record | None, switches: Record) -> Record | None:
    if ndr is None:
        return None
    submitted = ndr["submitted"]
    if submitted is not None:
        submitted = {**submitted, "time": local(submitted["time"], switches)}
    return {"reason": ndr["reason"], "resolutions": ndr["resolutions"], "submittedResolution": submitted}


def _open_dates(switches: Record) -> dict[str, Any]:
    how = switches["null_dates"]
    return {} if how == "absent" else dict.fromkeys(OPEN_DATES, NO_DATE if how == "zeros" else None)
