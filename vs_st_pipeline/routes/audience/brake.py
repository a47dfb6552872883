"""Refuses a plan that a broken source would make (audience.md 9, "Brake"; routes.md R38)."""

from __future__ import annotations

from vs_st_pipeline.routes.audience.session import AudienceSession


def ask(session: AudienceSession) -> None:
    """Judge the plan; notes that the complete reads passed where it lets it pass.

    Raises:
        Unsafe: nothing of this plan is sent, the base does not move; `session.refused` says so too.
    """
    raise NotImplementedError
