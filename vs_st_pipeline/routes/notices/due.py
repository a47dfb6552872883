"""Counts what stands at the end of a run, and says when the route is due next by time alone (routes.md R16, R68)."""

from __future__ import annotations

from datetime import datetime

from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.routes.notices.session import NoticesSession


def count(session: NoticesSession, db: Db) -> None:
    """Count what stands open over all runs, and what is noted while it lasts."""
    raise NotImplementedError


def next_due_at(session: NoticesSession, db: Db) -> datetime:
    """Return when the route is due by time alone (UTC without zone): a wait that ends, a refresh, a retry."""
    raise NotImplementedError
