"""Names the system."""

from __future__ import annotations

from typing import Final

SOPOST: Final = "sopost"
TITLE: Final = "SoPost"
