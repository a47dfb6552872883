"""Reports what a run of this route did, CRM by CRM, with the counts that the contract names (consumers.md 8)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

from vs_st_pipeline.domain.errors import PipelineError
from vs_st_pipeline.domain.formats import counted
from vs_st_pipeline.domain.report import FAILED, KEYS, OK, PARTIAL, Report
from vs_st_pipeline.routes.consumers.systems import CRM_NAMES, NAME, SOURCE
from vs_st_pipeline.routes.consumers.words import UNDONE

ORDER_WORDS: Final = (
    *("not_found", "not_visible", "unreadable", "gave_up", "other_activity", "forgotten", "pending", "rejected"),
    *("unknown_status", "no_email", "bad_email", "approved"),
)
_PLANNED: Final = ("consumers", "fields", "subscriptions", "without_consent")


@dataclass(slots=True)
class CrmPart:
    """What a run did at one CRM.

    Attributes:
        looked: distinct people whose record was found. planned: by the words of the report.
        accepted, rejected, unknown: consumers that were written, by what became of it.
        error: why it could not go on; None where it could.
    """

    name: str
    looked: int = 0
    planned: Counter[str] = field(default_factory=Counter)
    held: Counter[str] = field(default_factory=Counter)
    noted: Counter[str] = field(default_factory=Counter)
    accepted: int = 0
    rejected: int = 0
    unknown: int = 0
    error: PipelineError | None = None

    @property
    def status(self) -> str:
        if self.error is not None:
            return FAILED
        return PARTIAL if self.rejected or self.unknown or self.noted[UNDONE] else OK

    def as_json(self) -> dict[str, Any]:
        """Return its object of the report."""
        return {
            "status": self.status,
            "error": self.error.as_report() if self.error else None,
            "planned": _planned(self.planned, self.held, self.noted),
            "synced": {"accepted": self.accepted, "rejected": self.rejected, "unknown": self.unknown},
        }


@dataclass(slots=True)
class ConsumersReport(Report):
    """One merchant's line.

    Attributes:
        crms: what was done at each CRM of the merchant; an error that stopped one of several is in its part.
        orders: the orders read or tried, each once, by what came of it.
        noted_at_top: notes of people, whatever the CRM.
        left: events, orders and consumers that wait, over all runs; None where this run did not get that far.
    """

    keys: ClassVar[Mapping[str, str]] = {
        **KEYS,
        "orders": "orders read or tried, each once, by what came of it",
        "crms": "of each CRM of the merchant: `status`, `error`, `planned`, `synced`",
        "waiting": "events, orders and consumers that wait, over all runs",
    }

    crms: dict[str, CrmPart] = field(default_factory=dict)
    orders: Counter[str] = field(default_factory=Counter)
    noted_at_top: Counter[str] = field(default_factory=Counter)
    left: dict[str, int] | None = None

    def add_up(self) -> None:
        """Work out the sums over the CRMs, the first error, and what is failing."""
        parts = list(self.crms.values())
        self.planned = {word: sum(part.planned[word] for part in parts) for word in _PLANNED}
        self.held = sum((part.held for part in parts), Counter())
        self.noted = sum((part.noted for part in parts), Counter(self.noted_at_top))
        self.accepted = sum(part.accepted for part in parts)
        self.rejected = sum(part.rejected for part in parts)
        self.unknown = sum(part.unknown for part in parts)
        self.seen["contacts"] = sum(part.looked for part in parts)
        self.parts = {part.name: part.error for part in parts if part.error is not None}

    def end(self) -> None:
        """Say how the run ended, once all that it did is known."""
        self.add_up()
        failed = [part for part in self.crms.values() if part.error is not None]
        if self.status == FAILED or (failed and len(failed) == len(self.crms)):
            self.status = FAILED
        elif failed or any(part.status == PARTIAL for part in self.crms.values()) or self.orders["unreadable"]:
            self.status = PARTIAL
        if self.error is None and failed:
            self.error = failed[0].error

    def as_json(self) -> dict[str, Any]:
        common = Report.as_json(self)
        mine = {
            "raw": {name: self.seen.get(name, 0) for name in ("events", "orders", "contacts")},
            "orders": _without_zeros(self.orders, ORDER_WORDS),
            "planned": _planned(Counter(self.planned), self.held, self.noted),
            "crms": {name: part.as_json() for name, part in self.crms.items()},
            "waiting": self.left or {"events": 0, "orders": 0, "consumers": 0},
        }
        return {**common, **mine}

    def lines(self) -> list[str]:
        if self.error is not None and not any(self.seen.values()) and not self.planned.get("consumers"):
            return []
        lines = [
            f"  read     {counted(self.seen['events'], 'events')}, {counted(self.seen['orders'], 'orders')}, "
            f"{counted(self.seen['contacts'], 'records')}",
            *(f"           {count} {word}" for word, count in _without_zeros(self.orders, ORDER_WORDS).items()),
        ]
        for name, part in self.crms.items():
            planned = part.planned
            lines.append(
                f"  {name:8} {counted(planned['consumers'], 'consumers')} to write, "
                f"{counted(planned['fields'], 'values')}, "
                f"{counted(planned['subscriptions'], 'subscriptions')}; {planned['without_consent']} without consent; "
                f"{part.accepted} accepted, {part.rejected} rejected, {part.unknown} unknown"
            )
            if part.error is not None:
                lines.append(f"           {part.error.kind}: {part.error.message}")
        return [*lines, *self.reason_lines()]

    def news(self) -> list[Any]:
        return [sorted(self.orders.items()), sorted(self.held.items()), sorted(self.noted.items())]


def new_report(merchant_id: str, run_id: str = "", crms: Iterable[str] = ()) -> ConsumersReport:
    """Return the report of a run that has not done anything yet.

    Args:
        crms: the CRMs of the merchant, in any order.
    """
    named = set(crms)
    found: dict[str, CrmPart] = {name: CrmPart(name) for name in CRM_NAMES if name in named}
    return ConsumersReport(
        merchant_id,
        run_id,
        route=NAME,
        seen={"events": 0, "orders": 0, "contacts": 0},
        planned=dict.fromkeys(_PLANNED, 0),
        calls={name: Counter() for name in (SOURCE, *found)} if found else {},
        crms=found,
    )


def _planned(planned: Counter[str], held: Counter[str], noted: Counter[str]) -> dict[str, Any]:
    counts: dict[str, Any] = {word: planned[word] for word in _PLANNED}
    return {**counts, "held": _without_zeros(held), "noted": _without_zeros(noted)}


def _without_zeros(counts: Counter[str], order: Iterable[str] = ()) -> dict[str, int]:
    words = [word for word in order if counts[word]] if order else sorted(counts)
    return {word: counts[word] for word in words if counts[word]}
