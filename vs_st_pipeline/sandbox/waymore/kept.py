"""Holds what an account at WayMore keeps of a call, a record and a cart, and what the shop itself knows."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from vs_st_pipeline.sandbox.core.asgi import Record

MASS, EVENT = "mass", "event"


@dataclass
class Call:
    """One call that was good so far: what the journal says of it, its key and the time of its arrival."""

    seq: int
    entry: Record
    key: str | None
    at: datetime
    by: str = EVENT


@dataclass
class Kept:
    """A record as it is kept.

    Attributes:
        copies: how many there are of it. by: what brought it first. first, last: numbers of the calls.
    """

    data: Any
    by: str
    first: int
    last: int
    copies: int = 1

    def shown(self, id: str) -> Record:
        """Return it for the control API."""
        return {"id": id, "data": self.data, "by": self.by, "copies": self.copies, "first": self.first,
                "last": self.last}  # fmt: skip


@dataclass
class Cart:
    """A cart with goods in it, of which its owner may be reminded."""

    at: datetime
    seq: int
    reminded: bool = False


@dataclass
class Facts:
    """What the shop itself knows, by which the account's client is judged.

    Attributes:
        consents: addresses that may be told as subscribed.
        history: ids by block that were there before all and are nobody's who is held: no event may tell them first.
        aliases: of an order: another name that the shop has for it, and its id.
        silent: the client was let take what is there as told (`history: skip`): what it changes need not be known.
    """

    consents: set[str] = field(default_factory=set)
    history: dict[str, set[str]] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)
    silent: bool = False
