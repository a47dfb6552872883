"""Names the system."""

from __future__ import annotations

from typing import Final

GUPSHUP: Final = "gupshup"
TITLE: Final = "Gupshup"
