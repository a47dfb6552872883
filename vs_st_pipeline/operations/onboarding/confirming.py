"""Takes step `confirmation`: tells people, once ever, that a merchant has been added.

That it is told is noted before it is sent: after a crash in between it is not known whether it arrived, and it is not
sent again. What a service certainly did not take is sent with the next run.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from vs_st_pipeline.operations.fleet.notifier import Notifier, UnknownAddress
from vs_st_pipeline.operations.onboarding.memory import Told
from vs_st_pipeline.operations.onboarding.walk import Walk, in_words
from vs_st_pipeline.pipeline.onboarding import DONE, SKIPPED, WAITING, StepResult
from vs_st_pipeline.pipeline.status_file import read_status
from vs_st_pipeline.platform.failpoints import failpoint
from vs_st_pipeline.platform.settings.environment import ADDRESSES, TELL, tell_addresses
from vs_st_pipeline.platform.settings.secrets import Secret

NOT_TAKEN: Final = "the service did not take it; see whether the URL is right and it is up"
NO_URL: Final = "what stands there is no URL that apprise knows"
SECONDS: Final = 20.0


def sentence(name: str, merchant_id: str, source: str) -> str:
    """Return what people are told.

    Args:
        source: the system whose records the merchant's first route brings elsewhere.
    """
    return f"{name} ({merchant_id}) has been added to the {source} integration."


def take_confirmation(walk: Walk) -> StepResult:
    """Tell everybody who was not told yet."""
    known = tell_addresses(walk.place.environ)
    says = sentence(walk.candidate.merchant.name, walk.id, walk.connectors[0].title)
    if not known.urls and not known.problems:
        return StepResult(SKIPPED, says, f"nobody is told: neither {TELL} nor {ADDRESSES} names an address")
    body = "\n".join([says, *_counts(walk)])
    problems = list(known.problems)
    for name, url in known.urls.items():
        if not walk.memory.claim(name):
            continue
        failpoint("onboarding")
        problem = send(url, says, body)
        walk.memory.content.told[name] = Told(walk.place.at, taken=not problem)
        walk.memory.save()
        problems += [f"{name}: {problem}"] if problem else []
    if problems:
        return StepResult(WAITING, "; ".join(problems), f"put {TELL} right, and run it again")
    return StepResult(DONE, f"told {', '.join(known.urls)}")


def _counts(walk: Walk) -> list[str]:
    lines = [f"Planned: {in_words(walk.planned)}."] if walk.planned else []
    for route in walk.on_routes():
        last = read_status(walk.place.warehouse.data_dir, walk.id, route.name).last_run or {}
        if synced := last.get("synced"):
            lines.append(f"Synced: {in_words(synced)}.")
    missing = [one["label"] for one in walk.candidate.missing_fields]
    return lines + ([f"Left out: {', '.join(missing)}."] if missing else [])


def _send(url: Secret, title: str, body: str) -> str:
    """Send one message; return what went wrong, `""` where nothing did."""
    try:
        with Notifier(url.reveal(), SECONDS) as notifier:
            return "" if notifier.send(title, body, bad=False) else NOT_TAKEN
    except UnknownAddress:
        return NO_URL


send: Callable[[Secret, str, str], str] = _send
