"""Holds what the house answers by itself to replies that lead to no action (notices.md 8.5, `exceptions: default`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from vs_st_pipeline.routes.notices.words import ReplyOutcome

ANSWERED: Final = (
    ReplyOutcome.NOT_UNDERSTOOD,
    ReplyOutcome.MEDIA,
    ReplyOutcome.NOT_FAILED_NOW,
    ReplyOutcome.ALREADY_ANSWERED,
    ReplyOutcome.NOT_OFFERED,
    ReplyOutcome.TOO_LATE,
)
"""Kinds that have a standard text, and that a client's own text answers; the rest is answered with nothing."""

STANDARD: Final[Mapping[ReplyOutcome, str]] = {
    ReplyOutcome.NOT_UNDERSTOOD: (
        "Sorry, this automated number did not understand your reply. Please tap one of the buttons of the message, or "
        "contact {merchant_name}."
    ),
    ReplyOutcome.MEDIA: (
        "Sorry, this automated number can read neither pictures nor other files. Please tap one of the buttons of the "
        "message, or contact {merchant_name}."
    ),
    ReplyOutcome.NOT_FAILED_NOW: (
        "Thank you for your reply. Your parcel is on its way again or has arrived, so nothing needs to be done."
    ),
    ReplyOutcome.ALREADY_ANSWERED: (
        "Thank you for your reply. We have passed on what you told us first, and cannot change it here any more. "
        "Please contact {merchant_name} if you need something else."
    ),
    ReplyOutcome.NOT_OFFERED: (
        "Sorry, the courier does not offer this for your parcel. Please contact {merchant_name} if you need help."
    ),
    ReplyOutcome.TOO_LATE: (
        "Sorry, your reply came too late for this delivery. Please contact {merchant_name} if you need help."
    ),
}
