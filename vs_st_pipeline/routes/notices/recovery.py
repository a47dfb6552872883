"""Brings the ledger in step with the accounts' claims after a crash, a loss, or with an older database (7.1, 7.6)."""

from __future__ import annotations

from vs_st_pipeline.routes.notices.session import NoticesSession


def begin(session: NoticesSession) -> None:
    """Settle open claims of this merchant that are over 90 s old or of a dead process, and refill a lost ledger."""
    raise NotImplementedError
