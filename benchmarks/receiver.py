"""A thousand webhook calls a second for a minute: how long each waits for its 204, whether the inbox has it, memory.

Peer: a floor that stores nothing, the same server with an application that answers 204 and does no more. What the
receiver adds to it is reading, the table of answers, and a commit on the disk.

The calls leave by the clock, whether earlier ones were answered or not, and each is timed from when it should have
left: who waits for answers before calling again measures nothing of a queue. The one who calls has one of the cores.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from benchmarks.options import CannotMeasure, Figures, Options
from benchmarks.worlds import end
from vs_st_pipeline.platform.hooks import make_token
from vs_st_pipeline.platform.inbox.store import Inbox

RATE, SECONDS, CONNECTIONS, MERCHANTS = 1_000, 60, 64, 50
SECRET = "a secret that is made up, of 32 characters or more"
SYSTEMS = ("vinoshipper", "simpletexting")
FLOOR = """
import asyncio, json, os, sys
from vs_st_pipeline.operations.receiver.server import make_server, serve
from vs_st_pipeline.operations.receiver.sockets import listen

class Floor:
    leaving = False
    async def __call__(self, scope, receive, send):
        while (await receive()).get("more_body"):
            pass
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

listening = listen("127.0.0.1", 0)
print(json.dumps({"port": listening.getsockname()[1], "pid": os.getpid()}), flush=True)
serve(make_server(Floor(), 4096), listening, lambda loop: None)
"""


@dataclass
class Told:
    """What came of the calls: seconds each, ascending; answers by status; how many were never answered."""

    seconds: list[float] = field(default_factory=list)
    statuses: dict[bytes, int] = field(default_factory=dict)
    unanswered: int = 0

    def ms(self, percent: float) -> float:
        return self.seconds[min(len(self.seconds) - 1, int(len(self.seconds) * percent / 100))] * 1000

    @property
    def good(self) -> int:
        return self.statuses.get(b"204", 0)


class _Connection(asyncio.Protocol):
    """Sends one call at a time, and times its answer."""

    def __init__(self, told: Told, idle: deque[_Connection]) -> None:
        self._told, self._idle, self._due = told, idle, 0.0
        self.waits = False
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._idle.append(self)

    def send(self, call: bytes, due: float) -> None:
        self._due, self.waits = due, True
        self.transport.write(call)

    def data_received(self, data: bytes) -> None:
        if data.endswith(b"\r\n\r\n"):
            self._told.seconds.append(time.perf_counter() - self._due)
            self._told.statuses[data[9:12]] = self._told.statuses.get(data[9:12], 0) + 1
            self.waits = False
            self._idle.append(self)


async def _call(port: int, calls: Sequence[bytes], rate: int, seconds: int) -> Told:
    """Send so many calls a second."""
    told, idle = Told(), deque[_Connection]()
    loop = asyncio.get_running_loop()
    for _ in range(CONNECTIONS):
        await loop.create_connection(lambda: _Connection(told, idle), "127.0.0.1", port)
    waiting, began, sent = deque[float](), time.perf_counter(), 0
    opened = list(idle)
    while sent < rate * seconds or waiting:
        now = time.perf_counter()
        while sent + len(waiting) < rate * seconds and began + (sent + len(waiting)) / rate <= now:
            waiting.append(began + (sent + len(waiting)) / rate)
        while waiting and idle:
            idle.popleft().send(calls[sent % len(calls)], waiting.popleft())
            sent += 1
        if now - began > seconds + 30:
            break
        await asyncio.sleep(0.001)
    for _ in range(500):
        if not any(one.waits for one in opened):
            break
        await asyncio.sleep(0.01)
    told.unanswered = rate * seconds - len(told.seconds)
    told.seconds.sort()
    for one in opened:
        one.transport.close()
    return told


def main(options: Options) -> Figures:
    """Call the floor and the receiver, and print both."""
    rate = options.size("BENCH_RECEIVER_RATE", RATE, RATE)
    seconds = options.size("BENCH_RECEIVER_SECONDS", SECONDS, 15)
    found: Figures = {}
    for name in ("floor", "receiver"):
        with tempfile.TemporaryDirectory() as folder, _started(name, Path(folder)) as (process, port):
            told = asyncio.run(_call(port, _calls(), rate, seconds))
            spent, used = process.cpu_times(), process.memory_info().rss
            peak = _peak_mb(process.pid) or used / 2**20
            prefix = "" if name == "receiver" else "floor_"
            found |= {
                f"{prefix}p50_ms": told.ms(50),
                f"{prefix}p99_ms": told.ms(99),
                f"{prefix}worst_ms": told.ms(100),
                f"{prefix}cpu_ms_each": (spent.user + spent.system) * 1000 / max(1, len(told.seconds)),
                f"{prefix}peak_mb": peak,
            }
            lost = told.unanswered + len(told.seconds) - told.good
            if name == "receiver":
                lost += abs(told.good - _stored(Path(folder)))
                found["lost"] = float(lost)
            print(
                f"{name:9} {rate:,} a second for {seconds} s: p50 {told.ms(50):.1f} ms, p99 {told.ms(99):.1f} ms, "
                f"worst {told.ms(100):.0f} ms, CPU {found[f'{prefix}cpu_ms_each']:.2f} ms a call, {peak:.0f} MB, "
                f"{lost} lost",
                flush=True,
            )
    found["cpu_over_floor_ratio"] = found["cpu_ms_each"] / found["floor_cpu_ms_each"]
    return found


def _calls() -> list[bytes]:
    """A call of each system for each merchant, with a body such as the system sends."""
    bodies = {
        "vinoshipper": {"identifier": "90000000017", "subject": "ORDER", "event": "TRACKING_NUMBER_ADDED",
                        "hrefV3": "https://vinoshipper.com/api/v3/p/orders/90000000017"},
        "simpletexting": {"webhookId": "507f191e810c19729de860eb", "type": "INCOMING_MESSAGE",
                          "values": {"contactPhone": "7075550142", "text": "when will it ship?", "messageId": "m1"}},
    }  # fmt: skip
    calls = []
    for number in range(MERCHANTS):
        for system in SYSTEMS:
            body = json.dumps(bodies[system]).encode()
            path = f"/hooks/{system}/{make_token(SECRET, system, f'winery-{number}', 1)}"
            head = f"POST {path} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n"
            calls.append(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
    return calls


@contextmanager
def _started(name: str, folder: Path) -> Iterator[tuple[psutil.Process, int]]:
    """The floor or the receiver, as a process of its own."""
    keys = "vinoshipper: {{api_key: env:K, api_secret: env:K}}, simpletexting: {{api_token: env:K}}"
    entry = "  - {{id: winery-{0}, name: Winery {0}, " + keys + "}}\n"
    (folder / "merchants.yaml").write_text("merchants:\n" + "".join(entry.format(n) for n in range(MERCHANTS)))
    environ = {
        **os.environ,
        "VS_ST_MERCHANTS": str(folder / "merchants.yaml"),
        "VS_ST_DATA_DIR": str(folder / "data"),
        "VS_ST_HOOK_SECRET": "env:BENCH_SECRET",
        "BENCH_SECRET": SECRET,
    }
    receive = ["-m", "vs_st_pipeline.cli.main", "receive", "--port", "0", "--json"]
    with open(os.devnull, "w") as nowhere:
        started = subprocess.Popen(
            [sys.executable, *(receive if name == "receiver" else ["-c", FLOOR])],
            env=environ, stdout=subprocess.PIPE, stderr=nowhere, text=True,
        )  # fmt: skip
    try:
        assert started.stdout is not None
        line = started.stdout.readline()
        if not line:
            raise CannotMeasure(f"the {name} did not start")
        yield psutil.Process(started.pid), json.loads(line)["port"]
    finally:
        end(started, 10)


def _stored(folder: Path) -> int:
    inbox = Inbox(folder / "data")
    count: int = inbox.ask("select count(*) from entries")[0][0]
    inbox.close()
    return count


def _peak_mb(pid: int) -> float | None:
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")), None)
