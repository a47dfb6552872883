"""Worlds of route `orders` under switches of its two stand-ins: which, with which settings, and what must hold.

What is not known of a system is a switch, and every value of each must be lived with: under each no order is made twice
and nobody is mailed twice, and what cannot be done is said (orders.md 11). Each world lives one week: orders of several
kinds, answers that are lost on the way, a void, parcels that leave and come, webhooks, and a refund.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from vs_st_pipeline.sandbox.core.order_switches import COMMERCE7_SWITCHES
from vs_st_pipeline.sandbox.core.switches import ORDER_DESK
from vs_st_pipeline_tests.support.orders import COMMERCE7, FAILED, SENT, VINOSHIPPER, VOIDED, Record, Scene

Switches = dict[str, dict[str, Any]]
Value = tuple[str, str, Any]
"""A system, a switch and one of its values."""

SWITCHES: dict[str, dict[str, list[Any]]] = {COMMERCE7: COMMERCE7_SWITCHES, VINOSHIPPER: ORDER_DESK}
WORLDS = 5
STYLES = "webhook_style"
"""The one switch that has more values than there are worlds: a world has a list of them, one after the other."""
# These end a sync, so each has a world of its own, and is lifted after the first syncs.
ENDING: list[Value] = [(COMMERCE7, "limit_per_minute", 10), (COMMERCE7, "cursor", "repeats")]
ENDS: dict[Value, tuple[str, str]] = {
    (COMMERCE7, "limit_per_minute", 10): (COMMERCE7, "try_later"),
    (COMMERCE7, "cursor", "repeats"): (COMMERCE7, "bad_answer"),
}
"""Under these a sync may fail, and how."""
HIDING: set[Value] = {(COMMERCE7, "short_list", True)}
"""Under these orders are not shown, so that nobody can send them; they are lifted at last."""
PENDING = ("pending", "PAYMENT_AUTHORIZED", "unknown")
# What may keep an order of two lines of one SKU from going, or from going as it is.
NOT_IN_SHORT = ("plain", "bundle", "dated", "ticket", "pickup", "elsewhere")
LATE: set[Value] = {
    (COMMERCE7, "late_commit", "after_2_reads"),
    (VINOSHIPPER, "late_commit", "after_2_reads"),
    (VINOSHIPPER, "status_after_create", "pending_then_success"),
    (VINOSHIPPER, "cancel_shows", "after_2_reads"),
}
LINES: set[Value] = {(VINOSHIPPER, "duplicate_lines", 400)}


def every_value() -> Iterator[Value]:
    """All values of all switches."""
    for system, switches in SWITCHES.items():
        for name, values in switches.items():
            for value in values:
                yield system, name, value


def covering() -> list[Switches]:
    """Few worlds in which every value of every switch is at least once."""
    return [{system: _of_world(system, world) for system in SWITCHES} for world in range(WORLDS)]


def _of_world(system: str, world: int) -> dict[str, Any]:
    ending = [(name, value) for of, name, value in ENDING if of == system]
    chosen: dict[str, Any] = {}
    for turn, (name, values) in enumerate(SWITCHES[system].items()):
        left = [value for value in values if (name, value) not in ending]
        chosen[name] = left[world::WORLDS] if name == STYLES else left[(world + turn) % len(left)]
    if (place := WORLDS - 1 - world) < len(ending):
        name, value = ending[place]
        chosen[name] = value
    if chosen.get("paid_key") == "Paid":  # refused under the other names, nothing goes; `proof/orders.py` has that too
        chosen["unknown_keys"] = "ignored"
    if chosen.get("duplicate_lines") == "last_wins":  # both, and an answer that is lost: nobody can tell whose it is
        chosen["meta_fields"] = "echoed"
    return chosen


def values_of(switches: Switches) -> set[Value]:
    """The values that a world has."""
    found = set()
    for system, chosen in switches.items():
        for name, value in chosen.items():
            found |= {(system, name, one) for one in (value if name == STYLES and isinstance(value, list) else [value])}
    return found


def fitting(switches: Switches) -> Callable[[Record], None]:
    """Return what sets an entry's settings as somebody would who knows how these systems behave."""

    def edit(entry: Record) -> None:
        entry["orders"]["bundles"] = "as_items"
        if switches.get(VINOSHIPPER, {}).get("paid_key") == "Paid":
            entry["orders"]["paid_key"] = "Paid"

    return edit


def meet(scene: Scene, switches: Switches, *, hooks: bool = True, short: bool = False) -> list[str]:
    """Live through a world; returns what is wrong.

    Args:
        hooks: let webhooks tell of some orders too. short: with fewer orders and fewer syncs.
    """
    scene.begin_alone()
    scene.settings(fitting(switches))
    values = values_of(switches)
    styles = _set(scene, switches)
    week = Week(scene, values, short)
    week.order()
    week.sync()
    for value in values & set(ENDING):
        scene.box.running[value[0]].control.set_switch(value[1], None if value[1].startswith("limit") else "works")
    week.sync(minutes=6)
    week.sync(minutes=6)
    week.settle()
    week.sync(minutes=62)
    week.void()
    week.leave()
    if not short:
        week.sync(hours=1)
    if hooks:
        week.hooks(styles)
    for system, name, _ in values & HIDING:
        scene.box.running[system].control.set_switch(name, SWITCHES[system][name][0])
    week.sync(hours=7)
    week.settle()
    for _ in range((3 if values & LATE else 1) if short else 4):
        week.void()
        week.sync(hours=7)
    return week.ended()


def _set(scene: Scene, switches: Switches) -> list[Any]:
    """Set the switches; return the styles of webhooks, of which there may be several."""
    styles: list[Any] = ["normal"]
    for system, chosen in switches.items():
        own = dict(chosen)
        found = own.pop(STYLES, None)
        if found is not None:
            styles = found if isinstance(found, list) else [found]
        if own.get("limit_per_minute") == 100:  # the pace is lifted here, and so is the limit
            own.pop("limit_per_minute")
        scene.box.running[system].control.set_switches(own)
    return styles


class Week:
    """What happens in a world, and what was wrong so far."""

    def __init__(self, scene: Scene, values: set[Value], short: bool) -> None:
        self.scene = scene
        self.values = values
        self.short = short
        self.wrong: list[str] = []
        self.placed: dict[str, Record] = {}

    def order(self) -> None:
        """Let people order; an answer to a create, a fulfilment and a cancel are lost on the way."""
        place, scene = self.scene.place, self.scene
        soon = (scene.now.date().replace(day=1)).replace(year=scene.now.year + 1).isoformat()
        self.placed = {
            "plain": place("PINOT22", hours=9),
            "lost": place("ZIN21", "CHARD23", hours=8),
            "bundle": place("TRIO", "TRIO", hours=7),
            "two prices": place(
                lines=[{"sku": "PINOT22", "quantity": 1}, {"sku": "PINOT22", "quantity": 2, "price": 3900}], hours=6
            ),
            "dated": place("ROSE24", hours=5, selectedShippingOptions={"requestedShipDate": soon}),
            "ticket": place("PINOT22", "TICKET", hours=4),
            "void": place("SPARK20", hours=3),
            "boxed": place("PINOT22", hours=2, shipTo={"address": "PO Box 12"}),
            "pickup": place("PINOT22", hours=1, orderDeliveryMethod="Pickup"),
            "elsewhere": place("PINOT22", state="FL"),
        }
        for name in NOT_IN_SHORT if self.short else ():
            scene.shop.delete("orders", self.placed.pop(name)["id"], scene.merchant)
        scene.shipper.set_switch("fault", [
            {"kind": "reset", "method": "POST", "path_regex": "/orders$", "when": "after", "count": 1, "skip": 1},
            {"kind": "500_empty", "path_regex": "/cancel$", "when": "after", "count": 1},
        ])  # fmt: skip
        scene.shop.set_fault("truncated", path_regex="/fulfillment", when="after", count=1)

    def sync(self, **gap: float) -> Record:
        """Let time go by, sync, and look."""
        if gap:
            self.scene.later(**gap)
        report = self.scene.sync()
        error = report["error"]
        allowed = {ENDS[value] for value in self.values & set(ENDING)}
        if error and (error["system"], error["kind"]) not in allowed:
            self.wrong.append(f"failed: {error}")
        self.wrong += self.scene.wrong(settled=False)
        return report

    def settle(self) -> None:
        """Where Vinoshipper lets everything wait, somebody there settles what nothing stands against."""
        if not {(VINOSHIPPER, "status_after_create", word) for word in PENDING} & self.values:
            return
        self.sync(minutes=62)
        for held in self.scene.shipper.orders(self.scene.merchant):
            if not held["orderProblems"]:
                self.scene.shipper.settle(held["orderNumber"], self.scene.merchant)

    def void(self) -> None:
        """A person voids one, and does it again where that came to nothing."""
        if self.scene.listed().get(self.placed["void"]["id"], {}).get("state") == SENT:
            self.scene.void(self.placed["void"])

    def leave(self) -> None:
        """Parcels leave, with a label first; one is refunded after that."""
        if not self.short:
            for order in self.gone():
                self.scene.label(order)
            self.sync(hours=3)
        for order in self.gone():
            self.scene.scan(order, packages=2)
        for _ in range(2 if self.short else 4):
            self.sync(hours=7 if self.short else 3)
        self.scene.refund(self.placed["lost" if self.short else "plain"])
        for order in self.gone():
            self.scene.deliver(order)

    def gone(self) -> list[Record]:
        """What was sent and not voided."""
        listed = self.scene.listed()
        return [
            order
            for name, order in self.placed.items()
            if name != "void" and listed.get(order["id"], {}).get("state") == SENT and self.scene.there(order)
        ]

    def hooks(self, styles: list[Any]) -> None:
        """A new order is told of by webhooks, in each style; where there is time, a new one in each."""
        with self.scene.receiving_here():
            for number, style in enumerate(styles):
                self.scene.shop.set_switch(STYLES, style)
                if number == 0 or not self.short:
                    self.placed[f"hook {number}"] = self.scene.place("CHARD23")
                else:
                    self.scene.shop.send(self.placed["hook 0"]["orderNumber"], merchant=self.scene.merchant)
                self.scene.called()
                if not self.short:
                    self.scene.worked()
                    self.wrong += self.scene.wrong(settled=False)
            self.scene.worked()

    def ended(self) -> list[str]:
        """What is wrong in the end."""
        listed = self.scene.listed()
        self.wrong += self.scene.wrong(settled=True)
        stands = {name: listed.get(order["id"], {}) for name, order in self.placed.items()}
        known: dict[str, tuple[str, str | None]] = {
            "pickup": ("not_required", "pickup"),
            "elsewhere": ("not_required", "state_not_chosen"),
        }
        known |= {"boxed": (FAILED, "compliance"), "void": (VOIDED, None)}
        for name, row in stands.items():
            found = (row.get("state"), row.get("code"))
            if found != known.get(name, (SENT, None)) and not self._explained(name, row):
                self.wrong.append(f"{name} is {found} {row.get('noted')}")
        for order in self.gone():
            mails = self.scene.mails(order)
            shop = self.scene.order(order)
            there: Any = self.scene.there(order)
            if there["orderStatus"] == "DELIVERED" and not shop["fulfillments"]:
                if "fulfil_refused" not in listed[order["id"]]["noted"]:
                    self.wrong.append(f"delivered, not fulfilled, and not noted: {order['orderNumber']}")
            elif there["orderStatus"] == "DELIVERED" and len(mails) != 1:
                if not mails and "refunded_after_shipped" in listed[order["id"]]["noted"]:
                    continue  # taken back before it could be fulfilled: then nobody is mailed (7.3)
                self.wrong.append(f"mailed {len(mails)} times: {order['orderNumber']}")
        return self.wrong

    def _explained(self, name: str, row: Record) -> bool:
        """Whether a switch is why an order stands otherwise."""
        if name == "two prices" and self.values & LINES:
            return (row.get("state"), row.get("code")) == (FAILED, "validation")
        if name in ("plain", "lost") and self.values & HIDING:
            return (row.get("state"), row.get("code")) == ("not_required", "refunded")
        keys = {(VINOSHIPPER, "paid_key", "Paid"), (VINOSHIPPER, "unknown_keys", 400)} <= self.values
        return keys and row.get("state") == FAILED
