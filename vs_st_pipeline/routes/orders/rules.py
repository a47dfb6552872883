"""Judges an order: the table of the contract, top to bottom, the first row that applies (orders.md 4.1).

Data flow: `ShopOrder` + `Known` -> `Verdict`: may be sent (with the payload), or why not.

`passable` is the table's `*`: our own caution, which a person may pass by naming the code; `look_first` is its `+`: the
shipper is read once before this is recorded of an order that is seen for the first time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from vs_st_pipeline.domain.shop_order import ShopAddress, ShopOrder
from vs_st_pipeline.routes.orders import birth, linked, payload, people, zips
from vs_st_pipeline.routes.orders.known import Known
from vs_st_pipeline.routes.orders.lines import Says, goes
from vs_st_pipeline.routes.orders.payload import Payload
from vs_st_pipeline.routes.orders.sentences import sentence
from vs_st_pipeline.routes.orders.states import State, ThereCode, Waits
from vs_st_pipeline.routes.orders.texts import clean, plain, word
from vs_st_pipeline.routes.orders.us import is_us, state_code

__all__ = ["CODES", "PASSABLE", "RULES", "Known", "Rule", "Verdict", "judge", "sentence"]

Fits = Callable[[ShopOrder, Known], Says | None]

METHODS: Final = ("ship", "pickup", "carry out")
PAYMENTS: Final = ("paid", "authorized", "cancelled")
FULFILMENTS: Final = ("not fulfilled", "partially fulfilled", "fulfilled", "no fulfillment required")


@dataclass(frozen=True, slots=True)
class Rule:
    """A row of the table.

    Attributes:
        fits: returns what the code's sentence names (nobody's data) where the row applies, else None.
        passable: a person may pass it. look_first: the shipper is read before it is recorded.
    """

    state: State
    code: str
    fits: Fits
    passable: bool = False
    look_first: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the rules say of an order.

    Attributes:
        state: SENDING: it may be sent, and `code` is None.
        says: what the code's sentence names. notes: what is to be noted of it, and what each note says.
        payload: of an order that may be sent.
    """

    state: State
    code: str | None
    says: Mapping[str, Any] = field(default_factory=dict)
    look_first: bool = False
    passable: bool = False
    notes: Mapping[str, str] = field(default_factory=dict)
    payload: Payload | None = field(default=None, repr=False)


# --- what each row asks ---------------------------------------------------------------------------------------------


def _when(asks: Callable[[ShopOrder, Known], bool]) -> Fits:
    """Return a row that only says whether it applies."""
    return lambda order, known: {} if asks(order, known) else None


def _one_of(key: str, value: Callable[[ShopOrder], str | None], documented: tuple[str, ...]) -> Fits:
    """Return a row that applies where a value is none that the shop documents."""

    def fits(order: ShopOrder, known: Known) -> Says | None:
        written = value(order)
        return None if word(written) in documented else {"key": key, "value": plain(written)}

    return fits


def _ship_to(order: ShopOrder) -> ShopAddress:
    """Return where an order goes; an address without a word where it has none."""
    return order.ship_to or ShopAddress()


def _no_destination(order: ShopOrder, known: Known) -> Says | None:
    to = order.ship_to
    if to is None:
        return {"lacks": "address"}
    country = clean(to.country_code)
    if country is None:
        return {"lacks": "country"}
    return {"lacks": "state"} if is_us(country) and state_code(to.state_code) is None else None


def _country(order: ShopOrder, known: Known) -> Says | None:
    country = clean(_ship_to(order).country_code) or ""
    return None if is_us(country) else {"country": plain(country)}


def _state_not_chosen(order: ShopOrder, known: Known) -> Says | None:
    state = people.state(order.ship_to)
    return None if state in known.settings.states else {"state": state}


def _unread_links(order: ShopOrder, known: Known) -> Says | None:
    unread = {*order.linked} - {one.id for one in known.linked} - known.absent
    return {"linked_orders": len(unread)} if unread else None


def _late(order: ShopOrder, known: Known) -> Says | None:
    age, most = known.now - order.paid_at, known.settings.not_later_than
    return {"days": age.days} if age > most else None


def _address(order: ShopOrder, known: Known) -> Says | None:
    to = _ship_to(order)
    parts = {"street": clean(to.street1), "city": clean(to.city), "ZIP": people.zip_code(to.zip_code)}
    lacks = [name for name, value in parts.items() if not value]
    return {"lacks": lacks} if lacks else None


def _zip_state(order: ShopOrder, known: Known) -> Says | None:
    return _zip_elsewhere(order) if known.settings.zip_state == "hold" else None


def _zip_elsewhere(order: ShopOrder) -> Says | None:
    to = _ship_to(order)
    state, digits = people.state(to), (people.zip5(to.zip_code) or "")[:3]
    if not zips.belongs_elsewhere(digits, state):
        return None
    return {"zip": digits, "state": state, "states": sorted(zips.STATES_OF[digits])}


def _under_age(order: ShopOrder, known: Known) -> bool:
    return any(birth.is_too_young(one, known.today) for one in people.birth_dates(order))


_TYPE = _one_of("purchaseType", lambda order: order.purchase_type, tuple(linked.TYPES))
_METHOD = _one_of("orderDeliveryMethod", lambda order: order.delivery_method, METHODS)
_PAYMENT = _one_of("paymentStatus", lambda order: order.payment_status, PAYMENTS)
_FULFILMENT = _one_of("fulfillmentStatus", lambda order: order.fulfillment_status, FULFILMENTS)


def _method(name: str) -> Fits:
    return _when(lambda order, known: word(order.delivery_method) == name)


def _payment(name: str) -> Fits:
    return _when(lambda order, known: word(order.payment_status) == name)


def _fulfilment(*names: str) -> Fits:
    return _when(lambda order, known: word(order.fulfillment_status) in names)


# --- the table ------------------------------------------------------------------------------------------------------

NOT_REQUIRED, FAILED, WAITING = State.NOT_REQUIRED, State.FAILED, State.WAITING

RULES: Final = (
    Rule(NOT_REQUIRED, "before_start", _when(lambda order, known: order.paid_at < known.settings.start_at(known.zone))),
    Rule(NOT_REQUIRED, "dont_send", _when(lambda order, known: known.dont_send)),
    Rule(
        FAILED, ThereCode.FORGOTTEN.value, _when(lambda order, known: known.forgotten)
    ),  # section 10: of it nothing is left
    Rule(NOT_REQUIRED, "exchange", _when(lambda order, known: linked.is_exchange(order))),
    Rule(NOT_REQUIRED, "refund", _when(lambda order, known: linked.is_refund(order))),
    Rule(FAILED, "unknown_value", _TYPE),
    Rule(FAILED, "unknown_value", _METHOD),
    Rule(NOT_REQUIRED, "carry_out", _method("carry out")),
    Rule(NOT_REQUIRED, "pickup", _method("pickup")),
    Rule(FAILED, "no_destination", _no_destination),
    Rule(NOT_REQUIRED, "country", _country),
    Rule(NOT_REQUIRED, "state_not_chosen", _state_not_chosen),
    Rule(FAILED, "unknown_value", _PAYMENT),
    Rule(NOT_REQUIRED, "cancelled", _payment("cancelled"), look_first=True),
    Rule(FAILED, "unknown_value", _FULFILMENT),
    Rule(NOT_REQUIRED, "fulfilled_already", _fulfilment("fulfilled", "no fulfillment required"), look_first=True),
    Rule(NOT_REQUIRED, "nothing_to_ship", _when(lambda order, known: not any(map(goes, order.lines)))),
    Rule(
        NOT_REQUIRED,
        "refunded",
        _when(lambda order, known: linked.taken_back(order, known.linked).wholly),
        look_first=True,
    ),
    Rule(
        FAILED,
        "partly_refunded",
        _when(lambda order, known: linked.taken_back(order, known.linked).partly),
        look_first=True,
    ),
    Rule(WAITING, Waits.TRY_LATER.value, _unread_links),  # what is not read may be a refund
    Rule(WAITING, "not_paid", _payment("authorized")),
    Rule(FAILED, "quarantined", _when(lambda order, known: word(order.compliance_status) in ("quarantined", "void"))),
    Rule(FAILED, "partly_fulfilled", _fulfilment("partially fulfilled"), look_first=True),
    Rule(FAILED, "late", _late, passable=True, look_first=True),
    Rule(FAILED, "carrier_pickup", _when(lambda order, known: order.carrier_pickup), passable=True),
    Rule(FAILED, "address", _address),
    Rule(FAILED, "zip_state", _zip_state, passable=True),
    Rule(FAILED, "under_age", _when(_under_age)),
    *(Rule(FAILED, code, fits) for code, fits in payload.FAULTS),  # no_email ... unknown_sku
)
CODES: Final = tuple(dict.fromkeys(rule.code for rule in RULES))
PASSABLE: Final = frozenset(rule.code for rule in RULES if rule.passable)
NEVER_LOOKED_FOR: Final = frozenset({"before_start", "dont_send", "exchange", "refund"})
"""Codes that are recorded without a look at the shipper even in the first sync of a new or lost ledger (ruling 4)."""


def judge(order: ShopOrder, known: Known) -> Verdict:
    """Return what the rules say of an order; pure, and the same for the same order and knowledge."""
    for rule in RULES:
        if rule.passable and rule.code in known.accept:
            continue
        if (says := rule.fits(order, known)) is not None:
            return Verdict(rule.state, rule.code, says, rule.look_first, rule.passable)
    written = payload.build(order, known)
    notes = dict(written.notes)
    if known.settings.zip_state == "note" and (elsewhere := _zip_elsewhere(order)) is not None:
        notes["zip_state"] = f"{elsewhere['zip']} is {', '.join(elsewhere['states'])}"
    return Verdict(State.SENDING, None, notes=notes, payload=written)
