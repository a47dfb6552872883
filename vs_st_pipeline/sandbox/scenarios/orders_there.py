"""Puts what Vinoshipper has of a winery of scenario `orders`: its catalog, and orders that it holds at the start."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from vs_st_pipeline.sandbox.core.asgi import Record
from vs_st_pipeline.sandbox.scenarios.fixtures import PACIFIC, Builder
from vs_st_pipeline.sandbox.scenarios.orders_accounts import WINES, OrderAccount

CLOSED_STATES = ("UT", "AL")
"""States to which Vinoshipper ships for nobody."""

ENOUGH = 10**6

# What is held under the number of an order of Commerce7: `part["there"]` has it by the order's id.
OURS = "ours"
OURS_SHIPPED = "ours, shipped"
OURS_REFUSED = "ours, refused"
CANCELLED_BARE = "ours without meta fields, cancelled"
SOMEBODY_ELSES = "somebody else's"
PLAIN_NUMBER = "somebody else's, without prefix"


def there(b: Builder, part: Record) -> None:
    """Add the winery's side at Vinoshipper, where that stand-in is the one that is built."""
    if "orders" in b.without:
        return
    account: OrderAccount = part["account"]
    b.merchant.parts["vinoshipper"] = {
        "products": [
            {
                "id": 31001 + number,
                "sku": wine.sku_there or wine.sku,
                "name": wine.title,
                "price": Decimal(wine.there) / 100,
                "approved": wine.approved,
                "inventory": ENOUGH,
            }
            for number, wine in enumerate(WINES.values())
            if wine.there is not None
        ],
        "closed_states": list(CLOSED_STATES),
        "prefix": account.prefix,
    }
    for id, how in part["there"].items():
        order = part["orders"][id]
        number = account.number_there(order["orderNumber"])
        if how == PLAIN_NUMBER:
            _somebody_elses(b, str(order["orderNumber"]), order)
        elif how == SOMEBODY_ELSES:
            _somebody_elses(b, number, order)
        else:
            _ours(b, account, number, order, how)


def _ours(b: Builder, account: OrderAccount, number: str, order: Record, how: str) -> None:
    """Add an order that was made by us: what was sent is what Commerce7 says."""
    stage = {OURS_SHIPPED: "SHIPPED", OURS_REFUSED: "PROBLEM", CANCELLED_BARE: "CANCELLED"}.get(how, "OPEN")
    made = _order(b, number, order, stage, "PROBLEM" if how == OURS_REFUSED else "SUCCESS")
    if how != CANCELLED_BARE:
        made["metaFields"] = {"c7_order_id": order["id"], "c7_tenant": account.tenant}
    if how == OURS_REFUSED:
        problem = {"code": "STATE_VOLUME", "description": "Too much wine in a month", "type": "COMPLIANCE_VIOLATION"}
        made |= {"isCompliant": False, "orderProblems": [problem]}


def _somebody_elses(b: Builder, number: str, order: Record) -> None:
    """Add an order of that number which has nothing to do with the one at Commerce7."""
    made = _order(b, number, order, "OPEN", "SUCCESS")
    made["shipToAddress"] = {**made["shipToAddress"], "postalCode": "90001", "city": "Los Angeles"}
    made["products"] = [{**made["products"][0], "sku": "OLD18", "quantity": 9}]


def _order(b: Builder, number: str, order: Record, stage: str, status: str) -> Record:
    at = datetime.fromisoformat(order["orderPaidDate"]).astimezone(PACIFIC)
    total = Decimal(order["total"]) / 100
    tracking: list[Any] | None = [("UPS", f"1ZEXAMPLE{order['orderNumber']:010d}")] if stage == "SHIPPED" else None
    made = b.order(number, None, at, str(total), stage=stage, status=status, packages=tracking,
                   shipped=at if stage == "SHIPPED" else None)  # fmt: skip
    to = order["shipTo"]
    person = {"firstName": to["firstName"], "lastName": to["lastName"]}
    made["customer"] = {**made["customer"], **person, "email": order["customer"]["emails"][0]["email"]}
    made["shipToAddress"] = {
        **person,
        "street1": to["address"],
        "street2": to["address2"],
        "city": to["city"],
        "stateCode": to["stateCode"],
        "postalCode": to["zipCode"],
        "country": "US",
    }
    usual = made["products"][0]
    made["products"] = [
        {**usual, "sku": one["sku"], "productName": one["productTitle"], "quantity": one["quantity"],
         "price": Decimal(one["price"]) / 100}
        for one in order["items"] if one["hasShipping"]
    ]  # fmt: skip
    made["shipping"] = {
        **made["shipping"],
        "carrier": "UPS",
        "rateCode": "03",
        "price": Decimal(order["shipTotal"]) / 100,
    }
    made["taxesTotal"] = Decimal(order["taxTotal"]) / 100
    return made
