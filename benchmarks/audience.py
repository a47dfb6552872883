"""A whole history to WayMore, and the news after it: 1,000,000 customers, 1,000,000 orders of three lines.

(a) The history of a drop to a sink that acknowledges and counts, with 100 and with 1000 records a part: requests, CPU
without staging, memory beside that of a tenth. Peers, over the same drop to the same sink: `naive_audience`, a loop
that remembers nothing, and `plugin_audience`, the way of the vendor's own plugin.
(b) The next drop, of which one in a hundred customers and orders changed: exactly so many events; and the same drop
again, of which nothing did.
(c) Posts to `vs-st receive` at the site's pace: each is answered, and each is in the inbox.

`BENCH_AUDIENCE` sets the number of customers and of orders, `BENCH_AUDIENCE_SMALL` that of the tenth,
`BENCH_AUDIENCE_PLUGIN` how many the plugin's way is measured at (OFFSET grows with the square),
`BENCH_AUDIENCE_SECONDS` for how long is posted.
"""

from __future__ import annotations

import json
import math
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import yaml

from benchmarks.audience_posts import posts
from benchmarks.audience_shop import GOODS, write_drop
from benchmarks.options import CannotMeasure, Figures, Options
from benchmarks.sinks import ENVIRONMENT, ask, sink
from benchmarks.worlds import run
from vs_st_pipeline.routes.audience.stage_names import PLAN, PUSH, READ, STAGED

Record = dict[str, Any]
PEOPLE, QUICK_PEOPLE = 1_000_000, 20_000
TENTH, QUICK_TENTH = 100_000, 5_000
CHANGED = 100  # one in so many
USUAL_PART, LARGE_PART = 100, 1_000


def main(options: Options) -> Figures:
    """Run ours and the peers, print and return what each took."""
    people = options.size("BENCH_AUDIENCE", PEOPLE, QUICK_PEOPLE)
    tenth = options.size("BENCH_AUDIENCE_SMALL", TENTH, QUICK_TENTH)
    by_plugin = options.size("BENCH_AUDIENCE_PLUGIN", tenth, QUICK_TENTH)
    found: Figures = {"people": people}
    with tempfile.TemporaryDirectory() as name, sink("sink") as url:
        folder = Path(name)
        small = _Shop(folder / "small", url, tenth)
        found["small_peak_mb"] = small.history(USUAL_PART)["peak_mb"]
        large = _Shop(folder / "large", url, people)
        found |= {f"large_part_{key}": value for key, value in large.history(LARGE_PART).items()}
        found |= large.history(USUAL_PART)
        found["growth_mb"] = found["peak_mb"] - found["small_peak_mb"]
        found |= large.news()
        for title, shop, module in (("naive", large, "naive_audience"), ("plugin", None, "plugin_audience")):
            at = shop or _Shop(folder / "plugin", url, by_plugin)
            peer = at.peer(module)
            size = people if shop else by_plugin
            found |= {f"{title}_{key}": value for key, value in peer.items()} | {f"{title}_people": size}
        shutil.rmtree(folder / "large")
    found["cpu_over_naive_ratio"] = found["cpu_s"] / found["naive_cpu_s"]
    found["cpu_over_plugin_ratio"] = (found["cpu_s"] / people) / (found["plugin_cpu_s"] / by_plugin)
    for title in ("", "large_part_", "naive_", "plugin_"):
        print(
            f"{title.rstrip('_') or 'vs-st':11} {found[f'{title}requests']:7.0f} requests   "
            f"wall {found[f'{title}wall_s']:6.1f} s   cpu {found[f'{title}cpu_s']:6.1f} s   "
            f"peak {found[f'{title}peak_mb']:4.0f} MB   {found[f'{title}records_per_s']:6.0f} records/s   "
            f"{found[f'{title}mb_per_s']:5.1f} MB/s",
            flush=True,
        )
    print(
        f"staging {found['staging_cpu_s']:.1f} s of CPU; memory {found['growth_mb']:+.0f} MB over a tenth\n"
        f"1 % changed: {found['events_off']:.0f} events off, cpu {found['news_cpu_s']:.1f} s and "
        f"{found['news_peak_mb']:.0f} MB to plan, {found['told_cpu_s']:.1f} s to tell; "
        f"nothing changed: {found['quiet_cpu_s']:.1f} s, {found['quiet_requests']:.0f} requests",
        flush=True,
    )
    found |= posts(options.size("BENCH_AUDIENCE_SECONDS", 60, 10))
    return found


class _Shop:
    """A shop of a size, with its drop, its settings, and what it has told."""

    def __init__(self, folder: Path, url: str, people: int) -> None:
        self.folder, self.url, self.people = folder, url, people
        self.home = folder / "drop"
        self.drop = write_drop(self.home, "20260101T000000Z", people)

    def history(self, part: int) -> Figures:
        """Register, and tell the whole history, from nothing."""
        shutil.rmtree(self.folder / "data", ignore_errors=True)
        self._settings(part)
        found, told = self._sync()
        blocks = found["report"]["history"]["blocks"]
        wanted = 1 + sum(math.ceil(one["records"] / part) for one in blocks.values())
        # By bytes a part may be closed before it has so many: then the bar is about the settings, and it says so.
        if blocks["customers"]["accepted"] != self.people or blocks["orders"]["accepted"] != self.people:
            raise CannotMeasure(f"the history is not whole: {blocks}")
        records = sum(one["accepted"] for one in blocks.values())
        staging = _staging(found)
        return {
            "cpu_s": found["cpu"] - staging,
            "staging_cpu_s": staging,
            "peak_mb": found["peak_mb"],
            "requests_off": abs(told["requests"] - wanted),
            **_rates(found["wall"], told["requests"], told["bytes"], records),
        }

    def news(self) -> Figures:
        """Tell what one in a hundred changed; then that nothing did."""
        changed = self.people // CHANGED
        write_drop(self.home, "20260102T000000Z", self.people, changed)
        found, told = self._sync()
        stages = found["stages"]
        quiet, nothing = self._again()
        return {
            "events_off": abs(told["events"] - 2 * changed) + told["parts"],
            "news_cpu_s": stages.get(PLAN, 0.0),
            "told_cpu_s": stages.get(PUSH, 0.0),
            "news_peak_mb": found["peak_mb"],
            "quiet_cpu_s": quiet["cpu"] - _staging(quiet),
            "quiet_requests": nothing["requests"],
        }

    def _again(self) -> tuple[Record, Record]:
        write_drop(self.home, "20260103T000000Z", self.people, self.people // CHANGED)
        return self._sync()

    def peer(self, module: str) -> Figures:
        """Tell the first drop as a peer does."""
        ask(self.url, "/clear")
        job = self.folder / "job.json"
        job.write_text(json.dumps({"drop": str(self.drop), "url": f"{self.url}/api/data", "part": USUAL_PART}))
        found = run([sys.executable, "-m", f"benchmarks.{module}", str(job)], None, **ENVIRONMENT)
        records = 2 * self.people + GOODS + self.people // 3
        rates = _rates(found["wall"], found["requests"], found["bytes"], records)
        return {"cpu_s": found["cpu"], "peak_mb": found["peak_mb"], **rates}

    def _settings(self, part: int) -> None:
        endpoints = {name: f"{self.url}/api/{path}" for name, path in
                     (("auth", "authenticate"), ("data", "data"), ("event", "event"))}  # fmt: skip
        waymore = {"username": "env:BENCH_KEY", "password": "env:BENCH_KEY", "domain": "https://www.shop.example",
                   "endpoints": endpoints, "requests_per_second": 100_000, "part_records": part, "history_slice": "0s",
                   "part_bytes": 10_485_760}  # fmt: skip
        entry = {"id": "shop", "name": "Shop", "waymore": waymore, "shop": {"drop": str(self.home)}}
        whole = {"defaults": {"time_zone": "America/Los_Angeles"}, "merchants": [entry]}
        (self.folder / "merchants.yaml").write_text(yaml.safe_dump(whole), encoding="utf-8")

    def _sync(self) -> tuple[Record, Record]:
        ask(self.url, "/clear")
        settings, data = str(self.folder / "merchants.yaml"), str(self.folder / "data")
        found = run([sys.executable, "-m", "benchmarks.audience_sync", settings, data], None, **ENVIRONMENT)
        if found["report"]["status"] != "ok":
            raise CannotMeasure(f"the sync ended with {found['report']['status']}: {found['report']['error']}")
        return found, ask(self.url, "/count")


def _staging(found: Record) -> float:
    return float(found["stages"].get(READ, 0.0) + found["stages"].get(STAGED, 0.0))


def _rates(wall: float, requests: float, size: float, records: float) -> Figures:
    return {"wall_s": wall, "requests": requests, "records_per_s": records / wall, "mb_per_s": size / 2**20 / wall}
