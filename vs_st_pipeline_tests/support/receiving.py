"""A receiver over a real socket: in this process where a test wants to look inside, or the real command."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import selectors
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from vs_st_pipeline.connectors import CONNECTORS
from vs_st_pipeline.operations.receiver.app import Limits
from vs_st_pipeline.operations.receiver.figures import Figures
from vs_st_pipeline.operations.receiver.processes import Process, Signals
from vs_st_pipeline.operations.receiver.sockets import listen
from vs_st_pipeline.operations.receiver.table import Maker
from vs_st_pipeline.operations.receiver.watch import Watch
from vs_st_pipeline.platform.connector import Connector
from vs_st_pipeline.platform.hooks import make_token
from vs_st_pipeline.platform.inbox import questions
from vs_st_pipeline.platform.inbox.store import Inbox
from vs_st_pipeline.routes import ROUTES

Record = dict[str, Any]
SECRET = "a secret of thirty-two characters"
OLDER = "another secret, of more than 32 characters"
SHOP, TEXTING = "vinoshipper", "simpletexting"
HILLSIDE = "hillside-cellars"


def entry(merchant_id: str, **more: Any) -> Record:
    """An entry whose vendor keys nobody can read."""
    keys = {SHOP: {"api_key": "env:NO_KEY", "api_secret": "file:/no/file"}, TEXTING: {"api_token": "env:NO_TOKEN"}}
    return {"id": merchant_id, "name": merchant_id.title(), **keys, **more}


def write_settings(folder: Path, entries: Sequence[Record], **top: Any) -> Path:
    """Write a merchants file by renaming, as whoever changes it should."""
    path = folder / "merchants.yaml"
    draft = folder / "draft"
    draft.write_text(yaml.safe_dump({**top, "merchants": list(entries)}, sort_keys=False))
    draft.replace(path)
    return path


def url(merchant_id: str = HILLSIDE, system: str = SHOP, secret: str = SECRET, generation: int = 1) -> str:
    """The path of a hook."""
    return f"/hooks/{system}/{make_token(secret, system, merchant_id, generation)}"


def order(number: Any = "90000000017", event: str = "UPDATED") -> bytes:
    """The body of a call about an order."""
    return json.dumps({"identifier": number, "subject": "ORDER", "event": event}).encode()


@dataclass
class Answered:
    """An answer: its status, its headers in small letters, its body."""

    status: int
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiving:
    """A receiver that listens."""

    port: int
    inbox: Inbox
    environ: dict[str, str] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)
    figures: Figures | None = None
    watch: Watch | None = None
    process: subprocess.Popen[str] | None = None

    def call(
        self, path: str, body: bytes | Iterator[bytes] | None = b"", *, method: str = "POST", **headers: str
    ) -> Answered:
        """One call on a connection of its own; `_` in a header's name is a dash."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        with contextlib.closing(connection):
            connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
            answer = connection.getresponse()
            return Answered(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())

    def raw(self, sent: bytes, seconds: float = 5.0, answers: int | None = None) -> bytes:
        """Send bytes, and return whatever comes until the other side closes or says nothing for so long.

        Args:
            answers: after so many, what may follow is waited for only a moment.
        """
        told = b""
        with self.connected() as found:
            found.settimeout(seconds)
            with contextlib.suppress(TimeoutError, ConnectionError):
                found.sendall(sent)
            with contextlib.suppress(TimeoutError, ConnectionError):
                while chunk := found.recv(65_536):
                    told += chunk
                    if answers is not None and told.count(b"HTTP/1.1 ") >= answers:
                        found.settimeout(0.03)
        return told

    def connected(self) -> socket.socket:
        """A connection that says nothing yet."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=10)

    def entries(self, merchant: str = HILLSIDE) -> list[Record]:
        """What is stored of a merchant, oldest first."""
        try:
            found: list[Record] = questions.listing(self.inbox, questions.Filter([merchant]), 10_000)["entries"]
            return found[::-1]
        finally:
            self.inbox.close()

    def kept(self, merchant: str = HILLSIDE) -> list[Record]:
        """What is kept of its calls, oldest first."""
        rows = self.inbox.ask("select kept from entries where merchant = ? order by entry", [merchant])
        self.inbox.close()
        return [json.loads(row[0]) for row in rows]

    def counted(self, system: str, status: str) -> int:
        assert self.figures is not None
        return self.figures.total(system, status)


def read_all(found: socket.socket) -> bytes:
    """Everything until the other side closes or says nothing for as long as the socket waits."""
    told = b""
    with contextlib.suppress(TimeoutError, ConnectionError):
        while chunk := found.recv(65_536):
            told += chunk
    return told


@contextlib.contextmanager
def receiving(
    folder: Path,
    entries: Sequence[Record] = (),
    *,
    secrets: Sequence[str] = (SECRET,),
    limits: Limits | None = None,
    every: float = 0.05,
    inbox: Inbox | None = None,
    environ: dict[str, str] | None = None,
    connectors: Sequence[Connector[Any]] = CONNECTORS,
    **top: Any,
) -> Iterator[Receiving]:
    """A receiver in a thread of this process, as `vs-st receive` starts one, over a real socket."""
    path = write_settings(folder, entries or [entry(HILLSIDE)], **top)
    environ = environ or {}
    lines: list[str] = []
    connectors = [one for one in connectors if one.hooks is not None]
    figures = Figures([one.name for one in connectors])
    found = inbox or Inbox(folder / "data")
    maker = Maker(connectors, ROUTES, secrets, environ, proved=found.proved_tokens)
    watch = Watch(path, environ, maker, lambda *new: lines.extend(new), every=every)
    process = Process(watch, found, figures, environ, lambda *new: lines.extend(new), limits)
    watch.begin()
    listening, signals, ready = listen("127.0.0.1", 0), Signals(), threading.Event()
    port = listening.getsockname()[1]
    thread = threading.Thread(target=process.run, args=(0, listening, None, signals, ready.set))
    thread.start()
    try:
        assert ready.wait(10)
        yield Receiving(port, found, environ, lines, figures, watch)
    finally:
        signals.ask()
        thread.join(20)
        found.close()
        assert not thread.is_alive()


def environment(folder: Path, **more: str) -> dict[str, str]:
    """The environment of the real command."""
    own = {
        "VS_ST_MERCHANTS": str(folder / "merchants.yaml"),
        "VS_ST_DATA_DIR": str(folder / "data"),
        "VS_ST_HOOK_SECRET": "env:HOOK_SECRET",
        "HOOK_SECRET": SECRET,
    }
    return {**{key: value for key, value in os.environ.items() if not key.startswith("VS_ST_")}, **own, **more}


def start(folder: Path, *arguments: str, fds: Sequence[int] = (), **more: str) -> subprocess.Popen[str]:
    """Start `vs-st receive --json` as a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "vs_st_pipeline.cli.main", "receive", "--json", *arguments],
        env=environment(folder, **more),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        pass_fds=fds,
        text=True,
    )


def where(process: subprocess.Popen[str], seconds: float = 30.0) -> Record:
    """What it prints once it listens."""
    assert process.stdout is not None
    with selectors.DefaultSelector() as ready:
        ready.register(process.stdout, selectors.EVENT_READ)
        assert ready.select(seconds), "it does not listen"
    line = process.stdout.readline()
    assert line, process.communicate()
    found: Record = json.loads(line)
    return found


@contextlib.contextmanager
def command(folder: Path, *arguments: str, fds: Sequence[int] = (), **more: str) -> Iterator[Receiving]:
    """`vs-st receive` at a free port, or at what the arguments say."""
    process = start(folder, *(arguments or ("--port", "0")), fds=fds, **more)
    try:
        told = where(process)
        yield Receiving(told["port"], Inbox(folder / "data"), environment(folder, **more), process=process)
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def until(happened: Callable[[], object], seconds: float = 10.0) -> None:
    """Look again and again until it has happened."""
    ends = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < ends, "it did not happen"
        time.sleep(0.02)
