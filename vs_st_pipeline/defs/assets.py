"""The seven assets of the way, made by one function that walks all merchants of its run.

One function, because a run may cover thousands of merchants: a step per asset and merchant would cost more than the
sync itself. A merchant that fails leaves the stops before it materialized, no other merchant is touched, and the run
ends as failed and names him. Retrying the backfill from failure, or materializing the partitions that are shown as
failed, then takes just what is missing; re-executing the run itself would walk all of its merchants again.

A run of the schedule (a tick) has no partitions of its own: Dagster would log seven planned materializations for each
of thousands of merchants before anything is done, and show whoever is not due as failed when somebody else fails. It
takes who is due, and tells of those of whom there is news (see `news`); of one who fails it logs that his partitions
were to be made, so that the pages show them as failed, and them alone.
A backfill is cut into runs of at most 100 merchants, of which two go at once: one that is stopped or killed takes no
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
from vs_st_pipeline.defs.stops import stops_for
from vs_st_pipeline.defs.storage import dead_runs
from vs_st_pipeline.defs.storage.planned_events import log_planned
from vs_st_pipeline.domain.errors import BadSettings
from vs_st_pipeline.pipeline.sync import STAGES
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.settings.merchants import MerchantsFile

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
        "What SimpleTexting has accepted, value by value. Making it is the only thing here that writes to the account. "
        "Why a partition is red, and what to do, stands in fleet/health and in the log of the run that its page names.",
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
) -> Iterator[AssetMaterialization | AssetCheckResult | AssetCheckEvaluation]:
    """Walk the selected stops for every merchant of the run."""
    file, data_dir, run_of = _settings(context, config, settings)
    dead_runs.hold_lock(data_dir, context.run.run_id)
    selected = {"/".join(key.path) for key in context.selected_asset_keys}
    wanted_checks = [check for check in checks.CHECKS if check.key in context.selected_asset_check_keys]
    stops = stops_for(selected, dry_run=config.dry_run)
    # Checks alone may be run without a partition; they then look at everybody.
    partitioned = context.has_partition_key or context.has_partition_key_range
    merchant_ids, in_the_file = _whom(file, list(context.partition_keys) if partitioned else None, config)
    now = settings.now()
    storage_id = str(context.instance.run_storage.get_run_storage_id())
    news = ReportLog(data_dir / "reported.json", storage_id, context.run.run_id)
    walking = run_all(
        merchant_ids,
        run_of,
        stops,
        wanted_checks,
        jobs=config.jobs or threads_for(len(merchant_ids)),
        is_news=(lambda report: news.of(report, now)) if config.due_only else (lambda _: Detail.PAGES),
    )
    told, failed, looked_at, measured, to_the_end = [], [], [], {}, False
    try:
        with closing(walking) as all_walked:
            for walked in all_walked:
                if walked.report is None:
                    context.log.info(f"{walked.merchant_id} is disabled and was not called")
                if walked.failed:
                    failed.append(walked)
                if walked.measures and walked.report:
                    measured[walked.merchant_id] = walked.measures
                    looked_at += [walked.report] if len(wanted_checks) == len(checks.CHECKS) else []
                if not walked.told:
                    continue
                if stops:
                    news.tells(walked.merchant_id)
                for asset in sorted(selected & walked.made.keys(), key=list(walked.made).index):
                    shown = walked.made[asset]
                    yield AssetMaterialization(asset.split("/"), partition=walked.merchant_id, metadata=shown)
                told.append(walked)
                if walked.failed:
                    if not partitioned:
                        _plan_partitions(context, walked, selected)
                    context.log.error(_line(walked))
                walked.made = {}  # thousands of them would be held to the end
        to_the_end = True
    finally:  # also of a run that is stopped: what was told was told
        findings = merge_results(data_dir, measured, in_the_file, now)
        # A run of some stops says nothing of the others' pages: the next tick tells of all, whatever was told before.
        if set(stops) == set(STAGES):
            # What a run that is cancelled did not make is not shown as failed, so it is not told.
            reports = [walked.report for walked in told if walked.report and (to_the_end or not walked.failed)]
            news.remember(reports, now, measured=looked_at, gone=news.known().keys() - {*in_the_file, *merchant_ids})
    results = checks.results(wanted_checks, measured, findings, now, allow_unsafe=config.allow_unsafe)
    # For a result, Dagster would look up which partitions this run has, and a tick has none.
    yield from results if partitioned else map(checks.as_evaluation, results)
    if "synced" in stops:  # else nobody stands otherwise than before
        yield from refreshed(context.log, file)
    as_before = [walked for walked in failed if not walked.told]
    if as_before:
        context.log.warning(f"{len(as_before)} fail as before: {_names(as_before)}")
    if len(failed) > len(as_before):
        raise _failure([walked for walked in failed if walked.told], len(merchant_ids), len(as_before))


def _whom(file: MerchantsFile, partition_keys: list[str] | None, config: WalkConfig) -> tuple[list[str], list[str]]:
    """The merchants to walk, and all that the file names: an entry that is broken for a while removes nobody."""
    everybody = [merchant.id for merchant in file.enabled]
    entries_broken = broken(file)
    wanted = everybody if partition_keys is None else partition_keys
    if config.due_only:
        asked_for = {*wanted, *entries_broken}
        due = dict.fromkeys([*entries_broken, *due_now(file)])
        wanted = [merchant_id for merchant_id in due if merchant_id in asked_for]
    return wanted, [*everybody, *entries_broken]


def _plan_partitions(context: AssetExecutionContext, walked: MerchantResult, selected: set[str]) -> None:
    """Log that the stops which failed were to be made: a planned one that a failed run did not make shows as failed."""
    for asset in sorted(selected - walked.made.keys()):
        log_planned(context, "walk", asset, walked.merchant_id)


def _settings(
    context: AssetExecutionContext, config: WalkConfig, settings: Settings
) -> tuple[MerchantsFile, Path, Callable[[str], Run]]:
    """The merchants file, the data folder, and how to get the Run of a merchant."""
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


def _line(walked: MerchantResult) -> str:
    assert walked.report is not None
    assert walked.report.error is not None
    return f"{walked.merchant_id}: {sentence(walked.report.error)}"


def _names(walked: Sequence[MerchantResult]) -> str:
    names = sorted(one.merchant_id for one in walked)
    return ", ".join(names[:MOST_NAMED]) + (f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else "")


def _failure(failed: Sequence[MerchantResult], of: int, as_before: int) -> Failure:
    failed = sorted(failed, key=lambda walked: walked.merchant_id)
    others = of - len(failed) - as_before
    lines = [_line(walked) for walked in failed]
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
