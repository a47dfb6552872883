"""Says how an attempt to send or to void one order ended."""

from __future__ import annotations

from dataclasses import dataclass

from vs_st_pipeline.domain.errors import PipelineError
from vs_st_pipeline.routes.orders.ledger import OrderRow
from vs_st_pipeline.routes.orders.states import State

UNSETTLED = "unsettled"
"""Code of what is not done because it is unknown what became of an earlier write."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How it ended.

    Attributes:
        row: how the order stands now; None: the ledger does not hold it.
        done: it is sent, or voided, now or since before.
        code: why not, where the order's own code does not say it.
        passable: a person may pass the code (4.1, `*`).
        unknown: what was written is not settled.
        error: why the shop or the shipper said nothing of this order; the others go on.
    """

    order_id: str
    row: OrderRow | None
    done: bool = False
    code: str | None = None
    passable: bool = False
    unknown: bool = False
    error: PipelineError | None = None

    @property
    def order_number(self) -> str | None:
        """Return the number at the shop."""
        return None if self.row is None else self.row.order_number

    @property
    def state(self) -> State | None:
        """Return how the order stands."""
        return None if self.row is None else self.row.state

    @property
    def message(self) -> str:
        """Return the words of its state."""
        return "" if self.row is None else self.row.message

    @property
    def why(self) -> str | None:
        """Return the code that people are told."""
        return self.code or (None if self.row is None else self.row.code)

    @property
    def says(self) -> str:
        """Return why it did not come to what was wanted, for people."""
        return _SAYS.get(self.why or "", f"the order is {self.state or 'not known'}, {self.why or 'no code'}")


_SAYS = {
    UNSETTLED: "it is not known yet what became of an earlier write; a later sync reads it",
    "void_unknown": "Vinoshipper does not show it cancelled yet; a later sync reads it",
    "shipped": "it is shipped",
    "refused": "Vinoshipper refused to cancel it",
    "missing_there": "Vinoshipper does not show this order",
    "not_sent": "it is not sent; use dont-send",
    "shadow": "nothing is written in this mode",
}
