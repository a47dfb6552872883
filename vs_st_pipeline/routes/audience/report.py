"""Reports what a run of this route did, with the counts that the contract names (audience.md 9)."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

from vs_st_pipeline.domain.report import Report
from vs_st_pipeline.routes.audience.systems import DESTINATION, NAME

SEEN: Final = ("customers", "subscribers", "products", "wishlists", "orders", "carts", "posts")


@dataclass(slots=True)
class AudienceReport(Report):
    """One merchant's line.

    Attributes:
        registration: the state of the registration.
        history_state: waiting, sending, done or skipped. block: the one under way. blocks: counts of each.
        events: new events of this plan, by name. late: records of it that go as late history.
    """

    registration: str = "none"
    history_state: str = "waiting"
    block: str | None = None
    blocks: dict[str, dict[str, int]] = field(default_factory=dict)
    events: Counter[str] = field(default_factory=Counter)
    late: int = 0

    def add_up(self) -> None:
        """Work out the counts that all routes have from this route's own."""
        self.planned = {"events": self.events.total(), "late": self.late}

    def as_json(self) -> dict[str, Any]:
        raise NotImplementedError


def new_report(merchant_id: str, run_id: str = "", source: str | None = None) -> AudienceReport:
    """Return the report of a run that has not done anything yet; `source`: whose calls are counted besides."""
    return AudienceReport(
        merchant_id,
        run_id,
        route=NAME,
        seen=dict.fromkeys(SEEN, 0),
        calls={system: Counter() for system in ((source,) if source else ()) + (DESTINATION,)},
    )
