"""Turns what became of parcels into Eshopbox's webhook calls: enveloped, disordered as the switch says (W6)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from vs_st_pipeline.sandbox.core.asgi import Record, dumps
from vs_st_pipeline.sandbox.core.sender import Call
from vs_st_pipeline.sandbox.eshopbox.shown import local, phone, tracking_key
from vs_st_pipeline.sandbox.eshopbox.workspace import BACKWARD, CREATED, Workspace

HOOK = "hook"
HEADER = "x-api-key"
MOST_TRIES = 3
UNLISTED = "parcel_rebooked"
"""A word that no page has."""


def calls_of(events: Sequence[Record], space: Workspace, switches: Record, place: Record) -> list[Call]:
    """Return the calls that the style makes of events: {order, resource, status, parcel}, oldest first.

    Args:
        place: `url`, `header_value`, and `tries`.
    """
    return [
        Call(
            space.merchant.id,
            HOOK,
            str(place["url"]),
            f"{event['resource']} {event['status']}",
            dumps(envelope(event, space, switches)),
            int(place.get("tries") or MOST_TRIES),
            headers=_headers(str(place.get("header_value") or ""), str(switches["hook_headers"])),
        )
        for event in _disordered(list(events), space, str(switches["hook_style"]))
    ]


def envelope(event: Record, space: Workspace, switches: Record) -> Record:
    """Return the body of a call: where a parcel is now, and of whose order; no time of the event stands in it."""
    order, style = space.find(event["order"]), switches["hook_style"]
    parcel = order["returns" if event["resource"] == BACKWARD else "shipments"].get(event["parcel"])
    told: Record = {
        "resource": event["resource"],
        "eventType": "POST" if event["status"] == CREATED else "PUT",
        "eventSubType": UNLISTED if style == "unknown_subtype" else event["status"],
        "accountSlug": event.get("slug") or space.slug,
        "accountId": space.account_id,
        "actor": {"type": "system"},
        "version": "v1",
        "request_data": {},
        "response_data": {
            "customerOrderNumber": order["customerOrderNumber"],
            "vendorOrderNumber": order["vendorOrderNumber"],
            "externalShipmentID": parcel.get("externalShipmentID") if parcel else None,
            "externalChannelID": order["externalChannelID"],
            "channelLabel": order["channelLabel"],
            "orderDate": local(order["orderDate"], switches) if order["orderDate"] else None,
            "order_id": order["id"],
            "account_id": space.account_id,
            "paymentType": order["paymentType"],
            "invoiceNumber": order["invoiceNumber"],
            # No page shows these two. They may come, and are none of a receiver's business.
            "customerName": order["shippingAddress"]["customerName"],
            "contactPhone": phone(order["shippingAddress"]["contactPhone"], switches),
            **tracking_key(parcel, switches),
        },
    }
    if event["resource"] == BACKWARD and parcel:
        told["response_data"]["customerReturnNumber"] = parcel["customerReturnNumber"]
    if style == "no_resource":
        del told["resource"]
    return told


def _disordered(events: list[Record], space: Workspace, style: str) -> list[Record]:
    match style:
        case "dropped":
            return []
        case "duplicated":
            return [event for event in events for _ in range(2)]
        case "reordered":
            return events[::-1]
        case "delayed":
            events, space.held = space.held, events
            return events
    events, space.held = space.held + events, []
    return events


def _headers(value: str, how: str) -> Callable[[bytes], dict[str, str]]:
    """Return what makes the headers: those that were given at the registration come back."""
    name = HEADER if how == "lower_cased" else "X-Api-Key"
    return lambda body: {} if how == "missing" or not value else {name: value}
