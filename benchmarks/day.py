"""A quiet merchant's day as it is lived: a sync every five minutes of a moved clock, details and days in their turn.

Nothing changes at the merchant, but no sync is without something in turn: details and days are read again by their age,
and the customer list is walked each hour. Printed: how many syncs take the quiet path, which does without the database,
and what a sync costs in the mean and in the median. Peer: the requests of all these syncs, sent alone.

`BENCH_HOURS` sets how long the rehearsed day is.
"""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks.bars import median
from benchmarks.options import Figures, Options
from benchmarks.syncs import TO_REST, by_sync
from benchmarks.worlds import Syncer, requests_alone, world

EVERY = timedelta(minutes=5)


def main(options: Options) -> Figures:
    """Rehearse some hours, once: a day is many syncs."""
    hours = options.size("BENCH_HOURS", 24, 6)
    count = hours * (timedelta(hours=1) // EVERY)
    at = datetime.now(UTC) - timedelta(hours=hours + 1)
    with (
        tempfile.TemporaryDirectory() as name,
        world(Path(name), "valley:1", now=at) as here,
        Syncer(here, here.settings()) as syncer,
    ):
        for _ in range(1 + TO_REST):
            syncer.sync(at=at)
            at += EVERY
        here.clear_journals()
        found = []
        for _ in range(count):
            found.append(syncer.sync(at=at))
            at += EVERY
        alone = requests_alone(here, by_sync(here, [one["began"] for one in found]), warm=3)
    cpu, peer = [one["cpu"] for one in found], [one["cpu"] for one in alone]
    quiet = sum(one["quiet_path"] for one in found)
    print(
        f"{count} syncs in {hours} rehearsed hours: {quiet:.0f} on the quiet path   "
        f"cpu mean {1000 * sum(cpu) / count:.1f} ms, median {1000 * median(cpu):.1f} ms, "
        f"longest {1000 * max(cpu):.0f} ms"
    )
    print(
        f"      their {sum(one['requests'] for one in alone):.0f} requests alone: "
        f"mean {1000 * sum(peer) / count:.1f} ms, median {1000 * median(peer):.1f} ms   "
        f"cpu ratio {sum(cpu) / sum(peer):.2f}"
    )
    return {
        "hours": hours,
        "syncs": count,
        "quiet_path": quiet,
        "ordinary_share": 1 - quiet / count,
        "mean_ms": 1000 * sum(cpu) / count,
        "median_ms": 1000 * median(cpu),
        "longest_ms": 1000 * max(cpu),
        "requests_mean_ms": 1000 * sum(peer) / count,
        "cpu_ratio": sum(cpu) / sum(peer),
    }
