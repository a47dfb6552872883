"""Hints for a story's merchant, as a webhook stores them, and targeted syncs of them, as a worker makes them."""

from __future__ import annotations

import sqlite3
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from vs_st_pipeline.domain.hints import CONTACT, CUSTOMER, MEMBERSHIP, ORDER, Call
from vs_st_pipeline.domain.report import Report
from vs_st_pipeline.pipeline.hinted import HintDesk
from vs_st_pipeline.platform.inbox.store import Arrival, Inbox
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.routes.contacts import handed_over, targeted
from vs_st_pipeline_tests.support.story import TEST, Story

SYSTEMS = {ORDER: "vinoshipper", CUSTOMER: "vinoshipper", MEMBERSHIP: "vinoshipper", CONTACT: "simpletexting"}


@dataclass
class Hints:
    """The inbox beside a story's data."""

    story: Story
    rates: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.inbox = Inbox(self.story.data)

    def put(self, kind: str, id: str | None = None, event: str = "UPDATED", **more: Any) -> None:
        """Store one call, as the receiver does."""
        call = Call(kind, id, event=event, opts_out=event == "UNSUBSCRIBE_REPORT", **more)
        self.inbox.put([Arrival(TEST, SYSTEMS.get(kind, "vinoshipper"), call, ("contacts",), "2026-11-29T12:00:00Z")])

    def as_run(self, now: datetime | None = None) -> Run:
        """The run of a targeted sync."""
        return replace(self.story.as_run(now), trigger="hint", inbox=self.inbox)

    def desk(self) -> HintDesk:
        waiting = self.inbox.waiting([TEST])
        return HintDesk(self.inbox, TEST, "contacts", waiting, "test", self.rates, hand_over=handed_over.hand_over)

    def sync(self, now: datetime | None = None) -> Report:
        """Sync all that waits; what is not settled waits again."""
        desk = self.desk()
        report = targeted.run_hinted(self.as_run(now), desk)
        self.inbox.give_back(desk.open)
        return report

    def synced(self, now: datetime | None = None) -> Report:
        """The same, and it must go well."""
        report = self.sync(now)
        assert (report.status, report.error) == ("ok", None), report
        return report

    def outcomes(self) -> list[tuple[str, str | None]]:
        """State and outcome of every hint, oldest first."""
        with sqlite3.connect(self.inbox.path) as db:
            return db.execute("select state, outcome from hints order by hint").fetchall()

    def outcome(self) -> str | None:
        """Outcome of the newest hint."""
        return self.outcomes()[-1][1]

    def asked(self) -> tuple[int, int]:
        """Requests at the shop and at the texting service since the journals were cleared."""
        return len(self.story.shop.journal(TEST)), len(self.story.texting.journal(TEST))

    def calls(self) -> Counter[str]:
        """What was asked: method and path without its prefix."""
        return Counter(
            f"{entry['method']} {entry['path']}"
            for control in (self.story.shop, self.story.texting)
            for entry in control.journal(TEST)
        )

    def writes_anything_to(self, phone: str) -> bool:
        return phone in self.story.written_phones()


def wait_a_moment() -> None:
    """Let the machine's clock go on, so that what comes now is later than what came before."""
    time.sleep(0.002)
