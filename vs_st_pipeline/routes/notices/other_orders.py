"""Says what is read of an order of Commerce7 or Vinoshipper, in this route's words; pure values.

Data flow: a system's JSON -> (`commerce7_rows`, `vinoshipper_rows`) -> `OtherOrder` -> `others`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from vs_st_pipeline.routes.notices.other_words import Word


@dataclass(frozen=True, slots=True)
class Person:
    """Whom messages of an order go to: its customer, never whom it is shipped to (notices.md 5.7).

    Attributes:
        phone: as it is written. country: of the address, by which a number without `+` is read; None: not certain.
        places: countries and states (country, state) in which the customer may be.
    """

    phone: str | None = field(repr=False)
    name: str | None = field(repr=False)
    country: str | None
    places: Sequence[tuple[str | None, str | None]] = ()
    under_age: bool = False


@dataclass(frozen=True, slots=True)
class OtherOrder:
    """An order as a read shows it.

    Attributes:
        own: its id at Commerce7, its number at Vinoshipper.
        is_unit: it may have a journey: it is no refund, no correction, and ships.
        words: what it shows now. denied: words, squeezed, that it says are not so; None: all that it does not show.
        columns: of staged.notice_orders, but for its keys and the time of the read.
        linked_id, linked_number: the Commerce7 order that it says it is (routes.md R37).
        parcel: tracking_id, courier, tracking_url, as far as they are known.
        lacks: something that another read may bring: it is looked at again in the next sync.
    """

    own: str
    number: str
    placed_at: datetime | None
    is_unit: bool
    words: Sequence[Word]
    denied: frozenset[str] | None
    columns: Mapping[str, Any] = field(repr=False)
    person: Person
    linked_id: str | None = None
    linked_number: str | None = None
    buyer: str | None = None
    parcel: Mapping[str, Any] = field(default_factory=dict)
    lacks: bool = False
