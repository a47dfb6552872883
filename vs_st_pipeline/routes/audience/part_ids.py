"""Keeps the ids of a part of the history as a JSON array, in synced.audience_parts and synced.audience_told.

As a list they cost DuckDB's log a hundred times as much (sql/0002_ids_as_text.sql).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

LIST: Final = "from_json(ids, '[\"VARCHAR\"]')"
"""The SQL of a part's ids as a list."""


def as_text(ids: Sequence[str]) -> str:
    """Return ids as they are stored."""
    return msgspec.json.encode(ids).decode()


def read(text: str) -> tuple[str, ...]:
    """Return ids from what is stored."""
    return msgspec.json.decode(text, type=tuple[str, ...])
