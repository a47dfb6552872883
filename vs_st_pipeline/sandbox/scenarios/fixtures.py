"""Builds the made-up world: what one winery has at its shop and in its texting account, and how records are written.

It is long because it is data: the shape of every record, as both systems write it.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from vs_st_pipeline.sandbox.core.asgi import Record

PACIFIC = ZoneInfo("America/Los_Angeles")

LABELS = (
    "VScustomerID",
    "City",
    "State",
    "Club Name",
    "Club Status",
    "Signup Date",
    "Order Count",
    "Lifetime Value",
    "Last Order Date",
    "VS Last Order Number",
    "Order Status",
    "Payment Status",
    "Channel",
    "Delivery Method",
    "Order Total",
    "Shipped Date",
    "Delivered Date",
    "Tracking Number",
    "Tracking URL",
    "Receipt URL",
    "Source",
)
FOREIGN_LABELS = ("Favorite Varietal", "Birthday Gift Sent", "Zip Code")

# Parts that all orders have alike are one object each: a change of a record makes new objects on its way, and 60,000
# copies would cost half of the time and memory that a large world takes.
SHIPPER: Record = {"id": 5001, "name": "Example Fulfillment", "isFulfillmentCenter": True}
STORE: Record = {"id": 42, "name": "Default Store"}
NO_TAXES: Record = {"taxRate": 0, "taxableValue": 0, "taxes": 0}
NO_INSTRUCTIONS: Record = {"producerNote": None, "giftNote": None, "shipDate": None, "wineryNote": None}
BOX: Record = {
    "weight": {"lbs": 9},
    "dimensions": {"widthInches": 10, "heightInches": 10, "depthInches": 15},
    "containsAlcohol": True,
}
NOTHING, SHIPPING_PRICE, STRENGTH = Decimal("0.00"), Decimal("18.50"), Decimal("13.5")


def merge_tag(label: str) -> str:
    """Return the snake case of a label, as the texting service makes it."""
    return re.sub(r"[^a-z0-9]+", "_", label.lower()).strip("_")


def instant_text(at: datetime) -> str:
    """Return UTC with milliseconds and a Z, the form of the texting service; sorts as text."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"


@dataclass
class Merchant:
    """One winery: keys, and its records on both sides."""

    id: str
    name: str
    account: int
    vs_key: str
    vs_secret: str
    st_token: str
    customers: dict[int, Record] = field(default_factory=dict)
    memberships: dict[int, Record] = field(default_factory=dict)
    orders: dict[str, Record] = field(default_factory=dict)
    contacts: dict[str, Record] = field(default_factory=dict)
    custom_fields: list[Record] = field(default_factory=list)
    lists: dict[str, Record] = field(default_factory=dict)
    parts: dict[str, Record] = field(default_factory=dict)
    """What the merchant has at systems of other routes, by system."""
    producer: Record = field(init=False)

    def __post_init__(self) -> None:
        self.producer = {"id": self.account, "name": self.name, "type": "WINERY"}


class Builder:
    """Writes records for one merchant; `now` is the scenario's today, `without` names kinds that are not needed."""

    def __init__(
        self, merchant: Merchant, now: datetime, contacts_until: datetime, without: Collection[str] = ()
    ) -> None:
        self.merchant = merchant
        self.now = now
        self.contacts_until = contacts_until
        self.without = without
        self._buyers: dict[tuple[int, str | None, bool], tuple[Record, Record]] = {}

    def days_ago(self, days: float, hour: int | None = None, minute: int = 0) -> datetime:
        """Return a moment in Pacific time, some days back."""
        at = (self.now - timedelta(days=days)).astimezone(PACIFIC)
        return at if hour is None else at.replace(hour=hour, minute=minute, second=0, microsecond=0)

    def customer(
        self,
        id: int,
        first: str | None,
        last: str,
        phone: str | Record | None,
        email: str | None,
        born: tuple[int, int, int] | None = (1980, 5, 17),
        city: str | None = "Sebastopol",
        state: str | None = "CA",
        postal: str | None = "95472",
        address: bool = True,
    ) -> Record:
        """Add a customer of the shop; `born` is year, month, day, and need not be a date that exists."""
        number = phone if isinstance(phone, dict) or phone is None else _phone(phone)
        record: Record = {
            "id": id,
            "firstName": first,
            "lastName": last,
            "email": email,
            "primaryPhone": number,
            "dateOfBirth": None if born is None else {"day": born[2], "month": born[1], "year": born[0]},
            "shippingAddress": _address(id, first, last, city, state, postal) if address else None,
            "optedIntoMarketingEmails": id % 2 == 0,
        }
        self.merchant.customers[id] = record
        return record

    def membership(
        self,
        customer: Record,
        club: str,
        joined: str | None,
        hold: bool = False,
        cancelled: bool = False,
        modified: datetime | None = None,
    ) -> Record:
        """Add a membership; a canceled one stays in the feed but leaves the customer."""
        id = 81000 + len(self.merchant.memberships) + 1
        record: Record = {
            "id": id,
            "customerId": customer["id"],
            "clubId": 900 + sum(map(ord, club)) % 97,
            "clubName": club,
            "dateJoined": joined,
            "pickup": False,
            "hold": hold,
            "holdReason": "asked for a break" if hold else None,
            "cancelled": cancelled,
            "modified": (modified or self.days_ago(30 + id % 300)).isoformat(timespec="seconds"),
        }
        self.merchant.memberships[id] = record
        return record

    def order(
        self,
        number: str,
        customer: Record | None,
        at: datetime | None,
        total: str,
        status: str = "SUCCESS",
        stage: str = "DELIVERED",
        carrier: str | None = "UPS",
        rate: tuple[str, str | None] = ("03", "UPS Ground"),
        packages: list[tuple[str | None, str | None]] | None = None,
        shipped: datetime | None = None,
        delivered: datetime | None = None,
        cart: str | None = "WEB",
        since: str | None = None,
        packs: bool = False,
        swapped: bool = False,
        fraction: bool = False,
    ) -> Record:
        """Add an order; packages are (carrier, tracking number), `swapped` swaps postal code and state."""
        timespec = "milliseconds" if fraction else "seconds"
        who = customer or {"id": None, "firstName": None, "lastName": "Guest", "email": None}
        buyer, ship_to = self._buyer(who, since, swapped)
        pickup = rate[0] == "PCKP"
        worth = Decimal(total)
        price = NOTHING if pickup else min(SHIPPING_PRICE, worth)
        record: Record = {
            "orderNumber": number,
            "cartType": cart,
            "sourceUrl": None,
            "status": status,
            "orderStatus": stage,
            "customer": buyer,
            "shipToAddress": None if pickup else ship_to,
            "productDiscount": 0,
            "shippingDiscount": 0,
            **_products(worth - price, packs),
            "shipping": {
                "carrier": carrier,
                "rateCode": rate[0],
                "rateDescription": rate[1],
                "price": price,
                "shipper": SHIPPER,
                "packages": [_package(*package) for package in packages or []],
                "taxes": NO_TAXES,
            },
            "extraFee": 0,
            "extraFeeDetails": [],
            "extraFees": [],
            "extraFeesTotal": 0,
            "taxesTotal": 0,
            "tipAmount": 0,
            "total": worth,
            "specialInstructions": NO_INSTRUCTIONS,
            "isCompliant": status != "PROBLEM",
            "purchasedAt": at.isoformat(timespec=timespec) if at else None,
            "canceledAt": at.isoformat(timespec=timespec) if at and stage == "CANCELLED" else None,
            "shippedAt": shipped.isoformat(timespec=timespec) if shipped else None,
            "deliveredAt": delivered.isoformat(timespec=timespec) if delivered else None,
            "cancelReason": "changed mind" if stage == "CANCELLED" else None,
            "metaFields": {},
            "orderProblems": [],
            "ageVerification": {"verified": status == "SUCCESS", "idScanUrl": None},
            "fulfillmentAccount": None,
            "store": STORE,
        }
        self.merchant.orders[number] = record
        return record

    def _buyer(self, who: Record, since: str | None, swapped: bool) -> tuple[Record, Record]:
        """Return a customer as orders show them, and the shipping address: one pair for all of their orders."""
        key = (who["id"], since, swapped)
        if who["id"] is None:
            return _order_customer(who, since, swapped), _ship_to(who)
        if key not in self._buyers:
            self._buyers[key] = _order_customer(who, since, swapped), _ship_to(who)
        return self._buyers[key]

    def contact(
        self,
        phone: str,
        status: str = "OPT_IN",
        source: str = "KEYWORD",
        days: float = 40,
        fields: dict[str, str] | None = None,
        lists: tuple[str, ...] = (),
        **builtin: str | None,
    ) -> Record:
        """Add a contact of the texting account; custom fields are given by label."""
        merchant = self.merchant
        at = self.contacts_until - timedelta(days=days, milliseconds=37 * len(merchant.contacts))
        id = f"6176f9{merchant.account:08x}{len(merchant.contacts) + 1:010x}"
        tags = {field["label"]: field["mergeTag"] for field in merchant.custom_fields}
        record: Record = {
            "contactId": id,
            "contactPhone": phone,
            "firstName": builtin.get("first"),
            "lastName": builtin.get("last"),
            "email": builtin.get("email"),
            "birthday": builtin.get("birthday"),
            "lists": [self.texting_list(name) for name in lists],
            "customFields": {tags[label]: value for label, value in (fields or {}).items()},
            "comment": builtin.get("comment"),
            "subscriptionStatus": status,
            "created": instant_text(at - timedelta(days=3)),
            "updated": instant_text(at),
            "updateSource": source,
        }
        merchant.contacts[id] = record
        return record

    def texting_list(self, name: str) -> Record:
        """Return the list of that name, made where it is missing, in the short form that contacts carry."""
        for known in self.merchant.lists.values():
            if known["name"] == name:
                return {"id": known["listId"], "name": name}
        id = f"6188aa{self.merchant.account:08x}{len(self.merchant.lists) + 1:010x}"
        stamp = instant_text(self.contacts_until - timedelta(days=900))
        self.merchant.lists[id] = {"listId": id, "name": name, "created": stamp, "updated": stamp}
        return {"id": id, "name": name}

    def custom_field(self, label: str, tag: str | None = None) -> None:
        """Add a custom field to the account."""
        self.merchant.custom_fields.append(
            {"label": label, "type": "text", "mergeTag": tag or merge_tag(label), "defaultMaxLength": 30}
        )

    def all_custom_fields(self, without: tuple[str, ...] = (), renamed: dict[str, str] | None = None) -> None:
        """Add fields that the pipeline fills and some others; `renamed` changes a label but keeps its tag."""
        for label in (*LABELS, *FOREIGN_LABELS):
            if label not in without:
                self.custom_field((renamed or {}).get(label, label), merge_tag(label))


def _phone(number: str) -> Record:
    return {"number": number, "country": "1", "extension": None}


def _address(
    id: int, first: str | None, last: str, city: str | None, state: str | None, postal: str | None
) -> dict[str, Any]:
    return {
        "id": 500000 + id % 100000,
        "firstName": first,
        "lastName": last,
        "street1": f"{id % 89 + 10} Quarry Lane",
        "street2": "",
        "city": city,
        "postalCode": postal,
        "stateCode": state,
        "country": "US",
        "accessPoint": None,
        "description": None,
        "phoneNumber": None,
        "suspectedPOBox": False,
        "poBox": False,
        "linkedAddress": None,
    }


def _order_customer(who: Record, since: str | None, swapped: bool) -> Record:
    home = who.get("shippingAddress") or {}
    postal, state = home.get("postalCode"), home.get("stateCode")
    return {
        "id": who["id"],
        "email": who["email"],
        "firstName": who["firstName"],
        "lastName": who["lastName"],
        "fullName": " ".join(filter(None, (who["firstName"], who["lastName"]))),
        "address": {
            "street1": home.get("street1"),
            "street2": None,
            "city": home.get("city"),
            "postalCode": state if swapped else postal,
            "stateCode": postal if swapped else state,
        },
        "dateOfBirth": who.get("dateOfBirth"),
        "wholesale": False,
        "company": None,
        "customerSince": since,
    }


def _ship_to(who: Record) -> Record:
    home = who.get("shippingAddress") or {}
    number = (who.get("primaryPhone") or {}).get("number")
    return {
        **home,
        "salutation": None,
        "firstName": who["firstName"],
        "lastName": who["lastName"],
        "businessName": None,
        "country": "US",
        "phoneNumber": number,
        "phone": {"number": number, "country": 1, "extension": None} if number else None,
    }


def _products(goods: Decimal, packs: bool) -> Record:
    item: Record = {
        "productId": 31001,
        "productName": "Ridge Pinot Noir",
        "productVintage": "2022",
        "sku": "RPN22",
        "upc": "",
        "category": "Wine",
        "productTaxonomy": None,
        "quantity": 1,
        "price": goods,
        "discount": 0,
        "alcoholPercentage": STRENGTH,
        "packProductId": 31900 if packs else None,
        "taxes": {"taxRate": 0, "taxableValue": goods, "taxes": 0},
    }
    rose = {**item, "productId": 31007, "productName": "Creek Rose", "sku": "CRO24", "productVintage": "2024"}
    second = {**rose, "price": NOTHING, "taxes": NO_TAXES}
    pack = {"productId": 31900, "productName": "Two Colors", "sku": "PK2", "upc": "", "quantity": 1, "price": goods}
    return {"products": [item, second], "packs": [{**pack, "discount": 0}] if packs else []}


def _package(carrier: str | None, number: str | None) -> Record:
    return {"carrier": carrier, "trackingNumber": number, "box": BOX}
