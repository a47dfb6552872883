"""Job `sync_consumers` by Dagster: what a run makes where nobody is to be written, or where one CRM fails."""

from __future__ import annotations

import pytest
from dagster import DagsterInstance, ExecuteInProcessResult

from vs_st_pipeline.definitions import defs
from vs_st_pipeline.routes.consumers.route import ROUTE
from vs_st_pipeline_tests.support.consumers import Scene


def synced(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> ExecuteInProcessResult:
    for name, value in scene.environment().items():
        monkeypatch.setenv(name, value) if value else monkeypatch.delenv(name, raising=False)
    with DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("merchants", [scene.merchant])
        job = defs.resolve_job_def("sync_consumers")
        return job.execute_in_process(instance=instance, partition_key=scene.merchant)


def test_a_run_with_nobody_to_write_makes_all_assets_and_looks_at_what_must_never_be(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """consumers.md 8, R15: else what failed once stays red until somebody is due, and a check is of nobody."""
    done = synced(scene, monkeypatch)
    made = {"/".join(one.asset_key.path) for one in done.all_events if one.is_step_materialization and one.asset_key}
    assert made - {"fleet/health"} == {asset.key for asset in ROUTE.assets}
    never = [one for one in done.get_asset_check_evaluations() if one.check_name == "nobody_subscribed_without_consent"]
    assert [one.metadata["merchants checked in this run"].value for one in never] == [1, 1, 1]
    assert sum(len(scene.journal(system)) for system in ("sopost", "hubspot", "klaviyo", "salesforce")) == 0


def test_r68_what_a_crm_that_failed_was_to_be_told_is_not_shown_as_written(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Others go on, the sync is `partial`; the CRM's own page says that it failed, not that nobody is to be written."""
    scene.order("ada@example.com")
    scene.box.hubspot.control.set_fault("401")
    done = synced(scene, monkeypatch)
    pages = {
        "/".join(one.asset_key.path): one.step_materialization_data.materialization.metadata
        for one in done.all_events
        if one.is_step_materialization and one.asset_key
    }
    assert done.success
    assert "consumers/synced/klaviyo/consumers" in pages
    assert "consumers/synced/hubspot/consumers" not in pages
    planned = pages["consumers/planned/hubspot/consumers"]["in short"].value
    assert isinstance(planned, str)
    assert planned.startswith("auth: ")
