"""A dispatch whose orders come back: a shop that is told and fulfills, a shipper that searches; in memory, no sockets.

`Returns.back` does of a sync what comes back: it settles, looks there and at what came after the send, fulfills,
tells, and alerts.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from types import SimpleNamespace
from typing import Any

from vs_st_pipeline.connectors.commerce7 import reading
from vs_st_pipeline.domain.errors import BadKey, Forbidden, PipelineError, Refused, TryLater
from vs_st_pipeline.domain.order_desk import HeldRow, Package
from vs_st_pipeline.platform.failpoints import failpoint
from vs_st_pipeline.routes.orders import (
    after_sent,
    alerts,
    fulfilling,
    messages,
    settling,
    staging,
    watching,
)
from vs_st_pipeline.routes.orders.session import OrdersSession
from vs_st_pipeline.routes.orders.settings import Refresh
from vs_st_pipeline_tests.routes.orders.dispatch import Dispatch, Shipper, Shop

APP = "app"
Record = dict[str, Any]


@dataclass
class BackShop(Shop):
    """Commerce7, with what it is written.

    Attributes:
        next: how the next writes go, first first: `done`, `lost_before`, `lost_after`, `hollow` (2xx that says nothing,
            taken), `busy`, `auth`, `422`, `403`, `404`; then `done`.
        twice: a second fulfilment is made (`fulfil_again: second_fulfilment`); else it is refused.
        no_carrier: a fulfilment without carrier is refused. late: reads do not show a write twice.
        mails, posts: what customers were mailed, fulfilments as they were written. said: attempts by order.
    """

    next: list[str] = field(default_factory=list)
    twice: bool = False
    no_carrier: bool = False
    late: bool = False
    mails: Counter[str] = field(default_factory=Counter)
    posts: list[Record] = field(default_factory=list)
    said: dict[str, list[Record]] = field(default_factory=dict)
    asked: Counter[str] = field(default_factory=Counter)
    findings: list[str] = field(default_factory=list)
    _veils: dict[str, tuple[int, Any]] = field(default_factory=dict)
    _read: set[str] = field(default_factory=set)

    http: Any = field(default_factory=lambda: SimpleNamespace(guard=None, calls=Counter(), close=lambda: None))

    def order(self, order_id: str) -> Any:
        failpoint("request")
        self.asked["order"] += 1
        self._read.add(order_id)
        if order_id in self._veils and not self.failing:
            left, before = self._veils.pop(order_id)
            if left > 1:
                self._veils[order_id] = (left - 1, before)
            return copy.deepcopy(before)
        found = super().order(order_id)
        failpoint("answer")
        return found

    def fulfil(self, order_id: str, body: Mapping[str, Any], *, whole: bool) -> Any:
        return self._write("fulfil", lambda: self._fulfil(order_id, dict(body), whole))

    def say(self, body: Mapping[str, Any]) -> Any:
        return self._write("say", lambda: self._say(dict(body)))

    def app_syncs(self, order_id: str) -> Any:
        failpoint("request")
        self.asked["app_syncs"] += 1
        if self.next and self.next[0] in ("403", "404"):
            raise _error(self.next.pop(0))
        attempts = self.said.get(order_id, [])
        failpoint("answer")
        return {"appSyncs": [{"appId": APP, "objectId": order_id, "attempts": attempts}] if attempts else []}

    def _write(self, call: str, take: Callable[[], Any]) -> Any:
        failpoint("request")
        self.asked[call] += 1
        how = self.next.pop(0) if self.next else "done"
        if how not in ("done", "lost_after", "hollow"):
            raise _error(how)
        made = take()
        failpoint("answer")
        if how == "lost_after":
            raise _error("lost_before")
        return SimpleNamespace(value={} if how == "hollow" else made, status=200)

    def _fulfil(self, order_id: str, body: Record, whole: bool) -> Any:
        order = self.orders[order_id]
        if order_id not in self._read:
            self.findings.append(f"fulfilled {order_id} without reading")
        self._read.discard(order_id)
        if order["fulfillmentStatus"] == "Fulfilled" and not self.twice:
            raise _error("422", "Can not fulfill an order that is marked Fulfilled")
        if self.no_carrier and body["type"] == "Shipped" and "carrier" not in body["shipped"]:
            raise _error("422", '"carrier" is required', "shipped.carrier")
        if self.late:
            self._veils.setdefault(order_id, (2, copy.deepcopy(order)))
        self.posts.append({"order_id": order_id, "whole": whole, **body})
        if len([one for one in self.posts if one["order_id"] == order_id]) > 1:
            self.findings.append(f"fulfilled {order_id} twice")
        self.mails[order_id] += body["sendTransactionEmail"]
        number = f"f{len(self.posts)}"
        made = {"id": number, "type": body["type"], "fulfillmentDate": body["fulfillmentDate"],
                "shipped": body.get("shipped")}  # fmt: skip
        items = [dict(one) for one in order["items"]]
        going = {one["sku"]: one["quantityFulfilled"] for one in body.get("items", ())}
        for one in items:
            one["quantityFulfilled"] = one["quantity"] if whole else going.get(one["sku"], 0)
        done = all(one["quantityFulfilled"] >= one["quantity"] for one in items)
        self.orders[order_id] = {
            **order, "items": items, "fulfillments": [*order["fulfillments"], made],
            "fulfillmentStatus": "Fulfilled" if done else "Partially Fulfilled",
        }  # fmt: skip
        return copy.deepcopy(self.orders[order_id])

    def by_hand(self, order_id: str, *numbers: str) -> None:
        """Let somebody at the shop fulfill an order."""
        order = self.orders[order_id]
        made = {"id": "byhand", "type": "Shipped", "fulfillmentDate": "2026-12-01T01:00:00.000Z",
                "shipped": {"trackingNumbers": list(numbers)}}  # fmt: skip
        self.orders[order_id] = {**order, "fulfillments": [made], "fulfillmentStatus": "Fulfilled"}

    def _say(self, body: Record) -> Any:
        issues = [{"issue": text} for text in body["issues"]]
        kept = self.said.setdefault(body["objectId"], [])
        kept.append({"status": body["status"], "issues": issues, "activityDate": f"{len(kept):05}"})
        return {"id": "x"}

    def lines(self, order_id: str = "a1") -> list[str]:
        """First lines of what was said of an order, with `!` before those of an error."""
        return ["!" * (one["status"] == "Error") + one["issues"][0]["issue"] for one in self.said.get(order_id, ())]


def _error(how: str, text: str = "no", place: str | None = None) -> PipelineError:
    more: Record = {"system": "commerce7", "call": "write"}
    match how:
        case "busy":
            return TryLater("busy", http_status=429, **more)
        case "auth":
            return BadKey("no", http_status=401, **more)
        case "403":
            return Forbidden("no", http_status=403, **more)
        case "404" | "422":
            errors = [{"field": place, "message": text}] if place else []
            said = {"statusCode": int(how), "message": text, "errors": errors}
            return Refused("no", http_status=int(how), said=said, **more)
    return TryLater("down", http_status=500, **more)


@dataclass
class BackShipper(Shipper):
    """Vinoshipper, whose orders are searched by day; `searches` counts pages of 25 rows, `lists` is what rows show."""

    searches: int = 0
    hidden: set[str] = field(default_factory=set)

    def shipped(self, first: date, last: date) -> list[HeldRow]:
        return self._rows(lambda one: one.shipped_at is not None and first <= one.shipped_at.date() <= last)

    def placed(self, first: date, last: date) -> list[HeldRow]:
        return self._rows(lambda one: one.purchased_at is not None and first <= one.purchased_at.date() <= last)

    def _rows(self, fits: Callable[[Any], bool]) -> list[HeldRow]:
        rows = [
            HeldRow(one.number, one.order_status, one.total, f"{one.order_status} {one.total} {one.ship_date}")
            for one in self.held.values()
            if fits(one) and one.number not in self.hidden
        ]
        self.searches += max(1, -(-len(rows) // 25))
        return rows

    def reads(self) -> int:
        """Return how many details were read so far."""
        return sum(call == "read" for call, _ in self.log)

    def goes(self, number: str, stage: str, *numbers: str | None, carrier: str = "UPS", **changed: Any) -> None:
        """Let a parcel go on; `numbers`: of its packages, None for one that has none yet."""
        if numbers:
            changed["packages"] = tuple(Package(carrier, one) for one in numbers)
        if stage == "SHIPPED":
            changed.setdefault("shipped_at", self.clock())
        self.change(number, order_status=stage, **changed)


class Returns(Dispatch):
    """One merchant, with what comes back."""

    shop: BackShop
    shipper: BackShipper

    def __post_init__(self) -> None:
        self.shop, self.shipper = BackShop(), BackShipper()
        refresh = Refresh(shipped=timedelta(), open=timedelta(), settled=timedelta(days=7))
        self.settings.setdefault("refresh", refresh)
        super().__post_init__()

    def sent(self, *, number: str = "1001", **changed: Any) -> str:
        """Let an order be paid and sent; returns its id."""
        order_id = self.add(number=number, **changed)
        self.take_in(order_id)
        assert self.send(order_id).done
        self.shipper.held[self.there(order_id)] = replace(self.shipper.held[self.there(order_id)], purchased_at=self.at)
        return order_id

    def there(self, order_id: str = "a1") -> str:
        """Return the number of an order at the shipper."""
        number = self.row(order_id).vs_number
        assert number is not None
        return number

    def back(self, only: set[str] | None = None) -> OrdersSession:
        """Do of a sync what comes back."""
        session = self.session()
        for order_id in self.shop.orders:
            if only is None or order_id in only:
                reading.read_one(session.run, session.shop, order_id, "updated")
        with self.db() as db, db.transaction():
            staging.stage_some(session.run, db, list(self.shop.orders))
        self.shop.asked.clear()
        settling.settle(session)
        watching.watch(session, only)
        session.verdicts += watching.gone(session)
        if session.verdicts:
            return session
        for record in session.once_safe:
            record()
        after_sent.look(session, only)
        fulfilling.fulfil(session, only)
        messages.tell(session, only)
        alerts.look(session)
        return session

    def fulfilled(self, order_id: str = "a1") -> str | None:
        """Return the outcome of an order's fulfilment."""
        found = self.rows(f"select outcome from synced.fulfilments where order_id = '{order_id}'")
        return found[0][0] if found else None

    def count_mails(self) -> int:
        """Return how often the customer with the most mails was mailed about one order."""
        return max(self.shop.mails.values(), default=0)
