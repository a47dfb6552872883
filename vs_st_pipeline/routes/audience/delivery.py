"""Delivers events one by one, in order, and moves the ledger with each answer (audience.md 6.3, 6.4, 7).

Data flow: synced.audience_outbox -> WayMore -> synced.audience_told, synced.base_*.
"""

from __future__ import annotations

from vs_st_pipeline.routes.audience.session import AudienceSession


def unsubscribe(session: AudienceSession) -> None:
    """Send each Newsletter false that is due; raises as `send` does."""
    raise NotImplementedError


def send(session: AudienceSession) -> None:
    """Send every event that is due, in order; an entity's trouble holds up no other entity (7.5).

    Raises:
        PipelineError: `try_later`, `auth`, `bad_answer`: the run stops here, and nothing is lost.
    """
    raise NotImplementedError
