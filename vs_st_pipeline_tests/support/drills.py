"""What the drills of docs/operations.md share: a merchant of each route, news that must be told once, boxes, keys.

A box is a folder with settings and data: what an operator has on one machine.
"""

from __future__ import annotations

import itertools
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from vs_st_pipeline.cli import sync as cli_sync
from vs_st_pipeline.platform.http.client import HttpClient
from vs_st_pipeline.sandbox import Sandbox
from vs_st_pipeline_tests.old_files import homes
from vs_st_pipeline_tests.support.consumers import CRMS, SUBSCRIBED, is_write
from vs_st_pipeline_tests.support.receiving import until
from vs_st_pipeline_tests.support.story import TEST, Story

Record = dict[str, Any]

PAUSING = """
import importlib.util, sys, time
from pathlib import Path

script, step, folder, *given = sys.argv[1:]
spec = importlib.util.spec_from_file_location("backup", script)
backup = importlib.util.module_from_spec(spec)
spec.loader.exec_module(backup)
do, paused, goes_on = getattr(backup, step), Path(folder) / "paused", Path(folder) / "goes_on"

def later(*values):
    paused.touch()
    while not goes_on.exists():
        time.sleep(0.01)
    return do(*values)

setattr(backup, step, later)
sys.argv[1:] = given
sys.exit(backup.main())
"""
"""Runs `deploy/backup.py`, and waits before one of its steps until it is told to go on."""
BACKUP = Path(__file__).resolve().parents[2] / "deploy" / "backup.py"
RESTORE = BACKUP.with_name("restore.py")
_WRITES = {"orders": "/orders", "audience": "/api/event", "notices": "/template/msg"}
_NUMBERS = itertools.count(1)


@dataclass
class Box:
    """A merchant of one route on one machine.

    Attributes:
        scene: the route's own scene: the world, and this machine's folder.
    """

    route: str
    scene: Any

    @property
    def merchant(self) -> str:
        """The merchant's id."""
        return TEST if self.route == "contacts" else str(self.scene.merchant)

    @property
    def data(self) -> Path:
        """The data folder."""
        found: Path = self.scene.data
        return found

    @property
    def settings(self) -> Path:
        """The merchants file."""
        found: Path = self.scene.folder / "merchants.yaml"
        return found

    # What an operator does.

    def run(self, *arguments: str) -> Any:
        """Run `vs-st ARGUMENTS` here; what it said, and its exit code."""
        return self.scene.run(*arguments)

    def of(self, *arguments: str) -> Record:
        """Run a command with `--merchant ID --json`; the merchant's part of what it printed."""
        found: Record = self.run(*arguments, "--merchant", self.merchant, "--json").of(self.merchant)
        return found

    def sync(self) -> Record:
        """`vs-st sync --merchant ID`; the report."""
        return self.of("sync")

    def synced(self) -> Record:
        """The same, and it must go well: no error, and at the most what was refused before."""
        report = self.sync()
        assert report["status"] in (("ok", "partial") if self.route == "orders" else ("ok",)), report
        assert report["error"] is None, report
        return report

    def state(self) -> Record:
        """`vs-st merchants`: how the merchant stands."""
        rows = self.run("merchants", "--json").json["merchants"]
        found: Record = next(one for one in rows if one["merchant"] == self.merchant)
        return found

    def edit(self, change: Callable[[Record], Any]) -> None:
        """Change the merchant's entry."""
        whole = yaml.safe_load(self.settings.read_text(encoding="utf-8"))
        change(next(one for one in whole["merchants"] if one["id"] == self.merchant))
        self.settings.write_text(yaml.safe_dump(whole, sort_keys=False), encoding="utf-8")

    def back_up(self, target: Path) -> None:
        """`python deploy/backup.py DATA_DIR TARGET`."""
        let_go()
        done = subprocess.run(
            [sys.executable, str(BACKUP), str(self.data), str(target)], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done

    def put_back(self, copy: Path, *, newer: bool = False) -> None:
        """`python deploy/restore.py BACKUP DATA_DIR`.

        Args:
            newer: the broken folder can be read; else nothing of it is left.
        """
        let_go()
        if self.route != "contacts":
            self.scene.inbox.close()
        broken = self.data.with_name(f"{self.data.name}.broken")
        shutil.rmtree(broken, ignore_errors=True)
        if not newer:
            shutil.rmtree(self.data)
        done = subprocess.run(
            [sys.executable, str(RESTORE), str(copy), str(self.data)], capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stderr) == (0, ""), done
        assert broken.exists() == newer

    def another(self, folder: Path) -> Box:
        """Return a second machine in the same world, at the same time, with settings and keys and no data yet."""
        scene = type(self.scene)(
            self.scene.box, folder, **({} if self.route == "contacts" else {"merchant": self.merchant})
        )
        if self.route == "consumers":
            scene.now = self.scene.now
        elif self.route != "contacts":
            scene.shift = self.scene.shift
        if self.route in ("audience", "notices"):  # it numbers its orders; it lets the shop's folder stay where it is
            scene._numbers = 500
        shutil.copytree(self.settings.parent / "keys", folder / "keys", dirs_exist_ok=True)
        shutil.copy2(self.settings, folder)
        return Box(self.route, scene)

    # What happens at the source, and what was said of it.

    def news(self, who: str = "2") -> Any:
        """Let something happen that must be told once; what it is.

        Args:
            who: of `audience`: about which customer.
        """
        scene, number = self.scene, next(_NUMBERS)
        match self.route:
            case "contacts":
                customer = next(one for one in scene.shop.customers(TEST) if one["firstName"] == "Marisol")
                scene.shop.patch_customer(customer["id"], shippingAddress={"city": f"Town{number}"})
                return f"Town{number}"
            case "orders":
                return scene.place()
            case "audience":
                scene.later(seconds=5)
                scene.change("customers", who, first_name=f"Bo{number}")
                scene.drop()
                return f"Bo{number}"
            case "notices":
                scene.later(seconds=5)
                order = scene.order(number=f"D{number}", phone=f"+9197400{50000 + number}")
                scene.failed(order)
                return order
        scene.order(f"drilled{number}@example.com")
        return f"drilled{number}@example.com"

    def told(self, news: Any) -> list[int]:
        """How often each destination was told, by the stand-ins' own books."""
        scene = self.scene
        match self.route:
            case "contacts":
                said = [one["body"] or {} for one in scene.texting.journal(TEST) if one["method"] != "GET"]
                return [sum(repr(one).count(f"'{news}'") for one in said)]
            case "orders":
                return [len(scene.accepted(news))]
            case "audience":
                return [sum(data.get("first_name", data.get("firstname")) == news or f"'{news}'" in repr(data)
                            for _, data in scene.events())]  # fmt: skip
            case "notices":
                return [len(scene.sends(to=news["shippingAddress"]["contactPhone"]))]
        return [
            sum(one["what"] == SUBSCRIBED[crm][0] and one["email"] == news for one in scene.books(crm)) for crm in CRMS
        ]


@dataclass
class Backup:
    """`deploy/backup.py` at work, which waits before a step of its own.

    Attributes:
        step: a function of it: `copy_merchant` (the inbox is copied, no database is yet), `copy_files` (the databases
            are; not what lies beside them, nor the accounts).
    """

    box: Box
    target: Path
    step: str
    process: subprocess.Popen[str] | None = None

    def begin(self) -> None:
        """Begin it, and wait until it waits."""
        let_go()
        folder = self.target.with_name(f"{self.target.name}.steps")
        folder.mkdir()
        self._goes_on = folder / "goes_on"
        arguments = [str(BACKUP), self.step, str(folder), str(self.box.data), str(self.target)]
        self.process = subprocess.Popen(
            [sys.executable, "-c", PAUSING, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        until((folder / "paused").exists, 30)

    def go_on(self) -> None:
        """Let it go on; it may wait for a sync to end."""
        self._goes_on.touch()

    def end(self) -> None:
        """Let it go on, and wait until it has ended well."""
        self.go_on()
        assert self.process is not None
        out, err = self.process.communicate(timeout=60)
        assert (self.process.returncode, err) == (0, ""), out


def at_write(
    box: Box, patch: pytest.MonkeyPatch, number: int, then: Callable[[], object], *, answered: bool = False
) -> list[str]:
    """Do something at a write of the route's next sync, once.

    Args:
        number: which write, from 1. answered: when its answer has come; else before it leaves.

    Returns:
        The paths of all writes, which the next sync fills.
    """
    exchange, writes, guard = HttpClient._exchange, list[str](), threading.Lock()

    def watched(self: HttpClient, prepared: Any, seconds: float) -> Any:
        path = urlsplit(str(prepared.url)).path
        with guard:
            is_one = _is_write(box.route, str(prepared.method), path)
            writes.extend([path] * is_one)
            mine = is_one and len(writes) == number
        if mine and not answered:
            then()
        heard = exchange(self, prepared, seconds)
        if mine and answered:
            then()
        return heard

    patch.setattr(HttpClient, "_exchange", watched)
    return writes


def _is_write(route: str, method: str, path: str) -> bool:
    if route == "consumers":
        return is_write({"method": method, "path": path})
    return method == "POST" and path.endswith(_WRITES[route])


@contextmanager
def boxed(route: str, folder: Path) -> Iterator[Box]:
    """A box in a world of the route, after a first good sync."""
    scenario = "small" if route == "contacts" else homes.ORIGINS[route].scenario
    module = "orders" if route == "contacts" else homes.ORIGINS[route].hurrying
    hurrying = import_module(f"vs_st_pipeline_tests.support.{module}").hurrying
    folder.mkdir(parents=True, exist_ok=True)
    with Sandbox(scenario) as world, hurrying():
        scene = Story(world, folder) if route == "contacts" else homes.begin(route, world, folder)
        box = Box(route, scene)
        if route == "audience":
            scene.drop()
        box.sync() if route == "orders" else box.synced()
        try:
            yield box
        finally:
            let_go()
            if route != "contacts":
                scene.inbox.close()


def let_go() -> None:
    """Let go of all files, as a process that ends."""
    cli_sync._warehouse = None


def once(box: Box, news: Any) -> bool:
    """Say whether all were told once."""
    return set(box.told(news)) == {1}
