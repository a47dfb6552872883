"""Defines the sensors that keep the partitions equal to the merchants file, and `fleet/health` true without a tick.

A tick refreshes the page when it ends. A tick that takes long (first syncs take hours), hangs or never starts would
leave
the page as it was, and no alert would say that all merchants are late. Some settings that are not understood keep ticks
from starting; so where these have changed, the page is refreshed at once.
"""

# No `from __future__ import annotations`: Dagster looks at the function's annotations.

import os
import time
from collections.abc import Collection
from datetime import timedelta

from dagster import DefaultSensorStatus, SensorEvaluationContext, SensorResult, SkipReason, sensor

from vs_st_pipeline.defs.fleet_health import KEY, refreshed
from vs_st_pipeline.defs.partitions import merchants
from vs_st_pipeline.domain.errors import BadSettings
from vs_st_pipeline.domain.formats import counted, humanize
from vs_st_pipeline.operations.settings import read_merchants, taken
from vs_st_pipeline.platform.settings.environment import settings_path
from vs_st_pipeline.platform.settings.merchants import MerchantsFile

OLD = timedelta(minutes=15)


def wanted_keys(file: MerchantsFile, known: Collection[str]) -> list[str]:
    """Return the enabled merchants in the file's order, and known ones with a broken entry: a slip removes none.

    Where a file of `merchants.d` cannot be read, any known one may be in it.
    """
    disabled = {merchant.id for merchant in file.merchants if not merchant.enabled}
    broken = [bad.id for bad in file.bad if bad.id in known]
    if not file.names_all:
        broken += [merchant_id for merchant_id in known if merchant_id not in disabled]
    return list(dict.fromkeys([*(merchant.id for merchant in file.enabled), *(key for key in broken if key)]))


@sensor(
    minimum_interval_seconds=30,
    default_status=DefaultSensorStatus.RUNNING,
    description="Adds a partition for every enabled merchant of merchants.yaml; removes those gone or disabled.",
)
def merchants_sensor(context: SensorEvaluationContext) -> SensorResult | SkipReason:
    """Compare the file with the partitions. Starts no run."""
    try:
        file = read_merchants(settings_path(os.environ), os.environ)
    except BadSettings as error:
        return SkipReason(f"the partitions are left as they are: {error.message}")
    known = merchants.get_partition_keys(dynamic_partitions_store=context.instance)
    wanted = wanted_keys(file, known)
    new, gone = [key for key in wanted if key not in known], [key for key in known if key not in wanted]
    if not new and not gone:
        return SkipReason(f"nothing has changed: {counted(len(known), 'merchants')}")
    requests = [merchants.build_add_request(new)] * bool(new) + [merchants.build_delete_request(gone)] * bool(gone)
    return SensorResult(dynamic_partitions_requests=requests)


@sensor(
    minimum_interval_seconds=300,
    default_status=DefaultSensorStatus.RUNNING,
    description="Refreshes fleet/health and sends alerts where no run has done so for 15 minutes, or a setting has "
    "become wrong or right. Starts no run.",
)
def fleet_watch(context: SensorEvaluationContext) -> SkipReason:
    """Refresh the page if it is old; reading the merchants costs no request."""
    if not merchants.get_partition_keys(dynamic_partitions_store=context.instance):
        return SkipReason("there are no merchants yet")
    wrong = "; ".join(one.says for one in taken(os.environ).misunderstood)
    changed = wrong != (context.cursor or "")
    last = context.instance.get_latest_materialization_event(KEY)
    if last is not None and (age := timedelta(seconds=time.time() - last.timestamp)) < OLD and not changed:
        return SkipReason(f"fleet/health was refreshed {humanize(age)} ago")
    for event in refreshed(context.log):
        context.instance.report_runless_asset_event(event)
    context.update_cursor(wrong)
    return SkipReason(f"fleet/health is refreshed: {'settings have changed' if changed else 'no run had done it'}")
