"""Onboards a merchant's shop at WayMore: the website that is registered can hardly be taken back, so it is said."""

from __future__ import annotations

from typing import Final

from vs_st_pipeline.connectors.waymore.settings import WaymoreSettings
from vs_st_pipeline.pipeline.onboarding import DONE, WAITING, Candidate, RouteSetup, RouteStep, StepResult
from vs_st_pipeline.routes.audience.sources import source_name

WEBSITE: Final = "website"


def take_website(candidate: Candidate) -> StepResult:
    """Say which website the first sync registers, and from which source its data come."""
    merchant = candidate.merchant
    if not merchant.has(WaymoreSettings):
        return StepResult(WAITING, "the entry has no usable section waymore", "write waymore.domain and its keys")
    settings = merchant.section(WaymoreSettings)
    history = "then it sends its history" if settings.history == "send" else "its history is skipped"
    return StepResult(
        DONE, f"the first sync registers {settings.domain} with the data of {source_name(merchant)}; {history}"
    )


SETUP: Final = RouteSetup(after_entry=(RouteStep(WEBSITE, take_website),))
