"""First sync of a winery with 4,000 customers, 1,000 of them linked: CPU and peak memory.

Peer: the same HTTP requests (taken from the sandbox's journal) sent by a plain `requests.Session` loop that throws
the answers away. The ratio says what all of landing, staging, planning and remembering adds to merely asking.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from vs_st_pipeline.sandbox import Sandbox

RUNS = 3

OURS = "from benchmarks import one_sync; one_sync.main()"

PEER = """
import json, resource, sys, time
import requests
asks = json.load(open(sys.argv[1]))
wall, cpu = time.perf_counter(), time.process_time()
sessions = {}
for method, url, headers, body in asks:
    session = sessions.setdefault(url.split("/")[2], requests.Session())
    session.request(method, url, headers=headers, json=body).json()
print(json.dumps({"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu,
    "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, "requests": len(asks)}))
"""


def main() -> None:
    """Run both in turn and print medians and their ratio."""
    ours, peers = [], []
    with Sandbox("big") as box, tempfile.TemporaryDirectory() as folder:
        settings = box.write_settings(
            folder, vinoshipper={"requests_per_second": 5000}, simpletexting={"requests_per_second": 5000}
        )
        for number in range(RUNS):
            box.reset()
            ours.append(_run(OURS, str(settings), f"{folder}/data-{number}"))
            asks = Path(folder) / f"asks-{number}.json"
            asks.write_text(json.dumps(_asks(box)))
            box.reset()
            peers.append(_run(PEER, str(asks)))
    for name, runs in (("vs-st first sync", ours), ("requests alone (peer)", peers)):
        figures = {key: sorted(run[key] for run in runs)[len(runs) // 2] for key in runs[0]}
        print(
            f"{name:24} wall {figures['wall']:6.2f} s   cpu {figures['cpu']:6.2f} s   "
            f"peak {figures['peak_mb']:5.0f} MB   {figures['requests']:.0f} requests"
        )
    ratios = sorted(one["cpu"] / peer["cpu"] for one, peer in zip(ours, peers, strict=True))
    beyond = sorted(one["cpu"] - peer["cpu"] for one, peer in zip(ours, peers, strict=True))
    print(f"cpu ratio to the peer     {ratios[len(ratios) // 2]:.2f}   (beyond its requests: {beyond[1]:.2f} s)")


def _asks(box: Sandbox) -> list[tuple[str, str, dict[str, str], object]]:
    """What our run asked, again as plain requests."""
    merchant = box.merchants[0]
    from base64 import b64encode

    basic = b64encode(f"{merchant.vs_key}:{merchant.vs_secret}".encode()).decode()
    asks = []
    for side, headers in (
        (box.vinoshipper, {"Authorization": f"Basic {basic}"}),
        (box.simpletexting, {"Authorization": f"Bearer {merchant.st_token}"}),
    ):
        origin = "/".join(side.url.split("/")[:3])
        for entry in side.control.journal():
            query = "&".join(f"{key}={value}" for key, value in (entry["query"] or {}).items())
            url = f"{origin}{entry['path']}" + (f"?{query}" if query else "")
            asks.append((entry["method"], url.replace("[", "%5B").replace("]", "%5D"), headers, entry["body"]))
    return asks


def _run(code: str, *arguments: str) -> dict[str, float]:
    done = subprocess.run([sys.executable, "-c", code, *arguments], check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found
