"""Does beside the hints what a process that runs all the time can do: old entries go, registrations are looked at.

Once an hour entries are deleted that are older than `VS_ST_INBOX_KEEP` (H19); once a day and merchant what is
registered is looked at, for the check in Dagster (H39). Trouble with one merchant is told by that look's own file.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from threading import Event
from typing import Final

from vs_st_pipeline import connectors
from vs_st_pipeline.domain.errors import PipelineError
from vs_st_pipeline.operations.webhooks.daily import DailyLooks
from vs_st_pipeline.platform.inbox.store import UNUSABLE, Inbox
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.settings.environment import inbox_keep
from vs_st_pipeline.platform.settings.merchants import Merchant

EVERY: Final = 60.0
HOUR: Final = 3600.0


@dataclass(slots=True)
class Upkeep:
    """The upkeep of one worker.

    Attributes:
        merchants: those that are enabled now. make_run: makes a run that may ask a merchant's systems.
        environ: where settings are.
    """

    inbox: Inbox
    daily: DailyLooks
    merchants: Callable[[], Iterable[Merchant]]
    make_run: Callable[[Merchant], Run]
    environ: Mapping[str, str]
    _expired_at: float = -HOUR

    def run(self, stop: Event) -> None:
        """Keep up until `stop` is set."""
        while True:
            self.expire()
            self._look(stop)
            if stop.wait(EVERY):
                return

    def expire(self) -> None:
        """Delete what is too old, once an hour."""
        if time.monotonic() < self._expired_at + HOUR:
            return
        with suppress(PipelineError, *UNUSABLE):  # busy, or a setting that `check` tells of
            never = [one.name for one in connectors.CONNECTORS if one.hooks is not None and not one.hooks.expires]
            self.inbox.expire(inbox_keep(self.environ).total_seconds(), never)
            self._expired_at = time.monotonic()

    def _look(self, stop: Event) -> None:
        with suppress(PipelineError):
            for merchant in self.daily.due(self.merchants(), self.environ):
                if stop.is_set():
                    return
                with suppress(PipelineError, OSError):
                    self.daily.look(self.make_run(merchant), self.environ)
