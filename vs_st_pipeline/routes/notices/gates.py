"""Says whether the action that a reply asks for may be taken (notices.md 8.3), as a table in the contract's order.

Pure: no clock, no file, no network.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from vs_st_pipeline.routes.notices.order_now import OrderNow
from vs_st_pipeline.routes.notices.words import ActionState, ReplyOutcome

WINDOW: Final = timedelta(hours=72)
TAKEN: Final = frozenset({ActionState.SENDING, ActionState.DONE, ActionState.UNKNOWN})
"""States of an action that bars another one on its message. After a refused one another tap may act (rulings 19); one
that waits was certainly not taken, and a later reply waits behind it."""


@dataclass(frozen=True, slots=True)
class Situation:
    """What the gates look at.

    Attributes:
        replied_at, message_at: of the reply, and of the message that it counts for; UTC without zone.
        code: what is asked for.
        taken: codes of actions taken on that message (states of `TAKEN`), but this reply's own.
        now: how the order stands; None: not read yet.
    """

    replied_at: datetime
    message_at: datetime
    code: str
    taken: Collection[str] = ()
    now: OrderNow | None = None


Gate = tuple[ReplyOutcome, Callable[[Situation], bool]]

BEFORE_READING: Final[tuple[Gate, ...]] = (
    (ReplyOutcome.TOO_LATE, lambda at: at.replied_at - at.message_at > WINDOW),
    (ReplyOutcome.REPEATED, lambda at: at.code in at.taken),
    (ReplyOutcome.ALREADY_ANSWERED, lambda at: bool(at.taken)),
)
AFTER_READING: Final[tuple[Gate, ...]] = (
    (ReplyOutcome.NOT_FAILED_NOW, lambda at: at.now is not None and not at.now.is_failing),
    (ReplyOutcome.REPEATED, lambda at: _answered_there(at) == at.code),
    (ReplyOutcome.ALREADY_ANSWERED, lambda at: _answered_there(at) is not None),
    (
        ReplyOutcome.NOT_OFFERED,
        lambda at: at.now is not None and at.now.resolutions is not None and at.code not in at.now.resolutions,
    ),
)
"""What somebody has handed in at Eshopbox for this failed delivery bars a second word on it, as one of ours does."""
SOME: Final = "some"  # something was handed in; what, is not told


def closed(situation: Situation) -> ReplyOutcome | None:
    """Return the first gate that is closed; None: all that can be judged are open."""
    gates = BEFORE_READING if situation.now is None else (*BEFORE_READING, *AFTER_READING)
    return next((outcome for outcome, is_closed in gates if is_closed(situation)), None)


def _answered_there(at: Situation) -> str | None:
    """Return the code that was handed in at Eshopbox since the parcel last failed; `SOME`: not known which."""
    now = at.now
    if now is None or not now.is_failing:
        return None
    when = now.submitted_at if now.submitted is not None and now.submitted_at is not None else now.answered_at
    if when is None or (now.failed_at is not None and when < now.failed_at):  # of an earlier failure, or no time told
        return None
    return now.submitted if now.submitted is not None else SOME
