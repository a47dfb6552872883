"""Makes one call to WayMore, again while that may help, and remembers when it may be called next (audience.md 7.3-7.5).

What is refused or accepted is for the caller to store. Here is what both events and parts have in common: how long one
of them is tried, and what keeps all of them back: a Retry-After, or answers that neither say yes nor no.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from types import NoneType
from typing import Final

from vs_st_pipeline.connectors.waymore.answers import SAYS_NOTHING, Answer, Outcome
from vs_st_pipeline.domain.errors import BadAnswer, PipelineError, TryLater
from vs_st_pipeline.domain.records import LARGEST_GAP
from vs_st_pipeline.domain.single_reads import waits
from vs_st_pipeline.platform.cpu_slots import releasing
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.routes.audience import facts, registration
from vs_st_pipeline.routes.audience.session import AudienceSession
from vs_st_pipeline.routes.audience.systems import DESTINATION

FIRST_GAP: Final = timedelta(hours=1)
_NOT_BEFORE: Final = "not_before"  # epoch seconds of the real clock
_UNMARKED: Final = "unmarked"
_LONGEST_PAUSE: Final = 20.0
_LONGEST_REST: Final = 86_400.0  # of a longer one the first day; one that is longer still was set by a wrong clock

_sleep = releasing(time.sleep)


def gap_after(refusals: int) -> timedelta | None:
    """Return how long to wait after so many refusals: not at all after the first, then 1 h doubling to 24 h."""
    if refusals <= 1:
        return None
    doublings: int = min(refusals - 2, 10)
    return min(FIRST_GAP * (1 << doublings), LARGEST_GAP)


def ask_gate(session: AudienceSession, db: Db) -> None:
    """Let no call be made while WayMore wants to rest, or while its answers are not understood.

    Raises:
        PipelineError: the same as the sync that found it out; nobody is called.
    """
    rest = facts.read(db, _NOT_BEFORE)
    if isinstance(rest, int | float) and 0 < rest - time.time() <= _LONGEST_REST:
        raise TryLater("WayMore asked us to wait, and that time is not over yet", system=DESTINATION, http_status=429)
    unmarked = facts.read(db, _UNMARKED)
    if isinstance(unmarked, dict) and unmarked.get("ack") == session.settings.ack:
        next_at = datetime.fromisoformat(unmarked["next_at"])
        if waits(next_at, session.run.now()):
            raise BadAnswer(SAYS_NOTHING, system=DESTINATION, call=unmarked.get("call"))


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of one event or part in this run.

    Attributes:
        answer: the last one; its outcome is `unknown` where any try may have arrived and none was settled.
        tries: how often it left. again: how often after a try that may have arrived.
    """

    answer: Answer
    tries: int
    again: int

    @property
    def outcome(self) -> Outcome:
        """Return the outcome."""
        return self.answer.outcome


def send(session: AudienceSession, call: Callable[[], Answer], *, resend: bool, maybe: bool = False) -> Sent:
    """Make a call, and again within `give_up_after` while nothing was taken or nobody knows.

    Args:
        resend: whether the same bytes may go again after a try that may have arrived.
        maybe: whether an earlier run's try may have arrived.

    Returns:
        What became of it: not sent, after no try, where the run was stopped before the first.
    """
    run = session.run
    gives_up_at = time.monotonic() + run.merchant.give_up_after.total_seconds()
    pause, tries, again = 0.5, 0, 0
    arrived = False  # of this run's tries: one may have
    if run.stop():
        stop = TryLater("stopped by hand; the next sync goes on where this one was", system=DESTINATION)
        return Sent(Answer(Outcome.NOT_SENT, stop=stop), tries, again)
    while True:
        answer = call()
        tries += 1
        again += maybe or arrived
        arrived = arrived or answer.outcome is Outcome.UNKNOWN
        repeats = (answer.outcome is Outcome.NOT_SENT and isinstance(answer.stop, TryLater | NoneType)) or (
            answer.outcome is Outcome.UNKNOWN and answer.stop is None and resend
        )
        wait = max(pause, answer.retry_after or 0.0)
        if not repeats or run.stop() or time.monotonic() + wait >= gives_up_at:
            break
        _sleep(wait)
        pause = min(pause * 2, _LONGEST_PAUSE)
    if answer.outcome is Outcome.NOT_SENT and arrived:
        answer = replace(answer, outcome=Outcome.UNKNOWN)
    return Sent(answer, tries, again)


def remember(session: AudienceSession, db: Db, sent: Sent, call: str) -> None:
    """Note, with the outcome, when WayMore may be called next; inside the caller's transaction."""
    now, answer = session.run.now(), sent.answer
    if answer.retry_after and answer.outcome in (Outcome.NOT_SENT, Outcome.UNKNOWN):
        facts.keep(db, _NOT_BEFORE, time.time() + min(answer.retry_after, _LONGEST_REST), now)
    elif answer.outcome is not Outcome.NOT_SENT:
        facts.drop(db, _NOT_BEFORE)
    if answer.unmarked:
        before = facts.read(db, _UNMARKED)
        ack = session.settings.ack
        tries = before["tries"] + 1 if isinstance(before, dict) and before.get("ack") == ack else 1
        gap = gap_after(tries + 1)
        assert gap is not None
        said = {"ack": ack, "tries": tries, "next_at": (now + gap).isoformat(), "call": call}
        facts.keep(db, _UNMARKED, said, now)
    elif answer.outcome is Outcome.ACCEPTED:
        facts.drop(db, _UNMARKED)


def error_of(sent: Sent) -> PipelineError:
    """Return the error with which a run stops where a call was not settled."""
    said = "WayMore gave no answer that says whether it has taken what was sent; the same goes again at the next sync"
    if sent.outcome is Outcome.NOT_SENT:
        said = "WayMore could not be reached, or takes nothing for now; nothing was sent"
    return sent.answer.stop or TryLater(said, system=DESTINATION, http_status=sent.answer.http_status)


def note_accepted(session: AudienceSession) -> None:
    """Note that this registration has had something accepted; after the commit that says so."""
    if not session.registration.accepted:
        registration.mark_accepted(session.run)
        session.registration = replace(session.registration, accepted=True)
