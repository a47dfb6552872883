"""Names the words of a plan: wanted values, changes, the reasons to hold a contact back, and notes worth knowing."""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

Kind: TypeAlias = Literal["builtin", "custom"]
"""`builtin`: a field that every contact has (`firstName`); `custom`: one that the account's owner made."""

Policy: TypeAlias = Literal["fill", "mirror"]
"""`fill`: written only where empty, never overwritten or cleared; `mirror`: the pipeline owns the field."""

# Why a contact is held back, in the order of precedence: each contact is counted once, by the first that applies.
OPTED_OUT = "opted_out"
NOT_CONFIRMED = "not_confirmed"
AMBIGUOUS_PHONE = "ambiguous_phone"
UNDER_AGE = "under_age"
AGE_UNKNOWN = "age_unknown"
HELD_REASONS = (OPTED_OUT, NOT_CONFIRMED, AMBIGUOUS_PHONE, UNDER_AGE, AGE_UNKNOWN)

# What is worth knowing of a contact that is written all the same, or left for now.
EDITED_THERE = "edited_there"
CANNOT_CLEAR = "cannot_clear"
GONE = "gone"
WAITING_RETRY = "waiting_retry"
RECEIPT_UNREADABLE = "receipt_unreadable"
NOT_READ_YET = "not_read_yet"
UNREADABLE = "unreadable"
AGE_UNVERIFIED = "age_unverified"

_MEANINGS = {
    OPTED_OUT: "said STOP at {destination}; never written",
    NOT_CONFIRMED: "has not confirmed the sign-up at {destination}; written once confirmed",
    AMBIGUOUS_PHONE: "several customers share the phone; the one with the newest order is taken, or none "
    "(settings): give each a phone of its own at {source}",
    UNDER_AGE: "known to be under 21 at {source}; never written before the birthday",
    AGE_UNKNOWN: "{source} knows no birth date, which is written all the same, or not (settings), or gives one that "
    "cannot be read, which is never written",
    EDITED_THERE: "somebody edited our field at {destination}; it is put back",
    CANNOT_CLEAR: "{destination} does not let this field be emptied; left until the value changes, or empty it there "
    "by hand",
    GONE: "no longer at {destination} when it was to be written",
    WAITING_RETRY: "refused before; tried again with growing gaps: `vs-st why` says what to do, `vs-st retry` tries at "
    "once",
    RECEIPT_UNREADABLE: "the receipt could not be read now; that field is left as it is",
    UNREADABLE: "a record of this contact cannot be read now; what was last read is kept, and it is tried again: "
    "`vs-st check` names it",
    AGE_UNVERIFIED: "the newest order's age check failed at {source}; written all the same, or not (settings)",
    NOT_READ_YET: "the customer's details or one of their orders wait to be read; nothing is written before",
}


def meanings(source: str, destination: str) -> dict[str, str]:
    """Return what each of these words means to a person.

    Args:
        source, destination: titles of the systems that a route joins.
    """
    return {word: meaning.format(source=source, destination=destination) for word, meaning in _MEANINGS.items()}


class Wanted(msgspec.Struct, frozen=True, gc=False):
    """A value that a contact should have.

    Attributes:
        field: name in the field map. key: name to write it under at the destination (the merge tag of a custom field).
        value: the text that the field should have; empty means cleared.
    """

    field: str
    key: str
    kind: Kind
    policy: Policy
    value: str


class Change(msgspec.Struct, frozen=True, gc=False):
    """A wanted value that differs from what is there.

    Attributes:
        old: what is there, None where that is not known.
        rule: the line of the map that wants it; empty where it was not asked for.
        sources: the records that it was made from, such as `customer 700101, order 9000`; empty where not asked for.
    """

    field: str
    key: str
    kind: Kind
    policy: Policy
    old: str | None
    new: str
    rule: str = ""
    sources: str = ""
