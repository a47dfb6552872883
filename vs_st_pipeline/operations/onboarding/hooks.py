"""Takes step `webhooks`: registers them where this installation is reached from outside (H41).

Nobody waits for it: where webhooks are not set up, or the account may not register any, changes are found by polling.
"""

from __future__ import annotations

from typing import Final

from vs_st_pipeline.operations.onboarding.walk import Walk
from vs_st_pipeline.operations.webhooks.compare import State
from vs_st_pipeline.operations.webhooks.entry import Entry
from vs_st_pipeline.operations.webhooks.registering import register
from vs_st_pipeline.operations.webhooks.site import site_if_any
from vs_st_pipeline.pipeline.onboarding import DONE, SKIPPED, WAITING, StepResult, failed
from vs_st_pipeline.platform.failpoints import failpoint

OFF: Final = "webhooks are off (`webhooks.enabled: false`), so changes are found by polling"
NOT_SET_UP: Final = "VS_ST_PUBLIC_URL and VS_ST_HOOK_SECRET are not both set, so changes are found by polling"


def take_webhooks(walk: Walk) -> StepResult:
    """Register what is wanted at all of the merchant's systems."""
    if not walk.candidate.merchant.webhooks.enabled:
        return StepResult(SKIPPED, OFF)
    site = site_if_any(walk.place.environ)
    if site is None:
        return StepResult(SKIPPED, NOT_SET_UP, "set both, then `vs-st webhooks register`")
    failpoint("onboarding")
    found = register(walk.run_of(walk.routes[0]), site)
    walk.calls.update(found.calls)
    says = "; ".join([_counts(found), *found.says]).strip("; ")
    if found.error is not None:
        return failed(found.error, "run it again, or `vs-st webhooks register` later")
    if any(row.state is State.NOT_ENABLED for row in found.hooks):
        return StepResult(SKIPPED, says, f"`vs-st webhooks list --merchant {walk.id} --show-urls` shows the URLs")
    if any(row.state in (State.MISSING, State.CHANGED) for row in found.hooks):
        return StepResult(WAITING, says or "not all are registered", "run it again")
    return StepResult(DONE, says)


def _counts(found: Entry) -> str:
    return ", ".join(
        f"{found.done[name]} {name}" for name in ("made", "kept", "changed", "removed") if found.done[name]
    )
