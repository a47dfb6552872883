"""Takes step `webhooks`: registers them where this installation is reached from outside (H41)."""

from __future__ import annotations

from vs_st_pipeline.operations.onboarding.walk import Walk
from vs_st_pipeline.pipeline.onboarding import SKIPPED, StepResult

OFF = "webhooks are not set up here, so changes are found by polling"


def take_webhooks(walk: Walk) -> StepResult:
    """Register what is wanted at all of the merchant's systems."""
    return StepResult(SKIPPED, OFF)
