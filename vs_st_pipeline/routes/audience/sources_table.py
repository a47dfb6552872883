"""Lists the sources, and says which one a merchant has (audience.md 2, `source`).

A merchant of Vinoshipper or Commerce7 whose entry names section `shop` too has posts besides (4.2, 4.4).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

from vs_st_pipeline.platform.settings.merchants import Merchant
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.routes.audience import from_shop
from vs_st_pipeline.routes.audience.from_commerce7 import Commerce7Source
from vs_st_pipeline.routes.audience.from_shop import ShopSource
from vs_st_pipeline.routes.audience.from_vinoshipper import VinoshipperSource
from vs_st_pipeline.routes.audience.session import AudienceSession
from vs_st_pipeline.routes.audience.sources import POSTED, Seen, Size, Source, source_name
from vs_st_pipeline.routes.audience.systems import SHOP
from vs_st_pipeline.routes.audience.words import Event

ALL: Final[Mapping[str, Source]] = {one.system: one for one in (VinoshipperSource(), Commerce7Source(), ShopSource())}


def source_of(merchant: Merchant) -> Source:
    """Return the merchant's source."""
    own = ALL[source_name(merchant)]
    return _WithPosts(own) if own.system != SHOP and SHOP in merchant.sections else own


class _WithPosts:
    """A source beside which the merchant's site posts what the source cannot show."""

    def __init__(self, own: Source) -> None:
        self._own = own
        self.system = own.system
        posted = {*POSTED, Event.CART_UPDATE}
        self.lacks: Mapping[str, str] = {event: why for event, why in own.lacks.items() if event not in posted}

    def read(self, session: AudienceSession, only: Collection[tuple[str, str]] | None = None) -> Seen:
        seen = self._own.read(session, only)
        seen.rows["posts"] = from_shop.count_posts(session)
        return seen

    def stage(self, session: AudienceSession) -> None:
        self._own.stage(session)
        from_shop.stage_posts(session)

    def is_complete(self, session: AudienceSession, block: str) -> bool:
        return self._own.is_complete(session, block)

    def can_have(self, session: AudienceSession, block: str) -> bool:
        return self._own.can_have(session, block)

    def read_one(self, session: AudienceSession, kind: str, own: str) -> bool | None:
        return self._own.read_one(session, kind, own)

    def owner_to_read(self, db: Db, order_id: str) -> str | None:
        return self._own.owner_to_read(db, order_id)

    def is_known(self, db: Db, kind: str, own: str) -> bool:
        return self._own.is_known(db, kind, own)

    def first_walk(self, session: AudienceSession) -> Size | None:
        return self._own.first_walk(session)
