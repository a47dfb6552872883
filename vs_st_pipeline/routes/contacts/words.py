"""Says the route's words to people, with the titles of the two systems that it joins."""

from __future__ import annotations

from typing import Final

from vs_st_pipeline.connectors.simpletexting.error_codes import CATALOGUE
from vs_st_pipeline.connectors.simpletexting.names import TITLE as DESTINATION
from vs_st_pipeline.connectors.vinoshipper.names import TITLE as SOURCE
from vs_st_pipeline.domain.attributes import ATTRIBUTES
from vs_st_pipeline.domain.plan import HELD_REASONS, meanings

MEANINGS: Final = meanings(SOURCE, DESTINATION)
"""What each reason to hold a contact back, and each note, means to a person."""

WORDS: Final = {
    "held": {word: MEANINGS[word] for word in HELD_REASONS},
    "noted": {word: says for word, says in MEANINGS.items() if word not in HELD_REASONS},
    "code of a refused contact": {code: f"{one.means} {one.do}" for code, one in CATALOGUE.items()},
}
"""The same by where they stand, and what each code means that a contact is refused with."""

ATTRIBUTE_NAMES: Final = {name: row.description.format(source=SOURCE) for name, row in ATTRIBUTES.items()}
"""Every name that the field map may use in `from`, and what it is."""
