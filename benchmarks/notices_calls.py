"""Gupshup's callbacks to `vs-st receive`, 500 a second for a minute; and a receiver that is killed in the middle.

The calls leave by the clock, as in `receiver`. What was answered by 204 before a SIGKILL must be in the inbox after it:
each message's id is looked for.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from benchmarks.notices_shop import BRAND, write_settings
from benchmarks.options import CannotMeasure, Figures
from benchmarks.receiver import SECRET, _call, _peak_mb, _stored
from benchmarks.worlds import ROOT, end
from vs_st_pipeline.platform.hooks import make_token
from vs_st_pipeline.platform.inbox.store import Inbox

RATE, CALLERS = 500, 8
ID = re.compile(r'"gs-([0-9]+)"')
KINDS = ("enqueued", "sent", "delivered", "read")
"""Receipts, as they come."""


def callbacks(seconds: int, kills: int) -> Figures:
    """Call, kill, and print and return how long an answer takes, and what was acknowledged and is not there."""
    with tempfile.TemporaryDirectory() as name, _receiver(Path(name)) as (process, port):
        calls = [_whole(number) for number in range(RATE * seconds)]
        told = asyncio.run(_call(port, calls, RATE, seconds))
        spent, peak = psutil.Process(process.pid).cpu_times(), _peak_mb(process.pid) or 0.0
        stored = _stored(Path(name))
    refused = len(told.seconds) - told.good
    lost = max(0, told.good - stored)
    found: Figures = {
        "callbacks_p50_ms": told.ms(50),
        "callbacks_p99_ms": told.ms(99),
        "callbacks_cpu_ms": (spent.user + spent.system) * 1000 / max(1, len(told.seconds)),
        "callbacks_peak_mb": peak,
        "callbacks_lost": float(lost),
        "callbacks_unanswered": float(told.unanswered + refused),
    }
    gone = [_killed(1.0 + number / 3) for number in range(kills)]
    found |= {"killed_lost": float(sum(lost for lost, _ in gone)), "killed_answered": float(sum(n for _, n in gone))}
    print(
        f"callbacks     {RATE} a second for {seconds} s: p50 {told.ms(50):.1f} ms, p99 {told.ms(99):.1f} ms, "
        f"CPU {found['callbacks_cpu_ms']:.2f} ms a call, {peak:.0f} MB, "
        f"{told.unanswered} unanswered, {refused} refused, {lost} of those acknowledged lost; of "
        f"{found['killed_answered']:.0f} answered before {kills} kills {found['killed_lost']:.0f} are not there",
        flush=True,
    )
    return found


def _body(number: int) -> bytes:
    """A receipt, each of a message of its own."""
    message = f"gs-{number}"
    said = {"id": f"wamid-{number}", "gsId": message, "type": KINDS[number % len(KINDS)],
            "destination": f"91{9_000_000_000 + number}", "payload": {"ts": int(time.time())}}  # fmt: skip
    if said["type"] == "enqueued":
        said |= {"id": message, "payload": {"whatsappMessageId": f"wamid-{number}", "type": "template"}}
    whole = {"app": f"app-{BRAND}", "timestamp": int(time.time() * 1000), "version": 2, "type": "message-event"}
    return json.dumps({**whole, "payload": said}).encode()


def _path() -> str:
    return f"/hooks/gupshup/{make_token(SECRET, 'gupshup', BRAND, 1)}"


def _whole(number: int) -> bytes:
    body = _body(number)
    head = f"POST {_path()} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def _killed(seconds: float) -> tuple[int, int]:
    """Kill a receiver after some seconds of calls; returns how many that it answered are lost, and how many it did."""
    with tempfile.TemporaryDirectory() as name:
        answered: set[int] = set()
        with _receiver(Path(name)) as (process, port):
            callers = [threading.Thread(target=_caller, args=(port, number, answered)) for number in range(CALLERS)]
            for one in callers:
                one.start()
            time.sleep(seconds)
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
            for one in callers:
                one.join()
        inbox = Inbox(Path(name) / "data")
        there = {int(one) for (kept,) in inbox.ask("select kept from entries") for one in ID.findall(str(kept))}
        inbox.close()
    if not answered:
        raise CannotMeasure("a receiver was killed before it answered anything")
    return len(answered - there), len(answered)


def _caller(port: int, number: int, answered: set[int]) -> None:
    """Call until nobody answers any more."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    while True:
        try:
            connection.request("POST", _path(), _body(number), {"Content-Type": "application/json"})
            answer = connection.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException):
            return
        if answer.status == 204:
            answered.add(number)
        number += CALLERS


@contextmanager
def _receiver(folder: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    settings = write_settings(folder, "http://127.0.0.1:9")
    environ = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "VS_ST_MERCHANTS": str(settings),
        "VS_ST_DATA_DIR": str(folder / "data"),
        "VS_ST_HOOK_SECRET": "env:BENCH_SECRET",
        "BENCH_SECRET": SECRET,
        "BENCH_KEY": "made up",
    }
    command = [sys.executable, "-m", "vs_st_pipeline.cli.main", "receive", "--port", "0", "--json"]
    with open(os.devnull, "w") as nowhere:
        process = subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=nowhere, text=True)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            raise CannotMeasure("the receiver did not start")
        yield process, int(json.loads(line)["port"])
    finally:
        end(process, 10)
