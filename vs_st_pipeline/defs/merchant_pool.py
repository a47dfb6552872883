"""Walks many merchants at once, each on a thread of its own, and tells of each as soon as it is done.

Threads are enough: a merchant's time goes by waiting for answers, at about one request per second. Few of them compute
at once (`seats`), and another merchant is begun only when a seat was to be had: as many are under way as keep the seats
taken, a hundred where answers take long, a dozen where they come at once. Each costs memory, and what is cold is slow.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Collection, Generator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from typing import Any

from vs_st_pipeline.defs import metadata
from vs_st_pipeline.defs.checks import Check, measure
from vs_st_pipeline.defs.metrics import Metric
from vs_st_pipeline.defs.reporting import Detail
from vs_st_pipeline.defs.stops import ASSETS_OF_STOP
from vs_st_pipeline.domain.errors import Internal, PipelineError, TryLater
from vs_st_pipeline.domain.report import FAILED, Report
from vs_st_pipeline.pipeline.session import StageDone
from vs_st_pipeline.pipeline.sync import run_stages
from vs_st_pipeline.platform.cpu_slots import CpuSlots
from vs_st_pipeline.platform.run import Run

FEWEST_JOBS, MOST_JOBS = 8, 128
PER_JOB = 8  # merchants that one thread takes one after another before another thread is worth its memory


@dataclass(slots=True)
class MerchantResult:
    """What one merchant's walk came to.

    Attributes:
        report: None where the merchant is disabled, and so was not called.
        told: there is something to tell of it on the pages of its partitions; without, `made` is empty.
        made: asset -> metadata of what was made, also where a later stop failed.
        measures: the checks' findings, of assets that were made; empty where nothing can have become another one.
    """

    merchant_id: str
    report: Report | None = None
    told: bool = False
    made: dict[str, dict[str, Any]] = field(default_factory=dict)
    measures: dict[str, Metric] = field(default_factory=dict)

    @property
    def failed(self) -> bool:
        return self.report is not None and self.report.status == FAILED


def threads_for(merchants: int) -> int:
    """How many merchants to have at work at once where nobody said."""
    return min(MOST_JOBS, max(FEWEST_JOBS, merchants // PER_JOB))


def run_one(
    merchant_id: str,
    run_of: Callable[[str], Run],
    stops: Collection[str],
    checks: Sequence[Check],
    stopping: threading.Event,
    is_news: Callable[[Report], Detail] = lambda _: Detail.PAGES,
) -> MerchantResult:
    """Make these stops for one merchant and measure what came of it; never raises.

    Args:
        is_news: whether the report is worth the tables that people look at: they cost more than a quiet sync. So do
            the checks, a little less.
    """
    walked, done = MerchantResult(merchant_id), dict[str, StageDone]()
    try:
        run = replace(run_of(merchant_id), stop=stopping.is_set)
        if not run.merchant.enabled:
            return walked

        def on_stage(made: StageDone) -> None:
            done[made.name] = made
            if stopping.is_set():
                raise TryLater("the run was stopped before this merchant was done; what is done stands")

        walked.report = run_stages(run, stops, on_stage) if stops else Report(merchant_id, run.run_id)
        news = is_news(walked.report)
        walked.told = news == Detail.PAGES
        if walked.told:
            made = {asset: shown for stop in done.values() for asset, shown in metadata.of_stage(run, stop).items()}
            walked.made = metadata.with_report(made, walked.report)
        if news != Detail.NOTHING:
            reached = {asset for stop in done for asset in ASSETS_OF_STOP[stop]}
            walked.measures = measure(run, [check for check in checks if not stops or check.asset in reached])
    except PipelineError as error:
        walked.report = walked.report or Report(merchant_id)
        walked.report.status, walked.report.error = FAILED, error
    except Exception as error:
        # Its text may hold a person's data, so only its type is told.
        walked.report = walked.report or Report(merchant_id)
        walked.report.status, walked.report.error = FAILED, Internal(f"a fault of ours: {type(error).__name__}")
    if walked.report is not None and walked.report.status == FAILED:
        walked.told = is_news(walked.report) == Detail.PAGES
    return walked


def run_all(
    merchant_ids: Sequence[str],
    run_of: Callable[[str], Run],
    stops: Collection[str],
    checks: Sequence[Check],
    *,
    jobs: int,
    is_news: Callable[[Report], Detail] = lambda _: Detail.PAGES,
) -> Generator[MerchantResult]:
    """All these merchants, at most `jobs` at once, in the order in which they are done.

    Closing the iterator (a run that is stopped) begins no further merchant, and ends the others before their next
    request.
    """
    stopping, waiting, seats = threading.Event(), deque(merchant_ids), CpuSlots()

    def walk_seated(merchant_id: str) -> MerchantResult:
        with seats.taken():
            return run_one(merchant_id, run_of, stops, checks, stopping, is_news)

    pool = ThreadPoolExecutor(max_workers=jobs, thread_name_prefix="merchant")
    at_work: set[Future[MerchantResult]] = set()
    try:
        while waiting or at_work:
            more = bool(waiting) and len(at_work) < jobs
            if more:
                with seats.taken():  # waited for like anybody else's, so that who is under way comes to the end
                    at_work.add(pool.submit(walk_seated, waiting.popleft()))
            # What is done is handed on and forgotten before more is begun.
            done, at_work = wait(at_work, timeout=0 if more else None, return_when=FIRST_COMPLETED)
            for one in done:
                yield one.result()
    finally:
        stopping.set()
        pool.shutdown(wait=True, cancel_futures=True)
