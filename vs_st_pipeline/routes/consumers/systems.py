"""Names the systems that route `consumers` joins, and makes the CRMs among them."""

from __future__ import annotations

from typing import Final

NAME: Final = "consumers"
SOURCE: Final = "sopost"
CRM_NAMES: Final = ("hubspot", "klaviyo", "salesforce")  # the order in which they are asked, and errors are reported
