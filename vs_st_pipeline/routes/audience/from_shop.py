"""The generic shop as a source. A stub until the connector's part stands: whoever owns it replaces this file whole."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final

from vs_st_pipeline.domain.hints import Hint
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.routes.audience.session import AudienceSession
from vs_st_pipeline.routes.audience.sources import Seen, Size
from vs_st_pipeline.routes.audience.systems import SHOP

KIND: Final = "post"


class ShopSource:
    """A custom website."""

    system = SHOP
    lacks: Mapping[str, str] = {}

    def read(self, session: AudienceSession, only: Collection[tuple[str, str]] | None = None) -> Seen:
        raise NotImplementedError

    def stage(self, session: AudienceSession) -> None:
        raise NotImplementedError

    def is_complete(self, session: AudienceSession, block: str) -> bool:
        raise NotImplementedError

    def can_have(self, session: AudienceSession, block: str) -> bool:
        raise NotImplementedError

    def read_one(self, session: AudienceSession, kind: str, own: str) -> bool | None:
        raise KeyError(kind)

    def is_known(self, db: Db, kind: str, own: str) -> bool:
        return True

    def first_walk(self, session: AudienceSession) -> Size | None:
        return None


def take(run: Run, hints: Sequence[Hint]) -> None:
    """Store posts durably."""


def stage_posts(session: AudienceSession) -> None:
    """Apply the posts that count for a source that shows the rest itself."""


def count_posts(session: AudienceSession) -> int:
    """Return how many posts this run took."""
    return 0
