"""Runs what a Dagster run is asked for, and logs what came of it: of one route's assets, or of all routes in a tick.

It is one function for all merchants, because a run may cover thousands of them: a step per asset and merchant would
cost more than the sync itself. For a merchant that fails, the stages before the failure are materialized, no other
merchant and no other route is affected, and the run ends as failed and names the merchant. Retrying the backfill from
failure, or materializing the partitions that are shown as failed, then makes only what is missing; re-executing the run
itself would run all of its merchants again.

A run of the schedule (a tick) has no partitions of its own: Dagster would log a planned materialization per asset for
each of thousands of merchants before anything is done, and would show merchants that are not due as failed when another
merchant fails. A tick takes the merchants that are due, and reports those with news (see `reporting`); for a merchant
that fails it logs that its partitions were planned, so that the pages show these as failed, and no others.

It is long because a run of one route and a tick of all are one function, told apart at every step.
"""

# No `from __future__ import annotations`: Dagster takes config of an op from its annotations.

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain, zip_longest
from pathlib import Path

from dagster import (
    AssetCheckEvaluation,
    AssetCheckResult,
    AssetExecutionContext,
    AssetMaterialization,
    Config,
    Failure,
    OpExecutionContext,
)
from pydantic import Field

from vs_st_pipeline.defs import checks, hint_news
from vs_st_pipeline.defs.check_results import merge_results
from vs_st_pipeline.defs.fleet_health import refreshed
from vs_st_pipeline.defs.merchant_pool import MerchantResult, Part, run_all, threads_for
from vs_st_pipeline.defs.metadata import sentence, table
from vs_st_pipeline.defs.reporting import Detail, ReportLog
from vs_st_pipeline.defs.resources import Settings, broken, due_now, merchant_of
from vs_st_pipeline.defs.storage import dead_runs
from vs_st_pipeline.defs.storage.planned_events import log_planned
from vs_st_pipeline.domain.errors import BadSettings
from vs_st_pipeline.domain.report import Report
from vs_st_pipeline.operations.fleet.health import in_a_list
from vs_st_pipeline.operations.fleet.health import label as fleet_label
from vs_st_pipeline.pipeline.checks import Check
from vs_st_pipeline.pipeline.metrics import Metric
from vs_st_pipeline.pipeline.route import Route
from vs_st_pipeline.pipeline.route_files import named_for
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.settings.merchants import MerchantsFile

MOST_NAMED = 20

Context = AssetExecutionContext | OpExecutionContext
Event = AssetMaterialization | AssetCheckResult | AssetCheckEvaluation


class SyncConfig(Config):
    """The options of a run."""

    full: bool = Field(default=False, description="Read everything again, whatever was read before.")
    allow_unsafe: bool = Field(default=False, description="Let the brake pass once: many records may lose something.")
    dry_run: bool = Field(default=False, description="Stop before anything is written at a destination.")
    due_only: bool = Field(default=False, description="Only merchants that are due; the schedule sets it.")
    budget: int | None = Field(
        default=None,
        ge=1,
        description="About so many requests to each source per merchant; the rest is for later.",
    )
    jobs: int | None = Field(
        default=None, ge=1, le=256, description="Merchants at once; if not said, more for many: 8 to 128."
    )


@dataclass(slots=True)
class Share:
    """What a run does of one route, and what has come of it so far.

    Attributes:
        assets: keys of what is to be made. checks: what is to be checked.
        partition_keys: the merchants of the run; None: all.
        as_before: merchants that fail as before: that has failed a run once, and so have their findings.
    """

    route: Route
    assets: set[str]
    checks: Sequence[Check]
    partition_keys: list[str] | None = None
    stages: list[str] = field(default_factory=list)
    merchant_ids: list[str] = field(default_factory=list)
    in_the_file: list[str] = field(default_factory=list)
    told: list[MerchantResult] = field(default_factory=list)
    looked_at: list[Report] = field(default_factory=list)
    measured: dict[str, dict[str, Metric]] = field(default_factory=dict)
    as_before: set[str] = field(default_factory=set)


def execute(
    context: Context, config: SyncConfig, settings: Settings, shares: Sequence[Share], step: str
) -> Iterator[Event]:
    """Run these shares side by side, and yield what there is to tell.

    Args:
        step: name of the op.
    """
    file, data_dir, run_of = _settings(context, config, settings)
    now = settings.now()
    storage_id = str(context.instance.run_storage.get_run_storage_id())  # type: ignore[union-attr]
    logs: dict[str, ReportLog] = {}
    parts: dict[str, Part] = {}
    for share in shares:
        name = share.route.name
        share.stages = share.route.stages_for(share.assets, dry_run=config.dry_run)
        share.merchant_ids, share.in_the_file = _selected_merchants(file, share, config)
        logs[name] = ReportLog(
            data_dir / named_for(name, "reported.json"),
            storage_id,
            context.run.run_id,
            hint_news.last_written(data_dir, name),
        )
        is_news = _news_since(logs[name], now) if config.due_only else (lambda _: Detail.PAGES)
        parts[name] = Part(share.route, run_of, share.stages, share.checks, is_news)
    by_name = {share.route.name: share for share in shares}
    # In turn, so that a route with many merchants keeps nobody of another route waiting.
    turns = zip_longest(*([(parts[name], one) for one in by_name[name].merchant_ids] for name in parts))
    work = [one for one in chain.from_iterable(turns) if one is not None]
    failed: list[MerchantResult] = []
    to_the_end = False
    findings = {}
    try:
        with closing(run_all(work, jobs=config.jobs or threads_for(len(work)))) as all_results:
            for result in all_results:
                share = by_name[result.part.route.name]
                if result.failed:
                    failed.append(result)
                hint_news.add_to_page(data_dir, result, logs[share.route.name])
                yield from _told(context, result, share, logs[share.route.name], step)
        to_the_end = True
    finally:  # also for a run that is stopped: what was reported is reported
        for share in shares:
            name = share.route.name
            findings[name] = merge_results(data_dir, name, share.measured, share.in_the_file, now)
            # A run of some stages says nothing about the pages of the others: the next tick reports everything again.
            if set(share.stages) == set(share.route.stages):
                _remember(logs[name], share, now, to_the_end=to_the_end)
    for share in shares:
        results = checks.results(
            share.checks,
            share.measured,
            findings[share.route.name],
            now,
            allow_unsafe=config.allow_unsafe,
            as_before=share.as_before,
        )
        if share.partition_keys is None:
            # For a result, Dagster would look up the partitions of this run, and a tick has none.
            yield from (checks.as_evaluation(result, share.checks) for result in results)
        else:
            yield from results
    if config.due_only and not config.dry_run:
        hint_news.expire(context.log)
    if any(share.route.writes in share.stages for share in shares):  # otherwise no merchant's status has changed
        yield from refreshed(context.log, file)
    as_before = [result for result in failed if not result.told]
    if as_before:
        context.log.warning(f"{len(as_before)} fail as before: {_names(as_before)}")
    if len(failed) > len(as_before):
        raise _failure([result for result in failed if result.told], len(work), len(as_before))


def _news_since(log: ReportLog, now: datetime) -> Callable[[Report], Detail]:
    return lambda report: log.of(report, now)


def _told(
    context: Context, result: MerchantResult, share: Share, log: ReportLog, step: str
) -> Iterator[AssetMaterialization]:
    """Yield what there is to tell of one merchant, and keep what is needed at the end."""
    if result.report is None:
        context.log.info(f"{_label(result)} is off (disabled, paused or not in its entry) and was not called")
    if result.measures and result.report:
        share.measured[result.merchant_id] = result.measures
        share.looked_at += [result.report] * (result.looked_at and len(share.checks) == len(share.route.checks))
    if not result.told:
        share.as_before |= {result.merchant_id} if result.failed else set()
        return
    if share.stages:
        log.tells(result.merchant_id)
    for asset in sorted(share.assets & result.made.keys(), key=list(result.made).index):
        yield AssetMaterialization(asset.split("/"), partition=result.merchant_id, metadata=result.made[asset])
    share.told.append(result)
    if result.failed:
        if share.partition_keys is None:
            _plan_partitions(context, result, share, step)
        context.log.error(_line(result))
    result.made = {}  # thousands of these would otherwise be held until the end


def _remember(log: ReportLog, share: Share, now: datetime, *, to_the_end: bool) -> None:
    # What a canceled run did not make is not shown as failed, so it does not count as reported.
    reports = [result.report for result in share.told if result.report and (to_the_end or not result.failed)]
    gone = log.known().keys() - {*share.in_the_file, *share.merchant_ids}
    log.remember(reports, now, measured=share.looked_at, gone=gone)


def _selected_merchants(file: MerchantsFile, share: Share, config: SyncConfig) -> tuple[list[str], list[str]]:
    """Return the merchants to run, and all that the file names: an entry broken for a while removes no merchant."""
    everybody = [merchant.id for merchant in file.enabled if share.route.is_on(merchant)]
    entries_broken = broken(file, share.route)
    wanted = everybody if share.partition_keys is None else share.partition_keys
    if config.due_only:
        asked_for = {*wanted, *entries_broken}
        due = dict.fromkeys([*entries_broken, *due_now(file, share.route)])
        wanted = [merchant_id for merchant_id in due if merchant_id in asked_for]
    return wanted, [*everybody, *entries_broken]


def _plan_partitions(context: Context, result: MerchantResult, share: Share, step: str) -> None:
    """Log that the failed stages were planned: a planned stage that a failed run did not make shows as failed."""
    for asset in sorted(share.assets - result.made.keys() - result.lacks):
        log_planned(context, step, asset, result.merchant_id)


def _settings(
    context: Context, config: SyncConfig, settings: Settings
) -> tuple[MerchantsFile, Path, Callable[[str], Run]]:
    """Hold the run's lock; return the merchants file, the data folder, and what makes the Run of a merchant."""
    try:
        file, warehouse = settings.merchants_file(), settings.warehouse()
        settings.now()  # finds a VS_ST_NOW that is not a time before any request is made
        dead_runs.hold_lock(warehouse.data_dir, context.run.run_id)
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
            trigger="schedule" if config.due_only else "backfill",
        )

    return file, warehouse.data_dir, run_of


def _line(result: MerchantResult) -> str:
    assert result.report is not None
    assert result.report.error is not None
    return f"{_label(result)}: {sentence(result.report.error)}"


def _label(result: MerchantResult) -> str:
    return fleet_label(result.merchant_id, result.part.route.name)


def _names(result: Sequence[MerchantResult]) -> str:
    names = sorted(in_a_list(one.merchant_id, one.part.route.name) for one in result)
    return ", ".join(names[:MOST_NAMED]) + (f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else "")


def _failure(failed: Sequence[MerchantResult], of: int, as_before: int) -> Failure:
    failed = sorted(failed, key=_label)
    others = of - len(failed) - as_before
    lines = [_line(result) for result in failed]
    more = f"\nand {len(lines) - MOST_NAMED} more, in the metadata" if len(lines) > MOST_NAMED else ""
    rows = [{"merchant": _label(one), **one.report.error.as_report()} for one in failed]  # type: ignore[union-attr]
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
