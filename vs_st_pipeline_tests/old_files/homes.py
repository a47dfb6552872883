"""Data folders as releases before have left them after they had sent something, one of each route, and how they came.

The other kept files were made to have rows in every table; a sync of one could send nothing twice, since that file says
of little that it was sent. These are whole: databases, what a route keeps beside them, the account's file of notices.

A folder came by acts at the stand-ins. Today's stand-ins are told the same before that folder is synced by today's
code, so they hold what it says they took. To keep one more, with OLD a work tree of that commit:

    PYTHONPATH=OLD python vs_st_pipeline_tests/old_files/homes.py ROUTE FOLDER
    python -m vs_st_pipeline_tests.old_files.homes ROUTE FOLDER COMMIT
"""

from __future__ import annotations

import gzip
import json
import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

import duckdb

from vs_st_pipeline.sandbox import Sandbox

FOLDER = Path(__file__).parent
NOT_KEPT = ("pace", "tmp", "tokens", "dagster")
MADE_AGAIN = (".lock", ".wal", ".sqlite-wal", ".sqlite-shm", ".due", ".bin", ".wanted")


@dataclass(frozen=True)
class Origin:
    """How a folder of a route came to be.

    Attributes:
        scenario: of the sandbox. scene: module of `support` whose `Scene` it is. act: what happened.
        hurrying: module of `support` that makes waits shorter.
    """

    scenario: str
    scene: str
    hurrying: str
    merchant: str
    act: Callable[[Any], None]


def orders_act(scene: Any) -> None:
    """Send what was ordered (one order may not go, one cannot); a parcel goes, and the shop is told."""
    scene.sync()
    sent = next(one for one in scene.shop.orders(scene.merchant) if one["orderNumber"] == 1207)
    scene.label(sent)
    scene.scan(sent)
    scene.later(minutes=5)
    scene.sync()


def audience_act(scene: Any) -> None:
    """Register, tell the history, and a change as an event."""
    scene.drop()
    scene.synced()
    scene.later(minutes=5)
    scene.change("customers", "2", first_name="Bo")
    scene.drop()
    scene.synced()


def notices_act(scene: Any) -> None:
    """Base; tell of two failed deliveries; one customer reads it and asks for another try."""
    old = scene.order(number="OLD")
    scene.advance(old, "out_for_delivery")
    scene.advance(old, "failed_delivery")
    scene.hook()
    scene.synced()
    scene.later(minutes=2)
    orders = [scene.order(number=name) for name in ("ANSWERED", "TOLD")]
    for order in orders:
        scene.advance(order, "out_for_delivery")
        scene.hook(order)
    scene.synced()
    scene.later(minutes=2)
    for order in orders:
        scene.failed(order)
    scene.synced()
    scene.callbacks()
    scene.later(minutes=3)
    scene.reply(orders[0]["shippingAddress"]["contactPhone"], "button", button="Reattempt delivery")
    scene.synced()
    scene.hook()
    scene.later(minutes=10)
    scene.synced()


def consumers_act(scene: Any) -> None:
    """Subscribe who consented, who was there before, who is on no list; hold who has opted out."""
    consumers_told(scene)
    scene.synced()
    scene.later(minutes=5)
    scene.synced()


def consumers_told(scene: Any) -> None:
    """Tell of the orders of some of the world's people."""
    names = {"plain", "both", "already", "offlist", "optedout0", "known"}
    for order in scene.box.sopost.control.orders(scene.merchant):
        if str(order.get("email")).split("@")[0] in names:
            scene.tell(order["id"])


ORIGINS = {
    "orders": Origin("orders", "orders", "orders", "blue-oak", orders_act),
    "audience": Origin("shop_small", "audience", "audience", "corner-shop", audience_act),
    "notices": Origin("parcels", "notices", "notices", "kapaskraft", notices_act),
    "consumers": Origin("consumers", "consumers", "consumer_worlds", "glow-skin", consumers_act),
}


def names() -> list[str]:
    """Return the kept folders, as COMMIT-ROUTE."""
    return sorted(path.name.removesuffix(".home.json.gz") for path in FOLDER.glob("*.home.json.gz"))


def read(name: str) -> dict[str, Any]:
    """Return a kept folder: began and ended (ISO; what the command took for now), files (text or SQL by path)."""
    found: dict[str, Any] = json.loads(gzip.decompress((FOLDER / f"{name}.home.json.gz").read_bytes()))
    return found


def load(name: str, data: Path) -> None:
    """Make a kept folder at a path where none is."""
    for place, text in read(name)["files"].items():
        path = data / place
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if path.suffix == ".duckdb":
            with duckdb.connect(str(path)) as db:
                db.execute(text)
        elif path.suffix == ".sqlite":
            with closing(sqlite3.connect(path)) as lite:
                lite.executescript(text)
        else:
            path.write_text(text, encoding="utf-8")
        path.chmod(0o600)


def keep(folder: Path, name: str) -> Path:
    """Write a folder that `make` has made as text; return where."""
    from vs_st_pipeline_tests.old_files import _of_duckdb, _of_sqlite  # which the program of OLD need not have

    files, data = {}, folder / "data"
    for path in sorted(data.rglob("*")):
        place = path.relative_to(data)
        if not path.is_file() or place.parts[0] in NOT_KEPT or path.name.endswith(MADE_AGAIN):
            continue
        written = {".duckdb": _of_duckdb, ".sqlite": _of_sqlite}.get(path.suffix)
        files[str(place)] = "\n".join(written(path)) if written else path.read_text(encoding="utf-8")
    times = json.loads((folder / "times.json").read_text(encoding="utf-8"))
    kept = FOLDER / f"{name}.home.json.gz"
    kept.write_bytes(gzip.compress(json.dumps({**times, "files": files}).encode(), mtime=0))
    return kept


def begin(route: str, box: Sandbox, folder: Path) -> Any:
    """Return a scene in the route's world, whose present is the one of that world."""
    origin = ORIGINS[route]
    scene = import_module(f"vs_st_pipeline_tests.support.{origin.scene}").Scene(box, folder, merchant=origin.merchant)
    if route == "notices":
        scene.begin_alone()
    else:
        scene.begin()
    scene.settings()
    scene.later(seconds=(box.now - datetime.now(UTC)).total_seconds())
    return scene


def make(route: str, folder: Path) -> None:
    """Let the program of this path make a folder: `data`, and when it began and ended by its own present."""
    origin = ORIGINS[route]
    folder.mkdir()
    hurrying = import_module(f"vs_st_pipeline_tests.support.{origin.hurrying}").hurrying
    with Sandbox(origin.scenario) as box, hurrying():
        scene = begin(route, box, folder)
        origin.act(scene)
        assert scene.wrong() == []
        scene.inbox.close()
        times = {"began": box.now.isoformat(), "ended": scene.now.isoformat()}
        (folder / "times.json").write_text(json.dumps(times), encoding="utf-8")


if __name__ == "__main__":
    if len(sys.argv) == 4:
        print(keep(Path(sys.argv[2]), f"{sys.argv[3]}-{sys.argv[1]}"))
    else:
        make(sys.argv[1], Path(sys.argv[2]))
