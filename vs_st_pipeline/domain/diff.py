"""Compares one value with the live one and with what was accepted before: write it, leave it, and what that teaches.

Data flow: wanted value + live value + LedgerEntry -> Decision. Pure, and the only place where this is decided; SQL only
preselects the contacts whose values need a look.

The destination may store something else than was sent (cut, trimmed, recased, or nothing at all), and people
edit values there. Both look like a difference. The ledger tells them apart: it has the value that was sent, the
value that a later read showed (`stored`), and the value that was there before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import msgspec

from vs_st_pipeline.domain.plan import CANNOT_CLEAR, EDITED_THERE, Change, Policy, Wanted


class LedgerEntry(msgspec.Struct, frozen=True, gc=False):
    """What the ledger knows of one contact's field.

    Attributes:
        sent: the value that the destination accepted.
        stored: what a later read showed for it; None until one did.
        before: what was there when it was sent.
        resent: the same value had been accepted once before and no read showed what became of it: a second try.
        put_back: the same value had been read there before, and something else had taken its place.
    """

    sent: str
    stored: str | None = None
    before: str = ""
    resent: bool = False
    put_back: bool = False


class Decision(msgspec.Struct, frozen=True, gc=False):
    """What to do with one value.

    Attributes:
        write: send it.
        note: `edited_there` or `cannot_clear`, where worth knowing.
        learned: the stored form that this comparison proves for the wanted value; None where it teaches nothing new.
    """

    write: bool
    note: str | None = None
    learned: str | None = None


@dataclass(slots=True)
class Comparison:
    """All of one contact's values compared: what to write, what is worth knowing, and what was learned."""

    changes: list[Change] = field(default_factory=list)
    notes: set[str] = field(default_factory=set)
    learned: list[tuple[str, str, str]] = field(default_factory=list)  # field, sent, stored


LEAVE = Decision(False)
WRITE = Decision(True)


def compare(
    wanted: Iterable[Wanted], live: Callable[[str, str], str], accepted: Mapping[str, LedgerEntry]
) -> Comparison:
    """Decide for every wanted value of one contact.

    Args:
        wanted: the values that the contact should have.
        live: returns the text that is under (kind, key) now, empty for none.
        accepted: the contact's ledger by field name.
    """
    found = Comparison()
    for want in wanted:
        current = live(want.kind, want.key)
        decision = decide(want.policy, want.value, current, accepted.get(want.field))
        if decision.write:
            found.changes.append(Change(want.field, want.key, want.kind, want.policy, current, want.value))
        if decision.note:
            found.notes.add(decision.note)
        if decision.learned is not None:
            found.learned.append((want.field, want.value, decision.learned))
    return found


def decide(policy: Policy, wanted: str, live: str, accepted: LedgerEntry | None) -> Decision:
    """Compare one wanted value with the live one.

    Args:
        policy: `mirror` (ours to write, clear and put back) or `fill` (only into an empty field).
        wanted: text that the field should have, empty for none.
        live: text that the field has now, empty for none.
        accepted: the ledger's entry, None where there is none.
    """
    if policy == "fill":
        return _fill(wanted, live, accepted)
    return _mirror(wanted, live, accepted)


def _fill(wanted: str, live: str, accepted: LedgerEntry | None) -> Decision:
    if live.strip() or not wanted.strip():
        if accepted and accepted.sent == wanted and accepted.stored is None:
            return Decision(False, learned=live)
        return LEAVE
    if accepted is None or accepted.sent != wanted:
        return WRITE
    if accepted.stored is not None:
        # Stored as nothing: sending it again changes nothing. Stored once and empty now: somebody emptied it there.
        return WRITE if accepted.stored.strip() else LEAVE
    return Decision(False, learned=live) if accepted.resent else WRITE


def _mirror(wanted: str, live: str, accepted: LedgerEntry | None) -> Decision:
    if live == wanted:
        known = accepted is not None and accepted.sent == wanted and accepted.stored == live
        return LEAVE if known else Decision(False, learned=live)
    if accepted is None:
        return WRITE
    if accepted.sent != wanted:
        # Our value has changed since; whether somebody edited there as well is still worth knowing.
        return Decision(True, note=EDITED_THERE if _edited(live, accepted) else None)
    stuck = CANNOT_CLEAR if not wanted else None
    if accepted.stored is not None:
        return Decision(False, note=stuck) if live == accepted.stored else Decision(True, note=EDITED_THERE)
    if wanted:
        as_stored = is_normalized_form(wanted, live) or (accepted.resent and live == accepted.before)
    else:
        # The clearing was accepted and had no effect. But where the field was empty before, somebody wrote into it, and
        # may have written the same again before anything was read: that is worth a second try.
        as_stored = live == accepted.before and not accepted.put_back
    return Decision(False, note=stuck, learned=live) if as_stored else Decision(True, note=EDITED_THERE)


Drift: TypeAlias = Literal["same", "ours", "theirs", "both"]
"""Which side moved since a value was accepted: neither, ours (the wanted value), theirs (the live value), or both."""


def classify_drift(policy: Policy, wanted: str, live: str, accepted: LedgerEntry | None) -> Drift:
    """Say which side of one value moved; a value that needs no write is `same`, even where a `fill` field differs.

    Args:
        policy, wanted, live, accepted: as in `decide`.
    """
    if not decide(policy, wanted, live, accepted).write:
        return "same"
    if accepted is None:
        return "ours"
    if accepted.sent == wanted:
        return "theirs"
    return "both" if _edited(live, accepted) else "ours"


def _edited(live: str, accepted: LedgerEntry) -> bool:
    if accepted.stored is not None:
        return live != accepted.stored
    return live not in (accepted.sent, accepted.before) and not is_normalized_form(accepted.sent, live)


def is_normalized_form(sent: str, live: str) -> bool:
    """Say whether `live` is what a system makes of `sent` when it cuts, trims, recases or strips punctuation."""
    plain_sent, plain_live = _plain(sent), _plain(live)
    return bool(plain_live) and plain_sent.startswith(plain_live)


def _plain(text: str) -> str:
    return "".join(char for char in text.casefold() if char.isalnum())
