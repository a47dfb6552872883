"""Lists states, codes and notes of an order: tables that read as those of the contract (orders.md 4.1, 4.2, 8).

What each code and note means, and what a person does about it, is said in `sentences`.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class State(StrEnum):
    """How an order stands (4.2)."""

    WAITING = "waiting"
    SENDING = "sending"
    SENT = "sent"
    FAILED = "failed"
    NOT_REQUIRED = "not_required"
    VOIDED = "voided"


MESSAGES: Final = {
    State.SENT: "Sent to Vinoshipper",
    State.FAILED: "Failed to Send",
    State.NOT_REQUIRED: "Not Required to Send",
    State.VOIDED: "Voided in Vinoshipper",
    State.WAITING: "",
    State.SENDING: "",
}
DONT_SEND_MESSAGE: Final = "Don't Send"
"""What is told to the shop of an order that a person kept back; in lists it is not required to send."""


class Stage(StrEnum):
    """How far the parcel is (7.1). They go in this order, and never back, but OPEN takes FULFILLED back."""

    FULFILLED = "Fulfilled"
    SHIPPED = "Shipped"
    DELIVERED = "Delivered"
    RETURNED = "Returned"


STAGE_OF: Final = {
    "LABELS_GENERATED": Stage.FULFILLED,
    "SHIPPED": Stage.SHIPPED,
    "DELIVERED": Stage.DELIVERED,
    "PICKED_UP": Stage.DELIVERED,
    "RETURNED": Stage.RETURNED,
}
KNOWN_ORDER_STATUSES: Final = frozenset(
    {*STAGE_OF, "OPEN", "CANCELLED", "UNPAID", "PROBLEM", "NEW_MEMBER"}
)  # others are kept and noted


class Waits(StrEnum):
    """Why an order waits, besides `not_paid` (4.2)."""

    SHADOW = "shadow"
    QUEUED = "queued"
    TRY_LATER = "try_later"
    AUTH = "auth"


class ThereCode(StrEnum):
    """Why the shipper did not take an order; `forgotten` and `number_taken` besides (4.2, 6.2, 10)."""

    COMPLIANCE = "compliance"
    AGE_VERIFICATION = "age_verification"
    PAYMENT = "payment"
    PROBLEM = "problem"
    VALIDATION = "validation"
    PENDING_THERE = "pending_there"
    NOT_REACHABLE = "not_reachable"
    NUMBER_TAKEN = "number_taken"
    FORGOTTEN = "forgotten"


BY_SHIPPER: Final = frozenset(
    {
        ThereCode.COMPLIANCE,
        ThereCode.AGE_VERIFICATION,
        ThereCode.PAYMENT,
        ThereCode.PROBLEM,
        ThereCode.VALIDATION,
        ThereCode.PENDING_THERE,
        ThereCode.NOT_REACHABLE,
        ThereCode.NUMBER_TAKEN,
    }
)
"""Codes of orders that failed by the shipper, not by a rule: time alone changes nothing about them."""

PLAIN_NOTES: Final = (
    *("adopted", "found_late", "gap", "unreadable", "failed_before", "pending", "no_birth_date", "no_phone"),
    *("ship_date_past", "zip_state", "tax_short", "mail_too_late", "unknown_status", "found_there"),
    *("fulfilled_by_other", "removed_there", "fulfil_refused", "refunded_after_shipped", "stuck", "no_messages"),
    "void_unknown",
)
ALERTED_NOTES: Final = (
    *("changed_after_sent", "refunded_after_sent", "differs_there", "problem_there", "unpaid_there", "missing_there"),
    *("revived_there", "accepted_there", "gone_at_commerce7", "tracking_changed", "key_refused"),
)
NOTES: Final = (*PLAIN_NOTES, *ALERTED_NOTES)
"""Some may be about no known order, such as `gap` and `key_refused`: they stand under the order id `""`."""
