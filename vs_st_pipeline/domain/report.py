"""Reports what one run did for one merchant, in the words and keys of the report (interface.md, section 3)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from vs_st_pipeline.domain.errors import SIMPLETEXTING, VINOSHIPPER, PipelineError

OK = "ok"
PARTIAL = "partial"
FAILED = "failed"


def _no_calls() -> dict[str, Counter[str]]:
    return {VINOSHIPPER: Counter(), SIMPLETEXTING: Counter()}


@dataclass(slots=True)
class Report:
    """One merchant's line; filled in stage by stage, so that a run that fails midway still says how far it came.

    Attributes:
        merchant: id.
        status: `ok`, `partial` (contacts rejected or unknown, or orders that cannot be seen) or `failed`.
        customers, orders, contacts: distinct records seen in this run.
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
    customers: int = 0
    orders: int = 0
    contacts: int = 0
    planned_contacts: int = 0
    planned_fields: int = 0
    unmatched: int = 0
    held: Counter[str] = field(default_factory=Counter)
    noted: Counter[str] = field(default_factory=Counter)
    accepted: int = 0
    rejected: int = 0
    unknown: int = 0
    calls: dict[str, Counter[str]] = field(default_factory=_no_calls)
    waiting: tuple[int, int] | None = None
    unseen: list[str] = field(default_factory=list)
    orders_unseen: bool = False
    plan: str = ""
    seconds: float = 0.0

    def add_earlier_try(self, first: Report) -> None:
        """Add what an earlier try of the same run did, and what it cost."""
        self.accepted += first.accepted
        self.calls = {system: first.calls.get(system, Counter()) + calls for system, calls in self.calls.items()}
        self.seconds += first.seconds

    def as_json(self) -> dict[str, Any]:
        """Return the report object; every key is always there, reasons that do not occur are left out."""
        return {
            "merchant": self.merchant,
            "status": self.status,
            "error": self.error.as_report() if self.error else None,
            "raw": {"customers": self.customers, "orders": self.orders, "contacts": self.contacts},
            "planned": {
                "contacts": self.planned_contacts,
                "fields": self.planned_fields,
                "unmatched": self.unmatched,
                "held": _counts(self.held),
                "noted": _counts(self.noted),
            },
            "unseen": list(self.unseen),
            "synced": {"accepted": self.accepted, "rejected": self.rejected, "unknown": self.unknown},
            "calls": {system: calls.total() for system, calls in self.calls.items()},
            "seconds": round(self.seconds, 3),
        }

    def calls_by_name(self) -> dict[str, int]:
        """Return the number of requests by system and call name."""
        return {
            f"{system} {name}": count for system, calls in self.calls.items() for name, count in sorted(calls.items())
        }


def _counts(counter: Mapping[str, int]) -> dict[str, int]:
    return {name: count for name, count in sorted(counter.items()) if count}
