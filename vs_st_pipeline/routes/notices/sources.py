"""Says what a source of route `notices` is: who reads a system, and who stages what it said (notices.md 3, R34).

Data flow: a system's raw or staged tables -> staged.journey_events, units, unit_aliases, notice_orders, recipients.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from vs_st_pipeline.domain.errors import PipelineError
from vs_st_pipeline.routes.notices.session import NoticesSession


@dataclass(slots=True)
class Seen:
    """What reading a source came to.

    Attributes:
        trouble: the system's, in spite of which the rest was read; None: there was none.
    """

    trouble: PipelineError | None = None


class Source(Protocol):
    """A system that tells of orders."""

    system: str

    def read(self, session: NoticesSession) -> Seen:
        """Read what changed into raw; where another route reads the system, nothing.

        Raises:
            PipelineError: nothing of it could be read.
        """
        ...

    def stage(self, session: NoticesSession, only: Collection[str] | None) -> None:
        """Bring staged in step with what was read; `only`: these orders (merchant_order) alone."""
        ...

    def is_complete(self, session: NoticesSession) -> bool:
        """Say whether all that stands there now was read and staged once, so that it may be the baseline (5.1)."""
        ...

    def read_again(self, session: NoticesSession, own: str) -> bool:
        """Read one order anew and stage it (`own`: its merchant_order without the system).

        Returns:
            False where another route reads it.

        Raises:
            PipelineError: it could not be read.
        """
        ...

    def hint(self, session: NoticesSession, own: Sequence[str]) -> None:
        """Have these orders read first by whoever reads them."""
        ...

    def read_hinted(self, session: NoticesSession, record: str) -> bool | None:
        """Read the order that a hint names into raw; says whether it is another one now; None: it is gone.

        Raises:
            KeyError: another route reads it. PipelineError: it could not be read.
        """
        ...

    def merchant_order(self, session: NoticesSession, record: str) -> str | None:
        """Return the merchant_order of the order that a hint names; None: it is not staged."""
        ...
