"""Runs whose process is gone are found wherever it died, and a run that lives is never taken for one of them."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from dagster import AssetKey, DagsterEvent, DagsterEventType, DagsterInstance, DagsterRun, DagsterRunStatus
from dagster._core.storage.tags import REPOSITORY_LABEL_TAG
from dagster._core.test_utils import create_run_for_test

from vs_st_pipeline.definitions import defs
from vs_st_pipeline.defs.storage.dead_runs import LEFT_OVER_AFTER, LOCKED_AFTER, end_dead_runs, hold_lock
from vs_st_pipeline.sandbox import Sandbox
from vs_st_pipeline_tests.support.story import OTHER

pytestmark = pytest.mark.xdist_group("dagster")

OURS = "__repository__@vs_st_pipeline.definitions"


@pytest.fixture
def instance() -> Iterator[DagsterInstance]:
    with DagsterInstance.ephemeral() as instance:
        yield instance


def locks(data: Path) -> list[str]:
    """Runs that have a lock, held or not."""
    return sorted(path.stem for path in (data / "runs").iterdir())


def started(instance: DagsterInstance, ours: str = OURS) -> DagsterRun:
    """A run that has just said that it starts."""
    run = create_run_for_test(instance, job_name="sync", tags={REPOSITORY_LABEL_TAG: ours})
    instance.report_dagster_event(DagsterEvent(DagsterEventType.PIPELINE_START.value, "sync"), run.run_id)
    return run


@pytest.mark.parametrize(
    ("status", "ended"),
    [
        (DagsterRunStatus.STARTED, DagsterRunStatus.FAILURE),
        (DagsterRunStatus.CANCELING, DagsterRunStatus.CANCELED),
    ],
)
def test_a_run_whose_process_was_killed_is_ended(
    instance: DagsterInstance, tmp_path: Path, status: DagsterRunStatus, ended: DagsterRunStatus
) -> None:
    dagster_run = create_run_for_test(instance, job_name="sync", status=status)
    at_work = f"""
import pathlib, time
from vs_st_pipeline.defs.storage.dead_runs import hold_lock
hold_lock(pathlib.Path({str(tmp_path)!r}), {dagster_run.run_id!r})
print("at work", flush=True)
time.sleep(600)
"""
    with subprocess.Popen([sys.executable, "-c", at_work], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "at work\n"
        assert end_dead_runs(instance, tmp_path) == [], "it lives"
        process.kill()
    assert end_dead_runs(instance, tmp_path) == [dagster_run.run_id]
    assert instance.get_run_by_id(dagster_run.run_id).status == ended
    assert end_dead_runs(instance, tmp_path) == []
    assert locks(tmp_path) == []


def test_a_run_holds_its_lock_beyond_its_walk(
    instance: DagsterInstance, small_world: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be killed between the last merchant and the word that it has ended."""
    small_world.reset()
    monkeypatch.setenv("VS_ST_MERCHANTS", str(small_world.write_settings(tmp_path)))
    monkeypatch.setenv("VS_ST_DATA_DIR", str(tmp_path / "data"))
    instance.add_dynamic_partitions("merchants", [OTHER])
    walked = defs.resolve_job_def("sync").execute_in_process(
        instance=instance, partition_key=OTHER, asset_selection=[AssetKey(["raw", "simpletexting", "contacts"])]
    )
    assert end_dead_runs(instance, tmp_path / "data") == []
    assert locks(tmp_path / "data") == [walked.run_id], "this process, which is the run's, lives"
    hold_lock(tmp_path / "data", "next")  # a process that begins another run has ended the one before
    assert end_dead_runs(instance, tmp_path / "data") == []
    assert locks(tmp_path / "data") == ["next"]


def test_a_run_that_started_long_ago_and_never_came_to_its_lock_has_died(
    instance: DagsterInstance, tmp_path: Path
) -> None:
    died, lives, strangers = started(instance), started(instance), started(instance, "another@location")
    hold_lock(tmp_path, lives.run_id)
    assert end_dead_runs(instance, tmp_path, ours=OURS) == [], "it may be about to"
    long_after = time.time() + LOCKED_AFTER + 1
    assert end_dead_runs(instance, tmp_path, now=long_after) == [], "nobody knows which runs are ours"
    assert end_dead_runs(instance, tmp_path, ours=OURS, now=long_after) == [died.run_id]
    status = {run.run_id: run.status for run in instance.get_runs()}
    assert status == {
        died.run_id: DagsterRunStatus.FAILURE,
        lives.run_id: DagsterRunStatus.STARTED,
        strangers.run_id: DagsterRunStatus.STARTED,
    }


def test_what_runs_of_nobody_left_is_kept_for_a_day(instance: DagsterInstance, tmp_path: Path) -> None:
    hold_lock(tmp_path, "of-another-dagster")
    (tmp_path / "runs" / "died-before-its-lock-was-seen.new").touch()
    hold_lock(tmp_path, "lives")
    assert end_dead_runs(instance, tmp_path) == []
    assert len(locks(tmp_path)) == 3
    assert end_dead_runs(instance, tmp_path, now=time.time() + LEFT_OVER_AFTER + 1) == []
    assert locks(tmp_path) == ["lives"]


DIES = """
import os, signal
from dagster import DagsterInstance
from vs_st_pipeline.definitions import defs

really = DagsterInstance.handle_new_event

def dies(self, event, **how):
    if event.dagster_event and event.dagster_event.event_type_value == {at!r}:
        os.kill(os.getpid(), signal.SIGKILL)
    really(self, event, **how)

DagsterInstance.handle_new_event = dies
with DagsterInstance.get() as instance:
    instance.add_dynamic_partitions("merchants", [{merchant!r}])
    defs.resolve_job_def("sync").execute_in_process(
        instance=instance, partition_key={merchant!r}, tags={{{label!r}: {ours!r}}}
    )
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("at", "found_after"), [("STEP_START", LOCKED_AFTER + 1), ("STEP_SUCCESS", 0), ("PIPELINE_SUCCESS", 0)]
)
def test_a_run_that_is_killed_in_the_split_second_beside_its_work_is_ended(
    small_world: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: str, found_after: float
) -> None:
    """Before it has its lock, and when it has done all and only the words are missing."""
    small_world.reset()
    monkeypatch.setenv("VS_ST_MERCHANTS", str(small_world.write_settings(tmp_path)))
    monkeypatch.setenv("VS_ST_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    script = DIES.format(at=at, merchant=OTHER, label=REPOSITORY_LABEL_TAG, ours=OURS)
    killed = subprocess.run([sys.executable, "-W", "ignore", "-c", script], stderr=subprocess.DEVNULL)
    assert killed.returncode == -9
    with DagsterInstance.get() as instance:
        [run] = instance.get_runs()
        assert run.status == DagsterRunStatus.STARTED
        assert end_dead_runs(instance, tmp_path / "data", ours=OURS, now=time.time() + found_after) == [run.run_id]
        assert instance.get_run_by_id(run.run_id).status == DagsterRunStatus.FAILURE
