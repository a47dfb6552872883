"""Writes the records of a shop at Commerce7: products, customers, orders, their refunds and exchanges; money in cents.

It is long because it is data: the shape of every record, as the vendor's pages show it.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from vs_st_pipeline.sandbox.core.accounts import iso
from vs_st_pipeline.sandbox.core.asgi import Record, merged
from vs_st_pipeline.sandbox.scenarios.orders_accounts import WINES, OrderAccount, Wine

SHIP, PICKUP, CARRY_OUT = "Ship", "Pickup", "Carry Out"
REGULAR, REFUND, EXCHANGE = "Regular", "Refund", "Exchange"
TAX_PERCENT = 8
GROUND = ("UPS", "03", "UPS Ground")
PLACES = {
    "CA": ("Sebastopol", "95472"),
    "NY": ("New York", "10014"),
    "TX": ("Austin", "78701"),
    "OR": ("Bend", "97701"),
    "FL": ("Tampa", "33602"),
}


def product_record(account: OrderAccount, number: int, wine: Wine, at: datetime) -> Record:
    """Return a product with its one variant."""
    return {
        "id": account.id("9", number),
        "title": wine.title,
        "type": wine.type,
        "adminStatus": "Available",
        "webStatus": "Available",
        "variants": [
            {
                "id": account.id("a", number),
                "title": "750ml",
                "sku": wine.sku,
                "price": wine.cents,
                "comparePrice": None,
                "costOfGood": None,
                "bottleDeposit": wine.deposit,
                "hasShipping": wine.ships,
                "hasInventory": True,
                "weight": 3,
                "sortOrder": 0,
            }
        ],
        "bundleItems": [{"sku": sku, "quantity": quantity} for sku, quantity in wine.parts],
        "createdAt": iso(at),
        "updatedAt": iso(at),
    }


def customer_record(account: OrderAccount, number: int, first: str, last: str, at: datetime, **changed: Any) -> Record:
    """Return a customer."""
    city, postal = PLACES["CA"]
    email = f"{first}.{last}.{account.tenant}@example.com".lower().replace(" ", "")
    return {
        "id": account.id("8", number),
        "avatar": None,
        "firstName": first,
        "lastName": last,
        "birthDate": "1980-05-17",
        "city": city,
        "stateCode": "CA",
        "zipCode": postal,
        "countryCode": "US",
        "emailMarketingStatus": "Subscribed",
        "emails": [{"id": account.id("c", number), "email": email}],
        "phones": [{"id": account.id("d", number), "phone": f"+1707555{1000 + number % 9000:04d}"}],
        "tags": [],
        "groups": [],
        "clubs": [],
        "orderInformation": {"lastOrderId": None, "lastOrderDate": None, "orderCount": 0, "lifetimeValue": 0},
        "createdAt": iso(at),
        "updatedAt": iso(at),
        **changed,
    }


def line(sku: str, quantity: Any = 1, price: Any = None, /, **changed: Any) -> Record:
    """Return a line of an order; SKUs of the catalog bring their price and kind along.

    A bundle has its wines at prices that add up to its own.
    """
    wine = WINES.get(sku) or Wine(sku, sku, 3000, None)
    each = wine.cents if price is None else price
    countable = isinstance(each, int) and isinstance(quantity, int)
    return {
        "type": wine.type,
        "productTitle": wine.title,
        "productVariantTitle": "750ml",
        "sku": sku,
        "price": each,
        "originalPrice": wine.cents,
        "comparePrice": None,
        "quantity": quantity,
        "quantityFulfilled": 0,
        "hasShipping": wine.ships,
        "tax": each * quantity * TAX_PERCENT // 100 if countable else 0,
        "bottleDeposit": wine.deposit,
        "weight": 3,
        "bundleItems": _inside(wine),
        **changed,
    }


def _inside(bundle: Wine) -> list[Record]:
    inside: list[Record] = [
        {"sku": sku, "productTitle": WINES[sku].title, "quantity": quantity, "price": WINES[sku].cents,
         "hasShipping": True}
        for sku, quantity in bundle.parts
    ]  # fmt: skip
    if inside:  # the last one's price makes up for what the bundle costs less
        *others, last = inside
        rest = (bundle.cents or 0) - sum(one["price"] * one["quantity"] for one in others)
        last["price"] = rest // last["quantity"]
    return inside


def rate(carrier: str | None, code: str | None, title: str | None = None, price: int = 1500) -> Record:
    """Return an entry of an order's `shipping`."""
    tax = price * TAX_PERCENT // 100
    return {"title": title, "carrier": carrier, "code": code, "service": title, "price": price, "tax": tax}


def address_of(customer: Record, state: str = "CA", **changed: Any) -> Record:
    """Return a customer's address in a state, as `shipTo` and `billTo` have it."""
    city, postal = PLACES.get(state, ("Elsewhere", "00000"))
    phones = customer.get("phones") or [{}]
    return {
        "firstName": customer["firstName"],
        "lastName": customer["lastName"],
        "company": None,
        "phone": phones[0].get("phone"),
        "address": "1 Sample Street",
        "address2": None,
        "city": city,
        "stateCode": state,
        "zipCode": postal,
        "countryCode": "US",
        "birthDate": customer.get("birthDate"),
        **changed,
    }


def order_record(
    account: OrderAccount, number: int, buyer: Record, at: datetime, lines: Iterable[Record] = (), **changed: Any
) -> Record:
    """Return a paid order that ships with UPS Ground; sums are made from the lines, then `changed` is put over all.

    Args:
        number: of the record, from which its id is made and, unless `orderNumber` is given, its number.
        changed: `state` is where it ships to.
    """
    id, state, time = account.id("7", number), changed.pop("state", "CA"), iso(at)
    items = [{"id": account.id("b", number * 64 + i), **one} for i, one in enumerate(lines or [line("PINOT22", 2)])]
    ways = changed.pop("shipping", None)
    ways = [rate(*GROUND)] if ways is None else ways
    sub, taxes = _sum(one["price"] * one["quantity"] for one in items), _sum(one.get("tax") or 0 for one in items)
    ship = _sum(way["price"] for way in ways)
    taxes += _sum(way.get("tax") or 0 for way in ways)
    deposits = _sum((one.get("bottleDeposit") or 0) * one["quantity"] for one in items)
    tip = changed.get("tipTotal") or 0
    known = ("id", "firstName", "lastName", "birthDate", "emails", "phones", "tags")
    total = changed.get("subTotal", sub) + ship + taxes + deposits
    record: Record = {
        "id": id,
        "orderNumber": number,
        "orderSubmittedDate": time,
        "orderPaidDate": time,
        "orderFulfilledDate": None,
        "channel": "Web",
        "orderDeliveryMethod": SHIP,
        "paymentStatus": "Paid",
        "complianceStatus": "Not Checked",
        "fulfillmentStatus": "Not Fulfilled",
        "shippingStatus": "Not Tracked",
        "purchaseType": REGULAR,
        "previousOrderId": None,
        "previousOrderNumber": None,
        "refundOrderId": None,
        "linkedOrders": [],
        "customerId": buyer["id"],
        "customer": {key: buyer.get(key) for key in known},
        "shipTo": address_of(buyer, state),
        "billTo": address_of(buyer),
        "pickupBy": None,
        "carryOut": None,
        "carrierPickupLocation": None,
        "shipping": ways,
        "items": items,
        "fulfillments": [],
        "taxes": [{"title": "Sales tax", "price": taxes}],
        "tenders": [
            {"tenderType": "Credit Card", "amountTendered": total + tip, "tip": tip, "chargeStatus": "Success"}
        ],
        "subTotal": sub,
        "shipTotal": ship,
        "taxTotal": taxes,
        "taxesAdjusted": 0,
        "bottleDepositTotal": deposits,
        "tipTotal": tip,
        "total": total,
        "totalAfterTip": total + tip,
        "giftMessage": None,
        "shippingInstructions": None,
        "selectedShippingOptions": {"shippingServiceId": None, "requestedShipDate": None},
        "promotions": [],
        "coupons": [],
        "tags": [],
        "appData": [],
        "connectionInformation": {"ip": "192.0.2.7", "userAgent": "sandbox"},
        "createdAt": time,
        "updatedAt": time,
    }
    return merged(record, changed)  # type: ignore[no-any-return]


def _sum(amounts: Iterable[Any]) -> Any:
    return sum((amount for amount in amounts if not isinstance(amount, str)), 0)


def taken_back(
    account: OrderAccount, number: int, order: Record, at: datetime, lines: dict[str, int] | None = None, **changed: Any
) -> Record:
    """Return a refund of an order, as an order of its own, and link the two.

    Args:
        lines: quantity by SKU; None: of all lines; empty: nothing but what `changed` says.
        changed: `shipping` True: the shipping is paid back too; `amount`: so many cents besides, of no line.
    """
    shipping, amount = changed.pop("shipping", lines is None), int(changed.pop("amount", 0))
    items = []
    for one in order["items"]:
        quantity = one["quantity"] if lines is None else lines.get(one["sku"], 0)
        if quantity:
            tax = -(one.get("tax") or 0) * quantity // one["quantity"]
            items.append({**one, "quantity": -quantity, "quantityFulfilled": 0, "tax": tax})
    if amount:
        items.append(line("ADJUSTMENT", -1, amount, type="General Merchandise", hasShipping=False, tax=0))
    ways = [{**way, "price": -way["price"], "tax": -(way.get("tax") or 0)} for way in order["shipping"] if shipping]
    made = _linked(account, number, order, at, items, ways, REFUND, **changed)
    order["refundOrderId"] = made["id"]
    return made


def exchanged(
    account: OrderAccount, number: int, order: Record, at: datetime, back: str, new: str, **changed: Any
) -> Record:
    """Return an exchange of one bottle of an order for another, as an order of its own, and link the two."""
    items = [line(back, -1), line(new, 1)]
    usual = {"orderDeliveryMethod": CARRY_OUT, **changed}
    return _linked(account, number, order, at, items, [], EXCHANGE, **usual)


def _linked(
    account: OrderAccount,
    number: int,
    order: Record,
    at: datetime,
    items: list[Record],
    ways: list[Record],
    type: str,
    **changed: Any,
) -> Record:
    usual: Record = {
        "purchaseType": type,
        "previousOrderId": order["id"],
        "previousOrderNumber": order["orderNumber"],
        "orderDeliveryMethod": order["orderDeliveryMethod"],
        "fulfillmentStatus": "No Fulfillment Required",
        "channel": order["channel"],
        "customer": order["customer"],
        "shipTo": order["shipTo"],
        "billTo": order["billTo"],
    }
    who = {**order["customer"], "id": order["customerId"]}
    made = order_record(account, number, who, at, items or [line("", 0, 0)], shipping=ways, **{**usual, **changed})
    if not items:
        made["items"] = []
    link = {"orderId": made["id"], "orderNumber": made["orderNumber"], "purchaseType": type}
    order |= {"linkedOrders": [*order["linkedOrders"], link], "updatedAt": iso(at)}
    return made


def message(
    account: OrderAccount, number: int, order_id: str, app: str, status: str, issues: list[str], at: str
) -> Record:
    """Return what an app said of an order, with its one attempt."""
    attempt = attempt_of(account.id("e", number), status, issues, at)
    return {
        "id": account.id("f", number),
        "appId": app,
        "objectType": "Order",
        "objectId": order_id,
        "status": status,
        "lastActivityDate": at,
        "createdAt": at,
        "updatedAt": at,
        "actions": [],
        "attempts": [attempt],
    }


def attempt_of(id: str, status: str, issues: list[str], at: str) -> Record:
    """Return one time that an app said something of an order."""
    told = [{"id": f"{id[:-2]}{i:02x}", "appSyncAttemptId": id, "issue": text} for i, text in enumerate(issues)]
    return {"id": id, "status": status, "activityDate": at, "issues": told}
