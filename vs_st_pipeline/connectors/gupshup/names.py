"""Names the system, and the kinds of its callbacks (notices.md 3.4)."""

from __future__ import annotations

from typing import Final

GUPSHUP: Final = "gupshup"
TITLE: Final = "Gupshup"
RECEIPT: Final = "receipt"  # message-event
REPLY: Final = "reply"  # message
CONSENT: Final = "consent"  # user-event
TEMPLATE: Final = "template"  # template-event
BILLING: Final = "billing"  # billing-event
KINDS: Final = frozenset({RECEIPT, REPLY, CONSENT, TEMPLATE, BILLING})
CALLBACK: Final = "callback"  # what is kept of one: its envelope, a reply's texts cut
