"""Names the system."""

from __future__ import annotations

from typing import Final

SALESFORCE: Final = "salesforce"
TITLE: Final = "Salesforce"
