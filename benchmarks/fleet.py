"""One tick over 10,000 wineries on one box, over HTTPS: wall time, CPU and memory, told as they are.

As `tick`, once. It is no part of the usual run, for it takes the room of 10,000 files and half an hour or more.
`BENCH_FLEET` sets the size.
"""

from __future__ import annotations

from benchmarks import tick
from benchmarks.options import Figures, Options


def main(options: Options) -> Figures:
    """Measure once."""
    size = options.size("BENCH_FLEET", 10_000, 1_000)
    return {"wineries": size, **tick.measure(size, 1)}
