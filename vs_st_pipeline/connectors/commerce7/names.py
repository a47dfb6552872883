"""Names the system."""

from __future__ import annotations

from typing import Final

COMMERCE7: Final = "commerce7"
TITLE: Final = "Commerce7"
