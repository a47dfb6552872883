"""Says what a data-quality check is: what is counted for one merchant, when a person should look, and what to do.

Data flow: a merchant's stored tables -> `Metric` -> (defs) findings of all merchants -> one result per check and run.

Routes list their checks as values; nothing here knows who shows them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from vs_st_pipeline.pipeline.metrics import Metric
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse.connection import Db


class Counted(Protocol):
    """A count out of a total, just measured or stored."""

    @property
    def count(self) -> int: ...

    @property
    def of(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Check:
    """What is measured, and when a person should look.

    Attributes:
        asset: the asset's key. name: the check's name, which says what holds if it passes.
        counted: what the number counts.
        means: what a failure means and what to do, in plain sentences.
        percent: more than this share of a merchant's rows fails the check.
        blocking: an error that fails the run; the others are warnings.
    """

    asset: str
    name: str
    counted: str
    means: str
    find: Callable[[Run, Db], Metric]
    percent: int = 0
    blocking: bool = False

    @property
    def id(self) -> str:
        """Return the name under which findings are stored."""
        return f"{self.asset}:{self.name}"

    @property
    def description(self) -> str:
        limit = f"Fails above {self.percent} %. " if self.percent else "Fails if there is any. "
        return f"Counts {self.counted}. {limit}{self.means}"

    def fails(self, found: Counted) -> bool:
        return found.count * 100 > found.of * self.percent


def measure(run: Run, checks: Iterable[Check]) -> dict[str, Metric]:
    """Run these checks for one merchant, from what is stored; where nothing is stored there is nothing to check."""
    if not run.file().exists():
        return {}
    with run.open() as db:
        return {check.id: check.find(run, db) for check in checks}
