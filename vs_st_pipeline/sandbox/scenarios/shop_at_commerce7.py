"""Makes the records that Commerce7 has of a made-up shop: customers, addresses, products, orders, carts."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from vs_st_pipeline.sandbox.core.accounts import iso
from vs_st_pipeline.sandbox.core.asgi import Record
from vs_st_pipeline.sandbox.scenarios.commerce7_records import (
    address_record,
    cart_record,
    variant_record,
    window_record,
)
from vs_st_pipeline.sandbox.scenarios.fixtures import Builder
from vs_st_pipeline.sandbox.scenarios.orders_accounts import OrderAccount, account_of
from vs_st_pipeline.sandbox.scenarios.orders_shop import PICKUP, customer_record, line, order_record, taken_back
from vs_st_pipeline.sandbox.scenarios.shop_model import Good, Home, Line, MadeShop, Person, Sale, price_of, worth

CONSENTS = {True: "Subscribed", False: "Unsubscribed", None: None}
FIRST_NUMBER = 5000
"""Before the numbers of orders; ids are made of the same count."""


class Tills:
    """Writes the records for one winery."""

    def __init__(self, b: Builder, account: OrderAccount) -> None:
        self.now = b.now
        self.account = account
        self.goods: dict[int, Good] = {}
        self.persons: dict[int, Person] = {}
        self.people: dict[int, Record] = {}
        self.addresses: dict[str, Record] = {}
        self.products: dict[str, Record] = {}
        self.orders: dict[str, Record] = {}
        self.carts: dict[str, Record] = {}

    def ago(self, days: float | None) -> datetime:
        """Return a moment some days ago."""
        return self.now - timedelta(days=400 if days is None else days)

    # Ids.

    def customer_id(self, number: int) -> str:
        """Return the id of a person."""
        return self.account.id("8", number)

    def product_id(self, number: int) -> str:
        """Return the id of a good."""
        return self.account.id("9", number)

    def variant_id(self, good: int, choice: int | None = None) -> str:
        """Return the id of a variant; a good without options has one all the same."""
        return self.account.id("a", good * 100 + (choice or 0))

    def order_id(self, number: int) -> str:
        """Return the id of a sale."""
        return self.account.id("7", number)

    # Records.

    def customer(self, person: Person) -> Record:
        """Add a customer and the addresses."""
        at = self.ago(person.days)
        home = person.homes[0] if person.homes else Home("", None, None, None)
        made = customer_record(
            self.account,
            person.number,
            person.first or "",
            person.last,
            at,
            firstName=person.first,
            birthDate=None if person.born is None else str(person.born),
            city=home.city,
            stateCode=home.state,
            zipCode=home.postal,
            countryCode=home.country,
            emailMarketingStatus=CONSENTS[person.opted_in],
            emails=self._emails(person),
            phones=self._phones(person),
        )
        if person.club:
            club = {"clubId": self.account.id("0", 1), "clubTitle": person.club, "signupDate": iso(at)}
            made["clubs"] = [{**club, "clubMembershipId": self.account.id("0", person.number), "cancelDate": None}]
        if person.days is None:
            made["createdAt"] = None
        self.persons[person.number], self.people[person.number] = person, made
        # The one that counts was added last.
        for number, one in reversed(list(enumerate(person.homes))):
            self._address(made, person, one, number, at + timedelta(hours=len(person.homes) - number))
        return made

    def _emails(self, person: Person) -> list[Record]:
        if person.email is None:
            return []
        other = [{"id": self.account.id("c", 10**6 + person.number), "email": "second@example.com"}]
        return [{"id": self.account.id("c", person.number), "email": person.email}, *(other if person.club else [])]

    def _phones(self, person: Person) -> list[Record]:
        if person.phone is None:
            return []
        abroad = bool(person.homes) and person.homes[0].country != "US"
        return [{"id": self.account.id("d", person.number), "phone": f"+{33 if abroad else 1}{person.phone}"}]

    def _address(self, owner: Record, person: Person, home: Home, number: int, at: datetime) -> None:
        made = address_record(
            self.account,
            person.number * 10 + number,
            at,
            **self._place(person, home),
            customerId=owner["id"],
            isDefault=number == 0,
        )
        self.addresses[made["id"]] = made

    def _place(self, person: Person, home: Home) -> Record:
        return {
            "firstName": person.first,
            "lastName": person.last,
            "company": home.company,
            "phone": next((one["phone"] for one in self._phones(person)), None),
            "address": home.street,
            "address2": home.second,
            "city": home.city,
            "stateCode": home.state,
            "zipCode": home.postal,
            "countryCode": home.country,
            "birthDate": None if person.born is None else str(person.born),
        }

    def product(self, good: Good) -> None:
        """Add a product with its variants."""
        self.goods[good.number] = good
        variants = [self._variant(good, "750ml", None, good.cents, good.stock)]
        if good.choices:
            variants = [
                self._variant(good, " ".join(filter(None, (one.size, one.color))), one.number, one.cents, one.stock)
                for one in good.choices
            ]
        made = window_record(
            self.account,
            good.number,
            good.name,
            self.ago(good.days),
            variants,
            good.shelves,
            type=good.kind,
            content=good.text,
            teaser=good.blurb,
        )
        if not good.image:
            made["image"] = None
        if not good.shown:
            made |= {"webStatus": "Retired"} if good.stock == 0 else {"security": {"availableTo": "Club"}}
        self.products[made["id"]] = made

    def _variant(self, good: Good, title: str, choice: int | None, cents: int | None, stock: float | None) -> Record:
        number = good.number * 100 + (choice or 0)
        sku = good.sku if choice is None else f"{good.sku}-{choice}"
        made = variant_record(self.account, number, title, sku, cents, None if stock is None else int(stock))
        if choice is None and good.sale_cents is not None:
            made |= {"price": good.sale_cents, "comparePrice": good.cents}
        return made

    def order(self, sale: Sale) -> None:
        """Add an order, and its refund where it has one."""
        at = self.ago(sale.days)
        person, buyer = self._buyer(sale)
        by_stage: dict[str, Record] = {
            "pending": {"paymentStatus": "Authorized", "orderPaidDate": None},
            "cancelled": {"paymentStatus": "Cancelled"},
            "picked_up": {"orderDeliveryMethod": PICKUP, "shipping": []},
        }
        changed = by_stage.get(sale.stage, {})
        if sale.stage in ("shipped", "picked_up"):
            changed["fulfillmentStatus"] = "Fulfilled"
        lines = [self._line(one) for one in sale.lines]
        made = order_record(
            self.account, sale.number, buyer, at, lines, orderNumber=FIRST_NUMBER + sale.number, **changed
        )
        if sale.buyer is None:
            made |= {"customerId": None, "customer": None}
        if person is not None and person.homes:
            made["shipTo"] = self._place(person, person.homes[0])
        if sale.stage != "returned":  # there the total is that of the refund
            cents = worth(self.goods, sale)
            made |= {"total": cents, "totalAfterTip": cents}
        self.orders[made["id"]] = made
        if sale.stage in ("refunded", "returned"):
            back = None if sale.stage == "refunded" else {lines[0]["sku"]: 1}
            number = FIRST_NUMBER * 2 + sale.number
            refund = taken_back(
                self.account, number, made, at + timedelta(hours=1), back, orderNumber=number, customerId=buyer["id"]
            )
            self.orders[refund["id"]] = refund

    def _buyer(self, sale: Sale) -> tuple[Person | None, Record]:
        """Return who bought, where the shop knows it, and the record of a customer for the order."""
        if sale.buyer is None:
            return sale.guest, {"id": None, "firstName": None, "lastName": "Guest"}
        gone = (
            None if sale.buyer in self.people else customer_record(self.account, sale.buyer, "Gone", "Away", self.now)
        )
        return self.persons.get(sale.buyer), gone or self.people[sale.buyer]

    def _line(self, one: Line) -> Record:
        good = self.goods.get(one.good)
        cents = price_of(good, one.choice) if good else 1000
        sku = good.sku if good else f"GONE{one.good}"
        return line(
            sku if one.choice is None else f"{sku}-{one.choice}",
            int(one.quantity),
            cents,
            productTitle=good.name if good else "Something Unknown",
            productId=self.product_id(one.good),
            productVariantId=self.variant_id(one.good, one.choice),
        )

    def cart(self, number: int, buyer: int | None, lines: Any, days: float) -> None:
        """Add a cart."""
        made = cart_record(
            self.account,
            number,
            self.ago(days),
            customerId=None if buyer is None else self.customer_id(buyer),
            items=[
                {
                    "productId": self.product_id(one.good),
                    "productVariantId": self.variant_id(one.good, one.choice),
                    "quantity": int(one.quantity),
                }
                for one in lines
            ],
        )
        self.carts[made["id"]] = made


def at_commerce7(b: Builder, shop: MadeShop) -> None:
    """Add what the shop has at Commerce7, where that stand-in is the one that is built."""
    if "commerce7" in b.without:
        return
    account = account_of(b.merchant.id, b.merchant.account)
    t = Tills(b, account)
    for person in shop.people:
        t.customer(person)
    for good in shop.goods:
        t.product(good)
    for sale in shop.sales:
        t.order(sale)
    for one in shop.baskets:
        t.cart(one.number, one.buyer, one.lines, one.days)
    b.merchant.parts["commerce7"] = {
        "tenant": account.tenant,
        "account": account,
        "orders": t.orders,
        "products": t.products,
        "customers": {one["id"]: one for one in t.people.values()},
        "addresses": t.addresses,
        "carts": t.carts,
        "app_syncs": {},
        "cases": [],
    }
