"""Onboards a merchant's orders: from when on, and to which states, only a person can say; a guess ships alcohol."""

from __future__ import annotations

from typing import Final

from vs_st_pipeline.connectors.commerce7.settings import Commerce7Settings
from vs_st_pipeline.pipeline.onboarding import DONE, WAITING, Candidate, RouteSetup, RouteStep, StepResult
from vs_st_pipeline.routes.orders.settings import OrdersSettings

SHIPPING: Final = "shipping"


def take_shipping(candidate: Candidate) -> StepResult:
    """Say what the entry sends, and wait where that is nothing."""
    merchant = candidate.merchant
    if not (merchant.has(OrdersSettings) and merchant.has(Commerce7Settings)):
        return StepResult(WAITING, "the entry has no usable section orders", "write orders.start and orders.states")
    settings = merchant.section(OrdersSettings)
    if not settings.states:
        return StepResult(WAITING, "orders.states is empty: nothing is sent", "list the states that are shipped to")
    since = settings.start_at(merchant.time_zone)
    prefix = settings.prefix(merchant.section(Commerce7Settings).tenant)
    return StepResult(
        DONE,
        f"orders paid since {since:%Y-%m-%d %H:%M} UTC go to {', '.join(sorted(settings.states))}, as {prefix}-NUMBER",
    )


SETUP: Final = RouteSetup(after_entry=(RouteStep(SHIPPING, take_shipping),))
