"""Reports what a run of this route did, with the counts that the contract names (audience.md 9)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

from vs_st_pipeline.domain.formats import counted
from vs_st_pipeline.domain.report import KEYS, Report
from vs_st_pipeline.routes.audience.registration import State
from vs_st_pipeline.routes.audience.systems import DESTINATION, NAME
from vs_st_pipeline.routes.audience.words import BLOCKS, Event

SEEN: Final = ("customers", "subscribers", "products", "wishlists", "orders", "carts", "posts")
OF_A_BLOCK: Final = ("records", "accepted", "rejected", "left_out", "parts")


@dataclass(slots=True)
class AudienceReport(Report):
    """One merchant's line.

    Attributes:
        registration: the state of the registration.
        history_state: waiting, sending, done or skipped. block: the one under way. blocks: counts of each.
        events: new events of this plan, by name. late: records of it that go as late history.
    """

    keys: ClassVar[Mapping[str, str]] = {
        **KEYS,
        "registration": f"the state of the registration: {', '.join(f'`{one}`' for one in State)}",
        "history": "`state` (`waiting`, `sending`, `done`, `skipped`), the `block` under way, and counts of each block",
    }

    registration: str = "none"
    history_state: str = "waiting"
    block: str | None = None
    blocks: dict[str, dict[str, int]] = field(default_factory=dict)
    events: Counter[str] = field(default_factory=Counter)
    late: int = 0

    def add_up(self) -> None:
        """Work out the counts that all routes have from this route's own."""
        self.planned = {"events": self.events.total(), "late": self.late}

    @property
    def history(self) -> dict[str, Any]:
        """Return how far the history is; block keys are always the lower names."""
        blocks = {str(block): self.blocks.get(block, {}) for block in BLOCKS}
        return {
            "state": self.history_state,
            "block": self.block,
            "blocks": {name: {what: told.get(what, 0) for what in OF_A_BLOCK} for name, told in blocks.items()},
        }

    def as_json(self) -> dict[str, Any]:
        whole = Report.as_json(self)
        whole |= {
            "registration": self.registration,
            "raw": {name: self.seen.get(name, 0) for name in SEEN},
            "history": self.history,
        }
        whole["planned"] |= {"events": {str(one): self.events[one] for one in Event if self.events[one]}}
        return whole

    def lines(self) -> list[str]:
        read = {name: count for name, count in self.seen.items() if count}
        lines = [f"  waymore  {self.registration}; {progress(self.history, names_state=True)}"]
        if self.error is not None and not read:
            return lines if self.blocks else []
        events = ", ".join(f"{self.events[one]} {one}" for one in Event if self.events[one]) or "no events"
        return [
            "  read     " + (", ".join(counted(count, name) for name, count in read.items()) or "nothing"),
            *lines,
            f"  planned  {events}" + (f", {self.late} as late history" if self.late else ""),
            f"  synced   {self.accepted} accepted, {self.rejected} rejected, {self.unknown} unknown",
            *self.reason_lines(),
        ]


def progress(history: dict[str, Any], *, names_state: bool = False) -> str:
    """Say how far a history is, such as `history: orders 43 %`; `""` where it is done and nobody asks for its state."""
    if history["block"] is None:
        return f"history: {history['state']}" if names_state else ""
    told = history["blocks"][history["block"]]
    settled = told["accepted"] + told["rejected"] + told["left_out"]
    return f"history: {history['block']} {settled * 100 // max(told['records'], 1)} %"


def new_report(merchant_id: str, run_id: str = "", source: str | None = None) -> AudienceReport:
    """Return the report of a run that has not done anything yet; `source`: whose calls are counted besides."""
    return AudienceReport(
        merchant_id,
        run_id,
        route=NAME,
        seen=dict.fromkeys(SEEN, 0),
        calls={system: Counter() for system in ((source,) if source else ()) + (DESTINATION,)},
    )
