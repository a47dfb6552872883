"""Looks once a day at what is registered, for the check in Dagster (webhooks-onboarding.md H39). Changes nothing.

Whoever runs all the time calls this, such as `vs-st work`.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from vs_st_pipeline.domain.errors import BadSettings
from vs_st_pipeline.operations.webhooks.registering import look
from vs_st_pipeline.operations.webhooks.seen import path_of
from vs_st_pipeline.operations.webhooks.site import site_if_any
from vs_st_pipeline.operations.webhooks.wanted import systems_with_hooks, wanted_kinds
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.settings.merchants import Merchant

DAY: Final = 86_400.0


class DailyLooks:
    """Says at which merchants' webhooks it is time to look, and looks.

    Who was never looked at is so within an hour of the start, spread at random. A look that failed is made again the
    next day.

    Args:
        data_dir: where the looks are noted.
    """

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._next: dict[str, float] = {}

    def due(
        self, merchants: Iterable[Merchant], environ: Mapping[str, str], now: float | None = None
    ) -> list[Merchant]:
        """Return the merchants that are to be looked at; none where webhooks are not set up here."""
        try:
            if site_if_any(environ) is None:
                return []
        except BadSettings:
            return []
        at = time.time() if now is None else now
        served = [one for one in merchants if one.enabled and one.routes]
        return [one for one in served if self._next_of(one, at) <= at and _wants_any(one)]

    def look(self, run: Run, environ: Mapping[str, str], now: float | None = None) -> None:
        """Look at one, whatever comes of it; the next look is a day later."""
        at = time.time() if now is None else now
        self._next[run.merchant.id] = at + DAY
        site = site_if_any(environ)
        if site is not None:
            look(run, site)

    def _next_of(self, merchant: Merchant, at: float) -> float:
        """Return when it is to be looked at; what another process noted last is asked of the file's own time."""
        if merchant.id not in self._next:
            try:
                self._next[merchant.id] = path_of(self._data_dir, merchant.id).stat().st_mtime + DAY
            except OSError:
                self._next[merchant.id] = at + random.uniform(0, 3600.0)
        return self._next[merchant.id]


def _wants_any(merchant: Merchant) -> bool:
    return any(wanted_kinds(merchant, one.name) for one in systems_with_hooks(merchant))
