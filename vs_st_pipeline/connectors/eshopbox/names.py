"""Names the system."""

from __future__ import annotations

from typing import Final

ESHOPBOX: Final = "eshopbox"
TITLE: Final = "Eshopbox"
