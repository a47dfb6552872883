"""One value against what stands there and what was accepted before: write it, leave it, and what that teaches.

Pure, and the only place where this is decided; SQL chooses beforehand whose values need a look at all.

The destination may store something else than was sent (cut, trimmed, recased, or nothing at all), and people
edit values there. Both look like a difference. What tells them apart is the ledger: the value that was sent, the
value that a later read showed (`stored`), and what stood there before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from vs_st_pipeline.domain.plan import CANNOT_CLEAR, EDITED_THERE, Change, Policy, Wanted


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """What the ledger knows of one contact's field.

    Attributes:
        sent: the value that the destination accepted.
        stored: what a later read showed for it; None until one did.
        before: what stood there when it was sent.
        resent: the same value had been accepted once before, so this was a second try.
    """

    sent: str
    stored: str | None = None
    before: str = ""
    resent: bool = False


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do with one value.

    Attributes:
        write: send it.
        note: `edited_there` or `cannot_clear`, where worth knowing.
        learned: the stored form that this look proves for the wanted value; None where it teaches nothing new.
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
    """Decide every wanted value of one contact.

    Args:
        wanted: the values that the contact should have.
        live: gives the text that stands under (kind, key) now, empty for none.
        accepted: the contact's ledger by field name.
    """
    found = Comparison()
    for want in wanted:
        stands = live(want.kind, want.key)
        decision = decide(want.policy, want.value, stands, accepted.get(want.field))
        if decision.write:
            found.changes.append(Change(want.field, want.key, want.kind, want.policy, stands, want.value))
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
        live: text that stands there now, empty for none.
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
        # It was stored as nothing: sending it again changes nothing. It was stored and is empty now: emptied there.
        return WRITE if accepted.stored.strip() else LEAVE
    return Decision(False, learned=live) if accepted.resent else WRITE


def _mirror(wanted: str, live: str, accepted: LedgerEntry | None) -> Decision:
    if live == wanted:
        known = accepted is not None and accepted.sent == wanted and accepted.stored == live
        return LEAVE if known else Decision(False, learned=live)
    if accepted is None:
        return WRITE
    if accepted.sent != wanted:
        # Ours has changed meanwhile; whether somebody edited there as well is still worth knowing.
        return Decision(True, note=EDITED_THERE if _edited(live, accepted) else None)
    stuck = CANNOT_CLEAR if not wanted else None
    if accepted.stored is not None:
        return Decision(False, note=stuck) if live == accepted.stored else Decision(True, note=EDITED_THERE)
    if wanted:
        as_stored = is_normalized_form(wanted, live) or (accepted.resent and live == accepted.before)
    else:
        as_stored = live == accepted.before  # the clearing was accepted and had no effect
    return Decision(False, note=stuck, learned=live) if as_stored else Decision(True, note=EDITED_THERE)


Drift: TypeAlias = Literal["same", "ours", "theirs", "both"]
"""Who has moved since a value was accepted: nobody, we (what is wanted), they (what stands there), or both."""


def classify_drift(policy: Policy, wanted: str, live: str, accepted: LedgerEntry | None) -> Drift:
    """Compare three sides of one value; what needs no write is `same`, though a `fill` field may say something else.

    Args:
        policy, wanted, live, accepted: as of `decide`.
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
    """Whether `live` is what a system makes of `sent` when it cuts, trims, recases or strips punctuation."""
    plain_sent, plain_live = _plain(sent), _plain(live)
    return bool(plain_live) and plain_sent.startswith(plain_live)


def _plain(text: str) -> str:
    return "".join(char for char in text.casefold() if char.isalnum())
