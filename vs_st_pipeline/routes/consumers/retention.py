"""Stub until staging brings it."""

from __future__ import annotations

from vs_st_pipeline.platform.run import Run


def prune(run: Run) -> None:
    """Do nothing."""
