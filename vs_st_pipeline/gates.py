"""Who may be written: consent, one clear person, and age, in that order."""

from __future__ import annotations

from datetime import date
from typing import Literal, TypeAlias

from vs_st_pipeline.change import AGE_UNKNOWN, AMBIGUOUS_PHONE, NOT_CONFIRMED, OPTED_OUT, UNDER_AGE
from vs_st_pipeline.customer import LEGAL_AGE, is_under

OnAmbiguousPhone: TypeAlias = Literal["newest_order", "hold"]

_OPT_IN = "OPT_IN"
_OPT_OUT = "OPT_OUT"


def status_reason(subscription_status: object) -> str | None:
    """Why SimpleTexting's `subscriptionStatus` forbids a write, or None where it is exactly `OPT_IN`.

    The set of states may grow, so whatever is not known to be a consent is not one.
    """
    if subscription_status == _OPT_IN:
        return None
    return OPTED_OUT if subscription_status == _OPT_OUT else NOT_CONFIRMED


def hold_reason(
    status: object,
    ambiguous: bool,
    on_ambiguous_phone: OnAmbiguousPhone,
    birth_date: date | None,
    today: date,
    require_age_evidence: bool,
) -> str | None:
    """The first reason why a linked contact is held back, in the order of `change.HELD_REASONS`, or None.

    Args:
        status: `subscriptionStatus` as this sync read it.
        ambiguous: several customers share the contact's phone and it was linked by phone.
        on_ambiguous_phone, require_age_evidence: the merchant's settings.
        birth_date: of the linked customer, None where not known.
        today: the merchant's local date.
    """
    reason = status_reason(status)
    if reason is not None:
        return reason
    if ambiguous and on_ambiguous_phone == "hold":
        return AMBIGUOUS_PHONE
    if birth_date is None:
        return AGE_UNKNOWN if require_age_evidence else None
    return UNDER_AGE if is_under(birth_date, today, LEGAL_AGE) else None


def notes(ambiguous: bool, birth_date: date | None) -> list[str]:
    """What is worth knowing of a contact that is not held back."""
    return [AMBIGUOUS_PHONE] * ambiguous + [AGE_UNKNOWN] * (birth_date is None)
