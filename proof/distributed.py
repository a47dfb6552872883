"""Several boxes on this one: 200 merchants on two workers, one of which is switched off midway; all must come right.

What docs/scale.md tells a person to do is done with the settings of `deploy/`: Dagster's storage in PostgreSQL, its
runs on two Celery workers by way of Redis, one data folder for both. The merchants become partitions by the sensor, and
the backfill is asked for as the UI asks. Then one worker and the run in it are killed (SIGKILL) and stay away.

Right is: every partition of every asset is there; a reader with an empty data folder finds nothing to write; no value
was sent more often than once and once per kill; and no DuckDB file was wanted by two processes at once (`opens`, and
what the kernel says of open files). Then, in a second backfill, the run's process alone is killed, then the worker, who
is started again at once, and at last the backfill is canceled. All runs are then taken for old and deleted: the
partitions must look as before.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from proof import boxes as boxes_room
from proof import opens
from proof.boxes import Boxes, Record, wait_until
from proof.kills import values_sent
from proof.units import Figures, Opener, Proof, Unit
from proof.witness import Witness
from proof.world import Finding
from vs_st_pipeline.sandbox import Sandbox

MERCHANTS, KILL_AFTER = 200, 30
KILLED, STAYS = "one", "two"
ASSETS = (
    "raw/simpletexting/contacts",
    "raw/vinoshipper/customers",
    "raw/vinoshipper/orders",
    "staged/customers",
    "staged/orders",
    "planned/simpletexting/contacts",
    "synced/simpletexting/contacts",
)
UNFINISHED = {"QUEUED", "NOT_STARTED", "STARTING", "STARTED", "CANCELING"}

STATS = """query($key: AssetKeyInput!) { assetNodeOrError(assetKey: $key) { ... on AssetNode {
  partitionKeys partitionStats { numMaterialized numFailed } } } }"""
LAUNCH = """mutation($what: LaunchBackfillParams!) { launchPartitionBackfill(backfillParams: $what) {
  __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message } } }"""
BACKFILL = """query($id: String!) { partitionBackfillOrError(backfillId: $id) { ... on PartitionBackfill {
  status error { message } } } }"""
RUNS = """query($id: String!) { runsOrError(filter: {tags: [{key: "dagster/backfill", value: $id}]}) { ... on Runs {
  results { runId parentRunId status startTime endTime } } } }"""
DELETE_RUNS = """
from datetime import UTC, datetime
from dagster import DagsterInstance
from vs_st_pipeline.defs.storage.run_retention import delete_runs
with DagsterInstance.get() as instance:
    done = delete_runs(instance, datetime.now(UTC))
    print(done.runs, done.kept)
"""
CANCEL = """mutation($id: String!) { cancelPartitionBackfill(backfillId: $id) { __typename } }"""


@dataclass
class Boxed(Figures):
    """What it came to."""

    told: dict[str, object] = field(default_factory=dict)

    def lines(self) -> Iterator[str]:
        """For people."""
        for name, value in self.told.items():
            yield f"{name:42}{value}"
        yield from super().lines()


def long() -> Boxed:
    """All of it.

    Raises:
        Finding: something is not as it must be.
    """
    with tempfile.TemporaryDirectory() as name, Sandbox(f"fleet:{MERCHANTS}") as box:
        folder = Path(name)
        settings = box.write_settings(
            folder / "settings",
            vinoshipper={"requests_per_second": 100_000},
            simpletexting={"requests_per_second": 100_000},
        )
        before = {merchant.id: _contacts(box, merchant.id) for merchant in box.merchants}
        with boxes_room.started(folder, settings, [KILLED, STAYS]) as boxes:
            return _prove(box, boxes, settings, before)


def _run(_: Opener) -> Figures:
    began = time.monotonic()
    figures = long()
    figures.seconds = time.monotonic() - began
    return figures


PROOF = Proof("distributed", Boxed, lambda: [Unit("two workers", _run)], routes=("contacts",))


def _prove(box: Sandbox, boxes: Boxes, settings: Path, before: dict[str, dict[str, Record]]) -> Boxed:
    wrong: list[str] = []
    everybody = [merchant.id for merchant in box.merchants]
    wait_until("the sensor", lambda: len(_stats(boxes, ASSETS[0])["partitionKeys"]) == MERCHANTS, 180, every=1)
    witness = Witness(lambda: [worker.pid for worker in list(boxes.workers.values())])
    with witness.watching():
        began = time.monotonic()
        backfill = _launch(boxes, everybody)
        wait_until("the first worker's 30", lambda: len(_opened(boxes, KILLED) & _synced(boxes)) >= KILL_AFTER, 600)
        boxes.kill_worker(KILLED)
        died_at = time.monotonic()
        at_work = _opened(boxes, KILLED) - _synced(boxes)
        left = MERCHANTS - len(_synced(boxes))
        wait_until("to find that the worker is gone", lambda: _failed(boxes, backfill), 300, every=0.5)
        known_after = time.monotonic() - died_at
        ended = wait_until("the backfill", lambda: _ended(boxes, backfill), 1200, every=1)
        took = time.monotonic() - began
    spans = opens.read(boxes.journal)
    runs = _runs(boxes, backfill)
    if ended != "COMPLETED_SUCCESS":
        wrong.append(f"the backfill ended as {ended}")
    for asset in ASSETS:
        stats = _stats(boxes, asset)["partitionStats"]
        if stats != {"numMaterialized": MERCHANTS, "numFailed": 0}:
            wrong.append(f"{asset}: {stats}")
    meetings = opens.meetings(spans, died_at, KILLED)
    wrong += [f"{one.merchant} was wanted by {one.pid} and {two.pid} at once" for one, two in meetings]
    wrong += [f"{path} was open twice" for path in witness.twice]
    sent: Counter[tuple[str, str, str, str]] = Counter()
    for merchant in everybody:
        journal = box.simpletexting.control.journal(merchant)
        sent.update({(merchant, *value): n for value, n in values_sent(journal, before[merchant]).items()})
    wrong += [f"{value} was sent {times} times" for value, times in sent.items() if times > 1 + (value[0] in at_work)]
    second = _second(boxes, everybody)
    shown = [_stats(boxes, asset) for asset in ASSETS]
    deleted, kept = subprocess.check_output(
        [str(boxes_room.BIN / "python"), "-c", DELETE_RUNS], env=boxes.environment, cwd=boxes.folder, text=True
    ).split()
    if [_stats(boxes, asset) for asset in ASSETS] != shown:
        wrong.append("the partitions look otherwise after old runs were deleted")
    wrong += _unlike_from_scratch(settings, boxes.folder)
    if wrong:
        raise Finding("200 merchants on two workers, one killed", wrong[:20])
    opened = [{span.merchant for span in spans if span.worker == worker} for worker in (KILLED, STAYS)]
    return Boxed(
        told={
            "merchants, runs": f"{MERCHANTS}, {len(runs)} ({', '.join(sorted(run['status'] for run in runs))})",
            "seconds from the click to the end": f"{took:.0f}",
            "killed after, merchants left, at work": f"{died_at - began:.0f} s, {left}, {len(at_work)}",
            "seconds until it was known": f"{known_after:.0f}",
            "merchants opened by the killed, the other": ", ".join(str(len(found)) for found in opened),
            "values sent, of them twice": f"{sent.total()}, {sum(n > 1 for n in sent.values())}",
            "files attached, wanted by two at once": f"{len(spans)}, {len(meetings)}",
            "looks at open files, seen, open twice": f"{witness.looks}, {witness.seen}, {len(witness.twice)}",
            "the second: seconds until it was known": ", ".join(f"{what} {took:.0f}" for what, took in second.items()),
            "old runs deleted, kept for what they show": f"{deleted}, {kept}",
            "contacts a sync from scratch would write": 0,
        }
    )


def _launch(boxes: Boxes, merchants: list[str]) -> str:
    selection = [{"path": asset.split("/")} for asset in ASSETS]
    answer = boxes.ask(LAUNCH, what={"assetSelection": selection, "partitionNames": merchants})
    if "backfillId" not in answer:
        raise RuntimeError(f"the backfill was refused: {answer}")
    return str(answer["backfillId"])


def _stats(boxes: Boxes, asset: str) -> Record:
    return boxes.ask(STATS, key={"path": asset.split("/")})


def _opened(boxes: Boxes, worker: str) -> set[str]:
    """Merchants whose file the worker has opened."""
    return {span.merchant for span in opens.read(boxes.journal) if span.worker == worker}


def _synced(boxes: Boxes) -> set[str]:
    """Merchants whose first sync has come to its end."""
    return {found.parent.name for found in (boxes.folder / "data" / "merchants").glob("*/standing.json")}


def _runs(boxes: Boxes, backfill: str) -> list[Record]:
    found: list[Record] = boxes.ask(RUNS, id=backfill)["results"]
    return found


def _failed(boxes: Boxes, backfill: str) -> list[str]:
    """Runs of the backfill that have failed."""
    return [run["runId"] for run in _runs(boxes, backfill) if run["status"] == "FAILURE"]


def _all_anew(boxes: Boxes, backfill: str) -> bool:
    """Whether every failed run has been handed over again; Dagster lets one go on that it is just making."""
    again = [run for run in _runs(boxes, backfill) if run["parentRunId"] and run["status"] != "NOT_STARTED"]
    return len(again) >= len(_failed(boxes, backfill))


def _ended(boxes: Boxes, backfill: str) -> str | None:
    """How the backfill ended, once it has."""
    found = boxes.ask(BACKFILL, id=backfill)
    return None if found["status"] in ("REQUESTED", "CANCELING", "FAILING", "COMPLETING") else str(found["status"])


def _second(boxes: Boxes, merchants: list[str]) -> Record:
    """Another backfill: its run is killed, its worker started anew, and it is canceled; seconds until each was so."""
    backfill = _launch(boxes, merchants)
    pid = _at_work(boxes, 0)
    told = {"process": _found_after(boxes, backfill, partial(os.kill, pid, signal.SIGKILL))}
    pid = _at_work(boxes, pid)
    told["worker"] = _found_after(boxes, backfill, partial(_start_anew, boxes))
    _at_work(boxes, pid)
    wait_until("to start the killed runs anew", lambda: _all_anew(boxes, backfill), 300)
    began, asked_at = time.monotonic(), time.time()
    boxes.ask(CANCEL, id=backfill)
    wait_until("the cancellation", lambda: _ended(boxes, backfill) == "CANCELED", 300, every=0.5)
    told["canceled backfill"] = time.monotonic() - began
    wait_until("the end of its runs", lambda: not UNFINISHED & {run["status"] for run in _runs(boxes, backfill)}, 300)
    runs = [run for run in _runs(boxes, backfill) if run["status"] != "FAILURE"]
    canceled = [run for run in runs if run["status"] == "CANCELED" and run["startTime"]]
    # Dagster cancels no run that is just starting, which is one that waits in Redis for a worker: it goes on.
    if not canceled or {run["status"] for run in runs} - {"CANCELED", "SUCCESS"}:
        raise Finding("a canceled backfill", [f"its runs ended as {[run['status'] for run in runs]}"])
    told["canceled run"] = min(run["endTime"] for run in canceled) - asked_at
    return told


def _found_after(boxes: Boxes, backfill: str, harm: Callable[[], None]) -> float:
    """Do it; seconds until a run of the backfill is told as failed."""
    known, began = len(_failed(boxes, backfill)), time.monotonic()
    harm()
    wait_until("to find the run gone", lambda: len(_failed(boxes, backfill)) > known, 300, every=0.5)
    return time.monotonic() - began


def _start_anew(boxes: Boxes) -> None:
    boxes.kill_worker(STAYS)
    boxes.start_worker(STAYS)


def _at_work(boxes: Boxes, but: int) -> int:
    """The process of a run that has begun to open files since now, and is another than this one."""
    known = len(opens.read(boxes.journal))

    def found() -> int:
        return next((span.pid for span in opens.read(boxes.journal)[known:] if span.pid != but), 0)

    pid: int = wait_until("a run", found, 300)
    return pid


def _unlike_from_scratch(settings: Path, folder: Path) -> list[str]:
    """What a sync with an empty data folder would write still."""
    environment = {**os.environ, "VS_ST_MERCHANTS": str(settings), "VS_ST_DATA_DIR": str(folder / "another")}
    command = [sys.executable, "-m", "vs_st_pipeline.cli.main", "plan", "--all", "--json"]
    ran = subprocess.run(command, env=environment, cwd=boxes_room.ROOT, capture_output=True, text=True)
    if ran.returncode:
        return [f"the sync from scratch ended with {ran.returncode}"]
    planned = json.loads(ran.stdout)["merchants"]
    wrong = [f"{one['merchant']}: {one['contacts']} would be written" for one in planned if one["contacts"]]
    return wrong + ([] if len(planned) == MERCHANTS else [f"{len(planned)} merchants were planned"])


def _contacts(box: Sandbox, merchant: str) -> dict[str, Record]:
    return {contact["contactPhone"]: contact for contact in box.simpletexting.control.contacts(merchant)}
