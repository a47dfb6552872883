"""Says when a hinted record is read, and how long a hint waits after a read that failed. Seconds, and no clock.

The numbers are those of webhooks-onboarding.md H27, H28 and H30.
"""

from __future__ import annotations

from typing import Final

FIRST: Final = 2.0  # after the first waiting hint; later ones do not put it off
NEXT: Final = 10.0  # after a read that found something new; doubled after each that did not
LONGEST: Final = 300.0
FORGOTTEN: Final = 3600.0  # without a read, how often nothing new was found does not count any more
ASKED_AGAIN: Final = 30.0  # an unknown id that answered 404 is asked once more
BARRED: Final = 600.0  # and then not at all
GAPS: Final = (10.0, 30.0, 60.0, 300.0)  # between tries that failed; the last one from then on


def due_at(first: float, not_before: float, read_at: float | None, fruitless: int) -> float:
    """Return when a record is due.

    Args:
        first: when its first waiting hint was stored. not_before: when a try that failed may be repeated.
        read_at: when it was read last; None: never.
        fruitless: reads in a row that found nothing new.
    """
    due = max(first + FIRST, not_before)
    if read_at is None or first - read_at > FORGOTTEN:
        return due
    return max(due, read_at + min(LONGEST, NEXT * 2.0 ** min(max(0, fruitless - 1), 10)))


def gap_after(tries: int) -> float:
    """Return how long a hint waits that has failed so often."""
    return GAPS[min(max(tries, 1), len(GAPS)) - 1]
