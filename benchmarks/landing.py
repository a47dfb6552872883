"""Landing and staging 100,000 customers and 100,000 orders from pages, then a tick of 1 %: CPU and peak memory.

Peer: dlt, merging the same pages into DuckDB, in an environment of its own (`benchmarks/requirements.lock`). Both
sides read the same JSON files, made beforehand; no HTTP is measured, and neither are imports. Each run is a fresh
process, sides alternate, figures are medians; the ratio is of the same round.

- Ours: the product's client, list walk, order search, landing and staging, with transactions as the product makes them,
  for it keeps what it has read if it dies. It stores every body as exact text, marks what wants reading, counts drift,
  and makes typed rows with money as it was written. It also reads and stores the search row of every order, which the
  peer is spared.
- dlt `nested`: its tables as they come, lists as child tables. `flat`: lists left as JSON (`max_table_nesting=0`), the
  cheapest that ends in typed columns, and what our ratio is against. `bodies`: key and JSON text only, nothing typed:
  to be held against our landing alone. All load by Parquet, for what dlt does unasked (`insert_values`) costs several
  times as much. One load is one transaction; dlt keeps no exact text, and fractions become doubles.

`tick` is the whole customer list again with 1 % of it changed, and 1 % of the orders; `changed` only what changed.
In both, changed orders come 50 to a file. Besides, ours loads a fifth as many records, to see what a record costs at
both sizes. The floor is decoding each record once. With `--quick` only the load is measured, of ours and `flat`, at
half the size. `BENCH_RECORDS` (a multiple of 5,000) sets the size: at full size a round takes about a quarter of an
hour.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.bars import apart, median
from benchmarks.landing_pages import PART
from benchmarks.options import CannotMeasure, Figures, Options
from benchmarks.worlds import run

ROOT = Path(__file__).parent.parent
PEER = ROOT / ".venv-bench" / "bin" / "python"
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


def main(options: Options) -> Figures:
    """Run all sides in turn, print medians and ratios."""
    if not PEER.exists():
        raise CannotMeasure("dlt is not there: `make bench` installs it")
    records = options.size("BENCH_RECORDS", 100_000, 50_000)
    fewer = max(PART, records // 5 // PART * PART)
    sides, phases = ((OURS, FLAT), ("load",)) if options.quick else (SIDES, PHASES)
    rounds: list[dict[tuple[str, str], dict[str, Any]]] = []
    apart_by: list[float] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for pages, count in (("pages", records), ("fewer", fewer)):
            arguments = [str(folder / pages), str(count)]
            subprocess.run([sys.executable, "-m", "benchmarks.landing_pages", *arguments], cwd=ROOT, check=True)
        floor = run([sys.executable, "-c", FLOOR, str(folder / "pages" / "load")])["cpu"]
        for _ in range(options.rounds):
            found: dict[tuple[str, str], dict[str, Any]] = {}
            for side in sides:
                for phase, figures in _phases(side, phases, folder).items():
                    found[side, phase] = figures
            found[OURS, "fewer"] = _ours(folder / "fewer" / "load", folder / "state", "walk")
            shutil.rmtree(folder / "state")
            rounds.append(found)
            apart_by.append(apart(found[OURS, "load"]["cpu"] / records, found[OURS, "fewer"]["cpu"] / fewer))
    versions = rounds[0][OURS, "load"]["versions"], rounds[0][FLAT, "load"]["versions"]
    print(f"{records} customers and {records} orders, medians of {options.rounds}; {'; '.join(map(str, versions))}")
    print(f"decoding alone (floor)      cpu {floor:7.2f} s")

    def of(side: str, phase: str, key: str) -> float:
        return median([one[side, phase][key] for one in rounds])

    def ratio(side: str, phase: str) -> float:
        return median([one[side, phase]["cpu"] / one[FLAT, phase]["cpu"] for one in rounds])

    for phase in phases:
        for side in sides:
            print(
                f"{phase:8} {side:11} wall {of(side, phase, 'wall'):7.2f} s   cpu {of(side, phase, 'cpu'):7.2f} s"
                f"   peak {of(side, phase, 'peak_mb'):5.0f} MB   cpu ratio {ratio(side, phase):5.2f}"
                + (f"   (landing {of(side, phase, 'landing_cpu'):.2f} s)" if side == OURS else "")
            )
    each = {count: 1e6 * of(OURS, phase, "cpu") / (2 * count) for count, phase in ((fewer, "fewer"), (records, "load"))}
    print("cpu per record  " + "   ".join(f"{count}: {cost:.0f} us" for count, cost in each.items()))
    return {
        "records": records,
        "cpu_ratio": ratio(OURS, "load"),
        "peak_mb": of(OURS, "load", "peak_mb"),
        **({"per_record_ratio": median(apart_by)} if fewer < records else {}),
        "floor_s": floor,
        **{f"cpu_per_record_us_at_{count}": cost for count, cost in each.items()},
        **{
            f"{side.replace('-', '_').replace(' ', '_')}_{phase}_{name}": of(side, phase, key)
            for side in sides
            for phase in phases
            for name, key in (("s", "cpu"), ("mb", "peak_mb"))
        },
    }


def _phases(side: str, phases: tuple[str, ...], folder: Path) -> dict[str, dict[str, Any]]:
    """Load into an empty place; both ticks start from what the load left behind."""
    state, kept, found = folder / "state", folder / "kept", {}
    for phase in phases:
        shutil.rmtree(state, ignore_errors=True)
        if phase != "load":
            shutil.copytree(kept, state)
        pages = folder / "pages" / phase
        if side == OURS:
            found[phase] = _ours(pages, state, "changed" if phase == "changed" else "walk")
        else:
            found[phase] = run(
                [str(PEER), str(ROOT / "benchmarks" / "landing_dlt.py"), str(pages), str(state), side[4:]]
            )
        if phase == "load":
            state.rename(kept)
    shutil.rmtree(kept)
    shutil.rmtree(state, ignore_errors=True)
    return found


def _ours(pages: Path, state: Path, how: str) -> dict[str, Any]:
    found: dict[str, Any] = run([sys.executable, "-m", "benchmarks.landing_ours", str(pages), str(state), how])
    return found
