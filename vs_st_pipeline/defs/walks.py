"""Walks many merchants at once, each on a thread of its own, and tells of each as soon as it is done.

Threads are enough: a merchant's time goes by waiting for answers, at about one request per second.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field, replace
from typing import Any

from vs_st_pipeline import pipeline
from vs_st_pipeline.defs import metadata
from vs_st_pipeline.defs.checks import Check, measure
from vs_st_pipeline.defs.measures import Measure
from vs_st_pipeline.errors import Internal, PipelineError, TryLater
from vs_st_pipeline.report import FAILED, Report
from vs_st_pipeline.run import Run


@dataclass(slots=True)
class Walked:
    """What one merchant's walk came to.

    Attributes:
        report: None where the merchant is disabled, and so was not called.
        made: asset -> metadata of what was made, also where a later stop failed.
        measures: the checks' findings, of assets that were made.
    """

    merchant_id: str
    report: Report | None = None
    made: dict[str, dict[str, Any]] = field(default_factory=dict)
    measures: dict[Check, Measure] = field(default_factory=dict)


def walk_one(
    merchant_id: str,
    run_of: Callable[[str], Run],
    stops: Collection[str],
    checks: Sequence[Check],
    stopping: threading.Event,
) -> Walked:
    """Make these stops for one merchant and measure what came of it; never raises."""
    walked = Walked(merchant_id)
    try:
        run = replace(run_of(merchant_id), stop=stopping.is_set)
        if not run.merchant.enabled:
            return walked

        def on_stop(done: pipeline.StopDone) -> None:
            walked.made.update(metadata.of_stop(run, done))
            if stopping.is_set():
                raise TryLater("the run was stopped before this merchant was done; what is done stands")

        walked.report = pipeline.walk(run, stops, on_stop) if stops else Report(merchant_id, run.run_id)
        walked.made = metadata.with_report(walked.made, walked.report)
        walked.measures = measure(run, [check for check in checks if not stops or check.asset in walked.made])
    except PipelineError as error:
        walked.report = Report(merchant_id, status=FAILED, error=error)
    except Exception as error:
        # Its text may hold a person's data, so only its type is told.
        walked.report = Report(merchant_id, status=FAILED, error=Internal(f"a fault of ours: {type(error).__name__}"))
    return walked


def walk_all(
    merchant_ids: Sequence[str],
    run_of: Callable[[str], Run],
    stops: Collection[str],
    checks: Sequence[Check],
    *,
    jobs: int,
) -> Generator[Walked]:
    """All these merchants, at most `jobs` at once, in the order in which they are done.

    Closing the iterator (a run that is stopped) begins no further merchant, and ends the others before their next
    request.
    """
    stopping = threading.Event()
    pool = ThreadPoolExecutor(max_workers=jobs, thread_name_prefix="merchant")
    try:
        for done in as_completed([pool.submit(walk_one, one, run_of, stops, checks, stopping) for one in merchant_ids]):
            yield done.result()
    finally:
        stopping.set()
        pool.shutdown(wait=True, cancel_futures=True)
