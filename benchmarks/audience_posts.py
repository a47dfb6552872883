"""Posts of a shop's site to `vs-st receive`, 200 a second for a minute: all are answered by 200, and all are stored."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from benchmarks.options import CannotMeasure, Figures
from benchmarks.worlds import ROOT, end
from vs_st_pipeline.platform.hooks import make_token
from vs_st_pipeline.platform.inbox.store import Inbox

RATE, CALLERS = 200, 8
SECRET = "a secret that is made up, of 32 characters or more"


def posts(seconds: int) -> Figures:
    """Post, and print and return how long an answer takes, and how many posts are not stored."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        process, port = _receiver(folder)
        waited: list[float] = []
        try:
            path = f"/hooks/shop/{make_token(SECRET, 'shop', 'shop', 1)}"
            callers = [
                threading.Thread(target=_call, args=(port, path, number, seconds, waited)) for number in range(CALLERS)
            ]
            for one in callers:
                one.start()
            for one in callers:
                one.join()
        finally:
            end(process, 10)
        inbox = Inbox(folder / "data")
        stored: int = inbox.ask("select count(*) from entries")[0][0]
        inbox.close()
    wanted = RATE * seconds
    waited.sort()
    found = {
        "posts_lost": float(abs(wanted - len(waited)) + abs(wanted - stored)),
        "posts_p99_ms": waited[int(len(waited) * 0.99)] * 1000 if waited else float("inf"),
    }
    print(
        f"posts         {RATE} a second for {seconds} s: p99 {found['posts_p99_ms']:.1f} ms, "
        f"{found['posts_lost']:.0f} lost",
        flush=True,
    )
    return found


def _receiver(folder: Path) -> tuple[subprocess.Popen[str], int]:
    waymore = "waymore: {uuid: env:BENCH_SECRET, domain: https://www.shop.example}"
    (folder / "merchants.yaml").write_text(f"merchants:\n  - {{id: shop, name: Shop, {waymore}, shop: {{}}}}\n")
    environ = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "VS_ST_MERCHANTS": str(folder / "merchants.yaml"),
        "VS_ST_DATA_DIR": str(folder / "data"),
        "VS_ST_HOOK_SECRET": "env:BENCH_SECRET",
        "BENCH_SECRET": SECRET,
    }
    command = [sys.executable, "-m", "vs_st_pipeline.cli.main", "receive", "--port", "0", "--json"]
    with open(os.devnull, "w") as nowhere:
        process = subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=nowhere, text=True)
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        end(process, 10)
        raise CannotMeasure("the receiver did not start")
    return process, int(json.loads(line)["port"])


def _call(port: int, path: str, number: int, seconds: int, waited: list[float]) -> None:
    """Post a share of all by the clock; a post that comes late is timed from when it should have left."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    began = time.perf_counter() + number / RATE
    for turn in range(RATE * seconds // CALLERS):
        due = began + turn * CALLERS / RATE
        time.sleep(max(0.0, due - time.perf_counter()))
        data = {"customer_id": str(number), "cart_products": [], "cart_url": ""}
        body = json.dumps({"event": "CartUpdate", "id": f"{number} {turn}", "data": data})
        connection.request("POST", path, body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        answer.read()
        if answer.status == 200:
            waited.append(time.perf_counter() - due)
    connection.close()
