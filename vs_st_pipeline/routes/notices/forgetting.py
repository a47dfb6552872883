"""Forgets a person in this route and its accounts (notices.md 9.4); an opt-out stays, as a salted hash."""

from __future__ import annotations

from vs_st_pipeline.pipeline.erasure import NO_OWN
from vs_st_pipeline.platform.run import Run

OWN = NO_OWN


def begin(run: Run) -> None:
    """Finish an erasure that was interrupted."""
    raise NotImplementedError
