"""The project's definitions, a little faster: what Dagster loads in test_killed_tick.py.

A tick every minute where the schedule has one in five, and twenty seconds where a run that never came to its lock is
given five minutes: each story has two ticks at least. And a run stands still right before its lock while there is a
file `stand-still` in the data folder. All else is as it is. No test imports this: it changes what it imports.
"""

from __future__ import annotations

import importlib
import time
from datetime import timedelta
from pathlib import Path

from vs_st_pipeline.defs import resources
from vs_st_pipeline.defs.storage import dead_runs
from vs_st_pipeline_tests.support.dagster_ui import STAND_STILL

resources.TICK = timedelta(minutes=1)
dead_runs.LOCKED_AFTER = 20.0

_hold_lock = dead_runs.hold_lock


def hold_lock(data_dir: Path, run_id: str) -> None:
    while (data_dir / STAND_STILL).exists():
        time.sleep(0.1)
    _hold_lock(data_dir, run_id)


dead_runs.hold_lock = hold_lock

defs = importlib.import_module("vs_st_pipeline.definitions").defs  # now, since it looks at all this when it is loaded
