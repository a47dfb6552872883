"""Names the system, and what its callbacks are about."""

from __future__ import annotations

from typing import Final

GUPSHUP: Final = "gupshup"
TITLE: Final = "Gupshup"

RECEIPT: Final = "receipt"
REPLY: Final = "reply"
CONSENT: Final = "consent"
TEMPLATE: Final = "template"
BILLING: Final = "billing"
