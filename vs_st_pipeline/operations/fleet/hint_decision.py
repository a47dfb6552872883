"""Decides what follows from a look at webhooks and hints: a report, one run where no worker is alive, an alert.

Data flow: `hints.Look` + what was decided last -> `Decision`. Pure.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import msgspec

from vs_st_pipeline.domain.formats import humanize
from vs_st_pipeline.operations.fleet.hint_findings import findings
from vs_st_pipeline.operations.fleet.hints import Look

REPORT_EVERY: Final = 300.0  # seconds


class Memory(msgspec.Struct, frozen=True):
    """What is kept from one look to the next.

    Attributes:
        reported_at: when the page was last reported; epoch seconds.
        failing: names of the checks that failed then, of those that a look tells.
        troubles: what people were to be told of.
    """

    reported_at: float = 0.0
    failing: list[str] = []
    troubles: list[str] = []

    def as_text(self) -> str:
        """Return it as Dagster keeps it."""
        return msgspec.json.encode(self).decode()

    @classmethod
    def of(cls, text: str | None) -> Memory:
        """Read it; what cannot be read was never there."""
        try:
            return msgspec.json.decode(text or "{}", type=cls)
        except msgspec.DecodeError:
            return cls()


@dataclass(frozen=True, slots=True)
class Decision:
    """What follows from a look.

    Attributes:
        report: the page is reported, without a run.
        run: one run takes the hints that are due.
        alert: what people are to be told of has changed.
        says: why, and why not.
        memory: for the next look.
    """

    report: bool
    run: bool
    alert: bool
    says: str
    memory: Memory


def decide(found: Look, memory: Memory, *, under_way: Callable[[], str | None]) -> Decision:
    """Decide what follows from a look.

    Args:
        under_way: id of an unfinished run that takes hints; asked only where one would be started.
    """
    failing = [one.check.name for one in findings(found) if not one.passed]
    turned = sorted(set(failing) ^ set(memory.failing))
    troubles = memory.troubles
    if found.concerns is not None:
        troubles = sorted(f"{one.key}: {one.trouble}" for one in found.concerns if one.trouble)
    told, report = [], True
    if turned and memory.reported_at:
        told.append(f"fleet/hints is reported: {', '.join(turned)} turned")
    elif abs(found.at - memory.reported_at) >= REPORT_EVERY:  # also after a clock was put back
        told.append("fleet/hints is reported")
    else:
        report = False
        told.append(f"fleet/hints was reported {humanize(timedelta(seconds=found.at - memory.reported_at))} ago")
    run = False
    if found.has_worker:
        told.append("hints are in a worker's hands")
    elif found.problem:
        told.append(f"no hint can be taken: {found.problem}")
    elif not found.due:
        told.append("no worker is alive, and no hint is due")
    elif (run_id := under_way()) is not None:
        told.append(f"hints of {len(found.due)} are due, and run {run_id} is still under way")
    else:
        run = True
        told.append(f"no worker is alive, and hints of {len(found.due)} are due: one run takes them")
    kept = Memory(found.at if report else memory.reported_at, failing if report else memory.failing, troubles)
    return Decision(report, run, troubles != memory.troubles, "; ".join(told), kept)
