"""Says what a source of route `audience` is: who reads a shop, and who stages what it said (audience.md 4).

Data flow: a source's system -> its raw tables -> `merging` -> staged.shop_*.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol

from vs_st_pipeline.connectors.waymore.settings import WaymoreSettings
from vs_st_pipeline.domain.errors import PipelineError
from vs_st_pipeline.domain.formats import counted
from vs_st_pipeline.platform.settings.merchants import Merchant
from vs_st_pipeline.routes.audience.systems import SHOP, SOURCES
from vs_st_pipeline.routes.audience.words import Block, Event

if TYPE_CHECKING:
    from vs_st_pipeline.platform.warehouse.connection import Db
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
        walked: what was made of each list, for staging.
    """

    rows: dict[str, int] = field(default_factory=dict)
    failed: dict[str, PipelineError] = field(default_factory=dict)
    unseen: list[str] = field(default_factory=list)
    walked: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Size:
    """What the first read of a source takes, for `vs-st check`.

    Attributes:
        requests: at least so many. seconds: at the rate that the settings allow. says: the same for people.
    """

    requests: int
    seconds: float
    says: str


def size_of(requests: int, per_second: float, unknown: Sequence[str] = ()) -> Size:
    """Return what so many requests take; `unknown`: what could not be counted."""
    seconds = requests / per_second
    took = f"{seconds / 3600:.1f} h" if seconds >= 3600 else f"{max(1, round(seconds / 60))} min"
    besides = f", and what {', '.join(unknown)} holds besides, which does not say how much" if unknown else ""
    return Size(
        requests,
        seconds,
        f"the first read takes about {counted(requests, 'requests')}, {took}{besides}; it can be broken off",
    )


class Source(Protocol):
    """A shop's system."""

    system: str
    lacks: Mapping[str, str]  # events that have no source here, and why, for `vs-st check`

    def read(self, session: AudienceSession, only: Collection[tuple[str, str]] | None = None) -> Seen:
        """Read what changed into raw; `only`: the records (kind, id) of hints, which were read one by one already.

        Raises:
            PipelineError: nothing of it could be read.
        """
        ...

    def stage(self, session: AudienceSession) -> None:
        """Bring staged.shop_* in step with raw, through `merging`; of a targeted run, `session.only` alone."""
        ...

    def is_complete(self, session: AudienceSession, block: str) -> bool:
        """Say whether a block's kind has been read completely once, so that its history may begin (5.1.1)."""
        ...

    def can_have(self, session: AudienceSession, block: str) -> bool:
        """Say whether the source can have the block's records at all; else the block is done without a request."""
        ...

    def read_one(self, session: AudienceSession, kind: str, own: str) -> bool | None:
        """Read one record that a hint names into raw; returns whether it is another one now, None where it is gone.

        Raises:
            KeyError: this source cannot read such a record by itself: a whole sync does.
            PipelineError: it could not be read.
        """
        ...

    def owner_to_read(self, db: Db, order_id: str) -> str | None:
        """Return the customer of a stored order who was never read, and so is read with it; None: there is none."""
        ...

    def is_known(self, db: Db, kind: str, own: str) -> bool:
        """Say whether a record is stored: ids that nobody knows may be a flood (webhooks-onboarding.md H27)."""
        ...

    def first_walk(self, session: AudienceSession) -> Size | None:
        """Return what the first read takes, asked of the source where need be; None: it was made."""
        ...


_POST_IT: Final = "the source does not show it: let the site post it (section shop)"
POSTED: Final[dict[str, str]] = dict.fromkeys((Event.WISHLIST_ADD, Event.WISHLIST_DELETE, Event.SEARCH), _POST_IT)
"""Events that Vinoshipper and Commerce7 have no source for, but posts (4.2)."""


def takes_posts(session: AudienceSession) -> bool:
    """Say whether the merchant's site posts, besides what its source shows."""
    return SHOP in session.run.merchant.sections


def can_have(session: AudienceSession, block: str) -> bool:
    """Say whether a source that shows no wishes can have a block's records (5.1.1)."""
    return block != Block.WISHLIST or takes_posts(session)
