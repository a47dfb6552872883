"""Onboards a merchant's notices: says which account sends, and that nothing is told before it is enabled."""

from __future__ import annotations

from typing import Final

from vs_st_pipeline.connectors.gupshup.settings import GupshupSettings
from vs_st_pipeline.pipeline.onboarding import DONE, WAITING, Candidate, RouteSetup, RouteStep, StepResult
from vs_st_pipeline.routes.notices.settings import NoticesSettings

ACCOUNT: Final = "whatsapp"


def take_account(candidate: Candidate) -> StepResult:
    """Say by which account messages go, and which notifications are enabled."""
    merchant = candidate.merchant
    if not merchant.has(NoticesSettings):
        return StepResult(WAITING, "the entry has no usable section notices", "write notices with accounts, countries")
    selected = merchant.section(GupshupSettings).selected
    if selected is None:
        return StepResult(WAITING, "no Gupshup account is installed", "add one to notices.accounts")
    on = [name for name, one in merchant.section(NoticesSettings).notifications.items() if one.enabled]
    says = f"messages go by {selected.number} ({selected.kind}); enabled: {', '.join(on) or 'nothing yet'}"
    return StepResult(DONE, f"{says}; what happened before the first sync is not announced")


SETUP: Final = RouteSetup(after_entry=(RouteStep(ACCOUNT, take_account),))
