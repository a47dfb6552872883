"""Shows row by row what a sync would send, and whom it holds: for `vs-st plan` (audience.md 9).

Data flow: planned.audience_news, audience_held, audience_notes; staged.shop_notes -> rows; nothing moves.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.routes.audience import blocks
from vs_st_pipeline.routes.audience.difference import BLOCK_OF_KIND
from vs_st_pipeline.routes.audience.rendering import One, about_of, render
from vs_st_pipeline.routes.audience.session import AudienceSession
from vs_st_pipeline.routes.audience.window import style_of
from vs_st_pipeline.routes.audience.words import Event

_BATCH: Final = 2_000


def rows(session: AudienceSession) -> dict[str, Any]:
    """Return what would be sent as events and late, who is held, and what is noted, for a person who asked for it.

    The data stands in full, as it would be sent. Where the run failed before it had a plan, there is nothing to show.
    """
    with session.run.open() as db:
        return {
            "history": _history(session, db),
            "events": _events(session, db),
            "late": _late(db),
            "held": [
                {"kind": kind, "id": id, "reason": reason}
                for kind, id, reason in db.rows(
                    "select kind, id, reason from planned.audience_held where counted order by kind, id, reason"
                )
            ],
            "noted": [
                {"noted": word, "kind": kind, "id": id}
                for word, kind, id in db.rows(
                    """select word, kind, id from planned.audience_notes union
                       select word, kind, id from staged.shop_notes order by word, kind, id"""
                )
            ],
        }


def _history(session: AudienceSession, db: Db) -> dict[str, Any]:
    told = session.told
    waiting = {} if session.settings.history == blocks.SKIP else blocks.waiting(db)
    return {"state": told.history_state, "block": told.block, "blocks": told.blocks, "waiting": waiting}


def _late(db: Db) -> list[dict[str, str]]:
    found = db.rows("select kind, id, min(number) as n from planned.audience_news where late group by all order by n")
    return [{"block": str(BLOCK_OF_KIND[kind]), "id": id} for kind, id, _ in found]


def _events(session: AudienceSession, db: Db) -> list[dict[str, Any]]:
    style, found = style_of(session), []
    news = db.rows(
        """select event, kind, id, about, changed from planned.audience_news
           where not late and not silent order by number"""
    )
    for start in range(0, len(news), _BATCH):
        batch = news[start : start + _BATCH]
        told = render(db, [One(Event(row[0]), row[1], row[2], about_of(row[3])) for row in batch], style)
        found += [
            {"event": row[0], "kind": row[1], "id": row[2], "changed": row[4], "data": msgspec.json.decode(data)}
            for row, data in zip(batch, told, strict=True)
        ]
    return found
