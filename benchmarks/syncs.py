"""Syncs of one merchant over HTTPS, by how many linked contacts it has: nothing changed, three people changed.

Peer: the very requests of each sync, sent again by plain `requests.Session`s (`benchmarks/requests_alone.py`). Each
size is a world of its own (`growing:N`); at 300 linked it is an ordinary winery of 2,000 customers. One process makes
all syncs of a world, as a tick of the schedule does; imports and what is made once per process are not in the figures.

- quiet: `QUIET` syncs in a row that find nothing; the median of them beside the median of their requests.
- changed: an order was shipped to three people; less its requests alone. Its exponent is that of (changed - quiet) over
  linked contacts: 0 is a cost that does not know how large the merchant is, 1 one in proportion to it.
- one change: that sync and the two after it, less three quiet ones: all that the change costs.

Each round begins when some syncs have come to rest. `BENCH_LINKED` sets the sizes (with commas).
"""

from __future__ import annotations

import tempfile
from bisect import bisect_right
from contextlib import ExitStack
from pathlib import Path

from benchmarks.bars import exponent, median
from benchmarks.options import Figures, Options
from benchmarks.worlds import Ask, Syncer, World, linked_people, order_something, requests_alone, world

PEOPLE = 3
QUIET = 20
TO_REST = 5  # syncs after which there is nothing left to do
LEAST = 0.001  # seconds of CPU: what can be told from nothing


def main(options: Options) -> Figures:
    """Measure every size in turn, print each, and return the figures."""
    found: Figures = {}
    with tempfile.TemporaryDirectory() as name:
        for linked in options.sizes("BENCH_LINKED", "300,1000,3000,10000", "300,1000,3000,10000"):
            of_size = _medians(Path(name) / str(linked), linked, options.rounds)
            found |= {f"{key}_at_{linked}": value for key, value in of_size.items()}
            print(
                f"{linked:6} linked: quiet {of_size['quiet_ms']:6.1f} ms "
                f"(its {of_size['quiet_requests']:.0f} requests alone {of_size['quiet_requests_ms']:.1f})   "
                f"changed {of_size['changed_ms']:7.1f} ms "
                f"(its {of_size['changed_requests']:.0f} requests alone {of_size['changed_requests_ms']:.1f})   "
                f"one change {of_size['one_change_ms']:7.1f} ms   quiet ratio {of_size['quiet_cpu_ratio']:.2f}",
                flush=True,
            )
    sizes = sorted(int(key.rpartition("_")[2]) for key in found if key.startswith("quiet_ms_at_"))
    least, most = sizes[0], sizes[-1]
    for key in ("quiet_cpu_ratio", "one_change_ms", "changed_beyond_requests_ms"):
        found[key] = found[f"{key}_at_{least}"]
    if most > least:
        found["quiet_growth_ratio"] = found[f"quiet_ms_at_{most}"] / found[f"quiet_ms_at_{least}"]
        beyond = {size: found[f"changed_beyond_quiet_ms_at_{size}"] / 1000 for size in sizes}
        found["changed_exponent"] = exponent(beyond, least=LEAST)
        print(
            f"quiet at {most} linked: {found['quiet_growth_ratio']:.2f} times that at {least}; "
            f"exponent of (changed - quiet) {found['changed_exponent']:.2f}"
        )
    return found


def _medians(folder: Path, linked: int, rounds: int) -> Figures:
    with ExitStack() as held:
        here = held.enter_context(world(folder, f"growing:{linked}"))
        syncer = held.enter_context(Syncer(here, here.settings()))
        for _ in range(1 + TO_REST):
            syncer.sync()
        found = [_round(here, syncer) for _ in range(rounds)]
    return {key: median([one[key] for one in found]) for key in found[0]}


def _round(here: World, syncer: Syncer) -> Figures:
    here.clear_journals()
    quiet = [syncer.sync() for _ in range(QUIET)]
    alone = requests_alone(here, by_sync(here, [one["began"] for one in quiet]), warm=3)
    order_something(here, linked_people(here, PEOPLE))
    here.clear_journals()
    changed = syncer.sync()
    assert changed["accepted"] > 0, "the change changed nothing"
    asked = by_sync(here, [changed["began"]])
    after = [syncer.sync(), syncer.sync()]
    changed_alone = requests_alone(here, asked * 7, warm=2)
    for _ in range(TO_REST):  # the peer has written too
        syncer.sync()
    of_quiet, of_requests = median([one["cpu"] for one in quiet]), median([one["cpu"] for one in alone])
    of_changed = median([one["cpu"] for one in changed_alone])
    return {
        "quiet_ms": 1000 * of_quiet,
        "quiet_requests_ms": 1000 * of_requests,
        "quiet_requests": median([one["requests"] for one in quiet]),
        "quiet_cpu_ratio": of_quiet / of_requests,
        "changed_ms": 1000 * changed["cpu"],
        "changed_requests_ms": 1000 * of_changed,
        "changed_requests": changed["requests"],
        "changed_beyond_requests_ms": 1000 * (changed["cpu"] - of_changed),
        "changed_beyond_quiet_ms": 1000 * (changed["cpu"] - of_quiet),
        "one_change_ms": 1000 * (changed["cpu"] + sum(one["cpu"] for one in after) - 3 * of_quiet),
    }


def by_sync(here: World, began: list[float]) -> list[list[Ask]]:
    """Return what was asked, by the sync that asked it."""
    groups: list[list[Ask]] = [[] for _ in began]
    for at, _, ask in here.asks():
        groups[max(0, bisect_right(began, at) - 1)].append(ask)
    return groups
