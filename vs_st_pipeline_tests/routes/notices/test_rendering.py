"""Messages as they read: values of orders, what stands in for them, and what is missing (notices.md 6)."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from types import SimpleNamespace
from typing import Any, cast
from zoneinfo import ZoneInfo

import pytest

from vs_st_pipeline.connectors.gupshup.settings import TemplateParam, TemplateSettings
from vs_st_pipeline.routes.notices.messages import Button
from vs_st_pipeline.routes.notices.rendering import (
    Missing,
    Param,
    Rendered,
    fill,
    fill_text,
    params_of,
    preview,
    render,
    samples_of,
)
from vs_st_pipeline.routes.notices.settings import NoticesSettings
from vs_st_pipeline.routes.notices.template_fit import Template
from vs_st_pipeline.routes.notices.values import Order, Values

SHIP, RETURN = "shipment:eshopbox:9", "return:eshopbox:7"
ORDER = Order(
    "eshopbox:1", "eshopbox", "KK#1", None, datetime(2026, 3, 13, 20), "IN", "KA", "560001",
    [
        {"unit_key": SHIP, "line": 2, "sku": "B", "brand": "Other", "title": "Sock", "quantity": 2},
        {"unit_key": SHIP, "line": 1, "sku": "A", "brand": "Kapas", "title": "T-shirt", "quantity": "1"},
        {"unit_key": "shipment:eshopbox:10", "line": 3, "sku": "C", "title": "Hat", "quantity": 1},
        {"unit_key": RETURN, "line": 1, "sku": "A", "title": "T-shirt", "quantity": 1},
    ],
    "COD", "INV-1", "T0", "DTDC", {SHIP: {"reason": "Door locked"}}, Decimal("10"),
    {
        "address": ["12 MG Road", " ", "Near Park"], "city": "Bengaluru", "invoice_url": "https://example.com/i",
        "units": {SHIP: {"tracking_id": "T1", "courier": "Delhivery"}, RETURN: {"refund_amount": "499.5"}},
    },
)  # fmt: skip


def values(order: Order = ORDER, unit: str = SHIP, **settings: Any) -> Values:
    made = NoticesSettings.model_construct(**{"brand": None, "samples": {}, **settings})
    merchant = cast(Any, SimpleNamespace(name="KapasKraft", time_zone=ZoneInfo("Asia/Kolkata")))
    return Values(order, unit, "Asha Rao", "+919810000210", made, merchant)


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("customer_order_id", "KK#1"),
        ("brand", "Kapas"),
        ("sku", "A, B"),
        ("gtin", None),
        ("product_title", "T-shirt and 1 more item"),
        ("customer_name", "Asha Rao"),
        ("customer_phone", "+91 •••••••210"),
        ("address", "12 MG Road, Near Park"),
        ("city", "Bengaluru"),
        ("state", "KA"),
        ("pincode", "560001"),
        ("payment_method", "Cash on delivery"),
        ("invoice", "INV-1"),
        ("quantity", "4"),
        ("refund_amount", "10.00"),
        ("invoice_url", "https://example.com/i"),
        ("tracking_id", "T1"),
        ("tracking_url", None),
        ("courier", "Delhivery"),
        ("failure_reason", "Door locked"),
        ("order_date", "14 Mar 2026"),  # in the merchant's zone
        ("merchant_name", "KapasKraft"),
    ],
)
def test_each_variable_of_an_order(key: str, text: str | None) -> None:
    assert values()(key) == text


def test_values_are_of_the_units_own_items() -> None:
    assert values(unit=RETURN)("product_title") == "T-shirt"
    assert values(unit=RETURN)("refund_amount") == "499.50"
    assert values(unit=RETURN)("tracking_id") == "T0"
    assert values(unit="order:eshopbox:1")("sku") == "A, B, C"


def test_what_another_system_has() -> None:
    other = Order("commerce7:1", "commerce7", "1001", "V-1", payment="COD", items=[{"title": "Wine", "quantity": 2}])
    found = values(other, "order:commerce7:1")
    assert (found("payment_method"), found("customer_order_id"), found("brand")) == ("Paid", "V-1", "KapasKraft")
    assert values(other, "x", brand="Kapas & Co")("brand") == "Kapas & Co"
    assert (found("product_title"), found("quantity")) == ("Wine", "2")


def test_a_sum_with_an_unknown_line_is_not_known() -> None:
    assert values(Order("e:1", "eshopbox", "1", items=[{"quantity": 2}, {"quantity": None}]))("quantity") is None
    assert values(Order("e:1", "eshopbox", "1"))("quantity") is None


def wanted(*params: TemplateParam, buttons: tuple[str | None, ...] = ()) -> TemplateSettings:
    return TemplateSettings(id="t", params=params, buttons=buttons)


NAME, GTIN = TemplateParam(variable="customer_name"), TemplateParam(variable="gtin")


def test_what_fills_a_placeholder() -> None:
    either = TemplateParam.model_construct(variable="gtin", fallback="none given", text=None)
    found = params_of(wanted(NAME, either, TemplateParam(text="for  you")), values())
    assert found == [
        Param(1, "customer_name", "Asha Rao"),
        Param(2, "gtin", "none given"),
        Param(3, None, "for you"),
    ]


def test_a_missing_value_is_named_and_never_empty() -> None:
    assert params_of(wanted(NAME, GTIN), values()) == Missing("gtin")
    blank = TemplateParam.model_construct(variable="gtin", fallback=" {{}} ", text=None)
    assert params_of(wanted(blank), values()) == Missing("gtin")


def test_a_message_as_it_reads() -> None:
    buttons = [
        {"type": "QUICK_REPLY", "text": "Again"},
        {"type": "URL", "text": "x"},
        {"type": "quick_reply", "text": "No"},
    ]
    template = Template("t", data="Hi {{1}}, {{ 2 }}. {{1}}!", buttons=buttons)
    found = render(template, wanted(NAME, TemplateParam(text="bye {1}"), buttons=("reattempt",)), values())
    assert isinstance(found, Rendered)
    assert found.text == "Hi Asha Rao, bye {1}. Asha Rao!"
    assert found.buttons == [Button("reattempt", "Again"), Button(None, "No")]


def test_what_a_value_holds_is_not_filled_again() -> None:
    assert fill("{{1}} {{2}}", [Param(1, None, "a {{2}}"), Param(2, None, "b")]) == "a {{2}} b"


def test_texts_of_answers() -> None:
    assert fill_text("Dear {customer_name}, {what}", values()) == "Dear Asha Rao, {what}"
    assert fill_text("{gtin} {customer_name}", values()) == Missing("gtin")


def test_a_preview_with_samples() -> None:
    template = Template(
        "t", data="Hi {{1}} {{2}}", header="KK", footer="Bye", buttons=[{"type": "URL", "text": "Track"}]
    )
    settings = NoticesSettings.model_construct(samples={"customer_name": "Ravi"})
    assert preview(template, wanted(NAME, GTIN), samples_of(settings)) == {
        "header": "KK",
        "body": "Hi Ravi 08901234567894",
        "footer": "Bye",
        "buttons": ["Track"],
        "params": [
            {"n": 1, "variable": "customer_name", "value": "Ravi"},
            {"n": 2, "variable": "gtin", "value": "08901234567894"},
        ],
    }
    shown = preview(template, wanted(NAME, GTIN), values())
    assert (shown["body"], shown["params"][1]["value"]) == ("Hi Asha Rao {{2}}", None)
