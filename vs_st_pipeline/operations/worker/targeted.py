"""Takes one turn: settles what costs nothing, hands over what is too much, and makes one targeted sync of the rest.

Data flow: Turn -> claims -> the route's targeted sync -> outcomes, waits or a rest in the inbox, and a report.
"""

from __future__ import annotations

import os
import socket
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from vs_st_pipeline.domain.errors import Internal, LockHeld, PipelineError
from vs_st_pipeline.domain.hint_timing import gap_after
from vs_st_pipeline.domain.hints import WHOLE, Hint, HintState, Outcome, is_account
from vs_st_pipeline.domain.report import FAILED, OK, Report
from vs_st_pipeline.operations.worker.turns import Turn
from vs_st_pipeline.pipeline.hinted import HandOver, HintDesk
from vs_st_pipeline.pipeline.route import Route
from vs_st_pipeline.platform.crash_reports import describe
from vs_st_pipeline.platform.inbox.leases import LEASES
from vs_st_pipeline.platform.inbox.store import Inbox, Record
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.settings.merchants import Merchant

RESTING: Final = frozenset({"auth", "unsafe", "config", "internal"})
"""Errors after which a merchant's targeted syncs rest until a whole sync has ended well (H30)."""
LOCK_SECONDS: Final = 2.0  # until a lock that another sync holds is tried again
UNREADABLE: Final = "bad_answer"


@dataclass(frozen=True, slots=True)
class Taken:
    """What came of a turn.

    Attributes:
        report: None where there is nothing to tell.
        again_in: seconds until the pair is tried again, where nothing could be begun.
        held: another sync holds the lock: what was to be read goes on waiting.
        left: records that the sync did not come to, because it was full; they are due.
    """

    report: Report | None
    again_in: float = 0.0
    held: bool = False
    left: tuple[Record, ...] = ()


def new_owner() -> str:
    """Return a name for one claim, unique to this process and sync."""
    return f"{socket.gethostname()} {os.getpid()} {uuid.uuid4().hex[:12]}"


def rates_of(merchant: Merchant, route: Route) -> dict[str, float]:
    """Return requests a second that hints of a merchant may use, by system (H27)."""
    return {
        one.name: one.account(merchant).requests_per_second * merchant.webhooks.share
        for one in route.connectors
        if one.name in merchant.sections
    }


def take(
    turn: Turn, route: Route, inbox: Inbox, make_run: Callable[[], Run], *, owner: str, stopping: Callable[[], bool]
) -> Taken:
    """Take a turn; never raises but for the inbox (`store.UNUSABLE`).

    Args:
        make_run: makes the run of this merchant and route; its lock is tried, never waited for.
        owner: who claims. stopping: the worker was asked to stop: what ended early is no failure.
    """
    shared = is_account(turn.pair[0])  # nothing of an account's calls can be read again: all of them are content
    free = {} if shared else _settle_free(turn.free, inbox, owner)
    records = (*turn.free, *turn.records) if shared else turn.records
    run = make_run()
    report = _begun(route, run, of=turn.pair[0])
    desk = HintDesk(inbox, *turn.pair, records, owner)
    again_in = 0.0
    if records:
        try:
            desk.rates, desk.hand_over = _limits(run, route) if not shared else ({}, None)
            with LEASES.kept(inbox, owner):
                hands_over = turn.hands_over and not shared
                report = _hand_over(run, desk, report) if hands_over else _sync(run, route, desk, shared=shared)
        except PipelineError as error:
            report.status, report.error = FAILED, error
        except Exception as error:  # a route's `hinted.run` does not raise; a fault in it is that merchant's alone
            report.status, report.error = FAILED, Internal(describe(error))
        desk.tell(report)
        if isinstance(report.error, LockHeld) and not desk.hints:
            return Taken(_begun(route, run, free, of=turn.pair[0]) if free else None, LOCK_SECONDS, held=True)
        if report.status == OK and not desk.hints:  # never synced, or others have them: nothing to tell, and no hurry
            return Taken(_begun(route, run, free, of=turn.pair[0]) if free else None, gap_after(1))
        _after(inbox, desk, report, stopped=stopping())
        again_in = gap_after(1) if report.status == FAILED and not desk.hints else 0.0
    report.hints.update(free)
    return Taken(report, again_in, left=_left(turn, desk))


def _left(turn: Turn, desk: HintDesk) -> tuple[Record, ...]:
    names = {desk.hints[number].record for number, seconds in desk.put_off.items() if not seconds}
    return tuple(one for one in turn.records if (one.system, one.kind, one.record) in names)


def _limits(run: Run, route: Route) -> tuple[dict[str, float], HandOver | None]:
    return rates_of(run.merchant, route), route.hinted.hand_over if route.hinted else None


def _sync(run: Run, route: Route, desk: HintDesk, *, shared: bool) -> Report:
    assert route.hinted is not None
    if not shared:
        return route.hinted.run(run, desk)
    assert route.hinted.shared is not None
    return route.hinted.shared.run(run, desk)


def _hand_over(run: Run, desk: HintDesk, report: Report) -> Report:
    """Have a whole sync do all that waits: it is more than a hint's work (H25)."""
    with run.sync_lock():
        desk.settle(desk.claim(run), Outcome.HANDED_OVER)
        desk.finish(report)
    return report


def _settle_free(records: Sequence[Record], inbox: Inbox, owner: str) -> Mapping[str, int]:
    """Settle hints that cost no request: `whole`, and ids that are not asked for now (H27); returns the counts."""
    if not records:
        return {}
    claimed = inbox.claim(records, owner)
    wholes = [hint for hint in claimed if hint.kind == WHOLE]
    barred = [hint for hint in claimed if hint.kind != WHOLE]
    if wholes:
        inbox.want_whole(wholes[0].merchant, wholes[0].route)
        inbox.settle(wholes, Outcome.HANDED_OVER)
    if barred:
        inbox.settle(barred, Outcome.OVER_LIMIT, state=HintState.DROPPED)
    names = {(hint.route, hint.record) for hint in claimed}
    return {"taken": len(claimed), "records": len(names), "handed_over": len(wholes), "dropped": len(barred)}


def _begun(route: Route, run: Run, free: Mapping[str, int] | None = None, *, of: str) -> Report:
    report = route.report(of, run.run_id)
    report.status, report.trigger = OK, "hint"
    report.hints.update(free or {})
    return report


def _after(inbox: Inbox, desk: HintDesk, report: Report, *, stopped: bool) -> None:
    """Let what was not settled wait for its next try, or the merchant rest (H30)."""
    kind = report.error.kind if report.error else None
    desk.break_off(report)
    left = [hint for hint in desk.open if hint.hint > 0]
    if kind in RESTING and not is_account(desk.merchant):  # no whole sync would end an account's rest
        inbox.give_back(left, error=kind)
        inbox.rest(desk.merchant, desk.route, str(kind))
        inbox.want_whole(desk.merchant, desk.route)
    elif stopped:
        inbox.give_back(left)
    else:
        for hint in left:
            if kind is None and (seconds := desk.put_off.get(hint.hint)) is not None:
                inbox.give_back([hint], not_before=inbox.clock() + seconds if seconds else 0.0)
            else:
                _try_again(inbox, hint, desk.failed.get(hint.hint) or kind or UNREADABLE)


def _try_again(inbox: Inbox, hint: Hint, kind: str) -> None:
    inbox.give_back([hint], not_before=inbox.clock() + gap_after(hint.tries + 1), error=kind)
