"""Builds scenario `orders`: what wineries sold at Commerce7, an order for each answer of the route, each for a reason.

It is long because it is data: each order is there for one thing that a route may get wrong.

Whatever may be sent was paid within the last two days, so that a first sync takes nothing for history.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from vs_st_pipeline.sandbox.core.accounts import iso
from vs_st_pipeline.sandbox.core.asgi import Record
from vs_st_pipeline.sandbox.scenarios.fixtures import Builder
from vs_st_pipeline.sandbox.scenarios.orders_accounts import (
    APP_ID,
    OTHER_APP,
    STARTED_DAYS_AGO,
    WINES,
    OrderAccount,
    account_of,
)
from vs_st_pipeline.sandbox.scenarios.orders_shop import (
    CARRY_OUT,
    GROUND,
    PICKUP,
    customer_record,
    exchanged,
    line,
    message,
    order_record,
    product_record,
    rate,
    taken_back,
)
from vs_st_pipeline.sandbox.scenarios.orders_there import (
    CANCELLED_BARE,
    OURS,
    OURS_REFUSED,
    OURS_SHIPPED,
    PLAIN_NUMBER,
    SOMEBODY_ELSES,
    there,
)
from vs_st_pipeline.sandbox.scenarios.parcels_accounts import sender_of

FIRST_NUMBER = 1201
SENT, ADOPTED, TAKEN, REFUSED = "sent", "adopted", "number_taken", "compliance"
NOT_REQUIRED = (
    "before_start", "dont_send", "exchange", "refund", "carry_out", "pickup", "country", "state_not_chosen",
    "cancelled", "fulfilled_already", "nothing_to_ship", "refunded",
)  # fmt: skip


def state_of(code: str) -> str:
    """Return the state in which a first sync leaves an order of that code."""
    if code in (SENT, ADOPTED):
        return "sent"
    return "not_required" if code in NOT_REQUIRED else "waiting" if code == "not_paid" else "failed"


class Till:
    """Writes orders for one winery, and what comes of each in a first sync under its settings: `code` and `state`."""

    def __init__(self, b: Builder, account: OrderAccount) -> None:
        self.b = b
        self.account = account
        self.orders: list[Record] = []
        self.cases: list[Record] = []
        self.customers: dict[str, Record] = {}
        self.messages: dict[str, list[Record]] = {}
        self.there: dict[str, str] = {}
        self.skipped_numbers: set[int] = set()
        opened = b.now - timedelta(days=400)
        self.products = {
            record["id"]: record
            for number, wine in enumerate((wine for wine in WINES.values() if wine.cents is not None), 1)
            for record in [product_record(account, number, wine, opened)]
        }

    def ago(self, hours: float) -> datetime:
        """Return a moment some hours ago."""
        return self.b.now - timedelta(hours=hours)

    def customer(self, first: str, last: str, **changed: Any) -> Record:
        """Add a customer."""
        made = customer_record(
            self.account, len(self.customers) + 1, first, last, self.b.now - timedelta(days=200), **changed
        )
        self.customers[made["id"]] = made
        return made

    def order(
        self, code: str, why: str, hours: float, *lines: Record, who: Record | None = None, **changed: Any
    ) -> Record:
        """Add an order that was paid so many hours ago."""
        person = who or self.customer("Ada", f"Buyer {len(self.customers) + 1}")
        made = order_record(self.account, len(self.orders) + 1, person, self.ago(hours), lines, **changed)
        return self.keep(made, code, why)

    def keep(self, made: Record, code: str, why: str) -> Record:
        """Keep an order, and why it is there."""
        self.orders.append(made)
        self.cases.append({"order_id": made["id"], "code": code, "state": state_of(code), "why": why})
        return made

    def held(self, order: Record, how: str, state: str | None = None) -> None:
        """Say that Vinoshipper holds an order of that number: ours or somebody else's."""
        self.there[order["id"]] = how
        self.cases[-1]["state"] = state or self.cases[-1]["state"]

    def refund(self, order: Record, hours: float, lines: dict[str, int] | None = None, **changed: Any) -> Record:
        """Refund an order, wholly where no lines are said."""
        made = taken_back(self.account, len(self.orders) + 1, order, self.ago(hours), lines, **changed)
        return self.keep(made, "refund", "a refund is an order of its own")

    def exchange(self, order: Record, hours: float, **changed: Any) -> Record:
        """Exchange a bottle of an order."""
        made = exchanged(self.account, len(self.orders) + 1, order, self.ago(hours), "PINOT22", "ZIN21", **changed)
        return self.keep(made, "exchange", "an exchange is an order of its own")

    def said(self, order: Record, app: str, status: str, *issues: str, hours: float = 1) -> None:
        """Leave an app's message on an order."""
        kept = self.messages.setdefault(order["id"], [])
        number = sum(map(len, self.messages.values())) + 1
        kept.append(message(self.account, number, order["id"], app, status, list(issues), iso(self.ago(hours))))

    def close(self) -> Record:
        """Number the orders as they were placed, and return what the winery has at Commerce7."""
        numbers = iter(n for n in range(FIRST_NUMBER, FIRST_NUMBER + 10**6) if n not in self.skipped_numbers)
        self.orders.sort(key=lambda order: str(order["createdAt"]))
        by_id = {order["id"]: order for order in self.orders}
        for order in self.orders:
            order["orderNumber"] = next(numbers)
        for order in self.orders:
            if order["previousOrderId"]:
                order["previousOrderNumber"] = by_id[order["previousOrderId"]]["orderNumber"]
            order["linkedOrders"] = [
                {**link, "orderNumber": by_id[link["orderId"]]["orderNumber"]} for link in order["linkedOrders"]
            ]
        return {
            "tenant": self.account.tenant,
            "account": self.account,
            "orders": by_id,
            "products": self.products,
            "customers": self.customers,
            "app_syncs": self.messages,
            "there": self.there,
            "cases": [{**case, "order_number": by_id[case["order_id"]]["orderNumber"]} for case in self.cases],
        }


def fill_order_winery(b: Builder) -> None:
    """Add the orders of the winery that has one for each code."""
    till = Till(b, account_of(b.merchant.id))
    _ordinary(till)
    _not_wanted(till)
    _refunds(till)
    _not_yet(till)
    _addresses(till)
    _people(till)
    _lines(till)
    _rates(till)
    _known_there(till)
    _finish(b, till)


def _finish(b: Builder, till: Till) -> None:
    part = till.close()
    if "commerce7" not in b.without:
        b.merchant.parts["commerce7"] = part
    if "gupshup" not in b.without:  # by attestation: who orders has asked to be written
        phones = {str(phone["phone"]) for one in part["customers"].values() for phone in one["phones"] or ()}
        b.merchant.parts["gupshup"] = sender_of(b.merchant.id).part(phones)
    there(b, part)


def _ordinary(t: Till) -> None:
    marisol = t.customer("Marisol", "Vantongeren")
    t.order(SENT, "the plain case: two bottles, UPS Ground, paid on the web", 5, line("PINOT22", 2), who=marisol)
    t.order(
        SENT, "a club shipment with a date to ship, a note and a gift message", 6, line("PINOT22", 3), line("ZIN21", 3),
        who=marisol, channel="Club", giftMessage="Cheers,\nMarisol", shippingInstructions="Leave with neighbor",
        selectedShippingOptions={"requestedShipDate": (t.b.now + timedelta(days=9)).date().isoformat()},
    )  # fmt: skip
    t.order(SENT, "taken on the phone", 7, line("CHARD23", 1), channel="Inbound", state="NY")
    t.order(SENT, "sold at the tasting room, with a tip, and shipped", 8, line("ZIN21", 6), channel="POS", tipTotal=900)
    t.order(SENT, "a corporate order", 9, line("CHARD23", 12), purchaseType="Corporate Order", state="TX")
    t.order(SENT, "a pickup that was turned into a shipment", 10, line("ROSE24", 2), purchaseType="Pickup To Ship")
    t.order(SENT, "no purchase type at all", 11, line("ROSE24", 1), purchaseType=None)
    t.order(SENT, "a reduction of the whole order: the lines are above its sum", 12, line("PINOT22", 2), subTotal=7400)
    t.order(SENT, "a bundle that both shops sell", 13, line("TRIO", 2))
    t.order(SENT, "wine that goes and a ticket that does not", 14, line("PINOT22", 1), line("TICKET", 2))
    t.order(SENT, "a bottle deposit", 15, line("SPARK20", 6))
    t.order(SENT, "the same wine twice at one price, and once at another", 16,
            line("ZIN21", 1), line("ZIN21", 2), line("ZIN21", 1, 3000))  # fmt: skip
    t.order(SENT, "a gift to somebody else, under a company's name", 17, line("CHARD23", 2),
            shipTo={"firstName": "Bram", "lastName": "Ostrowski", "company": "Ostrowski & Co",
                    "phone": "(212) 555-0143", "birthDate": None}, state="NY")  # fmt: skip
    t.order(SENT, "no bill-to address, and no phone", 18, line("PINOT22", 1), billTo=None,
            who=t.customer("Ines", "Halloran", phones=[]))  # fmt: skip
    t.order(SENT, "a profile without names: the buyer's are on the bill", 19, line("PINOT22", 1),
            who=t.customer("Jonas", "Halloran"), customer={"firstName": None, "lastName": None})  # fmt: skip
    t.order(SENT, "a name and a street with letters from afar", 20, line("ZIN21", 1),
            shipTo={"address": "9 Rue des Érables", "address2": "Apt #4"}, who=t.customer("Zoë", "Nuñez"))  # fmt: skip
    t.order(SENT, "a state in small letters, a ZIP of nine digits, a country in letters", 21, line("PINOT22", 1),
            shipTo={"stateCode": "ca", "zipCode": "95472-1234", "countryCode": "us"})  # fmt: skip
    over = (t.b.now - timedelta(days=3)).date().isoformat()
    t.order(SENT, "a date to ship that is over", 22, line("PINOT22", 1),
            selectedShippingOptions={"requestedShipDate": over})  # fmt: skip
    t.order(SENT, "Commerce7's compliance was forced, which means nothing there", 23, line("PINOT22", 1),
            complianceStatus="Forced")  # fmt: skip
    old = t.order(SENT, "authorized long ago, captured today", 4, line("CHARD23", 3))
    old["createdAt"] = old["orderSubmittedDate"] = iso(t.ago(26))
    t.order(SENT, "only the shipping was refunded", 24, line("ZIN21", 3))
    t.refund(t.orders[-1], 3, {}, shipping=True)
    t.order(SENT, "only part of the price was refunded", 25, line("ZIN21", 3))
    t.refund(t.orders[-1], 3, {}, amount=500)


def _not_wanted(t: Till) -> None:
    first = t.customer("Odalys", "Brightwater")
    t.order("before_start", "paid before the start of the route", 24 * (STARTED_DAYS_AGO + 10), who=first)
    t.order("before_start", "paid the evening before", 24 * STARTED_DAYS_AGO + 30, who=first)
    order = t.order("dont_send", "somebody said not to send it, and the data folder was lost since", 26)
    t.said(order, OTHER_APP, "Success", "Sent to Vinoshipper", hours=25)
    t.said(order, APP_ID, "Success", "Don't Send", hours=24)
    t.order("unknown_value", "a purchase type that no page lists", 27, purchaseType="Allocation")
    t.order("unknown_value", "a delivery method that no page lists", 28, orderDeliveryMethod="Drone")
    t.order("unknown_value", "a payment status that no page lists", 29, paymentStatus="Disputed")
    t.order("unknown_value", "a fulfillment status that no page lists", 30, fulfillmentStatus="On Hold")
    t.order(
        "carry_out", "carried out of the tasting room", 31, channel="POS", orderDeliveryMethod=CARRY_OUT, shipTo=None
    )
    t.order("pickup", "will be picked up", 32, orderDeliveryMethod=PICKUP, shipTo=None, shipping=[])
    t.order("no_destination", "nowhere to ship to", 33, shipTo=None)
    t.order("no_destination", "no country", 34, shipTo={"countryCode": " "})
    t.order("no_destination", "a state that is none", 35, shipTo={"stateCode": "XX"})
    t.order("country", "to Canada", 36, shipTo={"countryCode": "CA", "stateCode": "BC", "zipCode": "V5K 0A1"})
    t.order("state_not_chosen", "to a state that was not chosen", 37, state="FL")
    t.order("state_not_chosen", "to a soldier overseas", 38, shipTo={"stateCode": "AP", "zipCode": "96205"})
    t.order("cancelled", "cancelled", 39, paymentStatus="Cancelled")
    t.order("fulfilled_already", "somebody fulfilled it by hand", 40, fulfillmentStatus="Fulfilled")
    t.order("fulfilled_already", "needs no fulfillment", 41, fulfillmentStatus="No Fulfillment Required")
    t.order("nothing_to_ship", "tickets alone", 42, line("TICKET", 2))


def _refunds(t: Till) -> None:
    t.order("refunded", "wholly refunded an hour later", 43, line("PINOT22", 2), line("ZIN21", 1))
    t.refund(t.orders[-1], 42)
    whole = t.order("refunded", "refunded bottle by bottle", 44, line("CHARD23", 2))
    t.refund(whole, 43, {"CHARD23": 1})
    t.refund(whole, 42, {"CHARD23": 1})
    t.order("partly_refunded", "one bottle of three was refunded", 45, line("PINOT22", 3))
    t.refund(t.orders[-1], 44, {"PINOT22": 1})
    t.order("partly_refunded", "one bottle was exchanged", 46, line("PINOT22", 2))
    t.exchange(t.orders[-1], 45)
    unsaid = t.order("refunded", "a refund that only its quantities and its sum tell of", 47, line("ROSE24", 2))
    t.refund(unsaid, 46, purchaseType="Regular")


def _not_yet(t: Till) -> None:
    t.order("not_paid", "authorized, not captured", 2, paymentStatus="Authorized", orderPaidDate=None)
    t.order("quarantined", "quarantined by Commerce7's compliance", 26, complianceStatus="Quarantined")
    t.order("quarantined", "voided by Commerce7's compliance", 26.5, complianceStatus="Void")
    part = t.order("partly_fulfilled", "one line of two went by hand", 27.5, line("PINOT22", 1), line("ZIN21", 1),
                   fulfillmentStatus="Partially Fulfilled")  # fmt: skip
    part["items"][0]["quantityFulfilled"] = 1
    t.order("late", "paid three weeks ago", 24 * 21)
    t.order("carrier_pickup", "to be collected at a carrier's counter", 28.5,
            carrierPickupLocation={"carrier": "UPS", "id": "U12345", "name": "The UPS Store"})  # fmt: skip


def _addresses(t: Till) -> None:
    for why, changed in (
        ("no street", {"address": " "}),
        ("no city", {"city": None}),
        ("no ZIP", {"zipCode": ""}),
        ("a ZIP of four digits", {"zipCode": "9547"}),
        ("a ZIP of letters", {"zipCode": "SW1A 1AA"}),
    ):
        t.order("address", why, 29.5, shipTo=changed)
    t.order("zip_state", "a ZIP of New York under California", 30.5, shipTo={"zipCode": "10014"})
    t.order(REFUSED, "a post office box, which Vinoshipper refuses", 31.5, shipTo={"address": "PO Box 12"})


def _people(t: Till) -> None:
    young = f"{t.b.now.year - 20}-01-15"
    piper = t.customer("Piper", "Lindqvist", birthDate=young)
    t.order("under_age", "the buyer is twenty", 32.5, who=piper)
    t.order("under_age", "whoever gets it is twenty", 33.5, shipTo={"firstName": "Piper", "birthDate": young})
    t.order("no_email", "a customer without an address", 34.5, who=t.customer("Tobias", "Achterberg", emails=[]))
    bad = [{"id": t.account.id("c", 9999), "email": "none"}]
    t.order("no_email", "an address that is none", 35.5, who=t.customer("Wanda", "Szczepanska", emails=bad))
    nobody = t.customer("Renske", "", birthDate=None)
    t.order("no_name", "no last name anywhere", 36.5, who=nobody)


def _lines(t: Till) -> None:
    t.order("no_sku", "a line without a SKU", 37.5, line("PINOT22", 1), line("ZIN21", 1, sku="  "))
    t.order("bad_quantity", "half a bottle", 38.5, line("PINOT22", 1, quantity=1.5), subTotal=6300)
    t.order("bad_money", "a fraction of a cent", 39.5, line("PINOT22", 1, 4200.5))
    t.order("sum_mismatch", "the lines are below their sum", 40.5, line("PINOT22", 2), subTotal=9000)
    t.order("sum_mismatch", "a reduction, and a line is left out", 41.5, line("PINOT22", 2), line("TICKET", 1),
            subTotal=20000)  # fmt: skip
    t.order("unknown_sku", "a wine that only this shop sells", 42.5, line("PINOT22", 1), line("LIBRARY", 1))
    t.order("unknown_sku", "a SKU in other letters", 43.5, line("port19", 1))
    t.order("unknown_sku", "a bundle that only this shop sells", 44.5, line("GIFTPACK", 1))
    t.order(REFUSED, "a wine that Vinoshipper has not approved", 45.5, line("NEWRED", 2))


def _rates(t: Till) -> None:
    for number, (why, way) in enumerate(
        (
            ("UPS Next Day Air", rate("UPS", "01", "Next Day")),
            ("UPS 2nd Day Air in small letters", rate("ups", "02", "2nd Day")),
            ("UPS 3 Day Select", rate("UPS", "12", "3 Day")),
            ("a code of one digit", rate("UPS", "3", "Ground")),
            ("a code without its carrier", rate(None, "03", "Ground")),
        )
    ):
        t.order(SENT, why, 3 + number / 4, line("PINOT22", 1), shipping=[way])
    t.order(SENT, "two entries that say the same", 3.9, line("PINOT22", 1), shipping=[rate(*GROUND), rate(*GROUND, 0)])
    t.order("unknown_rate", "a code that no table has", 46.5, shipping=[rate("UPS", "99", "By mule")])
    t.order("unknown_rate", "another carrier", 47.1, shipping=[rate("FedEx", "FEDEX_GROUND", "UPS Ground")])
    t.order("unknown_rate", "no shipping at all", 47.2, shipping=[])
    t.order("several_rates", "two entries that differ", 47.3, shipping=[rate(*GROUND), rate("UPS", "01", "Next Day")])


def _known_there(t: Till) -> None:
    """Add orders whose numbers Vinoshipper holds already; `orders_there` makes what it holds."""
    t.held(t.order(ADOPTED, "sent by us, and the data folder was lost since", 24.5, line("PINOT22", 2)), OURS)
    gone = t.order(ADOPTED, "sent by us without meta fields; cancelled there since", 25.5, line("ZIN21", 2))
    t.held(gone, CANCELLED_BARE, "voided")
    t.held(t.order(REFUSED, "sent by us and refused there", 25.6, line("CHARD23", 2)), OURS_REFUSED)
    sent = t.order(ADOPTED, "sent by us; fulfilled by somebody since", 25.7, line("PINOT22", 1))
    sent["fulfillmentStatus"] = "Fulfilled"
    t.held(sent, OURS_SHIPPED)
    t.held(t.order(ADOPTED, "sent by us three weeks ago", 24 * 21.5, line("ZIN21", 1)), OURS)
    t.held(t.order(TAKEN, "its number was given to somebody else there", 25.8, line("ROSE24", 3)), SOMEBODY_ELSES)
    bare = t.order(SENT, "its number without prefix is there, from Commerce7's own app", 25.9, line("ROSE24", 1))
    t.held(bare, PLAIN_NUMBER)


def fill_neighbor_winery(b: Builder) -> None:
    """Add a few orders of a winery with other settings; its numbers and buyers are those of the first one as well."""
    t = Till(b, account_of(b.merchant.id))
    t.skipped_numbers = {FIRST_NUMBER + 3}
    marisol = t.customer("Marisol", "Vantongeren")
    t.order(SENT, "the plain case, of another winery", 5, line("CHARD23", 1), who=marisol)
    t.order("state_not_chosen", "a state that the first winery ships to", 6, line("CHARD23", 1), state="NY")
    t.order(SENT, "a state that only this winery ships to", 7, line("CHARD23", 1), state="OR")
    t.order(SENT, "a bundle that goes as its wines", 8, line("GIFTPACK", 1))
    t.order(SENT, "two bundles of three", 9, line("TRIO", 2))
    unclear = line("GIFTPACK", 2)
    unclear["bundleItems"][0]["price"] += 300
    t.order("bundle_unclear", "a bundle whose wines add up to nothing that fits", 10, unclear)
    _finish(b, t)


def fill_order_crowd(b: Builder, orders: int, number: int = 0) -> None:
    """Add a club run: so many orders of the last day, of 25 one is picked up and one goes to a state not chosen."""
    t = Till(b, account_of(b.merchant.id, number))
    for i in range(orders):
        who = t.customer("Person", f"Number{i}")
        hours, wines = 24 * (i + 1) / (orders + 1), (line("PINOT22", 1 + i % 3), line("ZIN21", 1 + i % 2))
        match i % 25:
            case 11:
                t.order("pickup", "picked up", hours, *wines, who=who, channel="Club", orderDeliveryMethod=PICKUP)
            case 17:
                t.order("state_not_chosen", "elsewhere", hours, *wines, who=who, channel="Club", state="FL")
            case _:
                t.order(SENT, "sent", hours, *wines, who=who, channel="Club", state=t.account.states[i % 2])
    _finish(b, t)
