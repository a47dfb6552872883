"""Reads an order as a client sends it: what makes it no order at all, and what stands against it."""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

from vs_st_pipeline.sandbox.core.asgi import Answer, Record, json_answer
from vs_st_pipeline.sandbox.vinoshipper.catalog import Catalog

OF_AGE = 21
CARRIERS = ("UPS", "FEDEX", "GLS", "SELF")
UPS_RATES = {"01": "UPS Next Day Air", "02": "UPS 2nd Day Air", "03": "UPS Ground", "12": "UPS 3 Day Select",
             "14": "UPS Next Day Air Early"}  # fmt: skip
REQUIRED = {
    "customer": ("email", "lastName"),
    "shipToAddress": ("lastName", "street1", "city", "stateCode", "postalCode"),
}
PAID_KEYS = ("paid", "isPaid", "Paid")
UNSURE_KEYS = ("businessName", "sourceUrl", "fees", "disableCustomerNotifications")
"""Keys that no page spells; `unknown_keys` may refuse them."""
VIOLATION = "COMPLIANCE_VIOLATION"
_PO_BOX = re.compile(r"\bp\.?\s*o\.?\s*box\b|\bpost office box\b", re.IGNORECASE)


class Refusal(Exception):
    """A request that is refused; errors are (code, field, text)."""

    def __init__(self, type: str, *errors: tuple[str, str | None, str], status: int = 400) -> None:
        super().__init__(type, errors)
        self.type = type
        self.errors = errors
        self.status = status

    def answer(self) -> Answer:
        """Return the answer in the words of the shop."""
        told = [{"description": text, "code": code, "field": field, "shortDescription": None}
                for code, field, text in self.errors]  # fmt: skip
        return json_answer({"error": {"status": self.status, "type": self.type, "errors": told}}, self.status)


class Line(NamedTuple):
    """A line of an order: the product, how many, and at which price."""

    product: Record
    quantity: int
    price: Decimal


class Form(NamedTuple):
    """An order that can be kept.

    Attributes:
        paid: whether the key that the shop knows said so.
        quiet: whether the shop is to mail nobody about it.
    """

    body: Record
    lines: list[Line]
    shipping: Decimal
    taxes: Decimal
    fees: Decimal
    discount: Decimal
    tip: Decimal
    paid: bool
    quiet: bool

    @property
    def goods(self) -> Decimal:
        """Return the sum of the lines."""
        return sum((line.price * line.quantity for line in self.lines), Decimal(0))

    @property
    def total(self) -> Decimal:
        """Return what the order costs."""
        return self.goods + self.shipping + self.taxes + self.fees + self.tip - self.discount

    @property
    def items(self) -> dict[str, int]:
        """Return the quantities, by SKU."""
        found: dict[str, int] = {}
        for line in self.lines:
            found[line.product["sku"]] = found.get(line.product["sku"], 0) + line.quantity
        return found


def c7_id(body: Record) -> str | None:
    """Return the id at Commerce7 that an order names, as sent or as kept."""
    named = _inside(body, "metaFields").get("c7_order_id")
    url = str(body.get("sourceUrl") or "")
    return str(named) if named else url.rpartition("/order/")[2] if "/order/" in url else None


def refuse_keys(body: Record, how: Any, paid_key: str) -> None:
    """Refuse the first key that the shop does not know, where it minds.

    Args:
        how: ignored; 400: what no page spells is refused; or a list of the keys that are.
    """
    if how == "ignored":
        return
    unknown = how if isinstance(how, list) else [*UNSURE_KEYS, *(key for key in PAID_KEYS if key != paid_key)]
    to = body.get("shipToAddress")
    places = [(body, ""), (to if isinstance(to, dict) else {}, "shipToAddress.")]
    for holder, before in places:
        for key in holder:
            if key in unknown:
                raise Refusal("VALIDATION", ("unknown_property", before + key, f'Unrecognized field "{key}"'))


def read(body: Record, catalog: Catalog, switches: Record) -> Form:
    """Return the order, or refuse it with all that is wrong about its form."""
    errors: list[tuple[str, str | None, str]] = []

    def wrong(field: str, text: str, code: str = "invalid") -> None:
        errors.append((code, field, text))

    for holder, required in REQUIRED.items():
        for key in required:
            if not str(_inside(body, holder).get(key) or "").strip():
                wrong(f"{holder}.{key}", "must not be blank", "not_blank")
    email, to = _inside(body, "customer").get("email"), _inside(body, "shipToAddress")
    if email and not re.fullmatch(r"[^@\s]+@[^@\s]+", str(email)):
        wrong("customer.email", "must be a well-formed e-mail address")
    if to.get("postalCode") and not re.fullmatch(r"\d{5}(-?\d{4})?", str(to["postalCode"])):
        wrong("shipToAddress.postalCode", "Postal code is not valid")
    if to.get("stateCode") and not re.fullmatch(r"[A-Z]{2}", str(to["stateCode"])):
        wrong("shipToAddress.stateCode", "State is not valid")
    if str(to.get("country") or "US") != "US":
        wrong("shipToAddress.country", "Country is not valid")
    born = _inside(body, "customer").get("dateOfBirth")
    if born is not None and _day(born) is None:
        wrong("customer.dateOfBirth", "Date of birth is not valid")
    rate = _inside(body, "shippingRate")
    if rate.get("carrier") not in CARRIERS:
        wrong("shippingRate.carrier", f"must be one of {', '.join(CARRIERS)}")
    elif rate["carrier"] == "UPS" and rate.get("rateCode") not in UPS_RATES:
        wrong("shippingRate.rateCode", "no such rate")
    note = _inside(body, "specialInstructions").get("shipDate")
    if note is not None and not _is_day(note):
        wrong("specialInstructions.shipDate", "must be a date of the form yyyy-MM-dd")
    amounts = {}
    for name, value in (("shippingRate.price", rate.get("price")), ("taxes", body.get("taxes")),
                        ("fees", body.get("fees")), ("tip", body.get("tip"))):  # fmt: skip
        amounts[name] = _money(0 if value is None else value)
        if amounts[name] is None:
            wrong(name, "must be an amount")
    if not isinstance(body.get("metaFields", {}), dict):
        wrong("metaFields", "must be an object")
    lines = _lines(body, catalog, switches, wrong)
    discount = _discount(body, sum((line.price * line.quantity for line in lines), Decimal(0)))
    if discount is None:
        wrong("discount", "must be a discount")
    if errors or discount is None:
        raise Refusal("VALIDATION", *errors)
    shipping, taxes, fees, tip = (amount or Decimal(0) for amount in amounts.values())
    paid, quiet = body.get(switches["paid_key"]) is True, body.get("disableCustomerNotifications") is True
    return Form(body, lines, shipping, taxes, fees, discount, tip, paid, quiet)


def _inside(body: Record, key: str) -> Record:
    found = body.get(key)
    return found if isinstance(found, dict) else {}


def _lines(body: Record, catalog: Catalog, switches: Record, wrong: Any) -> list[Line]:
    how, given = body.get("productIdType"), body.get("products")
    if how not in ("SKU", "VS_ID"):
        wrong("productIdType", "must be SKU or VS_ID")
    if not isinstance(given, list) or not given:
        wrong("products", "must not be empty", "not_empty")
        return []
    found: list[Line] = []
    for i, one in enumerate(given):
        one = one if isinstance(one, dict) else {}
        product = catalog.named(one.get("productId"), str(how), switches["sku_match"])
        quantity, price = one.get("quantity"), _money(one.get("price"))
        if product is None:
            wrong(f"products[{i}].productId", f"Product {one.get('productId')} was not found", "not_found")
        elif isinstance(quantity, bool) or not isinstance(quantity, int) or quantity < 1:
            wrong(f"products[{i}].quantity", "must be a whole number above 0")
        elif price is None:
            wrong(f"products[{i}].price", "must be an amount")
        else:
            found.append(Line(product, quantity, price))
    if switches["duplicate_lines"] == "kept":
        return found
    kept: dict[str, Line] = {}
    for line in found:
        sku = line.product["sku"]
        if sku in kept and switches["duplicate_lines"] == 400:
            wrong("products", f"Product {sku} is there more than once", "duplicate")
        before = kept.get(sku) if switches["duplicate_lines"] == "merged" else None
        kept[sku] = before._replace(quantity=before.quantity + line.quantity) if before else line
    return list(kept.values())


def _discount(body: Record, goods: Decimal) -> Decimal | None:
    if body.get("discount") is None:
        return Decimal(0)
    how = _inside(_inside(body, "discount"), "productDiscount")
    value = _money(how.get("value", 0))
    if value is None:
        return None
    kinds = {"DOLLAR": value, "FLAT_RATE": value, "PERCENT": (goods * value / 100).quantize(Decimal("0.01")),
             "FREE": goods}  # fmt: skip
    return kinds.get(str(how.get("type")))


def _money(value: Any) -> Decimal | None:
    """Return an amount from 0 up with no more than two places; a text of one will do."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal | str):
        return None
    try:
        amount = Decimal(value)
    except InvalidOperation:
        return None
    return amount if amount.is_finite() and amount >= 0 and amount == round(amount, 2) else None


def _is_day(text: Any) -> bool:
    try:
        return len(str(text)) == 10 and bool(date.fromisoformat(str(text)))
    except ValueError:
        return False


def _day(born: Any) -> date | None:
    try:
        return date(int(born["year"]), int(born["month"]), int(born["day"]))
    except (TypeError, KeyError, ValueError):
        return None


# What the law and the catalog have against it.


def problems_of(
    body: Record, catalog: Catalog, match: str, closed: tuple[str, ...], today: date, bottles_before: int, most: int
) -> list[Record]:
    """Return the problems of an order, or of what is asked about before there is one; what is missing is none."""
    found: list[Record] = []
    to, buyer = _inside(body, "shipToAddress"), _inside(body, "customer")
    state = str(to.get("stateCode") or "")
    if state in closed:
        found.append(problem("STATE_CLOSED", f"Wine cannot be shipped to {state}"))
    if any(_PO_BOX.search(str(to.get(key) or "")) for key in ("street1", "street2")):
        found.append(problem("PO_BOX", "Wine cannot be shipped to a PO box"))
    born = _day(buyer.get("dateOfBirth"))
    if born and (today.year - born.year - ((today.month, today.day) < (born.month, born.day))) < OF_AGE:
        found.append(problem("UNDER_AGE", "The customer is not of legal age"))
    bottles = bottles_before
    given = body.get("products")
    for one in given if isinstance(given, list) else ():
        one = one if isinstance(one, dict) else {}
        product = catalog.named(one.get("productId"), str(body.get("productIdType") or "SKU"), match)
        if product is None:
            found.append(problem("PRODUCT_NOT_FOUND", f"Product {one.get('productId')} was not found", "PRODUCT"))
        elif not product["approved"]:
            found.append(problem("PRODUCT_NOT_APPROVED", f"Product {product['sku']} is not approved", VIOLATION))
        quantity = one.get("quantity")
        bottles += quantity if isinstance(quantity, int) else 0
    if bottles > most:
        found.append(problem("STATE_VOLUME", f"More than {most} bottles to one person within thirty days"))
    return found


def problem(code: str, text: str, type: str = VIOLATION) -> Record:
    """Return an entry of `orderProblems`."""
    return {"code": code, "description": text, "type": type}
