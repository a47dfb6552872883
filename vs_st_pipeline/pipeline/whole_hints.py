"""Has a whole sync take the hints that wait for its merchant and route (webhooks-onboarding.md H26, rulings 2).

Data flow: inbox -> the route's own queue (`Queue.hand_over`) -> reads -> inbox.

with whole_hints.taken(run, QUEUE) as hints:      under the sync lock, before anything is read
    ...                                           the sync

The database's commit comes first, then the inbox's: a crash repeats, and never loses. A hint is `working` until its
record was read. A sync that fails gives back what it took; one that ends well satisfies whoever wanted a whole sync,
and ends a rest. A dry run takes nothing, and a merchant without an inbox file costs one look for it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from vs_st_pipeline.domain.hints import Hint, Outcome
from vs_st_pipeline.pipeline.hinted import Queue
from vs_st_pipeline.platform.failpoints import failpoint
from vs_st_pipeline.platform.inbox.leases import LEASES
from vs_st_pipeline.platform.inbox.store import AT_ONCE, UNUSABLE, Inbox
from vs_st_pipeline.platform.run import RequestLogEntry, Run


@dataclass(slots=True)
class Taken:
    """What one whole sync has taken.

    Attributes:
        counts: how many were claimed now, by system and kind. records: of how many records.
        hints: they themselves; of a queue that leaves none to a later sync there may be some hundred thousand, so these
            are not kept.
        queued: those that an earlier sync took, and whose records it did not come to.
        waits: of these hints, numbers of those that go on waiting: the route was not allowed what they need.
    """

    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    records: int = 0
    hints: list[Hint] = field(default_factory=list)
    queued: list[Hint] = field(default_factory=list)
    waits: set[int] = field(default_factory=set)


@contextmanager
def taken(run: Run, queue: Queue | None) -> Iterator[Taken]:
    """Take the hints that wait, and settle them when the block ends; without an inbox there are none."""
    inbox = run.inbox
    if queue is None or inbox is None or run.dry_run or not inbox.exists:
        yield Taken()
        return
    # A run of Dagster is one run of many merchants.
    owner, began, found = f"sync {run.run_id} {run.merchant.id} {run.route}", inbox.clock(), Taken()
    try:
        inbox.take_back_dead()  # where no worker runs, nobody else does (H26)
        found.queued = inbox.queued(run.merchant.id, run.route)
    except UNUSABLE as error:
        _warn(run, error)
    with LEASES.kept(inbox, owner):
        try:
            for hints in _claimed(run, inbox, owner, began):
                found.counts.update((one.system, one.kind) for one in hints)
                found.records += len({one.record for one in hints})
                if queue.unread is not None:
                    found.hints += hints
                queue.hand_over(run, hints)
                failpoint("hints taken")
            yield found
        except BaseException:
            with suppress(*UNUSABLE):
                inbox.release(owner)
                inbox.whole_ended(run.merchant.id, run.route, began, well=False)
            raise
        try:
            _settle(run, inbox, queue, found, owner)
            inbox.whole_ended(run.merchant.id, run.route, began, well=True)
        except UNUSABLE as error:  # the leases end, and another sync does it again
            _warn(run, error)


def _claimed(run: Run, inbox: Inbox, owner: str, now: float) -> Iterator[list[Hint]]:
    """Claim the hints that wait, those of some records at a time: a receiver stores its calls in between."""
    try:
        waiting = [one for one in inbox.waiting([run.merchant.id], route=run.route) if one.held_until <= now]
        for start in range(0, len(waiting), AT_ONCE):
            if hints := inbox.claim(waiting[start : start + AT_ONCE], owner, run_id=run.run_id):
                yield hints
    except UNUSABLE as error:
        _warn(run, error)


def _settle(run: Run, inbox: Inbox, queue: Queue, found: Taken, owner: str) -> None:
    both = [*found.queued, *found.hints]
    if both:
        unread = set() if queue.unread is None else set(queue.unread(run, both)) - found.waits
        inbox.give_back(one for one in found.hints if one.hint in found.waits)
        left = [one for one in both if one.hint in unread]
        rests = queue.rests(run, left) if queue.rests is not None and left else {}
        for one in left:
            if seconds := rests.get(one.hint, 0.0):
                inbox.give_back([one], not_before=inbox.clock() + seconds)
        inbox.queue((one for one in left if not rests.get(one.hint)), run.run_id)
        done = [one for one in both if one.hint not in unread | found.waits]
        inbox.settle(done, Outcome.HANDED_OVER, run_id=run.run_id)
    if queue.unread is None and found.counts:
        inbox.settle_owned(owner, Outcome.HANDED_OVER, run_id=run.run_id)


def _warn(run: Run, error: Exception) -> None:
    said = f"the inbox of hints cannot be used ({type(error).__name__}): this sync goes on without it"
    run.progress(said)
    run.request_log.append(RequestLogEntry("hints", said, 0, "none taken"))
