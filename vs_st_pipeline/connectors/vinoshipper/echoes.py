"""Tells the inbox that we have just written an order, so that what Vinoshipper calls about it is no news (R49)."""

from __future__ import annotations

from contextlib import suppress
from typing import Final

from vs_st_pipeline.connectors.vinoshipper.names import VINOSHIPPER
from vs_st_pipeline.domain.hints import ORDER
from vs_st_pipeline.platform.inbox.store import UNUSABLE
from vs_st_pipeline.platform.run import Run

NO_ECHO: Final = ("APPROVED", "CANCELLED")
"""Events that are not what a write of ours leads to: somebody proved their age, or a person cancelled the order."""


def note_written(run: Run, number: str) -> None:
    """Have hints on an order wait for ten minutes, whichever route wants them, because a write of it leaves now.

    An inbox that cannot be written keeps nobody from writing the order: then its hints only cost their reads.
    """
    if run.inbox is not None and not run.dry_run:
        with suppress(*UNUSABLE):
            run.inbox.note_written(run.merchant.id, VINOSHIPPER, ORDER, number, but=NO_ECHO)
