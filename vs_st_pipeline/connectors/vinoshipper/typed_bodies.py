"""Decodes bodies that are as documented into typed structs, at a fraction of what a whole decode costs.

Data flow: JSON text -> struct, or None: whoever asks then reads the body the long way, which understands everything.

A body passes only where the long way would certainly say the same of it: every documented key is there with the type
that is documented, every word is a known one, nothing is there that is not known. So these shapes decide nothing, and
one that is too strict costs time only. Money stays text (`msgspec.Raw`). What neither landing nor staging reads is
checked for being JSON, and skipped.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any, Final, Literal, TypeVar

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from vs_st_pipeline.connectors.vinoshipper.known_fields import KNOWN_CUSTOMER, KNOWN_ORDER
from vs_st_pipeline.connectors.vinoshipper.parse import names_birth, usual_moment
from vs_st_pipeline.domain.birth import OLDEST
from vs_st_pipeline.platform.warehouse.schema_drift import KnownFields

S = TypeVar("S", bound=Struct)

ODD: Final = (ValueError, RecursionError)
"""What a body that is not as documented raises; msgspec's errors are ValueErrors."""

_TOO_LARGE: Final = 2**63
_SKIPPED: Final = Raw(b"")


class Phone(Struct, gc=False):
    """A customer's phone in the usual form; numbers in other types take the long way."""

    number: str | None
    country: str | int | None


class Member(Struct, gc=False):
    """A membership of which nothing may be absent; an element without a name of its club takes the long way."""

    id: int | None
    clubName: str  # noqa: N815
    dateJoined: str | None  # noqa: N815
    hold: bool
    club: None = None


class ListItem(Struct, gc=False):
    """An item of the customer list."""

    id: int
    firstName: str | None  # noqa: N815
    lastName: str | None  # noqa: N815
    email: str | None
    primaryPhone: Phone | None  # noqa: N815
    memberships: list[Member]
    dateOfBirth: None = None  # noqa: N815
    shippingAddress: None = None  # noqa: N815


class _RowBuyer(Struct, gc=False):
    id: int | None | UnsetType = UNSET


class SearchRow(Struct, gc=False):
    """A row of the order search; nothing of it is documented but what is read."""

    orderNumber: str  # noqa: N815
    purchasedAt: str | None = None  # noqa: N815
    shippedAt: str | None = None  # noqa: N815
    customer: _RowBuyer | None = None

    @property
    def owner(self) -> int | None:
        """Return the customer's id, None where the row tells none."""
        return None if self.customer is None or self.customer.id is UNSET else self.customer.id

    @property
    def owner_told(self) -> bool:
        """Say whether the row has an id of a customer, null or not."""
        return self.customer is not None and self.customer.id is not UNSET


class Birth(Struct, gc=False, forbid_unknown_fields=True):
    """A birth date in the documented form."""

    day: int
    month: int
    year: int


class Buyer(Struct, gc=False):
    """The customer in an order; it may have keys that nothing reads, unless they may mean a birth date."""

    id: int | None
    customerSince: str | None  # noqa: N815
    dateOfBirth: Birth | None = None  # noqa: N815


class Package(Struct, gc=False):
    """One box; a tracking number that is no text takes the long way."""

    carrier: str | None
    trackingNumber: str | None  # noqa: N815


class Shipping(Struct, gc=False):
    """How an order is shipped; null in place of a list of packages is an absence, and takes the long way."""

    rateCode: str | None  # noqa: N815
    rateDescription: str | None  # noqa: N815
    carrier: str | None
    packages: list[Package]


class Order(Struct, gc=False):
    """An order detail; its customer is decoded by itself."""

    orderNumber: str  # noqa: N815
    status: str
    orderStatus: str  # noqa: N815
    total: Raw
    customer: Raw
    shipping: Shipping
    purchasedAt: str | None  # noqa: N815
    shippedAt: str | None  # noqa: N815
    deliveredAt: str | None  # noqa: N815
    cartType: str | None  # noqa: N815
    canceledAt: str | None = None  # noqa: N815


def _closed(shape: type[S], known: KnownFields) -> Callable[[bytes | str], S]:
    """Return a decoder of a shape that refuses keys and words which are not known, and skips keys that are."""
    words: list[Any] = [(name, Literal[tuple(sorted(words))]) for name, words in known.words.items()]
    others: list[Any] = [(name, Raw, _SKIPPED) for name in sorted(known.names.difference(shape.__struct_fields__))]
    closed = msgspec.defstruct(
        shape.__name__, words + others, bases=(shape,), kw_only=True, gc=False, forbid_unknown_fields=True
    )
    decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(closed)
    return decoder.decode


_item, _order = _closed(ListItem, KNOWN_CUSTOMER), _closed(Order, KNOWN_ORDER)
_row = msgspec.json.Decoder(SearchRow).decode
_buyer, _keys = msgspec.json.Decoder(Buyer).decode, msgspec.json.Decoder(dict[str, Raw]).decode


def list_item(body: bytes | str) -> ListItem | None:
    """Decode an item of the customer list that omits nothing and has nothing new."""
    try:
        item = _item(body)
    except ODD:
        return None
    return item if 0 < item.id < _TOO_LARGE else None


def search_row(body: bytes | str) -> SearchRow | None:
    """Decode a row of the order search that has a number, and a customer's id or none."""
    try:
        row = _row(body)
    except ODD:
        return None
    number, owner = row.orderNumber, row.owner
    return row if number.strip() and (owner is None or 0 < owner < _TOO_LARGE) else None


class OrderBody(Struct, gc=False):
    """An order detail that omits nothing and has nothing new.

    Attributes:
        order: its fields.
        buyer: its customer.
    """

    order: Order
    buyer: Buyer


def order_detail(body: bytes | str) -> OrderBody | None:
    """Decode an order detail whose status, stage, customer and parts are as documented."""
    try:
        order = _order(body)
        buyer = _buyer(order.customer)
        if not order.orderNumber.strip() or (buyer.id is not None and not 0 < buyer.id < _TOO_LARGE):
            return None
        if buyer.dateOfBirth is None and any(map(names_birth, _keys(order.customer))):
            return None
    except ODD:
        return None
    return OrderBody(order, buyer)


# --- values: each raises ValueError where the long way may say anything else --------------------------------------


def plain_text(text: str | None) -> str | None:
    """Return the text, None where it is blank."""
    return text if text and not text.isspace() else None


def utc(text: str | None, before: str = "2998") -> datetime | None:
    """Return the instant of a usual moment.

    Args:
        before: texts that do not sort before this day may be in the future, and take the long way.
    """
    if text is None:
        return None
    if text >= before:
        raise ValueError
    return usual_moment(text)


def calendar_day(text: str | None, before: str = "2998") -> str | None:
    """Return a day, or the day of a usual moment as it is written."""
    if text is None:
        return None
    if text >= before:
        raise ValueError
    if len(text) == 10:
        return _day(text)
    usual_moment(text)
    return text[:10]


@lru_cache(maxsize=1 << 14)
def _day(text: str) -> str:
    if not (text.isascii() and text >= "1972" and date.fromisoformat(text).isoformat() == text):
        raise ValueError
    return text


def birth_day(birth: Birth | None, today: date) -> str | None:
    """Return a birth date, such as can be anybody's who lives."""
    if birth is None:
        return None
    if not today.year - OLDEST < birth.year <= today.year:
        raise ValueError
    return date(birth.year, birth.month, birth.day).isoformat()


def day_after(latest: datetime) -> str:
    """Return a day such that a text which sorts before it is not after this time, whatever its zone."""
    return (latest - timedelta(days=1)).astimezone(UTC).date().isoformat()
