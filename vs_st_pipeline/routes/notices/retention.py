"""Removes what is kept no longer (notices.md 9.4, R67): texts after 90 days, evidence after 7 years."""

from __future__ import annotations

from vs_st_pipeline.platform.run import Run


def prune(run: Run) -> None:
    """Remove it, nightly."""
    raise NotImplementedError
