"""A tick of the schedule over a fleet, over HTTPS: wall time, CPU, memory and events, beside its requests alone.

Every winery has 2,000 customers, 300 of them linked contacts, and has been synced; one in a hundred has changed since
(an order was shipped to three people). The tick is the real run: the job `sync` on Dagster's SQLite storage, in a
process of its own, against the sandbox with rates lifted. Peer: the very requests that it made, sent again by plain
`requests.Session`s from as many threads, answers thrown away (`benchmarks/requests_alone.py`). Neither side's imports
are in the ratio. Without `--quick` a run of its own for each winery is measured too, on some of them.

The first winery is synced for real; the others begin with a copy of its file, because 3,000 first syncs take hours, and
one tick that is not measured makes each copy the winery's own. In each round other wineries have changed, and those of
the rounds before have come to rest. The stand-ins share the machine, and their CPU is not counted. `BENCH_FLEETS` sets
the sizes; the bars are held at the largest.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

from benchmarks.bars import median
from benchmarks.options import CannotMeasure, Figures, Options
from benchmarks.worlds import (
    ROOT,
    Ask,
    Syncer,
    World,
    linked_people,
    order_something,
    requests_alone,
    run,
    world,
)
from vs_st_pipeline.operations.warehouse import warehouse_at

CHANGED_SHARE = 0.01
OWN_RUNS = 20  # wineries with a run of their own
TO_REST = 3  # syncs after which a change has no more to say
THREADS = 64
FREE_SHARE = 0.8  # of the disk's free room, which the fleet's files may take

TICK = """
import json, logging, sys, time
from benchmarks.memory import peak_mb
logging.disable(logging.CRITICAL)
wall, cpu = time.perf_counter(), time.process_time()
from dagster import DagsterInstance
from vs_st_pipeline.definitions import defs
loaded = time.process_time() - cpu
tags = {"dagster/partition": sys.argv[1]} if len(sys.argv) > 1 else {}
config = {} if tags else {"ops": {"walk": {"config": {"due_only": True}}}}
with DagsterInstance.get() as instance:
    instance.add_dynamic_partitions("merchants", sys.argv[1:])
    done = defs.resolve_job_def("sync").execute_in_process(
        instance=instance, run_config=config, tags=tags, raise_on_error=False)
    events = len(instance.all_logs(done.run_id))
print(json.dumps({"ok": done.success, "wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu,
    "loading": loaded, "peak_mb": peak_mb(), "events": events}))
"""


def main(options: Options) -> Figures:
    """Measure every size in a world of its own; return the figures, those of the largest without its name too."""
    sizes = options.sizes("BENCH_FLEETS", "100,1000,3000" if options.bars else "100,300", "500")
    found: Figures = {}
    for size in sizes:
        of_size = measure(size, options.rounds, own_runs=size == sizes[0] and not options.quick)
        found |= of_size | {f"{name}_at_{size}": value for name, value in of_size.items()}
    return found


def measure(size: int, rounds: int, *, own_runs: bool = False) -> Figures:
    """Measure ticks over so many wineries in a world of its own, and print the medians."""
    with tempfile.TemporaryDirectory() as name, world(Path(name), f"valley:{size}") as here:
        settings = here.settings()
        environment = environment_of(here, settings)
        synced_fleet(here, settings, environment)
        measured = []
        for number in range(rounds):
            changed = [merchant.id for merchant in here.box.merchants[number :: int(1 / CHANGED_SHARE)]]
            measured.append(_round(here, environment, changed))
            if number + 1 < rounds:
                _come_to_rest(here, settings, changed)
        found: Figures = {key: median([one[key] for one in measured]) for key in measured[0]}
        print(
            f"{size:5} wineries, {found['changed']:.0f} changed: wall {found['wall_s']:6.1f} s   "
            f"cpu {found['cpu_s']:6.1f} s "
            f"({found['each_ms']:.1f} ms each, beside {found['loading_s']:.1f} s of loading)   "
            f"peak {found['peak_mb']:.0f} MB   {found['events']:.0f} events"
        )
        print(
            f"      its {found['requests']:.0f} requests alone: wall {found['requests_wall_s']:6.1f} s   "
            f"cpu {found['requests_cpu_s']:6.1f} s   cpu ratio {found['cpu_ratio']:.1f}",
            flush=True,
        )
        if own_runs:
            merchants = here.box.merchants[: min(OWN_RUNS, size)]
            each = sum(run_tick(here, environment, merchant.id)["cpu"] for merchant in merchants) / len(merchants)
            found["own_run_s"] = each
            times = each / (found["cpu_s"] / size)
            print(f"      a run for each winery: cpu {each:.1f} s a winery, {times:.0f} times as much", flush=True)
    return found


def _round(here: World, environment: dict[str, str], changed: list[str]) -> Figures:
    """One tick, when everything else that the world needed has come to rest, and its requests alone."""
    size = len(here.box.merchants)
    for merchant_id in changed:
        order_something(here, linked_people(here, 3, merchant_id), merchant_id)
    here.clear_journals()
    os.sync()  # the copies of the first winery's file are on the disk, and not on their way while the tick is timed
    tick = run_tick(here, environment)
    asked: dict[str, list[Ask]] = {}
    for _, merchant_id, ask in here.asks():
        asked.setdefault(merchant_id, []).append(ask)
    if len(asked) < size:
        raise RuntimeError(f"only {len(asked)} of {size} wineries were synced in the tick")
    alone = requests_alone(here, list(asked.values()), threads=THREADS)[0]
    return {
        "changed": len(changed),
        "wall_s": tick["wall"],
        "cpu_s": tick["cpu"],
        "loading_s": tick["loading"],
        "each_ms": 1000 * (tick["cpu"] - tick["loading"]) / size,
        "peak_mb": tick["peak_mb"],
        "events": tick["events"],
        "requests": alone["requests"],
        "requests_wall_s": alone["wall"],
        "requests_cpu_s": alone["cpu"],
        "cpu_ratio": (tick["cpu"] - tick["loading"]) / alone["cpu"],
    }


def run_tick(here: World, environment: dict[str, str], *merchant_id: str) -> dict[str, Any]:
    """Run the job of the schedule, in a process of its own; return what it cost."""
    found: dict[str, Any] = run([sys.executable, "-c", TICK, *merchant_id], here, **environment)
    if not found["ok"]:
        raise RuntimeError("the tick failed")
    return found


def synced_fleet(here: World, settings: Path, environment: dict[str, str]) -> None:
    """Everybody as after some quiet syncs and ticks that told of him, ten minutes ago."""
    first, data = here.box.merchants[0].id, here.data
    with Syncer(here, settings) as syncer:
        for _ in range(4):
            syncer.sync()
    whole = settings.read_text(encoding="utf-8")
    alone = yaml.safe_load(whole)
    settings.write_text(yaml.safe_dump({**alone, "merchants": alone["merchants"][:1]}), encoding="utf-8")
    _aged(data, [first])
    run_tick(here, environment)
    settings.write_text(whole, encoding="utf-8")
    _aged(data, [first])
    warehouse_at(data).rewrite(first)  # a third less
    told = json.loads((data / "reported.json").read_text(encoding="utf-8"))
    others = [merchant.id for merchant in here.box.merchants[1:]]
    copied = [data / "merchants" / first / name for name in ("warehouse.duckdb", "standing.json")]
    _require_room(sum(path.stat().st_size for path in copied) * len(others), data)
    for merchant_id in others:
        home = data / "merchants" / merchant_id
        home.mkdir(mode=0o700)
        for path in copied:
            shutil.copy(path, home / path.name)
        told["merchants"][merchant_id] = told["merchants"][first]
    (data / "reported.json").write_text(json.dumps(told), encoding="utf-8")
    os.sync()
    run_tick(here, environment)
    _aged(data, [first, *others])


def _require_room(size: int, folder: Path) -> None:
    free = shutil.disk_usage(folder).free
    if size > FREE_SHARE * free:
        raise CannotMeasure(f"the fleet's files take {size / 1e9:.0f} GB, and {free / 1e9:.0f} GB of the disk are free")


def _come_to_rest(here: World, settings: Path, changed: list[str]) -> None:
    """Everybody as before the tick: the peer has written too, and the news of those who changed goes on for a sync."""
    with Syncer(here, settings) as syncer:
        for merchant_id in changed:
            for _ in range(TO_REST):
                syncer.sync(merchant_id)
    _aged(here.data, [merchant.id for merchant in here.box.merchants])


def _aged(data: Path, merchant_ids: list[str]) -> None:
    ago = (datetime.now(UTC) - timedelta(minutes=10)).isoformat()
    for merchant_id in merchant_ids:
        path = data / "merchants" / merchant_id / "standing.json"
        standing = json.loads(path.read_text(encoding="utf-8"))
        standing["last_run"]["at"] = standing["last_good_sync_at"] = ago
        path.write_text(json.dumps(standing), encoding="utf-8")


def environment_of(here: World, settings: Path) -> dict[str, str]:
    """Return what a tick needs: Dagster's storage, the merchants file and the data folder."""
    home = here.folder / "home"
    home.mkdir()
    config = (ROOT / "dagster.yaml").read_text(encoding="utf-8")
    (home / "dagster.yaml").write_text(config.replace("data/dagster", str(home / "storage")), encoding="utf-8")
    return {"DAGSTER_HOME": str(home), "VS_ST_MERCHANTS": str(settings), "VS_ST_DATA_DIR": str(here.data)}
