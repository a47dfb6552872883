"""Works out in SQL what differs from the base: the events of 6.2, in the order of 6.3, old and late by 6.4.

Data flow: staged.shop_*, planned.audience_addresses, planned.audience_held, synced.base_* -> planned.audience_news.
"""

from __future__ import annotations

from vs_st_pipeline.routes.audience.session import AudienceSession


def diff(session: AudienceSession) -> None:
    """Make `planned.audience_news` and `planned.audience_notes` anew, and count them in the report.

    Before all blocks are done it finds unsubscribes of told addresses alone (6.5). It costs what changed: records are
    compared by digest, and column by column only where digests differ; not at all where nothing changed since.
    """
    raise NotImplementedError
