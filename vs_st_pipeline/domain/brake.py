"""Decides whether a sync is refused by the brake: one in which many contacts would lose something is refused whole.

It stays refused until a person allows it by name. Pure: no clock, no file, no network. Loss trips the brake, change
does not: a club release rightly rewrites most contacts in one sync.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from vs_st_pipeline.domain.plan import Change

FEWEST = 10  # contacts synced before; below that a percentage means nothing
SHRUNK_BELOW = 80  # per cent of the rows of the last complete read
LOSING_ABOVE = 30  # per cent of the contacts synced before

ALL, SHRANK, LOSING = "all", "shrank", "losing"
"""The part that is the whole plan, and the rules."""

NEVER_FALLING = frozenset({"customer.order_count", "customer.lifetime_value"})


def is_loss(change: Change, source: str | None, accepted: str | None, *, has_newer_order: bool) -> bool:
    """Say whether this change takes something away.

    Args:
        change: from the live value to the wanted one.
        source: name of the field's source in the field map, None for a constant.
        accepted: what the ledger says was accepted last; None where it says nothing (the live value counts then).
        has_newer_order: whether the customer has ordered since; details of an older order are then cleared rightly.
    """
    old = accepted if accepted is not None else (change.old or "")
    if source in NEVER_FALLING:
        was, will_be = _number(old), _number(change.new)
        if was is not None and will_be is not None and will_be < was:
            return True
    return change.policy == "mirror" and not change.new and bool(old.strip()) and not has_newer_order


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the brake says about a part of a plan.

    Attributes:
        part: what is refused, such as a kind, a destination or `all`.
        rule: the rule that refused it.
        loss: how much would be lost, by the rule's own measure.
        sentence: for people; without anybody's data.
    """

    part: str
    rule: str
    loss: float
    sentence: str


def judge(
    synced_before: int, losing: int, still_there: int, last_reads: Mapping[str, int], these_reads: Mapping[str, int]
) -> list[Verdict]:
    """Return why this sync is refused; nothing where it is not.

    Args:
        synced_before: contacts that were synced before.
        losing: how many of them would lose something.
        still_there: how many of them the destination still has; a contact that is gone has nothing to lose, so it
            must not dilute the percentage.
        last_reads: rows by kind (`customers`, `contacts`) of the last complete read that was let through.
        these_reads: the same of this sync.
    """
    if synced_before < FEWEST:
        return []
    found = [
        Verdict(
            what,
            SHRANK,
            before - these_reads[what],
            f"{what} shrank from {before} to {these_reads[what]} (less than {SHRUNK_BELOW} %)",
        )
        for what, before in sorted(last_reads.items())
        if what in these_reads and these_reads[what] * 100 < before * SHRUNK_BELOW
    ]
    if losing * 100 > still_there * LOSING_ABOVE:
        said = f"{losing} of {still_there} contacts synced before would lose something (more than {LOSING_ABOVE} %)"
        found.append(Verdict(ALL, LOSING, losing, said))
    return found


def refusal(verdicts: Iterable[Verdict]) -> str | None:
    """Return in one sentence why a plan with these verdicts is refused whole; None where there are none."""
    reasons = [one.sentence for one in verdicts]
    if not reasons:
        return None
    return (
        f"refused, nothing was written: {' and '.join(reasons)}; look at it with `vs-st plan`, "
        "and if it is right let it pass once with `vs-st sync --allow-unsafe`"
    )


def any_loss(
    changes: Iterable[Change],
    sources: Mapping[str, str | None],
    accepted: Mapping[str, str],
    *,
    has_newer_order: bool,
) -> bool:
    """Say whether any of one contact's changes takes something away."""
    return any(
        is_loss(change, sources.get(change.field), accepted.get(change.field), has_newer_order=has_newer_order)
        for change in changes
    )


def _number(text: str) -> Decimal | None:
    try:
        number = Decimal(text.strip())
    except InvalidOperation:
        return None
    return number if number.is_finite() else None
