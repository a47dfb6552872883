"""WayMore's stand-in behaves as audience.md 11 says, and each thing that is unknown of it as its switch says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from vs_st_pipeline.sandbox.waymore.server import Waymore
from vs_st_pipeline_tests.sandbox.served import Record, Reply, Served, not_tried, served

SHOP, WINERY = "corner-shop", "river-bend"
READER = "marisol@example.com"


@pytest.fixture(scope="module")
def running() -> Iterator[Served]:
    with served(Waymore, "shop_small") as box:
        yield box


@pytest.fixture
def box(running: Served) -> Served:
    running.control.reset()
    running.control.tell(SHOP, consents=[READER], history={})
    return running


class Client:
    """Speaks to WayMore as a client does that knows its uuid."""

    def __init__(self, box: Served, merchant: str = SHOP) -> None:
        self.box, self.merchant, self.api = box, merchant, box.api()
        self.keys = box.control.keys(merchant)
        self.uuid = ""
        self.sent = 0

    def auth(self, **other: Any) -> Reply:
        keys = {name: self.keys[name] for name in ("username", "password", "domain")}
        said = {**keys, "source": "Custom", "type": "E-Commerce", "version": "1.0", "plugin_version": "1.0", **other}
        found = self.api("POST", "/api/authenticate", said)
        if found.status < 300 and found.headers["content-type"] == "application/json" and "uuid" in found.json:
            self.uuid = found.json["uuid"]
        return found

    def part(self, name: str, *items: Any, uuid: str | None = None, path: str = "/api/data") -> Reply:
        block = {"name": name, "description": f"shop {name}", "object": list(items)}
        return self.api("POST", path, {"uuid": uuid or self.uuid, "data": [block]})

    def event(self, event: str, data: Any, key: str | None = None) -> Reply:
        self.sent += 1
        headers = {"Idempotency-Key": key or f"{self.sent:032x}"}
        return self.api("POST", "/api/event", {"event": event, "uuid": self.uuid, "data": data}, headers)


@pytest.fixture
def client(box: Served) -> Client:
    return fresh(box)


def fresh(box: Served) -> Client:
    found = Client(box)
    assert found.auth().status < 300
    return found


def person(id: str = "1", **other: Any) -> Record:
    who = {"id": id, "lastname": "Vantongeren", "firstname": "Marisol", "birthday": "1980-05-17", "email": READER,
           "phone": ""}  # fmt: skip
    address = {"country": "United States of America", "city": "Napa", "address1": "1 Sample Street",
               "postcode": "94558", "company": ""}  # fmt: skip
    return {"customer": {**who, **other}, "addresses": [address]}


def customer(id: str = "1", **other: Any) -> Record:
    return {**person(id, **other), "cart": {}}


def subscriber(email: str = READER) -> Record:
    said = {"id": "1", "id_shop": "1", "id_shop_group": "1", "email": email, "newsletter_date_add": "N/A",
            "ip_registration_newsletter": "N/A", "http_referer": "N/A", "active": 1}  # fmt: skip
    return {"subscriber": said}


def product(id: str = "p1", **other: Any) -> Record:
    return {"product_id": id, "name": "Pinot", "description": "", "short_description": "", "categories": ["Red"],
            "stock_quantity": 3, "price": 38.5, "discount": {}, "product_options": [], "image_link": "",
            "product_link": "", **other}  # fmt: skip


def old_order(id: Any = "o1", **other: Any) -> Record:
    details = {"customer_id": "1", "order_id": id, "order_status": "paid", "shipping_method": "", "payment_method": "",
               "total_price": "38.50", **other}  # fmt: skip
    return {"order_details": details, "order_products": [{"product_id": "p1", "quantity": "1"}]}


def new_order(id: str = "o2", **other: Any) -> Record:
    details = old_order(id)["order_details"] | {
        "total_price": 38.5, "lastname": "V", "firstname": "M", "birthday": "", "email": READER, "company": None,
        "newsletter": False, "website": None, "address1": "", "address2": "", "postcode": "", "phone": "",
        "phone_mobile": "", "city": "", "country": "", **other,
    }  # fmt: skip
    del details["customer_id"]
    line = {"product_id": "p1", "quantity": "1", "option_id": None}
    return {"customer_id": "1", "order_details": details, "order_products": [line]}


def cart(*products: str, of: str = "1") -> Record:
    lines = [{"product_id": one, "option_id": None, "quantity": "1"} for one in products]
    return {"customer_id": of, "cart_products": lines, "cart_url": ""}


def newsletter(subscription: bool, email: str = READER) -> Record:
    return {"customer_id": "1", "email": email, "subscription": subscription}


def found(box: Served) -> list[str]:
    return [one["what"] for one in box.control.violations(SHOP)]


def test_a_shop_registers_and_tells_what_it_has(box: Served, client: Client) -> None:
    """The calls of 11, the usual way; nothing is found and no automation runs for history."""
    for name, item in (("customers", customer()), ("subscribers", subscriber()), ("products", product()),
                       ("wishlist", {"customer_id": "1", "product_id": ["p1"]}), ("orders", old_order())):  # fmt: skip
        done = client.part(name, item)
        assert (done.status, bool(done.json["message"])) == (200, True)
    assert client.event("CustomerUpdate", person(phone="+17075551001")).status == 200
    known = box.control.known(SHOP)
    assert known["registered"]
    assert known["subscribers"] == [READER]
    assert {kind: [(one["id"], one["copies"]) for one in kept] for kind, kept in known["records"].items()} == {
        "customers": [("1", 1)], "subscribers": [(READER, 1)], "products": [("p1", 1)], "wishlist": [("1", 1)],
        "orders": [("o1", 1)], "carts": [],
    }  # fmt: skip
    assert box.control.record("customers", "1", SHOP)["customer"]["phone"] == "+17075551001"
    assert (box.control.messages(SHOP), found(box)) == ([], [])


def test_all_three_shapes_of_a_part_are_taken(box: Served, client: Client) -> None:
    """002-17: one block, one with a block nested among its items, several blocks."""
    nested = {"name": "products", "description": "more", "data": [product("p2")]}
    assert client.part("customers", customer("1"), nested).status == 200
    blocks = [{"name": name, "description": name, "object": [item]} for name, item in
              (("products", product("p3")), ("orders", old_order()))]  # fmt: skip
    assert client.api("POST", "/api/data", {"uuid": client.uuid, "data": blocks}).status == 200
    assert (box.control.ids("customers", SHOP), box.control.ids("products", SHOP)) == (["1"], ["p2", "p3"])
    assert box.control.ids("orders", SHOP) == ["o1"]


@pytest.mark.parametrize(
    ("event", "data"),
    [
        ("CustomerAdd", person()),
        ("CustomerUpdate", [person()]),
        ("CartUpdate", cart("p1")),
        ("ProductAdd", product()),
        ("ProductUpdate", product()),
        ("ProductStockUpdate", {"product_id": "p1", "option_id": None}),
        ("ProductOutOfStock", {"product_id": "p1"}),
        ("ProductoutOfStock", {"product_id": "p1"}),
        ("OrderAdd", new_order()),
        ("OrderStatusUpdate", {"customer_id": 0, "order_id": "o1", "order_status": "sent"}),
        ("OrderPaymentConfirmed", {"customer_id": "1", "order_id": "o1"}),
        ("WishlistAdd", {"product_id": "p1", "customer_id": "1"}),
        ("WishlistDelete", {"product_id": "p1", "customer_id": "1"}),
        ("Newsletter", newsletter(True)),
        ("Search", {"customer_id": "", "search_string": "pinot"}),
        ("Uninstall", {}),
    ],
)
def test_every_event_of_the_guide_is_taken(client: Client, event: str, data: Any) -> None:
    assert client.event(event, data).status == 200


@pytest.mark.parametrize(
    ("name", "item"),
    [
        ("customers", person()),
        ("customers", customer(birthday="1980-02-31")),
        ("customers", customer(id="")),
        ("subscribers", {"subscriber": {"email": READER}}),
        ("products", product(stock_quantity="3")),
        ("products", product(price="12,50")),
        ("products", product(discount={"price": 1})),
        ("wishlist", {"customer_id": "1", "product_id": []}),
        ("orders", {**old_order(), "order_products": {}}),
        ("guests", customer()),
    ],
)
def test_what_is_not_by_the_guide_is_refused(client: Client, name: str, item: Record) -> None:
    assert client.part(name, item).status == 400


def test_automations_send_what_events_tell(box: Served, client: Client) -> None:
    """Welcome on CustomerAdd, thanks on OrderAdd, a reminder of a cart neither emptied nor ordered."""
    for id in ("1", "2", "3"):
        client.event("CustomerAdd", person(id))
        client.event("CartUpdate", cart("p1", of=id))
    client.event("OrderAdd", new_order())
    client.event("CartUpdate", cart(of="2"))
    box.control.move_clock(2 * 3600)
    sent = [(one["what"], one["id"]) for one in box.control.messages(SHOP)]
    assert sent == [*(("welcome", id) for id in "123"), ("thanks", "o2"), ("reminder", "3")]


class TestViolations:
    def test_nobody_tells_anything_before_it_is_registered(self, box: Served) -> None:
        client, app = Client(box), box.app
        assert isinstance(app, Waymore)
        assert client.part("customers", customer(), uuid=app.accounts[SHOP].uuid()).status == 401
        assert client.part("customers", customer(), uuid="made up").status == 401
        assert found(box) == ["call_before_registration", "unknown_uuid"]

    def test_nobody_tells_anything_after_an_uninstall(self, box: Served, client: Client) -> None:
        client.event("Uninstall", {})
        assert client.event("Search", {"customer_id": "", "search_string": "x"}).status == 401
        assert found(box) == ["call_before_registration"]

    def test_a_second_registration_is_one_where_the_first_answer_came(self, box: Served) -> None:
        box.control.set_fault("reset", SHOP, when="after", count=1)
        client = Client(box)
        with pytest.raises(ConnectionError):
            client.auth()
        client.api.connection.close()
        client.auth()
        assert found(box) == []
        client.auth()
        assert found(box) == ["second_registration"]

    def test_blocks_come_in_order(self, box: Served, client: Client) -> None:
        client.part("products", product())
        client.part("customers", customer())
        assert found(box) == ["block_out_of_order"]

    def test_late_history_may_begin_anew(self, box: Served, client: Client) -> None:
        client.part("products", product())
        box.control.move_clock(3600)
        client.part("customers", customer())
        client.part("orders", old_order())
        client.part("customers", customer("2"))
        assert found(box) == []

    def test_no_event_goes_before_what_was_there_is_told(self, box: Served, client: Client) -> None:
        box.control.tell(SHOP, history={"customers": ["1", "2"]})
        client.part("customers", customer("1"))
        client.event("Newsletter", newsletter(False))
        client.event("ProductAdd", product("p9"))
        client.part("customers", customer("2"))
        assert found(box)[-1:] == ["event_before_history"]

    def test_no_event_tells_what_was_there(self, box: Served, client: Client) -> None:
        box.control.tell(SHOP, history={"customers": ["1"]})
        client.event("CustomerAdd", person())
        assert found(box) == ["history_as_event"]

    def test_an_older_event_does_not_come_after_a_newer_one(self, box: Served, client: Client) -> None:
        client.part("customers", customer())
        for key in ("a", "a", "b"):
            client.event("CustomerUpdate", person(), key)
        assert found(box) == []
        client.event("CustomerUpdate", person(), "a")
        assert found(box) == ["entity_out_of_order"]

    def test_nothing_changes_that_was_never_told(self, box: Served, client: Client) -> None:
        client.event("CustomerUpdate", person())
        client.event("WishlistDelete", {"product_id": "p1", "customer_id": "1"})
        assert found(box) == ["entity_out_of_order"] * 2
        box.control.tell(SHOP, silent=True)
        client.event("ProductUpdate", product())
        assert len(found(box)) == 2

    def test_nothing_is_added_twice(self, box: Served, client: Client) -> None:
        client.event("ProductAdd", product(), "a")
        client.event("ProductAdd", product(), "a")
        assert found(box) == []
        client.event("ProductAdd", product(), "b")
        assert found(box) == ["added_again"]

    def test_nobody_is_subscribed_who_has_not_opted_in(self, box: Served, client: Client) -> None:
        box.control.tell(SHOP, consent=["Odalys@Example.com"], withdrawn=[READER])
        client.part("subscribers", subscriber("odalys@example.com"), subscriber())
        client.event("Newsletter", newsletter(True))
        client.event("OrderAdd", new_order(newsletter=True))
        assert found(box) == ["subscribed_without_consent"] * 3

    def test_an_order_has_one_name(self, box: Served, client: Client) -> None:
        box.control.tell(SHOP, aliases={"100017": "o1"})
        client.part("orders", old_order("17"))
        client.part("orders", old_order(17))
        client.part("orders", old_order("100017"))
        assert found(box) == ["order_under_two_names"] * 2


class TestSwitches:
    def test_bad_credentials(self, box: Served) -> None:
        for _, status in box.each("bad_credentials", [200, 400, 401, 200]):
            done = Client(box).auth(password="wrong")
            assert done.status == status
            assert "uuid" not in done.text

    def test_auth_again(self, box: Served) -> None:
        for value, _ in box.each("auth_again", [None] * 3):
            client = fresh(box)
            first, done = client.uuid, client.auth()
            assert done.status == (409 if value == 409 else 200)
            assert (client.uuid == first) == (value != "new_uuid")
            assert client.part("customers", customer(), uuid=first).status == 200

    def test_bad_uuid(self, box: Served) -> None:
        for _, status in box.each("bad_uuid", [401, 400, 404, 200]):
            done = fresh(box).part("customers", customer(), uuid="made up")
            assert done.status == status
            assert ("message" in done.json) == (status != 200)

    def test_success_body(self, box: Served) -> None:
        wanted = ["message", "", "OK", '{"received":1}', '"success":1']
        for _, text in box.each("success_body", wanted):
            done = fresh(box).part("customers", customer())
            assert done.status == 200
            assert text in done.text
            assert bool(text) == bool(done.text)

    def test_success_status(self, box: Served) -> None:
        for value, _ in box.each("success_status", [None] * 3):
            assert fresh(box).part("customers", customer()).status == value

    def test_refusal(self, box: Served) -> None:
        for value, status in box.each("refusal", [400, 400, 200, 422]):
            done = fresh(box).part("customers", customer(birthday="soon"))
            assert done.status == status
            assert bool(done.text) == (value != "400_empty")
            assert ("error" in done.text) == (value == "200_error")

    def test_bad_item(self, box: Served) -> None:
        for _, kept in box.each("bad_item", [[], ["1"]]):
            fresh(box).part("customers", customer("1"), customer("2", birthday="soon"))
            assert box.control.ids("customers", SHOP) == kept

    def test_block_names(self, box: Served) -> None:
        for _, wanted in box.each("block_names", [(200, 200), (200, 400), (400, 200)]):
            client, item = fresh(box), {"customer_id": "1", "product_id": ["p1"]}
            assert (client.part("wishlist", item).status, client.part("Wishlists", item).status) == wanted

    def test_dates(self, box: Served) -> None:
        days = ("1980-05-17", "17/05/1980", "05/17/1980")
        for _, wanted in box.each("dates", [(200,) * 3, (200, 400, 400), (400, 200, 400), (400, 400, 200)]):
            client = fresh(box)
            assert tuple(client.part("customers", customer(birthday=day)).status for day in days) == wanted

    def test_unknown_keys(self, box: Served) -> None:
        for _, status in box.each("unknown_keys", [200, 400]):
            assert fresh(box).part("customers", customer(state="CA")).status == status

    def test_resent_record(self, box: Served) -> None:
        for _, wanted in box.each("resent_record", [("Ann", 1), ("Marisol", 2), ("Marisol", 1)]):
            client = fresh(box)
            client.part("customers", customer())
            client.part("customers", customer(firstname="Ann"))
            (kept,) = box.control.all("customers", SHOP)
            assert (kept["data"]["customer"]["firstname"], kept["copies"]) == wanted

    def test_resent_event(self, box: Served) -> None:
        for _, welcomes in box.each("resent_event", [2, 1]):
            client = fresh(box)
            assert [client.event("CustomerAdd", person(), "a").status for _ in range(2)] == [200, 200]
            assert len(box.control.messages(SHOP)) == welcomes

    def test_mass_triggers(self, box: Served) -> None:
        for _, wanted in box.each("mass_triggers", [[], ["welcome", "thanks"]]):
            client = fresh(box)
            client.part("customers", customer())
            client.part("orders", old_order())
            assert [one["what"] for one in box.control.messages(SHOP)] == wanted

    def test_max_records(self, box: Served) -> None:
        for value, _ in box.each("max_records", [None] * 3):
            client = fresh(box)
            people = [customer(str(id)) for id in range(value + 1)]
            assert [client.part("customers", *people[:n]).status for n in (value, value + 1)] == [200, 413]

    def test_max_bytes(self, box: Served) -> None:
        for value, _ in box.each("max_bytes", [None] * 2):
            client = fresh(box)
            assert client.part("customers", customer(firstname="x" * (value - 1000))).status == 200
            assert client.part("customers", customer(firstname="x" * value)).status == 413

    def test_too_large(self, box: Served) -> None:
        for value, status in box.each("too_large", [413, 400, None]):
            box.control.set_switch("max_records", 1)
            client = fresh(box)
            if value == "reset":
                with pytest.raises(ConnectionError):
                    client.part("customers", customer("1"), customer("2"))
            else:
                assert client.part("customers", customer("1"), customer("2")).status == status

    def test_rate_limit(self, box: Served) -> None:
        for _, wanted in box.each("rate_limit", [(0, None), (1, None), (1, "1")]):
            client = fresh(box)
            done = [client.part("customers", customer()) for _ in range(7)]
            refused = [one for one in done if one.status == 429]
            assert (len(refused), refused[0].headers.get("retry-after") if refused else None) == wanted

    def test_endpoints_answer(self, box: Served) -> None:
        for value, usual in box.each("endpoints_answer", [200, 200, 200, 404]):
            client = Client(box)
            asked = {"store_uuid": "", "store_url": client.keys["domain"], "platform": "Custom"}
            told = client.api("POST", "/api/endpoints/get", asked).json
            urls = {one["type"]: one["url"] for one in told["data"]}
            begins = {"foreign_host": "https://elsewhere.", "http": "http://idata.", "moved": f"{box.url}/moved/"}
            assert told["success"] == 1
            assert urls["data"].startswith(begins.get(value, box.url))
            assert client.auth().status == usual
            assert client.api("POST", "/moved/api/authenticate", {}).status == 200

    def test_reject(self, box: Served) -> None:
        for _, status in box.each("reject", [200]):
            client = fresh(box)
            assert client.part("customers", customer()).status == status
            box.control.set_switch("reject", ["1"])
            assert client.part("customers", customer()).status == 400
            assert client.event("CustomerUpdate", person()).status == 400

    def test_every_switch_is_tried(self) -> None:
        assert not_tried(__file__, "waymore") == []
