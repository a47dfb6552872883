"""The sensor that keeps the partitions in step with the merchants file."""

# No `from __future__ import annotations`: Dagster looks at the function's annotations.

import os
from collections.abc import Collection

from dagster import DefaultSensorStatus, SensorEvaluationContext, SensorResult, SkipReason, sensor

from vs_st_pipeline.defs.partitions import merchants
from vs_st_pipeline.domain.errors import BadSettings
from vs_st_pipeline.platform.settings.environment import settings_path
from vs_st_pipeline.platform.settings.merchants import MerchantsFile, read_merchants


def wanted_keys(file: MerchantsFile, known: Collection[str]) -> list[str]:
    """Enabled merchants in the file's order, and known ones whose entry is broken: a slip of the pen removes nobody."""
    broken = [bad.id for bad in file.bad if bad.id in known]
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
        return SkipReason(f"nothing has changed: {len(known)} merchants")
    requests = [merchants.build_add_request(new)] * bool(new) + [merchants.build_delete_request(gone)] * bool(gone)
    return SensorResult(dynamic_partitions_requests=requests)
