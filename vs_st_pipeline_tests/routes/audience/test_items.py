"""What each record of the history looks like, to the letter (audience.md 5.2-5.5)."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from vs_st_pipeline.domain.country_names import english_name
from vs_st_pipeline.routes.audience import items
from vs_st_pipeline.routes.audience.words import BLOCKS, Block
from vs_st_pipeline_tests.routes.audience.shop_rows import (
    STYLE,
    address,
    address_row,
    customer,
    line,
    option,
    order,
    product,
)


def rendered(block: Block, row: dict[str, Any], **style: Any) -> str:
    return items.encoded(items.item(block, row, replace(STYLE, **style))).decode()


def test_5_3_customer() -> None:
    """5.3: all keys, in the guide's order; country by its English name."""
    assert rendered(Block.CUSTOMERS, customer()) == (
        '{"customer":{"id":"7","lastname":"Vine","firstname":"Ada","birthday":"1980-05-31","email":"Ada@Example.com",'
        '"phone":"+17075550123"},"addresses":[{"country":"United States of America","city":"Napa",'
        '"address1":"1 Sample Road","postcode":"94558","company":""}],"cart":{}}'
    )


def test_5_3_customer_of_whom_nothing_is_known() -> None:
    """5.3, 5.4: unknown text is empty; no address known: one with five empty texts."""
    nobody = dict.fromkeys(customer()) | {"customer_id": "8", "addresses": []}
    assert rendered(Block.CUSTOMERS, nobody) == (
        '{"customer":{"id":"8","lastname":"","firstname":"","birthday":"","email":"","phone":""},'
        '"addresses":[{"country":"","city":"","address1":"","postcode":"","company":""}],"cart":{}}'
    )


def test_5_3_cart_sums_the_options_of_a_product() -> None:
    """5.3: a cart with lines; options of one product summed; quantities are texts (5.4)."""
    lines = [line("p1", 1.0, "a"), line("p2", 1.5), line("p1", 2.0, "b")]
    assert items.item(Block.CUSTOMERS, customer(lines=lines), STYLE)["cart"] == {
        "cart_products": [{"product_id": "p1", "quantity": "3"}, {"product_id": "p2", "quantity": "1.5"}]
    }


@pytest.mark.parametrize(
    ("changed", "id_", "added"),
    [
        ({}, "7", "2026-01-02 03:04:05"),
        ({"subscriber_id": "s1"}, "s1", "2026-01-02 03:04:05"),
        ({"customer_id": None, "since": None}, "Ada@Example.com", "N/A"),
    ],
)
def test_5_3_subscriber(changed: dict[str, Any], id_: str, added: str) -> None:
    """5.3: subscriber_id, else customer_id, else the e-mail; `since` unknown is N/A."""
    assert rendered(Block.SUBSCRIBERS, address_row(**changed)) == (
        f'{{"subscriber":{{"id":"{id_}","id_shop":"1","id_shop_group":"1","email":"Ada@Example.com",'
        f'"newsletter_date_add":"{added}","ip_registration_newsletter":"N/A","http_referer":"N/A","active":1}}}}'
    )


def test_5_3_product() -> None:
    """5.3, 5.4: price a number of two places, stock an integer that is cut, a link from the template."""
    made = rendered(Block.PRODUCTS, product(), product_link="https://shop.example/{slug}?sku={sku}")
    assert made == (
        '{"product_id":"p1","name":"Cabernet","description":"Dark\\nand dry","short_description":"",'
        '"categories":["Red","Estate"],"stock_quantity":12,"price":42.50,"discount":{},"product_options":[],'
        '"image_link":"https://shop.example/p1.jpg","product_link":"https://shop.example/cabernet?sku=CAB%2020"}'
    )


def test_5_3_product_without_numbers() -> None:
    """5.3: an unknown number is no key; a template's unknown value is no link."""
    made = items.item(
        Block.PRODUCTS, product(stock=None, price=None, slug=None), replace(STYLE, product_link="x{slug}")
    )
    assert "stock_quantity" not in made
    assert "price" not in made
    assert made["discount"] == {}
    assert made["product_link"] == ""


def test_5_3_options() -> None:
    """5.3: where an option has a price there is none here; options' sum where all are known; more attributes."""
    priced = option("b", price=Decimal("9.99"), attributes='{"color": "red", "fit": "slim", "size": "M"}')
    row = product(options=[option("a"), priced], stock=50.0)
    assert rendered(Block.PRODUCTS, row).split('"Estate"],')[1].split(',"image_link"')[0] == (
        '"stock_quantity":6,"product_options":[{"option_id":"a","stock_quantity":3,"discount":{}},'
        '{"option_id":"b","size":"M","stock_quantity":3,"price":9.99,"discount":{},"color":"red","fit":"slim"}]'
    )
    unknown = items.item(Block.PRODUCTS, product(options=[option("a", stock=None), option("b")], stock=50.0), STYLE)
    assert unknown["stock_quantity"] == 50
    assert unknown["price"] == Decimal("42.50")
    assert "stock_quantity" not in unknown["product_options"][0]


@pytest.mark.parametrize(
    ("changed", "discount"),
    [
        ({"discount_price": None, "discount_end": date(2026, 6, 1)}, {}),
        ({}, {"price": 30, "date_start": "", "date_end": "", "quantity": None}),
        (
            {"discount_start": date(2026, 4, 1), "discount_end": date(2026, 5, 1), "discount_quantity": 3.0},
            {"price": 30, "date_start": "2026-04-01", "date_end": "2026-05-01", "quantity": 3},
        ),
        ({"discount_end": date(2026, 4, 30)}, {}),  # over
    ],
)
def test_5_3_discount(changed: dict[str, Any], discount: dict[str, Any]) -> None:
    """5.3: `{}` or four keys; one whose date_end lies before today is over."""
    made = items.item(Block.PRODUCTS, product(**{"discount_price": Decimal("30.00"), **changed}), STYLE)
    assert made["discount"] == discount
    json.loads(items.encoded(made))


def test_5_3_wishlist() -> None:
    assert rendered(Block.WISHLIST, {"customer_id": "7", "product_ids": ["p1", "p2"]}) == (
        '{"customer_id":"7","product_id":["p1","p2"]}'
    )


def test_5_3_order() -> None:
    """5.3, 5.4: total a text of two places, quantities texts, times UTC; a guest is the number 0."""
    assert rendered(Block.ORDERS, order(customer_id=None)) == (
        '{"order_details":{"customer_id":0,"order_id":"1001","order_status":"SUCCESS","shipping_method":"Ground",'
        '"payment_method":"","total_price":"150.00","order_create_date":"2026-04-30 23:59:58"},'
        '"order_products":[{"product_id":"p1","quantity":"2"}]}'
    )


def test_5_5_extras() -> None:
    """5.5: after the guide's keys, in customer, address, product and order_details; none of them with extras: false."""
    extra = '{"state": "CA", "city": "not this one"}'
    made = items.item(Block.CUSTOMERS, customer(extra='{"tier": "gold"}', addresses=[address(extra=extra)]), STYLE)
    assert list(made["customer"])[-1] == "tier"
    assert list(made["addresses"][0])[-1] == "state"
    assert made["addresses"][0]["city"] == "Napa"
    assert items.item(Block.PRODUCTS, product(extra='{"vintage": "2020"}'), STYLE)["vintage"] == "2020"
    assert list(items.item(Block.ORDERS, order(extra=extra), STYLE)["order_details"])[-2:] == ["state", "city"]
    for block, row in ((Block.CUSTOMERS, customer(extra=extra)), (Block.ORDERS, order(extra=extra))):
        assert "state" not in rendered(block, row, extras=False)
    assert "order_create_date" not in rendered(Block.ORDERS, order(), extras=False)


@pytest.mark.parametrize(("dates", "birthday"), [("iso", "1980-05-31"), ("dmy", "31/05/1980"), ("mdy", "05/31/1980")])
def test_5_4_dates(dates: str, birthday: str) -> None:
    assert items.item(Block.CUSTOMERS, customer(), replace(STYLE, dates=dates))["customer"]["birthday"] == birthday


@pytest.mark.parametrize(
    ("written", "goes"),
    [
        ("<b>Zoë</b>\t\r\nline", "<b>Zoë</b>\t\r\nline"),
        ("a\x00b\x1bc\x7f\x85", "abc"),
        ("\ud800x", "\ufffdx"),
        ("no\u00a0break \U0001f377", "no\u00a0break \U0001f377"),
    ],
)
def test_5_4_text(written: str, goes: str) -> None:
    """5.4: whole and as it stands; control characters but tab and line ends dropped, lone surrogates replaced."""
    made = json.loads(rendered(Block.CUSTOMERS, customer(last_name=written)))
    assert made["customer"]["lastname"] == goes


@pytest.mark.parametrize(
    ("total", "text", "number"),
    [
        ("0", "0.00", b"0.00"),
        ("1234567.5", "1234567.50", b"1234567.50"),
        ("0.005", "0.01", b"0.01"),
        ("1E+3", "1000.00", b"1000.00"),
    ],
)
def test_5_4_money(total: str, text: str, number: bytes) -> None:
    """5.4: half up to two places, no thousands mark, no exponent."""
    assert items.item(Block.ORDERS, order(total=Decimal(total)), STYLE)["order_details"]["total_price"] == text
    assert items.encoded(items.item(Block.PRODUCTS, product(price=Decimal(total)), STYLE)["price"]) == number


@pytest.mark.parametrize(("stock", "goes"), [(-3.0, 0), (0.9, 0), (7.0, 7), (1e15, 10**15)])
def test_5_4_stock(stock: float, goes: int) -> None:
    """5.4: an integer, a fraction is cut, below 0 is 0."""
    assert json.loads(rendered(Block.PRODUCTS, product(stock=stock)))["stock_quantity"] == goes


@pytest.mark.parametrize(
    ("written", "goes"),
    [("US", "United States of America"), ("de", "Germany"),
     ("GBR", "United Kingdom of Great Britain and Northern Ireland"), ("IR", "Iran"),
     ("KP", "Democratic People's Republic of Korea"), ("Bavaria", "Bavaria"), ("XX", "XX")],
)  # fmt: skip
def test_5_4_country(written: str, goes: str) -> None:
    """5.4: the English short name without brackets; what is no ISO code as it comes."""
    assert english_name(written) == goes


def test_5_2_envelope() -> None:
    """5.2: one block per request; names by `block_names`; the uuid is put in at sending."""
    names = {
        "lower": [str(block) for block in BLOCKS],
        "capitalised": ["Customers", "Subscribers", "Products", "Wishlists", "Orders"],
    }
    for form, expected in names.items():
        for block, name in zip(BLOCKS, expected, strict=True):
            without = items.body(block, [{"a": 1}], block_names=form)
            assert (
                without
                == f'{{"data":[{{"name":"{name}","description":"shop {block}","object":[{{"a":1}}]}}]}}'.encode()
            )
            assert items.with_uuid(without, 'u"1') == b'{"uuid":"u\\"1",' + without[1:]
            assert [bytes(one) for one in items.items_of(without)] == [b'{"a":1}']


def test_5_3_lines_whose_product_is_not_known() -> None:
    assert items.item(Block.ORDERS, order(lines=[line(None)]), STYLE)["order_products"] == [
        {"product_id": "", "quantity": "1"}
    ]
