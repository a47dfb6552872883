"""Names what a route asks of a shipper about orders, and what its connector answers.

Data flow: a route -> `OrderDesk` -> `HeldOrder`, `WriteAnswer`, `Catalogue`.

A connector knows its API: how an order is written and read, and what an answer to a write means (orders.md 6.3). It
never decides whether an order may be sent, stores nothing, and sends what it is given once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Protocol

from vs_st_pipeline.domain.errors import PipelineError


class Compliance(StrEnum):
    """What the shipper said of whether an order may be shipped by law (orders.md 4.3)."""

    COMPLIANT = "compliant"
    NOT_COMPLIANT = "not_compliant"
    NOT_CHECKED = "not_checked"


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem of an order, as it came; a description may name somebody, so it is masked where it is shown."""

    code: str | None
    description: str | None
    type: str | None


@dataclass(frozen=True, slots=True)
class Package:
    """A parcel; both are None where they are not known yet."""

    carrier: str | None
    tracking_number: str | None


@dataclass(frozen=True, slots=True)
class HeldOrder:
    """An order as the shipper shows it when it is read singly, or answers a write with it.

    What the answer does not tell, or tells in another form, is None. Times are UTC without zone.

    Attributes:
        status: word of the sale, such as SUCCESS, PENDING; order_status: of the parcel, such as OPEN, SHIPPED. As they
            came, in capital letters.
        compliance: by `isCompliant`, problems and `status` (4.3).
        shop_order_id: id of the order at the shop, as we wrote it (`metaFields.c7_order_id`); None: not shown.
        zip5, state: where it ships. quantities: by SKU. ship_date: as wanted. total: dollars.
        tells_ship_date: whether it tells a day to ship, or that there is none.
        taxes_adjusted: taxes as sent, less those that the shipper reckons; below zero it bills the difference.
        body: the answer's exact JSON text.
    """

    number: str
    status: str | None
    order_status: str | None
    compliance: Compliance = Compliance.NOT_CHECKED
    problems: tuple[Problem, ...] = ()
    age_verified: bool | None = None
    shop_order_id: str | None = None
    zip5: str | None = None
    state: str | None = None
    quantities: Mapping[str, int] | None = None
    ship_date: date | None = None
    tells_ship_date: bool = False
    total: Decimal | None = None
    taxes: Decimal | None = None
    taxes_adjusted: Decimal | None = None
    packages: tuple[Package, ...] = ()
    purchased_at: datetime | None = None
    shipped_at: datetime | None = None
    delivered_at: datetime | None = None
    canceled_at: datetime | None = None
    cancel_reason: str | None = field(default=None, repr=False)
    trace_id: str | None = None
    body: str = field(default="", repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class HeldRow:
    """An order as a row of a search shows it: no sale's status, no packages, no problems. digest: of the whole row."""

    number: str
    order_status: str | None
    total: Decimal | None
    digest: str


# --- answers to a write -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Done:
    """2xx in JSON that names the order."""

    held: HeldOrder
    http_status: int | None = None


@dataclass(frozen=True, slots=True)
class RefusedWrite:
    """JSON 400 or 422: certainly not taken, and the shipper says why.

    Attributes:
        code: type of the error. is_compliance: it says that the order may not be shipped by law.
        unknown_keys: keys of ours that it does not know, as far as the answer names any.
    """

    code: str | None
    problems: tuple[Problem, ...] = ()
    is_compliance: bool = False
    unknown_keys: tuple[str, ...] = ()
    http_status: int | None = None
    trace_id: str | None = None


@dataclass(frozen=True, slots=True)
class Conflict:
    """The number is taken: by an earlier try of ours, or by somebody else's order. A read tells."""

    http_status: int | None = None
    trace_id: str | None = None


@dataclass(frozen=True, slots=True)
class NotReached:
    """It certainly was not taken: too many requests, a block page in front of the system, no connection."""

    error: PipelineError


@dataclass(frozen=True, slots=True)
class UnknownOutcome:
    """It may have been taken. `why`: kind of the error."""

    why: str
    http_status: int | None = None
    trace_id: str | None = None


WriteAnswer = Done | RefusedWrite | Conflict | NotReached | UnknownOutcome


@dataclass(frozen=True, slots=True)
class ShipperProduct:
    """A product of the shipper's catalogue. `price`: dollars."""

    sku: str
    name: str | None = None
    price: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All products that are sold; `way`: which call gave them."""

    products: tuple[ShipperProduct, ...]
    way: str


class OrderDesk(Protocol):
    """The shipper's order desk for one merchant.

    Raises (every method): PipelineError where the answer says nothing about what was asked; BadKey where the key is not
    accepted. No write is ever sent twice by one call.
    """

    def read(self, number: str) -> HeldOrder | None:
        """Read one order; None: a 404 in JSON, so it is not there."""
        ...

    def create(self, body: Mapping[str, Any]) -> WriteAnswer: ...

    def update(self, number: str, body: Mapping[str, Any]) -> WriteAnswer: ...

    def cancel(self, number: str, reason: str, *, restore_inventory: bool, with_key: bool = True) -> WriteAnswer:
        """Ask for a cancellation. `with_key` False: the key of `restore_inventory` is left out, as it was refused."""
        ...

    def check_compliance(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Ask whether an order would be compliant; writes nothing. Returns the answer as it came."""
        ...

    def catalogue(self) -> Catalogue:
        """Read all products."""
        ...

    def shipped(self, first: date, last: date) -> list[HeldRow]:
        """Return the rows of orders that were shipped on these days (inclusive), checked as contacts' searches are."""
        ...

    def placed(self, first: date, last: date) -> list[HeldRow]:
        """Return the rows of orders that were processed on these days (inclusive)."""
        ...
