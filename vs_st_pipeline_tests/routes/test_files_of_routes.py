"""Each route of a merchant has its own file, lock and small files, in every command and in Dagster (routes.md R18)."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from dagster import DagsterInstance

from vs_st_pipeline import routes
from vs_st_pipeline.defs.everything import definitions_of
from vs_st_pipeline.domain.errors import TryLater
from vs_st_pipeline.operations.warehouse import warehouse_at
from vs_st_pipeline.pipeline import erasure
from vs_st_pipeline.pipeline.checks import measure
from vs_st_pipeline.pipeline.route_files import named_for
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline_tests.support.story import MARISOL, TEST, Story
from vs_st_pipeline_tests.support.toy_route import Toy, route_of


def folder_of(story: Story) -> Path:
    return story.data / "merchants" / TEST


def run_of_toy(story: Story) -> Run:
    return dataclasses.replace(story.as_run(), warehouse=warehouse_at(story.data, wait_seconds=0.5), route="toy")


def test_a_run_of_dagster_opens_the_file_of_its_route(
    story: Story, toy: Toy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R18."""
    for name, value in story.environment().items():
        monkeypatch.setenv(name, value) if value else monkeypatch.delenv(name, raising=False)
    with DagsterInstance.local_temp(str(tmp_path)) as instance:
        instance.add_dynamic_partitions("merchants", [TEST])
        job = definitions_of(routes.ROUTES).resolve_job_def("sync_toy")
        done = job.execute_in_process(instance=instance, partition_key=TEST)
    assert {path.name for path in folder_of(story).glob("*.duckdb")} == {"toy.duckdb"}
    [found] = [one for one in done.get_asset_check_evaluations() if one.check_name == "things_are_there"]
    assert found.metadata["merchants checked in this run"].value == 1
    assert (folder_of(story) / "toy.findings.json").exists()
    assert not (folder_of(story) / "findings.json").exists()


def test_what_is_not_there_is_not_measured_in_another_routes_file(story: Story, toy: Toy) -> None:
    """R18."""
    story.synced("--route", "contacts")
    assert measure(run_of_toy(story), route_of(toy).checks) == {}
    assert not (folder_of(story) / "toy.duckdb").exists()
    story.sync("--route", "toy")
    assert measure(run_of_toy(story), route_of(toy).checks).keys() == {one.id for one in route_of(toy).checks}


def test_rebuild_starts_over_the_file_of_its_route_alone(story: Story, toy: Toy) -> None:
    """R18."""
    story.begin_synced()
    story.sync("--route", "toy")
    before = (folder_of(story) / "warehouse.duckdb").read_bytes()
    done = story.run("rebuild", "--merchant", TEST, "--route", "toy", "--json")
    assert (done.exit_code, done.of()["route"]) == (0, "toy")
    assert Path(done.json["set_aside"]).name.startswith("toy.duckdb.")
    assert (folder_of(story) / "toy.duckdb").exists()
    assert (folder_of(story) / "warehouse.duckdb").read_bytes() == before
    assert list(folder_of(story).glob("warehouse.duckdb.*")) == []


def test_to_forget_rewrites_the_file_of_the_route_and_waits_for_its_lock_alone(story: Story, toy: Toy) -> None:
    """R18."""
    story.begin_synced()
    story.sync("--route", "toy")
    run = run_of_toy(story)
    aside = folder_of(story) / "toy.duckdb.20260301T000000.bak"
    of_contacts = folder_of(story) / "warehouse.duckdb.20260301T000000.bak"
    for path in (aside, of_contacts):
        path.write_bytes(b"")
    inode = (folder_of(story) / "toy.duckdb").stat().st_ino
    before = (folder_of(story) / "warehouse.duckdb").read_bytes()
    with warehouse_at(story.data).sync_lock(TEST):  # contacts are at work
        erasure.forget(run, MARISOL, ())
    assert (folder_of(story) / "toy.duckdb").stat().st_ino != inode
    assert (folder_of(story) / "warehouse.duckdb").read_bytes() == before
    assert (aside.exists(), of_contacts.exists()) == (False, True)
    with warehouse_at(story.data).sync_lock(TEST, "toy"), pytest.raises(TryLater):
        erasure.forget(run, MARISOL, ())


def test_what_is_kept_beside_a_file_is_named_for_its_route(story: Story, toy: Toy) -> None:
    assert named_for("contacts", "standing.json") == "standing.json"
    assert erasure.work_dir(run_of_toy(story)).name == "toy.rebuild.new"
