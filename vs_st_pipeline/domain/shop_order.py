"""Names what an order of a shop says, as far as anything is decided or sent by it; pure values, as the shop wrote them.

Data flow: a shop's JSON -> (its connector reads it) -> `ShopOrder` -> rules and payload of route `orders`.

Texts are without outer blanks, `""` is None. Amounts and quantities stay the JSON numbers that they were (`int` or
`Decimal`, or whatever else stood there): rules decide what is no amount.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class ShopAddress:
    """Who and where: `shipTo` or `billTo`. `birth_date`: as it is written."""

    first_name: str | None = None
    last_name: str | None = None
    company: str | None = None
    phone: str | None = None
    street1: str | None = None
    street2: str | None = None
    city: str | None = None
    state_code: str | None = None
    zip_code: str | None = None
    country_code: str | None = None
    birth_date: str | None = None


@dataclass(frozen=True, slots=True)
class ShopCustomer:
    """Who bought, as the shop's own record of the person says. E-mails and phones in the shop's order."""

    id: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    emails: tuple[str, ...] = ()
    phones: tuple[str, ...] = ()
    birth_date: str | None = None


@dataclass(frozen=True, slots=True)
class BundleItem:
    """What a bundle is made of. Whether `quantity` is per bundle is not known."""

    sku: str | None
    quantity: Any
    price: Any
    has_shipping: bool | None = None


@dataclass(frozen=True, slots=True)
class ShopLine:
    """A line. `price`: cents for one, as charged; `tax`: cents of the line; `deposit`: cents for one."""

    sku: str | None
    quantity: Any
    price: Any
    has_shipping: bool = False
    type: str | None = None
    tax: Any = None
    deposit: Any = None
    quantity_fulfilled: Any = None
    bundle: tuple[BundleItem, ...] = ()


@dataclass(frozen=True, slots=True)
class ShopShipping:
    """A way of shipping that was bought."""

    carrier: str | None
    code: str | None
    title: str | None = None
    price: Any = None
    tax: Any = None


@dataclass(frozen=True, slots=True)
class ShopFulfilment:
    """A fulfilment that stands at the shop."""

    id: str | None
    type: str | None
    at: str | None
    tracking_numbers: tuple[str, ...] = ()
    carrier: str | None = None


@dataclass(frozen=True, slots=True)
class ShopOrder:
    """One order of a shop.

    Attributes:
        id: as requests name it. number: as people know it (letters, digits, `-`).
        paid_at: `orderPaidDate`, else `orderSubmittedDate`, else `createdAt` (UTC without zone).
        linked: ids of the orders that it names as linked. linked_kinds: what it calls each of them (`Refund`).
        previous_id: the order that it refunds or exchanges.
        customer: None where the answer had none.
        requested_ship_date: as it is written.
        taxes_adjusted: cents by which the taxes were changed by hand.
    """

    id: str
    number: str
    paid_at: datetime
    created_at: datetime | None = None
    updated_at: datetime | None = None
    channel: str | None = None
    purchase_type: str | None = None
    delivery_method: str | None = None
    payment_status: str | None = None
    fulfillment_status: str | None = None
    compliance_status: str | None = None
    carrier_pickup: bool = False
    ship_to: ShopAddress | None = None
    bill_to: ShopAddress | None = None
    customer_id: str | None = None
    customer: ShopCustomer | None = None
    lines: tuple[ShopLine, ...] = ()
    shipping: tuple[ShopShipping, ...] = ()
    sub_total: Any = None
    ship_total: Any = None
    tax_total: Any = None
    taxes_adjusted: Any = None
    total: Any = None
    requested_ship_date: str | None = None
    gift_message: str | None = None
    shipping_instructions: str | None = None
    linked: tuple[str, ...] = ()
    linked_kinds: tuple[str | None, ...] = field(default=(), compare=False)
    previous_id: str | None = None
    fulfilments: tuple[ShopFulfilment, ...] = field(default=(), compare=False)
