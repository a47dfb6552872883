"""Decides which contacts may be written: by consent, one clear person, and age, in that order."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Literal, TypeAlias

from vs_st_pipeline.domain.birth import Birth, is_doubtful, is_under
from vs_st_pipeline.domain.order import AGE_FAILED_STATUSES
from vs_st_pipeline.domain.plan import AGE_UNKNOWN, AGE_UNVERIFIED, AMBIGUOUS_PHONE, UNDER_AGE

OnAmbiguousPhone: TypeAlias = Literal["newest_order", "hold"]


def ineligible_reason(
    consent: str | None,
    ambiguous: bool,
    on_ambiguous_phone: OnAmbiguousPhone,
    age: Age,
    require_age_evidence: bool,
) -> str | None:
    """Return the first reason why a linked contact is held back, in the order of `plan.HELD_REASONS`, or None.

    Args:
        consent: why the destination's own word on consent, as this sync read it, forbids a write, or None.
        ambiguous: several customers share the contact's phone and it was linked by phone.
        on_ambiguous_phone, require_age_evidence: the merchant's settings.
        age: what is known of the linked customer's age.
    """
    if consent is not None:
        return consent
    if ambiguous and on_ambiguous_phone == "hold":
        return AMBIGUOUS_PHONE
    if age.under:
        return UNDER_AGE
    if age.unread:
        return AGE_UNKNOWN
    return AGE_UNKNOWN if require_age_evidence and (not age.known or age.unverified) else None


@dataclass(frozen=True, slots=True)
class Age:
    """What is known of a person's age.

    Attributes:
        known: a birth date, or a year that proves the age.
        under: certainly under 21.
        unread: a date is given and cannot be understood, or leaves the age open: the gate stays closed.
        unverified: the newest order's age check failed at the shop.
    """

    known: bool = False
    under: bool = False
    unread: bool = False
    unverified: bool = False


def age_of(birth: Birth, copies: Iterable[Birth], newest_status: str | None, today: date) -> Age:
    """Judge a customer's age from everything that says something about it (interface 7.5).

    Args:
        birth: the customer's own birth date.
        copies: birth dates in the customer's orders; they count where the customer's own is not known.
        newest_status: `status` of the newest order.
        today: the merchant's local date.
    """
    unverified = newest_status in AGE_FAILED_STATUSES
    if birth.known or birth.unread:
        return Age(birth.known, is_under(birth, today), birth.unread or is_doubtful(birth, today), unverified)
    told = [copy for copy in copies if copy.known or copy.unread]
    return Age(
        under=any(is_under(copy, today) for copy in told),
        unread=any(copy.unread or is_doubtful(copy, today) for copy in told),
        unverified=unverified,
    )


def notes(ambiguous: bool, age: Age) -> list[str]:
    """Return what is worth knowing of a contact that is not held back."""
    return [AMBIGUOUS_PHONE] * ambiguous + [AGE_UNKNOWN] * (not age.known) + [AGE_UNVERIFIED] * age.unverified
