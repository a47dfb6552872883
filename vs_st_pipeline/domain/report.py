"""Reports what one run did for one merchant and route, in the words and keys of the report (interface.md, section 3).

A route whose counts have names of their own derives from `Report` and says them in `lines`; what is common
to all routes, such as the status, the calls and what stands open, is here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar, Final

from vs_st_pipeline.domain.errors import PipelineError
from vs_st_pipeline.domain.formats import counted
from vs_st_pipeline.domain.plan import UNREADABLE

OK = "ok"
PARTIAL = "partial"
FAILED = "failed"
HINT_COUNTS = ("taken", "records", "handed_over", "dropped")

KEYS: Final = {
    "merchant": "id of the merchant",
    "route": "name of the route",
    "status": "`ok`; `partial`: of this run something was refused, is unknown or cannot be seen; `failed`: see `error`",
    "error": "null, or `kind`, `system`, `message`, `http_status` and `trace_id` of what ended the run",
    "raw": "distinct records seen in this run, by what they are",
    "planned": "what there is to do, by what it is; what is left alone and what is worth knowing, by reason",
    "unseen": "sentences about what the accounts do not let us see",
    "synced": "what was written in this run, by what became of it",
    "open": "how many records still stand refused or unknown over all runs; null: this run did not get that far",
    "calls": "requests sent, retries too, by system",
    "seconds": "from start to end",
    "trigger": "what started it: `command`, `schedule`, `backfill`, `hint`",
    "hints": "hints that it took, of how many records, handed over to a whole sync, dropped",
    "lag_seconds": "from the oldest hint that led to a write to its entry in the ledger; null: none did",
}
"""The keys of a report object that every route has, in their order, and what each is."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something of a route that people are told of once, however its runs end, and once more when it is over.

    Attributes:
        key: a word, such as `quiet`. says: what it means and what to do, for people.
        occurrence: which one it is, where each is told of by itself and none is ever over; `""`: it stands.
    """

    key: str
    says: str
    occurrence: str = ""


@dataclass(slots=True)
class Report:
    """One merchant's line of one route; filled in stage by stage, so that a failed run still says how far it came.

    Attributes:
        merchant: id.
        status: `ok`, `partial` (of this run: something rejected, unknown, or not to be seen) or `failed`.
        route: name.
        seen: distinct records seen in this run, by what they are.
        planned: what there is to do, by what it is; the first counts the records to write.
        held, noted: what is left alone and what is worth knowing, by reason.
        calls: requests sent, retries too, by system and call name.
        waiting: records that were rejected and wait for another try, and records with a write whose outcome is unknown,
            over all runs so far; None where this run did not get that far.
        parts: error of each part of the route (an account, a destination) that failed while the others went on.
        unseen: sentences about what the accounts do not let us see.
        orders_unseen: whether there are days whose orders cannot all be seen, so that sums are not known.
        plan: the run that made the current plan; `""` where this run did not get that far. As long as it is the same,
            nothing has changed that a plan or a check depends on.
        trigger: what started it: `command`, `schedule`, `backfill`, `hint`.
        hints: what became of the hints that it took: how many, of how many records, handed over, dropped.
        lag_seconds: from when the oldest hint was stored that led to a write to its last ledger commit; None: none did.
        seconds: from start to end.
        troubles: all that people are told of besides the status; None where this run did not look: then what an
            earlier one saw stands.
        held_up: what is held until a person does something, in a few words, `""`: nothing; None where this run did not
            look: then what an earlier one saw stands.
        keys: the keys of the report object, and what each is.
    """

    keys: ClassVar[Mapping[str, str]] = KEYS

    merchant: str
    run_id: str = ""
    status: str = OK
    error: PipelineError | None = None
    route: str = "contacts"
    seen: dict[str, int] = field(default_factory=dict)
    planned: dict[str, int] = field(default_factory=dict)
    held: Counter[str] = field(default_factory=Counter)
    noted: Counter[str] = field(default_factory=Counter)
    accepted: int = 0
    rejected: int = 0
    unknown: int = 0
    calls: dict[str, Counter[str]] = field(default_factory=dict)
    waiting: tuple[int, int] | None = None
    parts: dict[str, PipelineError] = field(default_factory=dict)
    unseen: list[str] = field(default_factory=list)
    orders_unseen: bool = False
    plan: str = ""
    trigger: str = "command"
    hints: Counter[str] = field(default_factory=Counter)
    lag_seconds: float | None = None
    seconds: float = 0.0
    troubles: list[Trouble] | None = None
    held_up: str | None = None

    def is_partial(self) -> bool:
        """Say whether this run, which came to its end, did less than it had to (routes.md R68)."""
        # A contact that our own batch created and that was deleted again was not accepted, whatever the counts say.
        return bool(self.rejected or self.unknown or self.noted[UNREADABLE] or self.orders_unseen or self.parts)

    def add_up(self) -> None:
        """Work out the counts that all routes have from a route's own, where it has any."""

    @property
    def to_write(self) -> int:
        """Return how many records there are to write."""
        return next(iter(self.planned.values()), 0)

    @property
    def open(self) -> int | None:
        """Return how many records stand open over all runs so far; None where this run did not get that far."""
        return None if self.waiting is None else sum(self.waiting)

    @property
    def ended(self) -> str:
        """Return how it ended, and what went wrong."""
        if self.error is None:
            return self.status
        trace = f" (trace {self.error.trace_id})" if self.error.trace_id else ""
        where = f" at {self.error.system}" if self.error.system else ""
        return f"{self.status}, {self.error.kind}{where}: {self.error.as_report()['message']}{trace}"

    def add_earlier_try(self, first: Report) -> None:
        """Add what an earlier try of the same run did, and what it cost."""
        self.accepted += first.accepted
        systems = dict.fromkeys((*self.calls, *first.calls))
        self.calls = {
            system: first.calls.get(system, Counter()) + self.calls.get(system, Counter()) for system in systems
        }
        self.seconds += first.seconds

    def as_json(self) -> dict[str, Any]:
        """Return the report object; every key is always there, reasons that do not occur are left out."""
        return {
            "merchant": self.merchant,
            "route": self.route,
            "status": self.status,
            "error": self.error.as_report() if self.error else None,
            "raw": dict(self.seen),
            "planned": {**self.planned, "held": _reasons(self.held), "noted": _reasons(self.noted)},
            "unseen": list(self.unseen),
            "synced": {"accepted": self.accepted, "rejected": self.rejected, "unknown": self.unknown},
            "open": self.open,
            "calls": {system: calls.total() for system, calls in self.calls.items()},
            "seconds": round(self.seconds, 3),
            "trigger": self.trigger,
            "hints": {name: self.hints[name] for name in HINT_COUNTS},
            "lag_seconds": None if self.lag_seconds is None else round(self.lag_seconds, 3),
        }

    def as_status(self) -> dict[str, Any]:
        """Return what a merchant's status file keeps of it: the report object, its run, and what is not in a report."""
        kept: dict[str, Any] = {"run_id": self.run_id, **self.as_json()}
        if self.parts:
            kept["parts"] = {name: error.as_report() for name, error in self.parts.items()}
        if self.troubles is not None:
            kept["troubles"] = [asdict(one) for one in self.troubles]
        if self.held_up is not None:
            kept["held_up"] = self.held_up
        return kept

    def lines(self) -> list[str]:
        """Return what was read, planned and written, for people; nothing where the run did not get that far."""
        if self.error is not None and not self.seen:
            return []
        return [
            f"  read     {_named(self.seen)}",
            f"  planned  {_named(self.planned)}",
            f"  synced   {self.accepted} accepted, {self.rejected} rejected, {self.unknown} unknown",
            *self.reason_lines(),
        ]

    def reason_lines(self) -> list[str]:
        """Return who is held back and who is worth knowing, by reason."""
        return [
            f"  {title:8} " + ", ".join(f"{name} {count}" for name, count in _reasons(counts).items())
            for title, counts in (("held", self.held), ("noted", self.noted))
            if any(counts.values())
        ]

    def news(self) -> list[Any]:
        """Return the counts of which a person would want to hear when they change."""
        return [sorted(self.held.items()), sorted(self.noted.items())]

    def calls_by_name(self) -> dict[str, int]:
        """Return the number of requests by system and call name."""
        return {
            f"{system} {name}": count for system, calls in self.calls.items() for name, count in sorted(calls.items())
        }


def _reasons(counter: Mapping[str, int]) -> dict[str, int]:
    return {name: count for name, count in sorted(counter.items()) if count}


def _named(counter: Mapping[str, int]) -> str:
    return ", ".join(counted(count, name) for name, count in counter.items()) or "nothing"
