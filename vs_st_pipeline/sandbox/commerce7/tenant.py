"""Keeps one winery's shop at Commerce7: orders, what becomes of them, mails, what apps said, and the books.

It is long because paying, refunding, fulfilling and cancelling act on the same order, and each is told in the same way.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from vs_st_pipeline.sandbox.core.accounts import Clock, iso
from vs_st_pipeline.sandbox.core.asgi import Record, merged
from vs_st_pipeline.sandbox.core.server import NoSuchRecord
from vs_st_pipeline.sandbox.scenarios.commerce7_records import address_record, cart_record
from vs_st_pipeline.sandbox.scenarios.fixtures import Merchant
from vs_st_pipeline.sandbox.scenarios.orders_accounts import APP_ID, OrderAccount, Wine, account_of
from vs_st_pipeline.sandbox.scenarios.orders_shop import (
    attempt_of,
    customer_record,
    exchanged,
    line,
    message,
    order_record,
    product_record,
    taken_back,
)

FULFILLED, PARTIALLY, NOT_FULFILLED = "Fulfilled", "Partially Fulfilled", "Not Fulfilled"
NOT_REQUIRED = "No Fulfillment Required"
OLDEST_MAILED = timedelta(days=5)
LOCAL = ZoneInfo("America/Los_Angeles")
READS_LATE = 2

Told = Callable[[str, str, str], None]  # object, action, id


class Late:
    """Shows records as they were before their last change, in the next two reads of each."""

    def __init__(self) -> None:
        self._old: dict[str, list[Any]] = {}

    def wrote(self, key: str, before: Any) -> None:
        """Keep what a record was; None: not there."""
        if key not in self._old:
            self._old[key] = [READS_LATE, copy.deepcopy(before)]

    def read(self, key: str, now: Any) -> Any:
        """Return a record as this read shows it, and count the read."""
        entry = self._old.get(key)
        if entry is None:
            return now
        if entry[0] == 0:
            del self._old[key]
            return now
        entry[0] -= 1
        return entry[1]


class Tenant:
    """One winery's records; `told` is called with whatever happens, to be told by webhooks."""

    def __init__(self, merchant: Merchant, part: Record, clock: Clock, switches: Callable[[], Record]) -> None:
        self.merchant = merchant
        self.clock = clock
        self.switches = switches
        self.account: OrderAccount = part.get("account") or account_of(merchant.id, merchant.account)
        self.orders: dict[str, Record] = part.setdefault("orders", {})
        self.products: dict[str, Record] = part.setdefault("products", {})
        self.customers: dict[str, Record] = part.setdefault("customers", {})
        self.addresses: dict[str, Record] = part.setdefault("addresses", {})
        self.carts: dict[str, Record] = part.setdefault("carts", {})
        self.app_syncs: dict[str, list[Record]] = part.setdefault("app_syncs", {})
        self.cases: list[Record] = part.get("cases") or []
        self.mails: list[Record] = []
        self.books: list[Record] = []
        self.late = Late()
        self.read_at: dict[str, float] = {}
        self.moved = False
        self.walked: set[str] = set()
        """Lists that moved while they were walked."""
        self.told: Told = lambda object, action, id: None
        self._made = 10**6

    def now(self) -> str:
        """Return the present as the API writes it."""
        return iso(self.clock.now())

    def note(self, what: str, seq: int, **details: Any) -> None:
        """Write into the books what the API did."""
        self.books.append({"what": what, "seq": seq, "at": self.now(), **details})

    def next_number(self) -> int:
        """Return a number for the id of a new record."""
        self._made += 1
        return self._made

    # Orders.

    def find(self, id: str) -> Record:
        """Return an order by its id or its number."""
        found = self.orders.get(id) or next((o for o in self.orders.values() if str(o.get("orderNumber")) == id), None)
        if found is None:
            raise NoSuchRecord(f"orders {id}")
        return found

    def _keep(self, order: Record) -> Record:
        if self.switches()["late_commit"] != "no":
            self.late.wrote(order["id"], None)
        self.orders[order["id"]] = order
        self.told("Order", "Create", order["id"])
        return order

    def _next_order_number(self) -> int:
        numbers = [o["orderNumber"] for o in self.orders.values() if isinstance(o.get("orderNumber"), int)]
        return max(numbers, default=1000) + 1

    def place(self, fields: Record) -> Record:
        """Add an order: `lines` are {sku, quantity, price}, `hours` ago; all else is put over what is usual."""
        fields = dict(fields)
        at = self.clock.now() - timedelta(hours=float(fields.pop("hours", 0)))
        given = fields.pop("lines", None) or [{"sku": "PINOT22", "quantity": 1}]
        lines = [line(one["sku"], one.get("quantity", 1), one.get("price"), **_rest(one)) for one in given]
        buyer = self.customers.get(str(fields.get("customerId") or ""))
        if buyer is None:
            buyer = self.add_customer({"lastName": f"Buyer {len(self.customers) + 1}"})
        fields.setdefault("orderNumber", self._next_order_number())
        made = order_record(self.account, self.next_number(), buyer, at, lines, **fields)
        made["updatedAt"] = fields.get("updatedAt") or self.now()
        return self._keep(made)

    def change(self, id: str, fields: Record, replace: bool = False, touch: bool = True) -> Record:
        """Change an order as somebody at the shop does, or as the vendor's own doings do."""
        before = self.orders[id]
        after = dict(fields) if replace else merged(before, fields)
        if touch and "updatedAt" not in fields:
            after["updatedAt"] = self.now()
        self.orders[id] = after
        self.told("Order", "Update", id)
        return after

    def pay(self, id: str) -> Record:
        """Capture what was authorized."""
        return self.change(id, {"paymentStatus": "Paid", "orderPaidDate": self.now()})

    def refund(self, id: str, body: Record) -> Record:
        """Refund an order: `lines` {sku: quantity}, none for all of it; `shipping`, `amount` of cents."""
        order, rest = self.orders[id], {k: v for k, v in body.items() if k not in ("order_id", "lines")}
        rest.setdefault("orderNumber", self._next_order_number())
        made = taken_back(self.account, self.next_number(), order, self.clock.now(), body.get("lines"), **rest)
        return self._link(order, made)

    def exchange(self, id: str, body: Record) -> Record:
        """Exchange a bottle (`back`) for another one (`new`)."""
        order = self.orders[id]
        rest = {k: v for k, v in body.items() if k not in ("order_id", "back", "new")}
        rest.setdefault("orderNumber", self._next_order_number())
        back, new = body.get("back") or order["items"][0]["sku"], body.get("new") or "ZIN21"
        made = exchanged(self.account, self.next_number(), order, self.clock.now(), back, new, **rest)
        return self._link(order, made)

    def _link(self, order: Record, made: Record) -> Record:
        self._keep(made)
        self.told("Order", "Update", order["id"])
        return made

    def delete(self, id: str) -> None:
        """Delete an order, which the shop has no way for and the vendor's support has."""
        del self.orders[id]
        self.told("Order", "Delete", id)

    # Fulfillment.

    def remaining(self, order: Record) -> dict[str, Any]:
        """Return what is not fulfilled yet, by SKU."""
        left: dict[str, Any] = {}
        for item in order["items"]:
            left[item["sku"]] = left.get(item["sku"], 0) + item["quantity"] - (item.get("quantityFulfilled") or 0)
        return {sku: quantity for sku, quantity in left.items() if quantity > 0}

    def fulfil(self, id: str, form: Record, items: list[Record] | None, by: str, seq: int = 0) -> Record:
        """Fulfill an order, wholly where no items are said; mail its customer if that is wished for and may be."""
        before = self.orders[id]
        order = self.orders[id] = copy.deepcopy(before)
        left = self.remaining(order)
        going = dict(left) if items is None else {one["sku"]: one["quantityFulfilled"] for one in items}
        number = self.next_number()
        entry: Record = {
            "id": self.account.id("6", number),
            "orderId": id,
            "type": form["type"],
            "fulfillmentDate": form["fulfillmentDate"],
            "shipped": form.get("shipped"),
            "pickedUp": form.get("pickedUp"),
            "packageCount": form.get("packageCount"),
            "items": [{"sku": sku, "quantityFulfilled": quantity} for sku, quantity in going.items()],
            "createdAt": self.now(),
            "updatedAt": self.now(),
        }
        for item in order["items"]:
            part = min(going.get(item["sku"], 0), item["quantity"] - (item.get("quantityFulfilled") or 0))
            if part > 0:
                item["quantityFulfilled"] = (item.get("quantityFulfilled") or 0) + part
                going[item["sku"]] -= part
        order["fulfillments"] = [*order["fulfillments"], entry]
        self._restate(order, form["fulfillmentDate"])
        if by == "api" and self.switches()["late_commit"] != "no":
            self.late.wrote(id, before)
        mailed = bool(form.get("sendTransactionEmail")) and self._mail(order, entry, by)
        if by == "api":
            shipped = form.get("shipped") or {}
            self.note("fulfilled", seq, order_id=id, order_number=order["orderNumber"], fulfillment_id=entry["id"],
                      mailed=mailed, tracking=list(shipped.get("trackingNumbers") or ()), type=form["type"],
                      nothing_left=not left)  # fmt: skip
        self.told("Order", "Update", id)
        return order

    def _restate(self, order: Record, date: str | None) -> None:
        done = any(item.get("quantityFulfilled") for item in order["items"]) or bool(order["fulfillments"])
        order["fulfillmentStatus"] = NOT_FULFILLED if not done else PARTIALLY if self.remaining(order) else FULFILLED
        order["orderFulfilledDate"] = date if order["fulfillmentStatus"] == FULFILLED else None
        order["updatedAt"] = self.now()

    def _mail(self, order: Record, entry: Record, by: str) -> bool:
        gone = datetime.fromisoformat(entry["fulfillmentDate"])
        if self.switches()["mail_rule"] == "five_days" and self.clock.now() - gone > OLDEST_MAILED:
            return False
        emails = (order.get("customer") or {}).get("emails") or [{}]
        self.mails.append({
            "id": self.account.id("5", self.next_number()),
            "order_id": order["id"],
            "order_number": order["orderNumber"],
            "to": emails[0].get("email"),
            "fulfillment_id": entry["id"],
            "tracking": list((entry["shipped"] or {}).get("trackingNumbers") or ()),
            "by": by,
            "at": self.now(),
        })  # fmt: skip
        return True

    def unfulfil(self, id: str, fulfillment: str | None, by: str, seq: int = 0) -> Record:
        """Take a fulfillment back, the last one where none is named."""
        order = self.orders[id] = copy.deepcopy(self.orders[id])
        wanted = fulfillment or (order["fulfillments"][-1]["id"] if order["fulfillments"] else "")
        entry = next((one for one in order["fulfillments"] if one["id"] == wanted), None)
        if entry is None:
            raise NoSuchRecord(f"fulfillments {wanted}")
        order["fulfillments"] = [one for one in order["fulfillments"] if one is not entry]
        for part in entry["items"]:
            for item in order["items"]:
                if item["sku"] == part["sku"]:
                    item["quantityFulfilled"] = max(0, (item.get("quantityFulfilled") or 0) - part["quantityFulfilled"])
        self._restate(order, None)
        if by == "api":
            self.note("unfulfilled", seq, order_id=id, fulfillment_id=wanted)
        self.told("Order", "Update", id)
        return order

    # What apps say.

    def say(self, id: str, app: str, status: str, issues: list[str], actions: list[Record], seq: int = 0) -> Record:
        """Keep what an app says of an order: another attempt of its one app sync."""
        kept = self.app_syncs.setdefault(id, [])
        before = copy.deepcopy(kept)
        found = next((one for one in kept if one["appId"] == app), None)
        if found is None:
            found = message(self.account, self.next_number(), id, app, status, issues, self.now())
            kept.append(found)
        else:
            made = attempt_of(self.account.id("e", self.next_number()), status, issues, self.now())
            found["attempts"].append(made)
            found |= {"status": status, "lastActivityDate": self.now(), "updatedAt": self.now()}
        found["actions"] = [{"id": self.account.id("4", self.next_number()), **one} for one in actions]
        if app == APP_ID and seq:
            if self.switches()["late_commit"] != "no":
                self.late.wrote(f"said {id}", before)
            self.note("said", seq, order_id=id, status=status, issues=list(issues))
            if self.switches()["app_sync_touches_updated"] and id in self.orders:
                self.change(id, {})
        return found

    # Customers, products.

    def add_customer(self, fields: Record) -> Record:
        """Add a customer."""
        number = self.next_number()
        given = {key: value for key, value in fields.items() if key not in ("firstName", "lastName")}
        first, last = str(fields.get("firstName") or "Ada"), str(fields.get("lastName") or "Buyer")
        made = customer_record(self.account, number, first, last, self.clock.now(), **given)
        self.customers[made["id"]] = made
        self.told("Customer", "Create", made["id"])
        return made

    def add_product(self, fields: Record) -> Record:
        """Add a product with one variant: `sku`, `price` in cents, `title`."""
        sku = str(fields.get("sku") or f"NEW{len(self.products) + 1}")
        wine = Wine(sku, str(fields.get("title") or sku), int(fields.get("price") or 3000), None)
        made = product_record(self.account, self.next_number(), wine, self.clock.now())
        made |= {key: value for key, value in fields.items() if key not in ("sku", "price")}
        self.products[made["id"]] = made
        self.told("Product", "Create", made["id"])
        return made

    def add_address(self, fields: Record) -> Record:
        """Add an address of a customer."""
        made = address_record(self.account, self.next_number(), self.clock.now(), **fields)
        self.addresses[made["id"]] = made
        self.told("Customer Address", "Create", made["id"])
        return made

    def add_cart(self, fields: Record) -> Record:
        """Add a cart: `customerId`, `items` of {productId, productVariantId, quantity}."""
        made = cart_record(self.account, self.next_number(), self.clock.now(), **fields)
        self.carts[made["id"]] = made
        self.told("Cart", "Create", made["id"])
        return made

    # What is shown.

    def shown(self, order: Record, switches: Record, row: bool = False) -> Record:
        """Return an order as the API shows it, `row`: in a list."""
        shown = dict(order)
        if row and switches["list_rows"] == "no_customer":
            shown.pop("customer", None)
        if row and switches["list_rows"] == "no_shipping_options":
            shown.pop("selectedShippingOptions", None)
        if switches["purchase_type"] == "absent":
            shown.pop("purchaseType", None)
        if switches["linked_orders"] == "absent":
            shown.pop("linkedOrders", None)
        if switches["shipping_carrier"] == "absent":
            shown["shipping"] = [_without(way, "carrier") for way in shown.get("shipping") or ()]
        options = shown.get("selectedShippingOptions")
        if isinstance(options, dict) and switches["ship_date"] != "date":
            shown["selectedShippingOptions"] = _ship_date(options, switches["ship_date"])
        if switches["bundle_quantity"] == "total":
            shown["items"] = [_in_total(item) for item in shown.get("items") or ()]
        return shown


def _rest(one: Record) -> Record:
    return {key: value for key, value in one.items() if key not in ("sku", "quantity", "price")}


def _without(holder: Record, key: str) -> Record:
    return {name: value for name, value in holder.items() if name != key}


def _ship_date(options: Record, how: str) -> Record:
    if how == "absent":
        return _without(options, "requestedShipDate")
    day = options.get("requestedShipDate")
    if not day or len(day) != 10:
        return options
    return {**options, "requestedShipDate": iso(datetime.fromisoformat(day).replace(tzinfo=LOCAL))}


def _in_total(item: Record) -> Record:
    inside = [{**one, "quantity": one["quantity"] * item["quantity"]} for one in item.get("bundleItems") or ()]
    return {**item, "bundleItems": inside} if inside else item
