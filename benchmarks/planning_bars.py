"""Plans of 100,000 linked contacts without any network: settled, some changed, all anew; CPU and peak memory.

What is measured is in `benchmarks/planning.py`; here it is done in rounds, each in a process of its own, and told.
Peer: there is none that plans; the bars are absolute. "All anew" is the dearer of two: everything is to be written, and
everything is settled and planned once more. `BENCH_PLANNED` sets the size.
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
    if not is_there():
        raise CannotMeasure("benchmarks.planning is not there yet, so no plan is measured")
    linked = options.size("BENCH_PLANNED", 100_000, 100_000)
    rounds = [run([sys.executable, "-c", MEASURE, str(linked)]) for _ in range(options.rounds)]
    of = {key: median([one[key] for one in rounds]) for key in rounds[0]}
    print(
        f"{linked} linked: settled {of['settled']:.3f} s   some changed {of['changed']:.3f} s   "
        f"all to be written {of['first']:.2f} s   all anew {of['anew']:.2f} s   peak {of['peak_mb']:.0f} MB"
    )
    return {
        "linked": linked,
        "settled_s": of["settled"],
        "changed_s": of["changed"],
        "all_to_be_written_s": of["first"],
        "anew_s": max(of["first"], of["anew"]),
        "peak_mb": of["peak_mb"],
    }


def is_there() -> bool:
    """Say whether what measures is there."""
    return importlib.util.find_spec("benchmarks.planning") is not None
