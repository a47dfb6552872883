"""Describes hints: "look at this record", as a webhook or a look at a list gives them. Never says what a record holds.

Data flow: a webhook's body -> Call (by its connector) -> Hint for each route that wants its kind -> outcome.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

ORDER, CUSTOMER, MEMBERSHIP, CONTACT = "order", "customer", "membership", "contact"
WHOLE: Final = "whole"  # no record: a whole sync is made due
PING, TEST, NOTHING = "ping", "test", "nothing"  # nothing is to be read
WITHOUT_HINT: Final = frozenset({PING, TEST, NOTHING})
ANSWERED: Final = "answered"  # a reply that was taken: its merchant acts on it
OURS: Final = frozenset({ANSWERED})
"""Put by ourselves, at what stands elsewhere: they expire, whatever system they are of, and nobody is told how old."""


_ACCOUNT: Final = "account:"  # no merchant's id has a colon


def name_of_account(account_id: str) -> str:
    """Return what calls about an account stand under that several merchants share, in place of a merchant's id (R9)."""
    return _ACCOUNT + account_id


def is_account(name: str) -> bool:
    """Say whether calls stand under an account that several merchants share, and under no merchant."""
    return name.startswith(_ACCOUNT)


class HintState(StrEnum):
    """Where a hint stands."""

    WAITING = "waiting"
    WORKING = "working"  # claimed by a sync that is reading its record
    DONE = "done"
    EXPIRED = "expired"
    DROPPED = "dropped"


class Outcome(StrEnum):
    """What became of a hint; of several that fit, the first."""

    WRITTEN = "written"
    HELD = "held"
    UNCHANGED = "unchanged"
    NOT_LINKED = "not_linked"
    GONE = "gone"  # its record answered 404
    KNOWN = "known"
    HANDED_OVER = "handed_over"  # a whole sync does it
    NO_HINT = "no_hint"
    OVER_LIMIT = "over_limit"


STATE_MEANS: Final[Mapping[HintState, str]] = {
    HintState.WAITING: "nobody has taken it yet: `vs-st work`, `inbox_watch` or the merchant's next sync does",
    HintState.WORKING: "a sync is reading its record",
    HintState.DONE: "settled; the outcome says how",
    HintState.EXPIRED: "it waited for too long and was given up; `vs-st inbox replay` lets it wait again",
    HintState.DROPPED: "it was not followed; the outcome says why",
}
OUTCOME_MEANS: Final[Mapping[Outcome, str]] = {
    Outcome.WRITTEN: "what it was about was read, and something was written",
    Outcome.HELD: "it was read, and is held back; `vs-st why` says the reason",
    Outcome.UNCHANGED: "it was read, and nothing had to be written",
    Outcome.NOT_LINKED: "it was read, and belongs to nobody who is written",
    Outcome.GONE: "the system does not have the record any more",
    Outcome.KNOWN: "what it says was known already",
    Outcome.HANDED_OVER: "a whole sync of the merchant does it",
    Outcome.NO_HINT: "a test, a ping or a call for a route that is off: nothing is to be read",
    Outcome.OVER_LIMIT: "too many calls named records that do not exist; see `nobody_floods` on `fleet/hints`",
}


@dataclass(frozen=True, slots=True)
class Call:
    """One webhook call, or one element of it, as its connector understands it.

    Attributes:
        kind: of the record: one of the words above, or a system's own; `WHOLE` where it was not understood.
        id: of the record, None where it has none.
        phone: ten digits, where the system names a record by its phone alone.
        event: the event's word, for people.
        event_id: the system's own id of this event; the same one again is the same entry.
        opts_out: it says that its contact must not be written any more.
        account: the account at the system that it names; None where it names none.
        kept: the keys that are stored; never a text that a person wrote, but where the system's chapter says so.
    """

    kind: str
    id: str | None = None
    phone: str | None = None
    event: str | None = None
    event_id: str | None = None
    opts_out: bool = False
    account: str | None = None
    kept: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Hint:
    """One route's hint, as the inbox keeps it.

    Attributes:
        hint, entry: numbers; later ones are greater.
        stored_at: when it was stored, or made to wait again, by the machine's clock; epoch seconds.
        at: the same by `VS_ST_NOW` where that is set; ISO.
        tries: how often it was tried and had to wait again.
        kept_json: what the entry keeps, as it is stored: a sync may take some hundred thousand hints.
    """

    hint: int
    entry: int
    merchant: str
    route: str
    system: str
    kind: str
    id: str | None
    phone: str | None
    event: str | None
    event_id: str | None
    stored_at: float
    at: str
    tries: int
    state: HintState
    kept_json: str = "{}"

    @property
    def kept(self) -> Mapping[str, Any]:
        """Return what the entry keeps, by key."""
        found: dict[str, Any] = json.loads(self.kept_json)
        return found

    @property
    def record(self) -> tuple[str, str, str]:
        """Return what names its record: system, kind, and id or phone. Waiting hints of one record are one read."""
        return self.system, self.kind, self.id or self.phone or ""
