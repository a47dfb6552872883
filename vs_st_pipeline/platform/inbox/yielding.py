"""Says when a whole sync gives way: a hint of its merchant and route is due and waits for its lock (routes.md R63).

Asked before every request, so that it looks at the inbox twice a second at most.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from vs_st_pipeline.platform.inbox.store import UNUSABLE, Inbox

LOOK_SECONDS = 0.5


@dataclass(slots=True)
class Yielding:
    """Whether one run has given way; it goes on doing so to its end.

    Attributes:
        gave_way: a hint was due, and none had been given way to within five minutes.
    """

    gave_way: bool = False
    monotonic: Callable[[], float] = time.monotonic
    _looks_at: float = 0.0

    def must(self, inbox: Inbox, merchant: str, route: str) -> bool:
        """Say whether the run reads no further what can wait."""
        if self.gave_way or self.monotonic() < self._looks_at:
            return self.gave_way
        self._looks_at = self.monotonic() + LOOK_SECONDS
        try:
            now = inbox.clock()
            due = any(one.due_at <= now for one in inbox.waiting([merchant], route=route))
            if due and (merchant, route) not in inbox.resting():
                self.gave_way = inbox.may_yield(merchant, route)
        except UNUSABLE:  # whole syncs go on without an inbox that cannot be read (H19)
            return False
        return self.gave_way
