"""Tells one record's trouble from the system's (routes.md R40), and decides how long to wait for the next try."""

from __future__ import annotations

from datetime import datetime, timedelta

from vs_st_pipeline.domain.errors import BadAnswer, Forbidden, PipelineError, Refused, TryLater
from vs_st_pipeline.domain.records import FIRST_GAP, LARGEST_GAP, MANY, ONE_IN

IN_A_ROW = 5  # R40: this many unreadable records one after the other are the system's trouble


def is_of_one_record(error: PipelineError) -> bool:
    """Say whether an error of a single read may be about that record alone.

    These never are: a key that is not accepted, a log-in page, too many requests, an interrupted run, a setting. 404 is
    not trouble but an answer, which the caller handles.
    """
    if isinstance(error, Refused):
        return error.http_status != 404
    if isinstance(error, TryLater):
        return error.call is not None and error.http_status != 429
    return isinstance(error, Forbidden | BadAnswer)


class SingleReads:
    """Counts what became of the single reads of one kind in one sync, and says when it is the system's trouble.

    Attributes:
        failed: the error of each record that could not be read, by id.
    """

    def __init__(self, planned: int = 0) -> None:
        """Start counting.

        Args:
            planned: how many reads are to come, where that is known: a fifth of all of them counts, not of the first
                few.
        """
        self.failed: dict[str, PipelineError] = {}
        self._planned = planned
        self._reads = self._new = self._in_a_row = 0

    def went_well(self) -> None:
        """Count a record that was read, or that answered that it is not there."""
        self._reads += 1
        self._in_a_row = 0

    def went_wrong(self, record_id: str, error: PipelineError, *, known: bool = False) -> None:
        """Count a record that could not be read.

        Args:
            known: it could not be read before either, so it says nothing new about the system.

        Raises:
            PipelineError: the error itself, where it is not about one record or too many reads have failed.
        """
        if not is_of_one_record(error):
            raise error
        self._reads += 1
        self.failed[record_id] = error
        if known:
            return
        self._new += 1
        self._in_a_row += 1
        count = max(self._reads, self._planned)
        if self._in_a_row >= IN_A_ROW or (count >= MANY and self._new * ONE_IN > count):
            raise error

    @property
    def all_failed(self) -> bool:
        """Say whether there were reads and all failed: then a record that was read well before has to be asked."""
        return 0 < self._reads == len(self.failed)

    @property
    def several(self) -> bool:
        """Say whether more than one read failed."""
        return len(self.failed) > 1


def gap_after(attempts: int) -> timedelta:
    """Return how long to wait after so many failures: none after the first, then 15 minutes, doubled, at most a day."""
    return timedelta(0) if attempts <= 1 else min(LARGEST_GAP, FIRST_GAP * 2 ** min(attempts - 2, 10))


def waits(next_at: datetime | None, now: datetime) -> bool:
    """Say whether a next try is still to come; a time further off than any gap was set by a wrong clock."""
    return next_at is not None and timedelta(0) < next_at - now <= LARGEST_GAP
