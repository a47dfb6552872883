"""Names the system."""

from __future__ import annotations

from typing import Final

WAYMORE: Final = "waymore"
TITLE: Final = "WayMore"
