"""Names the system."""

from __future__ import annotations

from typing import Final

HUBSPOT: Final = "hubspot"
TITLE: Final = "HubSpot"
