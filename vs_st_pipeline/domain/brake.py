"""Decides whether a sync is refused by the brake: one in which many contacts would lose something is refused whole.

It stays refused until a person allows it by name. Pure: no clock, no file, no network. Loss trips the brake, change
does not: a club release rightly rewrites most contacts in one sync.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal, InvalidOperation

from vs_st_pipeline.domain.plan import Change

FEWEST = 10  # contacts synced before; below that a percentage means nothing
SHRUNK_BELOW = 80  # per cent of the rows of the last complete read
LOSING_ABOVE = 30  # per cent of the contacts synced before

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


def check_plan(
    synced_before: int, losing: int, still_there: int, last_reads: Mapping[str, int], these_reads: Mapping[str, int]
) -> str | None:
    """Return why this sync is refused, or None.

    Args:
        synced_before: contacts that were synced before.
        losing: how many of them would lose something.
        still_there: how many of them the destination still has; a contact that is gone has nothing to lose, so it
            must not dilute the percentage.
        last_reads: rows by kind (`customers`, `contacts`) of the last complete read that was let through.
        these_reads: the same of this sync.
    """
    if synced_before < FEWEST:
        return None
    reasons = [
        f"{what} shrank from {before} to {these_reads[what]} (less than {SHRUNK_BELOW} %)"
        for what, before in sorted(last_reads.items())
        if what in these_reads and these_reads[what] * 100 < before * SHRUNK_BELOW
    ]
    if losing * 100 > still_there * LOSING_ABOVE:
        reasons.append(
            f"{losing} of {still_there} contacts synced before would lose something (more than {LOSING_ABOVE} %)"
        )
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
