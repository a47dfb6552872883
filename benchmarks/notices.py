"""A brand's parcels told on WhatsApp: staging and planning, sending, callbacks, and merchants with nothing to tell.

(a) 40,000 orders with 100,000 events are stored, as if read just now, each of which may be told: staged and planned;
then, when all of them are too old to be told, a whole sync without news.
(b) 5,000 orders whose delivery failed come by the list: read, staged, planned and told, at an unlimited rate, to a sink
that answers as Eshopbox and Gupshup do. Peer, against the same sink: `naive_notices`.
(c) Callbacks of Gupshup to `vs-st receive`, and a receiver that is killed.
(d) What 3,000 merchants that are not due add to a tick.
(e) From a hook of Eshopbox to the message, at the defaults, against the stand-ins.

CPU is told beside wall time: a machine with other work says nothing by the second.

`BENCH_NOTICES` sets the number of orders that are planned, `BENCH_NOTICES_MESSAGES` that of those that are told of,
`BENCH_NOTICES_SECONDS` for how long is called, `BENCH_NOTICES_KILLS` how many receivers are killed,
`BENCH_NOTICES_IDLE` how many merchants are idle, `BENCH_NOTICES_HOOKS` how many hooks come; `BENCH_NOTICES_PARTS` names
what is measured, of `plan,send,calls,idle,hooks`.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.notices_calls import callbacks
from benchmarks.notices_hooks import hooks
from benchmarks.notices_idle import idle
from benchmarks.notices_shop import write_settings
from benchmarks.options import CannotMeasure, Figures, Options
from benchmarks.sinks import ENVIRONMENT, ask, sink
from benchmarks.worlds import run
from vs_st_pipeline.routes.notices.stage_names import PLAN, PUSH, READ, STAGED

Record = dict[str, Any]
ORDERS, QUICK_ORDERS = 40_000, 2_000
MESSAGES, QUICK_MESSAGES = 5_000, 300
IDLE, QUICK_IDLE = 3_000, 300
HOOKS, QUICK_HOOKS = 60, 10
PARTS = "plan,send,calls,idle,hooks"
HOUR = 3600.0


def main(options: Options) -> Figures:
    """Measure all parts, print and return what was found."""
    parts = (os.environ.get("BENCH_NOTICES_PARTS") or PARTS).split(",")
    found: Figures = {}
    with tempfile.TemporaryDirectory() as name, sink("notices_sink") as url:
        if "plan" in parts:
            found |= _planning(_Brand(Path(name) / "plan", url), options.size("BENCH_NOTICES", ORDERS, QUICK_ORDERS))
        if "send" in parts:
            size = options.size("BENCH_NOTICES_MESSAGES", MESSAGES, QUICK_MESSAGES)
            found |= _sending(_Brand(Path(name) / "send", url), size)
    if "calls" in parts:
        seconds = options.size("BENCH_NOTICES_SECONDS", 60, 10)
        found |= callbacks(seconds, options.size("BENCH_NOTICES_KILLS", 5, 2))
    if "idle" in parts:
        found |= idle(options.size("BENCH_NOTICES_IDLE", IDLE, QUICK_IDLE), options.rounds)
    if "hooks" in parts:
        found |= hooks(options.size("BENCH_NOTICES_HOOKS", HOOKS, QUICK_HOOKS))
    return found


def _planning(brand: _Brand, orders: int) -> Figures:
    """Stage and plan a store of orders; then sync when nothing is to be told any more."""
    brand.sync(-2 * HOUR)
    brand.sync(land=orders)
    made = brand.sync(stages=[STAGED, PLAN])
    if made["report"]["planned"]["messages"] != orders:
        raise CannotMeasure(f"not every order has a message that is due: {made['report']['planned']}")
    brand.sync(72 * HOUR)
    quiet = brand.sync(72 * HOUR + 600)
    stages = made["stages"]
    events = orders * 5 / 2
    found = {
        "orders": float(orders),
        "plan_wall_s": made["wall"],
        "plan_cpu_s": made["cpu"],
        "plan_peak_mb": made["peak_mb"],
        "staging_cpu_s": stages[STAGED]["cpu"],
        "planning_cpu_s": stages[PLAN]["cpu"],
        "events_per_cpu_s": events / made["cpu"],
        "quiet_wall_s": quiet["wall"],
        "quiet_cpu_s": quiet["cpu"],
        "quiet_peak_mb": quiet["peak_mb"],
    }
    print(
        f"planning      {events:.0f} events of {orders} orders: wall {made['wall']:.1f} s, cpu {made['cpu']:.1f} s "
        f"(staging {found['staging_cpu_s']:.1f}, planning {found['planning_cpu_s']:.1f}), {made['peak_mb']:.0f} MB\n"
        f"quiet         wall {quiet['wall']:.2f} s, cpu {quiet['cpu']:.2f} s, {quiet['peak_mb']:.0f} MB "
        f"({_by_stage(quiet)})",
        flush=True,
    )
    return found


def _sending(brand: _Brand, messages: int) -> Figures:
    """Tell of orders that come by the list, as we do and as the peer does."""
    brand.news(0)
    brand.sync(-2 * HOUR)
    brand.news(messages)
    ours = brand.sync()
    counts = brand.counts()
    if ours["report"]["status"] != "ok" or counts["people"] != messages:
        raise CannotMeasure(f"{counts} of {messages}: {ours['report']}")
    brand.news(messages)
    theirs = brand.peer()
    stages = ours["stages"]
    before = {kind: sum(stages[one][kind] for one in (READ, STAGED, PLAN)) for kind in ("wall", "cpu")}
    send = stages[PUSH]
    events = theirs["events"]
    found = {
        "messages": float(messages),
        "sent_twice": float(counts["messages"] - counts["people"]),
        "message_ms": send["wall"] * 1000 / messages,
        "message_cpu_ms": send["cpu"] * 1000 / messages,
        "messages_per_s": messages / send["wall"],
        "naive_messages_per_s": messages / theirs["send_wall"],
        "messages_ratio": send["wall"] / theirs["send_wall"],
        "messages_cpu_ratio": send["cpu"] / theirs["send_cpu"],
        "events_per_s": events / before["wall"],
        "naive_events_per_s": events / theirs["read_wall"],
        "events_ratio": before["wall"] / theirs["read_wall"],
        "events_cpu_ratio": before["cpu"] / theirs["read_cpu"],
        "send_peak_mb": ours["peak_mb"],
        "naive_peak_mb": theirs["peak_mb"],
    }
    print(
        f"sending       {messages} messages: {found['messages_per_s']:.0f}/s, "
        f"cpu {found['message_cpu_ms']:.1f} ms each, {ours['peak_mb']:.0f} MB; "
        f"naive {found['naive_messages_per_s']:.0f}/s; "
        f"wall {found['messages_ratio']:.1f} times, cpu {found['messages_cpu_ratio']:.1f} times\n"
        f"reading       {events} events, to the plan: {found['events_per_s']:.0f}/s; naive, to SQLite: "
        f"{found['naive_events_per_s']:.0f}/s; wall {found['events_ratio']:.1f} times, cpu "
        f"{found['events_cpu_ratio']:.1f} times "
        f"({_by_stage(ours)})",
        flush=True,
    )
    return found


class _Brand:
    """The brand, with its settings and its data."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder, self.url = folder, url
        self.settings = write_settings(folder, url)

    def sync(self, ahead: float = 0.0, stages: Sequence[str] | None = None, land: int = 0) -> Record:
        """Run `notices_sync`: as if it were so many seconds later."""
        job = self.folder / "job.json"
        said = {"settings": str(self.settings), "data": str(self.folder / "data"), "ahead": ahead}
        job.write_text(json.dumps({**said, "stages": stages, "land": land}), encoding="utf-8")
        found: Record = run([sys.executable, "-m", "benchmarks.notices_sync", str(job)], None, **ENVIRONMENT)
        if not land and found["report"]["status"] != "ok":
            raise CannotMeasure(f"the sync ended with {found['report']['status']}: {found['report']['error']}")
        return found

    def peer(self) -> Record:
        """Run the loop."""
        job = self.folder / "naive.json"
        job.write_text(json.dumps({"url": self.url, "database": str(self.folder / "naive.sqlite")}), encoding="utf-8")
        found: Record = run([sys.executable, "-m", "benchmarks.naive_notices", str(job)], None, **ENVIRONMENT)
        return found

    def news(self, orders: int) -> None:
        """Let so many orders be there."""
        ask(self.url, f"/news/{orders}")

    def counts(self) -> Record:
        """Return what was asked for since then."""
        return ask(self.url, "/count")


def _by_stage(found: Record) -> str:
    """Say which stage took which CPU."""
    told = [f"{name.split('/')[1]} {one['cpu']:.2f}" for name, one in found["stages"].items()]
    return f"CPU of {', '.join(told)} s"
