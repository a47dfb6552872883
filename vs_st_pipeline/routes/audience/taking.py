"""Takes a plan into the outbox, and moves the base with it, in one transaction (audience.md 6.3, 7.1).

Data flow: planned.audience_news -> rendered (`events`) -> synced.audience_outbox, synced.base_*, synced.audience_late.
"""

from __future__ import annotations

from vs_st_pipeline.routes.audience.session import AudienceSession


def take(session: AudienceSession) -> None:
    """Take the news of this plan in: melt what waits and was never sent, add the rest, move the base.

    A power cut before its commit leaves everything as it was; after it nothing is lost and nothing comes twice.
    """
    raise NotImplementedError
