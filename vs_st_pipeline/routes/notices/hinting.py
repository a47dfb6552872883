"""Keeps what is hinted at until it is read, and says which hints the route wants (routes.md R13, R30, R46)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from vs_st_pipeline.domain.hints import Hint
from vs_st_pipeline.pipeline.hinted import Queue
from vs_st_pipeline.platform.run import Run


def hand_over(run: Run, hints: Sequence[Hint]) -> None:
    """Store hints; what is stored already stays as it is. Callbacks of an account go into the account's file."""
    raise NotImplementedError


QUEUE: Final = Queue(hand_over)
