"""Reads and stages every source that this merchant has: Eshopbox, Commerce7, Vinoshipper (notices.md 3, R34)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from vs_st_pipeline.domain.errors import Interrupted, PipelineError
from vs_st_pipeline.platform.settings.merchants import Merchant
from vs_st_pipeline.routes.notices import asking_readers
from vs_st_pipeline.routes.notices.from_commerce7 import Commerce7Source
from vs_st_pipeline.routes.notices.from_eshopbox import EshopboxSource
from vs_st_pipeline.routes.notices.from_vinoshipper import VinoshipperSource
from vs_st_pipeline.routes.notices.session import NoticesSession
from vs_st_pipeline.routes.notices.sources import Source
from vs_st_pipeline.routes.notices.systems import COMMERCE7, ESHOPBOX, VINOSHIPPER

ALL: Final[Mapping[str, Source]] = {
    one.system: one for one in (EshopboxSource(), Commerce7Source(), VinoshipperSource())
}
"""By system; Commerce7's orders are staged before those of Vinoshipper that are theirs (R37)."""


def sources_of(merchant: Merchant) -> list[Source]:
    """Return the merchant's sources."""
    return [source for name, source in ALL.items() if name in merchant.sections]


def read(session: NoticesSession) -> None:
    """Read what changed into raw.

    Raises:
        PipelineError: a source does not answer; the others were read.
    """
    trouble: PipelineError | None = None
    for source in sources_of(session.run.merchant):
        try:
            seen = source.read(session)
            trouble = trouble or seen.trouble
        except Interrupted:
            raise
        except PipelineError as error:
            if session.run.stop():
                raise
            trouble = trouble or error
    if trouble is not None:
        raise trouble


def stage(session: NoticesSession) -> None:
    """Bring staged in step with raw; of a targeted run, `session.only` alone."""
    for source in sources_of(session.run.merchant):
        source.stage(session, session.only)


def is_complete(session: NoticesSession) -> bool:
    """Say whether all sources were read once to their end, so that what is staged may be the baseline (5.1)."""
    return all(complete(session).values())


def complete(session: NoticesSession) -> dict[str, bool]:
    """Return of each source, by its system, whether it was read once to its end."""
    return {source.system: source.is_complete(session) for source in sources_of(session.run.merchant)}


def read_again(session: NoticesSession, merchant_order: str) -> bool:
    """Read one order anew right before a claim or an action, and stage it (5.6, 8.3).

    Returns:
        False where this route cannot read it by itself (another route reads the system): then it is hinted there.

    Raises:
        PipelineError: it could not be read.
    """
    source, own = _source_of(session.run.merchant, merchant_order)
    if source is not None and source.read_again(session, own):
        return True
    hint(session, [merchant_order])
    return False


def hint(session: NoticesSession, merchant_orders: Sequence[str]) -> None:
    """Have these orders read first by whoever reads them (5.6)."""
    by_system: dict[str, list[str]] = {}
    for merchant_order in merchant_orders:
        source, own = _source_of(session.run.merchant, merchant_order)
        if source is not None:
            by_system.setdefault(source.system, []).append(own)
    if COMMERCE7 in by_system and VINOSHIPPER in session.run.merchant.sections:
        joined = asking_readers.joined(session.run, VINOSHIPPER, merchant_orders)
        by_system.setdefault(VINOSHIPPER, []).extend(joined)
    for system, orders in by_system.items():
        ALL[system].hint(session, orders)


def read_hinted(session: NoticesSession, record: str, system: str = ESHOPBOX) -> bool | None:
    """Read the order that a hint names; says whether it is another one now; None: it is gone.

    Raises:
        KeyError: another route reads the system. PipelineError: it could not be read.
    """
    return ALL[system].read_hinted(session, record)


def merchant_order_of(session: NoticesSession, record: str, system: str = ESHOPBOX) -> str | None:
    """Return the merchant_order of the order that a hint names; None: none is known."""
    return ALL[system].merchant_order(session, record)


def _source_of(merchant: Merchant, merchant_order: str) -> tuple[Source | None, str]:
    system, _, own = merchant_order.partition(":")
    found = ALL.get(system) if system in merchant.sections else None
    return found, own
