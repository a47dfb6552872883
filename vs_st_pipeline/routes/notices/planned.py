"""Shows a plan row by row: each message as it would read, every other one with its reason (notices.md 9)."""

from __future__ import annotations

from typing import Any

from vs_st_pipeline.routes.notices.session import NoticesSession


def rows(session: NoticesSession) -> dict[str, Any]:
    """Return `messages`, `actions`, `waiting`, `dropped` of the plan that this run has made."""
    raise NotImplementedError
