"""Old runs are deleted with all that is stored of them, and Dagster still shows how every partition stands."""

# No `from __future__ import annotations`: Dagster takes the config of an asset function from its annotations.

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from dagster import (
    AssetCheckEvaluation,
    AssetCheckKey,
    AssetCheckResult,
    AssetCheckSpec,
    AssetKey,
    AssetMaterialization,
    AssetRecordsFilter,
    AssetSpec,
    Config,
    DagsterInstance,
    DagsterRunStatus,
    DefaultScheduleStatus,
    Definitions,
    Failure,
    define_asset_job,
    multi_asset,
)
from dagster._core.execution.backfill import BulkActionStatus, PartitionBackfill
from dagster._core.storage.event_log.schema import (
    AssetCheckExecutionsTable,
    SqlEventLogStorageTable,
)
from dagster._core.storage.runs.schema import RunTagsTable
from dagster._core.test_utils import create_run_for_test
from sqlalchemy import select

from vs_st_pipeline.definitions import defs
from vs_st_pipeline.defs.partitions import merchants
from vs_st_pipeline.defs.storage.run_retention import Deleted, delete_runs, retention_schedule

pytestmark = pytest.mark.xdist_group("dagster")

SYNCED = AssetKey(["synced"])


class Made(Config):
    """For whom the asset is made; the others of the run fail."""

    made: list[str]


@multi_asset(
    specs=[AssetSpec(SYNCED, skippable=True)],
    check_specs=[AssetCheckSpec("is_fine", asset=SYNCED)],
    partitions_def=merchants,
)
def walk(context, config: Made):
    """Tells of each partition by itself, as the real one does."""
    for merchant in config.made:
        yield AssetMaterialization(SYNCED, partition=merchant)
    yield AssetCheckResult(passed=True, asset_key=SYNCED, check_name="is_fine")
    if set(config.made) < set(context.partition_keys):
        raise Failure("somebody failed")


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[DagsterInstance]:
    with DagsterInstance.local_temp(
        str(tmp_path), {"telemetry": {"enabled": False}}
    ) as instance:  # SQLite, as on one box
        instance.add_dynamic_partitions("merchants", ["alder", "birch", "gone"])
        yield instance


def run(instance: DagsterInstance, first: str, last: str, made: list[str]) -> str:
    job = Definitions(assets=[walk], jobs=[define_asset_job("walking", [walk])]).resolve_job_def("walking")
    return job.execute_in_process(
        instance=instance,
        tags={"dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": last},
        run_config={"ops": {"walk": {"config": {"made": made}}}},
        raise_on_error=False,
    ).run_id


def delete_all_old(instance: DagsterInstance) -> Deleted:
    return delete_runs(instance, datetime.now(UTC))


def kept(instance: DagsterInstance) -> set[str]:
    """Runs of which anything is stored, wherever."""
    with instance.run_storage.connect() as connection:
        tagged = {row[0] for row in connection.execute(select(RunTagsTable.c.run_id))}
    with instance.event_log_storage.index_connection() as connection:
        checked = {row[0] for row in connection.execute(select(AssetCheckExecutionsTable.c.run_id))}
    files = {file.stem for file in Path(instance.root_directory).rglob("*.db*") if file.name.count("-") >= 4}
    events = {event.run_id for event in all_events(instance)}
    runs = {run.run_id for run in instance.get_runs()}
    assert tagged <= runs
    assert events <= runs
    assert {name.removesuffix(".db") for name in files} <= runs
    assert len(checked - runs) <= 1  # the latest result
    return runs


def all_events(instance: DagsterInstance):
    return [
        record.event_log_entry for record in instance.fetch_materializations(AssetRecordsFilter(SYNCED), 1000).records
    ]


def shown(instance: DagsterInstance) -> tuple[set[str], set[str]]:
    """Partitions that are there, and those whose latest try came to nothing."""
    failed = instance.event_log_storage.get_latest_asset_partition_materialization_attempts_without_materializations(
        SYNCED
    )
    return instance.get_materialized_partitions(SYNCED), set(failed)


@pytest.mark.slow
def test_a_partition_is_shown_as_before(instance: DagsterInstance) -> None:
    first = run(instance, "alder", "birch", ["alder", "birch"])
    second = run(instance, "alder", "alder", ["alder"])
    failed = run(instance, "birch", "birch", [])
    superseded = run(instance, "gone", "gone", ["gone"])
    instance.delete_dynamic_partition("merchants", "gone")
    before = shown(instance)
    assert before == ({"alder", "birch", "gone"}, {"birch"})

    assert delete_all_old(instance) == Deleted(runs=1, kept=3)
    assert superseded not in kept(instance)
    assert shown(instance) == ({"alder", "birch"}, {"birch"})
    [key] = walk.check_keys
    [latest, *_] = instance.event_log_storage.get_asset_check_execution_history(key, limit=9)
    assert latest.event is not None
    assert latest.event.run_id == superseded, "the latest result of a check outlives its run"

    last = run(instance, "alder", "alder", ["alder", "birch"])  # tells of one that it had not planned, as a tick may
    assert delete_all_old(instance) == Deleted(runs=3, kept=1)
    assert kept(instance) == {last}
    assert not {first, second, failed} & kept(instance)
    assert shown(instance) == ({"alder", "birch"}, set())


@pytest.mark.slow
def test_what_is_new_or_at_work_or_wanted_by_a_backfill_stays(
    instance: DagsterInstance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backfill = PartitionBackfill("busy", BulkActionStatus.REQUESTED, False, {}, 0.0, serialized_asset_backfill_data="")
    instance.add_backfill(backfill)
    wanted = create_run_for_test(instance, status=DagsterRunStatus.SUCCESS, tags={"dagster/backfill": "busy"})
    at_work = create_run_for_test(instance, status=DagsterRunStatus.STARTED)
    old = create_run_for_test(instance, status=DagsterRunStatus.CANCELED)
    assert delete_runs(instance, datetime.now(UTC) - timedelta(hours=1)) == Deleted()
    assert delete_runs(instance, datetime.now(UTC), give_up_at=0.0) == Deleted(left_for_later=True)
    assert old.run_id in kept(instance)
    assert delete_all_old(instance) == Deleted(runs=1)
    assert {run.run_id for run in instance.get_runs()} == {wanted.run_id, at_work.run_id}

    monkeypatch.setenv("VS_ST_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("VS_ST_KEEP_RUNS", "0d")
    [refused] = (
        defs.resolve_job_def("retention")
        .execute_in_process(instance=instance, raise_on_error=False)
        .get_step_failure_events()
    )
    assert "VS_ST_KEEP_RUNS" in str(refused.step_failure_data.user_failure_data)
    monkeypatch.delenv("VS_ST_KEEP_RUNS")
    assert defs.resolve_job_def("retention").execute_in_process(instance=instance).success
    assert len(instance.get_runs()) == 4, "all of them are of today"
    assert retention_schedule.default_status == DefaultScheduleStatus.RUNNING


def test_old_events_of_no_run_go_and_the_page_shows_what_it_showed(instance: DagsterInstance) -> None:
    """A winery whose ticks hang for a month: only the sensor tells how it stands."""
    health, hand = AssetKey(["fleet", "health"]), AssetMaterialization(SYNCED, partition="alder")
    instance.report_runless_asset_event(hand)  # somebody said by hand, long ago, that it is made
    for minute in range(3):
        instance.report_runless_asset_event(AssetMaterialization(health, metadata={"minute": minute}))
        for name in ("is_fresh", "is_whole"):
            instance.report_runless_asset_event(AssetCheckEvaluation(asset_key=health, check_name=name, passed=False))
    assert delete_runs(instance, datetime.now(UTC) - timedelta(hours=1)) == Deleted(), "what is young stays"
    storage = instance.event_log_storage

    deleted = delete_all_old(instance)
    assert deleted.runless >= 2 + 4
    [told] = instance.fetch_materializations(AssetRecordsFilter(health), 9).records
    assert told.asset_materialization.metadata["minute"].value == 2
    assert instance.get_materialized_partitions(SYNCED) == {"alder"}
    for name in ("is_fresh", "is_whole"):
        assert len(storage.get_asset_check_execution_history(AssetCheckKey(health, name), limit=9)) == 1
    with storage.run_connection("") as connection:  # where SQLite keeps them once more
        assert connection.execute(select(SqlEventLogStorageTable.c.id)).all() == []
    assert delete_all_old(instance) == Deleted(), "what shows the present stays for good"
