"""Says what `vs-st check` has to say of a merchant's webhooks: what stands, what came last, what is doubtful.

Nothing is repaired: somebody may have removed a webhook on purpose (webhooks-onboarding.md H39, routes.md R65).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from vs_st_pipeline.domain.errors import BadSettings
from vs_st_pipeline.domain.formats import humanize
from vs_st_pipeline.operations.webhooks.compare import Row, State
from vs_st_pipeline.operations.webhooks.entry import GOOD, Entry, row_json
from vs_st_pipeline.operations.webhooks.registering import look
from vs_st_pipeline.operations.webhooks.seen import read_seen
from vs_st_pipeline.operations.webhooks.site import site_if_any
from vs_st_pipeline.operations.webhooks.wanted import shared_names, systems_with_hooks, wanted_kinds
from vs_st_pipeline.platform.inbox.questions import last_entry, refusals
from vs_st_pipeline.platform.inbox.store import Inbox
from vs_st_pipeline.platform.run import Run

_REGISTER: Final = "`vs-st webhooks register` puts it right"
_DO: Final = {
    State.MISSING: f"is not registered; {_REGISTER}",
    State.DUPLICATE: f"is registered once too often, so that each call comes twice; {_REGISTER}",
    State.OLD_GENERATION: f"has an older token; {_REGISTER}",
    State.MOVED: f"goes to where this installation was before; {_REGISTER}",
    State.ELSEWHERE: "goes to another installation",
    State.CHANGED: f"has other triggers, limits or filters than ours; {_REGISTER}",
    State.REFUSED: "is not taken by the system, so changes of this kind are found by polling alone",
    State.NOT_ENABLED: "cannot be registered, because the account may not use the interface for webhooks",
    State.UNPROVEN: f"was not given to the system yet, as far as is known; {_REGISTER}",
}


@dataclass(frozen=True, slots=True)
class Calls:
    """What has come of one system.

    Attributes:
        last: when its last call was stored, of those that are kept; None: none.
        age: how long ago that is.
        refusals: calls in the last 24 hours that had a right URL and a wrong header or signature.
    """

    system: str
    last: datetime | None
    age: timedelta | None
    refusals: int

    def as_json(self) -> dict[str, Any]:
        return {
            "system": self.system,
            "last_entry_at": self.last.isoformat(timespec="milliseconds").replace("+00:00", "Z") if self.last else None,
            "age_seconds": round(self.age.total_seconds(), 1) if self.age is not None else None,
            "refusals_24h": self.refusals,
        }

    def line(self) -> str:
        """Say it for people."""
        last = f"called last {humanize(self.age)} ago" if self.age is not None else "has not called yet"
        return f"{self.system} {last}" + (f"; {self.refusals} calls refused in 24 h" if self.refusals else "")


@dataclass(frozen=True, slots=True)
class WebhooksChecked:
    """What was found; nothing where webhooks are off.

    Attributes:
        hooks: as `vs-st webhooks list --json` prints them.
    """

    hooks: list[dict[str, Any]] = field(default_factory=list)
    calls: list[Calls] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        return {"webhooks": self.hooks, "webhook_calls": [one.as_json() for one in self.calls]}


def check_webhooks(run: Run, environ: Mapping[str, str], inbox: Inbox) -> WebhooksChecked:
    """List what is registered, and say what is doubtful; changes nothing at any system.

    Where a system cannot be listed, what was last seen of it is told.
    """
    try:
        site = site_if_any(environ)
    except BadSettings:  # told with the other settings that are not understood
        site = None
    if site is None or not run.merchant.webhooks.enabled:
        return WebhooksChecked()
    entry = look(run, site)
    on = [one.name for one in systems_with_hooks(run.merchant) if wanted_kinds(run.merchant, one.name)]
    calls = [_calls(inbox, run.merchant.id, name) for name in on]
    calls += [_calls(inbox, name, system) for system, name in shared_names(run.merchant)]
    return WebhooksChecked(_hooks(run, entry), calls, [*_doubts(entry), *_doubts_of(calls)])


def _hooks(run: Run, entry: Entry) -> list[dict[str, Any]]:
    hooks = [row_json(row) for row in entry.hooks]
    seen = read_seen(run.warehouse.data_dir, run.merchant.id)
    for system in entry.errors:
        for hook in seen.of(system).hooks:
            hooks.append(row_json(Row(hook.system, hook.name, State(hook.state), hook.id, hook.url, "")))
    return hooks


def _doubts(entry: Entry) -> list[str]:
    doubts = [
        f"the webhook {'' if row.name == row.system else f'{row.name} '}at {row.system} {_DO[row.state]}"
        for row in entry.hooks
        if row.state not in GOOD
    ]
    return [*doubts, *(f"the webhooks at {system or 'all systems'} cannot be listed ({error.kind})"
                       for system, error in entry.errors.items())]  # fmt: skip


def _doubts_of(calls: Sequence[Calls]) -> list[str]:
    return [
        f"{one.refusals} calls by the webhooks of {one.system} had a wrong header or signature in the last 24 hours, "
        f"and were refused"
        for one in calls
        if one.refusals
    ]


def _calls(inbox: Inbox, merchant: str, system: str) -> Calls:
    last = last_entry(inbox, merchant, system)
    return Calls(
        system,
        None if last is None else datetime.fromtimestamp(last, UTC),
        None if last is None else timedelta(seconds=max(0.0, inbox.clock() - last)),
        refusals(inbox, merchant, system),
    )
