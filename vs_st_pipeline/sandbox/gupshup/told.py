"""Keeps one callback and whether the client knows of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from vs_st_pipeline.sandbox.core.sender import Call


@dataclass
class Told:
    """One callback.

    Attributes:
        body: an object; a text goes as it is.
        of: the message that it is about, of receipts and bills.
        by_itself: it comes as nobody has said otherwise.
        calls: its sendings, once it is on its way.
    """

    account: str
    what: str
    body: Any
    of: str | None = None
    by_itself: bool = False
    calls: list[Call] = field(default_factory=list)
    taken_at: float | None = None

    @property
    def told_at(self) -> float | None:
        """Return when it was first answered by 2xx, or taken by a test (epoch seconds)."""
        good = [one["sentAt"] for call in self.calls for one in list(call.log) if 200 <= one["statusCode"] < 300]
        return min([*good, *([self.taken_at] if self.taken_at else [])], default=None)
