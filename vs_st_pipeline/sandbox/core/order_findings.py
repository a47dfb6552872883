"""Finds what no client of route `orders` may have done, from the books of both shops."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from vs_st_pipeline.sandbox.core.asgi import Record
from vs_st_pipeline.sandbox.scenarios.orders_accounts import account_of

ACCEPTED = "SUCCESS"


class _Handle(Protocol):
    @property
    def control(self) -> Any: ...


def order_findings(running: Mapping[str, _Handle], states: tuple[str, ...] | None = None) -> list[Record]:
    """Return orders accepted twice or to a state not chosen, customers mailed twice, and what either shop found.

    Args:
        running: the stand-ins by system; without Commerce7 there is nothing to find.
        states: that the merchants ship to; None: those of the world's own settings.
    """
    if "commerce7" not in running:
        return []
    shop = running["commerce7"].control
    both = [(system, running[system].control) for system in ("commerce7", "vinoshipper") if system in running]
    found = [{"system": name, **one} for name, own in both if hasattr(own, "findings") for one in own.findings()]
    for entry in shop.call("GET", "merchants"):
        merchant = entry["id"]
        found += [{"merchant": merchant, "system": "commerce7", **one} for one in _mails(shop.mails(merchant))]
        if "vinoshipper" in running:
            there = running["vinoshipper"].control.orders(merchant)
            ours = list(_ours(there, shop.orders(merchant), entry["prefix"]))
            chosen = account_of(merchant).states if states is None else states
            found += [{"merchant": merchant, "system": "vinoshipper", **one} for one in _accepted(ours, chosen)]
    return found


def accepted(running: Mapping[str, _Handle], merchant: str) -> dict[str, list[Record]]:
    """Return the orders that Vinoshipper accepted by the id of their order at Commerce7, cancelled ones too."""
    shop = running["commerce7"].control
    there = running["vinoshipper"].control.orders(merchant)
    found: dict[str, list[Record]] = {}
    for id, order in _ours(there, shop.orders(merchant), shop.keys(merchant)["prefix"]):
        if order.get("status") == ACCEPTED:
            found.setdefault(id, []).append(order)
    return found


def _mails(mails: list[Record]) -> Iterator[Record]:
    sent: dict[str, list[Record]] = {}
    for mail in mails:
        if mail["by"] == "api":
            sent.setdefault(mail["order_id"], []).append(mail)
    for id, several in sent.items():
        if len(several) > 1:
            yield {"what": "mailed_more_than_once", "order_id": id, "mails": len(several)}


def _ours(there: list[Record], orders: list[Record], prefix: str) -> Iterator[tuple[str, Record]]:
    """Yield what Vinoshipper holds of orders of Commerce7; negative ones correct others and are none themselves."""
    by_number = {f"{prefix}-{order['orderNumber']}": order["id"] for order in orders if "orderNumber" in order}
    for order in there:
        meta = order.get("metaFields") or {}
        id = meta.get("c7_order_id") or by_number.get(str(order.get("orderNumber")))
        if id is not None and float(order.get("total") or 0) >= 0:
            yield str(id), order


def _accepted(ours: list[tuple[str, Record]], states: tuple[str, ...]) -> Iterator[Record]:
    numbers: dict[str, list[str]] = {}
    for id, order in ours:
        if order.get("status") != ACCEPTED:
            continue
        numbers.setdefault(id, []).append(str(order["orderNumber"]))
        state = str((order.get("shipToAddress") or {}).get("stateCode")).upper()
        if state not in states:
            yield {"what": "state_not_chosen", "order_id": id, "state": state}
    for id, several in numbers.items():
        if len(several) > 1:
            yield {"what": "accepted_more_than_once", "order_id": id, "numbers": several}
