"""Job `sync_audience` by Dagster: what it makes, says and checks (audience.md 9)."""

from __future__ import annotations

from pathlib import Path

import pytest
from dagster import DagsterInstance

from vs_st_pipeline.definitions import defs
from vs_st_pipeline_tests.support.audience import Scene


@pytest.mark.slow
def test_a_run_of_dagster_syncs_makes_assets_and_checks_and_tells_nobody(
    audience_scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """9, 3.1: the run does what the command does; neither uuid nor people stand in any event."""
    scene = audience_scene
    scene.drop()
    for name, value in scene.environment().items():
        monkeypatch.setenv(name, value) if value else monkeypatch.delenv(name, raising=False)
    (home := tmp_path / "dagster").mkdir()
    with DagsterInstance.local_temp(str(home)) as instance:
        instance.add_dynamic_partitions("merchants", [scene.merchant])
        done = defs.resolve_job_def("sync_audience").execute_in_process(
            instance=instance, partition_key=scene.merchant, raise_on_error=False
        )
        assert done.success
        made = {
            "/".join(one.asset_key.path) for one in done.all_events if one.is_step_materialization and one.asset_key
        }
        checks = {
            one.check_name: one.passed
            for one in done.get_asset_check_evaluations()
            if one.asset_key.path[0] == "audience"
        }
        text = "\n".join(str(one) for one in done.all_events) + "\n".join(
            str(one) for one in instance.all_logs(done.run_id)
        )
    for block in ("registration", "history", "events"):
        assert f"audience/synced/waymore/{block}" in made
    assert len(checks) == 9
    assert all(checks.values()), checks
    scene.said.append(text)
    assert scene.wrong() == []
    before = scene.last_call()
    assert scene.synced()["synced"]["accepted"] == 0
    assert scene.last_call() == before


def test_a_shop_that_cannot_be_registered_is_shown_as_that(
    audience_scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """9: `registered` fails where registering does, although nothing else of the route is ever made then."""
    scene = audience_scene
    scene.drop()
    scene.waymore.set_fault("401", scene.merchant)
    for name, value in scene.environment().items():
        monkeypatch.setenv(name, value) if value else monkeypatch.delenv(name, raising=False)
    with DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("merchants", [scene.merchant])
        done = defs.resolve_job_def("sync_audience").execute_in_process(
            instance=instance, partition_key=scene.merchant, raise_on_error=False
        )
    assert not done.success
    failed = {one.check_name for one in done.get_asset_check_evaluations() if not one.passed}
    assert {"registered", "history_complete"} <= failed
