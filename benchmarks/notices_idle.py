"""What merchants that are not due add to a tick: the real run of the schedule's job with one of them, and with all."""

from __future__ import annotations

import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import yaml

from benchmarks.bars import median
from benchmarks.notices_shop import entry
from benchmarks.options import CannotMeasure, Figures
from benchmarks.worlds import ROOT, run

TICK = """
import json, logging, time
from benchmarks.memory import peak_mb
logging.disable(logging.CRITICAL)
from dagster import DagsterInstance
from vs_st_pipeline.definitions import defs
config = {"ops": {"run_due": {"config": {"due_only": True, "routes": ["notices"]}}}}
with DagsterInstance.get() as instance:
    wall, cpu = time.perf_counter(), time.process_time()
    done = defs.resolve_job_def("tick").execute_in_process(instance=instance, run_config=config, raise_on_error=False)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
print(json.dumps({"ok": done.success, "wall": wall, "cpu": cpu,
    "peak_mb": peak_mb()}))
"""


def idle(merchants: int, rounds: int) -> Figures:
    """Tick with one and with all, and print and return what the others add."""
    taken = {size: _ticks(size, rounds) for size in (1, merchants)}
    found = {
        "idle_merchants": float(merchants),
        "idle_cpu_s": taken[merchants]["cpu"] - taken[1]["cpu"],
        "idle_tick_cpu_s": taken[merchants]["cpu"],
        "idle_tick_peak_mb": taken[merchants]["peak_mb"],
    }
    print(
        f"idle          {merchants} merchants that are not due add {found['idle_cpu_s']:.2f} s of CPU to a tick "
        f"({taken[1]['cpu']:.2f} s with one of them), {taken[merchants]['peak_mb']:.0f} MB",
        flush=True,
    )
    return found


def _ticks(merchants: int, rounds: int) -> Figures:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        entries = [entry(f"brand-{number}", "http://127.0.0.1:9") for number in range(merchants)]
        for number, one in enumerate(entries):
            one["notices"]["accounts"][0]["number"] = f"+91{9_000_000_000 + number}"
        settings = folder / "merchants.yaml"
        whole = {"defaults": {"time_zone": "Asia/Kolkata"}, "merchants": entries}
        settings.write_text(yaml.safe_dump(whole, sort_keys=False), encoding="utf-8")
        later = (datetime.now(UTC) + timedelta(hours=6)).isoformat()
        for one in entries:
            home = folder / "data" / "merchants" / one["id"]
            home.mkdir(parents=True)
            (home / "notices.due").write_text(later, encoding="ascii")
        home = folder / "home"
        home.mkdir()
        config = (ROOT / "dagster.yaml").read_text(encoding="utf-8")
        (home / "dagster.yaml").write_text(config.replace("data/dagster", str(home / "storage")), encoding="utf-8")
        environment = {"DAGSTER_HOME": str(home), "VS_ST_MERCHANTS": str(settings), "BENCH_KEY": "made up",
                       "VS_ST_DATA_DIR": str(folder / "data"), "PYTHONPATH": str(ROOT),
                       "PYTHONWARNINGS": "ignore"}  # fmt: skip
        found = [run([sys.executable, "-c", TICK], None, **environment) for _ in range(rounds)]
    if not all(one["ok"] for one in found):
        raise CannotMeasure("a tick failed")
    return {key: median([one[key] for one in found]) for key in ("wall", "cpu", "peak_mb")}
