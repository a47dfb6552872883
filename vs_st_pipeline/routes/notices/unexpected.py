"""Answers replies that lead to no action, by the account's rule (notices.md 8.5), and confirms actions (8.4)."""

from __future__ import annotations

from vs_st_pipeline.routes.notices.session import NoticesSession


def answer(session: NoticesSession) -> None:
    """Send the answers and confirmations that are due."""
    raise NotImplementedError
