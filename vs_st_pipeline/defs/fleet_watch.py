"""The sensor that keeps `fleet/health` true, and people told, while no tick does it.

A tick refreshes the page when it ends. One that takes long (first syncs take hours), hangs or never starts would leave
it as it was, and nobody would hear that all are late. Some settings that are not understood keep ticks from starting;
so where these have become other ones, the page is refreshed at once.
"""

# No `from __future__ import annotations`: Dagster looks at the function's annotations.

import os
import time
from datetime import timedelta

from dagster import DefaultSensorStatus, SensorEvaluationContext, SkipReason, sensor

from vs_st_pipeline.defs.fleet_health import KEY, refreshed
from vs_st_pipeline.defs.partitions import merchants
from vs_st_pipeline.domain.formats import in_words
from vs_st_pipeline.platform.settings.environment import taken

OLD = timedelta(minutes=15)


@sensor(
    minimum_interval_seconds=300,
    default_status=DefaultSensorStatus.RUNNING,
    description="Refreshes fleet/health and sends alerts where no run has done so for 15 minutes, or a setting has "
    "become wrong or right. Starts no run.",
)
def fleet_watch(context: SensorEvaluationContext) -> SkipReason:
    """Look whether the page is old; a look at the merchants costs no request."""
    if not merchants.get_partition_keys(dynamic_partitions_store=context.instance):
        return SkipReason("there are no merchants yet")
    wrong = "; ".join(one.says for one in taken(os.environ).misunderstood)
    changed = wrong != (context.cursor or "")
    last = context.instance.get_latest_materialization_event(KEY)
    if last is not None and (age := timedelta(seconds=time.time() - last.timestamp)) < OLD and not changed:
        return SkipReason(f"fleet/health was refreshed {in_words(age)} ago")
    for event in refreshed(context.log):
        context.instance.report_runless_asset_event(event)
    context.update_cursor(wrong)
    return SkipReason(f"fleet/health is refreshed: {'settings have changed' if changed else 'no run had done it'}")
