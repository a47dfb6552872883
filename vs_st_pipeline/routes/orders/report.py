"""Reports what a run of this route did, with the counts that the contract names (orders.md 8)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any, Final

from vs_st_pipeline.domain.formats import counted
from vs_st_pipeline.domain.report import Report
from vs_st_pipeline.routes.orders.systems import NAME, SHIPPER, SHOP

SEEN: Final = ("orders", "vinoshipper_orders")
PLANNED: Final = ("send", "fulfil", "messages")
SYNCED: Final = ("sent", "adopted", "failed", "not_required", "voided", "fulfilled", "messages", "unknown")
_WRITTEN: Final = ("sent", "voided", "fulfilled", "messages")  # what changed something elsewhere


@dataclass(slots=True)
class Tally:
    """Counts what became of orders in one run, each of them once per word (rulings, All routes 2)."""

    _found: dict[str, set[Hashable]] = field(default_factory=dict)

    def add(self, word: str, what: Hashable) -> None:
        """Count something, by its id, under a word of the report's `synced`; a second time changes nothing."""
        assert word in SYNCED, word
        self._found.setdefault(word, set()).add(what)

    def of(self, word: str) -> set[Hashable]:
        """Return what was counted under a word."""
        return self._found.get(word, set())

    def keep(self, word: str, what: set[Any]) -> None:
        """Count exactly these under a word."""
        self._found[word] = set(what)

    def __getitem__(self, word: str) -> int:
        return len(self.of(word))


@dataclass(slots=True)
class OrdersReport(Report):
    """One merchant's line.

    Attributes:
        tally: what became of orders in this run, by the words of `synced`.
        standing: orders that stand failed, over all runs; None where this run did not get that far.
        shadow: whether `orders.mode` keeps this run from writing.
        before_start: orders known that were paid before `start`.
        not_sent: orders that a person wanted sent now and that were not: number, code and why, for people.
    """

    tally: Tally = field(default_factory=Tally)
    standing: int | None = None
    shadow: bool = False
    before_start: int = 0
    not_sent: list[str] = field(default_factory=list)

    def add_up(self) -> None:
        """Work out the counts that all routes have from this route's own."""
        self.accepted = sum(self.tally[word] for word in _WRITTEN)
        self.rejected, self.unknown = self.tally["failed"], self.tally["unknown"]

    def as_json(self) -> dict[str, Any]:
        common = Report.as_json(self)
        return {
            **common,
            "raw": {name: self.seen.get(name, 0) for name in SEEN},
            "planned": {**{word: self.planned.get(word, 0) for word in PLANNED}, **_reasons(self)},
            "synced": {word: self.tally[word] for word in SYNCED},
        }

    def as_status(self) -> dict[str, Any]:
        """Return what the status file keeps; with `accepted`, by which a fleet's pictures count what changed."""
        kept = Report.as_status(self)
        return {**kept, "synced": {**kept["synced"], "accepted": self.accepted}}

    def lines(self) -> list[str]:
        if self.error is not None and not any(self.seen.values()):
            return []
        planned = {word: self.planned.get(word, 0) for word in PLANNED}
        tally = self.tally
        done = ", ".join(f"{tally[word]} {word.replace('_', ' ')}" for word in SYNCED if word != "messages")
        return [
            *(["  mode     shadow: nothing is written at Commerce7 or Vinoshipper"] if self.shadow else []),
            f"  read     {counted(self.seen.get('orders', 0), 'orders')} of {SHOP.capitalize()}, "
            f"{self.seen.get('vinoshipper_orders', 0)} of {SHIPPER.capitalize()}",
            f"  planned  {planned['send']} to send, {planned['fulfil']} to fulfill, "
            f"{counted(planned['messages'], 'messages')}",
            f"  synced   {done}, {counted(tally['messages'], 'messages')}",
            *([f"  open     {self.standing} failed"] if self.standing else []),
            *(f"  not sent {one}" for one in self.not_sent),
            *self.reason_lines(),
        ]


def new_report(merchant_id: str, run_id: str = "") -> OrdersReport:
    """Return the report of a run that has not done anything yet."""
    return OrdersReport(
        merchant_id,
        run_id,
        route=NAME,
        seen=dict.fromkeys(SEEN, 0),
        planned=dict.fromkeys(PLANNED, 0),
        calls={SHOP: Counter(), SHIPPER: Counter()},
    )


def _reasons(report: Report) -> dict[str, dict[str, int]]:
    return {
        name: {word: count for word, count in sorted(counts.items()) if count}
        for name, counts in (("held", report.held), ("noted", report.noted))
    }
