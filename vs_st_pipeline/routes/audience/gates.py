"""Looks at each event before it is sent: may it go, must it wait, or is it told no more (audience.md 6.4, 6.5, 8.3).

Consents, holds and what is under way are looked at once, for all rows together: they do not change while the sync lock
is held.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from vs_st_pipeline.domain.single_reads import waits
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.routes.audience import outbox, part_ids, people
from vs_st_pipeline.routes.audience.outbox import Row
from vs_st_pipeline.routes.audience.session import AudienceSession
from vs_st_pipeline.routes.audience.words import Block, Event, Kind

_AS_LATE_HISTORY: Final = {
    Event.CUSTOMER_ADD: Block.CUSTOMERS,
    Event.PRODUCT_ADD: Block.PRODUCTS,
    Event.ORDER_ADD: Block.ORDERS,
    Event.WISHLIST_ADD: Block.WISHLIST,
    Event.NEWSLETTER: Block.SUBSCRIBERS,  # true; a false is told as what is newest
}
_NEVER_LATE: Final = (Event.ORDER_PAYMENT_CONFIRMED, Event.PRODUCT_OUT_OF_STOCK, Event.SEARCH)
_KINDS: Final = {
    Block.CUSTOMERS: Kind.CUSTOMER,
    Block.SUBSCRIBERS: Kind.ADDRESS,
    Block.PRODUCTS: Kind.PRODUCT,
    Block.ORDERS: Kind.ORDER,
}
_WISHES: Final = "wishes of"  # the wishes of a customer, who goes as one in the history


@dataclass(frozen=True, slots=True)
class Go:
    """It goes. `data`: with other data than it has, since a consent has ended; None: as it stands."""

    data: str | None = None


@dataclass(frozen=True, slots=True)
class Wait:
    """It waits."""


@dataclass(frozen=True, slots=True)
class Drop:
    """It is told no more. `state`: how the ledger says so. `is_late`: it is too old to be an event."""

    state: str = outbox.DROPPED
    is_late: bool = False


@dataclass(frozen=True, slots=True)
class GoesLate:
    """It goes as late history of its record, as that is staged then."""

    block: Block
    id: str


Gate = Go | Wait | Drop | GoesLate


@dataclass(slots=True)
class Gates:
    """What forbids an event to go.

    Attributes:
        blocked: entities whose earlier event, or history record, is not settled.
        held: records of people who are told of to nobody. subscribed: addresses that are subscribed now.
        newest: the number of the newest row of an event and entity.
        emails: by order, the address that its `newsletter` is about, where it says yes.
    """

    session: AudienceSession
    blocked: set[tuple[str, str]] = field(default_factory=set)
    held: dict[str, frozenset[str]] = field(default_factory=dict)
    subscribed: frozenset[str] = frozenset()
    newest: dict[tuple[Event, str, str], int] = field(default_factory=dict)
    orders: dict[str, str] = field(default_factory=dict)
    emails: dict[str, str] = field(default_factory=dict)

    @staticmethod
    def look(session: AudienceSession, db: Db, rows: Sequence[Row]) -> Gates:
        """Look at all that these rows depend on."""
        gates = Gates(session, set(_undecided(db)))
        ids: dict[str, set[str]] = defaultdict(set)
        for row in rows:
            place = (row.event, row.id, row.part)
            if gates.newest.get(place, -1) < row.number:
                gates.newest[place] = row.number
            kind, record_id = _whose(row)
            if record_id is not None:
                ids[kind].add(record_id)
        gates.held = {kind: people.held_among(db, kind, some) for kind, some in ids.items()}
        gates.orders = dict(
            db.rows(
                """select key, data from synced.audience_outbox
                   where event = 'OrderAdd' and data like '%"newsletter":true%'"""
            )
        )
        said = {key: json.loads(data)["order_details"] for key, data in gates.orders.items()}
        gates.emails = {
            key: str(one["email"]).strip().lower() for key, one in said.items() if one["newsletter"] is True
        }
        addresses = {row.id for row in rows if row.event is Event.NEWSLETTER and not row.unsubscribes}
        wanted = addresses | set(gates.emails.values())
        gates.subscribed = people.may_be_subscribed(db, wanted) if wanted else frozenset()
        return gates

    def of(self, row: Row) -> Gate:
        """Say whether a row goes now."""
        if row.unsubscribes:
            return self._unsubscribe(row)
        kind, record_id = _whose(row)
        settings = self.session.settings
        if record_id in self.held.get(kind, ()):
            return Drop()
        if settings.only is not None and row.kind in (Kind.CART, Kind.SEARCH) and not record_id:
            return Drop()  # a rehearsal is of nobody else, and of no guest (R66)
        if not settings.events.get(row.event, True):
            return Drop()  # it was switched off since (6.5); the base has moved, as for any event that is off
        if row.event is Event.NEWSLETTER and row.id not in self.subscribed:
            return Drop()
        with_wishes = row.kind is Kind.WISH and (_WISHES, str(row.about.get("customer_id"))) in self.blocked
        if row.entity in self.blocked or with_wishes or self._is_held_back(row):
            return Wait()
        return self._late(row) or Go(self._without_consent(row))

    def _unsubscribe(self, row: Row) -> Gate:
        """Say whether a Newsletter false goes: whatever else waits of the address, and whoever is held."""
        if self._is_held_back(row):
            return Wait()
        if self._is_late(row) and self.newest[row.event, row.id, row.part] != row.number:
            return Drop(outbox.MELTED)
        return Go()

    def _is_held_back(self, row: Row) -> bool:
        now = self.session.run.now()
        if row.state == outbox.DEAD:
            return True
        if row.state == outbox.REJECTED:
            return waits(row.next_at, now)
        return row.may_be_out and self.session.settings.on_unknown == "hold" and not row.released

    def _is_late(self, row: Row) -> bool:
        return self.session.run.now() - row.seen_at > self.session.settings.late_after

    def _late(self, row: Row) -> Gate | None:
        if not self._is_late(row):
            return None
        if row.event in _NEVER_LATE:
            return Drop(outbox.LATE, is_late=True)
        if row.event in _AS_LATE_HISTORY:
            block = _AS_LATE_HISTORY[row.event]
            return GoesLate(block, str(row.about["customer_id"]) if block is Block.WISHLIST else row.id)
        if self.newest[row.event, row.id, row.part] != row.number:
            return Drop(outbox.MELTED)
        return None

    def _without_consent(self, row: Row) -> str | None:
        """Return the data of an OrderAdd whose address is subscribed no more.

        In a text of the data the quotes would have backslashes: what is replaced is the key.
        """
        email = self.emails.get(row.key)
        if email is None or email in self.subscribed:
            return None
        return self.orders[row.key].replace('"newsletter":true', '"newsletter":false')


def _whose(row: Row) -> tuple[str, str | None]:
    """Return by which record it is known whether a row's person is held: kind and id; None: it is nobody's."""
    if row.kind in (Kind.WISH, Kind.SEARCH):
        customer_id = row.about.get("customer_id")
        return Kind.CUSTOMER, None if customer_id is None else str(customer_id)
    if row.kind is Kind.PRODUCT or (row.kind is Kind.ADDRESS and row.unsubscribes):
        return row.kind, None
    return row.kind, row.id


def _undecided(db: Db) -> Iterable[tuple[str, str]]:
    """Return entities whose history record is under way, to come, or refused: their events wait (6.5)."""
    rows = db.rows(
        f"""select block, unnest({part_ids.LIST}) from synced.audience_parts
           union select block, id from synced.audience_late"""
    )
    for block, record_id in rows:
        yield (str(_KINDS[Block(block)]), record_id) if block in _KINDS else (_WISHES, record_id)
