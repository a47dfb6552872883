"""Names the system."""

from __future__ import annotations

from typing import Final

KLAVIYO: Final = "klaviyo"
TITLE: Final = "Klaviyo"
