"""Writes the order that is sent, and what is kept of it (orders.md 5): a table of targets and where each is taken from.

Data flow: `ShopOrder` + `Known` -> `Payload` (the body, what is kept of it, notes), or `Unsendable` with the code.

A key without a source is left out. Money is Decimal with two places, which `domain.codec.encode` writes digit by digit.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any, Final
from urllib.parse import quote
from zoneinfo import ZoneInfo

from vs_st_pipeline.domain.formats import parse_moment
from vs_st_pipeline.domain.shop_order import ShopAddress, ShopOrder
from vs_st_pipeline.routes.orders import lines, people, rates
from vs_st_pipeline.routes.orders.known import Known
from vs_st_pipeline.routes.orders.lines import Goods, Says
from vs_st_pipeline.routes.orders.money import cents, dollars
from vs_st_pipeline.routes.orders.settings import OrdersSettings
from vs_st_pipeline.routes.orders.texts import clean, plain

PAID_KEYS: Final = {"both": ("paid", "isPaid"), "paid": ("paid",), "isPaid": ("isPaid",), "Paid": ("Paid",)}
MAY_BE_DROPPED: Final = frozenset(
    {"businessName", "sourceUrl", "metaFields", "fees", "disableCustomerNotifications", "paid", "isPaid"}
)
"""Keys that no page spells; where one is refused, the merchant's orders go without it from then on."""


class Unsendable(Exception):
    """The order cannot be written; `code` and `says` as of a rule."""

    def __init__(self, code: str, says: Says) -> None:
        super().__init__(code)
        self.code = code
        self.says = dict(says)


@dataclass(frozen=True, slots=True)
class Payload:
    """An order as it is sent.

    Attributes:
        number: at the shipper. body: of the request; never shown whole (it names people).
        sent: what is kept: lines, money, rate, ship date, state, ZIP; nobody's data, and amounts as texts.
        notes: words that hold as long as it is sent like this, and what each says.
    """

    number: str
    body: dict[str, Any] = field(repr=False)
    sent: dict[str, Any]
    notes: Mapping[str, str]


# --- what keeps an order from being written, in the order of the rules (4.1, last row) ------------------------------


def _no_email(order: ShopOrder, known: Known) -> Says | None:
    return None if people.email(order) else {}


def _no_name(order: ShopOrder, known: Known) -> Says | None:
    return None if people.buyer(order) else {}


def _of_lines(check: Callable[[ShopOrder, str], Says | None]) -> Callable[[ShopOrder, Known], Says | None]:
    return lambda order, known: check(order, known.settings.bundles)


def _unknown_rate(order: ShopOrder, known: Known) -> Says | None:
    way = rates.unknown(order.shipping, known.settings.rates)
    return None if way is None else {"carrier": plain(way.carrier), "code": plain(way.code)}


def _several_rates(order: ShopOrder, known: Known) -> Says | None:
    found = rates.all_of(order.shipping, known.settings.rates)
    return {"rates": [f"{one.carrier} {one.code}" for one in found]} if len(found) > 1 else None


def _unknown_sku(order: ShopOrder, known: Known) -> Says | None:
    if known.catalogue is None:
        return None
    sent = {line.sku for line in lines.goods(order, known.settings.bundles).lines}
    return {"skus": sorted(sent - known.catalogue)} if sent - known.catalogue else None


FAULTS: Final[tuple[tuple[str, Callable[[ShopOrder, Known], Says | None]], ...]] = (
    ("no_email", _no_email),
    ("no_name", _no_name),
    ("no_sku", _of_lines(lines.no_sku)),
    ("bad_quantity", _of_lines(lines.bad_quantity)),
    ("bad_money", _of_lines(lines.bad_money)),
    ("sum_mismatch", _of_lines(lines.sum_mismatch)),
    ("bundle_unclear", _of_lines(lines.bundle_unclear)),
    ("unknown_rate", _unknown_rate),
    ("several_rates", _several_rates),
    ("unknown_sku", _unknown_sku),
)


# --- the body -------------------------------------------------------------------------------------------------------


def build(order: ShopOrder, known: Known) -> Payload:
    """Return the order as it is sent.

    Raises:
        Unsendable: with the code of the first rule of 5 that says no. The other rules are not asked: `rules.judge` is.
    """
    for code, fits in FAULTS:
        if (says := fits(order, known)) is not None:
            raise Unsendable(code, says)
    goods = lines.goods(order, known.settings.bundles)
    if order.ship_to is None or not goods.lines:
        raise Unsendable("nothing_to_ship" if order.ship_to else "no_destination", {})
    notes: dict[str, str] = {}
    money = _money(order, goods)
    body: dict[str, Any] = {
        "orderNumber": known.number_of(order),
        "sourceUrl": f"https://{known.tenant}.admin.platform.commerce7.com/store/order/{quote(order.id, safe='')}",
        "metaFields": {"c7_order_id": order.id, "c7_tenant": known.tenant},
        "customer": _customer(order, known, notes),
        "shipToAddress": _ship_to(order, order.ship_to, notes),
        "productIdType": "SKU",
        "products": [
            {"productId": line.sku, "quantity": line.quantity, "price": dollars(line.price)} for line in goods.lines
        ],
        "shippingRate": _rate(order, known) | {"price": dollars(money["shipping"])},
        "taxes": dollars(money["taxes"]),
        "fees": dollars(money["fees"]) if money["fees"] else None,
        "discount": _discount(money["discount"]),
        "specialInstructions": _instructions(order, known, notes),
        "disableCustomerNotifications": not known.settings.vinoshipper_mails,
        **dict.fromkeys(_paid_keys(known.settings, known.dropped_keys), True),
    }
    body = _without(body, known.dropped_keys & MAY_BE_DROPPED - {"paid", "isPaid"})
    if (short := cents(order.taxes_adjusted)) is not None and short < 0:
        notes["tax_short"] = f"{dollars(-short)}"
    if "fees" not in body:
        money["fees"] = 0
    return Payload(body["orderNumber"], body, _sent(body, goods, money), notes)


def _paid_keys(settings: OrdersSettings, dropped: Collection[str]) -> tuple[str, ...]:
    wanted = PAID_KEYS[settings.paid_key]
    return tuple(key for key in wanted if key not in dropped) or wanted[:1]


def _without(body: dict[str, Any], dropped: Collection[str]) -> dict[str, Any]:
    """Return an object without dropped keys and without those that have no source, at any depth."""
    found = {key: _without(one, dropped) if isinstance(one, dict) else one for key, one in body.items()}
    return {key: one for key, one in found.items() if key not in dropped and one is not None and one != {}}


def _customer(order: ShopOrder, known: Known, notes: dict[str, str]) -> dict[str, Any]:
    who, born = people.buyer(order), people.birth_date(order, known.today)
    if born is None:
        notes["no_birth_date"] = ""
    return {
        "email": people.email(order),
        "firstName": who and who.first,
        "lastName": who and who.last,
        "address": _address(people.billing_address(order)),
        "dateOfBirth": born and {"day": born.day, "month": born.month, "year": born.year},
    }


def _ship_to(order: ShopOrder, to: ShopAddress, notes: dict[str, str]) -> dict[str, Any]:
    who, phone = people.recipient(order), people.phone(order)
    if phone is None:
        notes["no_phone"] = ""
    return {
        "firstName": who and who.first,
        "lastName": who and who.last,
        "businessName": clean(to.company),
        **_address(to),
        "country": "US",
        "phone": phone and {"number": phone, "country": 1},
    }


def _address(at: ShopAddress | None) -> dict[str, Any]:
    if at is None:
        return {}
    return {
        "street1": clean(at.street1),
        "street2": clean(at.street2),
        "city": clean(at.city),
        "stateCode": people.state(at),
        "postalCode": people.zip_code(at.zip_code) or clean(at.zip_code),
    }


def _rate(order: ShopOrder, known: Known) -> dict[str, Any]:
    (found,) = rates.all_of(order.shipping, known.settings.rates)
    return {"carrier": found.carrier, "rateCode": found.code}


def _money(order: ShopOrder, goods: Goods) -> dict[str, int]:
    """Return what is sent, in cents; tips are not."""
    taxes = cents(order.tax_total) or 0
    if goods.left_out:
        taxes = goods.taxes + sum(cents(way.tax) or 0 for way in order.shipping)
    return {
        "lines": goods.sum,
        "shipping": cents(order.ship_total) or 0,
        "taxes": taxes,
        "fees": goods.deposits,
        "discount": goods.discount,  # with lines left out there is none (`sum_mismatch`)
    }


def _discount(amount: int) -> dict[str, Any] | None:
    return {"productDiscount": {"type": "DOLLAR", "value": dollars(amount)}} if amount else None


def _instructions(order: ShopOrder, known: Known, notes: dict[str, str]) -> dict[str, Any]:
    day, wanted = ship_date(order.requested_ship_date, known.zone), clean(order.requested_ship_date)
    if wanted and (day is None or day < known.today):
        notes["ship_date_past"] = day.isoformat() if day else "not a date"
        day = None
    return {
        "shipDate": day and day.isoformat(),
        "giftNote": clean(order.gift_message),
        "producerNote": clean(order.shipping_instructions),
    }


def ship_date(text: str | None, zone: ZoneInfo) -> date | None:
    """Return the day on which an order is wanted to leave; None where none is written, or none that can be read.

    A time at exactly midnight UTC is a plain date, which has no zone; any other is a day in the merchant's zone.
    """
    moment = parse_moment(text, zone)
    if not isinstance(moment, datetime):
        return moment
    at = moment.astimezone(UTC)
    return at.date() if at.time() == datetime.min.time() else at.astimezone(zone).date()


def _sent(body: Mapping[str, Any], goods: Goods, money: Mapping[str, int]) -> dict[str, Any]:
    """Return what is kept of an order that is sent."""
    to, rate = body["shipToAddress"], body["shippingRate"]
    total = money["lines"] + money["shipping"] + money["taxes"] + money["fees"] - money["discount"]
    return {
        "lines": [
            {"sku": line.sku, "quantity": line.quantity, "price": f"{dollars(line.price)}"} for line in goods.lines
        ],
        "money": {name: f"{dollars(amount)}" for name, amount in {**money, "total": total}.items()},
        "rate": {"carrier": rate["carrier"], "code": rate["rateCode"]},
        "ship_date": body.get("specialInstructions", {}).get("shipDate"),
        "state": to.get("stateCode"),
        "zip": people.zip5(to.get("postalCode")),
    }
