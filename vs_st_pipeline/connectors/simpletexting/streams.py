"""Declares what SimpleTexting is asked for, and where it stands."""

from __future__ import annotations

from typing import Final

from vs_st_pipeline.platform.warehouse.streams import Stream
from vs_st_pipeline.platform.warehouse.suppression import CONTACT

CONTACTS: Final = Stream("contacts", CONTACT, "raw.simpletexting_contacts", "contact_id")
STREAMS: Final = (CONTACTS,)
