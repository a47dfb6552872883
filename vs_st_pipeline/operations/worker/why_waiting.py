"""Says why a hint still waits, in one phrase for people: nobody may take it now, it is not due yet, or its turn comes.

Data flow: inbox, merchants file, status files -> a phrase for each hint that waits -> `vs-st inbox`.

It asks in the order in which a worker does (`rounds`, `turns`); nothing here decides anything.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Final

from vs_st_pipeline.domain.errors import BadSettings
from vs_st_pipeline.domain.formats import humanize
from vs_st_pipeline.domain.hints import WHOLE, is_account
from vs_st_pipeline.operations.fleet.hints import WORKER_ALIVE
from vs_st_pipeline.operations.fleet.inbox_troubles import WORKER
from vs_st_pipeline.operations.settings import read_merchants
from vs_st_pipeline.operations.worker.turns import MOST_WAITING, Pair, by_pair, key_of
from vs_st_pipeline.pipeline.status_file import read_status
from vs_st_pipeline.platform.inbox import questions
from vs_st_pipeline.platform.inbox.store import Inbox, Record
from vs_st_pipeline.platform.settings.environment import settings_path
from vs_st_pipeline.platform.settings.merchants import MerchantsFile

NEXT: Final = "its turn comes within seconds"
_NO_WORKER: Final = "no `vs-st work` is alive: the next sync takes it"


def reasons(
    inbox: Inbox, data_dir: Path, environ: Mapping[str, str], entries: Collection[int]
) -> dict[tuple[int, str], str]:
    """Return why hints of these entries wait, by entry and route; hints that do not wait are left out."""
    keys = questions.waiting_of(inbox, entries)
    if not keys:
        return {}
    waiting = inbox.waiting(sorted({key[0] for key in keys.values()}))
    records = {key_of(one): one for one in waiting}
    off = _off(environ, {(one.merchant, one.route) for one in waiting})
    resting, now = inbox.resting(), inbox.clock()
    beat = inbox.last_beat(WORKER)
    is_alive = beat is not None and now - beat <= WORKER_ALIVE
    many = {pair for pair, found in by_pair(waiting).items() if len(found) > MOST_WAITING}
    failed = questions.failed_of(inbox, entries)
    found = {}
    for hint, key in keys.items():
        if (one := records.get(key)) is None:  # somebody has taken it by now
            continue
        pair = one.merchant, one.route
        closed = off.get(pair) or _closed(data_dir, pair, resting.get(pair))
        found[hint] = closed or _not_due(one, now, has_failed=hint in failed) or (NEXT if is_alive else _NO_WORKER)
        if found[hint] == NEXT and pair in many:
            found[hint] = f"more than {MOST_WAITING} records wait: a whole sync reads them"
    return found


def _off(environ: Mapping[str, str], pairs: Collection[Pair]) -> dict[Pair, str]:
    """Return whose hints nobody may take, by what the merchants file says; nothing where it cannot be read."""
    try:
        file = read_merchants(settings_path(environ), environ, secrets=False, all_bad=True)
    except BadSettings:
        return {}
    said = {pair: _off_because(file, *pair) for pair in pairs if not is_account(pair[0])}
    return {pair: why for pair, why in said.items() if why}


def _off_because(file: MerchantsFile, merchant_id: str, route: str) -> str:
    merchant = file.get(merchant_id)
    if merchant is None:
        return "its entry cannot be used" if file.bad_of(merchant_id) else "there is no entry of this merchant any more"
    if not merchant.enabled:
        return "the merchant is disabled"
    if route in merchant.paused:
        return f"route {route} is paused"
    if (off := merchant.off.get(route)) is not None:
        return f"route {route} is off: {off.says}"
    if route in merchant.faults:
        return f"the settings of route {route} cannot be used"
    return "" if route in merchant.routes else f"the merchant has no route {route} any more"


def _closed(data_dir: Path, pair: Pair, error: str | None) -> str:
    if error is not None:
        return f"the merchant rests after `{error}`, until a sync ends well"
    if is_account(pair[0]) or read_status(data_dir, *pair).last_good_sync_at is not None:
        return ""
    return "the merchant had no good sync yet: its first one takes it"


def _not_due(one: Record, now: float, *, has_failed: bool) -> str:
    if one.kind == WHOLE:
        return ""
    if one.held_until > now:
        return f"written by a sync of ours under 10 minutes ago, so it is read in {_in(one.held_until, now)}"
    if one.due_at <= now:
        return ""
    if one.not_before > now and not has_failed:  # put off by who has looked at it
        return f"a route of ours has just written it, or reads it first, so it is read in {_in(one.due_at, now)}"
    if one.not_before > now:
        return f"the last try failed, and the next is in {_in(one.due_at, now)}"
    return f"it is read in {_in(one.due_at, now)}" + (", as it was read a moment ago" if one.read_at else "")


def _in(at: float, now: float) -> str:
    return humanize(timedelta(seconds=max(1.0, at - now)))
