"""Fills scenarios `parcels` and `parcels:N`: a brand that sends by its own account, and one by the house's.

Each of the twelve orders of either is there for a reason (`REASONS`). A world of many has the house's merchant alone,
whose orders are all alike and on their way.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

from vs_st_pipeline.sandbox.core.asgi import Record
from vs_st_pipeline.sandbox.scenarios.fixtures import Builder
from vs_st_pipeline.sandbox.scenarios.parcels_accounts import KAPASKRAFT, MITTI_HOME, NAMES, sender_of
from vs_st_pipeline.sandbox.scenarios.parcels_model import order_of, steps

# Phones, by what they are there for.
ASHA, RAVI, MEERA, JOHN, LATA, ODD, LAND, ABROAD, KIRAN, FARID, SUNITA, DEV = (
    "+919845000001", "+919845000002", "+919845000003", "+919845000004", "+919845000005", "98450", "+912222890001",
    "+14155550132", "+919845000006", "+919845000007", "+919845000008", "+919845000009",
)  # fmt: skip
COD: Final[Record] = {"paymentType": "COD", "isCOD": 1}
SAME = ASHA
"""A phone that both brands know, so that a house account may write to it for two of them."""

Made = tuple[str, Record]  # why it is there, what `order_of` takes


def _kapaskraft(now: datetime) -> list[Made]:
    way = partial(steps, now)
    out = way(("created", 50), ("packed", 44), ("dispatched", 40), ("intransit", 20), ("out_for_delivery", 3))
    failed = [*way(("created", 96), ("packed", 90), ("dispatched", 80), ("out_for_delivery", 54)),
              *way(("failed_delivery", 50))]  # fmt: skip
    there = way(("created", 120), ("packed", 110), ("dispatched", 100), ("out_for_delivery", 76), ("delivered", 72))
    return [
        ("the plain case, out for delivery", _placed(now, 50, "KK1001", ASHA, "Asha Rao", out)),
        ("cash on delivery, packed", _placed(now, 30, "KK1002", RAVI, "Ravi Menon", out[:2], **COD)),
        ("two parcels, of which one is there", {
            **_placed(now, 90, "KK1003", MEERA, "Meera Iyer"),
            "items": [{}, {"sku": "KK-SC-01", "productName": "Silk scarf", "shipment": "KK1003-S2"}],
            "shipments": [{"way": there}, {"way": out}],
        }),
        ("did not ask for WhatsApp", {**_placed(now, 50, "KK1004", JOHN, "John Mathew", out), "whatsapp": False}),
        ("a phone that is too short", _placed(now, 50, "KK1005", ODD, "Noor Khan", out)),
        ("a landline", _placed(now, 50, "KK1006", LAND, "Front Desk", out)),
        ("a number with signs in it", _placed(now, 50, "KK/10 07#A", LATA, "Lata Shah", out)),
        ("failed two days ago: nothing new", _placed(now, 96, "KK1008", KIRAN, "Kiran Bose", failed)),
        ("delivered, and a return is on its way back", {
            **_placed(now, 120, "KK1009", FARID, "Farid Ali", there),
            "returns": [{"way": way(("created", 30), ("picked_up", 10)), "requested": now - timedelta(hours=30)}],
        }),
        ("a return that came back damaged in part", {
            **_placed(now, 240, "KK1010", SUNITA, "Sunita Pai", there),
            "items": [{}, {"sku": "KK-SC-01", "productName": "Silk scarf"}],
            "returns": [{
                "way": way(("created", 70), ("picked_up", 60), ("delivered_warehouse", 40), ("complete", 30)),
                "requested": now - timedelta(hours=70),
                "returned": {"2": "damaged"},
            }],
        }),
        ("a phone of another country", _placed(now, 50, "KK1011", ABROAD, "Ann Lee", out)),
        ("has no name", _placed(now, 2, "KK1012", DEV, "", out[:1])),
    ]  # fmt: skip


def _mitti_home(now: datetime) -> list[Made]:
    way = partial(steps, now)
    out = way(("created", 50), ("packed", 44), ("dispatched", 40), ("intransit", 20), ("out_for_delivery", 3))
    bowl = {
        "sku": "MH-BW-01",
        "productName": "Clay bowl",
        "brand": "Mitti Home",
        "gtin": None,
        "ean": None,
        "upc": None,
    }
    odd = {**bowl, "productName": "Hand-thrown serving bowl with {{1}} lid,\tblue\nglaze and a very long name indeed"}
    four, missed = [bowl, odd, bowl, bowl], [*out, *way(("failed_delivery", 2.9))]
    ended = way(("created", 200), ("packed", 190), ("dispatched", 180), ("failed_delivery", 100), ("rto_created", 90))
    return [
        ("the plain case, out for delivery", _placed(now, 50, "MH-2001", RAVI, "Ravi Menon", out, items=[bowl])),
        ("of a customer of the other brand", _placed(now, 50, "MH-2002", SAME, "Asha Rao", out, items=[bowl])),
        ("no city and no second line", {
            **_placed(now, 50, "MH-2003", MEERA, "Meera Iyer", out, items=[bowl]),
            "address": {"city": None, "addressLine2": "", "state": "null"},
        }),
        ("a product name of braces, tabs and breaks", _placed(now, 50, "MH-2004", LATA, "Lata Shah", out, items=[odd])),
        ("four things of one order", _placed(now, 50, "MH-2005", KIRAN, "Kiran Bose", out, items=four)),
        ("a name of another script", _placed(now, 50, "MH-2006", FARID, "अनन्या 🌿", out, items=[bowl])),
        ("goes back to where it came from", _placed(now, 200, "MH-2007", SUNITA, "Sunita Pai", ended, items=[bowl])),
        ("cancelled before it was packed", _placed(
            now, 60, "MH-2008", DEV, "Dev Nair", way(("created", 60), ("cancelled_order", 58)), items=[bowl])),
        ("came a moment ago", _placed(now, 0.01, "MH-2009", JOHN, "John Mathew", items=[bowl])),
        ("failed just before the first look", _placed(
            now, 50, "MH-2010", "+919845000010", "Ila Sen", missed, items=[bowl])),
        ("a parcel that Eshopbox gave no id", {
            **_placed(now, 50, "MH-2011", "+919845000011", "Om Jain", items=[bowl]),
            "shipments": [{"externalShipmentID": None, "way": out}],
        }),
        ("open for forty days", _placed(
            now, 960, "MH-2012", "+919845000012", "Uma Das", way(("created", 960), ("packed", 950)), items=[bowl])),
    ]  # fmt: skip


def _placed(
    now: datetime, hours: float, number: str, phone: str, name: str, way: Sequence[Any] = (), **fields: Any
) -> Record:
    made = {"number": number, "placed": now - timedelta(hours=hours), "phone": phone, "name": name, **fields}
    return made | ({"shipments": [{"way": way}]} if way else {})


_MADE: Final[dict[str, Callable[[datetime], list[Made]]]] = {KAPASKRAFT: _kapaskraft, MITTI_HOME: _mitti_home}


def parcel_merchants(number: int | None) -> list[tuple[str, str, Callable[[Builder], None]]]:
    """Return the merchants of a world; `number` is that of `parcels:N`."""
    if number is not None:
        return [(MITTI_HOME, NAMES[MITTI_HOME], partial(_fill, make=partial(_crowd, number)))]
    return [(id, name, partial(_fill, make=_MADE[id])) for id, name in NAMES.items()]


def _crowd(number: int, now: datetime) -> list[Made]:
    out = steps(now, ("created", 50), ("packed", 44), ("dispatched", 40))
    return [
        ("one of many", _placed(now, 50, f"MH{nth}", f"+9198{nth:08d}", f"Person {nth}", out))
        for nth in range(1, number + 1)
    ]


def _fill(b: Builder, make: Callable[[datetime], list[Made]]) -> None:
    id, made = b.merchant.id, make(b.now)
    first = b.merchant.account * 100_000
    orders = [order_of(first + nth, id, b.now, **fields) for nth, (_, fields) in enumerate(made, 1)]
    if "eshopbox" not in b.without:
        why = {one["customerOrderNumber"]: reason for one, (reason, _) in zip(orders, made, strict=True)}
        b.merchant.parts["eshopbox"] = {"workspace": id, "orders": orders, "reasons": why}
    if "gupshup" not in b.without:
        asked = {str(one["shippingAddress"]["contactPhone"]) for one in orders if one["whatsapp"]}
        b.merchant.parts["gupshup"] = sender_of(id).part(asked)


def reasons(now: datetime) -> dict[str, dict[str, str]]:
    """Return what is there for what in `parcels`: by merchant, order number and why."""
    return {id: {str(fields["number"]): why for why, fields in make(now)} for id, make in _MADE.items()}
