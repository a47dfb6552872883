"""Reads what was staged of journeys back as events (notices.md 4).

Data flow: staged.journey_events -> `journey.Event`, by unit.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Final

from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.routes.notices.journey import Event
from vs_st_pipeline.routes.notices.status_map import StatusMap
from vs_st_pipeline.routes.notices.words import Basis

_COLUMNS: Final = """unit_key, status, occurrence, rank, ends, source_status, occurred_at, last_at, basis, confirmed,
    hook_at, attempt_at, answered_at, noted, evidence"""


def of_units(db: Db, statuses: StatusMap, unit_keys: Collection[str] | None = None) -> dict[str, list[Event]]:
    """Return the events of these units, by unit; None: of all. A unit without any is not in it."""
    if unit_keys is None:
        return _read(db, statuses, "true")
    with db.batch({"unit_key": sorted(set(unit_keys))}) as batch:
        return _read(db, statuses, f"unit_key in (select unit_key from {batch})")


def _read(db: Db, statuses: StatusMap, where: str, params: list[str] | None = None) -> dict[str, list[Event]]:
    found: dict[str, list[Event]] = {}
    rows = db.rows(
        f"select {_COLUMNS} from staged.journey_events where {where} order by unit_key, status, occurrence", params
    )
    for unit_key, status, occurrence, rank, ends, word, occurred_at, last_at, basis, *rest in rows:
        meaning = statuses.of_key.get(status)
        confirmed, hook_at, attempt_at, answered_at, noted, evidence = rest
        found.setdefault(unit_key, []).append(
            Event(
                unit_key,
                status,
                occurrence,
                rank,
                ends,
                meaning is not None and meaning.repeats,
                word or "",
                occurred_at,
                last_at,
                None if basis is None else Basis(basis),
                confirmed=confirmed,
                hook_at=hook_at,
                attempt_at=attempt_at,
                answered_at=answered_at,
                noted=noted,
                evidence=json.loads(evidence) if evidence else {},
            )
        )
    return found
