"""An inbox as webhooks and workers leave it, with a clock that a test sets."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vs_st_pipeline.domain.hints import ORDER, Call, HintState, Outcome
from vs_st_pipeline.platform.inbox.store import Arrival, Inbox

AT = 490_000 * 3600.0  # epoch seconds, the beginning of an hour


class Hints:
    """An inbox of one data folder.

    Attributes:
        at: what its clock says.
    """

    def __init__(self, data: Path, at: float = AT + 1800) -> None:
        self.at = at
        self.inbox = Inbox(data, clock=lambda: self.at)

    @contextmanager
    def ago(self, seconds: float) -> Iterator[None]:
        """What happens in the block happened so long ago."""
        before, self.at = self.at, self.at - seconds
        try:
            yield
        finally:
            self.at = before

    def comes(
        self, id_: str, *, merchant: str = "hill", system: str = "vinoshipper", route: str = "contacts", **kept: str
    ) -> None:
        """A webhook for an order is stored."""
        call = Call(ORDER, id_, event="UPDATED", kept=kept)
        self.inbox.put([Arrival(merchant, system, call, (route,), "2026-11-29T12:00:00Z")])

    def settles(self, outcome: Outcome, *, lag: float | None = None, merchant: str = "hill") -> None:
        """All that waits of a merchant is claimed and settled now."""
        hints = self.inbox.claim(self.inbox.waiting([merchant]), "a worker")
        state = HintState.DROPPED if outcome is Outcome.OVER_LIMIT else HintState.DONE
        self.inbox.settle(hints, outcome, state=state)
        for hint in hints if lag is not None else []:
            self.inbox.settle([hint], outcome, written_at=hint.stored_at + lag)

    def expires(self, merchant: str = "hill") -> None:
        """All that waits of a merchant expires now."""
        hints = self.inbox.claim(self.inbox.waiting([merchant]), "expiry")
        with self.inbox._write() as db:
            for hint in hints:
                db.execute("update hints set state = 'expired', settled_at = ? where hint = ?", [self.at, hint.hint])

    def refuses(self, merchant: str, system: str, times: int) -> None:
        """Calls come to a right URL with a wrong header."""
        with self.inbox._write() as db:
            db.executemany("insert into refusals values (?, ?, ?)", [(merchant, system, self.at)] * times)
