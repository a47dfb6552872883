"""Plans of 100,000 linked contacts without any network: all settled, and all anew; CPU and peak memory.

What is measured is in `benchmarks/planning.py`; here it is done in rounds, each in a process of its own, and told.
Peer: there is none that plans; the bars are absolute. `BENCH_PLANNED` sets the size.
"""

from __future__ import annotations

import importlib.util
import sys

from benchmarks.bars import median
from benchmarks.options import CannotMeasure, Figures, Options
from benchmarks.worlds import run

MEASURE = """
import json, sys
from benchmarks.planning import measure
print(json.dumps(measure(int(sys.argv[1]))))
"""


def main(options: Options) -> Figures:
    """Measure in rounds, print the medians."""
    if importlib.util.find_spec("benchmarks.planning") is None:
        raise CannotMeasure("benchmarks.planning is not there yet, so no plan is measured")
    linked = options.size("BENCH_PLANNED", 100_000, 100_000)
    rounds = [run([sys.executable, "-c", MEASURE, str(linked)]) for _ in range(options.rounds)]
    numbers = [key for key, value in rounds[0].items() if isinstance(value, (int, float))]
    found: Figures = {key: median([one[key] for one in rounds]) for key in numbers}
    print(
        f"{linked} linked: settled {found['settled_s']:.3f} s   all anew {found['anew_s']:.2f} s   "
        f"peak {found['peak_mb']:.0f} MB"
    )
    return {"linked": linked, **found}
