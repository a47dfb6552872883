"""Classifies SoPost's words for what has become of an order; any word that no list has is `later`."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from vs_st_pipeline.connectors.sopost.settings import SoPostSettings
from vs_st_pipeline.domain.loosely import loosely

APPROVED, PENDING, REJECTED, LATER = "approved", "pending", "rejected", "later"
CLASSES: Final = (APPROVED, PENDING, REJECTED)
"""Classes that have words of their own, as the settings list them."""


def classify(settings: SoPostSettings, word: str) -> str:
    """Return the class of an order's status, or of an event's word (consumers.md 3.6).

    Returns:
        `approved`, `pending`, `rejected`, or `later` for every word that no list has.
    """
    name = loosely(word)
    return next((one for one in CLASSES if name in names_of(settings, one)), LATER)


def names_of(settings: SoPostSettings, one: str) -> Collection[str]:
    """Return the words of a class, as `loosely` writes them; `later` has none of its own."""
    listed: tuple[str, ...] = getattr(settings.statuses, one)
    return {loosely(name) for name in listed}


def wants_body(one: str) -> bool:
    """Say whether bodies of orders of this class are kept: those that count, or may once the word is known (3.9)."""
    return one in (APPROVED, LATER)
