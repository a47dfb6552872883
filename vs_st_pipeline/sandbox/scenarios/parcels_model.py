"""Builds orders as a workspace at Eshopbox keeps them: customer, items, shipments and returns with their way so far.

A shipment or return has an id of ours by which acts name it; which ids Eshopbox shows of it may differ, or be absent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from vs_st_pipeline.sandbox.core.asgi import Record, merged

RESOLUTIONS: Final = ("ACTF001", "ACTF002", "ACTF003", "ACTF004")
"""What may be answered to a failed delivery, where an order does not say."""
COURIER: Final = "BlueDart"
TSHIRT: Final[Record] = {
    "sku": "KK-TS-M-01",
    "productName": "Cotton T-shirt",
    "brand": "KapasKraft",
    "gtin": "08901234567894",
    "ean": "8901234567894",
    "upc": "012345678905",
    "quantity": 1,
    "customerPrice": Decimal("499.00"),
}
ADDRESS: Final[Record] = {
    "customerName": "Asha Rao",
    "addressLine1": "12 MG Road",
    "addressLine2": "Near Park",
    "city": "Bengaluru",
    "state": "Karnataka",
    "postalCode": "560001",
    "countryCode": "IN",
    "contactPhone": "+919845000001",
    "email": "asha.rao@example.com",
}


def iso(at: datetime) -> str:
    """Return a moment as it is kept: UTC, whole seconds."""
    return at.astimezone(UTC).replace(microsecond=0, tzinfo=None).isoformat() + "Z"


def order_of(
    id: int,
    workspace: str,
    now: datetime,
    *,
    number: str | None = None,
    placed: datetime | str | None = None,
    address: Mapping[str, Any] | None = None,
    items: Sequence[Mapping[str, Any]] | None = None,
    shipments: Sequence[Mapping[str, Any]] | None = None,
    returns: Sequence[Mapping[str, Any]] = (),
    name: str | None = None,
    phone: str | None = None,
    whatsapp: bool | None = True,
    **fields: Any,
) -> Record:
    """Return an order, placed now unless `placed` says otherwise; what is not given is filled in.

    Args:
        number: customerOrderNumber. placed: orderDate.
        address: what differs from `ADDRESS`; `name` and `phone` stand for its customerName and contactPhone.
        items: what differs from `TSHIRT`, and by `shipment` in which shipment (id) it is: the first one.
        shipments: one by default, that holds all items; `{}` alone is that one, with no shipments at all `[]`.
        whatsapp: the flag; None: the order has none.
        fields: further keys of the order, as the detail shows them.
    """
    number = number or f"{workspace.upper()[:2]}{id}"
    at = placed if isinstance(placed, str) else iso(placed or now)
    place = merged(dict(ADDRESS), dict(address or {}))
    if name is not None:
        place["customerName"] = name
    if phone is not None:
        place["contactPhone"] = phone
    if name is not None and "email" not in (address or {}):  # one address of many people would be one person's
        place["email"] = f"{'.'.join(name.casefold().split())}@example.com"
    given = [{}] if shipments is None else list(shipments)
    parcels = [parcel_of(number, nth, at, **one) for nth, one in enumerate(given, 1)]
    first = parcels[0]["id"] if parcels else None
    lines = [_item(id, line, first, one) for line, one in enumerate(items or [{}], 1)]
    worth = sum((Decimal(str(one["lineItemTotal"])) for one in lines), Decimal())
    made: Record = {
        "id": id,
        "externalChannelID": f"{workspace.upper()}_SHOP",
        "channelLabel": workspace,
        "customerOrderNumber": number,
        "vendorOrderNumber": f"V-{number}",
        "shipMethod": "STD",
        "orderDate": at,
        "isCOD": 0,
        "paymentType": "Prepaid",
        "subtotal": worth,
        "orderTotal": worth,
        "balanceDue": 0,
        "onHold": 0,
        "brand": None,
        "invoiceNumber": f"INV-{id}",
        "invoice_url": None,
        "created_at": at,
        "updated_at": at,
        "whatsapp": whatsapp,
        "shippingAddress": place,
        "billingAddress": {**place, "addressLine2": None},
        "items": lines,
        "shipments": {one["id"]: one for one in parcels},
        "returns": {},
        **fields,
    }
    for back in returns:
        one = return_of(made, now, back)
        made["returns"][one["id"]] = one
    moved = (*made["shipments"].values(), *made["returns"].values())
    made["updated_at"] = max([at, *(one["time"] for parcel in moved for one in parcel["timeline"])])
    return made


def parcel_of(number: str, nth: int, placed: str, **fields: Any) -> Record:
    """Return a shipment: `way` is the list of (status, time) that it went so far, created with the order at first.

    Args:
        fields: `id`, `externalShipmentID`, `trackingId` (null: none is shown), `courierName`, `way`, `ndr`.
    """
    id = str(fields.get("id") or f"{number}-S{nth}")
    way = fields.get("way") or [("created", placed)]
    digits = "".join(one for one in id if one.isalnum()).upper()
    timeline = [{"status": status, "time": at if isinstance(at, str) else iso(at)} for status, at in way]
    ndr = None
    if timeline and timeline[-1]["status"] == "failed_delivery":
        ndr = {"reason": "Customer not available", "resolutions": list(RESOLUTIONS), "submitted": None}
    return {
        "id": id,
        "externalShipmentID": fields.get("externalShipmentID", id),
        "trackingId": fields.get("trackingId", f"AWB{digits}"),
        "courierName": fields.get("courierName", COURIER),
        "timeline": timeline,
        "ndr": fields.get("ndr", ndr),
    }


def return_of(order: Record, now: datetime, fields: Mapping[str, Any]) -> Record:
    """Return a return of an order.

    Args:
        fields: `id` or `shipment`, `customerReturnNumber`, `trackingId`, `refundAmount`, `requested`, `way`; `lines`
            (all); `returned`: what became of each item by line, `restocked` where nothing is said.
    """
    number = order["customerOrderNumber"]
    id = str(fields.get("id") or fields.get("shipment") or f"{number}-R{len(order['returns']) + 1}")
    lines = fields.get("lines") or [one["lineItemSequenceNumber"] for one in order["items"]]
    became = {str(line): word for line, word in (fields.get("returned") or {}).items()}
    items = [one for one in order["items"] if one["lineItemSequenceNumber"] in lines]
    worth = sum((Decimal(str(one["lineItemTotal"])) for one in items), Decimal())
    requested = fields.get("requested") or now
    digits = "".join(one for one in id if one.isalnum()).upper()
    return {
        "id": id,
        "externalShipmentID": fields.get("externalShipmentID", id),
        "customerReturnNumber": fields.get("customerReturnNumber") or f"RET-{id}",
        "trackingId": fields.get("trackingId", f"RAWB{digits}"),
        "courierName": COURIER,
        "refundAmount": fields.get("refundAmount", worth),
        "requested": requested if isinstance(requested, str) else iso(requested),
        "timeline": [
            {"status": status, "time": at if isinstance(at, str) else iso(at)} for status, at in fields.get("way") or ()
        ],
        "ndr": None,
        "items": [
            {
                "lineItemSequenceNumber": one["lineItemSequenceNumber"],
                "sku": one["sku"],
                "quantity": one["quantity"],
                "returnStatus": became.get(str(one["lineItemSequenceNumber"]), "restocked"),
            }
            for one in items
        ],
    }


def _item(order: int, line: int, shipment: str | None, fields: Mapping[str, Any]) -> Record:
    made = {**TSHIRT, "shipment": shipment, **fields}
    return {
        "lineItemSequenceNumber": line,
        "orderItemID": f"{order}-{line}",
        "itemID": order * 10 + line,
        **made,
        "lineItemTotal": Decimal(str(made["customerPrice"])) * int(made["quantity"]),
    }


def steps(now: datetime, *ago: tuple[str, float]) -> list[tuple[str, datetime]]:
    """Return a way: statuses, each so many hours ago."""
    return [(status, now - timedelta(hours=hours)) for status, hours in ago]
