"""Counts calls and times commits, in memory that all processes of a receiver share; tells them as Prometheus text.

Each process writes into a part of its own, so nothing is locked; who tells adds them up. No label names a merchant.
"""

from __future__ import annotations

import mmap
from collections.abc import Sequence
from typing import Final

OFF: Final = "off"  # answered 204, nothing stored (H5)
OTHER: Final = "other"  # of calls whose path names no system
STATUSES: Final = ("200", "204", OFF, "400", "404", "405", "408", "413", "429", "503")
BOUNDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
_WORD: Final = 8


class Figures:
    """The counters of all processes.

    Attributes:
        systems: the labels, the last one for calls of none.
    """

    def __init__(self, systems: Sequence[str], processes: int = 1) -> None:
        self.systems = (*systems, OTHER)
        self._places = {
            (system, status): number
            for number, (system, status) in enumerate((one, two) for one in self.systems for two in STATUSES)
        }
        self._buckets = len(self._places)
        self._size = self._buckets + len(BOUNDS) + 2  # beyond all bounds; microseconds
        self._memory = memoryview(mmap.mmap(-1, self._size * processes * _WORD)).cast("Q")
        self._own = 0
        self._processes = processes

    def belong_to(self, process: int) -> None:
        """Count for this process from now on, by its number from 0."""
        self._own = process * self._size

    def count(self, system: str, status: str) -> None:
        """Count an answer."""
        self._memory[self._own + self._places[system, status]] += 1

    def stored(self, seconds: float) -> None:
        """Note how long a call waited for the disk."""
        bucket = next((number for number, bound in enumerate(BOUNDS) if seconds <= bound), len(BOUNDS))
        self._memory[self._own + self._buckets + bucket] += 1
        self._memory[self._own + self._size - 1] += int(seconds * 1e6)

    def total(self, system: str, status: str) -> int:
        """Return how many answers all processes gave."""
        return self._sum(self._places[system, status])

    def text(self) -> list[str]:
        """Return the lines of these counters; a label with a status that no call has had is left out."""
        lines = [
            "# HELP vs_st_hooks_requests_total Webhook calls by system and answer; off: 204, and nothing stored.",
            "# TYPE vs_st_hooks_requests_total counter",
        ]
        for (system, status), place in self._places.items():
            if count := self._sum(place):
                lines.append(f'vs_st_hooks_requests_total{{system="{system}",status="{status}"}} {count}')
        name, below = "vs_st_hooks_store_seconds", 0
        lines += [f"# HELP {name} From a body that is whole to its commit.", f"# TYPE {name} histogram"]
        for number, bound in enumerate((*BOUNDS, "+Inf")):
            below += self._sum(self._buckets + number)
            lines.append(f'{name}_bucket{{le="{bound}"}} {below}')
        return [*lines, f"{name}_sum {self._sum(self._size - 1) / 1e6}", f"{name}_count {below}"]

    def _sum(self, place: int) -> int:
        return sum(self._memory[number * self._size + place] for number in range(self._processes))
