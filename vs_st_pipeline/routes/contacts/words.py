"""Says the route's words to people, with the titles of the two systems that it joins."""

from __future__ import annotations

from typing import Final

from vs_st_pipeline.connectors.simpletexting.names import TITLE as DESTINATION
from vs_st_pipeline.connectors.vinoshipper.names import TITLE as SOURCE
from vs_st_pipeline.domain.attributes import ATTRIBUTES
from vs_st_pipeline.domain.plan import meanings

MEANINGS: Final = meanings(SOURCE, DESTINATION)
"""What each reason to hold a contact back, and each note, means to a person."""

ATTRIBUTE_NAMES: Final = {name: row.description.format(source=SOURCE) for name, row in ATTRIBUTES.items()}
"""Every name that the field map may use in `from`, and what it is."""
