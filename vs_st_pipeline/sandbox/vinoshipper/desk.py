"""Takes one winery's orders from other shops: makes, updates, cancels and ships them, and keeps the books.

It is long because whatever is done to an order moves the same things: its record, what reads show of it, stock, mails,
books.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from vs_st_pipeline.sandbox.core.accounts import Clock, iso
from vs_st_pipeline.sandbox.core.asgi import Record
from vs_st_pipeline.sandbox.core.server import NoSuchRecord
from vs_st_pipeline.sandbox.scenarios.fixtures import BOX, NO_TAXES, PACIFIC, SHIPPER, STORE, Builder, Merchant
from vs_st_pipeline.sandbox.vinoshipper.catalog import CLOSED_STATES, MOST_BOTTLES, Catalog
from vs_st_pipeline.sandbox.vinoshipper.order_form import (
    UPS_RATES,
    VIOLATION,
    Form,
    Refusal,
    c7_id,
    problem,
    problems_of,
    read,
    refuse_keys,
)
from vs_st_pipeline.sandbox.vinoshipper.shop import Shop

OPEN, UNPAID, PROBLEM, LABELS, SHIPPED = "OPEN", "UNPAID", "PROBLEM", "LABELS_GENERATED", "SHIPPED"
DELIVERED, PICKED_UP, RETURNED, CANCELLED = "DELIVERED", "PICKED_UP", "RETURNED", "CANCELLED"
WAY = (OPEN, LABELS, SHIPPED, DELIVERED)
GONE = (SHIPPED, DELIVERED, PICKED_UP, RETURNED)
SUCCESS, PENDING = "SUCCESS", "PENDING"
_FIRST = {"pending_then_success": PENDING, "pending": PENDING, "unknown": "AWAITING_REVIEW"}
AGE_FAILED = "AGE_VERIFICATION_FAILED"
READS_LATE = 2
BOTTLES_IN_A_BOX = 12
READ_BEFORE_WRITE_SECONDS = 35.0  # a client has half a minute; the rest is for a busy machine

Told = Callable[[str, str, Record | None, Record | None], None]  # kind, id, before, after


class Desk:
    """The orders of one winery; `elsewhere` says whether another one has a number, `told` hears of each change."""

    def __init__(
        self, shop: Shop, part: Record, clock: Clock, switches: Callable[[], Record], elsewhere: Callable[[str], bool]
    ) -> None:
        self.shop = shop
        self.merchant: Merchant = shop.merchant
        self.clock = clock
        self.switches = switches
        self.elsewhere = elsewhere
        self.told: Told = lambda kind, id, before, after: None
        self.catalog = Catalog(self.merchant, part)
        self.closed = tuple(part.get("closed_states") or CLOSED_STATES)
        self.most_bottles = int(part.get("most_bottles") or MOST_BOTTLES)
        self.everything = bool(part)  # a world of route `orders`: all of its orders are the desk's
        self.books: list[Record] = []
        self.mails: list[Record] = []
        self.findings: list[Record] = []
        self.awaited: dict[str, Record] = {}
        self._placed: set[str] = set()
        self._quiet: dict[str, bool] = {}
        self._sold: list[tuple[tuple[str, str], datetime, int]] = []
        self._ripening: dict[str, int] = {}
        self._following: dict[str, int] = {}
        self._reads: dict[str, tuple[float, Record | None]] = {}
        self._customers: dict[str, int] = {}
        self._accepted: dict[str, list[str]] = {}
        self._counted: set[str] = set()
        for number, order in self.orders.items() if self.everything else ():
            if order["status"] == SUCCESS and order["total"] >= 0:
                self._accepted.setdefault(c7_id(order) or number, []).append(number)
                self._counted.add(number)

    @property
    def orders(self) -> dict[str, Record]:
        """Return all orders of the winery, the desk's and others."""
        return self.merchant.orders

    def has(self, number: str) -> bool:
        """Say whether the desk's rules are an order's; those of other worlds' wineries are moved without any."""
        return number in self.orders and (self.everything or number in self._placed)

    def find(self, number: str) -> Record:
        """Return an order."""
        if number not in self.orders:
            raise NoSuchRecord(f"orders {number}")
        return self.orders[number]

    def note(self, what: str, number: str, seq: int, order: Record, **details: Any) -> None:
        """Write into the books what was done."""
        at = iso(self.clock.now())
        self.books.append(
            {"what": what, "seq": seq, "at": at, "number": number, "c7_order_id": c7_id(order), **details}
        )

    def _at(self, text: Any = None) -> str:
        at = datetime.fromisoformat(str(text)) if text else self.clock.now()
        return at.astimezone(PACIFIC).isoformat(timespec="seconds")

    # What a client may do.

    def asked(self, what: str, number: str, seq: int, at: float) -> None:
        """Judge a write as it arrives, by what the client has read of the order before; then that reading is used up.

        Args:
            what: created, updated, or cancelled.
        """
        when, seen = self._reads.pop(number, (0.0, None))
        if self.elsewhere(number):
            self._find("other_merchants_record", number, seq, by=what)
        if at - when > READ_BEFORE_WRITE_SECONDS:
            self._find("written_without_reading", number, seq, by=what)
        elif what == "created" and seen is not None:
            self._find("created_though_known", number, seq)
        elif what == "updated" and seen is not None and seen["status"] == SUCCESS:
            self._find("updated_though_accepted", number, seq)
        elif what == "cancelled" and seen is not None and seen["orderStatus"] in (*GONE, CANCELLED):
            self._find("cancelled_though_over", number, seq, stage=seen["orderStatus"])

    def _find(self, what: str, number: str, seq: int, **details: Any) -> None:
        self.findings.append({"what": what, "seq": seq, "number": number, **details})

    # Reads.

    def read(self, number: str, at: float) -> Record:
        """Return an order as this read of it shows it, and let what is late come nearer."""
        shown = self._shown(number)
        self._reads[number] = (at, shown)
        if shown is None:
            raise NoSuchRecord(f"orders {number}")
        return shown

    def _shown(self, number: str) -> Record | None:
        veiled = self.shop.veiled.get(number)
        if veiled is not None:
            veiled[0] -= 1
            if veiled[0] == 0:
                del self.shop.veiled[number]
                self.shop.changed()
            before: Record | None = veiled[1]
            return before
        if number in self._ripening:
            self._ripening[number] -= 1
            if self._ripening[number] < 0:
                del self._ripening[number]
                self._accept(number, 0)
        if number in self._following:
            self._following[number] -= 1
            if self._following[number] < 0:
                self.track(number)
        return self.orders.get(number)

    def _veil(self, number: str, before: Record | None) -> None:
        if number not in self.shop.veiled:
            self.shop.veiled[number] = [READS_LATE, copy.copy(before)]

    # Creating and updating.

    def compliance(self, body: Record) -> list[Record]:
        """Return what stands against an order, made or not."""
        before = self._bought(_person(body))
        today = self.clock.now().astimezone(PACIFIC).date()
        match = self.switches()["sku_match"]
        return problems_of(body, self.catalog, match, self.closed, today, before, self.most_bottles)

    def create(self, body: Record, seq: int) -> Record:
        """Make an order of what a client posted."""
        switches = self.switches()
        number = str(body.get("orderNumber") or self._own_number())
        refuse_keys(body, switches["unknown_keys"], switches["paid_key"])
        how = switches["duplicate_number"]
        if self.elsewhere(number) or (number in self.orders and how in ("400_conflict", 409)):
            self._taken(number, 409 if how == 409 else 400)
        if number in self.orders and how == "returns_existing":
            return self.orders[number]
        if number in self.orders and how == "second_order":
            number = self._own_number()
        return self._keep(number, read(body, self.catalog, switches), seq, None)

    def update(self, number: str, body: Record, seq: int) -> Record:
        """Update an order that was not accepted, or make it; what becomes of an accepted one is not known."""
        switches = self.switches()
        refuse_keys(body, switches["unknown_keys"], switches["paid_key"])
        order = self.orders.get(number)
        if order is None and self.elsewhere(number):
            self._taken(number, 400)
        if body.get("orderNumber") not in (None, number):
            raise Refusal("VALIDATION", ("invalid", "orderNumber", "must be that of the path"))
        if body.get("taxes") is None:
            raise Refusal("VALIDATION", ("not_null", "taxes", "must not be null"))
        if order is None or order["status"] != SUCCESS:
            return self._keep(number, read(body, self.catalog, switches), seq, order)
        how = switches["put_accepted"]
        if how == "ignored":
            return order
        if how != "updates" or order["orderStatus"] in (*GONE, CANCELLED):
            raise Refusal("VALIDATION", ("not_editable", "orderNumber", "The order was accepted already"))
        form = read(body, self.catalog, switches)
        made = self._record(number, form, SUCCESS, order["orderStatus"], [])
        made["purchasedAt"] = order["purchasedAt"]
        self.catalog.moved(_quantities(order), 1)
        self.catalog.moved(form.items, -1)
        self._store(number, made, order)
        self.note("updated", number, seq, body, accepted=True)
        return made

    def _taken(self, number: str, status: int) -> None:
        text = f"Order number {number} is in use"
        raise Refusal("CONFLICT", ("duplicate", "orderNumber", text), status=status)

    def _own_number(self) -> str:
        number = self.merchant.account * 10**8 + 90000001 + len(self.orders)
        while str(number) in self.orders:
            number += 1
        return str(number)

    def _keep(self, number: str, form: Form, seq: int, before: Record | None) -> Record:
        switches = self.switches()
        verified = bool(before and before["ageVerification"]["verified"])
        awaited = self.awaited.get(number)
        problems = awaited["problems"] if awaited else self.compliance(form.body)
        stage = OPEN if form.paid else UNPAID
        if problems or awaited:
            violations = [one for one in problems if one["type"] == VIOLATION]
            status = awaited["status"] if awaited else PENDING
            if status != SUCCESS:
                self.note("refused", number, seq, form.body, codes=[one["code"] for one in problems])
                stage = PROBLEM
            if violations and status != SUCCESS and switches["problem_answer"] == "400_compliance":
                raise Refusal("COMPLIANCE", *((one["code"], None, one["description"]) for one in problems))
            made = self._record(number, form, status, stage, problems)
            made["isCompliant"] = not violations
            if status == AGE_FAILED:
                made["ageVerification"] = {"verified": False, "idScanUrl": f"https://scan.example.com/{number}"}
        else:
            becomes = str(switches["status_after_create"])
            status = _FIRST.get(becomes, becomes)
            made = self._record(number, form, status, stage, [])
            made["ageVerification"] = {"verified": verified or status == SUCCESS, "idScanUrl": None}
        self._placed.add(number)
        self._quiet[number] = form.quiet
        self._ripening.pop(number, None)
        if switches["late_commit"] != "no":
            self._veil(number, before)
        self.note("updated" if before else "created", number, seq, form.body, status=status)
        if before is None:
            self._counted.discard(number)
        self._store(number, made, before, tell=before is not None and status != SUCCESS)
        if status == SUCCESS:
            self._accept(number, seq, before, form.body)
        elif status == PENDING and not problems and switches["status_after_create"] == "pending_then_success":
            self._ripening[number] = READS_LATE
        return self.orders[number]

    def _store(self, number: str, made: Record, before: Record | None, tell: bool = True) -> None:
        self.orders[number] = made
        self.shop.changed()
        if tell:
            self.told("orders", number, before, made)

    def _accept(self, number: str, seq: int, before: Record | None = None, sent: Record | None = None) -> None:
        """Accept an order: from now on it is sold.

        Args:
            before: what it was, where it is an older one that is accepted now.
            sent: what the client sent, where the order may not show all of it.
        """
        order = self.orders[number]
        older = before if sent is not None else order
        who, bottles = _person(order), sum(_quantities(order).values())
        customer = {**order["customer"], "id": self._customer(order)}
        after = {**order, "status": SUCCESS, "purchasedAt": self._at(), "customer": customer}
        after["ageVerification"] = {**order["ageVerification"], "verified": True}
        if number in self._counted:  # was accepted before, and something was wrong with it since
            self._store(number, {**after, "purchasedAt": order["purchasedAt"] or after["purchasedAt"]}, older)
            return
        self._counted.add(number)
        self._sold.append((who, self.clock.now(), bottles))
        self.catalog.moved(_quantities(order), -1)
        known = self._known_as(number, sent or order)
        self._accepted.setdefault(known, []).append(number)
        if len(self._accepted[known]) > 1:
            self._find("accepted_twice", number, seq, c7_order_id=known, numbers=list(self._accepted[known]))
        state = order["shipToAddress"]["stateCode"]
        self.note("accepted", number, seq, sent or order, state=state, total=order["total"], items=_quantities(order))
        self._mail(number, "confirmation")
        self._store(number, after, older)

    def _known_as(self, number: str, sent: Record) -> str:
        """Return the order's id at Commerce7; an order may show less than was sent, so the books are asked too."""
        noted = (row["c7_order_id"] for row in reversed(self.books) if row["number"] == number and row["c7_order_id"])
        return c7_id(sent) or next(noted, None) or number

    def accepted(self) -> dict[str, list[str]]:
        """Return the numbers of the orders that were ever accepted, by id at Commerce7, else by number."""
        return self._accepted

    def _bought(self, who: tuple[str, str]) -> int:
        since = self.clock.now() - timedelta(days=30)
        return sum(bottles for person, at, bottles in self._sold if person == who and at >= since)

    def _mail(self, number: str, about: str) -> None:
        if number in self._quiet and not self._quiet[number]:
            order = self.orders[number]
            self.mails.append({"number": number, "c7_order_id": self._known_as(number, order), "about": about,
                               "to": order["customer"]["email"], "at": iso(self.clock.now())})  # fmt: skip

    def _customer(self, order: Record) -> int:
        """Return the id of the buyer, who becomes a customer where nobody has the address yet."""
        customers, buyer = self.merchant.customers, order["customer"]
        email = str(buyer["email"]).lower()
        known = customers.get(self._customers.get(email, 0))
        stale = email in self._customers and (known is None or str(known["email"]).lower() != email)
        if stale or len(customers) != len(self._customers):
            self._customers = {str(one["email"]).lower(): id for id, one in customers.items() if one["email"]}
        if email not in self._customers:
            born, home = buyer["dateOfBirth"], buyer["address"]
            now = self.clock.now()
            made = Builder(self.merchant, now, now).customer(
                max(customers, default=700000) + 1, buyer["firstName"], buyer["lastName"],
                (order["shipToAddress"].get("phone") or {}).get("number"), buyer["email"],
                (born["year"], born["month"], born["day"]) if born else None,
                home.get("city"), home.get("stateCode"), home.get("postalCode"),
            )  # fmt: skip
            self._customers[email] = made["id"]
            self.told("customers", str(made["id"]), None, made)
        return self._customers[email]

    def _record(self, number: str, form: Form, status: str, stage: str, problems: list[Record]) -> Record:
        body = form.body
        buyer, to = dict(body["customer"]), dict(body["shipToAddress"])
        rate, note = dict(body["shippingRate"]), dict(body.get("specialInstructions") or {})
        meta = body.get("metaFields") if self.switches()["meta_fields"] == "echoed" else None
        phone = {"number": None, "country": None, "extension": None, **(to.get("phone") or {})}
        return {
            "orderNumber": number,
            "cartType": "API",
            "sourceUrl": body.get("sourceUrl"),
            "status": status,
            "orderStatus": stage,
            "customer": {
                "id": None,
                "email": buyer["email"],
                "firstName": buyer.get("firstName"),
                "lastName": buyer["lastName"],
                "fullName": _full(buyer),
                "address": _address(buyer.get("address") or {}),
                "dateOfBirth": buyer.get("dateOfBirth"),
                "wholesale": False,
                "company": None,
                "customerSince": None,
            },
            "shipToAddress": {
                "id": None,
                "salutation": None,
                "firstName": to.get("firstName"),
                "lastName": to["lastName"],
                "fullName": _full(to),
                "businessName": to.get("businessName"),
                **_address(to),
                "country": "US",
                "phoneNumber": phone["number"],
                "phone": phone if phone["number"] else None,
                "accessPoint": None,
                "description": None,
                "suspectedPOBox": False,
                "poBox": False,
                "linkedAddress": None,
            },
            "productDiscount": form.discount,
            "shippingDiscount": 0,
            "products": [
                {
                    "productId": line.product["id"],
                    "productName": line.product["name"],
                    "productVintage": None,
                    "sku": line.product["sku"],
                    "upc": "",
                    "category": "Wine",
                    "productTaxonomy": None,
                    "quantity": line.quantity,
                    "price": line.price,
                    "discount": 0,
                    "alcoholPercentage": None,
                    "packProductId": None,
                    "taxes": NO_TAXES,
                }
                for line in form.lines
            ],
            "packs": [],
            "shipping": {
                "carrier": rate["carrier"],
                "rateCode": rate.get("rateCode"),
                "rateDescription": UPS_RATES.get(str(rate.get("rateCode"))),
                "price": form.shipping,
                "shipper": SHIPPER,
                "packages": [],
                "taxes": NO_TAXES,
            },
            "extraFee": 0,
            "extraFeeDetails": [],
            "extraFees": [{"label": "Fees", "amount": form.fees, "description": None}] if form.fees else [],
            "extraFeesTotal": 0,
            "taxes": {"state": to["stateCode"], "stateTaxRate": 0, "stateTaxes": form.taxes},
            "taxesTotal": form.taxes,
            "taxesAdjusted": 0,
            "tipAmount": form.tip,
            "total": form.total,
            "specialInstructions": {
                "producerNote": note.get("producerNote"),
                "giftNote": note.get("giftNote"),
                "shipDate": note.get("shipDate"),
                "wineryNote": None,
            },
            "isCompliant": True,
            "purchasedAt": None,
            "canceledAt": None,
            "shippedAt": None,
            "deliveredAt": None,
            "cancelReason": None,
            "metaFields": {key: str(value) for key, value in (meta or {}).items()},
            "orderProblems": problems,
            "ageVerification": {"verified": False, "idScanUrl": None},
            "fulfillmentAccount": None,
            "store": STORE,
        }

    # Cancelling.

    def cancel(self, number: str, form: Record, seq: int) -> Record:
        """Cancel an order as a client asks for it; return it as it is shown then."""
        switches, order = self.switches(), self.find(number)
        if switches["restore_key"] == 400 and "restoreInventory" in form:
            text = 'Unrecognized field "restoreInventory"'
            raise Refusal("VALIDATION", ("unknown_property", "restoreInventory", text))
        if not str(form.get("reason") or "").strip():
            raise Refusal("VALIDATION", ("not_blank", "reason", "must not be blank"))
        if order["status"] != SUCCESS:
            self._not_cancelled("The order was not accepted; update it instead")
        stage = order["orderStatus"]
        if stage in GONE or (stage == LABELS and switches["cancel_after_label"] == 400):
            self._not_cancelled("The order was sent to fulfillment or shipped")
        if stage == CANCELLED and switches["second_cancel"] == "ok":
            return order
        if stage == CANCELLED and switches["second_cancel"] == 400:
            self._not_cancelled("The order was cancelled already")
        restored = form.get("restoreInventory") is True and switches["restore_key"] == "restoreInventory"
        if switches["cancel_shows"] == "after_2_reads" and stage != CANCELLED:
            self._veil(number, order)
        self.cancelled(number, str(form["reason"]), restored, seq)
        return order if number in self.shop.veiled else self.orders[number]

    def _not_cancelled(self, text: str) -> None:
        raise Refusal("VALIDATION", ("not_cancellable", None, text))

    def cancelled(self, number: str, reason: str, restored: bool, seq: int = 0) -> Record:
        """Cancel an order, whoever wants it: it stays, and a negative one is made."""
        order = self.find(number)
        negative = f"CR-{number}"
        while negative in self.orders:
            negative += "-2"
        after = {**order, "orderStatus": CANCELLED, "cancelReason": reason, "canceledAt": self._at()}
        correction = {
            **copy.deepcopy(after),
            "orderNumber": negative,
            "purchasedAt": self._at(),
            "canceledAt": None,
            "total": -order["total"],
            "products": [{**one, "quantity": -one["quantity"]} for one in order["products"]],
        }
        if restored:
            self.catalog.moved(_quantities(order), 1)
        self.note("cancelled", number, seq, order, by="api" if seq else "shop", negative=negative, restored=restored,
                  reason=reason)  # fmt: skip
        self._placed.add(negative)
        self._store(number, after, order)
        self._store(negative, correction, None)
        self._mail(number, "cancelled")
        return after

    # What the shop and the carrier do.

    def advance(self, number: str, body: Record) -> Record:
        """Let an order go on to its next stage, or to any one (`to`), at any time (`at`), in so many `packages`."""
        order = self.find(number)
        stage = order["orderStatus"]
        after = WAY[min(WAY.index(stage) + 1, len(WAY) - 1)] if stage in WAY else OPEN
        after = str(body.get("to") or after)
        if after == CANCELLED:
            return self.cancelled(number, str(body.get("reason") or "cancelled by the winery"), False)
        change: Record = {"orderStatus": after}
        if after in (OPEN, UNPAID):  # a label was cancelled, a cancellation undone
            self._following.pop(number, None)
            change |= dict.fromkeys(("shippedAt", "deliveredAt", "canceledAt", "cancelReason"))
            change["shipping"] = {**order["shipping"], "packages": []}
        if after in (LABELS, SHIPPED):
            self._pack(number, order, after, body.get("packages"), change)
        if after in (DELIVERED, PICKED_UP):
            change["deliveredAt"] = self._at(body.get("at"))
        if after == SHIPPED:
            change["shippedAt"] = self._at(body.get("at"))
        made = {**order, **change}
        self._store(number, made, order)
        if after == SHIPPED and stage != SHIPPED:
            self._mail(number, "shipped")
        return made

    def _pack(self, number: str, order: Record, stage: str, count: Any, change: Record) -> None:
        how = self.switches()["tracking"]
        packages = order["shipping"]["packages"]
        if not packages or count is not None:
            bottles = sum(_quantities(order).values())
            many = -(-bottles // BOTTLES_IN_A_BOX) if count is None else int(count)
            carrier = order["shipping"]["carrier"]
            packages = [{"carrier": carrier, "trackingNumber": None, "box": BOX} for _ in range(many)]
        if how == "with_label" or (how == "at_scan" and stage == SHIPPED):
            packages = [self._numbered(number, i, one) for i, one in enumerate(packages)]
        if how == "one_by_one" and stage == SHIPPED:
            packages = [self._numbered(number, i, one) if i == 0 else one for i, one in enumerate(packages)]
            self._following[number] = READS_LATE
        change["shipping"] = {**order["shipping"], "packages": packages}

    def _numbered(self, number: str, i: int, package: Record) -> Record:
        digits = "".join(re.findall(r"\d", number))[-8:]
        told = package["trackingNumber"] or f"1ZSANDBOX{self.merchant.account:04d}{digits:0>8}{i:02d}"
        return {**package, "trackingNumber": told}

    def track(self, number: str, tracking: str | None = None) -> Record:
        """Give the next package that has none its number; with `tracking`, that one, or another to the last package."""
        order = self.find(number)
        packages = list(order["shipping"]["packages"])
        bare = [i for i, one in enumerate(packages) if not one["trackingNumber"]]
        if bare or (tracking and packages):
            i = bare[0] if bare else len(packages) - 1
            packages[i] = (
                {**packages[i], "trackingNumber": tracking} if tracking else self._numbered(number, i, packages[i])
            )
        self._following.pop(number, None)
        if len(bare) > 1 and self.switches()["tracking"] == "one_by_one":
            self._following[number] = READS_LATE
        after = {**order, "shipping": {**order["shipping"], "packages": packages}}
        self._store(number, after, order)
        return after

    def trouble(self, number: str, problems: list[Record], status: str | None) -> Record:
        """Set what is wrong with an order, with the one that is there and with whatever is sent under its number.

        Args:
            problems: {code, description, type}, as much of each as matters; none, and no status: nothing is wrong.
            status: of the order then; SUCCESS: it is accepted all the same.
        """
        told = [{**problem(str(one.get("code") or "OTHER"), "Somebody has to look at it"), **one} for one in problems]
        if not told and status is None:
            self.awaited.pop(number, None)
            return {}
        self.awaited[number] = {"problems": told, "status": status or PROBLEM}
        order = self.orders.get(number)
        if order is not None:
            compliant = not any(one["type"] == VIOLATION for one in told)
            change = {"status": status or PROBLEM, "orderProblems": told, "isCompliant": compliant}
            self._store(number, {**order, **change}, order)
        return self.awaited[number]

    def approve_age(self, number: str) -> Record:
        """Approve an ID that somebody showed: the order has to be sent again, and is taken then."""
        self.awaited.pop(number, None)
        order = self.find(number)
        after = {**order, "ageVerification": {"verified": True, "idScanUrl": order["ageVerification"]["idScanUrl"]}}
        self._store(number, after, order, tell=False)
        return after

    def settle(self, number: str) -> Record:
        """Accept an order that is pending, or was paid for by hand: nothing is wrong with it any more."""
        self.awaited.pop(number, None)
        order = self.find(number)
        if order["status"] != SUCCESS:
            stage = OPEN if order["orderStatus"] == PROBLEM else order["orderStatus"]
            self.orders[number] = {**order, "orderProblems": [], "isCompliant": True, "orderStatus": stage}
            self._accept(number, 0)
        return self.orders[number]


def _person(order: Record) -> tuple[str, str]:
    buyer, to = order.get("customer") or {}, order.get("shipToAddress") or {}
    return str(buyer.get("email")).lower(), str(to.get("stateCode"))


def _quantities(order: Record) -> dict[str, int]:
    found: dict[str, int] = {}
    for one in order["products"]:
        found[one["sku"]] = found.get(one["sku"], 0) + one["quantity"]
    return found


def _full(person: Record) -> str:
    return " ".join(filter(None, (person.get("firstName"), person.get("lastName"))))


def _address(given: Record) -> Record:
    return {key: given.get(key) for key in ("street1", "street2", "city", "postalCode", "stateCode")}
