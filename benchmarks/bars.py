"""What the figures must hold: the bars, how each is told, and the file that keeps what was found.

A bar is held against a figure of its benchmark's last run. A figure that is not there, because the benchmark or its
peer could not be run, misses its bar: nothing that was not measured is ever told as ok.
"""

from __future__ import annotations

import json
import math
import os
import platform
import statistics
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from benchmarks.options import Figures, Options

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results.json"
PEERS = ROOT / ".venv-bench" / "bin" / "python"
UNMEASURED = "unmeasured"
OURS = ("dagster", "duckdb", "msgspec", "nanoarrow", "requests", "urllib3")
THEIRS = ("dlt", "drt-core", "duckdb")


@dataclass(frozen=True, slots=True)
class Bar:
    """A limit: the figure may be at most so much.

    Attributes:
        benchmark, figure: whose figure it is held against.
    """

    benchmark: str
    figure: str
    limit: float

    @property
    def name(self) -> str:
        """How the bar is told: `landing.cpu_ratio`."""
        return f"{self.benchmark}.{self.figure}"


BARS = (
    Bar("audience", "requests_off", 0),
    Bar("audience", "peak_mb", 500),
    Bar("audience", "growth_mb", 200),
    Bar("audience", "cpu_s", 240),
    Bar("audience", "large_part_cpu_s", 60),
    Bar("audience", "cpu_over_plugin_ratio", 1),
    Bar("audience", "events_off", 0),
    Bar("audience", "news_cpu_s", 15),
    Bar("audience", "news_peak_mb", 600),
    Bar("audience", "quiet_cpu_s", 5),
    Bar("audience", "quiet_requests", 0),
    Bar("audience", "posts_lost", 0),
    Bar("consumers", "reads_not_one", 0),
    Bar("consumers", "wrong", 0),
    Bar("consumers", "hubspot_each", 0.07),
    Bar("consumers", "klaviyo_each", 0.06),
    Bar("consumers", "salesforce_each", 0.03),
    Bar("consumers", "staging_cpu_s", 60),
    Bar("consumers", "staging_peak_mb", 600),
    Bar("landing", "cpu_ratio", 0.5),
    Bar("landing", "peak_mb", 450),
    Bar("landing", "per_record_ratio", 1.15),
    Bar("notices", "plan_cpu_s", 20),
    Bar("notices", "plan_peak_mb", 700),
    Bar("notices", "quiet_cpu_s", 1),
    Bar("notices", "message_ms", 20),
    Bar("notices", "sent_twice", 0),
    Bar("notices", "callbacks_p99_ms", 100),
    Bar("notices", "callbacks_lost", 0),
    Bar("notices", "callbacks_unanswered", 0),
    Bar("notices", "killed_lost", 0),
    Bar("notices", "idle_cpu_s", 2),
    Bar("notices", "hook_to_send_worst_s", 180),
    Bar("notices", "hooks_not_told", 0),
    Bar("delivery", "cpu_ratio", 1.6),
    Bar("delivery", "peak_mb", 250),
    Bar("delivery", "per_contact_ratio", 1.2),
    Bar("syncs", "quiet_cpu_ratio", 2),
    Bar("syncs", "quiet_growth_ratio", 1.5),
    Bar("syncs", "changed_beyond_requests_ms", 150),
    Bar("syncs", "changed_exponent", 0.2),
    Bar("syncs", "one_change_ms", 200),
    Bar("day", "ordinary_share", 0.1),
    Bar("planning", "settled_s", 0.3),
    Bar("planning", "anew_s", 20),
    Bar("planning", "peak_mb", 600),
    Bar("orders", "requests_ratio", 0.2),
    Bar("orders", "doubled", 0),
    Bar("orders", "lost", 0),
    Bar("orders", "mailed_twice", 0),
    Bar("orders", "unmailed", 0),
    Bar("orders", "club_minutes", 75),
    Bar("orders", "club_others_wait_s", 60),
    Bar("orders", "tick_wall_s", 60),
    Bar("orders", "tick_peak_mb", 600),
    Bar("receiver", "p99_ms", 50),
    Bar("receiver", "lost", 0),
    Bar("receiver", "peak_mb", 150),
    Bar("hints", "p50_s", 10),
    Bar("hints", "p95_s", 30),
    Bar("hints", "sync_cpu_s", 0.2),
    Bar("hints", "look_cpu_ms", 10),
    Bar("tick", "cpu_ratio", 3),
    Bar("tick", "peak_mb", 800),
)


@dataclass(frozen=True, slots=True)
class Held:
    """A bar beside what was found.

    Attributes:
        value: None: not measured.
    """

    bar: Bar
    value: float | None

    @property
    def ok(self) -> bool:
        """Whether the bar holds."""
        return self.value is not None and self.value <= self.bar.limit

    def line(self) -> str:
        """How it is told: `bar landing.cpu_ratio 0.42 <= 0.5 ok`."""
        value, limit = UNMEASURED if self.value is None else shown(self.value), shown(self.bar.limit)
        if value == limit and not self.ok:  # missed by less than what is usually shown
            value = repr(self.value)
        return f"bar {self.bar.name} {value} <= {limit} {'ok' if self.ok else 'missed'}"


def hold(benchmark: str, figures: Mapping[str, float]) -> list[Held]:
    """Hold a benchmark's figures against its bars; a figure that is no finite number was not measured."""
    found = {name: value for name, value in figures.items() if math.isfinite(value)}
    return [Held(bar, found.get(bar.figure)) for bar in BARS if bar.benchmark == benchmark]


def shown(value: float) -> str:
    """Write a figure with four digits, and without an exponent."""
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def median(values: Sequence[float]) -> float:
    """Return the middle value; of an even number the mean of the two in the middle."""
    return statistics.median(values)


def apart(one: float, other: float) -> float:
    """Return how far two costs are apart, whichever is larger: 1.15 is 15 %."""
    return max(one / other, other / one) if one > 0 and other > 0 else math.inf


def exponent(costs: Mapping[float, float], *, least: float) -> float:
    """Return b of the best `cost = a * size ** b` (least squares of the logarithms).

    Args:
        costs: by size, at least two.
        least: what a cost is taken for that is smaller, or not above 0: what can still be told from nothing.
    """
    x = [math.log(size) for size in costs]
    y = [math.log(max(cost, least)) for cost in costs.values()]
    return statistics.linear_regression(x, y).slope


def keep(
    path: Path, benchmark: str, figures: Figures, held: Sequence[Held], *, options: Options, failed: str | None
) -> None:
    """Write what a benchmark found beside what the others found earlier on the same machine.

    Args:
        path: of the file (JSON).
        failed: why it could not be measured.
    """
    known = read(path)
    others = known.get("benchmarks", {}) if known.get("machine") == machine() else {}
    entry = {
        "commit": commit(),
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "quick": options.quick,
        "sizes": options.chosen,
        "failed": failed,
        "figures": {name: value if math.isfinite(value) else None for name, value in sorted(figures.items())},
        "bars": [{"name": one.bar.name, "value": one.value, "limit": one.bar.limit, "ok": one.ok} for one in held],
    }
    whole = {
        "commit": entry["commit"],
        "machine": machine(),
        "versions": versions(),
        "benchmarks": dict(sorted({**others, benchmark: entry}.items())),
    }
    path.write_text(json.dumps(whole, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def read(path: Path) -> dict[str, Any]:
    """Return what was kept; nothing where there is no such file."""
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return found


def machine() -> dict[str, Any]:
    """Say on what it was measured; neither the machine's name nor a path is in it."""
    try:
        system = platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        system = ""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else 0
    return {
        "cores": os.cpu_count(),
        "model": _model(),
        "memory_gb": round(memory / 2**30),
        "os": " ".join(filter(None, (platform.system(), platform.machine(), system))),
    }


def _model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")


def versions() -> dict[str, Any]:
    """Return the versions of Python, of what we stand on, and of the peers (None: not installed)."""
    return {
        "python": platform.python_version(),
        **{name: _version(name) for name in OURS},
        "peers": _peers(),
    }


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _peers() -> dict[str, str | None]:
    if not PEERS.exists():
        return dict.fromkeys(THEIRS)
    code = (
        "import json, sys; from importlib.metadata import version; print(json.dumps(list(map(version, sys.argv[1:]))))"
    )
    done = subprocess.run([str(PEERS), "-c", code, *THEIRS], capture_output=True, text=True, check=False)
    return dict(zip(THEIRS, json.loads(done.stdout), strict=True)) if done.returncode == 0 else dict.fromkeys(THEIRS)


def commit() -> str | None:
    """Return the commit, with `+` where the code differs from it; None where git does not say."""
    try:
        head = _git("rev-parse", "HEAD")
        changed = [line for line in _git("status", "--porcelain").splitlines() if not line.endswith(RESULTS.name)]
    except (OSError, subprocess.CalledProcessError):
        return None
    return head.strip() + ("+" if changed else "")


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True).stdout
