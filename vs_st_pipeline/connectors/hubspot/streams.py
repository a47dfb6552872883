"""Declares what HubSpot is asked for, and where it stands."""

from __future__ import annotations

from typing import Final

from vs_st_pipeline.platform.warehouse.streams import Stream

CONTACTS: Final = Stream("contacts", "hubspot_contact", "raw.hubspot_contacts", "id")
STREAMS: Final = (CONTACTS,)
