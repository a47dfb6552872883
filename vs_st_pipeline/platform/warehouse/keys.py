"""Turns names of records into the columns that all tables of `planned` and `synced` are keyed by."""

from __future__ import annotations

from collections.abc import Iterable

from vs_st_pipeline.domain.refs import Ref

KEY = "system, object, id"
"""The columns, for `using (...)` and for lists of columns."""


def key_columns(refs: Iterable[Ref]) -> dict[str, list[str]]:
    """Return these records as columns of a batch."""
    rows = list(refs)
    return {"system": [row[0] for row in rows], "object": [row[1] for row in rows], "id": [row[2] for row in rows]}
