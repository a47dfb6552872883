"""Answers as Commerce7 does: run as `python -m vs_st_pipeline.sandbox.commerce7`.

It is long because it holds every call of the API, beside the switch of each thing that is not known of it.
"""

from __future__ import annotations

import base64
import math
import time
from collections import deque
from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Any
from urllib.parse import quote

from vs_st_pipeline.sandbox.commerce7.listing import filtered, invalid, page_of, start_of
from vs_st_pipeline.sandbox.commerce7.shelves import KINDS, listed, table_of
from vs_st_pipeline.sandbox.commerce7.tenant import FULFILLED, NOT_REQUIRED, Tenant
from vs_st_pipeline.sandbox.commerce7.webhooks import CALLBACK, C7Hooks
from vs_st_pipeline.sandbox.core.accounts import AccountStandIn, Refused, iso
from vs_st_pipeline.sandbox.core.asgi import Answer, Record, Request, json_answer, merged
from vs_st_pipeline.sandbox.core.lies import Kind
from vs_st_pipeline.sandbox.core.server import NoSuchRecord
from vs_st_pipeline.sandbox.scenarios.fixtures import Merchant
from vs_st_pipeline.sandbox.scenarios.orders_accounts import APP_ID, APP_SECRET, OTHER_APP

ORDERS = Kind("orders", "id", "orderNumber", "orders")
ORDER = Kind("order", "id", "orderNumber", None)
PRODUCTS = Kind("products", "id", "title", "products")
CUSTOMER = Kind("customer", "id", "emails", None)
OBJECTS = {"products": "Product", "customers": "Customer", "addresses": "Customer Address", "carts": "Cart"}
"""What webhooks call the kinds of records, orders apart."""
APP_SYNCS = Kind("app_syncs", "id", "objectId", "appSyncs")
CARRIERS = ("UPS", "FedEx", "GSO", "ATS Healthcare", "Australia Post")
SHIPPED, PICKED_UP = "Shipped", "Picked Up"
OBJECT_TYPES = ("Order", "Customer", "Customer Address", "Club Membership", "Product", "Reservation")
WINDOW_SECONDS = 60.0
READ_BEFORE_SECONDS = 125.0  # a client has two minutes; the rest is for a busy machine
WORDS = {
    400: ("badRequest", "The request is not valid"),
    401: ("unauthorized", "Unauthenticated User"),
    403: ("forbidden", "You do not have access to this endpoint"),
    404: ("notFound", "Not Found"),
    422: ("validationError", "There was a validation error"),
    429: ("tooManyRequests", "Too Many Requests"),
}


def said(status: int, type: str, text: str) -> Answer:
    """Return an error body."""
    return json_answer({"statusCode": status, "type": type, "message": text, "errors": []}, status)


class Commerce7(AccountStandIn):
    """Answers /v1/... for several wineries, each a tenant of the one app."""

    system = "commerce7"
    kinds = ("orders", "products", "customers", "addresses", "carts", "app_syncs", "mails")
    acts = ("clock", "orders", "say")
    paths = (
        (r"/v1/order/[^/]+", "/v1/order/{id}"),
        (r"/v1/order/[^/]+/fulfillment", "/v1/order/{id}/fulfillment"),
        (r"/v1/order/[^/]+/fulfillment/all", "/v1/order/{id}/fulfillment/all"),
        (r"/v1/order/[^/]+/fulfillment/[^/]+", "/v1/order/{id}/fulfillment/{fid}"),
        (r"/v1/customer/[^/]+", "/v1/customer/{id}"),
        (r"/v1/customer-address/[^/]+", "/v1/customer-address/{id}"),
        (r"/v1/cart/[^/]+", "/v1/cart/{id}"),
        (r"/v1/product/[^/]+", "/v1/product/{id}"),
        (r"/v1/app-syncs/[^/]+", "/v1/app-syncs/{id}"),
        (r"/v1/web-hook/[^/]+", "/v1/web-hook/{id}"),
    )

    def accounts_opened(self) -> None:
        self.tenants = {
            m.id: Tenant(m, self.part(m), self.clock, partial(self.switches.of, m.id)) for m in self.merchants.values()
        }
        self.by_tenant = {tenant.account.tenant: tenant for tenant in self.tenants.values()}
        self.hooks_of = {
            id: C7Hooks(id, tenant.account.tenant, self.sender, partial(self._payload, tenant))
            for id, tenant in self.tenants.items()
        }
        for tenant in self.tenants.values():
            tenant.told = partial(self._told, tenant.merchant)
        self.recent: dict[str, deque[float]] = {}
        self.refused: dict[str, int] = {}
        pair = base64.b64encode(f"{APP_ID}:{APP_SECRET}".encode())
        self.good_key = b"Basic " + pair

    def keys_of(self, merchant: Merchant) -> Record:
        account = self.tenants[merchant.id].account
        return {"app_id": APP_ID, "app_secret": APP_SECRET, "tenant": account.tenant, "prefix": account.prefix}

    # Who calls.

    def caller(self, request: Request) -> Merchant | None:
        if request.authorization != self.good_key:
            return None
        tenant = self.by_tenant.get(request.header(b"tenant") or "")
        return tenant.merchant if tenant else None

    def refuse(self, request: Request, switches: Record) -> Answer:
        return self.denied(request, 401)

    def denied(self, request: Request, status: int) -> Answer:
        type, text = WORDS.get(status, ("serverError", "Internal Server Error"))
        return said(status, type, text)

    def bad_json(self, request: Request) -> Answer:
        return said(400, "badRequest", "Unexpected token in JSON")

    def kind_of(self, request: Request) -> Kind | None:
        match request.method, request.parts:
            case "GET", ["v1", "order"]:
                return ORDERS
            case "GET", ["v1", "order", _]:
                return ORDER
            case "GET", ["v1", "product"]:
                return PRODUCTS
            case "GET", ["v1", "customer", _]:
                return CUSTOMER
            case "GET", ["v1", word] if word in KINDS:
                return KINDS[word]
            case "GET", ["v1", "app-syncs", _]:
                return APP_SYNCS
        return None

    def path_of_another(self, request: Request, merchant: Merchant) -> str | None:
        *before, id = request.parts
        tenant = self.tenants[merchant.id]
        ids = list(tenant.customers if request.parts[1] == "customer" else tenant.orders)
        if id not in ids or len(ids) < 2:
            return None
        return "/" + "/".join(quote(part, safe="") for part in (*before, ids[ids.index(id) - 1]))

    def row_of_another(self, request: Request, merchant: Merchant, row: Record, switches: Record) -> Record | None:
        tenant = self.tenants[merchant.id]
        tables = (tenant.orders, tenant.products, tenant.customers, tenant.addresses, tenant.carts)
        table = next((one for one in tables if row.get("id") in one), {})
        other = next((one for id, one in table.items() if id != row.get("id")), None)
        return tenant.shown(other, switches, True) if other and "orderNumber" in row else other

    def _too_many(self, merchant: Merchant, most: Any) -> float | None:
        """Count a call; return the seconds after which another one may come, where this is one too many."""
        calls, now = self.recent.setdefault(merchant.id, deque()), time.monotonic()
        while calls and calls[0] <= now - WINDOW_SECONDS:
            calls.popleft()
        if most is not None and len(calls) >= int(most):
            self.refused[merchant.id] = self.refused.get(merchant.id, 0) + 1
            return max(0.0, calls[0] + WINDOW_SECONDS - now)
        calls.append(now)
        return None

    # The API.

    def respond(self, request: Request, merchant: Merchant, switches: Record) -> Answer:
        wait = self._too_many(merchant, switches["limit_per_minute"])
        if wait is not None:
            answer = self.denied(request, 429)
            answer.headers += [(b"retry-after", str(math.ceil(wait)).encode())] if switches["retry_after"] else []
            return answer
        if request.parts[:1] != ["v1"]:
            return self.denied(request, 404)
        try:
            return self._routed(request, request.parts[1:], merchant, switches) or self.denied(request, 404)
        except Refused as refused:
            return refused.answer
        except NoSuchRecord:
            self._foreign(request, merchant)
            return self.denied(request, 404)

    def _routed(self, request: Request, rest: list[str], merchant: Merchant, switches: Record) -> Answer | None:
        tenant = self.tenants[merchant.id]
        match request.method, rest:
            case "GET", ["order"]:
                return self._orders(request, tenant, switches)
            case "GET", ["order", id]:
                order = tenant.late.read(id, tenant.orders.get(id))
                if order is None:
                    raise NoSuchRecord(id)
                tenant.read_at[id] = request.at
                return json_answer(tenant.shown(order, switches))
            case _, ["order", id, "fulfillment", *more]:
                return self._fulfillment(request, id, more, merchant, tenant, switches)
            case "GET", [("customer" | "customer-address" | "product" | "cart") as word]:
                return listed(word, request, tenant, switches)
            case "GET", [("customer" | "customer-address" | "product" | "cart") as word, id]:
                table = table_of(tenant, word)
                if id not in table or (word == "cart" and switches["carts"] != "works"):
                    raise NoSuchRecord(id)
                return json_answer(table[id])
            case (_, ["app-sync"]) | (_, ["app-syncs", _]):
                return self._app_sync(request, rest, merchant, tenant, switches)
            case _, ["web-hook", *more]:
                return self.hooks_of[merchant.id].answer(request, more)
            case "GET", ["web-hook-log"]:
                return self.hooks_of[merchant.id].log(request)
            case _, [first, *_] if first == CALLBACK:
                self.find("callback_fetched", merchant, request)
                return None
        if request.method != "GET":
            # What the vendor lets an app with full access do, and this one has no business to.
            self.find("wrote_record", merchant, request, method=request.method, path=request.path)
            return self.denied(request, 403)
        return None

    def _foreign(self, request: Request, merchant: Merchant) -> None:
        """Note a call about another winery's record."""
        for owner, tenant in self.tenants.items():
            tables = (tenant.orders, tenant.customers, tenant.products, tenant.addresses, tenant.carts)
            if owner != merchant.id and any(part in table for part in request.parts for table in tables):
                self.find("other_merchants_record", merchant, request, owner=owner)

    def _orders(self, request: Request, tenant: Tenant, switches: Record) -> Answer:
        later = start_of(request.query.get("cursor")) > 0 or request.query.get("page", "1") != "1"
        moves = switches["orders_change_while_paged"] or switches["moves_during_walk"]
        if moves and later and not tenant.moved and tenant.orders:
            tenant.moved = True
            self._move(tenant)
        rows = [tenant.late.read(id, order) for id, order in list(tenant.orders.items())]
        found = filtered((row for row in rows if row is not None), request.query, switches)
        found.sort(key=lambda row: (str(row.get("createdAt")), str(row.get("id"))), reverse=True)
        page, beside = page_of("orders", found, request, switches)
        return json_answer({"orders": [tenant.shown(row, switches, True) for row in page], **beside})

    def _move(self, tenant: Tenant) -> None:
        """Let an order come between two pages: the rows after it move down by one, and one of them was changed."""
        newest = sorted(tenant.orders.values(), key=lambda row: (str(row.get("createdAt")), str(row.get("id"))))
        at = len(newest) - 50
        tenant.place({"lines": [{"sku": "PINOT22", "quantity": 1}]})
        tenant.change(newest[max(at, 0)]["id"], {"shippingInstructions": "Ring twice"})

    # Fulfillment.

    def _fulfillment(
        self, request: Request, id: str, more: list[str], merchant: Merchant, tenant: Tenant, switches: Record
    ) -> Answer | None:
        if request.method not in ("POST", "DELETE"):
            return None
        if id not in tenant.orders:
            raise NoSuchRecord(id)
        self.fire("write", merchant, request)
        match request.method, more:
            case "DELETE", [fulfillment]:
                return json_answer(tenant.shown(tenant.unfulfil(id, fulfillment, "api", request.seq), switches))
            case "POST", [] | ["all"]:
                return self._fulfil(request, id, bool(more), merchant, tenant, switches)
        return None

    def _fulfil(
        self, request: Request, id: str, whole: bool, merchant: Merchant, tenant: Tenant, switches: Record
    ) -> Answer:
        form, order = request.json_object(), tenant.orders[id]
        wrong = _wrong_form(form, switches)
        items = None if whole else form.get("items")
        done = order["fulfillmentStatus"] in (FULFILLED, NOT_REQUIRED)
        again = switches["fulfil_again"] == "second_fulfilment"
        if not whole:
            wrong += _wrong_items(items, tenant.remaining(order), done and again)
        if done and not again:
            text = f"Can not fulfill an order that is marked {FULFILLED}"
            raise invalid(text=text)
        if wrong:
            raise invalid(*wrong)
        if request.at - tenant.read_at.pop(id, 0.0) > READ_BEFORE_SECONDS:
            self.find("fulfilled_without_reading", merchant, request, order_id=id, order_number=order["orderNumber"])
        numbers = set((form.get("shipped") or {}).get("trackingNumbers") or ())
        before = [set((one.get("shipped") or {}).get("trackingNumbers") or ()) for one in order["fulfillments"]]
        made = tenant.fulfil(id, form, items, "api", request.seq)
        if done or any(numbers & known for known in before):
            self.find("fulfilled_twice", merchant, request, order_id=id, order_number=order["orderNumber"])
        if sum(mail["order_id"] == id and mail["by"] == "api" for mail in tenant.mails) > 1:
            self.find("mailed_twice", merchant, request, order_id=id, order_number=order["orderNumber"])
        return json_answer(tenant.shown(made, switches))

    # What apps say.

    def _app_sync(
        self, request: Request, rest: list[str], merchant: Merchant, tenant: Tenant, switches: Record
    ) -> Answer | None:
        if switches["app_sync"] != "works":
            return self.denied(request, int(switches["app_sync"]))
        match request.method, rest:
            case "GET", [_, id]:
                rows = tenant.late.read(f"said {id}", tenant.app_syncs.get(id, []))
                if id not in tenant.orders and not rows:
                    self._foreign(request, merchant)
                return json_answer({"appSyncs": rows, "total": len(rows)})
            case "POST", ["app-sync"]:
                form = request.json_object()
                self.fire("write", merchant, request)
                wrong = _wrong_message(form)
                if wrong:
                    raise invalid(*wrong)
                id = str(form["objectId"])
                if form["objectType"] == "Order" and id not in tenant.orders:
                    raise NoSuchRecord(id)
                actions = form.get("actions") or []
                return json_answer(tenant.say(id, APP_ID, form["status"], form["issues"], actions, request.seq))
        return None

    # Webhooks.

    def _payload(self, tenant: Tenant, object: str, id: str) -> Record | None:
        switches = self.switches.of(tenant.merchant.id)
        if object == "Order":
            return tenant.shown(tenant.orders[id], switches) if id in tenant.orders else None
        kind = next((kind for kind, name in OBJECTS.items() if name == object), None)
        return self._table(tenant.merchant, kind).get(id) if kind else None

    def _told(self, merchant: Merchant, object: str, action: str, id: str) -> None:
        self.happened(merchant, [{"object": object, "action": action, "id": id}])

    def send_webhooks(self, merchant: Merchant, events: Sequence[Record]) -> int:
        """Send events {object, action, id}; an order may be named by `order_number` too."""
        tenant = self.tenants[merchant.id]
        named = [
            {**event, "id": tenant.find(str(event["order_number"]))["id"]} if "order_number" in event else event
            for event in events
        ]
        return self.hooks_of[merchant.id].send(named, self.switches.of(merchant.id))

    def is_registered(self, merchant: str, webhook: str) -> bool:
        return webhook in self.hooks_of[merchant].registered

    def unregister(self, merchant: str, webhook: str) -> None:
        self.hooks_of[merchant].registered.pop(webhook, None)

    # Control.

    def switched(self, values: Record, merchant: str | None) -> None:
        for tenant in self.tenants.values():
            tenant.moved = tenant.moved and not values.keys() & {"orders_change_while_paged", "moves_during_walk"}
            if "moves_during_walk" in values:
                tenant.walked.clear()

    def acted(self, merchant: Merchant, name: str, body: Record) -> Any:
        tenant = self.tenants[merchant.id]
        if name == "orders/place":
            return tenant.place(body)
        id = tenant.find(str(body["order_id"]))["id"]
        match name:
            case "orders/pay":
                return tenant.pay(id)
            case "orders/cancel":
                return tenant.change(id, {"paymentStatus": "Cancelled"})
            case "orders/refund":
                return tenant.refund(id, body)
            case "orders/exchange":
                return tenant.exchange(id, body)
            case "orders/fulfil":
                form = {"type": SHIPPED, "fulfillmentDate": iso(self.clock.now()), "packageCount": 1, **body}
                form["shipped"] = {"trackingNumbers": body.get("tracking") or [], "carrier": body.get("carrier")}
                return tenant.fulfil(id, form, body.get("items"), "person")
            case "orders/unfulfil":
                return tenant.unfulfil(id, body.get("fulfillment_id"), "person")
            case "say":
                issues = [str(text) for text in body.get("issues") or ()]
                app, status = str(body.get("app") or OTHER_APP), str(body.get("status") or "Success")
                return tenant.say(id, app, status, issues, [])
        raise NoSuchRecord(name)

    def reported(self, name: str, merchants: list[Merchant]) -> Any:
        ids = [merchant.id for merchant in merchants]
        if name == "books":
            return [{"merchant": id, **entry} for id in ids for entry in self.tenants[id].books]
        if name == "cases":
            return {id: self.tenants[id].cases for id in ids}
        if name == "webhooks":
            return [{"merchant": id, **hook} for id in ids for hook in self.hooks_of[id].registered.values()]
        if name == "refused":
            return {id: self.refused.get(id, 0) for id in ids}
        raise NoSuchRecord(name)

    def _table(self, merchant: Merchant, kind: str) -> dict[str, Record]:
        tenant = self.tenants[merchant.id]
        if kind == "app_syncs":
            return {one["id"]: one for many in tenant.app_syncs.values() for one in many}
        if kind == "mails":
            return {one["id"]: one for one in tenant.mails}
        return {
            "orders": tenant.orders,
            "products": tenant.products,
            "customers": tenant.customers,
            "addresses": tenant.addresses,
            "carts": tenant.carts,
        }[kind]

    def _key(self, merchant: Merchant, kind: str, id: str) -> str:
        if kind == "orders":
            return str(self.tenants[merchant.id].find(id)["id"])
        if id not in self._table(merchant, kind):
            raise NoSuchRecord(f"{kind} {id}")
        return id

    def records(self, merchant: Merchant, kind: str) -> list[Record]:
        return list(self._table(merchant, kind).values())

    def record(self, merchant: Merchant, kind: str, id: str) -> Record:
        return self._table(merchant, kind)[self._key(merchant, kind, id)]

    def add_record(self, merchant: Merchant, kind: str, fields: Record) -> Record:
        tenant = self.tenants[merchant.id]
        match kind:
            case "orders":
                return tenant.place(fields)
            case "customers":
                return tenant.add_customer(fields)
            case "products":
                return tenant.add_product(fields)
            case "addresses":
                return tenant.add_address(fields)
            case "carts":
                return tenant.add_cart(fields)
        raise ValueError(f"{kind} cannot be added by hand")

    def change_record(
        self, merchant: Merchant, kind: str, id: str, fields: Record, replace: bool, touch: bool
    ) -> Record:
        tenant, key = self.tenants[merchant.id], self._key(merchant, kind, id)
        if kind == "orders":
            return tenant.change(key, fields, replace, touch)
        table = self._table(merchant, kind)
        found = dict(fields) if replace else merged(table[key], fields)
        found |= {"updatedAt": iso(self.clock.now())} if touch and "updatedAt" not in fields else {}
        if kind not in OBJECTS:
            raise ValueError(f"{kind} cannot be changed by hand")
        table[key] = found
        tenant.told(OBJECTS[kind], "Update", key)
        return found

    def delete_record(self, merchant: Merchant, kind: str, id: str) -> None:
        tenant, key = self.tenants[merchant.id], self._key(merchant, kind, id)
        if kind == "orders":
            tenant.delete(key)
        elif kind in OBJECTS:
            del self._table(merchant, kind)[key]
            tenant.told(OBJECTS[kind], "Delete", key)
        else:
            raise ValueError(f"{kind} cannot be deleted by hand")


def _wrong_form(form: Record, switches: Record) -> list[tuple[str, str]]:
    """Return what is wrong with a fulfillment, by field."""
    wrong = []
    kind, shipped = form.get("type"), form.get("shipped")
    if kind not in (SHIPPED, PICKED_UP, NOT_REQUIRED):
        wrong.append(("type", '"type" must be one of [Shipped, Picked Up, No Fulfillment Required]'))
    if not isinstance(form.get("sendTransactionEmail"), bool):
        wrong.append(("sendTransactionEmail", '"sendTransactionEmail" is required'))
    if not _is_time(form.get("fulfillmentDate")):
        wrong.append(("fulfillmentDate", '"fulfillmentDate" must be a valid ISO 8601 date'))
    if kind == SHIPPED:
        count = form.get("packageCount")
        if not isinstance(count, int) or isinstance(count, bool) or count < 1:
            wrong.append(("packageCount", '"packageCount" must be greater than or equal to 1'))
        wrong += _wrong_parcel(shipped, switches)
    if kind == PICKED_UP and not (form.get("pickedUp") or {}).get("pickedUpBy"):
        wrong.append(("pickedUp.pickedUpBy", '"pickedUpBy" is required'))
    return wrong


def _wrong_parcel(shipped: Any, switches: Record) -> list[tuple[str, str]]:
    if not isinstance(shipped, dict):
        return [("shipped", '"shipped" is required')]
    wrong, carrier, numbers = [], shipped.get("carrier"), shipped.get("trackingNumbers", [])
    if carrier is None:
        if switches["fulfil_without_carrier"] == "refused_422":
            wrong.append(("shipped.carrier", '"carrier" is required'))
    elif carrier not in CARRIERS:
        wrong.append(("shipped.carrier", f'"carrier" must be one of [{", ".join(CARRIERS)}]'))
    if not isinstance(numbers, list) or not all(isinstance(one, str) and one for one in numbers):
        wrong.append(("shipped.trackingNumbers", '"trackingNumbers" must be an array of text'))
    elif not numbers and switches["fulfil_without_tracking"] == "refused_422":
        wrong.append(("shipped.trackingNumbers", '"trackingNumbers" must contain at least 1 items'))
    return wrong


def _wrong_items(items: Any, left: dict[str, Any], again: bool) -> list[tuple[str, str]]:
    if not isinstance(items, list) or not items:
        return [("items", '"items" is required')]
    asked: dict[str, Any] = {}
    for number, one in enumerate(items):
        quantity = one.get("quantityFulfilled") if isinstance(one, dict) else None
        if not isinstance(quantity, int) or quantity < 1 or not isinstance(one.get("sku"), str):
            return [(f"items[{number}]", "a sku and a quantityFulfilled above 0 are required")]
        asked[one["sku"]] = asked.get(one["sku"], 0) + quantity
    over = [sku for sku, quantity in asked.items() if quantity > left.get(sku, 0)]
    return [] if again else [("items", f"more than what remains of {sku}") for sku in over]


def _wrong_message(form: Record) -> list[tuple[str, str]]:
    wrong, issues = [], form.get("issues")
    if form.get("objectType") not in OBJECT_TYPES:
        wrong.append(("objectType", '"objectType" must be one of the allowed values'))
    if not form.get("objectId"):
        wrong.append(("objectId", '"objectId" is required'))
    if form.get("status") not in ("Success", "Error"):
        wrong.append(("status", '"status" must be one of [Success, Error]'))
    if not isinstance(issues, list) or not all(isinstance(text, str) for text in issues):
        wrong.append(("issues", '"issues" must be an array of text'))
    if not isinstance(form.get("actions", []), list):
        wrong.append(("actions", '"actions" must be an array'))
    return wrong


def _is_time(value: Any) -> bool:
    try:
        return datetime.fromisoformat(value).tzinfo is not None
    except (TypeError, ValueError):
        return False
