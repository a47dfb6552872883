"""Reports what one run did for one merchant, in the words and keys of the report (interface.md, section 3)."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from vs_st_pipeline.domain.errors import PipelineError

OK = "ok"
PARTIAL = "partial"
FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Shape:
    """What the reports of a route always have, in this order.

    Attributes:
        seen: (system, object) of the records that are read.
        systems: names of the systems that are called.
    """

    seen: tuple[tuple[str, str], ...] = ()
    systems: tuple[str, ...] = ()


@dataclass(slots=True)
class Report:
    """One merchant's line; filled in stage by stage, so that a run that fails midway still says how far it came.

    Attributes:
        merchant: id.
        status: `ok`, `partial` (contacts rejected or unknown, or orders that cannot be seen) or `failed`.
        shape: what the route's reports always have.
        seen: distinct records seen in this run, by system and object.
        planned_contacts, planned_fields: contacts with something to write, and how many values.
        calls: requests sent, retries too, by system and call name.
        waiting: rejected contacts that wait for another try, and contacts with a write whose outcome is unknown, over
            all runs so far; None where this run did not get that far.
        unseen: sentences about what the accounts do not let us see.
        orders_unseen: whether there are days whose orders cannot all be seen, so that sums are not known.
        plan: the run that made the current plan; `""` where this run did not get that far. As long as it is the same,
            nothing has changed that a plan or a check depends on.
        seconds: from start to end.
    """

    merchant: str
    run_id: str = ""
    status: str = OK
    error: PipelineError | None = None
    shape: Shape = Shape()
    seen: Counter[tuple[str, str]] = field(default_factory=Counter)
    planned_contacts: int = 0
    planned_fields: int = 0
    unmatched: int = 0
    held: Counter[str] = field(default_factory=Counter)
    noted: Counter[str] = field(default_factory=Counter)
    accepted: int = 0
    rejected: int = 0
    unknown: int = 0
    calls: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    waiting: tuple[int, int] | None = None
    unseen: list[str] = field(default_factory=list)
    orders_unseen: bool = False
    plan: str = ""
    seconds: float = 0.0

    def seen_of(self, name: str) -> int:
        """Return how many records of an object were seen, whatever system they are of."""
        return sum(count for (_, seen), count in self.seen.items() if seen == name)

    def add_earlier_try(self, first: Report) -> None:
        """Add what an earlier try of the same run did, and what it cost."""
        self.accepted += first.accepted
        for system, calls in first.calls.items():
            self.calls[system] = calls + self.calls[system]
        self.seconds += first.seconds

    def as_json(self) -> dict[str, Any]:
        """Return the report object; every key is always there, reasons that do not occur are left out."""
        return {
            "merchant": self.merchant,
            "status": self.status,
            "error": self.error.as_report() if self.error else None,
            "raw": {name: self.seen[system, name] for system, name in self.shape.seen},
            "planned": {
                "contacts": self.planned_contacts,
                "fields": self.planned_fields,
                "unmatched": self.unmatched,
                "held": _counts(self.held),
                "noted": _counts(self.noted),
            },
            "unseen": list(self.unseen),
            "synced": {"accepted": self.accepted, "rejected": self.rejected, "unknown": self.unknown},
            "calls": {system: self.calls[system].total() for system in self.shape.systems},
            "seconds": round(self.seconds, 3),
        }

    def calls_by_name(self) -> dict[str, int]:
        """Return the number of requests by system and call name."""
        return {
            f"{system} {name}": count
            for system in self.shape.systems
            for name, count in sorted(self.calls[system].items())
        }


def _counts(counter: Mapping[str, int]) -> dict[str, int]:
    return {name: count for name, count in sorted(counter.items()) if count}
