"""A toy world for a test: the shop, an inbox, a data folder, and syncs here or in processes that may be killed."""

from __future__ import annotations

import gc
import importlib
import json
import os
import signal
import subprocess
import sys
import traceback
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from vs_st_pipeline.domain.hints import Call
from vs_st_pipeline.pipeline.once.delivery import Delivered
from vs_st_pipeline.pipeline.once.schema import ONCE
from vs_st_pipeline.platform import failpoints
from vs_st_pipeline.platform.inbox.store import Arrival, Inbox
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse.files import Warehouse
from vs_st_pipeline.platform.warehouse.migrations import SHARED, Layout
from vs_st_pipeline_tests.toys import parcels
from vs_st_pipeline_tests.toys.client import PARCEL, SYSTEM, Merchant
from vs_st_pipeline_tests.toys.shop import Shop

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
TOYS = Layout((SHARED, ONCE, parcels.TABLES))
LAYOUTS = {"contacts": TOYS, "parcels": TOYS, "letters": TOYS}
SYNCS = {"parcels": parcels.sync}
Record = dict[str, Any]


def warehouse_at(data: Path, wait_seconds: float = 20.0) -> Warehouse:
    """The warehouse of toy routes."""
    return Warehouse(data, LAYOUTS, wait_seconds=wait_seconds)


@dataclass
class Ended:
    """A sync that is over: killed, or with what it told."""

    killed: bool
    told: Record = field(default_factory=dict)
    reached: dict[str, int] = field(default_factory=dict)


class Forks:
    """A process that has everything imported and forks one child per sync; a context manager."""

    def __enter__(self) -> Forks:
        root = str(Path(__file__).resolve().parents[2])
        path = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
        self._process = subprocess.Popen(
            [sys.executable, "-m", "vs_st_pipeline_tests.toys.world"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": path},
        )  # fmt: skip
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def start(self, **order: Any) -> None:
        """Start a sync."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()

    def end(self) -> list[Ended]:
        """Wait for the syncs that one order has started."""
        assert self._process.stdout is not None
        found = []
        for told in json.loads(self._process.stdout.readline()):
            if told["status"] not in (0, -signal.SIGKILL):
                raise RuntimeError(f"a sync ended with {told['status']}")
            found.append(Ended(True) if told["status"] else Ended(False, **json.loads(told["told"])))
        return found


@dataclass
class World:
    """One test's world."""

    shop: Shop
    folder: Path
    forks: Forks | None = None
    now: datetime = NOON
    on_unknown: str = "read"
    paused: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        self.shop.reset()
        self.data = self.folder / "data"
        self.inbox = Inbox(self.data)
        self.warehouse = warehouse_at(self.data)

    def later(self, **gap: float) -> None:
        """Let time go by."""
        self.now += timedelta(**gap)

    def hint(self, key: str, parcel: str) -> None:
        """A webhook says that a parcel may have changed; the same key is the same event."""
        call = Call(PARCEL, parcel, event="MOVED", event_id=key)
        self.inbox.put([Arrival("one", SYSTEM, call, ("parcels",), self.now.isoformat())])

    def hints(self, route: str = "parcels") -> Counter[str]:
        """How many hints of a route are in which state."""
        rows = self.inbox.ask("select state from hints where route = ?", [route])
        return Counter(row[0] for row in rows)

    def run(self, route: str = "parcels", **how: Any) -> Run:
        """A run of this world's merchant."""
        merchant: Any = Merchant("one", self.shop.url, self.paused, self.on_unknown)
        now = self.now
        return Run(merchant, self.warehouse, lambda: now, route=route, inbox=self.inbox, **how)

    def sync(self, route: str = "parcels", **how: Any) -> Delivered:
        """A sync in this process."""
        return SYNCS[route](self.run(route, **how))

    def fork(self, *routes: str, kill_at: str | None = None, **how: Any) -> list[Ended]:
        """Syncs in processes of their own, side by side."""
        assert self.forks is not None
        self.forks.start(
            routes=routes or ["parcels"], folder=str(self.folder), url=self.shop.url, now=self.now.isoformat(),
            on_unknown=self.on_unknown, paused=sorted(self.paused), kill_at=kill_at, how=how,
        )  # fmt: skip
        return self.forks.end()

    def rows(self, sql: str, route: str = "parcels") -> list[tuple[Any, ...]]:
        """Rows of a route's file."""
        with self.warehouse.open("one", route) as db:
            return db.rows(sql)

    def states(self, route: str = "parcels") -> Counter[str]:
        """How many items of the outbox are in which state."""
        return Counter(row[0] for row in self.rows("select state from once.outbox", route))

    def snapshot(self, route: str = "parcels") -> Any:
        """All that a later sync decides by."""
        tables = [f"once.{name}" for name in ("outbox", "ledger", "history", "hints", "taken")]
        tables += ["synced.verdicts", "synced.allowed"]
        folder = self.data / "merchants" / "one"
        files = [folder / f"{route}.evidence.jsonl", folder / f"{route}.due"]
        kept = {table: sorted(self.rows(f"select * from {table}", route), key=repr) for table in tables}
        return kept, [path.read_bytes() if path.exists() else None for path in files]

    def evidence(self, route: str = "parcels") -> list[Record]:
        """The lines of the evidence file."""
        path = self.data / "merchants" / "one" / f"{route}.evidence.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def lose_database(self, route: str = "parcels") -> None:
        """Remove the route's file."""
        for path in (self.data / "merchants" / "one").glob(f"{route}.duckdb*"):
            path.unlink()
        self.warehouse = warehouse_at(self.data)


def _serve() -> None:
    for late in ("nanoarrow", "encodings.idna"):  # loaded at their first use, which is not here
        importlib.import_module(late)
    gc.collect()
    gc.freeze()
    for line in sys.stdin:
        order = json.loads(line)
        children = []
        for route in order["routes"]:
            ours, theirs = os.pipe()
            pid = os.fork()
            if pid == 0:
                os.close(ours)
                _child(order, route, theirs)
            os.close(theirs)
            children.append((pid, ours))
        told = []
        for pid, ours in children:
            with open(ours, encoding="utf-8") as pipe:
                text = pipe.read()
            told.append({"status": os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), "told": text})
        print(json.dumps(told), flush=True)


def _child(order: Record, route: str, pipe: int) -> None:
    try:
        folder, now = Path(order["folder"]), datetime.fromisoformat(order["now"])
        merchant: Any = Merchant("one", order["url"], frozenset(order["paused"]), order["on_unknown"])
        data = folder / "data"
        run = Run(merchant, warehouse_at(data), lambda: now, route=route, inbox=Inbox(data), **order["how"])
        if order["kill_at"]:
            failpoints.enable(order["kill_at"])
        told = SYNCS[route](run)
        known = {name: getattr(told, name) for name in ("accepted", "rejected", "unknown")}
        known["error"] = str(told.error) if told.error else None
        with open(pipe, "w", encoding="utf-8") as file:
            json.dump({"told": known, "reached": dict(failpoints.reached)}, file)
        os._exit(0)
    except BaseException:
        traceback.print_exc()
        os._exit(1)


if __name__ == "__main__":
    _serve()
    os._exit(0)  # what was frozen would be called a leak
