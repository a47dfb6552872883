"""Reads a contact's consent from SimpleTexting's word for it."""

from __future__ import annotations

from typing import Final

from vs_st_pipeline.domain.plan import NOT_CONFIRMED, OPTED_OUT

OPT_IN: Final = "OPT_IN"
OPT_OUT: Final = "OPT_OUT"


def consent_reason(subscription_status: object) -> str | None:
    """Return why a `subscriptionStatus` forbids a write, or None where it is exactly `OPT_IN`.

    SimpleTexting may add states, so a state that is not known to be consent is not consent.
    """
    if subscription_status == OPT_IN:
        return None
    return OPTED_OUT if subscription_status == OPT_OUT else NOT_CONFIRMED
