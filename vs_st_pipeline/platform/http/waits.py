"""Tells people that requests wait for a host that does not answer, so that a wait does not look like a hang.

It is told for the whole process, as there is one stderr: many merchants may wait for one host, and one line says so.
Nobody is told but where a command asks for it (`told_to`).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

AFTER: Final = 3.0  # seconds of tries and waits of one request before anything is said of it
EVERY: Final = 10.0  # seconds between two sentences about one host

Told = Callable[[str], None]


class _Waits:
    """Who is told, the last that asked first, and when something was last said of a host."""

    def __init__(self) -> None:
        self.guard = threading.Lock()
        self.told: list[Told] = []
        self.said_at: dict[str, float] = {}


_WAITS: Final = _Waits()


@contextmanager
def told_to(told: Told) -> Iterator[None]:
    """Have a function told while the block lasts, in place of whoever asked before; from any thread, a sentence each.

    The sentences name hosts and seconds, never a path, a key or a merchant.
    """
    with _WAITS.guard:
        _WAITS.told.append(told)
    try:
        yield
    finally:
        with _WAITS.guard:
            _WAITS.told.remove(told)


def tell(place: str, spent: float, seconds: float) -> None:
    """Tell that a request waits.

    Args:
        place: host and port. spent: seconds that the request has taken by its next try. seconds: until that.
    """
    now = time.monotonic()
    with _WAITS.guard:
        if not _WAITS.told or spent < AFTER or now - _WAITS.said_at.get(place, -EVERY) < EVERY:
            return
        _WAITS.said_at[place] = now
        told = _WAITS.told[-1]
    told(f"waiting for {place}, next try in {max(1, round(seconds))} s")
