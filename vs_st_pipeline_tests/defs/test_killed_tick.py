"""A tick of the schedule is killed in its middle, on a real web server and daemon; the next one makes all of it good.

Eight wineries are caught in the same moment: two are done, six wait for an answer that does not come, each at
another place of the way. What is killed is the process of the run; or the web server and the daemon, while the run
lives on; or all of it, as by a power cut, in the middle or before the run has its lock. Then it must come to what two
syncs that nobody disturbs make of the same world, and nothing may have been sent twice but what never arrived.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from proof.kills import values_sent
from vs_st_pipeline.defs.storage.dead_runs import DIED
from vs_st_pipeline.sandbox import Sandbox
from vs_st_pipeline_tests.support.dagster_ui import ROOT, STAND_STILL, SYNCED, Ui, running, wait_for
from vs_st_pipeline_tests.support.story import Record

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("ui"), pytest.mark.timeout(900)]

EVERY_MINUTE = "vs_st_pipeline_tests.support.every_minute"
SWITCH_ON = "mutation($s: ScheduleSelector!) { startSchedule(scheduleSelector: $s) { __typename } }"
SCHEDULE = {
    "repositoryLocationName": EVERY_MINUTE,
    "repositoryName": "__repository__",
    "scheduleName": "sync_schedule",
}
RUNS = """{ runsOrError(filter: {pipelineName: "tick"}) {
  ... on Runs { results { runId status startTime endTime } } } }"""
SAID = """query($id: ID!) { runOrError(runId: $id) { ... on Run { eventConnection { events {
  ... on MessageEvent { message } } } } } }"""

DONE, ALSO_DONE, TAKEN, LOST, BATCH, BATCH_TAKEN, BATCH_LOST, READING = (f"winery-{i:04d}" for i in range(1, 9))
DOES_NOT_COME = {"kind": "slow", "seconds": 3600, "count": 1}
WRITE, SEND, ASK = (
    {"method": "PUT"},
    {"method": "POST", "path_regex": "batch-update"},
    {"method": "GET", "path_regex": "batch-update/"},
)
# At SimpleTexting: the third write was taken, the second never arrived; a batch was taken and is asked after; it was
# taken and the name of its task never came; it never arrived.
HELD: dict[str, Record] = {
    TAKEN: {**WRITE, "skip": 2, "when": "after"},
    LOST: {**WRITE, "skip": 1},
    BATCH: ASK,
    BATCH_TAKEN: {**SEND, "when": "after"},
    BATCH_LOST: SEND,
}


class Ticking(Ui):
    """A fleet whose schedule is on."""

    def runs(self) -> list[Record]:
        """Ticks, the oldest first."""
        return list(reversed(self.ask(RUNS)["results"]))

    def said(self, run_id: str) -> str:
        """All that the run's page shows."""
        return "\n".join(str(event.get("message")) for event in self.ask(SAID, id=run_id)["eventConnection"]["events"])

    def tick(self) -> str:
        """The id of the first run of the schedule, once it is at work."""
        return str(wait_for(lambda: next((run["runId"] for run in self.runs() if run["status"] == "STARTED"), None)))

    def kill_run(self) -> None:
        """The process of the run alone, as where memory ran out."""
        [run] = self.runs()
        found = re.search(r"Started process for run \(pid: (\d+)\)", self.said(run["runId"]))
        assert found
        os.kill(int(found[1]), signal.SIGKILL)

    def kill_but_the_run(self) -> None:
        """`dagster dev`, its web server and its daemon; the code server and the run know nothing of it."""
        parents = {**_command_lines(self.process.pid), self.process.pid: ""}
        for pid, command in parents.items():
            if not command or "dagster_webserver" in command or "dagster._daemon" in command:
                os.kill(pid, signal.SIGKILL)
        self.process.wait()


def _command_lines(session: int) -> dict[int, str]:
    """Every process of a session, as it was started."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if os.getsid(int(folder.name)) == session and int(folder.name) != session:
                found[int(folder.name)] = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
    return found


@pytest.fixture
def box() -> Iterator[Sandbox]:
    with Sandbox("fleet:8") as box:
        yield box


@pytest.fixture
def undisturbed(box: Sandbox, tmp_path: Path) -> dict[str, Any]:
    """What SimpleTexting holds of every winery once all are synced by a command."""
    sync(settings(box, tmp_path / "undisturbed"))
    sync(settings(box, tmp_path / "undisturbed"))
    held = held_there(box)
    box.reset()
    assert held != held_there(box)
    return held


@pytest.fixture
def ui(box: Sandbox, undisturbed: dict[str, Any], tmp_path: Path) -> Iterator[Ticking]:
    (tmp_path / "home").mkdir()
    settings(box, tmp_path)
    faster = {"VS_ST_SYNC_FASTEST": "1m"}
    ui = Ticking(box, tmp_path, tmp_path / "home", ("--module-name", EVERY_MINUTE), faster)
    with running(ui):
        yield ui


def settings(box: Sandbox, folder: Path) -> Path:
    """Three wineries write by batch, the others one by one."""
    folder.mkdir(exist_ok=True)
    by_batch: Record = {"simpletexting": {"write_one_by_one_up_to": 2}}
    return box.write_settings(folder, dict.fromkeys((BATCH, BATCH_TAKEN, BATCH_LOST), by_batch))


def sync(merchants: Path, *, command: str = "sync") -> Any:
    """Run the command on all, with a data folder of its own; what it printed."""
    environment = {
        **os.environ,
        "VS_ST_MERCHANTS": str(merchants),
        "VS_ST_DATA_DIR": str(merchants.parent / command),
        "PYTHONPATH": str(ROOT),
    }
    ran = subprocess.run(
        [sys.executable, "-m", "vs_st_pipeline.cli.main", command, "--all", "--json"],
        env=environment, capture_output=True, check=True,
    )  # fmt: skip
    return json.loads(ran.stdout)


def held_there(box: Sandbox) -> dict[str, dict[str, Record]]:
    """Of every winery's contacts what a sync could change, by phone."""
    changed = ("firstName", "lastName", "email", "birthday", "customFields")
    return {
        merchant.id: {
            contact["contactPhone"]: {name: contact.get(name) for name in changed}
            for contact in box.simpletexting.control.contacts(merchant.id)
        }
        for merchant in box.merchants
    }


def hold_answers(box: Sandbox) -> None:
    """From some point on of each of six wineries no answer comes."""
    box.simpletexting.control.set_switch("tasks_delay_polls", 0, BATCH_TAKEN)  # it is carried out, whoever asks
    for merchant, where in HELD.items():
        box.simpletexting.control.set_switch("fault", {**DOES_NOT_COME, **where}, merchant)
    box.vinoshipper.control.set_switch("fault", {**DOES_NOT_COME, "skip": 3}, READING)


def are_held(ui: Ticking) -> bool:
    """Whether all six wait, and the two others are done."""
    texting, shop = ui.box.simpletexting.control, ui.box.vinoshipper.control
    journals = [*(texting.journal(merchant) for merchant in HELD), shop.journal(READING)]
    waiting = [any(entry["fault"] and not entry["answered"] for entry in journal) for journal in journals]
    done = [(ui.data / "merchants" / merchant / "standing.json").exists() for merchant in (DONE, ALSO_DONE)]
    return all(waiting) and all(done)


def sent(box: Sandbox, before: dict[str, dict[str, Record]]) -> dict[str, Counter[int]]:
    """Of every winery, how many values were sent how often."""
    journal = box.simpletexting.control.journal
    return {merchant: Counter(values_sent(journal(merchant), before[merchant]).values()) for merchant in before}


def switch_on(ui: Ticking) -> None:
    assert ui.ask(SWITCH_ON, s=SCHEDULE)["__typename"] == "ScheduleStateResult"


def converges(ui: Ticking, tick: str, undisturbed: dict[str, Any], *, killed_at: float, ended: str = "FAILURE") -> None:
    """The disturbed tick ends, then the next one begins, and then all is as it should be."""

    def next_good_one() -> Record | None:
        return next((run for run in ui.runs() if run["runId"] != tick and run["status"] == "SUCCESS"), None)

    good = wait_for(next_good_one)
    first, second, *_ = ui.runs()
    assert (first["runId"], first["status"]) == (tick, ended)
    assert second["runId"] == good["runId"], "one tick is enough"
    assert second["startTime"] >= first["endTime"], "no run is overtaken"
    assert held_there(ui.box) == undisturbed
    planned = sync(ui.folder / "merchants.yaml", command="plan")["merchants"]
    assert [one["contacts"] for one in planned] == [[]] * 8, "who knows nothing of before finds nothing to write"
    assert [ui.box.simpletexting.control.created(merchant.id) for merchant in ui.box.merchants] == [[]] * 8
    assert ui.partitions(SYNCED) == (set(undisturbed), set())
    assert [path.name for path in ui.data.glob("*.telling")] == []
    print(
        f"the tick ended {first['endTime'] - killed_at:.0f} s after the kill, all was well after "
        f"{second['endTime'] - killed_at:.0f} s"
    )


@pytest.mark.parametrize(
    ("kill", "ended", "why"),
    [
        # The code server lives, and sees its own child die; else nobody does but the sensor.
        pytest.param(Ticking.kill_run, "FAILURE", "was terminated by signal 9", id="the run"),
        pytest.param(Ticking.kill, "FAILURE", DIED, id="everything"),
        # The run lives. Whoever waits for an answer gives up after half a minute and tries again.
        pytest.param(Ticking.kill_but_the_run, "SUCCESS", "Finished execution", id="the web server and the daemon"),
    ],
)
def test_a_tick_is_killed_in_the_middle_of_reading_and_writing(
    ui: Ticking, undisturbed: dict[str, Any], kill: Callable[[Ticking], None], ended: str, why: str
) -> None:
    before = held_there(ui.box)
    hold_answers(ui.box)
    switch_on(ui)
    tick = ui.tick()
    wait_for(lambda: are_held(ui))
    killed_at = time.time()
    kill(ui)
    if kill is not Ticking.kill_run:
        ui.start()
    converges(ui, tick, undisturbed, killed_at=killed_at, ended=ended)
    assert why in ui.said(tick)

    times = sent(ui.box, before)
    assert {merchant: set(counted) for merchant, counted in times.items()} == {
        **dict.fromkeys((DONE, ALSO_DONE, TAKEN, BATCH, BATCH_TAKEN, READING), {1}),
        LOST: {1, 2},
        BATCH_LOST: {2},
        **({TAKEN: {1, 2}, BATCH_TAKEN: {2}} if ended == "SUCCESS" else {}),  # the same run, which cannot know
    }
    writes = [entry["path"] for entry in ui.box.simpletexting.control.journal(LOST) if entry["method"] == "PUT"]
    assert sorted(Counter(writes).values()) == [1, 1, 1, 1, 1, 2], "of one contact alone, whose write never arrived"
    asked = [entry["path"] for entry in ui.box.simpletexting.control.journal(BATCH) if "batch-update/" in entry["path"]]
    assert len(asked) >= 2
    assert len(set(asked)) == 1, "the same task is asked after again"


def test_a_tick_is_killed_before_it_has_its_lock(ui: Ticking, undisturbed: dict[str, Any]) -> None:
    before = held_there(ui.box)
    ui.data.mkdir(mode=0o700, exist_ok=True)
    (ui.data / STAND_STILL).touch()
    switch_on(ui)
    tick = ui.tick()
    killed_at = time.time()
    ui.kill()
    (ui.data / STAND_STILL).unlink()
    ui.start()
    converges(ui, tick, undisturbed, killed_at=killed_at)
    assert DIED in ui.said(tick)
    assert {tuple(counted) for counted in sent(ui.box, before).values()} == {(1,)}
