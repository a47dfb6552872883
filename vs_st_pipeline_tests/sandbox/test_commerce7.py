"""Commerce7's stand-in behaves as its fact sheet says, and each thing that is unknown of it as its switch says.

It is long because each switch has its test, and each value of it its expectation.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from vs_st_pipeline.sandbox.commerce7.server import Commerce7
from vs_st_pipeline.sandbox.core.catalog_switches import SHOP_LISTS
from vs_st_pipeline.sandbox.core.clients import ControlError
from vs_st_pipeline.sandbox.scenarios.orders_accounts import APP_ID, APP_SECRET
from vs_st_pipeline_tests.sandbox.served import Api, Record, Reply, Served, not_tried, served
from vs_st_pipeline_tests.support.loopback import PostServer
from vs_st_pipeline_tests.support.receiving import until

HILLSIDE, BLUE_OAK = "hillside", "blue-oak"
PLAIN = "the plain case: two bottles, UPS Ground, paid on the web"
GONE = "2026-12-03T17:12:00.000Z"


class Receiver(PostServer):
    """Takes posts on loopback, and answers as it is told to."""

    def __init__(self) -> None:
        self.status: int | None = 204
        self.taken: list[tuple[Mapping[str, str], bytes]] = []
        super().__init__()
        self.url += "/hooks/commerce7/token"

    def answer(self, path: str, headers: Mapping[str, str], body: bytes) -> int | None:
        self.taken.append((headers, body))
        return self.status

    def wait(self, count: int) -> list[bytes]:
        """Wait for so many posts, and for no more."""
        until = time.monotonic() + 5
        while len(self.taken) < count and time.monotonic() < until:
            time.sleep(0.005)
        assert len(self.taken) == count
        return [body for _, body in self.taken]


@pytest.fixture(scope="module")
def running() -> Iterator[Served]:
    with served(Commerce7, "orders") as box:
        yield box


@pytest.fixture
def box(running: Served) -> Served:
    running.control.reset()
    running.control.set_switch("limit_per_minute", None)
    return running


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.close()


def api_of(box: Served, tenant: str = HILLSIDE, secret: str = APP_SECRET) -> Api:
    pair = base64.b64encode(f"{APP_ID}:{secret}".encode()).decode()
    return box.api(Authorization=f"Basic {pair}", tenant=tenant, Content_Type="application/json")


def each(box: Served, name: str, expected: list[Any]) -> Iterator[tuple[Any, Any]]:
    for value, wanted in box.each(name, expected):
        if name != "limit_per_minute":
            box.control.set_switch("limit_per_minute", None)
        yield value, wanted


def order_of(box: Served, why: str = PLAIN) -> Record:
    id = next(case["order_id"] for case in box.control.cases() if case["why"] == why)
    found: Record = box.control.order(id)
    return found


def walk(api: Api, most: int = 12, path: str = "/v1/order", **query: Any) -> list[Record]:
    """Return the answers of a walk by cursor, until one has none or so many were read."""
    pages, cursor = [], "start"
    while cursor and len(pages) < most:
        answer = api("GET", path, cursor=cursor, **query)
        assert answer.status == 200, answer.text
        pages.append(answer.json)
        cursor = answer.json.get("cursor")
    return pages


def ids(pages: list[Record]) -> list[str]:
    return [row["id"] for page in pages for row in page["orders"]]


def form(*numbers: str, carrier: str | None = "UPS", **changed: Any) -> Record:
    shipped = {"trackingNumbers": list(numbers), **({} if carrier is None else {"carrier": carrier})}
    usual = {"sendTransactionEmail": True, "type": "Shipped", "fulfillmentDate": None, "packageCount": 1}
    usual["fulfillmentDate"] = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {**usual, "shipped": shipped, **changed}


def fulfil(box: Served, order: Record, body: Record, whole: bool = True, read: bool = True) -> Reply:
    api, path = api_of(box), f"/v1/order/{order['id']}"
    if read:
        api("GET", path)
    return api("POST", f"{path}/fulfillment" + ("/all" if whole else ""), body)


# Keys, limits, errors.


def test_the_app_has_one_key_and_a_header_names_the_tenant(box: Served) -> None:
    order = order_of(box)
    answer = api_of(box)("GET", f"/v1/order/{order['id']}")
    assert (answer.status, answer.json["orderNumber"]) == (200, order["orderNumber"])
    for api in (api_of(box, secret="no"), api_of(box, "nobody"), box.api(tenant=HILLSIDE)):
        answer = api("GET", "/v1/order")
        assert answer.status == 401
        assert answer.json == {
            "statusCode": 401, "type": "unauthorized", "message": "Unauthenticated User", "errors": []
        }  # fmt: skip
    assert api_of(box)("GET", "/v1/order/unknown").json["type"] == "notFound"
    assert api_of(box)("POST", f"/v1/order/{order['id']}/fulfillment/all", "{").status == 400


def test_another_tenants_order_is_not_shown_and_is_a_finding(box: Served) -> None:
    order = order_of(box)
    there = api_of(box, BLUE_OAK)
    assert there("GET", f"/v1/order/{order['id']}").status == 404
    assert there("POST", f"/v1/order/{order['id']}/fulfillment/all", form("1Z1")).status == 404
    there("GET", f"/v1/app-syncs/{order['id']}")
    assert [(f["what"], f["merchant"], f["owner"]) for f in box.control.findings()] == [
        ("other_merchants_record", BLUE_OAK, HILLSIDE)
    ] * 3
    assert box.control.mails() == box.control.books() == []


def test_what_the_app_has_no_business_to_write_is_a_finding(box: Served) -> None:
    order = order_of(box)
    for method, path in (("PUT", f"/v1/order/{order['id']}"), ("POST", "/v1/order"), ("PUT", "/v1/order/upsert")):
        assert api_of(box)(method, path, {"complianceStatus": "Compliant"}).status == 403
    assert [f["what"] for f in box.control.findings()] == ["wrote_record"] * 3
    assert box.control.order(order["id"]) == order


def test_each_limit(box: Served) -> None:
    for most, wanted in each(box, "limit_per_minute", [100, 10, None]):
        api = api_of(box)
        statuses = [api("GET", "/v1/product", limit=1).status for _ in range((wanted or 100) + 2)]
        assert statuses.count(429) == (0 if most is None else 2)
        assert box.control.report("refused")[HILLSIDE] == statuses.count(429)
        assert api_of(box, BLUE_OAK)("GET", "/v1/product").status == 200  # a limit of its own


def test_each_word_with_a_limit(box: Served) -> None:
    for _, there in each(box, "retry_after", [False, True]):
        box.control.set_switch("limit_per_minute", 1)
        api = api_of(box)
        api("GET", "/v1/product")
        answer = api("GET", "/v1/product")
        assert (answer.status, answer.json["statusCode"]) == (429, 429)
        assert ("retry-after" in answer.headers) is there


# Lists.


def test_orders_are_listed_by_cursor_and_by_page(box: Served) -> None:
    everybody = {order["id"] for order in box.control.orders()}
    assert len(everybody) > 50
    pages = walk(api_of(box))
    assert [len(page["orders"]) for page in pages] == [50, len(everybody) - 50]
    assert "total" not in pages[0]
    assert "cursor" not in pages[1]
    assert set(ids(pages)) == everybody
    by_page = [api_of(box)("GET", "/v1/order", page=page, limit=40).json for page in (1, 2, 3)]
    assert {page["total"] for page in by_page} == {len(everybody)}
    assert set(ids(by_page)) == everybody
    for wrong in ({"limit": 51}, {"limit": 0}, {"cursor": "nonsense"}, {"page": "x"}):
        assert api_of(box)("GET", "/v1/order", **wrong).json["errors"][0]["field"] == next(iter(wrong))


def test_orders_are_found_by_dates_values_and_number(box: Served) -> None:
    orders, api = box.control.orders(), api_of(box)
    first = sorted(order["orderPaidDate"] for order in orders if order["orderPaidDate"])[40]

    def found(**query: Any) -> set[str]:
        return set(ids(walk(api, **query)))

    def those(test: Any) -> set[str]:
        return {o["id"] for o in orders if o["orderPaidDate"] and test(o["orderPaidDate"])}

    assert found(orderPaidDate=f"gte:{first}") == those(lambda at: at >= first)
    assert found(orderPaidDate=f"gt:{first}") == those(lambda at: at > first)
    assert found(orderPaidDate=f"lte:{first[:10]}") == those(lambda at: at[:10] <= first[:10])
    assert found(orderPaidDate=f"lt:{first[:10]}") == those(lambda at: at[:10] < first[:10])
    assert found(orderPaidDate=first[:10]) == those(lambda at: at[:10] == first[:10])
    last = max(order["orderPaidDate"] or "" for order in orders)
    assert found(orderPaidDate=f"btw:{first}|{last}") == those(lambda at: at >= first)
    assert found(channel="Club", fulfillmentStatus="Not Fulfilled") == {
        order["id"] for order in orders if order["channel"] == "Club"
    }
    number = orders[3]["orderNumber"]
    assert found(q=number) == {orders[3]["id"]}
    for wrong in ("gte:soon", "btw:2026-01-01", "btw:2026-01-01|2026-02-01"):
        assert api("GET", "/v1/order", updatedAt=wrong).status == 422


def test_each_way_of_a_cursor(box: Served) -> None:
    for how, pages in each(box, "cursor", [2, 5, 1]):
        answers = walk(api_of(box), most=5)
        assert len(answers) == pages
        assert ("total" in answers[0]) is (how == "ignored")
        if how == "repeats":
            assert len({page["cursor"] for page in answers}) == 1
            assert ids(answers[:1]) == ids(answers[1:2])


def test_each_end_of_a_cursor(box: Served) -> None:
    for _, (pages, last) in each(box, "cursor_end", [(2, "none"), (2, None), (2, ""), (4, "none")]):
        answers = walk(api_of(box))
        assert len(answers) == pages
        assert answers[-1].get("cursor", "none") == last
        assert len(set(ids(answers))) == len(box.control.orders())
        assert [len(page["orders"]) for page in answers[2:]] == [0] * (pages - 2)


def test_each_form_of_a_date(box: Served) -> None:
    orders = box.control.orders()
    times = sorted(order["updatedAt"] for order in orders)
    # An order that is not the first of its day, whatever the hour at which the world was made.
    noon = next(at for before, at in pairwise(times[40:]) if before[:10] == at[:10] and before != at)
    exact = {order["id"] for order in orders if order["updatedAt"] >= noon}
    whole = {order["id"] for order in orders if order["updatedAt"][:10] >= noon[:10]}
    assert exact != whole
    for how, wanted in each(box, "date_form", [exact, None, whole, set()]):
        api = api_of(box)
        assert set(ids(walk(api, updatedAt=f"gte:{noon[:10]}"))) == whole
        if how == "day_only":
            answer = api("GET", "/v1/order", cursor="start", updatedAt=f"gte:{noon}")
            assert (answer.status, answer.json["errors"][0]["field"]) == (422, "updatedAt")
        else:
            assert set(ids(walk(api, updatedAt=f"gte:{noon}"))) == wanted


def test_each_filter(box: Served) -> None:
    for _, everything in each(box, "date_filter", [False, True]):
        found = ids(walk(api_of(box), orderPaidDate="gte:2099-01-01"))
        assert len(found) == (len(box.control.orders()) if everything else 0)


def test_each_kind_of_rows(box: Served) -> None:
    order = order_of(box)
    for _, lacking in each(box, "list_rows", [None, "customer", "selectedShippingOptions"]):
        row = walk(api_of(box), q=order["orderNumber"])[0]["orders"][0]
        assert set(order) - set(row) == ({lacking} if lacking else set())
        assert set(api_of(box)("GET", f"/v1/order/{order['id']}").json) == set(order)


def test_a_short_list_lacks_its_last_third(box: Served) -> None:
    for _, short in each(box, "short_list", [False, True]):
        assert (len(ids(walk(api_of(box)))) < len(box.control.orders())) is short
        products = [row["id"] for page in walk(api_of(box), path="/v1/product") for row in page["products"]]
        assert (len(products) < len(box.control.all("products"))) is short


def test_orders_may_change_while_they_are_paged(box: Served) -> None:
    for _, change in each(box, "orders_change_while_paged", [False, True]):
        found = ids(walk(api_of(box)))
        assert (len(found) != len(set(found))) is change
        assert len(box.control.orders()) == len(set(found)) + change


def test_what_is_new_may_come_late(box: Served) -> None:
    for how, shown in each(box, "late_commit", [[200, 200, 200], [404, 404, 200]]):
        order = box.control.place()
        api, path = api_of(box), f"/v1/order/{order['id']}"
        assert [api("GET", path).status for _ in range(3)] == shown
        other = box.control.place()
        assert [other["id"] in ids(walk(api, q=other["orderNumber"])) for _ in range(3)] == [how == "no"] * 2 + [True]
        assert fulfil(box, order, form("1Z1"), read=False).json["fulfillmentStatus"] == "Fulfilled"
        late = [api("GET", path).json["fulfillmentStatus"] for _ in range(3)]
        assert late == ["Not Fulfilled" if status == 404 else "Fulfilled" for status in shown]
        assert fulfil(box, order, form("1Z1")).status == 422  # it was there all the time
        api("POST", "/v1/app-sync", said(order, "Sent to Vinoshipper"))
        told = [len(api("GET", f"/v1/app-syncs/{order['id']}").json["appSyncs"]) for _ in range(3)]
        assert told == [0 if status == 404 else 1 for status in shown]


# The order.


def test_an_order_has_the_documented_keys(box: Served) -> None:
    order = api_of(box)("GET", f"/v1/order/{order_of(box)['id']}").json
    assert {
        "id", "orderNumber", "orderSubmittedDate", "orderPaidDate", "channel", "orderDeliveryMethod", "paymentStatus",
        "complianceStatus", "fulfillmentStatus", "shippingStatus", "purchaseType", "previousOrderId", "linkedOrders",
        "customerId", "customer", "shipTo", "billTo", "shipping", "items", "fulfillments", "taxes", "tenders",
        "subTotal", "shipTotal", "taxTotal", "total", "totalAfterTip", "giftMessage", "shippingInstructions",
        "selectedShippingOptions", "appData", "createdAt", "updatedAt", "carrierPickupLocation",
    } <= set(order)  # fmt: skip
    assert order["subTotal"] == sum(item["price"] * item["quantity"] for item in order["items"]) == 8400
    assert order["total"] == order["subTotal"] + order["shipTotal"] + order["taxTotal"]
    customer = api_of(box)("GET", f"/v1/customer/{order['customerId']}").json
    assert customer["emails"] == order["customer"]["emails"]
    product = walk(api_of(box), path="/v1/product")[0]["products"][0]
    assert product["variants"][0]["sku"] == "PINOT22"
    assert api_of(box)("GET", f"/v1/product/{product['id']}").json == product
    assert api_of(box)("GET", "/v1/customer", limit=1).json["total"] > 1


def test_each_order_with_or_without_its_type(box: Served) -> None:
    for _, there in each(box, "purchase_type", [True, False]):
        assert shown_with(box, "purchaseType") == {there}


def test_each_order_with_or_without_its_links(box: Served) -> None:
    for _, there in each(box, "linked_orders", [True, False]):
        assert shown_with(box, "linkedOrders") == {there}


def shown_with(box: Served, key: str) -> set[bool]:
    api = api_of(box)
    return {key in one for one in (api("GET", f"/v1/order/{order_of(box)['id']}").json, *walk(api)[0]["orders"])}


def test_each_carrier_of_a_rate(box: Served) -> None:
    path = f"/v1/order/{order_of(box)['id']}"
    for _, there in each(box, "shipping_carrier", [True, False]):
        way = api_of(box)("GET", path).json["shipping"][0]
        assert (way.get("carrier"), way["code"]) == ("UPS" if there else None, "03")


def test_each_form_of_a_ship_date(box: Served) -> None:
    order = order_of(box, "a club shipment with a date to ship, a note and a gift message")
    day = order["selectedShippingOptions"]["requestedShipDate"]
    for how, length in each(box, "ship_date", [10, 24, 0]):
        shown = api_of(box)("GET", f"/v1/order/{order['id']}").json["selectedShippingOptions"]
        assert len(shown.get("requestedShipDate", "")) == length
        if how == "local_midnight_utc":
            assert shown["requestedShipDate"][:13] in (f"{day}T07", f"{day}T08")


def test_each_quantity_in_a_bundle(box: Served) -> None:
    order = order_of(box, "a bundle that both shops sell")
    for _, quantities in each(box, "bundle_quantity", [[1, 2], [2, 4]]):
        bundle = api_of(box)("GET", f"/v1/order/{order['id']}").json["items"][0]
        assert (bundle["type"], bundle["quantity"]) == ("Bundle", 2)
        assert [one["quantity"] for one in bundle["bundleItems"]] == quantities


# What happens at the shop.


def test_a_refund_is_an_order_of_its_own_and_the_two_are_linked(box: Served) -> None:
    order = box.control.place(lines=[{"sku": "PINOT22", "quantity": 3}], tipTotal=500)
    box.control.move_clock(1)
    part = box.control.refund(order["orderNumber"], {"PINOT22": 1})
    rest = box.control.refund(order["id"], shipping=True)
    assert [made["items"][0]["quantity"] for made in (part, rest)] == [-1, -3]
    assert (part["total"], rest["total"]) == (-4536, -order["total"])
    assert part["previousOrderNumber"] == order["orderNumber"]
    assert part["purchaseType"] == "Refund"
    now = box.control.order(order["id"])
    assert [(link["orderId"], link["purchaseType"]) for link in now["linkedOrders"]] == [
        (part["id"], "Refund"), (rest["id"], "Refund")
    ]  # fmt: skip
    assert (now["total"], now["updatedAt"] > order["updatedAt"]) == (order["total"], True)
    price = box.control.refund(order["id"], {}, amount=700)
    assert (price["total"], [item["hasShipping"] for item in price["items"]]) == (-700, [False])
    assert box.control.refund(order["id"], {}, shipping=True)["items"] == []
    swap = box.control.exchange(order["id"])
    assert [item["quantity"] for item in swap["items"]] == [-1, 1]
    assert swap["orderDeliveryMethod"] == "Carry Out"


def test_orders_are_placed_paid_cancelled_and_changed(box: Served) -> None:
    waiting = box.control.place(paymentStatus="Authorized", orderPaidDate=None, state="NY", hours=3)
    assert waiting["shipTo"]["stateCode"] == "NY"
    assert waiting["createdAt"] < waiting["updatedAt"]
    assert waiting["orderNumber"] == max(order["orderNumber"] for order in box.control.orders())
    paid = box.control.pay(waiting["id"])
    assert (paid["paymentStatus"], paid["orderPaidDate"] is None) == ("Paid", False)
    assert ids(walk(api_of(box), orderPaidDate=f"gte:{paid['orderPaidDate']}")) == [waiting["id"]]
    assert box.control.cancel(waiting["orderNumber"])["paymentStatus"] == "Cancelled"
    quiet = box.control.patch_order(waiting["id"], touch=False, tags=[{"title": "VIP"}])
    box.control.move_clock(1)
    moved = box.control.patch_order(waiting["id"], shipTo={"zipCode": "10001"})
    assert quiet["updatedAt"] < moved["updatedAt"]
    assert moved["shipTo"]["city"] == "New York"
    box.control.delete("orders", waiting["id"])
    assert api_of(box)("GET", f"/v1/order/{waiting['id']}").status == 404
    late = box.control.place(lines=[{"sku": "ZIN21", "quantity": 2, "price": 3000, "hasShipping": False}])
    assert (late["subTotal"], late["items"][0]["hasShipping"]) == (6000, False)


def test_products_and_customers_are_changed_by_hand(box: Served) -> None:
    made = box.control.add("products", {"sku": "SYRAH23", "price": 3300, "title": "Syrah"})
    assert made["variants"][0]["sku"] == "SYRAH23"
    assert box.control.patch("products", made["id"], {"title": "Syrah Reserve"})["title"] == "Syrah Reserve"
    box.control.delete("products", made["id"])
    assert api_of(box)("GET", f"/v1/product/{made['id']}").status == 404
    person = box.control.add("customers", {"firstName": "Odd", "lastName": "Person", "emails": []})
    assert api_of(box)("GET", f"/v1/customer/{person['id']}").json["emails"] == []
    assert box.control.place(customerId=person["id"])["customer"]["lastName"] == "Person"
    for kind, act in (("mails", box.control.add), ("app_syncs", box.control.add)):
        with pytest.raises(ControlError):
            act(kind, {})


# Fulfillment and mails.


def test_an_order_is_fulfilled_and_its_customer_mailed(box: Served) -> None:
    order = order_of(box)
    made = fulfil(box, order, form("1Z1", "1Z2", packageCount=2))
    assert (made.status, made.json["fulfillmentStatus"]) == (200, "Fulfilled")
    (entry,) = made.json["fulfillments"]
    assert entry["shipped"] == {"trackingNumbers": ["1Z1", "1Z2"], "carrier": "UPS"}
    assert [item["quantityFulfilled"] for item in made.json["items"]] == [2]
    assert made.json["updatedAt"] > order["updatedAt"]
    (mail,) = box.control.mails()
    assert (mail["order_number"], mail["tracking"], mail["by"]) == (order["orderNumber"], ["1Z1", "1Z2"], "api")
    assert mail["to"] == order["customer"]["emails"][0]["email"]
    (book,) = box.control.books()
    assert (book["what"], book["order_id"], book["mailed"]) == ("fulfilled", order["id"], True)
    assert box.control.findings() == []


def test_part_of_an_order_is_fulfilled_by_its_lines(box: Served) -> None:
    order = order_of(box, "wine that goes and a ticket that does not")
    made = fulfil(box, order, form("1Z1", items=[{"sku": "PINOT22", "quantityFulfilled": 1}]), whole=False)
    assert made.json["fulfillmentStatus"] == "Partially Fulfilled"
    assert [item["quantityFulfilled"] for item in made.json["items"]] == [1, 0]
    more = fulfil(box, order, form("1Z1", items=[{"sku": "PINOT22", "quantityFulfilled": 1}]), whole=False)
    assert (more.status, more.json["errors"][0]["field"]) == (422, "items")
    for wrong in ({}, {"items": []}, {"items": [{"sku": "PINOT22"}]}, {"items": [{"quantityFulfilled": 1}]}):
        assert fulfil(box, order, form("1Z1", **wrong), whole=False).status == 422
    rest = fulfil(box, order, form("1Z2", sendTransactionEmail=False))
    assert rest.json["fulfillmentStatus"] == "Fulfilled"
    assert len(box.control.mails()) == 1


@pytest.mark.parametrize(
    ("field", "changed"),
    [
        ("type", {"type": "Sent"}),
        ("sendTransactionEmail", {"sendTransactionEmail": None}),
        ("fulfillmentDate", {"fulfillmentDate": "2026-12-03"}),
        ("fulfillmentDate", {"fulfillmentDate": None}),
        ("packageCount", {"packageCount": 0}),
        ("shipped", {"shipped": None}),
        ("shipped.carrier", {"shipped": {"trackingNumbers": ["1"], "carrier": "GLS"}}),
        ("shipped.trackingNumbers", {"shipped": {"trackingNumbers": "1Z", "carrier": "UPS"}}),
        ("pickedUp.pickedUpBy", {"type": "Picked Up"}),
    ],
)
def test_a_fulfillment_without_its_parts_is_refused(box: Served, field: str, changed: Record) -> None:
    answer = fulfil(box, order_of(box), form("1Z1", **changed))
    assert answer.status == 422
    assert [error["field"] for error in answer.json["errors"]] == [field]
    assert box.control.mails() == []


def test_a_parcel_may_be_picked_up(box: Served) -> None:
    picked = {"sendTransactionEmail": False, "type": "Picked Up", "fulfillmentDate": GONE}
    answer = fulfil(box, order_of(box), {**picked, "pickedUp": {"pickedUpBy": "Marisol Vantongeren"}})
    assert answer.json["fulfillments"][0]["pickedUp"]["pickedUpBy"] == "Marisol Vantongeren"


def test_each_answer_to_a_second_fulfillment(box: Served) -> None:
    for how, status in each(box, "fulfil_again", [422, 200]):
        order = order_of(box)
        answers = [fulfil(box, order, form("1Z1")) for _ in range(2)]
        assert [answer.status for answer in answers] == [200, status]
        if how == "refused_422":
            assert answers[1].json == {
                "statusCode": 422, "type": "validationError", "errors": [],
                "message": "Can not fulfill an order that is marked Fulfilled",
            }  # fmt: skip
            assert box.control.findings() == []
        else:
            assert [f["what"] for f in box.control.findings()] == ["fulfilled_twice", "mailed_twice"]
        assert len(box.control.mails()) == len(box.control.order(order["id"])["fulfillments"]) == 1 + (status == 200)


def test_each_answer_to_a_missing_carrier(box: Served) -> None:
    for _, status in each(box, "fulfil_without_carrier", [200, 422]):
        assert fulfil(box, order_of(box), form("1Z1", carrier=None)).status == status


def test_each_answer_to_missing_numbers(box: Served) -> None:
    for _, status in each(box, "fulfil_without_tracking", [200, 422]):
        assert fulfil(box, order_of(box), form()).status == status


def test_an_order_is_to_be_read_before_it_is_fulfilled(box: Served) -> None:
    order = order_of(box, "wine that goes and a ticket that does not")
    part = form("1Z1", items=[{"sku": "PINOT22", "quantityFulfilled": 1}])
    assert fulfil(box, order, part, whole=False).status == 200
    assert box.control.findings() == []
    assert fulfil(box, order, form("1Z2", sendTransactionEmail=False), read=False).status == 200
    assert [f["what"] for f in box.control.findings()] == ["fulfilled_without_reading"]


def test_each_rule_of_mails(box: Served) -> None:
    for _, mailed in each(box, "mail_rule", [[True, False], [True, True]]):
        for days, wanted in zip((4, 6), mailed, strict=True):
            order, gone = box.control.place(), datetime.now(UTC) - timedelta(days=days)
            fulfil(box, order, form("1Z1", fulfillmentDate=gone.isoformat()))
            assert any(mail["order_id"] == order["id"] for mail in box.control.mails()) is wanted


def test_somebody_fulfills_by_hand_and_takes_it_back(box: Served) -> None:
    order = order_of(box)
    box.control.fulfil(order["orderNumber"], "1ZHAND", carrier="UPS")
    assert fulfil(box, order, form("1Z1")).status == 422
    assert box.control.mails() == box.control.books() == []
    back = box.control.unfulfil(order["id"])
    assert (back["fulfillmentStatus"], back["items"][0]["quantityFulfilled"]) == ("Not Fulfilled", 0)
    entry = fulfil(box, order, form("1Z1")).json["fulfillments"][0]
    removed = api_of(box)("DELETE", f"/v1/order/{order['id']}/fulfillment/{entry['id']}")
    assert removed.json["fulfillments"] == []
    assert [book["what"] for book in box.control.books()] == ["fulfilled", "unfulfilled"]
    assert api_of(box)("DELETE", f"/v1/order/{order['id']}/fulfillment/{entry['id']}").status == 404


# What apps say.


def said(order: Record, *issues: str, status: str = "Success", **changed: Any) -> Record:
    return {"objectType": "Order", "objectId": order["id"], "status": status, "issues": list(issues), **changed}


def test_what_an_app_says_is_kept_as_attempts(box: Served) -> None:
    order, api = order_of(box), api_of(box)
    box.control.say(order["orderNumber"], "Failed to Send", status="Error")
    for words in ("Sent to Vinoshipper", "Shipped"):
        assert api("POST", "/v1/app-sync", said(order, words, "HILLSIDE-1", actions=[])).status == 200
    listed = api("GET", f"/v1/app-syncs/{order['id']}").json
    assert listed["total"] == 2
    theirs, ours = listed["appSyncs"]
    assert (theirs["appId"], ours["appId"], ours["objectId"]) == ("vinoshipper", APP_ID, order["id"])
    assert [[one["issue"] for one in tried["issues"]] for tried in ours["attempts"]] == [
        ["Sent to Vinoshipper", "HILLSIDE-1"], ["Shipped", "HILLSIDE-1"]
    ]  # fmt: skip
    assert [one["status"] for one in box.control.said(order["id"])] == ["Success", "Success"]
    assert len(box.control.said(order["id"], app="vinoshipper")) == 1
    assert [book["what"] for book in box.control.books()] == ["said", "said"]
    for field, wrong in (
        ("objectType", {"objectType": "Cart"}), ("status", {"status": "Fine"}), ("issues", {"issues": "x"}),
        ("objectId", {"objectId": ""}), ("actions", {"actions": {}}),
    ):  # fmt: skip
        answer = api("POST", "/v1/app-sync", {**said(order, "x"), **wrong})
        assert (answer.status, answer.json["errors"][0]["field"]) == (422, field)
    assert api("POST", "/v1/app-sync", {**said(order, "x"), "objectId": "unknown"}).status == 404


def test_each_answer_to_what_an_app_says(box: Served) -> None:
    order = order_of(box)
    for _, status in each(box, "app_sync", [200, 403, 404]):
        assert api_of(box)("POST", "/v1/app-sync", said(order, "Shipped")).status == status
        assert api_of(box)("GET", f"/v1/app-syncs/{order['id']}").status == status
        assert len(box.control.said(order["id"])) == (status == 200)


def test_a_message_may_touch_the_order(box: Served) -> None:
    for _, touched in each(box, "app_sync_touches_updated", [False, True]):
        order = order_of(box)
        api_of(box)("POST", "/v1/app-sync", said(order, "Shipped"))
        assert (box.control.order(order["id"])["updatedAt"] != order["updatedAt"]) is touched


# Webhooks.


def hooked(box: Served, receiver: Receiver, object: str = "Order", action: str = "Update", **more: str) -> str:
    answer = api_of(box)("POST", "/v1/web-hook", {"object": object, "action": action, "url": receiver.url, **more})
    assert answer.status == 200, answer.text
    return str(answer.json["id"])


def test_webhooks_are_registered_listed_changed_and_removed(box: Served, receiver: Receiver) -> None:
    api = api_of(box)
    id = hooked(box, receiver, username="user", password="secret")
    assert "password" not in api("GET", f"/v1/web-hook/{id}").json
    assert [hook["id"] for hook in api("GET", "/v1/web-hook").json["webHooks"]] == [id]
    assert api("PUT", f"/v1/web-hook/{id}", {"action": "Create"}).json["action"] == "Create"
    for field, wrong in (("object", {"object": "Wine"}), ("action", {"action": "Drink"}), ("url", {"url": "ftp://x"})):
        form = {"object": "Order", "action": "Update", "url": receiver.url, **wrong}
        assert api("POST", "/v1/web-hook", form).json["errors"][0]["field"] == field
    assert api_of(box, BLUE_OAK)("GET", "/v1/web-hook").json["total"] == 0
    assert api("DELETE", f"/v1/web-hook/{id}").status == 204
    assert api("DELETE", f"/v1/web-hook/{id}").status == 404


def test_a_call_carries_the_whole_record_and_who_may_read_it(box: Served, receiver: Receiver) -> None:
    hooked(box, receiver, username="user", password="secret")
    order = order_of(box)
    assert box.control.send(order["orderNumber"]) == 1
    (body,) = receiver.wait(1)
    told = json.loads(body)
    assert {key: told[key] for key in ("object", "action", "tenantId", "user")} == {
        "object": "Order", "action": "Update", "tenantId": HILLSIDE, "user": None,
    }  # fmt: skip
    assert told["payload"] == order
    pair = base64.b64encode(b"user:secret").decode()
    assert receiver.taken[0][0]["authorization"] == f"Basic {pair}"


def test_whatever_changes_is_told_by_itself_where_that_is_on(box: Served, receiver: Receiver) -> None:
    for object, action in (("Order", "Create"), ("Order", "Update"), ("Order", "Delete"), ("Product", "Update")):
        hooked(box, receiver, object, action)
    box.control.place()
    box.control.set_switch("auto_webhooks", "on")
    order = box.control.place()
    box.control.cancel(order["id"])
    box.control.refund(order["id"])
    fulfil(box, order, form("1Z1"))
    box.control.patch("products", box.control.all("products")[0]["id"], {"title": "Other"})
    box.control.delete("orders", order["id"])
    told = sorted((one["object"], one["action"]) for one in map(json.loads, receiver.wait(7)))
    assert told == sorted(
        [("Order", "Create")] * 2 + [("Order", "Update")] * 3 + [("Order", "Delete"), ("Product", "Update")]
    )


def test_each_style_of_a_call(box: Served, receiver: Receiver) -> None:
    first, second = (order["orderNumber"] for order in box.control.orders()[:2])
    counts = [2, 4, 2, 0, 2, 2, 2, 3, 1, 2, 2, 2, 2, 2, 2]
    for style, count in each(box, "webhook_style", counts):
        receiver.taken.clear()
        hooked(box, receiver)
        assert box.control.send(first, second) == count
        bodies = receiver.wait(count)
        read = [json.loads(body) for body in bodies if body[:1] in (b"{", b"[")]
        match style:
            case "reordered":
                assert [one["payload"]["orderNumber"] for one in read] == [second, first]
            case "numeric_identifier":
                assert all(isinstance(one["payload"]["id"], int) for one in read)
            case "event_colon":
                assert "action:" in read[0]
                assert "action" not in read[0]
            case "unknown_event":
                assert read[0]["action"] == "Something New"
            case "card_declined":
                assert api_of(box)("GET", f"/v1/order/{read[0]['payload']['id']}").status == 404
            case "array":
                assert [one["payload"]["orderNumber"] for one in read[0]] == [first, second]
            case "empty_body" | "not_json":
                assert read == []
                assert all((body == b"") is (style == "empty_body") for body in bodies)
            case "no_subject":
                assert "object" not in read[0]
            case "href_only":
                assert list(read[0]) == ["payload"]
            case "bulk_update":
                assert read[0]["action"] == "Bulk Update"
                assert list(read[0]["payload"]) == ["callbackUrl"]
            case "other_tenant":
                assert read[0]["tenantId"] == "another-tenant"


def test_a_callback_is_never_to_be_fetched(box: Served, receiver: Receiver) -> None:
    box.control.set_switch("webhook_style", "bulk_update")
    hooked(box, receiver)
    box.control.send(order_of(box)["orderNumber"])
    url = json.loads(receiver.wait(1)[0])["payload"]["callbackUrl"]
    assert url.startswith(box.url)
    assert api_of(box)("GET", url.removeprefix(box.url)).status == 404
    assert [f["what"] for f in box.control.findings()] == ["callback_fetched"]


def test_each_try_again(box: Served, receiver: Receiver) -> None:
    for how, tries in each(box, "webhook_resend", [1, 3, 2]):
        receiver.taken.clear()
        receiver.status = 500
        hooked(box, receiver)
        box.control.send(order_of(box)["orderNumber"])
        receiver.wait(1)
        if how == "until_2xx":
            receiver.status = 204
        receiver.wait(tries)
        until(lambda: logged_failures(box))  # it is logged after the answer was heard
        failed = logged_failures(box)
        assert failed[0]["payload"]["orderNumber"] == order_of(box)["orderNumber"]
        assert failed[0]["error"]["status"] == 500


def logged_failures(box: Served) -> list[Record]:
    """Return the calls that failed, as Commerce7's log has them."""
    told = api_of(box)("GET", "/v1/web-hook-log", isSuccess="false", updatedAt="gte:2020-01-01").json
    found: list[Record] = told["webHookLogs"]
    return found


# The core.


def test_faults_and_hooks_of_the_core_work_here(box: Served) -> None:
    order, api = order_of(box), api_of(box)
    path = f"/v1/order/{order['id']}"
    for kind, status in (("500", 500), ("hollow", 200), ("other_record", 200), ("429", 429), ("cloudflare_403", 403)):
        box.control.set_fault(kind, count=1)
        answer = api("GET", path)
        assert answer.status == status
        assert answer.text[:1] != "{" or answer.json.get("id") != order["id"]
    rows = walk(api, q=order["orderNumber"])[0]["orders"]
    box.control.set_fault("other_record", count=1)
    assert walk(api, q=order["orderNumber"])[0]["orders"] != rows
    box.control.set_fault("reset", count=1, when="after", path_regex="fulfillment")
    with pytest.raises((ConnectionError, OSError)):
        fulfil(box, order, form("1Z1"))
    assert [mail["order_id"] for mail in box.control.mails()] == [order["id"]]
    change = {"kind": "orders", "id": order["id"], "fields": {"paymentStatus": "Cancelled"}}
    box.control.add_hook(change, on="request", nth=2)
    assert [api("GET", path).json["paymentStatus"] for _ in range(2)] == ["Paid", "Cancelled"]
    entry = box.control.journal()[-1]
    assert (entry["route"], entry["merchant"], entry["items"]) == ("GET /v1/order/{id}", HILLSIDE, 0)


def test_every_switch_is_tried() -> None:
    assert set(not_tried(__file__, "commerce7")) <= set(SHOP_LISTS)  # those are tried in `test_shop_world`
