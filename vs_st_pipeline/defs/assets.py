"""Defines the seven assets of the pipeline, made by one function that runs all merchants of its run.

It is one function, because a run may cover thousands of merchants: a step per asset and merchant would cost more than
the sync itself. For a merchant that fails, the stages before the failure are materialized, no other merchant is
affected, and the run ends as failed and names the merchant. Retrying the backfill from failure, or materializing the
partitions that are shown as failed, then makes only what is missing; re-executing the run itself would run all of its
merchants again.

A run of the schedule (a tick) has no partitions of its own: Dagster would log seven planned materializations for each
of thousands of merchants before anything is done, and would show merchants that are not due as failed when another
merchant fails. A tick takes the merchants that are due, and reports those with news (see `reporting`); for a merchant
that fails it logs that its partitions were planned, so that the pages show these as failed, and no others.
A backfill is cut into runs of at most 100 merchants, of which two run at once: one that is stopped or killed takes no
more than a hundred with it.
"""

# No `from __future__ import annotations`: Dagster takes config and resources of an asset function from its annotations.

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

from dagster import (
    AssetCheckEvaluation,
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
from vs_st_pipeline.defs.check_results import merge_results
from vs_st_pipeline.defs.fleet_health import refreshed
from vs_st_pipeline.defs.merchant_pool import MerchantResult, run_all, threads_for
from vs_st_pipeline.defs.metadata import sentence, table
from vs_st_pipeline.defs.reporting import Detail, ReportLog
from vs_st_pipeline.defs.resources import Settings, broken, due_now, merchant_of
from vs_st_pipeline.defs.stage_assets import stages_for
from vs_st_pipeline.defs.storage import dead_runs
from vs_st_pipeline.defs.storage.planned_events import log_planned
from vs_st_pipeline.domain.errors import BadSettings
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.settings.merchants import MerchantsFile
from vs_st_pipeline.routes.contacts.sync import STAGES

MOST_NAMED = 20


class SyncConfig(Config):
    """The options of a run."""

    full: bool = Field(default=False, description="Read everything again, whatever was read before.")
    allow_unsafe: bool = Field(default=False, description="Let the brake pass once: many contacts may lose something.")
    dry_run: bool = Field(default=False, description="Stop before anything is written at SimpleTexting.")
    due_only: bool = Field(default=False, description="Only merchants that are due; the schedule sets it.")
    budget: int | None = Field(
        default=None,
        ge=1,
        description="About so many requests to Vinoshipper per merchant; the rest is for later.",
    )
    jobs: int | None = Field(
        default=None, ge=1, le=256, description="Merchants at once; if not said, more for many: 8 to 128."
    )


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
        "The shop's customers as Vinoshipper lists them, and details of those that an opted-in contact may stand for.",
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
        "What SimpleTexting has accepted, value by value. Making it is the only thing here that writes to the account. "
        "Why a partition is red, and what to do, stands in fleet/health and in the log of the run that its page names.",
        "planned/simpletexting/contacts",
        kinds={"api", "duckdb"},
    ),
]


@multi_asset(
    name="walk",  # the name in stored events and in launchpad settings, so it stays
    specs=SPECS,
    check_specs=[check.spec() for check in checks.CHECKS],
    partitions_def=partitions.merchants,
    can_subset=True,
    backfill_policy=BackfillPolicy.multi_run(max_partitions_per_run=100),
)
def sync_assets(
    context: AssetExecutionContext, config: SyncConfig, settings: ResourceParam[Settings]
) -> Iterator[AssetMaterialization | AssetCheckResult | AssetCheckEvaluation]:
    """Run the selected stages for every merchant of the run."""
    file, data_dir, run_of = _settings(context, config, settings)
    dead_runs.hold_lock(data_dir, context.run.run_id)
    selected = {"/".join(key.path) for key in context.selected_asset_keys}
    wanted_checks = [check for check in checks.CHECKS if check.key in context.selected_asset_check_keys]
    stages = stages_for(selected, dry_run=config.dry_run)
    # Checks alone may be run without a partition; they then look at all merchants.
    partitioned = context.has_partition_key or context.has_partition_key_range
    merchant_ids, in_the_file = _selected_merchants(file, list(context.partition_keys) if partitioned else None, config)
    now = settings.now()
    storage_id = str(context.instance.run_storage.get_run_storage_id())
    news = ReportLog(data_dir / "reported.json", storage_id, context.run.run_id)
    running = run_all(
        merchant_ids,
        run_of,
        stages,
        wanted_checks,
        jobs=config.jobs or threads_for(len(merchant_ids)),
        is_news=(lambda report: news.of(report, now)) if config.due_only else (lambda _: Detail.PAGES),
    )
    told, failed, looked_at, measured, to_the_end = [], [], [], {}, False
    try:
        with closing(running) as all_results:
            for result in all_results:
                if result.report is None:
                    context.log.info(f"{result.merchant_id} is disabled and was not called")
                if result.failed:
                    failed.append(result)
                if result.measures and result.report:
                    measured[result.merchant_id] = result.measures
                    looked_at += [result.report] if len(wanted_checks) == len(checks.CHECKS) else []
                if not result.told:
                    continue
                if stages:
                    news.tells(result.merchant_id)
                for asset in sorted(selected & result.made.keys(), key=list(result.made).index):
                    shown = result.made[asset]
                    yield AssetMaterialization(asset.split("/"), partition=result.merchant_id, metadata=shown)
                told.append(result)
                if result.failed:
                    if not partitioned:
                        _plan_partitions(context, result, selected)
                    context.log.error(_line(result))
                result.made = {}  # thousands of these would otherwise be held until the end
        to_the_end = True
    finally:  # also for a run that is stopped: what was reported is reported
        findings = merge_results(data_dir, measured, in_the_file, now)
        # A run of some stages says nothing about the pages of the others: the next tick reports everything again.
        if set(stages) == set(STAGES):
            # What a canceled run did not make is not shown as failed, so it does not count as reported.
            reports = [result.report for result in told if result.report and (to_the_end or not result.failed)]
            news.remember(reports, now, measured=looked_at, gone=news.known().keys() - {*in_the_file, *merchant_ids})
    results = checks.results(wanted_checks, measured, findings, now, allow_unsafe=config.allow_unsafe)
    # For a result, Dagster would look up the partitions of this run, and a tick has none.
    yield from results if partitioned else map(checks.as_evaluation, results)
    if "synced" in stages:  # otherwise no merchant's status has changed
        yield from refreshed(context.log, file)
    as_before = [result for result in failed if not result.told]
    if as_before:
        context.log.warning(f"{len(as_before)} fail as before: {_names(as_before)}")
    if len(failed) > len(as_before):
        raise _failure([result for result in failed if result.told], len(merchant_ids), len(as_before))


def _selected_merchants(
    file: MerchantsFile, partition_keys: list[str] | None, config: SyncConfig
) -> tuple[list[str], list[str]]:
    """Return the merchants to run, and all that the file names: an entry broken for a while removes no merchant."""
    everybody = [merchant.id for merchant in file.enabled]
    entries_broken = broken(file)
    wanted = everybody if partition_keys is None else partition_keys
    if config.due_only:
        asked_for = {*wanted, *entries_broken}
        due = dict.fromkeys([*entries_broken, *due_now(file)])
        wanted = [merchant_id for merchant_id in due if merchant_id in asked_for]
    return wanted, [*everybody, *entries_broken]


def _plan_partitions(context: AssetExecutionContext, result: MerchantResult, selected: set[str]) -> None:
    """Log that the failed stages were planned: a planned stage that a failed run did not make shows as failed."""
    for asset in sorted(selected - result.made.keys()):
        log_planned(context, "walk", asset, result.merchant_id)


def _settings(
    context: AssetExecutionContext, config: SyncConfig, settings: Settings
) -> tuple[MerchantsFile, Path, Callable[[str], Run]]:
    """Return the merchants file, the data folder, and a function that makes the Run of a merchant."""
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

    return file, warehouse.data_dir, run_of


def _line(result: MerchantResult) -> str:
    assert result.report is not None
    assert result.report.error is not None
    return f"{result.merchant_id}: {sentence(result.report.error)}"


def _names(result: Sequence[MerchantResult]) -> str:
    names = sorted(one.merchant_id for one in result)
    return ", ".join(names[:MOST_NAMED]) + (f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else "")


def _failure(failed: Sequence[MerchantResult], of: int, as_before: int) -> Failure:
    failed = sorted(failed, key=lambda result: result.merchant_id)
    others = of - len(failed) - as_before
    lines = [_line(result) for result in failed]
    more = f"\nand {len(lines) - MOST_NAMED} more, in the metadata" if len(lines) > MOST_NAMED else ""
    rows = [{"merchant": one.merchant_id, **one.report.error.as_report()} for one in failed]  # type: ignore[union-attr]
    return Failure(
        f"{len(failed)} of {of} merchants failed"
        + (f", {as_before} more fail as before" if as_before else "")
        + (f"; the other {others} are done" if others else "")
        + ":\n"
        + "\n".join(lines[:MOST_NAMED])
        + more
        + "\nPut it right, then materialize the partitions that are shown as failed.",
        metadata={
            "merchants that failed": table([{k: "" if v is None else v for k, v in row.items()} for row in rows])
        },
        allow_retries=False,
    )
