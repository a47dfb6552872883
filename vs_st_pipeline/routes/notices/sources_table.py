"""Reads and stages every source that this merchant has: Eshopbox, Commerce7, Vinoshipper (notices.md 3, R34)."""

from __future__ import annotations

from collections.abc import Sequence

from vs_st_pipeline.routes.notices.session import NoticesSession


def read(session: NoticesSession) -> None:
    """Read what changed into raw.

    Raises:
        PipelineError: a source does not answer; the others were read.
    """
    raise NotImplementedError


def stage(session: NoticesSession) -> None:
    """Bring staged in step with raw; of a targeted run, `session.only` alone."""
    raise NotImplementedError


def read_again(session: NoticesSession, merchant_order: str) -> bool:
    """Read one order anew right before a claim or an action, and stage it (5.6, 8.3).

    Returns:
        False where this route cannot read it by itself (another route reads the system): then it is hinted there.

    Raises:
        PipelineError: it could not be read.
    """
    raise NotImplementedError


def is_complete(session: NoticesSession) -> bool:
    """Say whether every source has been read to its end once, so that all that is staged is the baseline (5.1)."""
    raise NotImplementedError


def hint(session: NoticesSession, merchant_orders: Sequence[str]) -> None:
    """Have these orders read first next time, by this route or by the one that reads their system (5.6)."""
    raise NotImplementedError
