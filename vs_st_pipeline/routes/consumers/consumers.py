"""Loads consumers as one CRM is to know them: what is known of each, and which consents have a target there.

Data flow: staged.*, settings -> Consumer. What was spent, and how somebody stands at the CRM, is not asked here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from vs_st_pipeline.domain.crm import Sought, Target

Value = str | int | datetime | Sequence[str] | None
"""What a name of the field map stands for; None: known to be nothing."""


@dataclass(frozen=True, slots=True)
class Offer:
    """One consent of one order, for its target at one CRM; times are UTC without zone.

    Attributes:
        standing: given, and not withdrawn since (a vanished one stands: consumers.md 7.12).
        usable: may subscribe somebody, as far as the order says: given in its last read.
        withdrawn: noted as such; what was done because of it is to be undone (7.11).
        imported: the order's first sight was an import. may_create: 7.14.
        earliest_at: None: unknown.
    """

    order_id: str
    short_id: str
    activity_id: str
    consent_id: str
    data_handler: str
    consent_name: str
    consent_status: str
    text_version: str | None
    target: Target
    standing: bool
    usable: bool
    withdrawn: bool
    imported: bool
    may_create: bool
    first_seen_at: datetime
    order_read_at: datetime
    ordered_at: datetime | None
    earliest_at: datetime | None
    body_sha256: str
    event_ids: tuple[str, ...] = ()

    @property
    def spent_as(self) -> tuple[str, str, str]:
        """Return what names it among spent consents of its CRM: order, consent, handler (7.7)."""
        return self.order_id, self.consent_id, self.data_handler


@dataclass(frozen=True, slots=True)
class Consumer:
    """A person, as one CRM is to know them: made from the orders that may be told there (5.3).

    Attributes:
        values: by name of the field map (`consumer.first_name`, `answers.all`); a name that is missing is not known.
        offers: all consents with a target here, standing or not; those of withdrawn and vanished entries too.
        orders: ids of the orders that `values` were made from, newest first.
        newest_order_at: first sight of the newest of them; None: there is none any more.
        noted: words of consumers.md 5 to 7 that hold for this CRM.
        may_create: a record may be made of one who gave no consent, where the CRM takes such people (7.14).
    """

    person: Sought
    values: Mapping[str, Value]
    offers: Sequence[Offer] = ()
    orders: Sequence[str] = ()
    newest_order_at: datetime | None = None
    noted: frozenset[str] = field(default_factory=frozenset)
    may_create: bool = True

    @property
    def has_standing(self) -> bool:
        """Say whether any consent with a target here stands (7.3)."""
        return any(offer.standing for offer in self.offers)
