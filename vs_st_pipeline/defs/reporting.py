"""Decides which merchants a tick reports to Dagster: those with news, and every merchant once in a while.

Data flow: a merchant's report + what was last told of it (reported.json) -> tell, measure for the checks, or not.

Every five minutes seven materializations for each of thousands of merchants would be millions of rows a day, at some
15 ms of CPU each with the stock SQLite log. So a tick is silent about merchants for which nothing has changed, good
or bad: the page of the merchant's partition then still shows what is true. Runs that a person starts for partitions
report each of them. The checks' results are logged in every tick in any case, so they follow sooner: a merchant is
measured again as soon as its plan is another one than when it was last measured, since as long as a plan stands nothing
has changed of what the plan and the checks are made of (`plan_cache`). It costs a quiet merchant nothing.
A targeted sync reports nothing by itself; whoever was written by one is news at the next tick.
What was told is forgotten with the Dagster storage that it was told to; if the data folder is lost, all is told again.

Before a run begins to report a merchant, it notes the merchant in a file of the run's own. Where such a file is left
(the run was killed, or did only a part of its work), it is not known what these merchants' pages show by now: the next
run reports them in any case.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from enum import IntEnum
from pathlib import Path

from vs_st_pipeline.domain.report import FAILED, Report
from vs_st_pipeline.platform.atomic_file import write_atomically
from vs_st_pipeline.platform.locks import FileLock, file_lock
from vs_st_pipeline.platform.own_folder import make_own_folder

TOLD_AGAIN_AFTER = timedelta(hours=6)
SPREAD = timedelta(hours=1)  # so that merchants that were reported together are not all reported again in one tick


class Detail(IntEnum):
    """How much of a report to tell: nothing, what the checks measure, or that and the pages of the partitions."""

    NOTHING = 0
    CHECKS = 1
    PAGES = 2


@dataclass(frozen=True, slots=True)
class Reported:
    """What Dagster was last told of a merchant.

    Attributes:
        at: epoch seconds.
        state: what a person would want to hear of when it changes; see `state_of`.
        plan: the run whose plan stood when the merchant was last measured.
        hinted: when a hint had last led to a write by then; epoch seconds of the machine's clock.
    """

    at: float
    state: str
    plan: str = ""
    hinted: float = 0.0


def state_of(report: Report) -> str:
    """Return what is worth telling once: the kind of failure, or counts of held, refused, waiting and doubtful ones."""
    if report.status == FAILED:
        return f"failed {report.error.kind if report.error else ''}"
    return json.dumps([report.status, *report.news(), report.rejected, report.unknown, report.unseen])


class ReportLog:
    """What one Dagster instance was told, in a file of the data folder.

    Args:
        path: the file; one that cannot be read is taken for one that was never there.
        instance_id: names the Dagster storage; what another one was told is not known to this one.
        run_id: names the run that reports.
        hinted: when a hint last led to a write of a merchant, as the inbox knew before the run began.
    """

    def __init__(self, path: Path, instance_id: str, run_id: str, hinted: Mapping[str, float] | None = None) -> None:
        self._path, self._instance_id, self._hinted = path, instance_id, hinted or {}
        self._telling = path.with_name(f"{path.stem}.{run_id}.telling")
        self._forget_half_told()
        self._told = self._read()

    def of(self, report: Report, now: datetime) -> Detail:
        """Return how much there is to tell of this merchant."""
        last = self._told.get(report.merchant)
        if last is None or report.accepted or last.state != state_of(report):
            return Detail.PAGES
        if self.hinted_after(report.merchant) is not None:
            return Detail.PAGES
        # The same part of the spread for a merchant each time: a checksum is as good as chance, and repeatable.
        early = SPREAD * ((zlib.crc32(report.merchant.encode()) % 1000) / 1000)
        if abs(now.timestamp() - last.at) >= (TOLD_AGAIN_AFTER - early).total_seconds():
            return Detail.PAGES
        # A failure that was told fails no further run, as a check that blocks would; its reason is in fleet/health.
        another_plan = report.plan not in ("", last.plan) and report.status != FAILED
        return Detail.CHECKS if another_plan else Detail.NOTHING

    def hinted_after(self, merchant_id: str) -> float | None:
        """Return when hints had last led to a write as it was told; None: none did meanwhile, or nothing was told."""
        last = self._told.get(merchant_id)
        return last.hinted if last is not None and self._hinted.get(merchant_id, 0.0) > last.hinted else None

    def tells(self, merchant_id: str) -> None:
        """Note that the run begins to report this merchant; what was told of it before holds no more."""
        with suppress(OSError), self._telling.open("a", encoding="utf-8") as file:  # a full disk is told by others
            file.write(f"{merchant_id}\n")

    def remember(
        self,
        reports: Collection[Report],
        now: datetime,
        *,
        measured: Collection[Report] = (),
        gone: Collection[str] = (),
    ) -> None:
        """Keep that these were told; forget merchants that are gone, and those that the run has only begun to report.

        Args:
            measured: reports of merchants that all checks have measured.
            gone: ids of merchants that are removed.

        Two runs may do this at once. A crash before it repeats what was told, and loses nothing.
        """
        with self._lock():
            told = self._read()
            for merchant_id in (*_named_in(self._telling), *gone):
                told.pop(merchant_id, None)
            told |= {
                one.merchant: Reported(now.timestamp(), state_of(one), hinted=self._hinted.get(one.merchant, 0.0))
                for one in reports
            }
            for report in measured:
                if report.merchant in told:
                    told[report.merchant] = replace(told[report.merchant], plan=report.plan)
            self._write(told)
            self._told = told
            self._telling.unlink(missing_ok=True)

    def _forget_half_told(self) -> None:
        """Forget merchants that runs began to report and did not remember. One that still lives does it at its end."""
        left = list(self._path.parent.glob(f"{self._path.stem}.*.telling"))
        if not left:
            return
        with self._lock():
            told = self._read()
            for merchant_id in (name for file in left for name in _named_in(file)):
                told.pop(merchant_id, None)
            self._write(told)
            for file in left:
                file.unlink(missing_ok=True)

    def _lock(self) -> FileLock:
        make_own_folder(self._path.parent)
        return file_lock(self._path.with_suffix(".lock"), timeout=30)

    def _write(self, told: Mapping[str, Reported]) -> None:
        merchants = {merchant_id: asdict(one) for merchant_id, one in told.items()}
        write_atomically(self._path, json.dumps({"instance": self._instance_id, "merchants": merchants}).encode())

    def known(self) -> Mapping[str, Reported]:
        """Return all that was told, by merchant id."""
        return self._told

    def _read(self) -> dict[str, Reported]:
        with suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
            whole = json.loads(self._path.read_text(encoding="utf-8"))
            if whole["instance"] == self._instance_id:
                return {merchant_id: Reported(**one) for merchant_id, one in whole["merchants"].items()}
        return {}


def _named_in(file: Path) -> list[str]:
    with suppress(FileNotFoundError):  # the run has begun to report no merchant, or another run was faster
        return file.read_text(encoding="utf-8").split()
    return []
