"""Holds a plan while it is made: each linked contact, what the comparison found, and the totals."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from vs_st_pipeline.connectors.simpletexting.stored_contacts import LiveContact
from vs_st_pipeline.domain.attributes import CustomerProfile
from vs_st_pipeline.domain.diff import LedgerEntry
from vs_st_pipeline.domain.matching import ContactIdentity, Link
from vs_st_pipeline.domain.plan import UNREADABLE, Change, Wanted


@dataclass(slots=True)
class Plan:
    """A plan's totals; its rows are in `planned`.

    Attributes:
        contacts: contacts with something to write. fields: how many values that is.
        unmatched: contacts that stand for no customer.
        held, noted: contacts by reason.
        missing_fields: fields of the map that the account lacks.
        unsafe: the brake's sentence, None if it did not trip.
    """

    contacts: int = 0
    fields: int = 0
    unmatched: int = 0
    held: Counter[str] = field(default_factory=Counter)
    noted: Counter[str] = field(default_factory=Counter)
    missing_fields: list[str] = field(default_factory=list)
    unsafe: str | None = None


@dataclass(slots=True)
class Person:
    """One linked contact while the plan is made.

    Attributes:
        contact: the phone and ids that the contact was linked by.
        live: what the contact says now; None where the contact is held back, and so is not looked at.
        facts: what is known of its customer; None where the contact is held back or not all was read yet.
    """

    contact: ContactIdentity
    link: Link
    customer_id: int
    live: LiveContact | None = None
    facts: CustomerProfile | None = None
    held: str | None = None
    unreadable: bool = False
    notes: set[str] = field(default_factory=set)
    newest_order_at: str | None = None
    wanted: list[Wanted] = field(default_factory=list)


def noted(person: Person) -> list[str]:
    """Return the notes of a linked contact; of one that is held back only that a record of it cannot be read."""
    return [*([] if person.held else sorted(person.notes)), *[UNREADABLE] * person.unreadable]


@dataclass(slots=True)
class Differences:
    """What the comparison found, by contact id."""

    changes: dict[str, list[Change]] = field(default_factory=dict)
    would_change: dict[str, list[Change]] = field(default_factory=dict)  # also those that wait for another try
    learned: list[tuple[str, str, str, str]] = field(default_factory=list)
    accepted: dict[str, dict[str, LedgerEntry]] = field(default_factory=dict)
