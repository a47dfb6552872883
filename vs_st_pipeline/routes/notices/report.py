"""Reports what a run of this route did, with the counts that the contract names (notices.md 9)."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from typing import Any, Final

from vs_st_pipeline.domain.formats import counted
from vs_st_pipeline.domain.report import Report
from vs_st_pipeline.routes.notices.systems import ESHOPBOX, GUPSHUP, NAME

SEEN: Final = ("orders", "hooks", "receipts", "replies", "templates")
SYNCED: Final = (
    "delivered", "read", "failed", "actions_done", "actions_refused", "actions_unknown", "unexpected",
)  # fmt: skip


@dataclass(slots=True)
class NoticesReport(Report):
    """One merchant's line.

    Attributes:
        messages: due in this sync. actions: calls that were due.
        dropped: notices that this run dropped, by reason. waits: notices that wait, by reason.
        counts: the words of `SYNCED`.
        zone: the merchant's, in which a plan says times to people.
    """

    messages: int = 0
    actions: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    waits: Counter[str] = field(default_factory=Counter)
    counts: Counter[str] = field(default_factory=Counter)
    zone: tzinfo = UTC

    def is_partial(self) -> bool:
        """Say so of an action too that was refused in this run, or whose outcome is not known (9)."""
        own = self.counts["actions_refused"] or self.counts["actions_unknown"]
        return bool(own) or Report.is_partial(self)

    def add_up(self) -> None:
        """Work out the counts that all routes have from this route's own."""
        self.planned = {"messages": self.messages, "actions": self.actions}

    def as_json(self) -> dict[str, Any]:
        whole = Report.as_json(self)
        planned = {"messages": self.messages, "actions": self.actions}
        for name, counts in (("dropped", self.dropped), ("waiting", self.waits), ("noted", self.noted)):
            planned[name] = {str(word): counts[word] for word in sorted(counts) if counts[word]}  # type: ignore[assignment]
        whole["planned"] = planned
        whole["raw"] = {name: self.seen.get(name, 0) for name in SEEN}
        whole["synced"] |= {name: self.counts[name] for name in SYNCED}
        return whole

    def lines(self) -> list[str]:
        read = {name: count for name, count in self.seen.items() if count}
        if self.error is not None and not read:
            return []
        told = [f"{self.accepted} accepted", f"{self.rejected} rejected", f"{self.unknown} unknown"]
        told += [counted(self.counts[name], name.replace("_", " ")) for name in SYNCED if self.counts[name]]
        lines = [
            "  read     " + (", ".join(counted(count, name) for name, count in read.items()) or "nothing"),
            f"  planned  {counted(self.messages, 'messages')}, {counted(self.actions, 'actions')}",
            "  synced   " + ", ".join(told),
        ]
        for name, counts in (("dropped", self.dropped), ("waiting", self.waits), ("noted", self.noted)):
            lines += [f"  {name:8} {counts[word]} {word}" for word in sorted(counts) if counts[word]]
        return lines


def new_report(merchant_id: str, run_id: str = "") -> NoticesReport:
    """Return the report of a run that has not done anything yet."""
    return NoticesReport(
        merchant_id,
        run_id,
        route=NAME,
        seen=dict.fromkeys(SEEN, 0),
        calls={ESHOPBOX: Counter(), GUPSHUP: Counter()},
    )
