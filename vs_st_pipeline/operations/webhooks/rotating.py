"""Counts up the generation of a merchant's tokens, and replaces what is registered (webhooks-onboarding.md H37).

The generation is written before anything is registered, so that no URL is registered that receivers do not know. Where
the entry stands in a person's file, the lines to paste are handed back; the next `rotate` finds the older webhooks and
finishes (routes.md R64).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from vs_st_pipeline.operations.merchant_files import NotChanged, change
from vs_st_pipeline.operations.webhooks import registering
from vs_st_pipeline.operations.webhooks.compare import Row, State
from vs_st_pipeline.operations.webhooks.entry import Entry
from vs_st_pipeline.operations.webhooks.site import Site
from vs_st_pipeline.operations.webhooks.wanted import systems_with_hooks, wanted_kinds
from vs_st_pipeline.platform.connector import Connector
from vs_st_pipeline.platform.inbox.store import inbox_in
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.settings.merchants import Merchant

OVERLAP: Final = timedelta(hours=24)


def rotate(
    run: Run,
    site: Site,
    path: Path,
    environ: Mapping[str, str],
    *,
    systems: Collection[str] = (),
    at_once: bool = False,
    ready: Callable[[Run, str], bool] = lambda _run, _system: True,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Entry:
    """Rotate the tokens of a merchant, or finish a rotation that is under way.

    Args:
        path: the merchants file or folder.
        systems: only these; empty: all of the merchant's.
        at_once: the older token is not taken any more, not even for a day.
        ready: as in `registering.register`, with the run that has the new settings.
    """
    seen = registering.look(run, site, systems)
    if not run.merchant.webhooks.enabled:
        seen.says.append("webhooks are off (`webhooks.enabled: false`), so no token is counted up")
    if seen.errors or not run.merchant.webhooks.enabled:
        return seen
    under_way = {row.system for row in seen.hooks if row.state is State.OLD_GENERATION and _can_go(row, seen)}
    under_way |= seen.outdated
    values: dict[str, Any] = {}
    left: list[str] = []
    for one in systems_with_hooks(run.merchant):
        if systems and one.name not in systems:
            continue
        if not wanted_kinds(run.merchant, one.name):  # what stands there could not be replaced, and would answer 404
            left.append(f"{one.title}: its routes are paused, so its token stays; rotate when they are not")
            continue
        part, key = run.merchant.webhooks.of(one.name), f"webhooks.{one.name}"
        if _waits(run, one):  # by the token before that one calls may still come, which nobody can ask for again
            left.append(
                f"{one.title}: no call has come by its present URL yet, so the older one is still taken and no token "
                "is counted up; --now takes the older one no more"
            )
            if at_once:
                values[f"{key}.previous_until"] = None
        elif not under_way:
            values[f"{key}.generation"] = part.generation + 1
            values[f"{key}.previous_until"] = None if at_once else (now() + OVERLAP).replace(microsecond=0)
        elif at_once and part.previous_until is not None:
            values[f"{key}.previous_until"] = None
    paste: NotChanged | None = None
    if values:
        try:
            change(path, run.merchant.id, values, environ)
            run = replace(run, merchant=_changed(run.merchant, values))
        except NotChanged as error:
            paste = error
            systems = under_way
            if not under_way:
                return _waiting(seen, error)
    entry = registering.register(run, site, systems, ready=lambda system: ready(run, system))
    entry.says += left
    return entry if paste is None else _waiting(entry, paste)


def _waits(run: Run, connector: Connector[Any]) -> bool:
    """Say whether a system's older token holds until a call has come by the present one (routes.md R36)."""
    part = run.merchant.webhooks.of(connector.name)
    if connector.hooks is None or not connector.hooks.stores_when_off or part.previous_until is None:
        return False
    inbox = inbox_in(run.warehouse.data_dir)
    proved = frozenset[tuple[str, str, int]]() if inbox is None else inbox.proved_tokens()
    return part.generation > 1 and (run.merchant.id, connector.name, part.generation) not in proved


def _can_go(row: Row, seen: Entry) -> bool:
    """Say whether an older webhook can be replaced: one whose names the system takes no more stays for ever."""
    refused = {one.name for one in seen.hooks if one.state is State.REFUSED and one.system == row.system}
    return not set(row.name.split("+")) <= refused


def _waiting(entry: Entry, error: NotChanged) -> Entry:
    entry.says.append(f"{error.why}: write this into the merchant's entry, and rotate again")
    entry.paste = list(error.lines)
    return entry


def _changed(merchant: Merchant, values: Mapping[str, Any]) -> Merchant:
    """Return the merchant as its file says now."""
    systems = dict(merchant.webhooks.systems)
    for keys, value in values.items():
        _, system, key = keys.split(".")
        part = systems.get(system) or merchant.webhooks.of(system)
        systems[system] = part.model_copy(update={key: value})
    return replace(merchant, webhooks=replace(merchant.webhooks, systems=systems))
