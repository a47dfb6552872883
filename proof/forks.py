"""Syncs in processes that may be killed: a child per sync, forked from a process that has everything imported.

That process (`python -m proof.forks`) never opens a DuckDB file, a thread or a connection, so what it forks is whole.
It reads one order per line, and answers one line when that child is gone.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import random
import signal
import subprocess
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any

from click.testing import CliRunner

from proof.mutate import Mutator
from proof.spoil import Between, Spoiler
from vs_st_pipeline.cli.main import cli
from vs_st_pipeline.connectors.simpletexting import batch
from vs_st_pipeline.domain.report import Report
from vs_st_pipeline.operations.settings import read_merchants
from vs_st_pipeline.operations.warehouse import warehouse_at
from vs_st_pipeline.operations.worker import rounds
from vs_st_pipeline.operations.worker.roster import pairs_of
from vs_st_pipeline.pipeline.hinted import HintDesk
from vs_st_pipeline.pipeline.route import Route
from vs_st_pipeline.platform import failpoints
from vs_st_pipeline.platform.http.client import HttpClient
from vs_st_pipeline.platform.inbox.store import LEASE_SECONDS, Inbox
from vs_st_pipeline.platform.run import Run, new_run_id
from vs_st_pipeline.platform.settings.merchants import Merchant
from vs_st_pipeline.routes import ROUTES
from vs_st_pipeline.routes.contacts import handed_over, targeted
from vs_st_pipeline.routes.contacts import sync as pipeline
from vs_st_pipeline.routes.contacts.stage_names import STAGES
from vs_st_pipeline_tests.support import unpaced

Record = dict[str, Any]

HURRY = 20.0  # waits between tries and polls are so many times shorter


@dataclass(frozen=True)
class Ended:
    """A sync that is over.

    Attributes:
        killed: it was killed, so there is no report.
        report: as `vs-st sync --json` has it.
        reached: how often each place between two effects was reached, where that was counted.
        mutated: what was done to answers, where they were spoilt.
    """

    killed: bool
    report: Record
    reached: dict[str, int] = field(default_factory=dict)
    mutated: list[list[str]] = field(default_factory=list)

    @property
    def status(self) -> str:
        return str(self.report.get("status"))

    @property
    def kind(self) -> str | None:
        error = self.report.get("error")
        return None if error is None else str(error["kind"])


class Forks:
    """The process that forks; a context manager."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Forks:
        root = str(Path(__file__).resolve().parents[1])
        path = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
        self._process = subprocess.Popen(
            [sys.executable, "-m", "proof.forks"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": path},
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process is not None
        self._process.communicate()  # its input ends, and so does it

    def sync(self, settings: Path, data: Path, merchant: str, **how: Any) -> Ended:
        """One sync of one merchant.

        Args:
            how: `kill_at` a place (`vs_st_pipeline.platform.failpoints`), `kill_after` seconds, `spoil` what a
                `Spoiler` takes, `mutate` what a `Mutator` takes, `later` seconds that the clock of all rules about
                dates (`VS_ST_NOW`) is ahead, `rounds` of all stops but the last, one by one; `full`
                reads everything again; `hinted`: a targeted sync of what waits in the inbox; `route`: another one
                than `contacts`, whole; `command`: words of a command, run instead of a sync; `work`: as `vs-st work`.
        """
        assert self._process is not None
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        order = {"settings": str(settings), "data": str(data), "merchant": merchant, **how}
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        told = json.loads(self._process.stdout.readline())
        if told["status"] == -signal.SIGKILL:
            return Ended(True, {})
        if told["status"] != 0:
            raise RuntimeError(f"a sync ended with {told['status']}: {order}")
        return Ended(False, **json.loads(told["told"]))


def _serve() -> None:
    for late in ("pandas", "nanoarrow", "encodings.idna"):  # loaded at their first use, which is not here
        importlib.import_module(late)
    _hurry()
    gc.collect()
    gc.freeze()
    for line in sys.stdin:
        order = json.loads(line)
        ours, theirs = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(ours)
            _child(order, theirs)
        os.close(theirs)
        if order.get("kill_after") is not None:
            time.sleep(order["kill_after"])
            os.kill(pid, signal.SIGKILL)  # not waited for yet, so the id is still its own
        with open(ours, encoding="utf-8") as pipe:
            told = pipe.read()
        _, status = os.waitpid(pid, 0)
        print(json.dumps({"status": os.waitstatus_to_exitcode(status), "told": told}), flush=True)


def _child(order: Record, pipe: int) -> None:
    try:
        random.seed()
        told = _sync(order)
        with open(pipe, "w", encoding="utf-8") as file:
            json.dump(told, file)
        os._exit(0)
    except BaseException:
        traceback.print_exc()
        os._exit(1)


def _sync(order: Record) -> Record:
    spoiler: Between | None = Spoiler(**order["spoil"]) if order.get("spoil") else None
    spoiler = Mutator(**order["mutate"]) if order.get("mutate") else spoiler
    if spoiler:
        spoiler.install()
    listed = {merchant.id: merchant for merchant in read_merchants(Path(order["settings"]), {}).merchants}
    warehouse, unsafe = warehouse_at(Path(order["data"])), order.get("allow_unsafe", False)
    later = timedelta(seconds=order.get("later", 0))
    run = Run(
        listed[order["merchant"]], warehouse, partial(_now, later), allow_unsafe=unsafe, full=bool(order.get("full"))
    )
    if order.get("kill_at"):
        failpoints.enable(order["kill_at"])
    if "inbox" in order:
        run = replace(run, inbox=Inbox(warehouse.data_dir))
    if "command" in order:
        told = _command(order, run.now())
    elif "route" in order and "work" not in order:
        told = _sync_of(replace(run, route=order["route"], inbox=Inbox(warehouse.data_dir)))
    elif "work" in order:
        told = _work(run, order["work"])
    elif order.get("hinted"):
        told = _sync_hinted(run).as_json()
    else:
        told = _read_over_and_over(run, order["rounds"]) if "rounds" in order else pipeline.sync(run).as_json()
    return {"report": told, "reached": dict(failpoints.reached), "mutated": spoiler.done if spoiler else []}


def _command(order: Record, now: datetime) -> Record:
    """Run a command, as `vs-st` does; its exit code."""
    environment = {"VS_ST_MERCHANTS": order["settings"], "VS_ST_DATA_DIR": order["data"], "VS_ST_NOW": now.isoformat()}
    done = CliRunner().invoke(cli, order["command"], env=environment)
    return {"status": "ok" if done.exit_code == 0 else "partial", "exit_code": done.exit_code}


def _sync_of(run: Run) -> Record:
    """Sync another route than `contacts`, as `vs-st sync --route` does."""
    route = next(one for one in ROUTES if one.name == run.route)
    return route.sync(run).as_json()


def _sync_hinted(run: Run) -> Report:
    """Sync what waits in the inbox, also what a process had claimed that is dead."""
    inbox = Inbox(run.warehouse.data_dir, lambda: time.time() + 2 * LEASE_SECONDS)
    inbox.take_back_dead()
    waiting = inbox.waiting([run.merchant.id])
    desk = HintDesk(inbox, run.merchant.id, run.route, waiting, run.run_id, hand_over=handed_over.hand_over)
    report = targeted.run_hinted(replace(run, inbox=inbox), desk)
    inbox.give_back(desk.open)
    return report


def _read_over_and_over(run: Run, rounds: int) -> Record:
    """Every stop but the last by itself, so that one that fails keeps none from its turn."""
    ended: Counter[str] = Counter()
    unfit = []
    for _ in range(rounds):
        again = replace(run, run_id=new_run_id())
        for stop in [name for name in STAGES if name != "synced"]:
            report = pipeline.run_stages(again, [stop])
            outcome = report.error.kind if report.error else report.status
            ended[outcome] += 1
            if outcome in ("internal", "config"):
                unfit.append([stop, str(report.error)])
    return {"ended": ended, "unfit": unfit}


def _work(run: Run, ahead: float) -> Record:
    """Work hints off as `vs-st work --once` does, by a clock that is so many seconds ahead; the worst report."""
    inbox = Inbox(run.warehouse.data_dir, lambda: time.time() + ahead)

    def make_run(merchant: Merchant, route: Route) -> Run:
        return replace(
            run, merchant=merchant, route=route.name, inbox=inbox, trigger="hint", lock_wait=0.0, run_id=new_run_id()
        )

    reports = rounds.work_once(inbox, run.warehouse.data_dir, pairs_of([run.merchant]), make_run, jobs=4)
    worst = sorted(reports, key=lambda report: ("ok", "partial", "failed").index(report.status))
    return worst[-1].as_json() if worst else {}


def _now(later: timedelta) -> datetime:
    return datetime.now(UTC) + later


def _hurry() -> None:
    """Waits are shorter, and nothing else is other than it is."""
    sleep: Callable[[float], None] = time.sleep
    shorter = partial(_shorter, sleep)
    for function in (HttpClient.__init__, batch.collect):
        defaults = function.__kwdefaults__
        assert defaults
        assert "sleep" in defaults
        defaults["sleep"] = shorter
    unpaced.lift()


def _shorter(sleep: Callable[[float], None], seconds: float) -> None:
    sleep(seconds / HURRY)


if __name__ == "__main__":
    _serve()
    os._exit(0)  # what was frozen would be called a leak
