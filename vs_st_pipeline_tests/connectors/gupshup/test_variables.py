"""The variables of templates, and how values are written into them (notices.md 6)."""

from __future__ import annotations

from datetime import date
from importlib import resources

import pytest

from vs_st_pipeline.connectors.gupshup.variables import FORMATS, NAMES, VARIABLES, cleaned, is_missing, written

EXTRA = ["invoice_url", "tracking_id", "tracking_url", "courier", "failure_reason", "order_date", "merchant_name"]
SAMPLES = {
    "customer_order_id": "ORD123456", "brand": "KapasKraft", "sku": "KK-TS-M-01", "gtin": "08901234567894",
    "ean": "8901234567894", "upc": "012345678905", "product_title": "Cotton T-shirt and 1 more item",
    "customer_name": "Asha Rao", "customer_phone": "+91 •••••••210", "address": "12 MG Road, Near Park",
    "city": "Bengaluru", "state": "Karnataka", "pincode": "560001", "payment_method": "Prepaid", "invoice": "INV-2041",
    "quantity": "2", "refund_amount": "499.00",
}  # fmt: skip


def test_the_seventeen_of_the_seed_and_the_others_are_there() -> None:
    assert list(NAMES) == [*SAMPLES, *EXTRA]
    assert {key: VARIABLES[key].sample for key in SAMPLES} == SAMPLES


def test_every_variable_has_a_format_and_a_sample_that_is_text() -> None:
    for one in VARIABLES.values():
        assert one.format in FORMATS
        assert cleaned(one.sample) == one.sample


def test_the_contracts_path_leads_to_the_file() -> None:
    there = resources.files("vs_st_pipeline") / "destinations/gupshup/variables.yaml"
    here = resources.files("vs_st_pipeline.connectors.gupshup") / "variables.yaml"
    assert there.read_text() == here.read_text()


@pytest.mark.parametrize(
    "value", [None, "", "  ", "\t\n", "null", "None", "N/A", "n/a", "-", " - ", "0000-00-00 00:00:00"]
)
def test_what_says_nothing_is_missing(value: object) -> None:
    assert is_missing(value)
    assert cleaned(value) is None


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a  b\t\r\n c", "a b c"),
        ("a\x00b\x07", "ab"),
        ("{{1}} of {{ 2 }}", "1 of 2"),
        ("{}}{1}{{}", "1"),  # what is left meets as braces again
        ("0", "0"),
        (0, "0"),
        ("null and void", "null and void"),
        ("{{}}", None),
        ("{{-}}", None),
        ("कपास 👩‍🌾", "कपास 👩‍🌾"),
    ],
)
def test_values_are_text_without_what_templates_cannot_hold(value: object, text: str | None) -> None:
    found = cleaned(value)
    assert found == text
    assert not {"{{", "}}"} & {text for text in ("{{", "}}") if text in (found or "")}


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [
        ("product_title", ["Cotton T-shirt"], "Cotton T-shirt"),
        ("product_title", ["Cotton T-shirt", "Sock"], "Cotton T-shirt and 1 more item"),
        ("product_title", ["Cotton T-shirt", "Sock", "Sock"], "Cotton T-shirt and 2 more items"),
        ("product_title", ["x" * 60], "x" * 60),
        ("product_title", ["x" * 61, "y"], "x" * 57 + "... and 1 more item"),
        ("product_title", [None, "Sock"], None),
        ("sku", ["A", "B", "C", "D"], "A, B, C"),
        ("sku", ["A", None, "A", "B"], "A, B"),
        ("gtin", [None, "-"], None),
        ("payment_method", "COD", "Cash on delivery"),
        ("payment_method", "cod", "Cash on delivery"),
        ("payment_method", "Prepaid", "Prepaid"),
        ("refund_amount", "499", "499.00"),
        ("refund_amount", "499.005", "499.00"),
        ("refund_amount", "free", None),
        ("refund_amount", "NaN", None),
        ("order_date", date(2026, 3, 14), "14 Mar 2026"),
    ],
)
def test_each_format(key: str, value: object, text: str | None) -> None:
    assert written(key, value) == text
