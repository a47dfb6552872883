"""Says what a source of route `audience` is: who reads a shop, and who stages what it said (audience.md 4).

Data flow: a source's system -> its raw tables -> `merging` -> staged.shop_*.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from vs_st_pipeline.connectors.waymore.settings import WaymoreSettings
from vs_st_pipeline.domain.errors import PipelineError
from vs_st_pipeline.platform.settings.merchants import Merchant
from vs_st_pipeline.routes.audience.systems import SOURCES

if TYPE_CHECKING:
    from vs_st_pipeline.routes.audience.session import AudienceSession


def source_name(merchant: Merchant) -> str:
    """Return the name of the merchant's source: `waymore.source`, else the one of the three sections that stands."""
    named = merchant.section(WaymoreSettings).source
    return named or next(name for name in SOURCES if name in merchant.sections)


@dataclass(slots=True)
class Seen:
    """What a source said in this run.

    Attributes:
        rows: distinct records by kind: customers, subscribers, products, wishlists, orders, carts, posts.
        failed: why a kind could not be read; nothing is derived from it, its staged rows stand (10).
        unseen: sentences about what this source cannot show now (4.2).
    """

    rows: dict[str, int] = field(default_factory=dict)
    failed: dict[str, PipelineError] = field(default_factory=dict)
    unseen: list[str] = field(default_factory=list)


class Source(Protocol):
    """A shop's system."""

    system: str
    lacks: Mapping[str, str]  # events that have no source here, and why, for `vs-st check`

    def read(self, session: AudienceSession, only: Collection[tuple[str, str]] | None = None) -> Seen:
        """Read what changed into raw; `only`: the records (kind, id) of hints.

        Raises:
            PipelineError: nothing of it could be read.
        """
        ...

    def stage(self, session: AudienceSession) -> None:
        """Bring staged.shop_* in step with raw, through `merging`."""
        ...

    def is_complete(self, session: AudienceSession, block: str) -> bool:
        """Say whether a block's kind has been read completely once, so that its history may begin (5.1.1)."""
        ...

    def can_have(self, session: AudienceSession, block: str) -> bool:
        """Say whether the source can have the block's records at all; else the block is done without a request."""
        ...
