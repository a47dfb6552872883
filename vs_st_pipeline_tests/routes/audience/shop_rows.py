"""Staged rows of a made-up shop, as `items` and `events` take them; a keyword changes a column."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from vs_st_pipeline.routes.audience.items import Style

STYLE = Style("iso", True, date(2026, 5, 1), ZoneInfo("America/Los_Angeles"))


def customer(**changed: Any) -> dict[str, Any]:
    row = {
        "customer_id": "7", "first_name": "Ada", "last_name": "Vine", "birth_date": date(1980, 5, 31),
        "email": "Ada@Example.com", "phone": "+17075550123", "extra": None, "addresses": [address()], "lines": None,
    }  # fmt: skip
    return {**row, **changed}


def address(**changed: Any) -> dict[str, Any]:
    row = {
        "country": "US", "city": "Napa", "address1": "1 Sample Road", "address2": "Apt 2", "postcode": "94558",
        "company": None, "extra": None,
    }  # fmt: skip
    return {**row, **changed}


def product(**changed: Any) -> dict[str, Any]:
    row = {
        "product_id": "p1", "sku": "CAB 20", "slug": "cabernet", "name": "Cabernet", "description": "Dark\nand dry",
        "short_description": None, "categories": ["Red", "Estate"], "stock": 12.9, "in_stock": True,
        "price": Decimal("42.50"), "discount_price": None, "discount_start": None, "discount_end": None,
        "discount_quantity": None, "image_link": "https://shop.example/p1.jpg", "product_link": None, "extra": None,
        "options": [],
    }  # fmt: skip
    return {**row, **changed}


def option(option_id: str = "o1", **changed: Any) -> dict[str, Any]:
    row = {
        "option_id": option_id, "stock": 3.0, "in_stock": True, "price": None, "discount_price": None,
        "discount_start": None, "discount_end": None, "discount_quantity": None, "attributes": None,
    }  # fmt: skip
    return {**row, **changed}


def line(product_id: str | None = "p1", quantity: float = 1.0, option_id: str | None = None) -> dict[str, Any]:
    return {"product_id": product_id, "option_id": option_id, "quantity": quantity}


def order(**changed: Any) -> dict[str, Any]:
    row = {
        "order_id": "1001", "customer_id": "7", "status": "SUCCESS", "paid": True, "shipping_method": "Ground",
        "payment_method": None, "total": Decimal("150.00"), "created_at": datetime(2026, 4, 30, 23, 59, 58, 700_000),
        "updated_at": None, "email": None, "first_name": "Bo", "last_name": None, "birth_date": None, "company": None,
        "website": None, "address1": "1 Sample Road", "address2": None, "postcode": "94558", "phone": None,
        "phone_mobile": None, "city": "Napa", "country": "USA", "extra": None, "lines": [line(quantity=2.0)],
    }  # fmt: skip
    return {**row, **changed}


def address_row(**changed: Any) -> dict[str, Any]:
    """Return a row of planned.audience_addresses."""
    row = {
        "address": "ada@example.com", "email": "Ada@Example.com", "subscriber_id": None, "customer_id": "7",
        "since": datetime(2026, 1, 2, 3, 4, 5), "evidence": '{"system":"shop"}',
    }  # fmt: skip
    return {**row, **changed}
