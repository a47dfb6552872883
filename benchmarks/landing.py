"""Landing and staging 100,000 customers and 100,000 orders from pages, then a tick of 1 %: CPU and peak memory.

Peer: dlt, merging the same pages into DuckDB, in an environment of its own (`benchmarks/requirements.lock`). Both
sides read the same JSON files, made beforehand; no HTTP is measured, and neither are imports. Each run is a fresh
process, sides alternate, figures are medians; the ratio is of the same round.

- Ours: the product's client, list walk, order search, landing and staging, with transactions as small as the product
  makes them (2,000 list items, 200 orders), for it keeps what it has read if it dies. It stores every body as exact
  text, marks what wants reading, counts drift, and makes typed rows with money as it was written. It also reads and
  stores the search row of every order, which the peer is spared.
- dlt `nested`: its tables as they come, lists as child tables. `flat`: lists left as JSON (`max_table_nesting=0`), the
  cheapest that ends in typed columns, and what our ratio is against. `bodies`: key and JSON text only, nothing typed:
  to be held against our landing alone. All load by Parquet, for what dlt does unasked (`insert_values`) costs several
  times as much. One load is one transaction; dlt keeps no exact text, and fractions become doubles.

`tick` is the whole customer list again with 1 % of it changed, and 1 % of the orders; `changed` only what changed.
In both, changed orders come 50 to a file, so ours makes four times the transactions that the product would.
The floor is decoding each record once. `BENCH_RECORDS` (a multiple of 5,000) and `BENCH_RUNS` make it smaller: at full
size a round takes about a quarter of an hour.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
PEER = ROOT / ".venv-bench" / "bin" / "python"
RECORDS = int(os.environ.get("BENCH_RECORDS", "100000"))
RUNS = int(os.environ.get("BENCH_RUNS", "3"))
PHASES = ("load", "tick", "changed")
OURS, FLAT = "vs-st", "dlt flat"
SIDES = (OURS, FLAT, "dlt nested", "dlt bodies")

FLOOR = """
import json, sys, time
from decimal import Decimal
from pathlib import Path
import msgspec
decoder = msgspec.json.Decoder(float_hook=Decimal)
cpu = time.process_time()
for file in [*Path(sys.argv[1]).glob("customers-*"), *Path(sys.argv[1]).glob("orders-*")]:
    decoder.decode(file.read_bytes())
print(json.dumps({"cpu": time.process_time() - cpu}))
"""


def main() -> None:
    """Run all sides in turn, print medians and ratios."""
    if not PEER.exists():
        print("dlt is not there: `make bench` installs it")
        return
    rounds: list[dict[tuple[str, str], dict[str, float]]] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _run(sys.executable, "-m", "benchmarks.landing_pages", str(folder / "pages"), str(RECORDS))
        floor = _run(sys.executable, "-c", FLOOR, str(folder / "pages" / "load"))["cpu"]
        for _ in range(RUNS):
            rounds.append({})
            for side in SIDES:
                for phase, figures in _phases(side, folder).items():
                    rounds[-1][side, phase] = figures
    versions = rounds[0][OURS, "load"]["versions"], rounds[0][FLAT, "load"]["versions"]
    print(f"{RECORDS} customers and {RECORDS} orders, medians of {RUNS}; {'; '.join(map(str, versions))}")
    print(f"decoding alone (floor)      cpu {floor:7.2f} s")
    for phase in PHASES:
        for side in SIDES:
            runs = [one[side, phase] for one in rounds]
            ratio = _median([one[side, phase]["cpu"] / one[FLAT, phase]["cpu"] for one in rounds])
            print(
                f"{phase:8} {side:11} wall {_of(runs, 'wall'):7.2f} s   cpu {_of(runs, 'cpu'):7.2f} s"
                f"   peak {_of(runs, 'peak_mb'):5.0f} MB   cpu ratio {ratio:5.2f}"
                + (f"   (landing {_of(runs, 'landing_cpu'):.2f} s)" if side == OURS else "")
            )


def _phases(side: str, folder: Path) -> dict[str, dict[str, float]]:
    """Load into an empty place; both ticks start from what the load left behind."""
    state, kept, found = folder / "state", folder / "kept", {}
    for phase in PHASES:
        shutil.rmtree(state, ignore_errors=True)
        if phase != "load":
            shutil.copytree(kept, state)
        pages = str(folder / "pages" / phase)
        if side == OURS:
            how = "changed" if phase == "changed" else "walk"
            found[phase] = _run(sys.executable, "-m", "benchmarks.landing_ours", pages, str(state), how)
        else:
            found[phase] = _run(str(PEER), str(ROOT / "benchmarks" / "landing_dlt.py"), pages, str(state), side[4:])
        if phase == "load":
            state.rename(kept)
    shutil.rmtree(kept)
    return found


def _of(runs: list[dict[str, float]], key: str) -> float:
    return _median([run[key] for run in runs])


def _median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]


def _run(*command: str) -> dict[str, float]:
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1]) if done.stdout else {}
