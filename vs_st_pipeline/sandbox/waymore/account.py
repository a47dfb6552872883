"""Keeps what one account at WayMore was told, what its automations would have sent, and what no client may do.

It is long because what is kept, sent and found comes of one and the same event.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

from vs_st_pipeline.sandbox.core.accounts import Clock
from vs_st_pipeline.sandbox.core.asgi import Record
from vs_st_pipeline.sandbox.waymore.kept import EVENT, MASS, Call, Cart, Facts, Kept
from vs_st_pipeline.sandbox.waymore.names import (
    BLOCKS,
    CUSTOMERS,
    ORDERS,
    PRODUCTS,
    SUBSCRIBERS,
    WISHLIST,
    address_of,
    entity_of,
)

REMINDED_AFTER = timedelta(hours=1)
"""How long after its last change a cart is reminded of that was neither emptied nor ordered."""
NEXT_PASS = timedelta(minutes=10)
"""After such a pause the blocks may begin anew: what comes then is late history."""
KIND_OF = {"customer": CUSTOMERS, "product": PRODUCTS, "order": ORDERS}
Find = Callable[..., None]


class Account:
    """One account; `find` notes what no client may do."""

    def __init__(self, merchant: str, part: Record, clock: Clock, find: Find) -> None:
        self.merchant, self.clock, self._find = merchant, clock, find
        self.username, self.password = part.get("username", ""), part.get("password", "")
        self.domain = part.get("domain", "")
        self.facts = Facts(
            {address_of(one) for one in part.get("consents") or ()},
            {block: {str(id) for id in ids} for block, ids in (part.get("history") or {}).items()},
            dict(part.get("aliases") or {}),
        )
        self.generation = 0
        self.registered: str | None = None  # the uuid, while the domain is registered
        self.given: set[str] = set()
        self.registrations: list[Record] = []
        self.messages: list[Record] = []
        self._begin()

    def _begin(self) -> None:
        self.records: dict[str, dict[str, Kept]] = {kind: {} for kind in (*BLOCKS, "carts")}
        self.subscribers: dict[str, Record] = {}
        self.refused: set[tuple[str, str]] = set()
        self.carts: dict[str, Cart] = {}
        self.keys: dict[tuple[str, ...], list[str]] = {}
        self.seen_keys: set[str] = set()
        self.firsts: list[tuple[int, str, str]] = []  # calls that told a record of the history first, by mass
        self.events: list[tuple[int, str]] = []
        self.passing = 0
        self.passed_at: datetime | None = None
        self.names: dict[str, str] = {}

    # Registration.

    def uuid(self) -> str:
        """Return the uuid that is given out now."""
        return hashlib.sha256(f"{self.merchant} {self.generation}".encode()).hexdigest()[:32]

    def register(self, call: Call, anew: bool) -> str:
        """Register the domain, or give out its uuid again."""
        if self.registered is None or anew:
            self.generation += bool(self.given)
            self.registered = self.uuid()
            self.given.add(self.registered)
        self.registrations.append({"seq": call.seq, "entry": call.entry})
        return self.registered

    def give_out(self) -> str:
        """Return a uuid that Routee gives out by mail: nobody has to authenticate."""
        if self.registered is None:
            self.generation += bool(self.given)
            self.registered = self.uuid()
            self.given.add(self.registered)
        return self.registered

    def uninstall(self) -> None:
        """Forget the registration; what is known stays."""
        self.registered = None
        self.registrations.clear()

    # What is told.

    def take(self, block: str, id: str, item: Record, call: Call, switches: Record) -> None:
        """Take one record of a part."""
        kept = self.records[block].get(id)
        if id in self.facts.history.get(block, ()) and kept is None and (block, id) not in self.refused:
            self.firsts.append((call.seq, block, id))
        if kept is None:
            self.records[block][id] = Kept(item, MASS, call.seq, call.seq)
        elif switches["resent_record"] == "upsert":
            kept.data, kept.last = item, call.seq
        elif switches["resent_record"] == "duplicate":
            kept.copies, kept.last = kept.copies + 1, call.seq
        if block == SUBSCRIBERS:
            self._subscribe(item["subscriber"]["email"], None, call)
        if block == ORDERS:
            self._named(item["order_details"]["order_id"], call)
        if switches["mass_triggers"]:
            self._automate_mass(block, id, item, call)

    def begin_block(self, block: str, call: Call) -> None:
        """Note that a part of a block has come; a block comes after those before it."""
        index, now = BLOCKS.index(block), self.clock.now()
        rested = self.passed_at is not None and now - self.passed_at >= NEXT_PASS
        if index < self.passing and not (rested or self.events or self.passing == len(BLOCKS) - 1):
            self._find("block_out_of_order", call, block=block, after=BLOCKS[self.passing])
        self.passing, self.passed_at = index, now

    def happen(self, event: str, data: Record, call: Call, switches: Record) -> None:
        """Take one event."""
        entity, again = entity_of(event, data), call.key is not None and call.key in self.seen_keys
        if entity is not None and call.key is not None:
            known = self.keys.setdefault(entity, [])
            if call.key in known[:-1]:
                self._find("entity_out_of_order", call, event=event, entity=list(entity), why="an older one again")
            if call.key not in known:
                known.append(call.key)
        if again and switches["resent_event"] == "dedupe_by_header":
            return
        if call.key is not None:
            self.seen_keys.add(call.key)
        self._judge(event, data, entity, call, again)
        unsubscribes = event == "Newsletter" and not _is_true(data["subscription"])
        if not unsubscribes:
            self.events.append((call.seq, event))
        self._keep(event, data, call)

    def _keep(self, event: str, data: Record, call: Call) -> None:
        match event:
            case "CustomerAdd" | "CustomerUpdate":
                self._put(CUSTOMERS, str(data["customer"]["id"]), data, call)
                if event == "CustomerAdd":
                    self._message("welcome", str(data["customer"]["id"]), data["customer"]["email"], call)
            case "ProductAdd" | "ProductUpdate":
                self._put(PRODUCTS, str(data["product_id"]), data, call)
            case "ProductStockUpdate":
                self._stock(data, call)
            case "ProductOutOfStock":
                self._patch(PRODUCTS, str(data["product_id"]), {"out_of_stock": True}, call)
            case "CartUpdate":
                self._cart(data, call)
            case "OrderAdd":
                self._order(data, call)
            case "OrderStatusUpdate":
                self._patch(ORDERS, str(data["order_id"]), {"order_status": data["order_status"]}, call)
                self._named(data["order_id"], call)
            case "OrderPaymentConfirmed":
                self._patch(ORDERS, str(data["order_id"]), {"paid": True}, call)
                self._named(data["order_id"], call)
            case "WishlistAdd" | "WishlistDelete":
                self._wish(str(data["customer_id"]), data["product_id"], event == "WishlistAdd", call)
            case "Newsletter":
                if _is_true(data["subscription"]):
                    self._subscribe(data["email"], data["customer_id"], call)
                else:
                    self.subscribers.pop(address_of(data["email"]), None)

    def _put(self, kind: str, id: str, data: Any, call: Call) -> None:
        kept = self.records[kind].get(id)
        if kept is None:
            self.records[kind][id] = Kept(data, EVENT, call.seq, call.seq)
        else:
            kept.data, kept.last = ({**kept.data, **data} if isinstance(kept.data, dict) else data), call.seq

    def _patch(self, kind: str, id: str, data: Record, call: Call) -> None:
        if id in self.records[kind]:
            self._put(kind, id, data, call)

    def _stock(self, data: Record, call: Call) -> None:
        kept = self.records[PRODUCTS].get(str(data["product_id"]))
        if kept is None or "stock_quantity" not in data:
            return
        changed = {"stock_quantity": data["stock_quantity"]}
        if data["option_id"] is None:
            kept.data = {**kept.data, **changed}
        else:
            kept.data = {**kept.data, "product_options": [
                {**one, **changed} if one["option_id"] == data["option_id"] else one
                for one in kept.data["product_options"]
            ]}  # fmt: skip
        kept.last = call.seq

    def _cart(self, data: Record, call: Call) -> None:
        id = str(data["customer_id"])
        self._put("carts", id, data, call)
        if data["cart_products"]:
            self.carts[id] = Cart(call.at, call.seq)
        else:
            self.carts.pop(id, None)

    def _order(self, data: Record, call: Call) -> None:
        id = str(data["order_details"]["order_id"])
        self._put(ORDERS, id, data, call)
        self._named(data["order_details"]["order_id"], call)
        self.carts.pop(str(data["customer_id"]), None)  # it was ordered
        if _is_true(data["order_details"]["newsletter"]):
            self._consented(data["order_details"]["email"], call)
        self._message("thanks", id, data["order_details"]["email"], call)

    def _wish(self, customer: str, product: Any, there: bool, call: Call) -> None:
        kept = self.records[WISHLIST].get(customer)
        listed = [one for one in (kept.data["product_id"] if kept else ()) if str(one) != str(product)]
        data = {"customer_id": customer, "product_id": [*listed, product] if there else listed}
        self._put(WISHLIST, customer, data, call)

    def _subscribe(self, email: Any, customer: Any, call: Call) -> None:
        self._consented(email, call)
        self.subscribers[address_of(email)] = {"email": email, "customer_id": customer, "seq": call.seq}

    # What its automations would have sent.

    def _message(self, what: str, id: str, to: Any, call: Call) -> None:
        self.messages.append(
            {"what": what, "id": id, "to": to, "by": call.by, "seq": call.seq, "at": call.at.isoformat()}
        )

    def _automate_mass(self, block: str, id: str, item: Record, call: Call) -> None:
        if block == CUSTOMERS:
            self._message("welcome", id, item["customer"]["email"], call)
            if item["cart"]:
                self.carts[id] = Cart(call.at, call.seq)
        elif block == ORDERS:
            self._message("thanks", id, None, call)

    def remind(self) -> None:
        """Remind whoever left a cart for so long."""
        now = self.clock.now()
        for id, cart in self.carts.items():
            if not cart.reminded and now - cart.at >= REMINDED_AFTER:
                cart.reminded = True
                who = self.records[CUSTOMERS].get(id)
                to = who.data["customer"]["email"] if who else None
                self._message("reminder", id, to, Call(cart.seq, {}, None, now))

    # What no client may do.

    def _judge(self, event: str, data: Record, entity: tuple[str, ...] | None, call: Call, again: bool) -> None:
        """Find an event of something that was never told, and one that adds what is there."""
        if entity is None or again or self.facts.silent:
            return
        kind, id = KIND_OF.get(entity[0]), entity[1]
        if kind is not None:
            known = id in self.records[kind]
            if not event.endswith("Add") and not known:
                self._find("entity_out_of_order", call, event=event, entity=list(entity), why="it was never told")
            if event.endswith("Add") and known:
                self._find("added_again", call, event=event, entity=list(entity))
            if event.endswith("Add") and id in self.facts.history.get(kind, ()) and not known:
                self._find("history_as_event", call, event=event, entity=list(entity))
        if event == "WishlistDelete":
            wishes = self.records[WISHLIST].get(id)
            if wishes is None or entity[2] not in map(str, wishes.data["product_id"]):
                self._find("entity_out_of_order", call, event=event, entity=list(entity), why="it was never told")

    def _consented(self, email: Any, call: Call) -> None:
        if address_of(email) not in self.facts.consents:
            self._find("subscribed_without_consent", call, address=address_of(email))

    def _named(self, id: Any, call: Call) -> None:
        """Find an order that is called otherwise than before: a number and a text, or the shop's other name."""
        text = str(id).strip().lower()
        name = text if isinstance(id, str) else f"{text} (a number)"
        other = self.facts.aliases.get(str(id))
        if self.names.setdefault(text, name) != name or (other is not None and other != str(id)):
            self._find("order_under_two_names", call, order=str(id))

    def late_findings(self) -> Iterator[Record]:
        """Yield what shows only afterwards: a second registration, and events before the history was done."""
        first = next((one["seq"] for one in self.registrations if _was_told(one["entry"])), None)
        for one in self.registrations:
            if first is not None and one["seq"] > first:
                yield {"what": "second_registration", "merchant": self.merchant, "seq": one["seq"]}
        last = max(self.firsts, default=None)
        for seq, event in self.events:
            if last is not None and seq < last[0]:
                more = {"event": event, "block": last[1], "id": last[2]}
                yield {"what": "event_before_history", "merchant": self.merchant, "seq": seq, **more}

    def shown(self) -> Record:
        """Return what it knows, for the control API."""
        return {
            "registered": self.registered is not None,
            "records": {kind: [one.shown(id) for id, one in kept.items()] for kind, kept in self.records.items()},
            "subscribers": sorted(self.subscribers),
        }


def _is_true(value: Any) -> bool:
    return value is True or value == "true"


def _was_told(entry: Record) -> bool:
    """Say whether the answer came whole: whoever lost it may ask again."""
    return entry["fault"] is None and entry["status"] is not None and 200 <= entry["status"] < 300
