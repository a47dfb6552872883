"""Says what counts as a loss of a value, for the brake; that a contact stands for somebody else now is one too.

Data flow: Person, its changes, its ledger -> whether it would lose something.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from vs_st_pipeline.domain import brake
from vs_st_pipeline.domain.diff import LedgerEntry
from vs_st_pipeline.domain.field_map import FieldMap
from vs_st_pipeline.domain.plan import Change
from vs_st_pipeline.pipeline.planning import Loses
from vs_st_pipeline.pipeline.safety import LinkedBefore
from vs_st_pipeline.routes.contacts.plan_rows import Person

NEWEST_NUMBER_SOURCE = "newest_order.number"


def loses_by(field_map: FieldMap) -> Loses[Person]:
    """Return what says whether a contact would lose a value of this map."""
    sources = {row.to: row.source for row in field_map.fields}

    def loses(
        person: Person, before: LinkedBefore | None, changes: Sequence[Change], accepted: Mapping[str, LedgerEntry]
    ) -> bool:
        return brake.any_loss(
            changes,
            sources,
            {name: entry.sent for name, entry in accepted.items()},
            has_newer_order=_has_newer_order(person, before, changes, sources),
        )

    return loses


def _has_newer_order(
    person: Person,
    before: LinkedBefore | None,
    changes: Sequence[Change],
    sources: Mapping[str, str | None],
) -> bool:
    if person.subject_at is None:
        return False
    if before and before.subject_at:
        return person.subject_at > before.subject_at
    return any(sources.get(change.field) == NEWEST_NUMBER_SOURCE and change.new for change in changes)
