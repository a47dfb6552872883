"""The seven assets of the way, made by one function that walks all merchants of its run.

One function, because a run may cover thousands of merchants: a step per asset and merchant would cost more than the
sync itself. A merchant that fails leaves the stops before it materialized, no other merchant is touched, and the run
ends as failed and names him. Retrying the backfill from failure, or materializing the partitions that are shown as
failed, then takes just what is missing; re-executing the run itself would walk all of its merchants again.

A backfill is cut into runs of at most 100 merchants, of which two go at once: one that is stopped or killed takes no
more than a hundred with it.
"""

# No `from __future__ import annotations`: Dagster takes config and resources of an asset function from its annotations.

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing

from dagster import (
    AssetCheckResult,
    AssetExecutionContext,
    AssetKey,
    AssetMaterialization,
    AssetSpec,
    BackfillPolicy,
    Config,
    Failure,
    ResourceParam,
    multi_asset,
)
from pydantic import Field

from vs_st_pipeline.defs import checks, partitions
from vs_st_pipeline.defs.fleet import refresh
from vs_st_pipeline.defs.metadata import sentence, table
from vs_st_pipeline.defs.resources import Settings, due_now, merchant_of
from vs_st_pipeline.defs.stops import stops_for
from vs_st_pipeline.defs.walks import Walked, walk_all
from vs_st_pipeline.errors import BadSettings
from vs_st_pipeline.merchants import MerchantsFile
from vs_st_pipeline.report import FAILED
from vs_st_pipeline.run import Run

MOST_NAMED = 20


class WalkConfig(Config):
    """The options of a run."""

    full: bool = Field(default=False, description="Read everything again, whatever was read before.")
    allow_unsafe: bool = Field(default=False, description="Let the brake pass once: many contacts may lose something.")
    dry_run: bool = Field(default=False, description="Stop before anything is written at SimpleTexting.")
    due_only: bool = Field(default=False, description="Only merchants who are due; the schedule sets it.")
    budget: int | None = Field(
        default=None,
        ge=1,
        description="About so many requests to Vinoshipper per merchant; the rest is for later.",
    )
    jobs: int = Field(default=8, ge=1, le=64, description="Merchants at once.")


def _spec(key: str, description: str, *deps: str, kinds: set[str]) -> AssetSpec:
    return AssetSpec(
        key.split("/"),
        deps=[AssetKey(dep.split("/")) for dep in deps],
        description=description,
        group_name=key.split("/")[0],
        skippable=True,
        kinds=kinds,
    )


SPECS = [
    _spec(
        "raw/simpletexting/contacts",
        "The account's contacts and custom fields, as SimpleTexting says them.",
        kinds={"api", "duckdb"},
    ),
    _spec(
        "raw/vinoshipper/customers",
        "The shop's customers as Vinoshipper lists them, and details of those whom an opted-in contact may stand for.",
        "raw/simpletexting/contacts",
        kinds={"api", "duckdb"},
    ),
    _spec(
        "raw/vinoshipper/orders",
        "The shop's orders as Vinoshipper finds them, and details of those same customers' orders.",
        "raw/vinoshipper/customers",
        kinds={"api", "duckdb"},
    ),
    _spec(
        "staged/customers",
        "One row per customer, in our words.",
        "raw/vinoshipper/customers",
        kinds={"python", "duckdb"},
    ),
    _spec("staged/orders", "One row per order, in our words.", "raw/vinoshipper/orders", kinds={"python", "duckdb"}),
    _spec(
        "planned/simpletexting/contacts",
        "What must change at SimpleTexting, contact by contact and field by field; who is held back, and why.",
        "staged/customers",
        "staged/orders",
        "raw/simpletexting/contacts",
        kinds={"python", "duckdb"},
    ),
    _spec(
        "synced/simpletexting/contacts",
        "What SimpleTexting has accepted, value by value. Making it is the only thing here that writes to the account.",
        "planned/simpletexting/contacts",
        kinds={"api", "duckdb"},
    ),
]


@multi_asset(
    name="walk",
    specs=SPECS,
    check_specs=[check.spec() for check in checks.CHECKS],
    partitions_def=partitions.merchants,
    can_subset=True,
    backfill_policy=BackfillPolicy.multi_run(max_partitions_per_run=100),
)
def walk(
    context: AssetExecutionContext, config: WalkConfig, settings: ResourceParam[Settings]
) -> Iterator[AssetMaterialization | AssetCheckResult]:
    """Walk the selected stops for every merchant of the run."""
    selected = {"/".join(key.path) for key in context.selected_asset_keys}
    wanted_checks = [check for check in checks.CHECKS if check.key in context.selected_asset_check_keys]
    stops = stops_for(selected, dry_run=config.dry_run)
    file, run_of = _settings(context, config, settings)
    # Checks alone may be run without a partition; they then look at everybody.
    partitioned = context.has_partition_key or context.has_partition_key_range
    everybody = [merchant.id for merchant in file.enabled]
    merchant_ids = list(context.partition_keys) if partitioned else everybody
    if config.due_only:
        asked_for = set(merchant_ids)
        merchant_ids = [merchant_id for merchant_id in due_now(file) if merchant_id in asked_for]
    measured, failed = {}, []
    with closing(walk_all(merchant_ids, run_of, stops, wanted_checks, jobs=config.jobs)) as all_walked:
        for walked in all_walked:
            for asset in sorted(selected & walked.made.keys(), key=list(walked.made).index):
                yield AssetMaterialization(asset.split("/"), partition=walked.merchant_id, metadata=walked.made[asset])
            measured[walked.merchant_id] = walked.measures
            if walked.report is None:
                context.log.info(f"{walked.merchant_id} is disabled and was not called")
            elif walked.report.status == FAILED:
                failed.append(walked)
                context.log.error(_line(walked))
    yield from checks.results(wanted_checks, measured, everybody, context.instance, allow_unsafe=config.allow_unsafe)
    if not config.dry_run:
        refresh(context.instance, context.log, file)
    if failed:
        raise _failure(sorted(failed, key=lambda walked: walked.merchant_id), len(merchant_ids))


def _settings(
    context: AssetExecutionContext, config: WalkConfig, settings: Settings
) -> tuple[MerchantsFile, Callable[[str], Run]]:
    """The merchants file, and how to get the Run of a merchant."""
    try:
        file, warehouse = settings.merchants_file(), settings.warehouse()
    except BadSettings as error:
        raise Failure(f"nothing was called: {sentence(error)}", allow_retries=False) from None

    def run_of(merchant_id: str) -> Run:
        merchant = merchant_of(file, merchant_id)
        return settings.run(
            merchant,
            warehouse,
            context.run.run_id,
            full=config.full,
            allow_unsafe=config.allow_unsafe,
            dry_run=config.dry_run,
            budget=config.budget,
        )

    return file, run_of


def _line(walked: Walked) -> str:
    assert walked.report is not None
    assert walked.report.error is not None
    return f"{walked.merchant_id}: {sentence(walked.report.error)}"


def _failure(failed: Sequence[Walked], of: int) -> Failure:
    lines = [_line(walked) for walked in failed]
    more = f"\nand {len(lines) - MOST_NAMED} more, in the metadata" if len(lines) > MOST_NAMED else ""
    rows = [{"merchant": one.merchant_id, **one.report.error.as_report()} for one in failed]  # type: ignore[union-attr]
    return Failure(
        f"{len(failed)} of {of} merchants failed{'; the others are done' if of > len(failed) else ''}:\n"
        + "\n".join(lines[:MOST_NAMED])
        + more
        + "\nPut it right, then materialize the partitions that are shown as failed.",
        metadata={
            "merchants that failed": table([{k: "" if v is None else v for k, v in row.items()} for row in rows])
        },
        allow_retries=False,
    )
