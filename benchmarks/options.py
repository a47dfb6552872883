"""How much a benchmark does: sizes and rounds, from the command line and the environment."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TypeAlias

Figures: TypeAlias = dict[str, float]
"""What a benchmark found, by name; `NAME_at_N` is of size N. Ratios are ours over the peer's of the same round."""


class CannotMeasure(Exception):
    """A benchmark cannot be run here, such as for want of its peer; the text says what to do, and holds no path."""


@dataclass(frozen=True, slots=True)
class Options:
    """How a benchmark is to be run.

    Attributes:
        bars: at the sizes that the bars are about.
        quick: at sizes that fit, all benchmarks together, into 30 minutes on two cores.
    """

    bars: bool = False
    quick: bool = False

    @property
    def rounds(self) -> int:
        """How often everything is measured; figures are medians. `BENCH_RUNS` sets it."""
        return int(os.environ.get("BENCH_RUNS", "3"))

    @property
    def chosen(self) -> dict[str, str]:
        """The sizes and rounds that the environment sets, by variable: with those a bar is about another size."""
        return {name: value for name, value in sorted(os.environ.items()) if name.startswith("BENCH_") and value}

    def size(self, variable: str, usual: int, quick: int) -> int:
        """Return a size: that of the environment, else the quick one or the usual one."""
        return int(os.environ.get(variable) or (quick if self.quick else usual))

    def sizes(self, variable: str, usual: str, quick: str) -> list[int]:
        """Return sizes, ascending: those of the environment (with commas), else the quick ones or the usual ones."""
        return sorted(int(size) for size in (os.environ.get(variable) or (quick if self.quick else usual)).split(","))
