"""From a webhook's 204 to the accepted value: orders that ship in a fleet of wineries, at default rates, over HTTPS.

Every winery has 2,000 customers, 300 of them linked contacts, and has been synced. One event a second: an order ships
to somebody, and the shop's webhook tells the real receiver. The real worker does the rest, with opt-in looks, and ticks
of the schedule run beside it. The lag is the inbox's own: from when a hint was stored, which is before its 204, to the
last ledger commit that it led to. Hints that were handed over are not in it, and are counted.

What a look costs is what the worker takes more while it looks than while it does not, in the same process: first its
looks are off, then each winery is looked at once (where no whole sync has noted what it saw, its file is opened for
that, once ever), then looks alone are made, of which the figure is told. What else a worker takes is told by the
second.

The stand-ins and whoever calls share the machine; their CPU is not counted, but they take it from those who are
measured. `BENCH_HINTS_WINERIES`, `BENCH_HINTS_SECONDS` and `BENCH_HINTS_TICK` (seconds between two ticks) set the
sizes.
"""

from __future__ import annotations

import http.client
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import yaml

from benchmarks.options import CannotMeasure, Figures, Options
from benchmarks.tick import environment_of, run_tick, synced_fleet
from benchmarks.worlds import ROOT, World, end, linked_people, world
from vs_st_pipeline.platform.hooks import make_token
from vs_st_pipeline.platform.inbox.store import Inbox

WINERIES, SECONDS, TICK_SECONDS = 3_000, 600, 300
PERIOD, QUICK_PERIOD = 120, 60  # seconds between two looks at a winery: the default, and so that there are more of them
START_SECONDS = 10  # after the first sign of life: the worker loads what it needs
IDLE_SECONDS = 30  # in which looks are off
LOOKS_SECONDS = 60  # in which looks alone are made
REST_SECONDS = 60  # after the last event, for those that are under way
SECRET = "a secret that is made up, of 32 characters or more"


def main(options: Options) -> Figures:
    """Let orders ship, and print how long each took to stand in its contact."""
    wineries = options.size("BENCH_HINTS_WINERIES", WINERIES if options.bars else 300, 100)
    seconds = options.size("BENCH_HINTS_SECONDS", SECONDS if options.bars else 120, 60)
    every = options.size("BENCH_HINTS_TICK", TICK_SECONDS, 30)
    with tempfile.TemporaryDirectory() as name, world(Path(name), f"valley:{wineries}") as here:
        settings = here.settings()
        environment = environment_of(here, settings)
        synced_fleet(here, settings, environment)
        _at_default_rates(settings)
        environ = {
            **here.environment, **environment, "VS_ST_HOOK_SECRET": "env:BENCH_SECRET", "BENCH_SECRET": SECRET
        }  # fmt: skip
        with running(here, environ, "receive", "--port", "0", "--json") as receiver:
            assert receiver.stdout is not None
            port = int(json.loads(receiver.stdout.readline())["port"])
            with running(here, environ, "work", "--json") as working:
                period = QUICK_PERIOD if options.quick else PERIOD
                inbox, lines = Inbox(here.data), list[str]()
                reader = threading.Thread(target=lambda: lines.extend(working.stdout or ()), daemon=True)
                reader.start()
                wait_until_it_lives(inbox, working)
                looks = _looks_alone(here, settings, psutil.Process(working.pid), period)
                return _measured(here, environment, port, working, inbox, lines, seconds, every, period, looks)


def _looks_alone(here: World, settings: Path, process: psutil.Process, period: int) -> Figures:
    """Return what the worker takes by the second without looks, for the first look of a winery, and for others."""
    time.sleep(START_SECONDS)
    idle = _spent_in(here, process, IDLE_SECONDS)[0] / IDLE_SECONDS
    text = settings.read_text(encoding="utf-8")
    settings.write_text(text.replace(_looks_of(None), _looks_of(period)), encoding="utf-8")
    first = _spent_in(here, process, period + START_SECONDS)
    found = _spent_in(here, process, LOOKS_SECONDS)
    if not found[1]:
        raise CannotMeasure("the worker made no look")
    return {
        "idle_cpu_ms_s": 1000 * idle,
        "first_look_cpu_ms": 1000 * (first[0] - idle * (period + START_SECONDS)) / max(1, first[1]),
        "look_cpu_ms": 1000 * max(0.0, found[0] - idle * LOOKS_SECONDS) / found[1],
        "looks_alone": found[1],
    }


def _spent_in(here: World, process: psutil.Process, seconds: float) -> tuple[float, int]:
    """Wait so long; return the seconds of CPU that the worker took meanwhile, and how many looks it made."""
    before, asked = _cpu(process), _lists(here)
    time.sleep(seconds)
    return _cpu(process) - before, _lists(here) - asked


def _measured(
    here: World,
    environment: dict[str, str],
    port: int,
    working: subprocess.Popen[str],
    inbox: Inbox,
    lines: list[str],
    seconds: int,
    every: int,
    period: int,
    looks: Figures,
) -> Figures:
    process = psutil.Process(working.pid)
    stop, ticks = threading.Event(), list[dict[str, Any] | None]()
    schedule = threading.Thread(target=_keep_ticking, args=(here, environment, every, stop, ticks), daemon=True)
    schedule.start()
    before, placed, began = _cpu(process), inbox.looks(), time.monotonic()
    told = _ship(here, port, seconds)
    deadline = time.monotonic() + REST_SECONDS
    while time.monotonic() < deadline and inbox.waiting():
        time.sleep(0.5)
    spent, looked = _cpu(process) - before, _looks_since(placed, inbox.looks(), period)
    spent -= looked * looks["look_cpu_ms"] / 1000 + (time.monotonic() - began) * looks["idle_cpu_ms_s"] / 1000
    stop.set()
    rows = inbox.ask("select outcome, state, lag from hints where record like 'BENCH-%'")
    lags = sorted(row[2] for row in rows if row[2] is not None)
    others = [f"{row[0] or row[1]}" for row in rows if row[2] is None]
    reports = [json.loads(line) for line in lines if line.startswith("{")]
    syncs = sum(bool(report["hints"]["taken"]) for report in reports)
    took = sorted(one["seconds"] for one in reports if one["lag_seconds"] is not None)
    schedule.join(1200)
    inbox.close()
    ticked = [one["cpu"] for one in ticks if one is not None]
    if not lags:
        raise CannotMeasure(f"no hint was written: {others[:20]}, {[one['error'] for one in reports[:3]]}")
    found: Figures = {
        "events": told,
        "written": len(lags),
        "p50_s": _percent(lags, 50),
        "p95_s": _percent(lags, 95),
        "p99_s": _percent(lags, 99),
        "worst_s": lags[-1],
        "handed_over": others.count("handed_over"),
        "others": len(others) - others.count("handed_over"),
        "sync_cpu_s": max(0.0, spent) / max(1, syncs),
        "sync_p50_s": _percent(took, 50) if took else 0.0,
        "sync_p95_s": _percent(took, 95) if took else 0.0,
        **looks,
        "looks": looked,
        "ticks": len(ticks),
        "ticks_failed": len(ticks) - len(ticked),
        "tick_cpu_s": sum(ticked) / max(1, len(ticked)),
        "peak_mb": process.memory_info().rss / 2**20,
    }
    print(
        f"{len(here.box.merchants)} wineries, {told} events in {seconds} s: {len(lags)} written, "
        f"p50 {found['p50_s']:.1f} s, p95 {found['p95_s']:.1f} s, p99 {found['p99_s']:.1f} s, "
        f"worst {found['worst_s']:.1f} s; {others.count('handed_over')} handed over, {found['others']:.0f} other\n"
        f"      {syncs} targeted syncs, {found['sync_cpu_s']:.3f} s of CPU each; those that wrote took "
        f"p50 {found['sync_p50_s']:.1f} s, p95 {found['sync_p95_s']:.1f} s\n"
        f"      {found['looks_alone']:.0f} looks alone, {found['look_cpu_ms']:.1f} ms of CPU each, the first of a "
        f"winery {found['first_look_cpu_ms']:.1f} ms; else the worker takes {found['idle_cpu_ms_s']:.1f} ms a second; "
        f"{looked} looks beside {len(ticks)} ticks, {found['tick_cpu_s']:.0f} s of CPU each, of which "
        f"{len(ticks) - len(ticked)} failed; {found['peak_mb']:.0f} MB",
        flush=True,
    )
    return found


def _ship(here: World, port: int, seconds: int) -> int:
    """Ship an order a second, each to somebody by chance, and tell of it; return how many were told of."""
    chance, shop = random.Random(1), here.box.vinoshipper.control
    people: dict[str, Sequence[int]] = {}
    told, began = 0, time.monotonic()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    for number in range(seconds):
        time.sleep(max(0.0, began + number - time.monotonic()))
        merchant = chance.choice(here.box.merchants).id
        if merchant not in people:
            people[merchant] = linked_people(here, 5, merchant)
        order = f"BENCH-{number:05d}"
        shop.add_order(chance.choice(people[merchant]), merchant, orderNumber=order, orderStatus="LABELS_GENERATED")
        body = json.dumps({"identifier": order, "subject": "ORDER", "event": "TRACKING_NUMBER_ADDED"})
        path = f"/hooks/vinoshipper/{make_token(SECRET, 'vinoshipper', merchant, 1)}"
        connection.request("POST", path, body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        answer.read()
        told += answer.status == 204
    connection.close()
    return told


def _keep_ticking(
    here: World, environment: dict[str, str], every: int, stop: threading.Event, ticks: list[dict[str, Any] | None]
) -> None:
    while not stop.is_set():
        try:
            ticks.append(run_tick(here, environment))
        except RuntimeError:  # a tick in which a merchant failed
            ticks.append(None)
        stop.wait(every)


@contextmanager
def running(here: World, environ: dict[str, str], *command: str) -> Iterator[subprocess.Popen[str]]:
    log = here.folder / f"{command[0]}.log"
    with open(log, "w", encoding="utf-8") as errors:
        started = subprocess.Popen(
            [sys.executable, "-m", "vs_st_pipeline.cli.main", *command],
            cwd=ROOT, env=environ, stdout=subprocess.PIPE, stderr=errors, text=True,
        )  # fmt: skip
    try:
        yield started
    finally:
        end(started, 40)


def wait_until_it_lives(inbox: Inbox, working: subprocess.Popen[str]) -> None:
    for _ in range(600):
        if inbox.last_beat("worker") is not None:
            return
        if working.poll() is not None:
            raise CannotMeasure("the worker did not start")
        time.sleep(0.2)
    raise CannotMeasure("the worker does not live")


def _looks_since(before: dict[str, float], now: dict[str, float], period: float) -> int:
    """How many looks the worker made, by how far on the next ones are: a tick asks for contacts in the same words."""
    return round(sum(at - before[one] for one, at in now.items() if one in before) / period)


def _looks_of(period: int | None) -> str:
    return "opt_in_look: " + ("never" if period is None else f"{period}s")


def _lists(here: World) -> int:
    """How many looks there were, while no tick runs: requests for contacts."""
    return sum(
        entry["path"].endswith("/contacts") and entry["method"] == "GET"
        for entry in here.box.simpletexting.control.journal()
    )


def _cpu(process: psutil.Process) -> float:
    spent = process.cpu_times()
    return float(spent.user + spent.system)


def _percent(ascending: Sequence[float], percent: float) -> float:
    return ascending[min(len(ascending) - 1, int(len(ascending) * percent / 100))]


def _at_default_rates(settings: Path) -> None:
    """Take the lifted rates out of the merchants file, and switch looks off."""
    known = yaml.safe_load(settings.read_text(encoding="utf-8"))
    known["defaults"] = {**(known.get("defaults") or {}), "webhooks": yaml.safe_load(f"{{{_looks_of(None)}}}")}
    for entry in [known.get("defaults") or {}, *known["merchants"]]:
        for system in ("vinoshipper", "simpletexting"):
            if isinstance(entry.get(system), dict):
                entry[system].pop("requests_per_second", None)
    settings.write_text(yaml.safe_dump(known, sort_keys=False), encoding="utf-8")
    os.utime(settings)
