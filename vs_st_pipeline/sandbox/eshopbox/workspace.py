"""Keeps one workspace's orders at Eshopbox: what they are, what becomes of their parcels, and which hooks that makes.

Times are kept in UTC, as ISO texts; how they are shown is `shown`'s.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from vs_st_pipeline.sandbox.core.accounts import Clock
from vs_st_pipeline.sandbox.core.asgi import Record, merged
from vs_st_pipeline.sandbox.scenarios.fixtures import Merchant
from vs_st_pipeline.sandbox.scenarios.parcels_model import RESOLUTIONS, iso, order_of, return_of

FORWARD, BACKWARD = "shipment", "returnShipment"
CREATED, FAILED, RESOLVED, COMPLETE = "created", "failed_delivery", "ndr_resolution_submitted", "complete"
REASON = "Customer not available"


class NoSuchParcel(Exception):
    """An act names an order, a shipment or a return that is not there; the text says which."""


class Workspace:
    """One merchant's workspace.

    Attributes:
        orders: by customerOrderNumber, as `parcels_model.order_of` makes them.
        untold: hooks that nobody was sent yet: {order, resource, status, parcel}. held: those that come late.
    """

    def __init__(self, merchant: Merchant, part: Record, clock: Clock) -> None:
        self.merchant = merchant
        self.clock = clock
        self.slug: str = part.get("workspace") or merchant.id
        self.account_id: int = part.get("account_id") or 70_000 + merchant.account
        self.orders: dict[str, Record] = {one["customerOrderNumber"]: one for one in part.get("orders") or ()}
        self.untold: list[Record] = []
        self.held: list[Record] = []
        self._last_id = max((int(one["id"]) for one in self.orders.values()), default=merchant.account * 100_000)

    # What happens.

    def order(self, fields: Record) -> Record:
        """Add an order, placed now unless `placed` says otherwise; of its first shipment a hook waits to be sent."""
        self._last_id += 1
        made = order_of(self._last_id, self.slug, self.clock.now(), **fields)
        number = made["customerOrderNumber"]
        if number in self.orders:
            raise ValueError(f"there is an order {number!r} already")
        self.orders[number] = made
        for id in made["shipments"]:
            self._happened(number, FORWARD, CREATED, id)
        return made

    def find(self, number: str) -> Record:
        """Return an order. Raises NoSuchParcel: it is not there."""
        if number not in self.orders:
            raise NoSuchParcel(f"order {number}")
        return self.orders[number]

    def change(self, number: str, fields: Record, touch: bool = True) -> Record:
        """Change what an order says; no hook tells of it."""
        after: Record = merged(self.find(number), fields)
        if touch:
            after["updated_at"] = iso(self.clock.now())
        self.orders[number] = after
        return after

    def advance(self, number: str, status: str, how: Record) -> Record:
        """Let a parcel reach a status, and queue the hook of it; return the parcel.

        Args:
            how: `at` (ISO, the present where it is absent), `shipment` (its id; the first one of its kind), `resource`
                (`shipment`), `hook` (true), `reason` and `resolutions` of a failure; of a return that is new, `lines`,
                `refundAmount` and `returned` (what became of each item, by line).
        """
        order = self.find(number)
        resource = str(how.get("resource") or FORWARD)
        if resource not in (FORWARD, BACKWARD):
            raise ValueError(f"resource is {FORWARD} or {BACKWARD}")
        at = _moment(how["at"]) if how.get("at") else self.clock.now()
        parcel = self._parcel(order, resource, status, how, at)
        if not (status == CREATED and parcel["timeline"]):
            parcel["timeline"] = sorted([*parcel["timeline"], {"status": status, "time": iso(at)}], key=_time)
        self._consequences(parcel, resource, status, how)
        order["updated_at"] = iso(self.clock.now())
        if how.get("hook") is not False:
            self._happened(number, resource, status, parcel["id"])
        return parcel

    def _parcel(self, order: Record, resource: str, status: str, how: Record, at: datetime) -> Record:
        parcels: dict[str, Record] = order["shipments" if resource == FORWARD else "returns"]
        id = how.get("shipment")
        if id is not None and id in parcels:
            return parcels[id]
        if resource == BACKWARD and status == CREATED:
            made = return_of(order, at, how)
            parcels[made["id"]] = made
            return made
        if id is not None or not parcels:
            raise NoSuchParcel(f"{resource} {id or ''} of order {order['customerOrderNumber']}")
        return next(iter(parcels.values()))

    def _consequences(self, parcel: Record, resource: str, status: str, how: Record) -> None:
        now = status_of(parcel)
        if status == FAILED and now == FAILED:
            offered = how.get("resolutions", list(RESOLUTIONS))
            parcel["ndr"] = {"reason": how.get("reason") or REASON, "resolutions": offered, "submitted": None}
        elif resource == FORWARD and now != FAILED:
            parcel["ndr"] = None

    def resolved(self, order: Record, parcel: Record, code: str, how: str) -> None:
        """Note that a resolution was submitted, and let it be seen: as `event`, in `detail`, or nowhere (`none`)."""
        now = iso(self.clock.now())
        if parcel.get("ndr"):
            parcel["ndr"]["taken"] = [*parcel["ndr"].get("taken", ()), code]
        if how == "event":
            parcel["timeline"] = [*parcel["timeline"], {"status": RESOLVED, "time": now}]
            self._happened(order["customerOrderNumber"], FORWARD, RESOLVED, parcel["id"])
        elif how == "detail" and parcel.get("ndr"):
            parcel["ndr"]["submitted"] = {"resolutionCode": code, "time": now}
        order["updated_at"] = now

    def _happened(self, number: str, resource: str, status: str, parcel: str) -> None:
        self.untold.append({"order": number, "resource": resource, "status": status, "parcel": parcel})

    def take_untold(self, number: str | None) -> list[Record]:
        """Return the hooks of an order, or all, that wait to be sent; they count as sent then."""
        taken = [one for one in self.untold if number in (None, one["order"])]
        self.untold = [one for one in self.untold if one not in taken]
        return taken

    # What is known.

    def listed(self, since: datetime | None) -> list[Record]:
        """Return the orders placed at a moment or later, the newest first."""
        found = sorted(self.orders.values(), key=lambda one: (one["orderDate"], one["id"]), reverse=True)
        return [one for one in found if since is None or _moment(one["orderDate"]) >= since]

    def parcels(self) -> Iterator[tuple[Record, Record]]:
        """Yield each order with each of its parcels, shipments and returns."""
        for order in self.orders.values():
            for parcel in (*order["shipments"].values(), *order["returns"].values()):
                yield order, parcel


def status_of(parcel: Record) -> str | None:
    """Return the newest status of a parcel; a submitted resolution changes none."""
    return next((one["status"] for one in reversed(parcel["timeline"]) if one["status"] != RESOLVED), None)


def status_at(parcel: Record) -> str | None:
    """Return since when a parcel has its status, in UTC."""
    return next((one["time"] for one in reversed(parcel["timeline"]) if one["status"] != RESOLVED), None)


def failures(parcel: Record) -> int:
    """Return how often delivery has failed."""
    return sum(one["status"] == FAILED for one in parcel["timeline"])


def _moment(value: Any) -> datetime:
    found = value if isinstance(value, datetime) else datetime.fromisoformat(str(value).replace("Z", "+00:00"))
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _time(entry: Record) -> str:
    return str(entry["time"])
