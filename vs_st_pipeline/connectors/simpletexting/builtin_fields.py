"""Names the fields that every contact has."""

from __future__ import annotations

from typing import Final

from vs_st_pipeline.connectors.simpletexting.names import SIMPLETEXTING
from vs_st_pipeline.domain.field_map import Builtins

BUILTINS: Final = Builtins(
    system=SIMPLETEXTING,
    names=("firstName", "lastName", "email", "birthday", "comment"),
    # Characters as SimpleTexting documents them. It counts as Java does, in UTF-16 units: an emoji is two.
    longest={"firstName": 100, "lastName": 100, "comment": 1000},
    iso_dates=frozenset(["birthday"]),
)
"""The contact's own fields that a map may write. Phone, lists and subscription are never written by a map."""
