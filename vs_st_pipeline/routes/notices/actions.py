"""Takes the action that a reply asks for, at most once per message (notices.md 8.4)."""

from __future__ import annotations

from vs_st_pipeline.routes.notices.session import NoticesSession


def perform(session: NoticesSession) -> None:
    """Take the actions that are due, oldest reply first; settle unknown ones by what was read."""
    raise NotImplementedError
