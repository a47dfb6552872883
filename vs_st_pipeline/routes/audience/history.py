"""Sends the history in five blocks, part by part, once; and late history (audience.md 5.1, 6.4).

Data flow: staged.shop_* -> pinned ids -> a part in synced.audience_parts -> WayMore -> the base and the ledger.
"""

from __future__ import annotations

from vs_st_pipeline.routes.audience.session import AudienceSession


def is_done(session: AudienceSession) -> bool:
    """Say whether all five blocks are done, so that events may go."""
    raise NotImplementedError


def send(session: AudienceSession) -> None:
    """Go on with the history for one slice (`history_slice`), or until all blocks are done.

    Raises:
        PipelineError: WayMore does not answer, refuses the key, or refuses everything.
    """
    raise NotImplementedError


def send_late(session: AudienceSession) -> None:
    """Send what is old and turned up later, in parts of its block, for what is left of the slice."""
    raise NotImplementedError
