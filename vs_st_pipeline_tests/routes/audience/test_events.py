"""What each event says, to the letter (audience.md 6.1, 6.2)."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from vs_st_pipeline.routes.audience import events, items
from vs_st_pipeline.routes.audience.words import Event
from vs_st_pipeline_tests.routes.audience.shop_rows import STYLE, customer, line, option, order, product

WHO = (
    '"customer":{"id":"7","lastname":"Vine","firstname":"Ada","birthday":"1980-05-31","email":"Ada@Example.com",'
    '"phone":"+17075550123"},"addresses":[{"country":"United States of America","city":"Napa",'
    '"address1":"1 Sample Road","postcode":"94558","company":""}]'
)
BOTTLE = (
    '{"product_id":"p1","name":"Cabernet","description":"Dark\\nand dry","short_description":"",'
    '"categories":["Red","Estate"],"stock_quantity":12,"price":42.50,"discount":{},"product_options":[],'
    '"image_link":"https://shop.example/p1.jpg","product_link":""}'
)
DETAILS = (
    '"order_details":{"order_id":"1001","order_status":"SUCCESS","shipping_method":"Ground","payment_method":"",'
    '"total_price":150.00,"lastname":"%s","firstname":"Bo","birthday":"%s","email":"%s","company":null,'
    '"newsletter":%s,"website":null,"address1":"1 Sample Road","address2":"","postcode":"94558","phone":"%s",'
    '"phone_mobile":"","city":"Napa","country":"United States of America"}'
)
CART = [line("p1", 2.0, "o1"), line("p2")]
WITH_OPTIONS = product(options=[option("o1", stock=-1.0), option("o2", stock=None)])

SAID: list[tuple[Event, dict[str, Any], dict[str, Any], str]] = [
    (Event.CUSTOMER_ADD, customer(lines=CART), {}, "{" + WHO + "}"),
    (Event.CUSTOMER_UPDATE, customer(), {}, "{" + WHO + "}"),
    (Event.NEWSLETTER, {}, {"email": "a@example.com", "subscription": True, "customer_id": "7"},
     '{"customer_id":"7","email":"a@example.com","subscription":true}'),
    (Event.NEWSLETTER, {}, {"email": "a@example.com", "subscription": False, "customer_id": None},
     '{"customer_id":0,"email":"a@example.com","subscription":false}'),
    (Event.PRODUCT_ADD, product(), {}, BOTTLE),
    (Event.PRODUCT_UPDATE, product(), {}, BOTTLE),
    (Event.PRODUCT_STOCK_UPDATE, product(), {"option_id": None},
     '{"product_id":"p1","option_id":null,"stock_quantity":12}'),
    (Event.PRODUCT_STOCK_UPDATE, WITH_OPTIONS, {"option_id": "o1"},
     '{"product_id":"p1","option_id":"o1","stock_quantity":0}'),
    (Event.PRODUCT_STOCK_UPDATE, WITH_OPTIONS, {"option_id": "o2"}, '{"product_id":"p1","option_id":"o2"}'),
    (Event.PRODUCT_STOCK_UPDATE, product(options=None), {"option_id": "o1"}, '{"product_id":"p1","option_id":"o1"}'),
    (Event.PRODUCT_STOCK_UPDATE, product(), {"option_id": None, "numberless": True},
     '{"product_id":"p1","option_id":null}'),
    (Event.PRODUCT_OUT_OF_STOCK, product(), {}, '{"product_id":"p1"}'),
    (Event.WISHLIST_ADD, {}, {"customer_id": "7", "product_id": "p1"}, '{"product_id":"p1","customer_id":"7"}'),
    (Event.WISHLIST_DELETE, {}, {"customer_id": "7", "product_id": "p1"}, '{"product_id":"p1","customer_id":"7"}'),
    (Event.CART_UPDATE, {"customer_id": "7", "lines": CART, "cart_url": "https://shop.example/c"}, {},
     '{"customer_id":"7","cart_products":[{"product_id":"p1","option_id":"o1","quantity":"2"},'
     '{"product_id":"p2","option_id":null,"quantity":"1"}],"cart_url":"https://shop.example/c"}'),
    (Event.CART_UPDATE, {"customer_id": ""}, {}, '{"customer_id":0,"cart_products":[],"cart_url":""}'),
    (Event.ORDER_ADD, order(customer=customer(), newsletter=True), {},
     '{"customer_id":"7",' + DETAILS % ("Vine", "1980-05-31", "Ada@Example.com", "true", "+17075550123")
     + ',"order_products":[{"product_id":"p1","quantity":"2","option_id":null}]}'),
    (Event.ORDER_ADD, order(customer_id=None, lines=[line("p1", 1.0, "o1")]), {},
     '{"customer_id":0,' + DETAILS % ("", "", "", "false", "")
     + ',"order_products":[{"product_id":"p1","quantity":"1","option_id":"o1"}]}'),
    (Event.ORDER_ADD, order(customer_id=None, lines=[line(None, 1.0)]), {},
     '{"customer_id":0,' + DETAILS % ("", "", "", "false", "")
     + ',"order_products":[{"product_id":"","quantity":"1","option_id":null}]}'),
    (Event.ORDER_ADD, order(customer_id=None, lines=None), {},
     '{"customer_id":0,' + DETAILS % ("", "", "", "false", "") + ',"order_products":[]}'),
    (Event.ORDER_PAYMENT_CONFIRMED, order(), {}, '{"customer_id":"7","order_id":"1001"}'),
    (Event.ORDER_STATUS_UPDATE, order(customer_id=None), {"status": "SHIPPED"},
     '{"customer_id":0,"order_id":"1001","order_status":"SHIPPED"}'),
    (Event.SEARCH, {}, {"customer_id": None, "search_string": "rosé"}, '{"customer_id":"","search_string":"rosé"}'),
    (Event.SEARCH, {}, {"customer_id": "7", "search_string": "x"}, '{"customer_id":"7","search_string":"x"}'),
]  # fmt: skip


@pytest.mark.parametrize(
    ("event", "record", "about", "said"), SAID, ids=lambda one: one if isinstance(one, Event) else ""
)
def test_6_2_data(event: Event, record: dict[str, Any], about: dict[str, Any], said: str) -> None:
    """6.2: the guide's keys, in its order and forms."""
    assert items.encoded(events.data_of(event, record, about, STYLE)).decode() == said


def test_6_2_each_event_has_a_form() -> None:
    assert {row[0] for row in SAID} == set(Event)


def test_6_2_what_the_order_says_goes_before_what_the_customer_says() -> None:
    """6.2: names, birthday, email, phone unknown in the order are the customer's."""
    said = order(customer=customer(), email="b@example.com", phone="1", last_name="Bee", birth_date=date(1970, 1, 2))
    details = events.data_of(Event.ORDER_ADD, said, {}, STYLE)["order_details"]
    assert [details[key] for key in ("lastname", "firstname", "birthday", "email", "phone")] == [
        "Bee", "Bo", "1970-01-02", "b@example.com", "1",
    ]  # fmt: skip


def test_5_5_extras_of_events() -> None:
    """5.5: after the guide's keys of order_details; not with extras: false."""
    row = order(extra='{"state":"CA"}', lines=[])
    details = events.data_of(Event.ORDER_ADD, row, {}, STYLE)["order_details"]
    assert list(details)[-1] == "state"
    assert "state" not in events.data_of(Event.ORDER_ADD, row, {}, replace(STYLE, extras=False))["order_details"]


def test_6_2_cart_link_of_the_settings_where_the_source_gives_none() -> None:
    style = replace(STYLE, cart_link="https://shop.example/cart")
    assert events.data_of(Event.CART_UPDATE, {"customer_id": "7"}, {}, style)["cart_url"] == "https://shop.example/cart"


def test_6_1_envelope() -> None:
    """6.1, 002-48: event, uuid, data; `data` is an object."""
    assert events.body("Search", b'{"a":1}', 'u"1') == b'{"event":"Search","uuid":"u\\"1","data":{"a":1}}'
