"""Writes what Commerce7 has beside orders: addresses, carts, and products with all that a shop window shows."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from vs_st_pipeline.sandbox.core.accounts import iso
from vs_st_pipeline.sandbox.core.asgi import Record
from vs_st_pipeline.sandbox.scenarios.orders_accounts import OrderAccount

LOCATIONS = ("45000000-0000-4000-8000-000000000001", "45000000-0000-4000-8000-000000000002")
"""Where wine is kept: the stock of a variant is the sum over these."""


def address_record(account: OrderAccount, number: int, at: datetime, **changed: Any) -> Record:
    """Return an address of a customer; the form is that of an order's `shipTo`, beside `customerId`, `isDefault`."""
    return {
        "id": account.id("1", number),
        "customerId": None,
        "isDefault": False,
        "firstName": "Ada",
        "lastName": "Buyer",
        "company": None,
        "phone": None,
        "address": "1 Sample Street",
        "address2": None,
        "city": "Sebastopol",
        "stateCode": "CA",
        "zipCode": "95472",
        "countryCode": "US",
        "birthDate": None,
        "createdAt": iso(at),
        "updatedAt": iso(at),
        **changed,
    }


def cart_record(account: OrderAccount, number: int, at: datetime, **changed: Any) -> Record:
    """Return a cart; no page of the vendor shows its form."""
    return {
        "id": account.id("2", number),
        "customerId": None,
        "channel": "Web",
        "items": [],
        "createdAt": iso(at),
        "updatedAt": iso(at),
        **changed,
    }


def variant_record(
    account: OrderAccount, number: int, title: str, sku: str, cents: int | None, stock: int | None, **changed: Any
) -> Record:
    """Return a variant of a product; without a stock it keeps none."""
    id = account.id("a", number)
    held = [] if stock is None else [stock - stock // 3, stock // 3]
    return {
        "id": id,
        "title": title,
        "sku": sku,
        "upcCode": None,
        "volumeInML": 750,
        "costOfGood": None,
        "price": cents,
        "comparePrice": None,
        "bottleDeposit": 0,
        "sortOrder": 1,
        "hasInventory": stock is not None,
        "inventoryPolicy": "Dont Sell",
        "hasShipping": True,
        "taxType": "Wine",
        "weight": 3,
        "inventory": [
            {
                "reserveCount": 0,
                "allocatedCount": 0,
                "productVariantId": id,
                "inventoryLocationId": place,
                "availableForSaleCount": count,
            }
            for place, count in zip(LOCATIONS, held, strict=False)
        ],
        **changed,
    }


def window_record(
    account: OrderAccount,
    number: int,
    title: str,
    at: datetime,
    variants: Iterable[Record],
    collections: Iterable[str] = (),
    **changed: Any,
) -> Record:
    """Return a product as the shop window has it."""
    slug = "-".join(title.lower().split())
    shelves = [
        {
            "id": account.id("3", sum(map(ord, name))),
            "title": name,
            "content": "",
            "publishDate": iso(at),
            "slug": name.lower(),
            "type": "Manual",
            "seo": {"title": name, "description": None},
        }
        for name in collections
    ]
    return {
        "id": account.id("9", number),
        "title": title,
        "subTitle": "",
        "image": f"https://images.example.com/{slug}.png",
        "type": "Wine",
        "departmentId": None,
        "vendorId": None,
        "teaser": None,
        "content": None,
        "webStatus": "Available",
        "adminStatus": "Available",
        "slug": slug,
        "metaData": {},
        "createdAt": iso(at),
        "updatedAt": iso(at),
        "images": [],
        "bundleItems": [],
        "variants": list(variants),
        "collections": shelves,
        "seo": {"title": title, "description": None},
        "security": {"availableTo": "Public"},
        **changed,
    }
