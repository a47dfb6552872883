"""What the benchmarks against the stand-ins share: a world that speaks HTTPS, a process that syncs, requests alone.

The stand-ins are processes of their own, and so is whatever is measured: its CPU is its own. They are trusted as any
server is, by their authority in the CA bundle that the environment names, beside all that the bundle usually holds, so
that whoever reads the bundle pays for it as everywhere.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from base64 import b64encode
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, TypeAlias
from urllib.parse import quote, urlencode

import certifi

from benchmarks.options import CannotMeasure
from vs_st_pipeline.sandbox import Sandbox
from vs_st_pipeline.sandbox.core.asgi import merged
from vs_st_pipeline.sandbox.core.certificates import can_be_made, make_certificates
from vs_st_pipeline.sandbox.core.clients import Control

ROOT = Path(__file__).parent.parent
MOST_WAITS = 20
RATE = {"requests_per_second": 5000}

Ask: TypeAlias = tuple[str, str, dict[str, str], Any]
"""A request as anybody could send it: method, URL, headers, JSON body or None."""


@dataclass(frozen=True, slots=True)
class World:
    """Stand-ins over HTTPS, and a folder for what belongs to them.

    Attributes:
        environment: for processes that are to trust the stand-ins.
    """

    box: Sandbox
    folder: Path
    environment: dict[str, str]

    def settings(self, **overrides: Any) -> Path:
        """Write the merchants file, with rates lifted; returns where it is."""
        rates = dict.fromkeys(self.box.running, RATE)
        return self.box.write_settings(self.folder, **merged(rates, overrides))

    @property
    def data(self) -> Path:
        """The data folder."""
        return self.folder / "data"

    def clear_journals(self) -> None:
        """Forget what was asked so far."""
        for side in self.box.running.values():
            side.control.clear_journal()

    def asks(self) -> list[tuple[float, str, Ask]]:
        """Return what was asked since the journals were cleared: when (epoch seconds), by which merchant, and what."""
        keys = {merchant.id: merchant for merchant in self.box.merchants}
        found: list[tuple[float, str, Ask]] = []
        for side in (self.box.vinoshipper, self.box.simpletexting):
            for entry in side.control.journal():
                merchant = keys[entry["merchant"]]
                basic = b64encode(f"{merchant.vs_key}:{merchant.vs_secret}".encode()).decode()
                token = f"Basic {basic}" if side is self.box.vinoshipper else f"Bearer {merchant.st_token}"
                origin = "/".join(side.url.split("/")[:3])
                query = f"?{urlencode(entry['query'], quote_via=quote)}" if entry["query"] else ""
                ask = (entry["method"], f"{origin}{entry['path']}{query}", {"Authorization": token}, entry["body"])
                found.append((entry["time"], merchant.id, ask))
        return sorted(found, key=lambda one: one[0])


@contextmanager
def world(folder: Path, scenario: str, now: datetime | None = None) -> Iterator[World]:
    """Start the stand-ins with a world, over HTTPS.

    Raises:
        CannotMeasure: no certificate can be made.
    """
    if not can_be_made():
        raise CannotMeasure("the stand-ins speak HTTPS here, and that needs the command `openssl`")
    folder.mkdir(parents=True, exist_ok=True)
    certificates = make_certificates(folder / "tls")
    bundle = str(certificates.bundle(Path(certifi.where())))
    environment = {
        **{name: value for name, value in os.environ.items() if name != "CURL_CA_BUNDLE"},
        **dict.fromkeys(("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"), bundle),  # the second is what httpx reads
        "PYTHONPATH": str(ROOT),
        "PYTHONWARNINGS": "ignore",
    }
    with Sandbox(scenario, now=now, tls=certificates) as box:
        for side in box.running.values():
            _wait_until_made(side.control)
        yield World(box, folder, environment)


def _wait_until_made(control: Control) -> None:
    """Wait until a stand-in answers: a world of thousands takes longer to make than a control waits for an answer."""
    for _ in range(MOST_WAITS):
        try:
            control.call("GET", "health")
        except TimeoutError:
            control.close()
        else:
            return
    raise CannotMeasure("the stand-ins took too long to make their world")


class Syncer:
    """A process that syncs merchants of a world, one after the other, when it is told to; a context manager.

    It is one process for many syncs, as a tick of the schedule is: what is loaded and made once is paid once.
    """

    def __init__(self, world: World, settings: Path) -> None:
        command = [sys.executable, "-m", "benchmarks.syncing", str(settings), str(world.data)]
        self._process = subprocess.Popen(
            command, cwd=ROOT, env=world.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def sync(self, merchant: str | None = None, at: datetime | None = None) -> dict[str, float]:
        """Sync a merchant (None: the first) as if it were a certain time; returns what `benchmarks.syncing` tells."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        order = {"merchant": merchant, "now": at.isoformat() if at else None}
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("a sync failed; what it says stands above")
        found: dict[str, float] = json.loads(line)
        return found

    def __enter__(self) -> Syncer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.communicate()


def requests_alone(
    world: World, groups: Sequence[Sequence[Ask]], *, threads: int = 1, warm: int = 0
) -> list[dict[str, float]]:
    """Send these requests by plain `requests.Session`s, as `benchmarks.requests_alone` says.

    Args:
        groups: each has sessions of its own, one per host.
        threads: groups at once; above 1 the CPU is that of all, in the one entry that is returned.
        warm: how many of the groups are sent beforehand, unmeasured.

    Returns:
        Per group: cpu, requests (and of all: wall, peak_mb).
    """
    file = world.folder / "asks.json"
    file.write_text(json.dumps(groups), encoding="utf-8")
    arguments = [str(file), str(threads), str(warm)]
    found: list[dict[str, float]] = run([sys.executable, "-m", "benchmarks.requests_alone", *arguments], world)
    return found


def run(command: Sequence[str], world: World | None = None, **environment: str) -> Any:
    """Run a program that prints what it found as a line of JSON, its last."""
    known = world.environment if world else dict(os.environ)
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True, env={**known, **environment})
    if done.returncode:
        raise RuntimeError(f"a measured process ended with {done.returncode}: {done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def linked_people(world: World, count: int, merchant: str | None = None) -> list[int]:
    """Return the ids of the first customers who are contacts too."""
    contacts = world.box.simpletexting.control.contacts(merchant)
    linked = {contact["contactPhone"] for contact in contacts}
    found = []
    for person in world.box.vinoshipper.control.customers(merchant):
        number = str((person.get("primaryPhone") or {}).get("number") or "")
        if "".join(char for char in number if char.isdigit())[-10:] in linked:
            found.append(person["id"])
            if len(found) == count:
                break
    return found


def order_something(world: World, people: Sequence[int], merchant: str | None = None) -> None:
    """Let an order be shipped to each of these customers."""
    for person in people:
        world.box.vinoshipper.control.add_order(person, merchant)


def end(process: subprocess.Popen[Any], seconds: float) -> None:
    """End a process by SIGTERM; kill it where it has not ended after so many seconds."""
    process.terminate()
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
