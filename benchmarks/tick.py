"""A tick of the schedule over a fleet: wall time, CPU, memory and events, at several sizes, beside its requests alone.

Every winery has 2,000 customers, 300 of them linked contacts, and has been synced; one in a hundred has changed since
(an order was shipped to three people). The tick is the real run: the job `sync` on Dagster's SQLite storage, in a
process of its own, against the sandbox with rates lifted. Floor: the very requests that it made, sent again by plain
`requests.Session`s from as many threads, answers thrown away. Also measured: a run of its own for each winery, as a
ratio, on some of them.

The first winery is synced for real; the others begin with a copy of its file, because 3,000 first syncs take hours.
The stand-ins share the machine, and their CPU is not counted. BENCH_FLEETS sets the sizes.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from vs_st_pipeline.operations.settings import read_merchants
from vs_st_pipeline.operations.warehouse import warehouse_at
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.routes.contacts import sync as pipeline
from vs_st_pipeline.sandbox import Sandbox

SIZES = [int(size) for size in os.environ.get("BENCH_FLEETS", "100,300").split(",")]
CHANGED_SHARE = 0.01
OWN_RUNS = 20  # wineries with a run of their own
RATE = {"requests_per_second": 5000}
ROOT = Path(__file__).parent.parent

TICK = """
import json, logging, resource, sys, time
logging.disable(logging.CRITICAL)
wall, cpu = time.perf_counter(), time.process_time()
from dagster import DagsterInstance
from vs_st_pipeline.definitions import defs
loaded = time.process_time() - cpu
tags = {"dagster/partition": sys.argv[1]} if len(sys.argv) > 1 else {}
config = {} if tags else {"ops": {"walk": {"config": {"due_only": True}}}}
with DagsterInstance.get() as instance:
    done = defs.resolve_job_def("sync").execute_in_process(
        instance=instance, run_config=config, tags=tags, raise_on_error=False)
    events = len(instance.all_logs(done.run_id))
print(json.dumps({"ok": done.success, "wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu,
    "loading": loaded, "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, "events": events}))
"""

FLOOR = """
import json, sys, threading, time
from concurrent.futures import ThreadPoolExecutor
import requests
merchants = json.load(open(sys.argv[1]))
wall, cpu = time.perf_counter(), time.process_time()
def ask(asks):
    sessions = {}
    for method, url, headers, body in asks:
        session = sessions.setdefault(url.split("/")[2], requests.Session())
        session.request(method, url, headers=headers, json=body).content
    for session in sessions.values():
        session.close()
with ThreadPoolExecutor(int(sys.argv[2])) as pool:
    list(pool.map(ask, merchants))
print(json.dumps({"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu,
    "requests": sum(map(len, merchants))}))
"""


def main() -> None:
    """One tick per size, each in a world of its own."""
    for size in SIZES:
        with Sandbox(f"valley:{size}") as box, tempfile.TemporaryDirectory() as folder:
            _measure(box, Path(folder), size)


def _measure(box: Sandbox, folder: Path, size: int) -> None:
    """One tick, when everything else that the world needed has come to rest."""
    settings = box.write_settings(folder, vinoshipper=RATE, simpletexting=RATE)
    environment = _environment(folder, settings)
    _synced_fleet(box, folder, settings, environment)
    changed = [merchant.id for merchant in box.merchants[:: int(1 / CHANGED_SHARE)]]
    for merchant_id in changed:
        _change(box, merchant_id)
    for side in (box.vinoshipper, box.simpletexting):
        side.control.clear_journal()
    os.sync()  # the copies of the first winery's file are on the disk, and not on their way while the tick is timed
    tick = _run([sys.executable, "-c", TICK], environment)
    assert tick["ok"], "the tick failed"
    asks = folder / "asks.json"
    asks.write_text(json.dumps(_asks(box)))
    floor = _run([sys.executable, "-c", FLOOR, str(asks), "64"], environment)
    print(
        f"{size:5} wineries, {len(changed)} changed: wall {tick['wall']:6.1f} s   cpu {tick['cpu']:6.1f} s "
        f"({1000 * (tick['cpu'] - tick['loading']) / size:.0f} ms each, beside {tick['loading']:.1f} s of loading)   "
        f"peak {tick['peak_mb']:.0f} MB   {tick['events']} events"
    )
    print(
        f"      its {floor['requests']} requests alone: wall {floor['wall']:6.1f} s   cpu {floor['cpu']:6.1f} s   "
        f"cpu ratio {(tick['cpu'] - tick['loading']) / floor['cpu']:.1f}"
    )
    if size == SIZES[0]:
        _runs_of_their_own(box, environment, tick, size)


def _runs_of_their_own(box: Sandbox, environment: dict[str, str], tick: dict[str, Any], size: int) -> None:
    count = min(OWN_RUNS, size)
    runs = [_run([sys.executable, "-c", TICK, merchant.id], environment) for merchant in box.merchants[:count]]
    each = sum(run["cpu"] for run in runs) / count
    print(f"      a run for each winery: cpu {each:.1f} s a winery, {each / (tick['cpu'] / size):.0f} times as much")


def _synced_fleet(box: Sandbox, folder: Path, settings: Path, environment: dict[str, str]) -> None:
    """Everybody as after some quiet syncs and a tick that told of him, ten minutes ago."""
    first, data = box.merchants[0].id, folder / "data"
    warehouse, merchant = warehouse_at(data), read_merchants(settings, {}).merchants[0]
    for _ in range(4):
        report = pipeline.sync(Run(merchant, warehouse, lambda: datetime.now(UTC)))
        assert report.status == "ok", report.error
    alone = settings.read_text()
    settings.write_text(_only_first(alone))
    _aged(data, first)
    assert _run([sys.executable, "-c", TICK], environment)["ok"]
    settings.write_text(alone)
    _aged(data, first)
    warehouse.rewrite(first)  # a third less: 3,000 copies take 31 GB
    told = json.loads((data / "reported.json").read_text())
    for merchant_known in box.merchants[1:]:
        home = data / "merchants" / merchant_known.id
        home.mkdir(mode=0o700)
        for name in ("warehouse.duckdb", "standing.json"):
            shutil.copy(data / "merchants" / first / name, home / name)
        told["merchants"][merchant_known.id] = told["merchants"][first]
    (data / "reported.json").write_text(json.dumps(told))


def _only_first(settings: str) -> str:
    import yaml

    whole = yaml.safe_load(settings)
    return yaml.safe_dump({**whole, "merchants": whole["merchants"][:1]})


def _aged(data: Path, merchant_id: str) -> None:
    path = data / "merchants" / merchant_id / "standing.json"
    standing = json.loads(path.read_text())
    ago = (datetime.now(UTC) - timedelta(minutes=10)).isoformat()
    standing["last_run"]["at"] = standing["last_good_sync_at"] = ago
    path.write_text(json.dumps(standing))


def _change(box: Sandbox, merchant_id: str) -> None:
    shop = box.vinoshipper.control
    linked = {contact["contactPhone"] for contact in box.simpletexting.control.contacts(merchant_id)}
    people = [one for one in shop.customers(merchant_id) if _digits(one) in linked][:3]
    for person in people:
        shop.add_order(person["id"], merchant_id)


def _digits(customer: dict[str, Any]) -> str:
    number = str((customer.get("primaryPhone") or {}).get("number") or "")
    return "".join(char for char in number if char.isdigit())[-10:]


def _environment(folder: Path, settings: Path) -> dict[str, str]:
    home = folder / "home"
    home.mkdir()
    config = (ROOT / "dagster.yaml").read_text(encoding="utf-8")
    (home / "dagster.yaml").write_text(config.replace("data/dagster", str(home / "storage")), encoding="utf-8")
    known = {"DAGSTER_HOME": str(home), "VS_ST_MERCHANTS": str(settings), "VS_ST_DATA_DIR": str(folder / "data")}
    return {**os.environ, **known, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"}


def _asks(box: Sandbox) -> list[list[tuple[str, str, dict[str, str], object]]]:
    """What the tick asked, as plain requests, by merchant."""
    keys = {merchant.id: merchant for merchant in box.merchants}
    asks: dict[str, list[tuple[str, str, dict[str, str], object]]] = {}
    for side in (box.vinoshipper, box.simpletexting):
        origin = "/".join(side.url.split("/")[:3])
        for entry in side.control.journal():
            merchant = keys[entry["merchant"]]
            basic = b64encode(f"{merchant.vs_key}:{merchant.vs_secret}".encode()).decode()
            token = f"Basic {basic}" if side is box.vinoshipper else f"Bearer {merchant.st_token}"
            query = "&".join(f"{key}={value}" for key, value in (entry["query"] or {}).items())
            url = f"{origin}{entry['path']}" + (f"?{query}" if query else "")
            url = url.replace("[", "%5B").replace("]", "%5D")
            asks.setdefault(merchant.id, []).append((entry["method"], url, {"Authorization": token}, entry["body"]))
    return list(asks.values())


def _run(command: list[str], environment: dict[str, str]) -> dict[str, Any]:
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr[-2000:]
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found
