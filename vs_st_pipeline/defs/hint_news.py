"""Tells a run that syncs whole what targeted syncs wrote meanwhile, and has it let old entries of the inbox go.

An inbox that cannot be read now fails no run: what was written is told by the next one.
"""

from __future__ import annotations

import logging
import os
from contextlib import closing, suppress
from pathlib import Path

from dagster import DagsterLogManager

from vs_st_pipeline.defs.merchant_pool import MerchantResult
from vs_st_pipeline.defs.reporting import ReportLog
from vs_st_pipeline.domain.errors import BadSettings
from vs_st_pipeline.operations.fleet import inbox_expiry
from vs_st_pipeline.platform.inbox import statistics
from vs_st_pipeline.platform.inbox.store import UNUSABLE, Inbox

WRITTEN = "hints that led to a write since it was last told"


def last_written(data_dir: Path, route: str) -> dict[str, float]:
    """Return when a hint of a route last led to a write, by merchant; epoch seconds."""
    with closing(Inbox(data_dir)) as inbox, suppress(*UNUSABLE):
        return statistics.last_written(inbox, route)
    return {}


def add_to_page(data_dir: Path, result: MerchantResult, log: ReportLog) -> None:
    """Say on the page of what was written that hints led to writes: a quiet sync after them has written nothing."""
    route = result.part.route
    made = [result.made[asset] for asset in route.made_by(route.writes) if asset in result.made]
    since = log.hinted_after(result.merchant_id) if made else None
    if since is None:
        return
    with closing(Inbox(data_dir)) as inbox, suppress(*UNUSABLE):
        count = statistics.written_since(inbox, route.name, result.merchant_id, since)
        for shown in made:
            shown[WRITTEN] = count


def expire(log: DagsterLogManager | logging.Logger) -> None:
    """Let old entries of the inbox go (H19); what a person should know of it is logged."""
    try:
        told = inbox_expiry.expire(os.environ)
    except BadSettings as error:
        told = f"old entries of the inbox stay: {error.message}"
    if told:
        log.warning(told)
