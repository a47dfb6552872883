"""Route `orders` by Dagster: what a dry run shows, and what the checks say while a system is down."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from dagster import AssetKey, DagsterInstance, ExecuteInProcessResult
from dagster._core.definitions.partitions.context import partition_loading_context
from dagster._core.storage.partition_status_cache import get_and_update_asset_status_cache_value

from vs_st_pipeline.definitions import defs
from vs_st_pipeline.defs import partitions
from vs_st_pipeline_tests.support.orders import Scene

PLANNED, SYNCED = "orders/planned/vinoshipper/orders", "orders/synced/vinoshipper/orders"


@pytest.fixture
def instance() -> Iterator[DagsterInstance]:
    with DagsterInstance.ephemeral() as instance:
        yield instance


@pytest.fixture
def launch(scene: Scene, instance: DagsterInstance, monkeypatch: pytest.MonkeyPatch) -> Any:
    instance.add_dynamic_partitions("merchants", [scene.merchant])

    def launched(job: str, step: str, partition: str | None = None, **config: Any) -> ExecuteInProcessResult:
        for name, value in scene.environment().items():
            monkeypatch.setenv(name, value) if value else monkeypatch.delenv(name, raising=False)
        return defs.resolve_job_def(job).execute_in_process(
            instance=instance,
            partition_key=partition,
            run_config={"ops": {step: {"config": config}}},
            raise_on_error=False,
        )

    return launched


def pages_of(done: ExecuteInProcessResult) -> dict[str, Any]:
    events = [one for one in done.all_events if one.is_step_materialization and one.asset_key]
    return {
        "/".join(one.asset_key.path): one.step_materialization_data.materialization.metadata  # type: ignore[union-attr]
        for one in events
    }


def checks_of(done: ExecuteInProcessResult) -> dict[str, bool]:
    return {
        one.check_name: one.passed for one in done.get_asset_check_evaluations() if one.asset_key.path[0] != "fleet"
    }


def test_r27_a_dry_run_shows_its_own_plan_and_makes_no_file(scene: Scene, launch: Any) -> None:
    """R27, R15: the copy in which it works is gone when its pages are shown, and the file has an older plan or none."""
    order = scene.place("PINOT22")
    done = launch("sync_orders", "run_orders", scene.merchant, dry_run=True)
    assert done.success
    shown = pages_of(done)
    assert shown[PLANNED]["orders in this plan"].value == 1
    [row] = shown[PLANNED]["what would be sent"].value.records
    assert row.data["number"] == scene.number(order)
    assert shown["orders/staged/shop_orders"]["dagster/row_count"].value == 1
    assert shown["orders/raw/commerce7/products"]["SKUs"].value > 0
    assert not checks_of(done)["skus_match"], "what was read is what is checked"
    assert not [name for name in shown if "/synced/" in name]
    assert (scene.writes(), list(scene.home.glob("orders.duckdb*"))) == ([], [])


def is_red(instance: DagsterInstance, asset: str, partition: str) -> bool:
    key = AssetKey(asset.split("/"))
    with partition_loading_context(dynamic_partitions_store=instance):
        value = get_and_update_asset_status_cache_value(instance, key, partitions.merchants)
        assert value is not None
        return partition in value.deserialize_failed_partition_subsets(partitions.merchants).get_partition_keys()


def test_a_merchant_whose_sync_fails_is_red_until_it_is_mended(
    scene: Scene, launch: Any, instance: DagsterInstance
) -> None:
    """The route goes on without the shipper, to its last stage, and fails: what it writes is not shown as made."""
    scene.shipper.set_fault("cloudflare_503")
    failed = launch("tick", "run_due", routes=["orders"])
    assert not failed.success
    assert SYNCED not in pages_of(failed)
    assert PLANNED in pages_of(failed), "what was read and planned all the same is shown"
    assert is_red(instance, SYNCED, scene.merchant)
    assert not is_red(instance, PLANNED, scene.merchant)
    scene.shipper.clear_faults()
    scene.later(minutes=10)
    assert SYNCED in pages_of(launch("tick", "run_due", routes=["orders"]))
    assert not is_red(instance, SYNCED, scene.merchant)


@pytest.mark.parametrize(("down", "fault"), [("shipper", "cloudflare_503"), ("shop", "500")])
def test_o8_an_order_is_not_sent_soon_while_a_system_is_down(scene: Scene, launch: Any, down: str, fault: str) -> None:
    """orders.md 8: may be sent for 30 minutes and is not, though each sync fails as the one before."""
    scene.synced()
    order = scene.place("PINOT22")
    if down == "shop":  # the shop is heard once, and is down when the order is to be sent
        scene.shipper.set_fault("cloudflare_503")
        scene.sync()
    getattr(scene, down).set_fault(fault)
    found = []
    for minutes in (10, 10, 25, 10):
        scene.later(minutes=minutes)
        done = launch("tick", "run_due", routes=["orders"])
        found.append((checks_of(done)["orders_are_sent_soon"], done.success))
    assert [one for one, _ in found] == [True, True, False, False]
    assert found[-1] == (False, True), "a failure that was told fails no further run"
    assert scene.stands(order)[0] == "waiting"
    scene.shipper.clear_faults()
    scene.shop.clear_faults()
    scene.later(minutes=10)
    assert checks_of(launch("tick", "run_due", routes=["orders"]))["orders_are_sent_soon"]
    assert scene.stands(order) == ("sent", None)
