"""Removes our webhooks of a merchant that leaves, before what is kept of it goes (webhooks-onboarding.md H44)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vs_st_pipeline.connectors import CONNECTORS
from vs_st_pipeline.domain.errors import BadSettings, PipelineError
from vs_st_pipeline.operations.webhooks.compare import State
from vs_st_pipeline.operations.webhooks.registering import remove
from vs_st_pipeline.operations.webhooks.seen import read_seen
from vs_st_pipeline.operations.webhooks.site import site_of
from vs_st_pipeline.operations.webhooks.wanted import systems_with_hooks
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.settings.merchants import Merchant


class NotRemoved(Exception):
    """Our webhooks could not be removed; the sentences say why."""

    def __init__(self, *sentences: str) -> None:
        super().__init__("webhooks are left")
        self.sentences = sentences


@dataclass(frozen=True, slots=True)
class Left:
    """What became of our webhooks.

    Attributes:
        left: how many are still registered; None: not known.
        by_hand: titles of the systems where a person may have entered our URL, and takes it out.
    """

    removed: int = 0
    left: int | None = 0
    by_hand: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        return {"removed": self.removed, "left": self.left}


def known_webhooks(data_dir: Path, merchant_id: str) -> int | None:
    """Return how many of ours were last seen registered; None: something of ours may be, it is not known what."""
    seen = read_seen(data_dir, merchant_id)
    ours = sum(one.count_of_ours() for one in seen.systems.values())
    may_be = seen.tells_of_ours() or seen.tells_of_elsewhere() or seen.is_told() or seen.by_hand()
    return ours or (None if may_be else 0)


def entered_by_hand(data_dir: Path, merchant_id: str) -> tuple[str, ...]:
    """Return the titles of the systems where a person may have entered our URL."""
    names = read_seen(data_dir, merchant_id).by_hand()
    return tuple(one.title for one in CONNECTORS if one.name in names)


def remove_webhooks(
    data_dir: Path,
    merchant_id: str,
    environ: Mapping[str, str],
    *,
    find: Callable[[], Merchant | None],
    run_of: Callable[[Merchant], Run],
) -> Left:
    """Remove ours, if `webhooks.json` tells of any; otherwise nobody is asked.

    Args:
        find: returns the merchant with its secrets; None where its entry is gone or cannot be used.

    Raises:
        NotRemoved: one could not be removed, or it cannot be known.
    """
    seen, by_hand = read_seen(data_dir, merchant_id), entered_by_hand(data_dir, merchant_id)
    if not seen.tells_of_ours():
        return Left(0, None if seen.tells_of_elsewhere() or seen.is_told() or by_hand else 0, by_hand)
    try:
        site, merchant = site_of(environ), find()
        if merchant is None:
            raise NotRemoved("our webhooks are still registered, and its keys are gone from the merchants file")
        asked = {one.name for one in systems_with_hooks(merchant)}
        if gone := [name for name, one in seen.systems.items() if one.tells_of_ours() and name not in asked]:
            raise NotRemoved(f"our webhooks are still registered at {', '.join(gone)}, whose keys are gone")
        entry = remove(run_of(merchant), site, all_or_none=True)
    except BadSettings as error:
        raise NotRemoved(f"our webhooks cannot be removed: {error.message}") from None
    if entry.errors:
        raise NotRemoved(*(_told(system, error) for system, error in entry.errors.items()))
    # Who has our token and another beginning may be another installation, or this one before it moved: not ours to say.
    unknown = seen.is_told() or bool(by_hand) or any(row.state is State.ELSEWHERE for row in entry.hooks)
    return Left(entry.done["removed"], None if unknown else 0, by_hand)


def _told(system: str, error: PipelineError) -> str:
    at = f" at {system}" if system else ""
    return f"our webhooks{at} cannot be removed ({error.kind}): {error.message}"
