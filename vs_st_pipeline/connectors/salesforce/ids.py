"""Reads ids: of fifteen characters, of which case counts, or of eighteen, whose last three only repeat the case."""

from __future__ import annotations

import re
from typing import Final

_ID: Final = re.compile(r"([A-Za-z0-9]{15})(?:[A-Za-z0-9]{3})?", re.ASCII)


def core(id: object) -> str | None:
    """Return the fifteen characters by which an id is known however it is written; None where it is no id."""
    found = _ID.fullmatch(id) if isinstance(id, str) else None
    return found[1] if found else None
