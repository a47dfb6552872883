"""The body of orders.md 5.1, target by target, and what is kept of it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from vs_st_pipeline.domain.codec import encode
from vs_st_pipeline.routes.orders.payload import MAY_BE_DROPPED, Payload, Unsendable, build, ship_date
from vs_st_pipeline.routes.orders.settings import RateRow
from vs_st_pipeline.sandbox.scenarios.orders_shop import rate
from vs_st_pipeline_tests.routes.orders.orders_made import ZONE, code, known, line, made

ID = "71000000-0000-4000-7000-000000000001"


def built(*lines: Any, given: dict[str, Any] | None = None, **changed: Any) -> Payload:
    """Return what is sent of a good order with something changed."""
    return build(made(*lines, **changed), known(**(given or {})))


def written(payload: Payload) -> str:
    """Return the body as it leaves."""
    return (encode(payload.body) or b"").decode()


def test_o5_1_the_whole_body_and_no_key_more() -> None:
    payload = built(
        line("PINOT22", 2), line("SPARK20", 1),
        shipTo={"company": " Sea & Co ", "address2": "Apt 4", "zipCode": "954721234", "stateCode": "ca"},
        selectedShippingOptions={"requestedShipDate": "2026-12-05"}, giftMessage="Cheers", shippingInstructions="Porch",
    )  # fmt: skip
    assert json.loads(written(payload), parse_float=str) == {
        "orderNumber": "HILLSIDE-1",
        "sourceUrl": f"https://hillside.admin.platform.commerce7.com/store/order/{ID}",
        "metaFields": {"c7_order_id": ID, "c7_tenant": "hillside"},
        "customer": {
            "email": "marisol.vantongeren.hillside@example.com",
            "firstName": "Marisol",
            "lastName": "Vantongeren",
            "address": {
                "street1": "1 Sample Street",
                "city": "Sebastopol",
                "stateCode": "CA",
                "postalCode": "95472",
            },
            "dateOfBirth": {"day": 17, "month": 5, "year": 1980},
        },
        "shipToAddress": {
            "firstName": "Marisol",
            "lastName": "Vantongeren",
            "businessName": "Sea & Co",
            "street1": "1 Sample Street",
            "street2": "Apt 4",
            "city": "Sebastopol",
            "stateCode": "CA",
            "postalCode": "95472-1234",
            "country": "US",
            "phone": {"number": "7075551001", "country": 1},
        },
        "productIdType": "SKU",
        "products": [
            {"productId": "PINOT22", "quantity": 2, "price": "42.00"},
            {"productId": "SPARK20", "quantity": 1, "price": "56.00"},
        ],
        "shippingRate": {"carrier": "UPS", "rateCode": "03", "price": "15.00"},
        "taxes": "12.40",
        "fees": "0.10",
        "specialInstructions": {"shipDate": "2026-12-05", "giftNote": "Cheers", "producerNote": "Porch"},
        "disableCustomerNotifications": True,
        "paid": True,
        "isPaid": True,
    }
    assert payload.notes == {}


def test_o5_1_keys_without_a_source_are_left_out() -> None:
    body = built().body
    assert not {"fees", "discount", "specialInstructions"} & body.keys()
    assert not {"street2", "businessName"} & body["shipToAddress"].keys()
    assert "tip" not in json.dumps(body, default=str)


def test_o5_1_tips_are_not_sent() -> None:
    assert built(tipTotal=900).body == built().body


def test_o5_1_taxes_are_always_there() -> None:
    assert '"taxes":0.00' in written(built(taxTotal=0))
    assert '"taxes":0.00' in written(built(taxTotal=None))


def test_o5_1_money_leaves_as_json_numbers_exact_to_two_places() -> None:
    text = written(built(line("PINOT22", 3, 1999), shipTotal=1010, taxTotal=7, subTotal=5997))
    assert '"price":19.99}' in text
    assert '"price":10.10}' in text
    assert '"taxes":0.07' in text


def test_o5_1_the_number_is_kept_at_the_first_try_and_never_another() -> None:
    assert built().number == "HILLSIDE-1"
    payload = built(given={"vs_number": "OLD-1", "number_prefix": "NEW"})
    assert (payload.number, payload.body["orderNumber"]) == ("OLD-1", "OLD-1")


def test_o10_the_id_in_the_link_is_percent_encoded() -> None:
    order = made(id="a/b?c d")
    assert build(order, known()).body["sourceUrl"].endswith("/store/order/a%2Fb%3Fc%20d")


# --- people -----------------------------------------------------------------------------------------------------------


def test_o5_1_the_first_address_with_an_at_sign() -> None:
    emails = [{"email": "none"}, {"email": " two@example.com "}, {"email": "three@example.com"}]
    assert built(customer={"emails": emails}).body["customer"]["email"] == "two@example.com"


@pytest.mark.parametrize(
    ("blank", "expected"),
    [
        ((), ("Cee", "Customer")),
        (("customer",), ("Bee", "Bill")),
        (("customer", "billTo"), ("Ess", "Ship")),
    ],
)
def test_o5_1_names_of_the_first_with_a_last_name(blank: tuple[str, ...], expected: tuple[str, str]) -> None:
    named: dict[str, Any] = {
        "customer": {"firstName": "Cee", "lastName": "Customer"},
        "billTo": {"firstName": "Bee", "lastName": "Bill"},
        "shipTo": {"firstName": "Ess", "lastName": "Ship"},
    }
    for one in blank:
        named[one]["lastName"] = " "
    body = built(**named).body
    assert (body["customer"]["firstName"], body["customer"]["lastName"]) == expected
    assert body["shipToAddress"]["lastName"] == "Ship"


def test_o5_1_a_ship_to_without_last_name_goes_by_the_buyers_names() -> None:
    to = built(shipTo={"firstName": "Only", "lastName": None}).body["shipToAddress"]
    assert (to["firstName"], to["lastName"]) == ("Marisol", "Vantongeren")


def test_o5_1_a_first_name_that_is_missing_is_left_out() -> None:
    body = built(customer={"firstName": None}, shipTo={"firstName": " "}).body
    assert "firstName" not in body["customer"]
    assert "firstName" not in body["shipToAddress"]


BLANK = dict.fromkeys(("address", "address2", "city", "stateCode", "zipCode"), " ")


@pytest.mark.parametrize("bill", [None, BLANK, {**BLANK, "firstName": "Bee", "lastName": "Bill"}])
def test_ruling_9_a_blank_bill_to_is_none(bill: dict[str, Any] | None) -> None:
    order = made(billTo=bill, shipTo={"address": "9 Ship Road"})
    assert build(order, known()).body["customer"]["address"]["street1"] == "9 Ship Road"


def test_o5_1_the_buyers_address_is_the_bill_to() -> None:
    bill = {"address": "2 Bill Lane", "city": "Vancouver", "stateCode": "BC", "zipCode": "V5K 0A1", "countryCode": "CA"}
    assert built(billTo=bill).body["customer"]["address"] == {
        "street1": "2 Bill Lane", "city": "Vancouver", "stateCode": "BC", "postalCode": "V5K 0A1",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("born", "expected"),
    [
        ({"billTo": "1971-02-03", "customer": "1972-02-03", "shipTo": "1973-02-03"}, (3, 2, 1971)),
        ({"billTo": "", "customer": "1972-02-03T00:00:00.000Z", "shipTo": "1973-02-03"}, (3, 2, 1972)),
        ({"billTo": "1899-12-31", "customer": "2030-01-01", "shipTo": "1973-02-03"}, (3, 2, 1973)),
        ({"billTo": "1900-01-01"}, (1, 1, 1900)),
        ({"billTo": "1971-02-30", "customer": "n/a", "shipTo": None}, None),
        ({"billTo": "1971", "customer": None, "shipTo": None}, None),
        ({"billTo": "１９７１-02-03"}, None),
    ],
)
def test_o5_1_birth_date_of_the_buyer(born: dict[str, str | None], expected: tuple[int, int, int] | None) -> None:
    given = {who: {"birthDate": born.get(who)} for who in ("billTo", "customer", "shipTo")}
    payload = built(**given)
    found = payload.body["customer"].get("dateOfBirth")
    assert (found and (found["day"], found["month"], found["year"])) == expected
    assert ("no_birth_date" in payload.notes) == (expected is None)


def test_o5_1_a_recipients_birth_date_is_the_buyers_only_under_the_same_names() -> None:
    none = {"billTo": {"birthDate": None}, "customer": {"birthDate": None}}
    own = built(**none, shipTo={"firstName": "MARISOL", "birthDate": "1973-02-03"})
    other = built(**none, shipTo={"firstName": "Bram", "birthDate": "1973-02-03"})
    assert own.body["customer"]["dateOfBirth"] == {"day": 3, "month": 2, "year": 1973}
    assert "dateOfBirth" not in other.body["customer"]
    assert other.notes == {"no_birth_date": ""}


@pytest.mark.parametrize(
    ("ship", "bill", "customer", "expected"),
    [
        ("(212) 555-0143", "7075551234", ["7075559999"], "2125550143"),
        ("+1 707 555 1234", None, [], "7075551234"),
        ("+44 20 7946 0958", "707-555-1234 x9", [], "7075551234"),
        ("555-0143", "", ["+49 30 1234567", "tel:+17075559999"], "7075559999"),
        ("７０７５５５１２３４", None, [], None),
        (None, None, [], None),
        (7075551234, None, [], "7075551234"),
    ],
)
def test_o5_1_ten_digits_of_the_first_that_has_them(
    ship: Any, bill: str | None, customer: list[str], expected: str | None
) -> None:
    payload = built(
        shipTo={"phone": ship}, billTo={"phone": bill}, customer={"phones": [{"phone": one} for one in customer]}
    )
    found = payload.body["shipToAddress"].get("phone")
    assert found == (expected and {"number": expected, "country": 1})
    assert ("no_phone" in payload.notes) == (expected is None)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Cheers,\nMarisol", "Cheers, Marisol"),
        ("one\r\ntwo\rthree\u2028four", "one two three four"),
        (" \x00be\x07ll\x7f ", "bell"),
        ("9 Rue des Érables \U0001f377", "9 Rue des Érables \U0001f377"),
        ("\u200b\ufeff", None),
        ("\n", None),
    ],
)
def test_ruling_9_texts_go_without_control_characters_and_a_line_break_is_a_blank(
    text: str, expected: str | None
) -> None:
    assert built(giftMessage=text).body.get("specialInstructions", {}).get("giftNote") == expected


def test_o5_1_half_a_character_leaves_no_order_behind() -> None:
    order = made()
    assert order.ship_to is not None
    order = replace(order, gift_message="\ud83cHi", ship_to=replace(order.ship_to, first_name="\ud83c"))
    payload = build(order, known())
    assert payload.body["specialInstructions"] == {"giftNote": "Hi"}
    assert "firstName" not in payload.body["shipToAddress"]
    assert written(payload)


# --- days -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "expected", "noted"),
    [
        ("2026-11-29", "2026-11-29", False),  # today
        ("2026-11-28", None, True),
        ("2026-12-05T00:00:00.000Z", "2026-12-05", False),  # exactly midnight UTC: a plain date
        ("2026-12-05T08:00:00.000Z", "2026-12-05", False),  # midnight in the merchant's zone
        ("2026-12-05T07:59:59.000Z", "2026-12-04", False),
        ("2026-12-05T00:00:01Z", "2026-12-04", False),
        ("2026-11-29T06:00:00Z", None, True),  # yesterday evening
        ("2026-12-05T00:00:00-08:00", "2026-12-05", False),
        ("soon", None, True),
        ("2026-02-30", None, True),
        (None, None, False),
        ("  ", None, False),
        ({"day": 3}, None, False),
    ],
)
def test_o5_1_ship_date(wanted: Any, expected: str | None, noted: bool) -> None:
    payload = built(selectedShippingOptions={"requestedShipDate": wanted})
    assert payload.body.get("specialInstructions", {}).get("shipDate") == expected
    assert payload.sent["ship_date"] == expected
    assert ("ship_date_past" in payload.notes) == noted


def test_o5_1_a_day_in_a_zone_ahead_of_utc() -> None:
    assert ship_date("2026-12-04T13:00:00Z", ZoneInfo("Pacific/Auckland")) == date(2026, 12, 5)


# --- money, lines, rates ----------------------------------------------------------------------------------------------


def test_o5_2_same_sku_and_price_is_one_line_and_another_price_is_another() -> None:
    body = built(line("ZIN21", 1), line("PINOT22", 1), line("ZIN21", 2), line("ZIN21", 1, 3000)).body
    assert [(one["productId"], one["quantity"], one["price"]) for one in body["products"]] == [
        ("ZIN21", 3, Decimal("38.00")),
        ("PINOT22", 1, Decimal("42.00")),
        ("ZIN21", 1, Decimal("30.00")),
    ]


def test_o5_2_a_reduction_goes_as_a_discount() -> None:
    payload = built(line("PINOT22", 2), subTotal=7400)
    assert payload.body["discount"] == {"productDiscount": {"type": "DOLLAR", "value": Decimal("10.00")}}
    assert '"value":10.00' in written(payload)
    assert payload.sent["money"]["discount"] == "10.00"


def test_o5_1_taxes_of_what_goes_where_lines_are_left_out() -> None:
    payload = built(line("PINOT22", 1, tax=336), line("TICKET", 2, tax=2000), taxTotal=2456)
    assert payload.body["taxes"] == Decimal("4.56")  # 3.36 of the line, 1.20 of the shipping
    assert [one["productId"] for one in payload.body["products"]] == ["PINOT22"]


def test_o5_1_lines_of_no_quantity_leave_nothing_out() -> None:
    payload = built(line("PINOT22", 1, tax=1), line("TICKET", 0), taxTotal=500)
    assert payload.body["taxes"] == Decimal("5.00")


def test_o5_1_deposits_of_lines_that_go_are_fees() -> None:
    assert built(line("SPARK20", 6)).body["fees"] == Decimal("0.60")
    payload = built(line("PINOT22", 1), line("SPARK20", 6, hasShipping=False))
    assert "fees" not in payload.body


def test_ruling_9_absent_money_is_nothing() -> None:
    body = built(line("PINOT22", 1, tax=None, bottleDeposit=None), shipTotal=None, taxTotal=None).body
    assert (body["shippingRate"]["price"], body["taxes"]) == (Decimal("0.00"), Decimal("0.00"))


def test_o5_1_a_sum_that_is_missing_is_no_discount_of_everything() -> None:
    assert code(made(subTotal=None)) == "sum_mismatch"
    assert code(made(line("PINOT22", 1, 0), subTotal=None)) == "sent"


def test_o5_1_taxes_that_were_lowered_are_noted_with_the_amount() -> None:
    assert built(taxesAdjusted=-125).notes == {"tax_short": "1.25"}
    assert built(taxesAdjusted=125).notes == {}


@pytest.mark.parametrize(
    ("way", "expected"),
    [
        (rate("UPS", "01"), "01"),
        (rate("ups", " 2 "), "02"),
        (rate("Ups", "12"), "12"),
        (rate(None, "3"), "03"),
        (rate(" ", "003"), "03"),
        ({**rate("UPS", "03"), "code": 3}, "03"),
    ],
)
def test_o5_3_rates_in_any_case(way: dict[str, Any], expected: str) -> None:
    assert built(shipping=[way]).body["shippingRate"] == {
        "carrier": "UPS", "rateCode": expected, "price": Decimal("15.00"),
    }  # fmt: skip


@pytest.mark.parametrize(
    "way",
    [rate("UPS", "14"), rate("FedEx", "03"), rate("UPS", None, "UPS Ground"), rate(None, None), rate("UPS", "0３")],
)
def test_o5_3_never_a_default_and_titles_decide_nothing(way: dict[str, Any]) -> None:
    assert code(made(shipping=[way])) == "unknown_rate"


def test_o5_3_a_table_of_the_merchants_own() -> None:
    rows = tuple(
        RateRow(carrier=carrier, code=code, rate_carrier=there, rate_code=other)
        for carrier, code, there, other in (
            ("FedEx", "FEDEX_GROUND", "FEDEX", "GROUND"), ("UPS", "03", "UPS", "03"), ("GSO", "3", "GLS", "G"),
        )
    )  # fmt: skip
    found = built(shipping=[rate("fedex", "fedex_ground")], given={"rates": rows}).body["shippingRate"]
    assert (found["carrier"], found["rateCode"]) == ("FEDEX", "GROUND")
    assert code(made(shipping=[rate(None, "03")]), rates=rows) == "unknown_rate"  # two rows have it
    assert code(made(shipping=[rate("UPS", "01")]), rates=rows) == "unknown_rate"


def test_o5_3_entries_that_say_the_same_are_one() -> None:
    assert built(shipping=[rate("UPS", "03"), rate(None, "3", price=0)]).body["shippingRate"]["rateCode"] == "03"


# --- keys -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("setting", "keys"),
    [("both", {"paid", "isPaid"}), ("paid", {"paid"}), ("isPaid", {"isPaid"}), ("Paid", {"Paid"})],
)
def test_o5_1_the_key_that_says_it_is_paid(setting: str, keys: set[str]) -> None:
    body = built(given={"paid_key": setting}).body
    assert {key for key in body if key.lower() in ("paid", "ispaid")} == keys
    assert all(body[key] is True for key in keys)


def test_o5_1_vinoshipper_mails_nobody_but_where_it_shall() -> None:
    assert built().body["disableCustomerNotifications"] is True
    assert built(given={"vinoshipper_mails": True}).body["disableCustomerNotifications"] is False


@pytest.mark.parametrize("key", sorted(MAY_BE_DROPPED))
def test_o5_1_a_key_that_was_refused_is_left_out_from_then_on(key: str) -> None:
    order = made(line("SPARK20", 6), shipTo={"company": "Sea & Co"})
    whole = build(order, known())
    assert key in written(whole)
    payload = build(order, known(dropped_keys=frozenset({key})))
    assert f'"{key}"' not in written(payload)
    assert set(payload.body) >= set(whole.body) - {key}
    short = Decimal("0.60") if key == "fees" else 0
    assert Decimal(whole.sent["money"]["total"]) - Decimal(payload.sent["money"]["total"]) == short


def test_o5_1_never_the_last_paid_key() -> None:
    payload = built(given={"dropped_keys": frozenset({"paid", "isPaid"})})
    assert payload.body["paid"] is True


# --- what is kept -----------------------------------------------------------------------------------------------------


def test_o6_1_what_is_kept_names_nobody_and_survives_json() -> None:
    payload = built(line("SPARK20", 6), subTotal=33000, shipTo={"zipCode": "95472-1234"})
    assert json.loads(json.dumps(payload.sent)) == {
        "lines": [{"sku": "SPARK20", "quantity": 6, "price": "56.00"}],
        "money": {
            "lines": "336.00", "shipping": "15.00", "taxes": "28.08", "fees": "0.60", "discount": "6.00",
            "total": "373.68",
        },
        "rate": {"carrier": "UPS", "code": "03"},
        "ship_date": None,
        "state": "CA",
        "zip": "95472",
    }  # fmt: skip
    for name in ("Marisol", "Sample", "example.com", "707", "1980"):
        assert name not in json.dumps(payload.sent)
        assert name not in repr(payload)


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"customer": {"emails": []}}, "no_email"),
        ({"shipping": []}, "unknown_rate"),
        ({"items": [line("TICKET", 1)], "subTotal": 12500}, "nothing_to_ship"),
        ({"shipTo": None}, "no_destination"),
    ],
)
def test_o5_what_cannot_be_written_says_so(changed: dict[str, Any], expected: str) -> None:
    with pytest.raises(Unsendable) as caught:
        build(made(**changed), known())
    assert caught.value.code == expected


def test_o5_1_the_day_is_the_merchants() -> None:
    assert known().zone == ZONE
