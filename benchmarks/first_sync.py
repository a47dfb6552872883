"""First sync of a winery with 4,000 customers, 1,000 of them linked, over HTTPS: CPU and peak memory.

Peer: the same HTTP requests (taken from the sandbox's journal) sent by plain `requests.Session`s that throw the answers
away. The ratio says what all of landing, staging, planning and remembering adds to merely asking.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from benchmarks.bars import median
from benchmarks.options import Figures, Options
from benchmarks.worlds import requests_alone, run, world


def main(options: Options) -> Figures:
    """Run both in turn and print medians and their ratio."""
    ours: list[dict[str, float]] = []
    peers: list[dict[str, float]] = []
    with tempfile.TemporaryDirectory() as name, world(Path(name), "big") as here:
        settings = str(here.settings())
        for number in range(options.rounds):
            here.box.reset()
            ours.append(run([sys.executable, "-m", "benchmarks.one_sync", settings, f"{name}/data-{number}"], here))
            asks = [ask for _, _, ask in here.asks()]
            here.box.reset()
            peers.append(requests_alone(here, [asks])[0])
    for title, runs in (("vs-st first sync", ours), ("requests alone (peer)", peers)):
        figures = {key: median([one[key] for one in runs]) for key in runs[0]}
        print(
            f"{title:24} wall {figures['wall']:6.2f} s   cpu {figures['cpu']:6.2f} s   "
            f"peak {figures['peak_mb']:5.0f} MB   {figures['requests']:.0f} requests"
        )
    ratio = median([one["cpu"] / peer["cpu"] for one, peer in zip(ours, peers, strict=True)])
    beyond = median([one["cpu"] - peer["cpu"] for one, peer in zip(ours, peers, strict=True)])
    print(f"cpu ratio to the peer     {ratio:.2f}   (beyond its requests: {beyond:.2f} s)")
    return {
        "cpu_s": median([one["cpu"] for one in ours]),
        "peak_mb": median([one["peak_mb"] for one in ours]),
        "cpu_ratio": ratio,
        "beyond_requests_s": beyond,
    }
