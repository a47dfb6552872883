"""Answers as Vinoshipper does: run as `python -m vs_st_pipeline.sandbox.vinoshipper`.

It is long because it holds every call of the API, beside the switch of each thing that is not known of it.
"""

from __future__ import annotations

import base64
import random
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from typing import Any
from urllib.parse import quote

from vs_st_pipeline.sandbox.core.accounts import Clock
from vs_st_pipeline.sandbox.core.asgi import HTML, Answer, Record, Request, json_answer, merged
from vs_st_pipeline.sandbox.core.faults import LOGIN_PAGE, redirect_to_login
from vs_st_pipeline.sandbox.core.lies import Kind, shop_kind
from vs_st_pipeline.sandbox.core.server import NoSuchRecord, StandIn
from vs_st_pipeline.sandbox.scenarios.fixtures import PACIFIC, Builder, Merchant
from vs_st_pipeline.sandbox.vinoshipper.desk import Desk
from vs_st_pipeline.sandbox.vinoshipper.order_form import Refusal
from vs_st_pipeline.sandbox.vinoshipper.search import UI_OPTIONS, BadFilter, flat, number_of, search, told_total
from vs_st_pipeline.sandbox.vinoshipper.shop import Shop
from vs_st_pipeline.sandbox.vinoshipper.webhooks import ORDER, VsHooks, customer_event, membership_event, order_event


def failure(status: int, type: str, text: str, field: str | None = None) -> Answer:
    """Return the error body of the shop."""
    error = {"description": text, "code": type.lower(), "field": field, "shortDescription": None}
    return json_answer({"error": {"status": status, "type": type, "errors": [error]}}, status)


NOT_FOUND = "Not Found"
WORDS = {
    400: ("VALIDATION", "The request is not valid"),
    410: ("SERVER_ERROR", "Gone"),
    422: ("VALIDATION", "The record cannot be processed"),
    500: ("SERVER_ERROR", "Internal error"),
}


class Vinoshipper(StandIn):
    """Answers /api/v3/p/... for several wineries, each under its own key."""

    system = "vinoshipper"
    kinds = ("customers", "orders", "memberships", "products")
    acts = ("clock", "orders")
    not_mine = ("contacts", "custom_fields", "lists")

    def opened(self) -> None:
        self.clock = Clock()
        self.shops = {merchant.id: Shop(merchant) for merchant in self.merchants.values()}
        self.desks = {merchant.id: self._desk(merchant) for merchant in self.merchants.values()}
        self.webhooks = {
            merchant.id: VsHooks(merchant.id, self.sender, partial(_owner, merchant))
            for merchant in self.merchants.values()
        }
        self.callers: dict[bytes, Merchant] = {}
        for merchant in self.merchants.values():
            pair = f"{merchant.vs_key}:{merchant.vs_secret}".encode()
            self.callers[b"Basic " + base64.b64encode(pair)] = merchant

    def _desk(self, merchant: Merchant) -> Desk:
        def elsewhere(number: str) -> bool:
            return any(number in other.orders for other in self.merchants.values() if other is not merchant)

        part = merchant.parts.get(self.system) or {}
        desk = Desk(self.shops[merchant.id], part, self.clock, partial(self.switches.of, merchant.id), elsewhere)
        desk.told = partial(self._changed, merchant)
        return desk

    def switched(self, values: Record, merchant: str | None) -> None:
        for shop in self.shops.values():
            shop.customers_moved = shop.customers_moved and "list_changes_while_paged" not in values
            shop.orders_moved = shop.orders_moved and "orders_change_while_paged" not in values

    def caller(self, request: Request) -> Merchant | None:
        if request.authorization is None and request.parts[2:4] == ["feeds", "vs"]:  # a shop window, open to everybody
            return next((m for m in self.merchants.values() if [self._profile_id(m)] == request.parts[4:5]), None)
        return self.callers.get(request.authorization or b"")

    def _profile_id(self, merchant: Merchant) -> str:
        id = self.switches.of(merchant.id)["profile_id"]
        return str(merchant.account if id is None else id)

    def refuse(self, request: Request, switches: Record) -> Answer:
        if request.parts[2:3] == ["feeds"]:
            return self._missing()
        if request.parts[:2] != ["api", "v3"]:
            return failure(404, "SERVER_ERROR", NOT_FOUND)
        if switches["bad_credentials"] == 302:
            return redirect_to_login()
        if switches["bad_credentials"] == "login_page":
            return Answer(200, LOGIN_PAGE, HTML)
        return self.denied(request, 401)

    def denied(self, request: Request, status: int) -> Answer:
        if status == 404:
            return self._missing()
        if status in WORDS:
            return failure(status, *WORDS[status])
        return failure(status, "ACCESS_DENIED", "Authentication failed" if status == 401 else "Insufficient permission")

    def kind_of(self, request: Request) -> Kind | None:
        return shop_kind(request.method, request.parts[3:])

    def path_of_another(self, request: Request, merchant: Merchant) -> str | None:
        *before, kind, id = request.parts[:5]
        others = [str(key) for key in (merchant.customers if kind == "customers" else merchant.orders)]
        if id not in others or len(others) < 2:
            return None
        other = others[others.index(id) - 1]
        return "/" + "/".join(quote(part, safe="") for part in (*before, kind, other, *request.parts[5:]))

    def bad_json(self, request: Request) -> Answer:
        return failure(400, "VALIDATION", "The body could not be read")

    def dressed(self, answer: Answer, request: Request, switches: Record) -> Answer:
        names = [name for name, _ in answer.headers]
        if b"cf-ray" not in names:
            # Cloudflare's own pages never reached the shop, so they carry no trace id.
            answer.headers.append((b"vs-trace-id", f"{request.seq:08x}{secrets.token_hex(4)}".encode()))
            if switches["cf_ray_on_all"]:
                answer.headers += [(b"server", b"cloudflare"), (b"cf-ray", f"{request.seq:016x}-SJC".encode())]
        return answer

    def respond(self, request: Request, merchant: Merchant, switches: Record) -> Answer:
        if request.parts[:2] != ["api", "v3"] or len(request.parts) < 3:
            return failure(404, "SERVER_ERROR", NOT_FOUND)
        if request.parts[2:4] == ["feeds", "vs"]:
            return self._feed(request, request.parts[4:], merchant, switches)
        if request.parts[2] != "p":
            known = request.parts[2:] in (["customers"], ["orders"])
            return failure(405, "SERVER_ERROR", "Method Not Allowed") if known else self._missing()
        rest = request.parts[3:]
        shop = self.shops[merchant.id]
        try:
            match rest[:1]:
                case ["customers"]:
                    return self._customers(request, rest[1:], shop, switches)
                case ["orders"]:
                    return self._orders(request, rest[1:], shop, switches)
                case ["products"] if request.method == "GET" and switches["products_call"] == "products":
                    return self._products(request, rest[1:], self.desks[merchant.id])
                case ["clubs"]:
                    return self._clubs(request, rest[1:], shop, switches)
                case ["profile"]:
                    return self._profile(request, rest[1:], merchant, switches)
                case ["shippers"] if rest == ["shippers", "active"]:
                    return json_answer([{"id": 5001, "name": "Example Fulfillment", "isFulfillmentCenter": True}])
        except (KeyError, ValueError, NoSuchRecord):
            return self._missing()
        except Refusal as refusal:
            return refusal.answer()
        except BadFilter as error:
            return failure(400, "VALIDATION", f"not a date: {error.args[1]}", error.args[0])
        return self._missing()

    def _missing(self) -> Answer:
        return failure(404, "SERVER_ERROR", NOT_FOUND)

    # Customers and memberships.

    def _customers(self, request: Request, rest: list[str], shop: Shop, switches: Record) -> Answer:
        customers = shop.merchant.customers
        match request.method, rest:
            case "POST", ["list"]:
                return self._customer_list(request.json_object(), shop, switches)
            case "POST", ["exists"]:
                email = str(request.json_object().get("email") or "").lower()
                found = [shop.detail(c["id"]) for c in customers.values() if (c["email"] or "").lower() == email]
                if switches["exists_answer"] == "array":
                    return json_answer(found)
                return json_answer(found[0]) if found else self._missing()
            case "GET", []:
                return self._customer_search(request, shop, switches)
            case "GET", [id]:
                return json_answer(shop.detail(int(id))) if id.isdigit() else self._missing()
            case "GET", [id, "memberships"]:
                return json_answer(shop.detail(int(id))["memberships"])
            case _, [id, "memberships", membership_id, *action]:
                return self._membership(request, shop, int(id), int(membership_id), action)
        return self._missing() if rest[1:] else failure(405, "SERVER_ERROR", "Method Not Allowed")

    def _customer_list(self, form: Record, shop: Shop, switches: Record) -> Answer:
        size = max(1, min(number_of(form.get("pageSize"), 25), int(switches["customers_page_cap"])))
        index = 0 if switches["customers_paging"] == "ignored" else number_of(form.get("pageIndex"), 0)
        if switches["list_changes_while_paged"] and index > 0 and not shop.customers_moved:
            shop.customers_moved = True
            self._insert_first(shop)
        ids = list(shop.merchant.customers)
        if form.get("clubsOnly"):
            ids = [id for id in ids if shop.memberships_of(id)]
        total = len(ids)
        if switches["short_list"]:
            ids = ids[: total - max(1, total * 3 // 10)]
        if switches["customers_order"] == "shuffled":
            shop.lists_shown += 1
            ids = random.Random(shop.lists_shown).sample(ids, len(ids))
        if switches["customers_past_the_end"] == "last_page":
            index = min(index, max(0, len(ids) - 1) // size)
        items = [shop.item(id) for id in ids[index * size : (index + 1) * size]]
        return json_answer({"total": told_total(switches["customers_total"], total, len(items)), "items": items})

    def _insert_first(self, shop: Shop) -> None:
        builder = Builder(shop.merchant, datetime.now(UTC), datetime.now(UTC))
        before = dict(shop.merchant.customers)
        newcomer = builder.customer(max(before, default=1) + 1, "Late", "Arrival", None, None)
        shop.merchant.customers = {newcomer["id"]: newcomer, **before}
        shop.changed()

    def _customer_search(self, request: Request, shop: Shop, switches: Record) -> Answer:
        if switches["customer_search"] == 404:
            return self._missing()
        wanted = request.query.get("q", "").lower()
        found = list(shop.merchant.customers.values())
        if switches["customer_search"] == "works" and wanted:
            found = [customer for customer in found if wanted in _searchable(customer)]
        return json_answer({"total": len(found), "items": [shop.item(c["id"]) for c in found[:25]]})

    def _membership(self, request: Request, shop: Shop, id: int, membership_id: int, action: list[str]) -> Answer:
        record = shop.merchant.memberships[membership_id]
        if record["customerId"] != id or record["cancelled"]:
            return self._missing()
        now = datetime.now(PACIFIC).isoformat(timespec="seconds")
        match request.method, action:
            case "GET", []:
                return json_answer(next(m for m in shop.memberships_of(id) if m["id"] == membership_id))
            case "DELETE", []:
                change: Record = {"cancelled": True}
            case "POST", ["remove-hold"]:
                change = {"hold": False, "holdReason": None}
            case _:
                return self._missing()
        after = shop.merchant.memberships[membership_id] = {**record, **change, "modified": now}
        self._changed(shop.merchant, "memberships", str(membership_id), record, after)
        return json_answer({})

    def _clubs(self, request: Request, rest: list[str], shop: Shop, switches: Record) -> Answer:
        if not rest:
            clubs = {m["clubId"]: m["clubName"] for m in shop.merchant.memberships.values()}
            return json_answer([{"id": id, "name": name} for id, name in clubs.items()])
        if rest[-1] != "memberships" or len(rest) > 2:
            return self._missing()
        club = int(rest[0]) if rest[1:] else None
        records = shop.feed(club, switches["membership_modified_key"])
        size = max(1, min(number_of(request.query.get("pageSize"), 25), 100))
        start = number_of(request.query.get("pageIndex"), 0) * size
        return json_answer({"total": len(records), "items": records[start : start + size]})

    # Orders.

    def _orders(self, request: Request, rest: list[str], shop: Shop, switches: Record) -> Answer:
        orders, desk = shop.merchant.orders, self.desks[shop.merchant.id]
        match request.method, rest:
            case "GET", []:
                return json_answer(search(shop, request.query, switches))
            case "POST", ["search"]:
                return json_answer(search(shop, flat(request.json_object()), switches))
            case "GET", ["search", "ui-options"]:
                return json_answer(UI_OPTIONS)
            case "POST", ["check-compliance"]:
                problems = desk.compliance(request.json_object())
                return json_answer({"isCompliant": not problems, "orderProblems": problems})
            case "POST", []:
                self.fire("write", shop.merchant, request)
                return json_answer(desk.create(request.json_object(), request.seq))
            case "PUT", [number]:
                self.fire("write", shop.merchant, request)
                return json_answer(desk.update(number, request.json_object(), request.seq))
            case "GET", [number]:
                order = desk.read(number, request.at)
                return json_answer({**order, "orderStatus": shop.stage(order, bool(switches["unknown_status"]))})
            case "GET", [number, "receipt"]:
                return self._receipt(orders[number], switches["receipt"])
            case "POST", [number, "shipped"]:
                self._order_moves(shop.merchant, number, {"orderStatus": "SHIPPED"}, "shippedAt")
                return json_answer({})
            case "POST", [number, "cancel"] if desk.has(number):
                self.fire("write", shop.merchant, request)
                return json_answer(desk.cancel(number, request.json_object(), request.seq))
            case "POST", [number, "cancel"]:
                change = {"orderStatus": "CANCELLED", "cancelReason": request.json_object().get("reason")}
                self._order_moves(shop.merchant, number, change, "canceledAt")
                return json_answer({})
        return self._missing() if rest[1:] else failure(405, "SERVER_ERROR", "Method Not Allowed")

    def _order_moves(self, merchant: Merchant, number: str, change: Record, time_field: str) -> None:
        before = merchant.orders[number]
        at = datetime.now(PACIFIC).isoformat(timespec="seconds")
        merchant.orders[number] = {**before, **change, time_field: at}
        self._changed(merchant, "orders", number, before, merchant.orders[number])

    def _receipt(self, order: Record, how: Any) -> Answer:
        if how == 500:
            return failure(500, "SERVER_ERROR", "Internal error")
        if how == 404 or order["status"] != "SUCCESS":
            return self._missing()
        url = f"https://receipts.example.com/{''.join(c for c in order['orderNumber'] if c.isalnum())}"
        place: Record = {"nested": {"receipt": {"url": url}}, "none": {}}.get(str(how), {str(how): url})
        return json_answer({"orderNumber": order["orderNumber"], "total": order["total"], **place})

    def _entered(self, request: Request, merchant: str | None) -> Record:
        entry = super()._entered(request, merchant)
        if merchant is not None and request.method != "GET" and request.parts[:4] == ["api", "v3", "p", "orders"]:
            body = entry["body"] if isinstance(entry["body"], dict) else {}
            desk = self.desks[merchant]
            match request.method, request.parts[4:]:
                case "POST", []:
                    desk.asked("created", str(body.get("orderNumber") or ""), request.seq, request.at)
                case "PUT", [number]:
                    desk.asked("updated", number, request.seq, request.at)
                case "POST", [number, "cancel"]:
                    desk.asked("cancelled", number, request.seq, request.at)
        return entry

    # Products.

    def _products(self, request: Request, rest: list[str], desk: Desk) -> Answer:
        products = desk.catalog.listed()
        if rest:
            found = next((product for product in products if [str(product["id"])] == rest), None)
            return json_answer(found) if found else self._missing()
        size = max(1, number_of(request.query.get("pageSize"), len(products)))
        start = number_of(request.query.get("pageIndex"), 0) * size
        return json_answer({"total": len(products), "items": products[start : start + size]})

    def _feed(self, request: Request, rest: list[str], merchant: Merchant, switches: Record) -> Answer:
        if rest[:1] != [self._profile_id(merchant)] or rest[1:2] != ["products"] or request.method != "GET":
            return self._missing()
        if switches["products_call"] == "none":
            return self._missing()
        if switches["feed"] == 404:
            return self._missing()
        desk = self.desks[merchant.id]
        sold_out = request.query.get("soldOut") == "true" and switches["sold_out"] == "works"
        feed = desk.catalog.feed(sold_out, desk.closed)
        if switches["feed"] == "empty":
            feed["products"] = []
        if switches["feed"] == "no_inventory":
            for product in feed["products"]:
                del product["inventory"]
        if not rest[2:]:
            return json_answer(feed)
        found = next((product for product in feed["products"] if str(product["id"]) == rest[2]), None)
        return json_answer(found) if found and len(rest) == 3 else self._missing()

    # The account.

    def _profile(self, request: Request, rest: list[str], merchant: Merchant, switches: Record) -> Answer:
        if rest[:1] == ["webhooks"]:
            answered = self.webhooks[merchant.id].answer(request, rest[1:], switches, failure)
            return answered or self._missing()
        if request.method == "GET" and not rest:
            id, name = switches["profile_id"], switches["profile_name"]
            own = {"id": merchant.account if id is None else id, "name": merchant.name if name is None else name}
            return json_answer({**own, "allowsPickup": True})
        return self._missing()

    # Webhooks.

    def send_webhooks(self, merchant: Merchant, events: Sequence[Record]) -> int:
        return self.webhooks[merchant.id].send(events, self.switches.of(merchant.id))

    def is_registered(self, merchant: str, webhook: str) -> bool:
        return webhook in self.webhooks[merchant].registered

    def unregister(self, merchant: str, webhook: str) -> None:
        self.webhooks[merchant].registered.pop(webhook, None)

    def _changed(self, merchant: Merchant, kind: str, id: str, before: Record | None, after: Record | None) -> None:
        """Forget what was derived, and tell of the change."""
        if kind == "products":
            return
        self.shops[merchant.id].changed()
        tell = {"orders": order_event, "customers": customer_event, "memberships": membership_event}[kind]
        self.happened(merchant, [tell(id, before, after)])

    # Control.

    def act(self, merchant: Merchant, name: str, body: Record) -> Any:
        if name == "clock":
            return self.clock.move(body)
        desk, number = self.desks[merchant.id], str(body.get("number") or "")
        match name:
            case "orders/advance":
                return desk.advance(number, body)
            case "orders/track":
                return desk.track(number, body.get("tracking"))
            case "orders/problems":
                return desk.trouble(number, body.get("problems") or [], body.get("status"))
            case "orders/approve_age":
                desk.approve_age(number)
                self.happened(merchant, [{"identifier": number, "subject": ORDER, "event": "APPROVED"}])
                return desk.find(number)
            case "orders/settle":
                return desk.settle(number)
            case "orders/cancel":
                return desk.cancelled(number, str(body.get("reason") or "cancelled by the winery"), False)
        raise NoSuchRecord(name)

    def report(self, name: str, merchant: str | None) -> Any:
        desks = {id: desk for id, desk in self.desks.items() if merchant in (None, id)}
        rows = {"books": "books", "mails": "mails", "findings": "findings"}.get(name)
        if rows:
            return [{"merchant": id, **row} for id, desk in desks.items() for row in getattr(desk, rows)]
        if name == "accepted":
            return {id: desk.accepted() for id, desk in desks.items()}
        if name == "stock":
            return {id: desk.catalog.stock() for id, desk in desks.items()}
        raise NoSuchRecord(name)

    def records(self, merchant: Merchant, kind: str) -> list[Record]:
        if kind == "customers":
            return [self.shops[merchant.id].detail(id) for id in merchant.customers]
        if kind == "products":
            return list(self.desks[merchant.id].catalog.products.values())
        return list(merchant.orders.values() if kind == "orders" else merchant.memberships.values())

    def _table(self, merchant: Merchant, kind: str) -> dict[Any, Record]:
        tables: dict[str, dict[Any, Record]] = {
            "customers": merchant.customers,
            "orders": merchant.orders,
            "memberships": merchant.memberships,
            "products": self.desks[merchant.id].catalog.products,
        }
        return tables[kind]

    def _key(self, merchant: Merchant, kind: str, id: str) -> Any:
        if kind == "products":
            return self.desks[merchant.id].catalog.find(id)
        key: Any = id if kind == "orders" else int(id) if id.isdigit() else None
        if key not in self._table(merchant, kind):
            raise NoSuchRecord(f"{kind} {id}")
        return key

    def record(self, merchant: Merchant, kind: str, id: str) -> Record:
        key = self._key(merchant, kind, id)
        return self.shops[merchant.id].detail(key) if kind == "customers" else self._table(merchant, kind)[key]

    def add_record(self, merchant: Merchant, kind: str, fields: Record) -> Record:
        builder = Builder(merchant, datetime.now(UTC), datetime.now(UTC))
        if kind == "products":
            return self.desks[merchant.id].catalog.add(fields)
        if kind == "customers":
            id = str(fields.get("id") or max(merchant.customers, default=700000) + 1)
            blank = builder.customer(int(id), None, "", None, None)
            merchant.customers[int(id)] = merged(
                blank, {k: v for k, v in fields.items() if k not in ("id", "memberships")}
            )
        elif kind == "orders":
            id = str(fields.get("orderNumber") or f"95{len(merchant.orders) + 1:09d}")
            who: Any = (fields.get("customer") or {}).get("id")
            at = datetime.now(PACIFIC)
            total = Decimal(str(fields.get("total") or "50.00"))
            owner = merchant.customers.get(who)
            blank = builder.order(id, owner, at, str(total), stage="OPEN", since=at.date().isoformat())
            merchant.orders[id] = merged(blank, {**fields, "orderNumber": id, "total": total})
        else:
            member = merchant.customers[fields["customerId"]]
            blank = builder.membership(member, str(fields.get("clubName") or "New Club"), None)
            id = str(blank["id"])
            blank["modified"] = datetime.now(PACIFIC).isoformat()
            merchant.memberships[blank["id"]] = merged(blank, fields)
        self._changed(merchant, kind, id, None, self._table(merchant, kind)[self._key(merchant, kind, id)])
        return self.record(merchant, kind, id)

    def change_record(
        self, merchant: Merchant, kind: str, id: str, fields: Record, replace: bool, touch: bool
    ) -> Record:
        key = self._key(merchant, kind, id)
        table = self._table(merchant, kind)
        before = table[key]
        if kind == "products":
            return self.desks[merchant.id].catalog.change(key, fields, replace)
        table[key] = fields if replace else merged(before, fields)
        if kind == "memberships" and touch and "modified" not in fields:
            table[key]["modified"] = datetime.now(PACIFIC).isoformat()
        self._changed(merchant, kind, id, before, table[key])
        return self.record(merchant, kind, id)

    def delete_record(self, merchant: Merchant, kind: str, id: str) -> None:
        key = self._key(merchant, kind, id)
        before = self._table(merchant, kind).pop(key)
        if kind == "customers":
            for membership in [m for m in merchant.memberships.values() if m["customerId"] == key]:
                del merchant.memberships[membership["id"]]
        self._changed(merchant, kind, id, before, None)


def _owner(merchant: Merchant, membership_id: str) -> int | None:
    record = merchant.memberships.get(int(membership_id)) if membership_id.isdigit() else None
    return int(record["customerId"]) if record else None


def _searchable(customer: Record) -> str:
    number = (customer["primaryPhone"] or {}).get("number") or ""
    digits = "".join(c for c in number if c.isdigit())
    words = (customer["firstName"], customer["lastName"], customer["email"], number, digits)
    return " ".join(str(word) for word in words if word).lower()
