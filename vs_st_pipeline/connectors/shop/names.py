"""Names the system."""

from __future__ import annotations

from typing import Final

SHOP: Final = "shop"
TITLE: Final = "the shop"
