"""Holds records that were read until there are enough of them, or enough time has passed, to store them together.

Data flow: one record at a time -> some thousands in one transaction.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType
from typing import Final, Generic, TypeVar

T = TypeVar("T")

MOST_RECORDS: Final = 5_000
"""A transaction costs some milliseconds whatever is in it, and each batch looks through the keys of the table. Storing
200,000 records took 17.8 s of CPU by 250, 13.2 s by 1,000, 11.0 s by 5,000; larger batches gain nothing more."""

MOST_TEXT: Final = 16 << 20
"""Characters; so that several merchants with large bodies fit into memory at once."""

MOST_SECONDS: Final = 20.0
"""What a crash loses has to be read again: of a system that is asked once a second, at most this many answers."""

PROMPT: Final = 2
"""Records that are stored promptly wait this many times as long as storing the ones before took: at the pace of real
accounts each is stored as it comes, and at full speed storing takes no more than a third of the time."""


class Waiting(Generic[T]):
    """Records that were read and are not stored yet; at the end of the `with` block they are stored, whatever ended it.

    Args:
        land: stores them.
        most: how many may wait.
        promptly: whether they are costly to read again, and so wait for moments only (`PROMPT`).
    """

    def __init__(self, land: Callable[[list[T]], None], most: int = MOST_RECORDS, *, promptly: bool = False) -> None:
        self._land, self._most, self._promptly = land, most, promptly
        self._records: list[T] = []
        self._count = self._text = 0
        self._since = self._landed = time.monotonic()
        self._cost = 0.0

    def __enter__(self) -> Waiting[T]:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.land()

    def add(self, record: T, text: int = 0, count: int = 1) -> bool:
        """Take a record in, and store all where that is due; say whether it was.

        Args:
            text: length of its body.
            count: how many records it stands for, if it is a page of them.
        """
        if not self._records:
            self._since = time.monotonic()
        self._records.append(record)
        self._count += count
        self._text += text
        now = time.monotonic()
        late = now - self._since >= MOST_SECONDS or (self._promptly and now - self._landed >= PROMPT * self._cost)
        due = late or self._count >= self._most or self._text >= MOST_TEXT
        if due:
            self.land()
        return due

    def land(self) -> None:
        """Store what waits."""
        if self._records:
            records, self._records = self._records, []
            self._count = self._text = 0
            began = time.monotonic()
            self._land(records)
            self._landed = time.monotonic()
            self._cost = self._landed - began
