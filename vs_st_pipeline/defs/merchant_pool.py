"""Runs many merchants and routes at once, each pair on a thread of its own; hands over each result when it is done.

Threads are enough: a merchant's time goes by waiting for answers, at about one request per second. Few of them compute
at once (`cpu_slots`), and another merchant is started only when a CPU slot was free: as many are under way as keep the
slots busy, a hundred where answers take long, a dozen where they come at once. Each costs memory, and what is cold is
slow.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Collection, Generator, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from typing import Any

from vs_st_pipeline.defs import metadata
from vs_st_pipeline.defs.reporting import Detail
from vs_st_pipeline.domain.errors import Internal, PipelineError, TryLater, Unsafe
from vs_st_pipeline.domain.report import FAILED, Report
from vs_st_pipeline.pipeline.checks import Check, measure
from vs_st_pipeline.pipeline.metrics import Metric
from vs_st_pipeline.pipeline.route import Route
from vs_st_pipeline.pipeline.session import StageDone
from vs_st_pipeline.platform.cpu_slots import CpuSlots
from vs_st_pipeline.platform.crash_reports import describe
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.routes import faults_of

FEWEST_JOBS, MOST_JOBS = 8, 128
PER_JOB = 8  # merchants that one thread takes one after another before another thread is worth its memory


@dataclass(frozen=True, slots=True)
class Part:
    """What a run does of one route.

    Attributes:
        run_of: makes the run of a merchant; raises `BadSettings` where its entry cannot be used.
        is_news: says whether a report is worth the tables that people look at, which cost more than a quiet sync. The
            checks cost a little less.
    """

    route: Route
    run_of: Callable[[str], Run]
    stages: Collection[str]
    checks: Sequence[Check] = ()
    is_news: Callable[[Report], Detail] = lambda _: Detail.PAGES


@dataclass(slots=True)
class MerchantResult:
    """The result of one merchant's run of one route.

    Attributes:
        report: None where the route is off for the merchant, and so nothing was called.
        told: there is something to report on the pages of its partitions; if False, `made` is empty.
        made: asset -> metadata of what was made, also where a later stage failed.
        measures: the checks' findings; empty where no finding can have changed.
        looked_at: all checks of what was made were measured, and so none has to be before its plan is another one.
        lacks: assets that are never made of this merchant.
    """

    part: Part
    merchant_id: str
    report: Report | None = None
    told: bool = False
    made: dict[str, dict[str, Any]] = field(default_factory=dict)
    measures: dict[str, Metric] = field(default_factory=dict)
    looked_at: bool = False
    lacks: frozenset[str] = frozenset()

    @property
    def failed(self) -> bool:
        return self.report is not None and self.report.status == FAILED


def threads_for(merchants: int) -> int:
    """Return how many merchants to run at once where no number is given."""
    return min(MOST_JOBS, max(FEWEST_JOBS, merchants // PER_JOB))


def run_one(part: Part, merchant_id: str, stopping: threading.Event) -> MerchantResult:
    """Run these stages for one merchant and measure the result; never raises."""
    result, done = MerchantResult(part, merchant_id), dict[str, StageDone]()
    route, stages = part.route, part.stages
    try:
        run = replace(part.run_of(merchant_id), route=route.name, stop=stopping.is_set)
        if not run.merchant.enabled:
            return result
        if fault := faults_of(run.merchant).get(route.name):
            raise fault
        if not route.is_on(run.merchant):
            return result

        result.lacks = route.lacked_by(run.merchant)

        copied: dict[str, dict[str, Any]] = {}  # stage of a copy -> what it made

        def on_stage(made: StageDone) -> None:
            done[made.name] = made
            if made.run.warehouse is not run.warehouse:  # a dry run's copy, which is thrown away when the run ends
                copied[made.name] = metadata.of_stage(route, made.run, made)
                reached = {asset for stage in done for asset in route.made_by(stage)}
                result.measures = measure(made.run, _of(part, reached, result))  # some look at what a later stage made
            if stopping.is_set():
                raise TryLater("the run was stopped before this merchant was done; what is done stands")

        result.report = route.run_stages(run, stages, on_stage) if stages else route.report(merchant_id, run.run_id)
        news = part.is_news(result.report)
        result.told = news == Detail.PAGES
        if result.told:
            stood = [stage for stage in done.values() if not _came_to_nothing(result, stage)]
            shown = (copied.get(stage.name) or metadata.of_stage(route, run, stage) for stage in stood)
            without = result.lacks | _not_written(result)
            there = {k: v for one in shown for k, v in one.items() if k not in without}
            result.made = metadata.with_report(route, there, result.report)
        if not copied and (wanted := _to_measure(result, news, stages, done)):  # a quiet merchant's file is not opened
            result.measures = measure(run, wanted)
            result.looked_at = news != Detail.NOTHING
    except PipelineError as error:
        result.report = result.report or route.report(merchant_id, "")
        result.report.status, result.report.error = FAILED, error
    except Exception as error:
        # Its text may hold personal data, so only its type and place are reported.
        result.report = result.report or route.report(merchant_id, "")
        result.report.status, result.report.error = FAILED, Internal(describe(error))
    if result.report is not None and result.report.status == FAILED:
        result.told = part.is_news(result.report) == Detail.PAGES
    return result


def _came_to_nothing(result: MerchantResult, stage: StageDone) -> bool:
    """Say whether a stage is to be shown as failed: of a run that failed, what failed, and in any case what writes.

    A route may go on in spite of trouble, to the end of its last stage, and fail then. If all that it makes were shown
    as made, nothing would be red, and a backfill could not be retried from failure. A plan that the brake refuses is
    made all the same: that is where a person looks at it.
    """
    if result.report is None or not result.failed:
        return False
    refused = isinstance(result.report.error, Unsafe)
    return (stage.failed and not refused) or stage.name == result.part.route.writes


def _not_written(result: MerchantResult) -> set[str]:
    """Return the keys of what is written at a part of the route that failed, while others of its parts went on."""
    route, failed = result.part.route, result.report.parts if result.report is not None else {}
    return {asset.key for asset in route.assets if asset.stage == route.writes and asset.system in failed}


def _of(part: Part, assets: Collection[str], result: MerchantResult) -> list[Check]:
    """Return the checks of these assets, without those that are never made of the merchant."""
    return [check for check in part.checks if check.asset in assets and check.asset not in result.lacks]


def _to_measure(result: MerchantResult, news: Detail, stages: Collection[str], done: Collection[str]) -> list[Check]:
    """Return the checks that may find something else than before.

    Where the run failed, what stands of earlier writes is looked at all the same, although nothing was written: it goes
    on waiting and getting old. Where it failed as before, that alone is.
    """
    part, route, report = result.part, result.part.route, result.report
    assert report is not None
    written = route.made_by(route.writes) if report.status == FAILED and route.writes in stages else ()
    if news == Detail.NOTHING:
        return _of(part, written, result) if report.plan else []
    if not stages:
        return _of(part, {check.asset for check in part.checks}, result)
    return _of(part, {*written, *(asset for stage in done for asset in route.made_by(stage))}, result)


def run_all(work: Iterable[tuple[Part, str]], *, jobs: int) -> Generator[MerchantResult]:
    """Yield the results of all these parts and merchants, at most `jobs` at once, in the order in which they are done.

    Closing the iterator (a run that is stopped) starts no further merchant, and ends the others before their next
    request.
    """
    stopping, waiting, cpu_slots = threading.Event(), deque(work), CpuSlots()

    def run_in_slot(part: Part, merchant_id: str) -> MerchantResult:
        with cpu_slots.taken():
            return run_one(part, merchant_id, stopping)

    pool = ThreadPoolExecutor(max_workers=jobs, thread_name_prefix="merchant")
    at_work: set[Future[MerchantResult]] = set()
    try:
        while waiting or at_work:
            more = bool(waiting) and len(at_work) < jobs
            if more:
                with cpu_slots.taken():  # waits like a merchant does, so that those under way come to the end
                    at_work.add(pool.submit(run_in_slot, *waiting.popleft()))
            # What is done is handed over and forgotten before more is started.
            done, at_work = wait(at_work, timeout=0 if more else None, return_when=FIRST_COMPLETED)
            for one in done:
                yield one.result()
    finally:
        stopping.set()
        pool.shutdown(wait=True, cancel_futures=True)
