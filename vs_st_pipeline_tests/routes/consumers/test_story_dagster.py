"""Job `sync_consumers` by Dagster: what a run makes where nobody is to be written (consumers.md 8, routes.md R15)."""

from __future__ import annotations

import pytest
from dagster import DagsterInstance

from vs_st_pipeline.definitions import defs
from vs_st_pipeline.routes.consumers.route import ROUTE
from vs_st_pipeline_tests.support.consumers import Scene


def test_a_run_with_nobody_to_write_makes_all_assets_and_looks_at_what_must_never_be(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a partition that failed once stays red until somebody is due, and a check is of nobody."""
    for name, value in scene.environment().items():
        monkeypatch.setenv(name, value) if value else monkeypatch.delenv(name, raising=False)
    with DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("merchants", [scene.merchant])
        done = defs.resolve_job_def("sync_consumers").execute_in_process(
            instance=instance, partition_key=scene.merchant
        )
    made = {"/".join(one.asset_key.path) for one in done.all_events if one.is_step_materialization and one.asset_key}
    assert made - {"fleet/health"} == {asset.key for asset in ROUTE.assets}
    never = [one for one in done.get_asset_check_evaluations() if one.check_name == "nobody_subscribed_without_consent"]
    assert [one.metadata["merchants checked in this run"].value for one in never] == [1, 1, 1]
    assert sum(len(scene.journal(system)) for system in ("sopost", "hubspot", "klaviyo", "salesforce")) == 0
