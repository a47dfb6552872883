"""Lets Python look for garbage less often: a run makes many small objects that live until its stage ends."""

from __future__ import annotations

import gc
from typing import Final

THRESHOLDS: Final = (50_000, 20, 20)


def collect_less() -> None:
    """Raise this process's thresholds, as they are at a start 700, 10, 10.

    What no cycle holds is freed at once all the same; cycles are few (errors, generators) and small. Searching a plan's
    objects for them took a sixth of a large delivery's CPU. Thresholds that somebody has raised stay.
    """
    if gc.get_threshold()[0] < THRESHOLDS[0]:
        gc.set_threshold(*THRESHOLDS)
