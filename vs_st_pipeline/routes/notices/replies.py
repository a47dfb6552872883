"""Says what a customer's reply means: whose it is, which action, and whether it may be taken (notices.md 8.1-8.3)."""

from __future__ import annotations

from vs_st_pipeline.routes.notices.session import NoticesSession


def judge(session: NoticesSession) -> None:
    """Judge the replies that are not judged yet: into planned.actions, or with an outcome that is no action."""
    raise NotImplementedError
