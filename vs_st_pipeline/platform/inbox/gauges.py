"""Tells what waits in the inbox, and how long hints took, as Prometheus text (H13); no label names a merchant."""

from __future__ import annotations

import sqlite3
from typing import Final

from vs_st_pipeline.platform.inbox.store import Inbox

_QUANTILES: Final = (0.5, 0.95, 0.99)
_HOUR: Final = 3600.0


def text(inbox: Inbox) -> list[str]:
    """Return the lines; none where the inbox cannot be read now."""
    try:
        waiting, oldest = (
            inbox.ask("select count(*), min(stored_at) from hints where state = 'waiting'") or [(0, None)]
        )[0]
        lags = [
            row[0]
            for row in inbox.ask(
                "select lag from hints where settled_at >= ? and lag is not null order by lag", [inbox.clock() - _HOUR]
            )
        ]
    except sqlite3.Error:
        return []
    age = 0.0 if oldest is None else max(0.0, inbox.clock() - oldest)
    lines = [
        "# HELP vs_st_inbox_waiting Hints that wait.",
        "# TYPE vs_st_inbox_waiting gauge",
        f"vs_st_inbox_waiting {waiting}",
        "# HELP vs_st_inbox_oldest_waiting_seconds Age of the oldest hint that waits; 0 where none does.",
        "# TYPE vs_st_inbox_oldest_waiting_seconds gauge",
        f"vs_st_inbox_oldest_waiting_seconds {age:.3f}",
        "# HELP vs_st_hints_lag_seconds From the call to the value that was accepted, in the last hour.",
        "# TYPE vs_st_hints_lag_seconds gauge",
    ]
    for quantile in _QUANTILES:
        if lags:
            at = min(len(lags) - 1, int(quantile * len(lags)))
            lines.append(f'vs_st_hints_lag_seconds{{quantile="{quantile}"}} {lags[at]:.3f}')
    return lines
